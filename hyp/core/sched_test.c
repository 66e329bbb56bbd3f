/* The scheduler's mechanics: one thread plays all CPUs in turn, then threads play one each. */
#include "core/sched.h"
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <lodge/errno.h>
#include "core/evtchn.h"
#include "core/sched_private.h"
#include "core/softirq.h"
#include "hyp/arch/host/domains.h"
#include "hyp/arch/host/host.h"
#include "tests/unit.h"

#define CPUS 4U

static struct vcpu *on[NR_CPUS]; /* whose context each CPU holds */
static domid_t next_id = 1;

static void be_cpu(unsigned int cpu)
{
    on[arch_cpu_id()] = current;
    host_set_cpu(cpu);
    host_set_current(on[cpu]);
}

static void settle_cpus(void)
{
    bool again;

    do {
        again = false;
        for (unsigned int cpu = 0; cpu < CPUS; cpu++) {
            be_cpu(cpu);
            again |= softirq_pending();
            softirq_process();
        }
    } while (again);
}

static void advance(uint64_t ns)
{
    host_time_advance(ns);
    for (unsigned int cpu = 0; cpu < CPUS; cpu++) {
        be_cpu(cpu);
        softirq_raise(SOFTIRQ_TIMER);
    }
    settle_cpus();
}

static int setup(void **state)
{
    struct domain *d = host_domain(next_id++, 1); /* starts CPU 0 */

    (void)state;
    host_set_current(idle_vcpu[0]);
    on[0] = current;
    for (unsigned int cpu = 1; cpu < CPUS; cpu++) {
        timer_cpu_start(cpu);
        assert_int_equal(sched_cpu_init(cpu), 0);
        on[cpu] = idle_vcpu[cpu];
        be_cpu(cpu);
        sched_cpu_start(cpu);
    }
    be_cpu(0);
    host_domain_end(d);
    settle_cpus();
    return 0;
}

/* A domain whose vCPUs are up and compute. */
static struct domain *guest(unsigned int nr)
{
    struct domain *d;

    be_cpu(0);
    d = host_domain(next_id++, nr);
    host_set_current(on[0]);
    for (unsigned int i = 0; i < nr; i++) {
        d->vcpus[i]->pause_flags = 0;
    }
    domain_unpause(d);
    settle_cpus();
    return d;
}

static void end(struct domain *d)
{
    be_cpu(0);
    domain_pause_nosync(d);
    settle_cpus();
    be_cpu(0);
    host_domain_end(d);
    settle_cpus();
}

static bool runs(const struct vcpu *v)
{
    be_cpu(0);
    return on[v->cpu] == v;
}

static uint64_t used_ns(struct vcpu *v)
{
    struct vcpu_runstate_info rs;

    vcpu_runstate_get(v, &rs);
    return rs.time[RUNSTATE_running];
}

static uint64_t used_by(struct domain *d)
{
    uint64_t sum = 0;

    for (unsigned int i = 0; i < d->max_vcpus; i++) {
        sum += used_ns(d->vcpus[i]);
    }
    return sum;
}

static cpumap_t only(unsigned int cpu)
{
    cpumap_t map = { { 0 } };

    cpumap_set(&map, cpu);
    return map;
}

TEST(as_many_vcpus_as_cpus_all_run_and_no_timer_ticks)
{
    struct domain *d = guest(CPUS);

    for (unsigned int i = 0; i < CPUS; i++) {
        assert_true(runs(d->vcpus[i]));
        assert_true(d->vcpus[i]->is_running);
        assert_int_equal(d->vcpus[i]->runstate.state, RUNSTATE_running);
        assert_false(timer_active(&per_cpu(sched_cpus, i).timer));
    }
    end(d);
}

TEST(a_blocked_vcpu_leaves_and_an_event_brings_it_back)
{
    struct domain *d = guest(1);
    struct vcpu *v = d->vcpus[0];

    be_cpu(v->cpu);
    vcpu_block();
    settle_cpus();
    assert_false(runs(v));
    assert_false(v->is_running);
    assert_int_equal(v->info->evtchn_upcall_mask, 0);
    assert_int_equal(v->runstate.state, RUNSTATE_blocked);
    vcpu_unblock(v);
    settle_cpus();
    assert_true(runs(v));
    end(d);
}

TEST(blocking_with_an_event_pending_goes_on)
{
    struct domain *d = guest(1);
    struct vcpu *v = d->vcpus[0];

    be_cpu(v->cpu);
    v->info->evtchn_upcall_mask = 1;
    v->info->evtchn_upcall_pending = 1;
    vcpu_block();
    assert_int_equal(v->pause_flags, 0);
    assert_false(softirq_pending());
    end(d);
}

