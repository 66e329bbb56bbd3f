/* The scheduler's algorithm: see sched_algo.h for the idea. Locks, timers and interrupts are sched.c's. */
#include "core/sched_algo.h"

/* Virtual times run for years in 64 bits, but are compared as distances, so that a wrap would not matter either. */
static bool before(uint64_t a, uint64_t b)
{
    return (int64_t)(a - b) < 0;
}

static int64_t clamp(int64_t n, int64_t low, int64_t high)
{
    return n < low ? low : n > high ? high : n;
}

static uint64_t to_virtual(uint64_t ns, uint32_t weight)
{
    return weight == SCHED_WEIGHT_DEFAULT ? ns : ns * SCHED_WEIGHT_DEFAULT / weight;
}

/* --- caps: how much of the period's allowance a domain has used -------------------------------------------------- */

#define LEDGER_USED_BITS 40
#define LEDGER_USED_MASK ((1ULL << LEDGER_USED_BITS) - 1)
#define LEDGER_TIME_MASK ((1ULL << (64 - LEDGER_USED_BITS)) - 1)
#define CAP_GRANT_MIN_NS (10 * NS_PER_US) /* less is not worth a timer interrupt */

/* What counts as used in the period of now_ns: each full period since the last entry pays back one allowance. */
static uint64_t ledger_used(uint64_t ledger, uint64_t now_ns, uint64_t quota_ns)
{
    uint64_t used = ledger & LEDGER_USED_MASK;
    uint64_t periods = (now_ns / SCHED_CAP_PERIOD_NS - (ledger >> LEDGER_USED_BITS)) & LEDGER_TIME_MASK;

    if (periods && used / periods >= quota_ns) {
        return used - periods * quota_ns;
    }
    return periods ? 0 : used;
}

static uint64_t ledger_make(uint64_t used, uint64_t now_ns)
{
    return (now_ns / SCHED_CAP_PERIOD_NS & LEDGER_TIME_MASK) << LEDGER_USED_BITS | MIN(used, LEDGER_USED_MASK);
}

static uint64_t cap_quota(const struct sched_cap *cap)
{
    return __atomic_load_n(&cap->percent, __ATOMIC_RELAXED) * (SCHED_CAP_PERIOD_NS / 100);
}

