/*
 * The scheduler's algorithm in simulated time: CPUs, vCPUs that compute or sleep, and what sched.c
 * does between them.
 */
#include "core/sched_algo.h"
#include <stdlib.h>
#include <string.h>
#include "tests/unit.h"

#define MAX_V  64
#define MINUTE (60 * NS_PER_S)

struct sim_vcpu {
    struct sched_vcpu s;
    unsigned int cpu;
    bool runnable;
    uint64_t run_ns, sleep_ns; /* computes and sleeps in turns; sleep 0 = computes for ever */
    uint64_t left_ns;          /* of this turn's computing */
    uint64_t wake_ns;
    uint64_t ready_since, longest_wait, longest_wake;
    bool woken;
};

static struct {
    unsigned int nr_cpus, nr;
    uint64_t now;
    struct sched_queue q[NR_CPUS];
    uint64_t until[NR_CPUS], charged[NR_CPUS];
    bool ask[NR_CPUS];
    cpumap_t online, idle;
    struct sim_vcpu v[MAX_V];
    uint64_t moves, schedules;
} sim;

static struct sim_vcpu *of(struct sched_vcpu *s)
{
    return container_of(s, struct sim_vcpu, s);
}

static struct sched_queue *queue_of(unsigned int cpu)
{
    return &sim.q[cpu];
}

static void settle(struct sim_vcpu *v, bool woken)
{
    if (!v->runnable || v->s.queued || v->s.running) {
        return;
    }
    if (!v->s.on_cpu && (!v->s.detached || !cpumap_test(&v->s.hard, v->cpu))) {
        unsigned int to = sched_vcpu_place(&v->s, v->cpu, &sim.online, &sim.idle);

        if (to != v->cpu) {
            if (!v->s.detached) {
                sched_vcpu_detach(&sim.q[v->cpu], &v->s,
                                  !cpumap_test(&v->s.hard, v->cpu) ? SCHED_MOVE_FORCED
                                  : woken                          ? SCHED_MOVE_WAKE
                                                                   : SCHED_MOVE_BALANCE);
            }
            v->cpu = to;
            sim.moves++;
        }
    } else if (v->s.on_cpu && !cpumap_test(&v->s.hard, v->cpu)) {
        return;
    }
    cpumap_clear(&sim.idle, v->cpu);
    sched_queue_account(&sim.q[v->cpu], sim.now);
    if (v->s.detached) {
        sched_vcpu_attach(&sim.q[v->cpu], &v->s);
    }
    assert_true(cpumap_test(&v->s.hard, v->cpu));
    if (sched_queue_add(&sim.q[v->cpu], &v->s, woken)) {
        sim.ask[v->cpu] = true;
    }
}

static void take(unsigned int from, struct sched_vcpu *s, unsigned int to)
{
    sched_queue_remove(&sim.q[from], s);
    sched_vcpu_detach(&sim.q[from], s, SCHED_MOVE_BALANCE);
    of(s)->cpu = to;
    sim.moves++;
    settle(of(s), false);
}

static void balance(unsigned int cpu)
{
    struct sched_vcpu *s;
    unsigned int to;

    while ((s = sched_queue_offer(&sim.q[cpu], queue_of, &sim.online, &sim.idle, sim.now, &to))) {
        bool to_idle = cpumap_test(&sim.idle, to);

        take(cpu, s, to);
        if (!to_idle) {
            return;
        }
    }
    for (unsigned int i = 0; i < sim.nr_cpus; i++) {
        if (i != cpu && sched_queue_lags(&sim.q[i], sim.now, sched_queue_time(&sim.q[cpu]))) {
            sched_queue_account(&sim.q[i], sim.now);
            sched_queue_catch_up(&sim.q[i], sched_queue_time(&sim.q[cpu]));
        }
    }
}