TEST(an_event_between_blocking_and_leaving_is_not_lost)
{
    struct domain *d = guest(1);
    struct vcpu *v = d->vcpus[0];

    be_cpu(v->cpu);
    vcpu_block(); /* the CPU has not scheduled yet */
    be_cpu((v->cpu + 1) % CPUS);
    vcpu_unblock(v);
    settle_cpus();
    assert_true(runs(v));
    end(d);
}

TEST(a_pinned_vcpu_runs_nowhere_else)
{
    struct domain *d = guest(2);
    cpumap_t map = only(2);

    for (unsigned int i = 0; i < 2; i++) {
        assert_int_equal(vcpu_set_hard_affinity(d->vcpus[i], &map), 0);
    }
    for (unsigned int i = 0; i < 200; i++) {
        advance(NS_PER_MS);
        assert_true(on[2] == d->vcpus[0] || on[2] == d->vcpus[1]);
        assert_int_equal(d->vcpus[0]->cpu, 2);
        assert_int_equal(d->vcpus[1]->cpu, 2);
        for (unsigned int cpu = 0; cpu < CPUS; cpu++) {
            assert_true(cpu == 2 || on[cpu]->is_idle);
        }
    }
    assert_int_equal(vcpu_pinned_cpu(d->vcpus[0]), 2);
    end(d);
}

TEST(affinity_without_an_online_cpu_is_refused_and_changes_nothing)
{
    struct domain *d = guest(1);
    cpumap_t map = only(CPUS), before = d->vcpus[0]->sched.hard;

    assert_int_equal(vcpu_set_hard_affinity(d->vcpus[0], &map), -EINVAL);
    assert_memory_equal(&before, &d->vcpus[0]->sched.hard, sizeof(before));
    end(d);
}

TEST(a_pin_override_moves_the_vcpu_and_is_undone)
{
    struct domain *d = guest(1);
    struct vcpu *v = d->vcpus[0];
    cpumap_t before = v->sched.hard;
    cpumap_t map = only(1);

    assert_int_equal(vcpu_pin_override(v, -1), -EINVAL);
    assert_int_equal(vcpu_pin_override(v, (int)CPUS), -EINVAL);
    assert_int_equal(vcpu_pin_override(v, 3), 0);
    settle_cpus();
    assert_int_equal(v->cpu, 3);
    assert_true(runs(v));
    assert_int_equal(vcpu_pin_override(v, 2), -EBUSY);
    assert_int_equal(vcpu_set_hard_affinity(v, &map), -EBUSY);
    assert_int_equal(vcpu_pin_override(v, -1), 0);
    assert_memory_equal(&before, &v->sched.hard, sizeof(before));
    end(d);
}

TEST(soft_affinity_is_followed_when_its_cpu_is_free)
{
    struct domain *d = guest(1);
    struct vcpu *v = d->vcpus[0];

    for (unsigned int cpu = 0; cpu < CPUS; cpu++) {
        cpumap_t map = only(cpu);

        assert_int_equal(vcpu_set_soft_affinity(v, &map), 0);
        be_cpu(v->cpu);
        vcpu_block();
        settle_cpus();
        vcpu_unblock(v);
        settle_cpus();
        assert_int_equal(v->cpu, cpu);
    }
    end(d);
}

TEST(pausing_stops_and_unpausing_continues)
{
    struct domain *d = guest(3);

    vcpu_pause_nosync(d->vcpus[1]);
    vcpu_pause_nosync(d->vcpus[1]);
    settle_cpus();
    assert_false(d->vcpus[1]->is_running);
    assert_int_equal(d->vcpus[1]->runstate.state, RUNSTATE_offline);
    vcpu_unpause(d->vcpus[1]);
    settle_cpus();
    assert_false(runs(d->vcpus[1]));
    vcpu_unpause(d->vcpus[1]);
    settle_cpus();
    assert_true(runs(d->vcpus[1]));
    end(d);
}

