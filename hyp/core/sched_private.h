/* What the scheduler's files share. */
#ifndef CORE_SCHED_PRIVATE_H
#define CORE_SCHED_PRIVATE_H

#include "core/domain.h"
#include "core/lock.h"
#include "core/percpu.h"
#include "core/sched_algo.h"

struct sched_cpu {
    struct spinlock lock;     /* RANK_SCHED, interrupts off. Never two at once: a vCPU on its way belongs to no queue */
    struct sched_queue q;     /* and the sched member of every vCPU whose cpu is this */
    struct timer timer;       /* asks again when the slice ends */
};

DECLARE_PER_CPU(struct sched_cpu, sched_cpus);

/* The lock that guards v's scheduling and runstate; v does not change CPU while it is held. */
struct sched_cpu *sched_lock(struct vcpu *v, unsigned long *flags);

/* v may run on these from now on (NULL: as before); moves it if it must. -EINVAL: no online CPU among them, unchanged. */
int vcpu_affinity_changed(struct vcpu *v, const cpumap_t *hard, const cpumap_t *soft) MUST_CHECK;

static inline void sched_unlock(struct sched_cpu *s, unsigned long flags)
{
    spin_unlock_irqrestore(&s->lock, flags);
}

#endif