/* What the runner did since the last look; it may have come to the end of its turn. */
static void charge(unsigned int cpu)
{
    struct sim_vcpu *v = sim.q[cpu].runner ? of(sim.q[cpu].runner) : NULL;
    uint64_t ran = sim.now - sim.charged[cpu];

    sim.charged[cpu] = sim.now;
    if (v && v->sleep_ns) {
        if (v->left_ns <= ran) {
            v->left_ns = v->run_ns;
            v->runnable = false;
            v->wake_ns = sim.now + v->sleep_ns;
            sim.ask[cpu] = true;
        } else {
            v->left_ns -= ran;
        }
    }
}

static void schedule(unsigned int cpu)
{
    struct sched_queue *q = &sim.q[cpu];
    struct sched_vcpu *prev = q->runner, *next;
    bool ready = prev && of(prev)->runnable && cpumap_test(&prev->hard, cpu);

    sim.ask[cpu] = false;
    sim.schedules++;
    sched_queue_account(q, sim.now);
    next = sched_queue_pick(q, ready, sim.now, &sim.until[cpu]);
    if (next && next != prev) {
        struct sim_vcpu *v = of(next);
        uint64_t waited = sim.now - v->ready_since;

        assert_true(cpumap_test(&next->hard, cpu));
        assert_true(v->runnable);
        if (waited > v->longest_wait) {
            v->longest_wait = waited;
        }
        if (v->woken && waited > v->longest_wake) {
            v->longest_wake = waited;
        }
        v->woken = false;
    }
    if (prev && next != prev) {
        prev->on_cpu = false;
        of(prev)->ready_since = sim.now;
        settle(of(prev), false);
    }
    if (!next) {
        cpumap_set(&sim.idle, cpu);
        for (unsigned int i = 0; i < sim.nr_cpus; i++) {
            struct sched_vcpu *s = i == cpu ? NULL : sched_queue_steal(&sim.q[i], cpu);

            if (s) {
                take(i, s, cpu);
                next = sched_queue_pick(q, false, sim.now, &sim.until[cpu]);
                break;
            }
        }
    }
    if (next) {
        cpumap_clear(&sim.idle, cpu);
    }
    if (q->nr_waiting) {
        balance(cpu);
    }
}

static void run(uint64_t until)
{
    while (sim.now < until) {
        uint64_t next = until;
        bool asked;

        for (unsigned int i = 0; i < sim.nr; i++) {
            struct sim_vcpu *v = &sim.v[i];

            if (!v->runnable && v->wake_ns && v->wake_ns <= sim.now) {
                v->wake_ns = 0;
                v->runnable = v->woken = true;
                v->ready_since = sim.now;
                settle(v, true);
            }
        }
        do {
            asked = false;
            for (unsigned int cpu = 0; cpu < sim.nr_cpus; cpu++) {
                if (sim.ask[cpu] || (sim.until[cpu] && sim.until[cpu] <= sim.now)) {
                    asked = true;
                    schedule(cpu);
                }
            }
        } while (asked);
        for (unsigned int cpu = 0; cpu < sim.nr_cpus; cpu++) {
            const struct sched_vcpu *r = sim.q[cpu].runner;

            if (sim.until[cpu]) {
                next = MIN(next, sim.until[cpu]);
            }
            if (r && of((struct sched_vcpu *)r)->sleep_ns) {
                next = MIN(next, sim.now + of((struct sched_vcpu *)r)->left_ns);
            }
        }
        for (unsigned int i = 0; i < sim.nr; i++) {
            if (!sim.v[i].runnable && sim.v[i].wake_ns) {
                next = MIN(next, sim.v[i].wake_ns);
            }
        }
        assert_true(next > sim.now);
        sim.now = next;
        for (unsigned int cpu = 0; cpu < sim.nr_cpus; cpu++) {
            charge(cpu);
        }
    }
    for (unsigned int cpu = 0; cpu < sim.nr_cpus; cpu++) {
        sched_queue_account(&sim.q[cpu], sim.now);
    }
}