TEST(a_cpu_that_leaves_gives_its_vcpus_away)
{
    struct domain *d = guest(CPUS);
    cpumap_t map = only(3);
    uint64_t before[CPUS];

    be_cpu(0);
    assert_int_equal(vcpu_set_hard_affinity(d->vcpus[0], &map), 0);
    for (unsigned int i = 0; i < 100 && !(runs(d->vcpus[0]) && on[3] == d->vcpus[0]); i++) {
        advance(NS_PER_MS);
    }
    assert_ptr_equal(on[3], d->vcpus[0]);
    be_cpu(0);
    assert_int_equal(sched_cpu_leave(3), 0);
    assert_true(cpumap_test(&d->vcpus[0]->sched.hard, 0)); /* its affinity is broken */
    assert_int_equal(vcpu_set_hard_affinity(d->vcpus[1], &map), -EINVAL);
    settle_cpus();
    assert_true(on[3]->is_idle);
    for (unsigned int i = 0; i < CPUS; i++) {
        before[i] = used_ns(d->vcpus[i]);
    }
    for (unsigned int i = 0; i < 200; i++) {
        advance(NS_PER_MS);
        assert_true(on[3]->is_idle);
    }
    for (unsigned int i = 0; i < CPUS; i++) {
        assert_in_range(used_ns(d->vcpus[i]) - before[i], 130 * NS_PER_MS, 170 * NS_PER_MS);
    }
    be_cpu(3);
    sched_cpu_return(3);
    advance(NS_PER_MS);
    assert_false(on[3]->is_idle);
    end(d);
}

TEST(weight_and_cap_are_checked_and_take_effect)
{
    struct domain *a = guest(CPUS), *b = guest(CPUS);
    uint32_t weight, cap;
    uint64_t before[2];

    assert_int_equal(sched_set_params(a, 0, 0), -EINVAL);
    assert_int_equal(sched_set_params(a, SCHED_WEIGHT_MAX + 1, 0), -EINVAL);
    assert_int_equal(sched_set_params(a, 256, CPUS * 100 + 1), -EINVAL);
    assert_int_equal(sched_set_params(a, 768, 100), 0);
    sched_get_params(a, &weight, &cap);
    assert_int_equal(weight, 768);
    assert_int_equal(cap, 100);
    before[0] = used_by(a);
    before[1] = used_by(b);
    for (unsigned int i = 0; i < 20000; i++) {
        advance(NS_PER_MS / 10);
    }
    /* One CPU of four, two seconds. */
    assert_in_range(used_by(a) - before[0], 1960 * NS_PER_MS, 2040 * NS_PER_MS);
    assert_in_range(used_by(b) - before[1], 5960 * NS_PER_MS, 6040 * NS_PER_MS);
    end(a);
    end(b);
}

/*
 * --- anything at random, one thread
 * -------------------------------------------------------------------------------
 */

static void check(struct domain *d, uint64_t since)
{
    for (unsigned int i = 0; i < d->max_vcpus; i++) {
        struct vcpu *v = d->vcpus[i];
        struct vcpu_runstate_info rs;

        assert_int_equal(v->sched.queued + v->sched.running, vcpu_runnable(v));
        assert_int_equal(v->sched.running, v->is_running);
        assert_int_equal(v->is_running, runs(v));
        assert_false(v->sched.detached && v->sched.queued);
        assert_true(!v->is_running || cpumap_test(&v->sched.hard, v->cpu));
        assert_true(!vcpu_runnable(v) || cpumap_test(&cpus_active, v->cpu));
        vcpu_runstate_get(v, &rs);
        assert_int_equal(rs.time[0] + rs.time[1] + rs.time[2] + rs.time[3], arch_time_ns() - since);
        assert_int_equal(rs.state == RUNSTATE_running, v->is_running);
        assert_int_equal(rs.state == RUNSTATE_running || rs.state == RUNSTATE_runnable,
                         vcpu_runnable(v));
    }
}

static cpumap_t random_map(unsigned int *seed)
{
    cpumap_t map = { { 1 + (unsigned int)rand_r(seed) % ((1U << CPUS) - 1) } };

    return map;
}

/* One CPU goes or comes back; one other at a time may want this, as in pcpu.c. */
static void leave_or_return(void)
{
    if (cpumap_test(&cpus_active, CPUS - 1)) {
        assert_int_equal(sched_cpu_leave(CPUS - 1), 0);
    } else {
        sched_cpu_return(CPUS - 1);
    }
}

