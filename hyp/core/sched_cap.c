/* Caps: how much of a period's allowance a domain has used. */
#include "core/sched_cap.h"

#define LEDGER_USED_BITS 40
#define LEDGER_USED_MASK ((1ULL << LEDGER_USED_BITS) - 1)
#define LEDGER_TIME_MASK ((1ULL << (64 - LEDGER_USED_BITS)) - 1)

/*
 * What counts as used in the period of now_ns: each full period since the last entry pays back one
 * allowance.
 */
static uint64_t ledger_used(uint64_t ledger, uint64_t now_ns, uint64_t quota_ns)
{
    uint64_t used = ledger & LEDGER_USED_MASK;
    uint64_t periods = now_ns / SCHED_CAP_PERIOD_NS - (ledger >> LEDGER_USED_BITS);

    periods &= LEDGER_TIME_MASK;
    if (periods && used / periods >= quota_ns) {
        return used - periods * quota_ns;
    }
    return periods ? 0 : used;
}

static uint64_t ledger_make(uint64_t used, uint64_t now_ns)
{
    return (now_ns / SCHED_CAP_PERIOD_NS & LEDGER_TIME_MASK) << LEDGER_USED_BITS |
           MIN(used, LEDGER_USED_MASK);
}

static uint64_t cap_quota(const struct sched_cap *cap)
{
    return __atomic_load_n(&cap->percent, __ATOMIC_RELAXED) * (SCHED_CAP_PERIOD_NS / 100);
}

uint64_t sched_cap_take(struct sched_cap *cap, uint64_t now_ns, uint64_t want)
{
    uint64_t quota = cap_quota(cap);
    uint64_t left_ns = SCHED_CAP_PERIOD_NS - now_ns % SCHED_CAP_PERIOD_NS;
    uint64_t old = __atomic_load_n(&cap->ledger, __ATOMIC_RELAXED);

    want = MIN(want, MAX(left_ns, SCHED_CAP_GRANT_MIN_NS));
    for (;;) {
        uint64_t used = ledger_used(old, now_ns, quota);
        uint64_t grant = used < quota ? MIN(want, quota - used) : 0;

        if (grant < SCHED_CAP_GRANT_MIN_NS) {
            return 0;
        }
        /* The ledger is all there is to agree on: no other memory is ordered by it. */
        if (__atomic_compare_exchange_n(&cap->ledger, &old, ledger_make(used + grant, now_ns),
                                        false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
            return grant;
        }
    }
}

void sched_cap_settle(struct sched_cap *cap, uint64_t now_ns, int64_t unused)
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