static void start(unsigned int nr_cpus)
{
    memset(&sim, 0, sizeof(sim));
    sim.nr_cpus = nr_cpus;
    sim.now = NS_PER_S;
    for (unsigned int cpu = 0; cpu < nr_cpus; cpu++) {
        sched_queue_init(&sim.q[cpu], cpu, SCHED_RATELIMIT_NS);
        sim.charged[cpu] = sim.now;
        cpumap_set(&sim.online, cpu);
        cpumap_set(&sim.idle, cpu);
    }
}

static struct sim_vcpu *add(uint32_t weight, uint64_t run_ns, uint64_t sleep_ns)
{
    struct sim_vcpu *v = &sim.v[sim.nr];

    sched_vcpu_setup(&v->s, &sim.online);
    v->s.weight = weight;
    v->run_ns = v->left_ns = run_ns;
    v->sleep_ns = sleep_ns;
    v->cpu = sim.nr % sim.nr_cpus;
    v->wake_ns = sim.now + 1;
    sim.nr++;
    return v;
}

/*
 * The fair shares: by weight, but nobody gets more than one CPU; what he cannot use goes to the
 * others.
 */
static void fair_shares(double *share)
{
    bool full[MAX_V] = { false };
    bool again = true;

    while (again) {
        double cpus = sim.nr_cpus, weights = 0;

        again = false;
        for (unsigned int i = 0; i < sim.nr; i++) {
            cpus -= full[i];
            weights += full[i] ? 0 : sim.v[i].s.weight;
        }
        for (unsigned int i = 0; i < sim.nr; i++) {
            share[i] = full[i] ? 1 : cpus * sim.v[i].s.weight / weights;
            if (!full[i] && share[i] >= 1) {
                full[i] = again = true;
            }
        }
    }
}

static void assert_near(uint64_t got, double expected, const char *what, unsigned int i)
{
    if (got < expected * 0.98 || got > expected * 1.02) {
        fail_msg("%s: %u vCPUs, %u CPUs: vCPU %u of weight %u got %.3f s and should have %.3f s",
                 what, sim.nr, sim.nr_cpus, i, sim.v[i].s.weight, got / 1e9, expected / 1e9);
    }
}

static void check_minute(const char *what)
{
    uint64_t weight_sum = 0;
    double share[MAX_V];

    run(sim.now + MINUTE);
    fair_shares(share);
    for (unsigned int i = 0; i < sim.nr; i++) {
        weight_sum += sim.v[i].s.weight;
    }
    for (unsigned int i = 0; i < sim.nr; i++) {
        uint64_t bound = sched_wait_bound_ns(sim.nr, weight_sum, sim.v[i].s.weight);

        assert_near(sim.v[i].s.total_ns, share[i] * MINUTE, what, i);
        if (sim.v[i].longest_wait > bound) {
            fail_msg(
                "%s: %u vCPUs, %u CPUs: vCPU %u of weight %u waited %.1f ms, promised were %.1f ms",
                what, sim.nr, sim.nr_cpus, i, sim.v[i].s.weight, sim.v[i].longest_wait / 1e6,
                bound / 1e6);
        }
    }
}

static const unsigned int counts[] = { 2, 3, 4, 5, 8, 9, 13, 32, 64 };

#define FOR_EACH_SIZE(c, n)                                             \
    for (unsigned int c = 1; c <= NR_CPUS; c++)                         \
        for (unsigned int k = 0, n = counts[0]; k < ARRAY_SIZE(counts); \
             k++, n = counts[k % ARRAY_SIZE(counts)])

TEST(equal_weights_share_equally_and_nobody_waits_long)
{
    FOR_EACH_SIZE(c, n) {
        start(c);
        for (unsigned int i = 0; i < n; i++) {
            add(256, 0, 0);
        }
        check_minute("equal");
    }
}

