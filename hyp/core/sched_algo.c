/*
 * The scheduler's algorithm, as far as one queue goes: see sched_algo.h for the idea. What happens
 * between queues is in sched_balance.c; locks, timers and interrupts are sched.c's.
 */
#include "core/sched_algo.h"
#include "core/sched_algo_private.h"

static void budget_return(struct sched_vcpu *sv, uint64_t now_ns)
{
    if (sv->cap_budget_ns && sched_cap_active(sv->cap)) {
        sched_cap_settle(sv->cap, now_ns, sv->cap_budget_ns);
    }
    sv->cap_budget_ns = 0;
}

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

    return first && (!q->runner || before(first->vruntime, q->runner->vruntime)) ? first
                                                                                 : q->runner;
}

/* The queue's time follows the poorest present, and never turns back. */
static void queue_advance(struct sched_queue *q)
{
    const struct sched_vcpu *sv = poorest_of(q);

    if (sv && before(q->vtime, sv->vruntime)) {
        q->vtime = sv->vruntime;
    }
}

void sched_queue_hint(struct sched_queue *q)
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
            if (sched_cap_active(sv->cap)) {
                sv->cap_budget_ns -= (int64_t)used_ns;
            }
            queue_advance(q);
        }
    }
}

/*
 * Whoever woke is poor and belongs near the front; whoever ran is rich and belongs near the end:
 * search from there.
 */
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

bool sched_queue_add(struct sched_queue *q, struct sched_vcpu *sv, bool woken)
{
    const struct sched_vcpu *runner = q->runner;

    if (woken) {
        limit_credit(q, sv, SCHED_CREDIT_NS);
    }
    waiting_insert(q, sv, woken);
    q->weight_sum += sv->weight;
    queue_advance(q);
    sched_queue_hint(q);
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
    sched_queue_hint(q);
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
static struct sched_vcpu *choose(const struct sched_queue *q, struct sched_vcpu *runner,
                                 uint64_t now_ns)
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
    if (!sched_cap_active(sv->cap)) {
        sv->cap_budget_ns = 0;
        return true;
    }
    if (sv->cap_budget_ns < (int64_t)SCHED_CAP_GRANT_MIN_NS) {
        budget_return(sv, now_ns);
        sv->cap_budget_ns = (int64_t)sched_cap_take(sv->cap, now_ns, slice_of(q, sv));
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

struct sched_vcpu *sched_queue_pick(struct sched_queue *q, bool ready, uint64_t now_ns,
                                    uint64_t *until_ns)
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
    q->budget_end_ns = 0;
    if (next && sched_cap_active(next->cap)) {
        q->budget_end_ns = now_ns + (uint64_t)next->cap_budget_ns;
    }
    queue_advance(q);
    sched_queue_hint(q);
    *until_ns = ask_again_ns(q);
    return next;
}
