/*
 * Caps: what the vCPUs of one domain may use together in a period. They run on several CPUs, so the
 * account is a single word, changed atomically: the time used, and the period that this is about.
 */
#ifndef CORE_SCHED_CAP_H
#define CORE_SCHED_CAP_H

#include <lodge/types.h>

#define SCHED_CAP_PERIOD_NS    (100 * NS_PER_MS)
#define SCHED_CAP_GRANT_MIN_NS (10 * NS_PER_US) /* less is not worth a timer interrupt */

struct sched_cap {
    uint32_t percent; /* 0 = no cap, 100 = one CPU */
    uint64_t ledger;
};

void sched_cap_set(struct sched_cap *cap, uint32_t percent);

/* Up to `want` of what is left in this period; 0: nothing. No grant reaches into the next period.
 */
uint64_t sched_cap_take(struct sched_cap *cap, uint64_t now_ns, uint64_t want);

/*
 * Gives back what was granted and not used; negative: used without a grant, which the next periods
 * pay.
 */
void sched_cap_settle(struct sched_cap *cap, uint64_t now_ns, int64_t unused);

static inline bool sched_cap_active(const struct sched_cap *cap)
{
    return cap && __atomic_load_n(&cap->percent, __ATOMIC_RELAXED);
}

#endif