TEST(mixed_weights_share_by_weight_and_nobody_waits_long)
{
    srand(7);
    FOR_EACH_SIZE(c, n) {
        start(c);
        for (unsigned int i = 0; i < n; i++) {
            add(64 + (uint32_t)rand() % 960, 0, 0);
        }
        check_minute("mixed");
    }
}

TEST(a_weight_that_asks_for_more_than_a_cpu_gets_one_and_harms_nobody)
{
    FOR_EACH_SIZE(c, n) {
        start(c);
        for (unsigned int i = 0; i < n; i++) {
            add(i % 8 ? 256 : 4096, 0, 0);
        }
        check_minute("heavy");
    }
}

TEST(shares_are_fair_also_when_all_start_on_one_cpu)
{
    start(4);
    for (unsigned int i = 0; i < 13; i++) {
        add(100 + 50 * i, 0, 0)->cpu = 0;
    }
    check_minute("all on CPU 0");
}

/* --- sleepers --- */

TEST(who_wakes_runs_within_the_rate_limit)
{
    for (unsigned int c = 1; c <= NR_CPUS; c++) {
        struct sim_vcpu *sleeper;

        start(c);
        for (unsigned int i = 0; i < 4 * c; i++) {
            add(256, 0, 0);
        }
        sleeper = add(256, NS_PER_MS / 5, 50 * NS_PER_MS);
        run(sim.now + NS_PER_S);
        sleeper->longest_wake = 0;
        run(sim.now + 10 * NS_PER_S);
        assert_true(sleeper->s.total_ns > 30 * NS_PER_MS);
        assert_true(sleeper->longest_wake <= SCHED_RATELIMIT_NS);
    }
}

TEST(many_sleepers_wait_for_each_other_but_not_for_the_computing)
{
    uint64_t use = NS_PER_MS / 5;

    start(2);
    for (unsigned int i = 0; i < 8; i++) {
        add(256, 0, 0);
    }
    for (unsigned int i = 0; i < 20; i++) {
        add(256, use, 97 * NS_PER_MS + i * NS_PER_MS / 7);
    }
    run(sim.now + NS_PER_S);
    for (unsigned int i = 8; i < sim.nr; i++) {
        sim.v[i].longest_wake = 0;
    }
    run(sim.now + 20 * NS_PER_S);
    for (unsigned int i = 8; i < sim.nr; i++) {
        assert_true(sim.v[i].longest_wake <= 2 * SCHED_RATELIMIT_NS + 20 * use);
    }
}

TEST(sleeping_earns_no_more_than_the_share)
{
    struct sim_vcpu *sleeper;

    start(1);
    for (unsigned int i = 0; i < 3; i++) {
        add(256, 0, 0);
    }
    sleeper = add(256, 20 * NS_PER_MS, 20 * NS_PER_MS);
    run(sim.now + MINUTE);
    assert_true(sleeper->s.total_ns <= MINUTE / 4 * 1.02);
    /* And not much less, for it wants more than that. */
    assert_true(sleeper->s.total_ns >= MINUTE / 4 * 0.80);
}

TEST(a_long_sleep_is_worth_no_more_than_the_credit)
{
    struct sim_vcpu *sleeper;

    start(1);
    for (unsigned int i = 0; i < 4; i++) {
        add(256, 0, 0);
    }
    sleeper = add(256, 0, 0);
    sleeper->wake_ns = sim.now + 30 * NS_PER_S;
    run(sim.now + 31 * NS_PER_S);
    assert_true(sleeper->s.total_ns <= NS_PER_S / 5 + 2 * SCHED_CREDIT_NS + SCHED_SLICE_MAX_NS);
    assert_true(sleeper->s.total_ns >= NS_PER_S / 5);
}

/* --- caps --- */

