/* What the scheduler's files share. */
#ifndef CORE_SCHED_PRIVATE_H
#define CORE_SCHED_PRIVATE_H

#include "core/domain.h"
#include "core/lock.h"
#include "core/percpu.h"
#include "core/sched_algo.h"

struct sched_cpu {
    struct spinlock lock; /* RANK_SCHED, interrupts off. Never two at once: a vCPU on its way
                             belongs to no queue */
    struct sched_queue q; /* and the sched member of every vCPU whose cpu is this */
    struct timer timer;   /* asks again when the slice ends */
};

DECLARE_PER_CPU(struct sched_cpu, sched_cpus);

/* The lock that guards v's scheduling and runstate; v does not change CPU while it is held. */
struct sched_cpu *sched_lock(struct vcpu *v, unsigned long *flags);

static inline void sched_unlock(struct sched_cpu *s, unsigned long flags)
{
    spin_unlock_irqrestore(&s->lock, flags);
}

/* SOFTIRQ_SCHED. Interrupts on, no locks held; comes back only if the same vCPU goes on. */
void schedule(void);

/* Is a CPU in it that takes vCPUs? To be asked under the lock of a vCPU whose affinity it is. */
static inline bool sched_affinity_usable(const cpumap_t *hard)
{
    cpumap_t usable;

    cpumap_and(&usable, hard, &cpus_active);
    return !cpumap_empty(&usable);
}

/*
 * Puts v where it may be, or is better placed, after its affinity or the CPUs have changed. s is
 * locked; releases it.
 */
void sched_place_anew(struct sched_cpu *s, struct vcpu *v, unsigned long flags);

extern cpumap_t cpus_idle; /* sched.c; atomic */

#endif
