#include "core/timer.h"
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include "core/console.h"
#include "core/cpumap.h"
#include "core/log.h"
#include "core/softirq.h"
#include "hyp/arch/host/host.h"
#include "tests/unit.h"

#define MANY 500

static struct timer timers[MANY];
static unsigned int fired, fired_on;
static uint64_t last_expiry;

static void on_timer(void *data)
{
    struct timer *t = data;

    fired++;
    fired_on = arch_cpu_id();
    assert_true(t->expires_ns <= arch_time_ns());
    assert_true(t->expires_ns >= last_expiry);
    assert_true(arch_irq_enabled());
    last_expiry = t->expires_ns;
}

static void start(void)
{
    host_time_set(NS_PER_S);
    fired = 0;
    last_expiry = 0;
}

static void run_until(uint64_t ns)
{
    host_time_set(ns);
    softirq_raise(SOFTIRQ_TIMER);
    softirq_process();
}

static int setup(void **state)
{
    (void)state;
    softirq_init();
    timer_module_init();
    for (unsigned int cpu = 0; cpu < NR_CPUS; cpu++) {
        timer_cpu_start(cpu);
    }
    return console_add(&host_console);
}

TEST(fires_in_time_and_never_before)
{
    struct timer t;

    start();
    timer_init(&t, on_timer, &t, 0);
    timer_set(&t, 2 * NS_PER_S);
    assert_true(timer_active(&t));
    assert_int_equal(host_timer_deadline(0), 2 * NS_PER_S);
    run_until(2 * NS_PER_S - 1);
    assert_int_equal(fired, 0);
    run_until(2 * NS_PER_S);
    assert_int_equal(fired, 1);
    assert_false(timer_active(&t));
    assert_int_equal(host_timer_deadline(0), 0);
    timer_kill(&t);
}

TEST(a_time_in_the_past_fires_at_once)
{
    struct timer t;

    start();
    timer_init(&t, on_timer, &t, 0);
    timer_set(&t, 1);
    assert_true(softirq_pending());
    softirq_process();
    assert_int_equal(fired, 1);
    timer_kill(&t);
}

TEST(setting_replaces)
{
    struct timer t;

    start();
    timer_init(&t, on_timer, &t, 0);
    timer_set(&t, 2 * NS_PER_S);
    timer_set(&t, 3 * NS_PER_S);
    run_until(2 * NS_PER_S);
    assert_int_equal(fired, 0);
    run_until(3 * NS_PER_S);
    assert_int_equal(fired, 1);
    run_until(9 * NS_PER_S);
    assert_int_equal(fired, 1);
    timer_kill(&t);
}

TEST(stopped_and_dead_timers_do_not_fire)
{
    struct timer t;

    start();
    timer_init(&t, on_timer, &t, 0);
    timer_set(&t, 2 * NS_PER_S);
    timer_stop(&t);
    assert_false(timer_active(&t));
    run_until(3 * NS_PER_S);
    timer_set(&t, 4 * NS_PER_S);
    timer_kill(&t);
    timer_set(&t, 4 * NS_PER_S);
    assert_false(timer_active(&t));
    run_until(5 * NS_PER_S);
    assert_int_equal(fired, 0);
}

TEST(many_fire_in_order_whatever_was_stopped_between)
{
    unsigned int expected = 0;

    start();
    srand(1);
    for (unsigned int i = 0; i < MANY; i++) {
        timer_init(&timers[i], on_timer, &timers[i], 0);
        timer_set(&timers[i], NS_PER_S + (unsigned int)rand() % 1000 * NS_PER_MS);
    }
    for (unsigned int i = 0; i < MANY; i++) {
        if (i % 3 == 0) {
            timer_stop(&timers[i]);
        } else if (i % 7 == 0) {
            timer_set(&timers[i], NS_PER_S + (unsigned int)rand() % 1000 * NS_PER_MS);
        }
        expected += i % 3 != 0;
    }
    for (uint64_t ns = NS_PER_S; ns <= 2 * NS_PER_S; ns += 10 * NS_PER_MS) {
        run_until(ns);
        for (unsigned int i = 0; i < MANY; i++) {
            assert_true(!timer_active(&timers[i]) || timers[i].expires_ns > ns);
        }
    }
    assert_int_equal(fired, expected);
}

TEST(close_timers_share_an_interrupt)
{
    struct timer a, b;

    start();
    timer_init(&a, on_timer, &a, 0);
    timer_init(&b, on_timer, &b, 0);
    timer_set(&a, 2 * NS_PER_S);
    timer_set(&b, 2 * NS_PER_S + 1000);
    run_until(2 * NS_PER_S);
    assert_int_equal(fired, 1);
    assert_int_equal(host_timer_deadline(0), 2 * NS_PER_S + TIMER_SLOP_NS);
    run_until(2 * NS_PER_S + TIMER_SLOP_NS);
    assert_int_equal(fired, 2);
}

TEST(another_cpus_timer_fires_there)
{
    struct timer t;

    start();
    timer_init(&t, on_timer, &t, 3);
    (void)host_pokes(3);
    timer_set(&t, 2 * NS_PER_S);
    assert_int_equal(host_pokes(3), 1);
    host_set_cpu(3);
    softirq_process();
    assert_int_equal(host_timer_deadline(3), 2 * NS_PER_S);
    run_until(2 * NS_PER_S);
    host_set_cpu(0);
    assert_int_equal(fired, 1);
    assert_int_equal(fired_on, 3);
}