TEST(a_cap_holds_whatever_else_runs)
{
    static const uint32_t percents[] = { 1, 5, 25, 50, 99, 100 };

    for (unsigned int i = 0; i < ARRAY_SIZE(percents); i++) {
        for (unsigned int others = 0; others < 3; others++) {
            struct sched_cap cap = { .percent = percents[i] };
            struct sim_vcpu *capped;

            start(2);
            for (unsigned int n = 0; n < others; n++) {
                add(256, 0, 0);
            }
            capped = add(1024, 0, 0);
            capped->s.cap = &cap;
            run(sim.now + MINUTE);
            assert_near(capped->s.total_ns, MINUTE * percents[i] / 100.0, "cap", others);
        }
    }
}

TEST(a_cap_is_shared_by_the_vcpus_of_a_domain_wherever_they_run)
{
    struct sched_cap cap = { .percent = 150 };
    uint64_t sum = 0;

    start(4);
    for (unsigned int i = 0; i < 4; i++) {
        add(256, 0, 0)->s.cap = &cap;
    }
    add(256, 0, 0);
    run(sim.now + MINUTE);
    for (unsigned int i = 0; i < 4; i++) {
        sum += sim.v[i].s.total_ns;
    }
    assert_near(sum, MINUTE * 1.5, "shared cap", 0);
    assert_true(sim.v[4].s.total_ns > MINUTE * 3 / 4); /* the capped come in bursts */
}

TEST(a_cap_that_comes_and_goes_is_noticed)
{
    struct sched_cap cap = { .percent = 0 };
    struct sim_vcpu *v;
    uint64_t before;

    start(1);
    v = add(256, 0, 0);
    v->s.cap = &cap;
    run(sim.now + NS_PER_S);
    assert_true(v->s.total_ns >= NS_PER_S - 2);
    sched_cap_set(&cap, 20);
    sim.ask[0] = true;
    before = v->s.total_ns;
    run(sim.now + 10 * NS_PER_S);
    assert_near(v->s.total_ns - before, 2e9, "capped", 0);
    sched_cap_set(&cap, 0);
    run(sim.now + SCHED_CAP_PERIOD_NS);
    before = v->s.total_ns;
    run(sim.now + NS_PER_S);
    assert_true(v->s.total_ns - before == NS_PER_S);
}

/*
 * --- yield, affinity, and all of it at random
 * ---------------------------------------------------------------------
 */

TEST(who_yields_lets_the_other_go_first_once)
{
    uint64_t until;
    struct sim_vcpu *a, *b;

    start(1);
    a = add(256, 0, 0);
    b = add(256, 0, 0);
    run(sim.now + 3 * NS_PER_MS);
    assert_ptr_equal(sim.q[0].runner, &a->s);
    a->s.yielding = true;
    sched_queue_account(&sim.q[0], sim.now);
    assert_ptr_equal(sched_queue_pick(&sim.q[0], true, sim.now, &until), &b->s);
    assert_false(a->s.yielding);
    assert_true(a->s.queued);
    b->s.yielding = true;
    assert_ptr_equal(sched_queue_pick(&sim.q[0], true, sim.now, &until), &a->s);
}

/*
 * Every vCPU is where it says, once; the numbers agree; nobody waits for a CPU while one that he
 * may use is idle.
 */
