#include "core/softirq.h"
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include "core/log.h"
#include "hyp/arch/host/host.h"
#include "tests/unit.h"

static char order[32];

static void note(char c)
{
    size_t n = strlen(order);

    order[n] = c;
    order[n + 1] = '\0';
}

static void on_timer(void) { note('t'); }
static void on_sched(void) { note('s'); }
static void on_arch(void)
{
    note('a');
    softirq_raise(SOFTIRQ_TIMER); /* raised by a handler: still before the scheduler */
}

static int setup(void **state)
{
    (void)state;
    softirq_init();
    softirq_register(SOFTIRQ_TIMER, on_timer);
    softirq_register(SOFTIRQ_SCHED, on_sched);
    softirq_register(SOFTIRQ_ARCH, on_arch);
    return 0;
}

TEST(all_are_processed_and_the_scheduler_last)
{
    order[0] = '\0';
    softirq_raise(SOFTIRQ_SCHED);
    softirq_raise(SOFTIRQ_ARCH);
    assert_true(softirq_pending());
    assert_true(preempt_requested());
    softirq_process();
    assert_string_equal(order, "ats");
    assert_false(softirq_pending());
}

TEST(another_cpu_is_poked_once_until_it_has_looked)
{
    order[0] = '\0';
    softirq_raise_cpu(2, SOFTIRQ_TIMER);
    softirq_raise_cpu(2, SOFTIRQ_TIMER);
    assert_int_equal(host_pokes(2), 1);
    assert_false(softirq_pending());
    host_set_cpu(2);
    assert_true(softirq_pending());
    softirq_process();
    host_set_cpu(0);
    assert_string_equal(order, "t");
    softirq_raise_cpu(0, SOFTIRQ_TIMER);
    assert_int_equal(host_pokes(0), 0);
    softirq_process();
}

static unsigned int runs, ran_on;
static struct work again;

static void count_run(void *data)
{
    runs++;
    ran_on = arch_cpu_id();
    if (data) {
        work_schedule(data);
    }
}

TEST(work_runs_once_on_its_cpu)
{
    struct work w;

    runs = 0;
    work_init(&w, count_run, NULL);
    work_schedule_cpu(&w, 3);
    work_schedule(&w); /* is scheduled already */
    softirq_process();
    assert_int_equal(runs, 0);
    host_set_cpu(3);
    softirq_process();
    host_set_cpu(0);
    assert_int_equal(runs, 1);
    assert_int_equal(ran_on, 3);
}

static void thrice(void *data)
{
    if (++runs < 3) {
        work_schedule(data);
    }
}

TEST(work_may_schedule_itself)
{
    runs = 0;
    work_init(&again, thrice, &again);
    work_schedule(&again);
    softirq_process();
    assert_int_equal(runs, 3);
}

TEST(killed_work_never_runs)
{
    struct work w;

    runs = 0;
    work_init(&w, count_run, NULL);
    work_schedule(&w);
    work_kill(&w);
    softirq_process();
    work_schedule(&w);
    softirq_process();
    assert_int_equal(runs, 0);
}

static void kill_self(void *data)
{
    runs++;
    work_kill(data);
    work_schedule(data);
}

TEST(work_may_kill_itself)
{
    struct work w;

    runs = 0;
    work_init(&w, kill_self, &w);
    work_schedule(&w);
    softirq_process();
    assert_int_equal(runs, 1);
}

static void free_self(void *data)
{
    work_kill(data);
    free(data);
}

TEST(work_that_has_killed_itself_may_free_itself)
{
    struct work *w = malloc(sizeof(*w));

    work_init(w, free_self, w);
    work_schedule(w);
    softirq_process();
    assert_false(softirq_pending());
}

static bool started, finished;

static void slow(void *data)
{
    (void)data;
    __atomic_store_n(&started, true, __ATOMIC_RELEASE);
    for (unsigned int i = 0; i < 1000; i++) {
        sched_yield();
    }
    __atomic_store_n(&finished, true, __ATOMIC_RELEASE);
}

static void *cpu1(void *arg)
{
    (void)arg;
    host_set_cpu(1);
    while (!softirq_pending()) {
        sched_yield();
    }
    softirq_process();
    return NULL;
}

TEST(kill_waits_until_it_has_run)
{
    struct work w;
    pthread_t thread;

    work_init(&w, slow, NULL);
    assert_int_equal(pthread_create(&thread, NULL, cpu1, NULL), 0);
    work_schedule_cpu(&w, 1);
    while (!__atomic_load_n(&started, __ATOMIC_ACQUIRE)) {
        sched_yield();
    }
    work_kill(&w);
    assert_true(__atomic_load_n(&finished, __ATOMIC_ACQUIRE));
    pthread_join(thread, NULL);
}

TEST(a_cpus_work_can_be_taken_over)
{
    struct work w;

    runs = 0;
    work_init(&w, count_run, NULL);
    work_schedule_cpu(&w, 5);
    work_cpu_migrate_all(5);
    softirq_process();
    assert_int_equal(runs, 1);
    assert_int_equal(ran_on, 0);
}

TEST_RUN(setup, NULL, T(all_are_processed_and_the_scheduler_last),
         T(another_cpu_is_poked_once_until_it_has_looked), T(work_runs_once_on_its_cpu),
         T(work_may_schedule_itself), T(killed_work_never_runs), T(work_may_kill_itself),
         T(work_that_has_killed_itself_may_free_itself), T(kill_waits_until_it_has_run),
         T(a_cpus_work_can_be_taken_over))