TEST(a_timer_moves_with_its_time)
{
    struct timer t;

    start();
    timer_init(&t, on_timer, &t, 0);
    timer_set(&t, 2 * NS_PER_S);
    timer_migrate(&t, 4);
    assert_true(timer_active(&t));
    run_until(2 * NS_PER_S);
    assert_int_equal(fired, 0);
    timer_cpu_gone(4);
    softirq_process();
    assert_int_equal(fired, 1);
    assert_int_equal(fired_on, 0);
    timer_migrate(&t, 2); /* not queued: only its CPU changes */
    assert_false(timer_active(&t));
    assert_int_equal(t.cpu, 2);
    timer_cpu_start(4);
}

TEST(a_timer_of_a_cpu_that_has_gone_is_the_setters)
{
    struct timer t, u;

    start();
    timer_init(&t, on_timer, &t, 4);
    timer_init(&u, on_timer, &u, 4);
    timer_cpu_gone(4);
    timer_stop(&t);
    timer_set(&t, 2 * NS_PER_S);
    assert_int_equal(t.cpu, 0);
    run_until(2 * NS_PER_S);
    assert_int_equal(fired, 1);
    timer_cpu_start(4);
    timer_set(&u, 3 * NS_PER_S);
    assert_int_equal(u.cpu, 4);
    timer_kill(&u);
}

static void rearm(void *data)
{
    struct timer *t = data;

    if (++fired < 4) {
        timer_set(t, t->expires_ns + NS_PER_MS);
    }
}

TEST(fn_may_set_its_own_timer)
{
    struct timer t;

    start();
    timer_init(&t, rearm, &t, 0);
    timer_set(&t, 2 * NS_PER_S);
    run_until(2 * NS_PER_S + 2 * NS_PER_MS);
    assert_int_equal(fired, 3);
    run_until(3 * NS_PER_S);
    assert_int_equal(fired, 4);
}

static void kill_self(void *data)
{
    fired++;
    timer_kill(data);
}

TEST(fn_may_kill_its_own_timer)
{
    struct timer t;

    start();
    timer_init(&t, kill_self, &t, 0);
    timer_set(&t, 0);
    softirq_process();
    assert_int_equal(fired, 1);
    assert_int_equal(t.running, 0);
}

static void free_self(void *data)
{
    fired++;
    timer_kill(data);
    free(data);
}

TEST(a_timer_whose_fn_has_killed_it_may_be_freed_there)
{
    struct timer *t = malloc(sizeof(*t));

    start();
    timer_init(t, free_self, t, 0);
    timer_set(t, 0);
    softirq_process();
    assert_int_equal(fired, 1);
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
    while (!__atomic_load_n(&started, __ATOMIC_ACQUIRE)) {
        softirq_process();
        sched_yield();
    }
    return NULL;
}

TEST(kill_waits_until_fn_has_finished)
{
    struct timer t;
    pthread_t thread;

    start();
    timer_init(&t, slow, NULL, 1);
    assert_int_equal(pthread_create(&thread, NULL, cpu1, NULL), 0);
    timer_set(&t, 0);
    while (!__atomic_load_n(&started, __ATOMIC_ACQUIRE)) {
        sched_yield();
    }
    timer_kill(&t);
    assert_true(__atomic_load_n(&finished, __ATOMIC_ACQUIRE));
    pthread_join(thread, NULL);
}

static unsigned int lines_with(const char *what)
{
    unsigned int n = 0;

    for (const char *p = host_console_text(); (p = strstr(p, what)); p++) {
        n++;
    }
    return n;
}

TEST(the_dump_visits_every_timer)
{
    start();
    cpumap_set(&cpus_online, 0);
    for (unsigned int i = 0; i < 50; i++) {
        timer_init(&timers[i], on_timer, &timers[i], 0);
        timer_set(&timers[i], NS_PER_S * 2 + (i * 37 % 50) * NS_PER_MS);
    }
    run_until(2 * NS_PER_S); /* pops one, which gives the heap a shape */
    host_console_clear();
    timer_dump();
    assert_int_equal(lines_with("pS("), 0);
    assert_int_equal(lines_with("  in "), 49);
    for (unsigned int i = 0; i < 50; i++) {
        timer_kill(&timers[i]);
    }
    host_console_clear();
    timer_dump();
    assert_int_equal(lines_with("  in "), 0);
}

TEST_RUN(setup, NULL, T(fires_in_time_and_never_before), T(a_time_in_the_past_fires_at_once),
         T(setting_replaces), T(stopped_and_dead_timers_do_not_fire),
         T(many_fire_in_order_whatever_was_stopped_between), T(close_timers_share_an_interrupt),
         T(another_cpus_timer_fires_there), T(a_timer_moves_with_its_time),
         T(a_timer_of_a_cpu_that_has_gone_is_the_setters),
         T(fn_may_set_its_own_timer), T(fn_may_kill_its_own_timer),
         T(a_timer_whose_fn_has_killed_it_may_be_freed_there),
         T(kill_waits_until_fn_has_finished), T(the_dump_visits_every_timer))