static void check_invariants(void)
{
    for (unsigned int cpu = 0; cpu < sim.nr_cpus; cpu++) {
        struct sched_queue *q = &sim.q[cpu];
        uint64_t weights = q->runner ? q->runner->weight : 0;
        struct sched_vcpu *s, *last = NULL;
        unsigned int n = 0;

        list_for_each(s, &q->waiting, link) {
            assert_true(s->queued && !s->parked && !s->running && of(s)->runnable);
            assert_int_equal(of(s)->cpu, cpu);
            assert_true(cpumap_test(&s->hard, cpu));
            assert_true(!last || (int64_t)(s->vruntime - last->vruntime) >= 0);
            for (unsigned int i = 0; i < sim.nr_cpus; i++) {
                assert_false(!sim.q[i].runner && cpumap_test(&s->hard, i) && !sim.ask[i]);
            }
            weights += s->weight;
            last = s;
            n++;
        }
        list_for_each(s, &q->parked, link) {
            assert_true(s->queued && s->parked && !s->running && s->cap);
        }
        assert_int_equal(n, q->nr_waiting);
        assert_int_equal(weights, q->weight_sum);
    }
    for (unsigned int i = 0; i < sim.nr; i++) {
        const struct sim_vcpu *v = &sim.v[i];

        assert_int_equal(v->s.queued + v->s.running, v->runnable);
        assert_true(!v->s.running || sim.q[v->cpu].runner == &v->s);
        assert_int_equal(v->s.running, v->s.on_cpu);
    }
}

static void change_affinity(struct sim_vcpu *v)
{
    v->s.hard = (cpumap_t){ { 0 } };
    do {
        cpumap_set(&v->s.hard, (unsigned int)rand() % sim.nr_cpus);
    } while (rand() % 3);
    if (v->s.running) {
        sim.ask[v->cpu] = true;
    } else {
        sched_queue_remove(&sim.q[v->cpu], &v->s);
        settle(v, false);
    }
}

static void change_state(struct sim_vcpu *v)
{
    if (v->runnable) {
        v->runnable = false;
        sched_queue_remove(&sim.q[v->cpu], &v->s);
        sim.ask[v->cpu] |= v->s.running;
    } else {
        v->runnable = true;
        v->ready_since = sim.now;
        settle(v, true);
    }
}

TEST(no_sequence_of_wakes_sleeps_and_affinities_loses_a_vcpu)
{
    for (unsigned int seed = 0; seed < 60; seed++) {
        struct sched_cap caps[2] = { { .percent = 30 }, { .percent = 120 } };

        srand(seed);
        start(1 + seed % NR_CPUS);
        for (unsigned int i = 0; i < 2 + seed % 30; i++) {
            struct sim_vcpu *v = add(1 + (uint32_t)rand() % 1000, 0, 0);

            v->s.cap = i % 3 < 2 ? &caps[i % 3] : NULL;
        }
        run(sim.now + NS_PER_MS);
        for (unsigned int step = 0; step < 1500; step++) {
            struct sim_vcpu *v = &sim.v[(unsigned int)rand() % sim.nr];

            switch (rand() % 5) {
            case 0:
                change_affinity(v);
                break;
            case 1:
                sched_queue_account(&sim.q[v->cpu], sim.now);
                sched_vcpu_set_weight(&sim.q[v->cpu], &v->s,
                                      1 + (uint32_t)rand() % SCHED_WEIGHT_MAX);
                break;
            case 2:
                v->s.yielding = v->s.running;
                break;
            default:
                change_state(v);
                break;
            }
            run(sim.now + 1 + (uint64_t)rand() % (5 * NS_PER_MS));
            check_invariants();
        }
    }
}

TEST_MAIN(T(equal_weights_share_equally_and_nobody_waits_long),
          T(mixed_weights_share_by_weight_and_nobody_waits_long),
          T(a_weight_that_asks_for_more_than_a_cpu_gets_one_and_harms_nobody),
          T(shares_are_fair_also_when_all_start_on_one_cpu),
          T(who_wakes_runs_within_the_rate_limit),
          T(many_sleepers_wait_for_each_other_but_not_for_the_computing),
          T(sleeping_earns_no_more_than_the_share),
          T(a_long_sleep_is_worth_no_more_than_the_credit), T(a_cap_holds_whatever_else_runs),
          T(a_cap_is_shared_by_the_vcpus_of_a_domain_wherever_they_run),
          T(a_cap_that_comes_and_goes_is_noticed), T(who_yields_lets_the_other_go_first_once),
          T(no_sequence_of_wakes_sleeps_and_affinities_loses_a_vcpu))