/* Up to `want` of what is left in this period; 0: nothing. No grant reaches into the next period. */
static uint64_t cap_take(struct sched_cap *cap, uint64_t now_ns, uint64_t want)
{
    uint64_t quota = cap_quota(cap);
    uint64_t left_ns = SCHED_CAP_PERIOD_NS - now_ns % SCHED_CAP_PERIOD_NS;
    uint64_t old = __atomic_load_n(&cap->ledger, __ATOMIC_RELAXED);

    want = MIN(want, MAX(left_ns, CAP_GRANT_MIN_NS));
    for (;;) {
        uint64_t used = ledger_used(old, now_ns, quota);
        uint64_t grant = used < quota ? MIN(want, quota - used) : 0;

        if (grant < CAP_GRANT_MIN_NS) {
            return 0;
        }
        /* The ledger is all there is to agree on: no other memory is ordered by it. */
        if (__atomic_compare_exchange_n(&cap->ledger, &old, ledger_make(used + grant, now_ns), false,
                                        __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
            return grant;
        }
    }
}

/* Gives back what was granted and not used; negative: used without a grant, which the next periods pay. */
static void cap_settle(struct sched_cap *cap, uint64_t now_ns, int64_t unused)
{
    uint64_t quota = cap_quota(cap);
    uint64_t old = __atomic_load_n(&cap->ledger, __ATOMIC_RELAXED);
    uint64_t used;

    do {
        used = ledger_used(old, now_ns, quota);
        used = unused > (int64_t)used ? 0 : used - (uint64_t)unused;
    } while (!__atomic_compare_exchange_n(&cap->ledger, &old, ledger_make(used, now_ns), false,
                                          __ATOMIC_RELAXED, __ATOMIC_RELAXED));
}

void sched_cap_set(struct sched_cap *cap, uint32_t percent)
{
    __atomic_store_n(&cap->percent, percent, __ATOMIC_RELAXED);
}

static bool is_capped(const struct sched_vcpu *sv)
{
    return sv->cap && __atomic_load_n(&sv->cap->percent, __ATOMIC_RELAXED);
}

static void budget_return(struct sched_vcpu *sv, uint64_t now_ns)
{
    if (sv->cap_budget_ns && is_capped(sv)) {
        cap_settle(sv->cap, now_ns, sv->cap_budget_ns);
    }
    sv->cap_budget_ns = 0;
}

/* --- one queue --------------------------------------------------------------------------------------------------- */

void sched_queue_init(struct sched_queue *q, unsigned int cpu, uint64_t ratelimit_ns)
{
    *q = (struct sched_queue){ .cpu = cpu, .ratelimit_ns = ratelimit_ns };
    list_init(&q->waiting);
    list_init(&q->parked);
}

void sched_vcpu_setup(struct sched_vcpu *sv, const cpumap_t *all)
{
    *sv = (struct sched_vcpu){ .weight = SCHED_WEIGHT_DEFAULT, .hard = *all, .soft = *all };
    list_init(&sv->link);
}

static struct sched_vcpu *first_waiting(const struct sched_queue *q)
{
    return list_empty(&q->waiting) ? NULL : list_first(&q->waiting, struct sched_vcpu, link);
}

static const struct sched_vcpu *poorest_of(const struct sched_queue *q)
{
    const struct sched_vcpu *first = first_waiting(q);

    return first && (!q->runner || before(first->vruntime, q->runner->vruntime)) ? first : q->runner;
}

/* Poor enough, by its own measure, to take the CPU from the runner before its slice ends? */
static bool much_poorer(const struct sched_vcpu *sv, const struct sched_vcpu *runner)
{
    return before(sv->vruntime + to_virtual(SCHED_WAKE_GRAIN_NS, sv->weight), runner->vruntime);
}

/* The queue's time follows the poorest present, and never turns back. */
static void queue_advance(struct sched_queue *q)
{
    const struct sched_vcpu *sv = poorest_of(q);

    if (sv && before(q->vtime, sv->vruntime)) {
        q->vtime = sv->vruntime;
    }
}

static void queue_hint(struct sched_queue *q)
{
    const struct sched_vcpu *sv = poorest_of(q);

    __atomic_store_n(&q->hint.poorest, q->base + (sv ? sv->vruntime : q->vtime), __ATOMIC_RELAXED);
    __atomic_store_n(&q->hint.nr_waiting, q->nr_waiting, __ATOMIC_RELAXED);
    __atomic_store_n(&q->hint.at_ns, q->accounted_ns, __ATOMIC_RELAXED);
    __atomic_store_n(&q->hint.weight, q->runner ? q->runner->weight : 0, __ATOMIC_RELAXED);
}

void sched_queue_account(struct sched_queue *q, uint64_t now_ns)
{
    struct sched_vcpu *sv = q->runner;

    if (before(q->accounted_ns, now_ns)) {
        uint64_t used_ns = now_ns - q->accounted_ns;

        q->accounted_ns = now_ns;
        if (sv) {
            sv->vruntime += to_virtual(used_ns, sv->weight);
            sv->total_ns += used_ns;
            if (is_capped(sv)) {
                sv->cap_budget_ns -= (int64_t)used_ns;
            }
            queue_advance(q);
        }
    }
}

/* Whoever woke is poor and belongs near the front; whoever ran is rich and belongs near the end: search from there. */
static void waiting_insert(struct sched_queue *q, struct sched_vcpu *sv, bool from_front)
{
    struct list *at;

    if (from_front) {
        for (at = q->waiting.next; at != &q->waiting; at = at->next) {
            if (before(sv->vruntime, list_entry(at, struct sched_vcpu, link)->vruntime)) {
                break;
            }
        }
        list_insert_between(&sv->link, at->prev, at);
    } else {
        for (at = q->waiting.prev; at != &q->waiting; at = at->prev) {
            if (!before(sv->vruntime, list_entry(at, struct sched_vcpu, link)->vruntime)) {
                break;
            }
        }
        list_insert_between(&sv->link, at, at->next);
    }
    sv->queued = true;
    q->nr_waiting++;
}

static void waiting_remove(struct sched_queue *q, struct sched_vcpu *sv)
{
    list_remove(&sv->link);
    sv->queued = false;
    q->nr_waiting--;
}

static void limit_credit(const struct sched_queue *q, struct sched_vcpu *sv, uint64_t credit_ns)
{
    uint64_t least = q->vtime - to_virtual(credit_ns, sv->weight);

    if (before(sv->vruntime, least)) {
        sv->vruntime = least;
    }
}

bool sched_queue_add(struct sched_queue *q, struct sched_vcpu *sv, bool woken)
{
    const struct sched_vcpu *runner = q->runner;

    if (woken) {
        limit_credit(q, sv, SCHED_CREDIT_NS);
    }
    waiting_insert(q, sv, woken);
    q->weight_sum += sv->weight;
    queue_advance(q);
    queue_hint(q);
    /* The first to wait starts the clock: a runner alone has none. */
    return !runner || q->nr_waiting == 1 || much_poorer(sv, runner);
}

void sched_queue_remove(struct sched_queue *q, struct sched_vcpu *sv)
{
    if (!sv->queued) {
        return;
    }
    if (sv->parked) {
        list_remove(&sv->link);
        sv->queued = sv->parked = false;
        return;
    }
    waiting_remove(q, sv);
    q->weight_sum -= sv->weight;
    queue_advance(q);
    queue_hint(q);
}

static void park(struct sched_queue *q, struct sched_vcpu *sv, uint64_t now_ns)
{
    q->weight_sum -= sv->weight;
    sv->queued = sv->parked = true;
    list_push_back(&q->parked, &sv->link);
    q->unpark_ns = (now_ns / SCHED_CAP_PERIOD_NS + 1) * SCHED_CAP_PERIOD_NS;
}

static void unpark_due(struct sched_queue *q, uint64_t now_ns)
{
    if (list_empty(&q->parked) || now_ns < q->unpark_ns) {
        return;
    }
    while (!list_empty(&q->parked)) {
        struct sched_vcpu *sv = list_first(&q->parked, struct sched_vcpu, link);

        list_remove(&sv->link);
        sv->parked = false;
        limit_credit(q, sv, SCHED_CREDIT_NS);
        waiting_insert(q, sv, true);
        q->weight_sum += sv->weight;
    }
}

static uint64_t slice_of(const struct sched_queue *q, const struct sched_vcpu *sv)
{
    uint64_t slice_ns = SCHED_ROUND_NS * sv->weight / q->weight_sum;

    return MAX(MIN(slice_ns, SCHED_SLICE_MAX_NS), MAX(q->ratelimit_ns, SCHED_RATELIMIT_NS / 2));
}

void sched_vcpu_set_weight(struct sched_queue *q, struct sched_vcpu *sv, uint32_t weight)
{
    if (sv->running || (sv->queued && !sv->parked)) {
        q->weight_sum += weight - (uint64_t)sv->weight;
    }
    sv->weight = weight;
}

/* Runner (NULL: must not go on) or the first that waits? */
static struct sched_vcpu *choose(const struct sched_queue *q, struct sched_vcpu *runner, uint64_t now_ns)
{
    struct sched_vcpu *first = first_waiting(q);

    if (!runner || !first) {
        return runner ? runner : first;
    }
    if (runner->yielding) {
        return first;
    }
    if (now_ns >= q->slice_end_ns) {
        return before(first->vruntime, runner->vruntime) ? first : runner;
    }
    if (now_ns - q->start_ns < q->ratelimit_ns) {
        return runner;
    }
    return much_poorer(first, runner) ? first : runner;
}

/* May it run under its cap? Takes what it will need for the next slice. */
static bool within_cap(const struct sched_queue *q, struct sched_vcpu *sv, uint64_t now_ns)
{
    if (!is_capped(sv)) {
        sv->cap_budget_ns = 0;
        return true;
    }
    if (sv->cap_budget_ns < (int64_t)CAP_GRANT_MIN_NS) {
        budget_return(sv, now_ns);
        sv->cap_budget_ns = (int64_t)cap_take(sv->cap, now_ns, slice_of(q, sv));
    }
    return sv->cap_budget_ns > 0;
}

static uint64_t earlier(uint64_t a_ns, uint64_t b_ns)
{
    return a_ns && a_ns < b_ns ? a_ns : b_ns;
}

static uint64_t ask_again_ns(const struct sched_queue *q)
{
    const struct sched_vcpu *sv = q->runner;
    const struct sched_vcpu *first = first_waiting(q);
    uint64_t until_ns = 0;

    if (sv && first) {
        until_ns = q->slice_end_ns;
        if (much_poorer(first, sv)) {
            until_ns = earlier(q->start_ns + q->ratelimit_ns, until_ns);
        }
    }
    if (sv && !cpumap_test(&sv->soft, q->cpu)) {
        until_ns = earlier(until_ns, q->slice_end_ns); /* a better place may become free */
    }
    if (sv && q->budget_end_ns) {
        until_ns = earlier(until_ns, q->budget_end_ns);
    }
    if (!list_empty(&q->parked)) {
        until_ns = earlier(until_ns, q->unpark_ns);
    }
    return until_ns;
}

struct sched_vcpu *sched_queue_pick(struct sched_queue *q, bool ready, uint64_t now_ns, uint64_t *until_ns)
{
    struct sched_vcpu *old = q->runner;
    struct sched_vcpu *going_on = ready ? old : NULL;
    struct sched_vcpu *next;

    unpark_due(q, now_ns);
    if (old && !ready) {
        q->weight_sum -= old->weight;
        budget_return(old, now_ns);
    }
    while ((next = choose(q, going_on, now_ns)) && !within_cap(q, next, now_ns)) {
        if (next == going_on) {
            going_on = NULL;
        } else {
            waiting_remove(q, next);
        }
        park(q, next, now_ns);
    }
    if (old) {
        old->yielding = false;
    }
    if (next != old) {
        if (old) {
            old->running = false;
        }
        if (going_on) {
            budget_return(going_on, now_ns);
            waiting_insert(q, going_on, false);
        }
        if (next) {
            waiting_remove(q, next);
            next->running = next->on_cpu = true;
        }
        q->runner = next;
        q->start_ns = q->accounted_ns = now_ns;
    }
    if (next && (next != old || now_ns >= q->slice_end_ns)) {
        q->slice_end_ns = now_ns + slice_of(q, next);
    }
    q->budget_end_ns = next && is_capped(next) ? now_ns + (uint64_t)next->cap_budget_ns : 0;
    queue_advance(q);
    queue_hint(q);
    *until_ns = ask_again_ns(q);
    return next;
}

/* --- several queues ---------------------------------------------------------------------------------------------- */

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
            to->base = sv->vruntime - to->vtime; /* nobody here to compare with: take the newcomer's time */
        }
        ahead = (int64_t)(sv->vruntime - to->base - to->vtime);
    }
    /* Who was sent for being poor keeps the right to catch up; who comes for other reasons is a newcomer. */
    least = sv->move == SCHED_MOVE_BALANCE ? SCHED_LAG_MAX_NS : to_virtual(SCHED_CREDIT_NS, sv->weight);
    sv->vruntime = to->vtime + (uint64_t)clamp(ahead, -(int64_t)least, SCHED_LAG_MAX_NS);
    sv->detached = false;
}