/* What a vCPU may do to itself on this CPU, and what may be done to any vCPU. */
static void do_anything(struct domain *d, unsigned int *seed)
{
    struct vcpu *v = d->vcpus[(unsigned int)rand_r(seed) % d->max_vcpus];
    cpumap_t map = random_map(seed);

    switch ((unsigned int)rand_r(seed) % 8) {
    case 0:
        if (!current->is_idle) {
            vcpu_yield();
        }
        break;
    case 1:
    case 2:
        if (!current->is_idle) {
            vcpu_block();
        }
        break;
    case 3:
        if (vcpu_set_hard_affinity(v, &map)) {
            assert_int_equal(map.bits[0], 1U << (CPUS - 1)); /* which is not active now */
        }
        break;
    case 4:
        assert_int_equal(vcpu_set_soft_affinity(v, &map), 0);
        break;
    case 5:
        if (v != current) {
            vcpu_pause_nosync(v);
            softirq_process();
            vcpu_unpause(v);
        }
        break;
    default:
        vcpu_unblock(v);
        break;
    }
}

TEST(no_sequence_loses_a_vcpu_or_a_nanosecond)
{
    for (unsigned int seed = 0; seed < 20; seed++) {
        unsigned int state = seed;
        struct domain *d = guest(1 + seed % 13);
        uint64_t since = arch_time_ns();

        for (unsigned int step = 0; step < 1000; step++) {
            be_cpu((unsigned int)rand_r(&state) % CPUS);
            do_anything(d, &state);
            if (rand_r(&state) % 20 == 0) {
                leave_or_return();
            }
            if (rand_r(&state) % 2) {
                advance((unsigned int)rand_r(&state) % (3 * NS_PER_MS));
                check(d, since);
            }
        }
        sched_cpu_return(CPUS - 1);
        end(d);
    }
}

/* --- threads --- */

#define STEPS 50000U
static struct domain *shared_domain;
static unsigned int finished;

static void *play_cpu(void *arg)
{
    unsigned int cpu = (unsigned int)(uintptr_t)arg, seed = cpu + 77;

    host_set_cpu(cpu);
    host_set_current(idle_vcpu[cpu]);
    for (unsigned int step = 0; step < STEPS; step++) {
        host_time_advance(NS_PER_US);
        softirq_raise(SOFTIRQ_TIMER);
        do_anything(shared_domain, &seed);
        if (cpu == 0 && step % 50 == 0) {
            leave_or_return();
        }
        softirq_process();
    }
    __atomic_fetch_add(&finished, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&finished, __ATOMIC_SEQ_CST) < CPUS) {
        softirq_process(); /* others may still send vCPUs here */
        sched_yield();
    }
    on[cpu] = current;
    return NULL;
}

TEST(cpus_that_work_at_the_same_time_lose_no_vcpu)
{
    pthread_t threads[CPUS];

    shared_domain = guest(7);
    finished = 0;
    domain_pause_nosync(shared_domain); /* back to idle: each thread starts there */
    settle_cpus();
    domain_unpause(shared_domain);
    for (uintptr_t cpu = 0; cpu < CPUS; cpu++) {
        assert_int_equal(pthread_create(&threads[cpu], NULL, play_cpu, (void *)cpu), 0);
    }
    for (unsigned int cpu = 0; cpu < CPUS; cpu++) {
        assert_int_equal(pthread_join(threads[cpu], NULL), 0);
    }
    host_set_current(on[arch_cpu_id()]);
    sched_cpu_return(CPUS - 1);
    settle_cpus();
    for (unsigned int i = 0; i < shared_domain->max_vcpus; i++) {
        vcpu_unblock(shared_domain->vcpus[i]);
    }
    settle_cpus();
    for (unsigned int i = 0; i < shared_domain->max_vcpus; i++) {
        const struct vcpu *v = shared_domain->vcpus[i];

        assert_true(vcpu_runnable(v));
        assert_int_equal(v->sched.queued + v->sched.running, 1);
        assert_int_equal(v->sched.running, runs(v));
    }
    end(shared_domain);
}

TEST_RUN(setup, NULL, T(as_many_vcpus_as_cpus_all_run_and_no_timer_ticks),
         T(a_blocked_vcpu_leaves_and_an_event_brings_it_back),
         T(blocking_with_an_event_pending_goes_on),
         T(an_event_between_blocking_and_leaving_is_not_lost), T(a_pinned_vcpu_runs_nowhere_else),
         T(affinity_without_an_online_cpu_is_refused_and_changes_nothing),
         T(a_pin_override_moves_the_vcpu_and_is_undone),
         T(soft_affinity_is_followed_when_its_cpu_is_free),
         T(pausing_stops_and_unpausing_continues), T(a_cpu_that_leaves_gives_its_vcpus_away),
         T(weight_and_cap_are_checked_and_take_effect), T(no_sequence_loses_a_vcpu_or_a_nanosecond),
         T(cpus_that_work_at_the_same_time_lose_no_vcpu))
