/*
 * The scheduler's algorithm between queues: where a vCPU should wait, and who should wait
 * elsewhere.
 */
#include "core/sched_algo.h"
#include "core/sched_algo_private.h"

static int64_t clamp(int64_t n, int64_t low, int64_t high)
{
    return n < low ? low : n > high ? high : n;
}

void sched_vcpu_detach(struct sched_queue *from, struct sched_vcpu *sv, enum sched_move why)
{
    if (why != SCHED_MOVE_BALANCE) {
        limit_credit(from, sv, SCHED_CREDIT_NS);
    }
    if (why == SCHED_MOVE_FORCED) {
        sv->vruntime -= from->vtime;
    } else {
        sv->vruntime += from->base;
    }
    sv->detached = true;
    sv->move = why;
}

void sched_vcpu_attach(struct sched_queue *to, struct sched_vcpu *sv)
{
    int64_t ahead = (int64_t)sv->vruntime;
    uint64_t least;

    if (sv->move != SCHED_MOVE_FORCED) {
        if (!to->runner && !to->nr_waiting) {
            to->base = sv->vruntime -
                       to->vtime; /* nobody here to compare with: take the newcomer's time */
        }
        ahead = (int64_t)(sv->vruntime - to->base - to->vtime);
    }
    /*
     * Who was sent for being poor keeps the right to catch up; who comes for other reasons is a
     * newcomer.
     */
    least = SCHED_LAG_MAX_NS;
    if (sv->move != SCHED_MOVE_BALANCE) {
        least = to_virtual(SCHED_CREDIT_NS, sv->weight);
    }
    sv->vruntime = to->vtime + (uint64_t)clamp(ahead, -(int64_t)least, SCHED_LAG_MAX_NS);
    sv->detached = false;
}

/* What a CPU last told of itself. False: it is idle. */
static bool hint_read(const struct sched_queue *q, uint64_t now_ns, uint64_t *poorest)
{
    uint32_t weight = __atomic_load_n(&q->hint.weight, __ATOMIC_RELAXED);
    uint64_t at_ns = __atomic_load_n(&q->hint.at_ns, __ATOMIC_RELAXED);

    *poorest = __atomic_load_n(&q->hint.poorest, __ATOMIC_RELAXED);
    if (weight && !__atomic_load_n(&q->hint.nr_waiting, __ATOMIC_RELAXED) &&
        before(at_ns, now_ns)) {
        /* The runner is alone, and has got richer since. */
        *poorest += to_virtual(now_ns - at_ns, weight);
    }
    return weight != 0;
}

bool sched_queue_lags(const struct sched_queue *q, uint64_t now_ns, uint64_t vtime)
{
    uint64_t poorest;

    return hint_read(q, now_ns, &poorest) && before(poorest, vtime - SCHED_LAG_MAX_NS);
}

void sched_queue_catch_up(struct sched_queue *q, uint64_t vtime)
{
    uint64_t least = vtime - SCHED_LAG_MAX_NS;

    if (before(sched_queue_time(q), least)) {
        q->base += least - sched_queue_time(q);
        sched_queue_hint(q);
    }
}

static bool idle_find(const struct sched_vcpu *sv, const cpumap_t *idle, unsigned int *to)
{
    unsigned int any = NR_CPUS;
    unsigned int cpu;

    cpumap_for_each(cpu, idle) {
        if (cpumap_test(&sv->hard, cpu)) {
            any = cpu;
            if (cpumap_test(&sv->soft, cpu)) {
                break;
            }
        }
    }
    *to = cpu < NR_CPUS ? cpu : any;
    return *to < NR_CPUS;
}

/* How much virtual time sv would gain on the CPU where it gains most; *to is that CPU. */
static int64_t best_gain(const struct sched_queue *q, const struct sched_vcpu *sv,
                         struct sched_queue *(*queue_of)(unsigned int cpu), const cpumap_t *online,
                         uint64_t now_ns, unsigned int *to)
{
    int64_t most = 0;
    unsigned int cpu;

    cpumap_for_each(cpu, online) {
        uint64_t poorest;
        int64_t gain;

        if (cpu == q->cpu || !cpumap_test(&sv->hard, cpu) ||
            !hint_read(queue_of(cpu), now_ns, &poorest)) {
            continue;
        }
        gain = (int64_t)(poorest - q->base - sv->vruntime);
        if (!cpumap_test(&sv->soft, cpu)) {
            gain /= 4; /* a place it does not like must be that much better */
        }
        if (gain > most) {
            most = gain;
            *to = cpu;
        }
    }
    return most;
}

#define OFFER_LOOK_AT \
    8 /* for how many of those waiting all CPUs are compared: bounds the time under the lock */

struct sched_vcpu *sched_queue_offer(struct sched_queue *q,
                                     struct sched_queue *(*queue_of)(unsigned int cpu),
                                     const cpumap_t *online, const cpumap_t *idle, uint64_t now_ns,
                                     unsigned int *to)
{
    unsigned int looked_at = 0;
    struct sched_vcpu *sv;

    if (!q->runner) {
        return NULL; /* about to choose */
    }
    if (!cpumap_empty(idle)) {
        list_for_each(sv, &q->waiting, link) {
            if (!sv->on_cpu && idle_find(sv, idle, to)) {
                return sv;
            }
        }
    }
    list_for_each(sv, &q->waiting, link) {
        if (looked_at++ == OFFER_LOOK_AT) {
            break;
        }
        /* One much poorer than the runner runs here as soon as the runner's least time is over. */
        if (!sv->on_cpu && !much_poorer(sv, q->runner) &&
            best_gain(q, sv, queue_of, online, now_ns, to) >
                (int64_t)to_virtual(SCHED_PUSH_NS, sv->weight)) {
            return sv;
        }
    }
    return NULL;
}

struct sched_vcpu *sched_queue_steal(struct sched_queue *q, unsigned int thief)
{
    bool chosen = !q->runner; /* the first is about to run here */
    struct sched_vcpu *sv;

    list_for_each(sv, &q->waiting, link) {
        if (!chosen && !sv->on_cpu && cpumap_test(&sv->hard, thief)) {
            return sv;
        }
        chosen = false;
    }
    return NULL;
}

unsigned int sched_vcpu_place(const struct sched_vcpu *sv, unsigned int last,
                              const cpumap_t *online, const cpumap_t *idle)
{
    bool last_ok = cpumap_test(&sv->hard, last) && cpumap_test(online, last);
    cpumap_t may;
    unsigned int cpu;

    if (last_ok && cpumap_test(idle, last) && cpumap_test(&sv->soft, last)) {
        return last;
    }
    if (!cpumap_empty(idle) && idle_find(sv, idle, &cpu)) {
        /* An idle CPU that it does not like is no better than the busy one that it does. */
        if (cpumap_test(&sv->soft, cpu) || !last_ok || !cpumap_test(&sv->soft, last)) {
            return last_ok && cpumap_test(idle, last) && !cpumap_test(&sv->soft, cpu) ? last : cpu;
        }
    }
    if (last_ok) {
        return last;
    }
    cpumap_and(&may, &sv->hard, online);
    cpumap_for_each(cpu, &may) {
        if (cpumap_test(&sv->soft, cpu)) {
            return cpu;
        }
    }
    cpu = cpumap_next(&may, 0);
    return cpu < NR_CPUS ? cpu : last;
}