/* What a CPU last told of itself. False: it is idle. */
static bool hint_read(const struct sched_queue *q, uint64_t now_ns, uint64_t *poorest)
{
    uint32_t weight = __atomic_load_n(&q->hint.weight, __ATOMIC_RELAXED);
    uint64_t at_ns = __atomic_load_n(&q->hint.at_ns, __ATOMIC_RELAXED);

    *poorest = __atomic_load_n(&q->hint.poorest, __ATOMIC_RELAXED);
    if (weight && !__atomic_load_n(&q->hint.nr_waiting, __ATOMIC_RELAXED) && before(at_ns, now_ns)) {
        *poorest += to_virtual(now_ns - at_ns, weight); /* the runner is alone, and has got richer since */
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
        queue_hint(q);
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
                         struct sched_queue *(*queue_of)(unsigned int cpu), const cpumap_t *online, uint64_t now_ns,
                         unsigned int *to)
{
    int64_t most = 0;
    unsigned int cpu;

    cpumap_for_each(cpu, online) {
        uint64_t poorest;
        int64_t gain;

        if (cpu == q->cpu || !cpumap_test(&sv->hard, cpu) || !hint_read(queue_of(cpu), now_ns, &poorest)) {
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

#define OFFER_LOOK_AT 8 /* for how many of those waiting all CPUs are compared: bounds the time under the lock */

struct sched_vcpu *sched_queue_offer(struct sched_queue *q, struct sched_queue *(*queue_of)(unsigned int cpu),
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
            best_gain(q, sv, queue_of, online, now_ns, to) > (int64_t)to_virtual(SCHED_PUSH_NS, sv->weight)) {
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

unsigned int sched_vcpu_place(const struct sched_vcpu *sv, unsigned int last, const cpumap_t *online,
                              const cpumap_t *idle)
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
