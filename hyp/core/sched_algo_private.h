/* What the files of the scheduler's algorithm share. */
#ifndef CORE_SCHED_ALGO_PRIVATE_H
#define CORE_SCHED_ALGO_PRIVATE_H

#include "core/sched_algo.h"

/*
 * Virtual times run for years in 64 bits, but are compared as distances, so that a wrap would not
 * matter either.
 */
static inline bool before(uint64_t a, uint64_t b)
{
    return (int64_t)(a - b) < 0;
}

static inline uint64_t to_virtual(uint64_t ns, uint32_t weight)
{
    return weight == SCHED_WEIGHT_DEFAULT ? ns : ns * SCHED_WEIGHT_DEFAULT / weight;
}

/* Poor enough, by its own measure, to take the CPU from the runner before its slice ends? */
static inline bool much_poorer(const struct sched_vcpu *sv, const struct sched_vcpu *runner)
{
    return before(sv->vruntime + to_virtual(SCHED_WAKE_GRAIN_NS, sv->weight), runner->vruntime);
}

/* Who slept, or was kept away, is behind by this at most. */
static inline void limit_credit(const struct sched_queue *q, struct sched_vcpu *sv,
                                uint64_t credit_ns)
{
    uint64_t least = q->vtime - to_virtual(credit_ns, sv->weight);

    if (before(sv->vruntime, least)) {
        sv->vruntime = least;
    }
}

void sched_queue_hint(struct sched_queue *q); /* tells the other CPUs */

#endif
