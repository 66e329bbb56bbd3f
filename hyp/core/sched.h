/*
 * The scheduler: which vCPU runs on which CPU, and for how long. Weights, caps, affinity, wake-up
 * preference for who has used least, load balance. The algorithm knows time only as the numbers it
 * is given.
 */
#ifndef CORE_SCHED_H
#define CORE_SCHED_H

#include <lodge/list.h>
#include "core/cpumap.h"
#include "core/sched_algo.h"
#include "core/timer.h"

struct vcpu;
struct domain;

/* What the vCPUs of a domain share. Weight and cap are changed under the domain's lock. */
struct sched_domain {
    uint32_t weight;
    struct sched_cap cap;
};

/*
 * The idle vCPU of each CPU, in domain DOMID_IDLE: made by sched_cpu_init, without architecture
 * state (vcpu_arch_init is not called for it). The architecture makes it current before it calls
 * sched_cpu_start.
 */
extern struct vcpu *idle_vcpu[NR_CPUS];

/*
 * Boot: sched_init(); sched_cpu_init(0); make idle_vcpu[0] current; sched_cpu_start(0). For another
 * CPU: sched_cpu_init on the boot CPU, sched_cpu_start on itself, then idle_loop().
 */
/* makes the idle domain; registers SOFTIRQ_SCHED */
void sched_init(void);
/* makes the idle vCPU's place; CPU comes online */
int sched_cpu_init(unsigned int cpu) MUST_CHECK;
/* on that CPU, as its idle vCPU: from now on it takes vCPUs */
void sched_cpu_start(unsigned int cpu);
/*
 * It takes no more vCPUs, and those that it has go elsewhere, the running one soon; whose hard
 * affinity leaves no CPU then may run on all. -EADDRINUSE: some vCPU has SCHEDOP_pin_override in
 * force; nothing has changed.
 */
int sched_cpu_leave(unsigned int cpu) MUST_CHECK;
void sched_cpu_return(unsigned int cpu);                /* the opposite */
void sched_cpu_gone(unsigned int cpu);                  /* idle for good: the opposite of _start */

int sched_vcpu_init(struct vcpu *v, unsigned int cpu) MUST_CHECK;
void sched_vcpu_fini(struct vcpu *v);

/* it may have become runnable: cheap when not */
void vcpu_wake(struct vcpu *v);
void vcpu_sleep_nosync(struct vcpu *v);                 /* it has become not runnable: deschedule */
void vcpu_sleep_sync(struct vcpu *v);                   /* and wait until its context is saved */
/* current: atomically unmask events and block unless one is pending */
void vcpu_block(void);
void sched_ask(unsigned int cpu);                       /* it chooses anew soon; no lock held */
void vcpu_unblock(struct vcpu *v);                      /* an event came */
void vcpu_yield(void);                                  /* current */
/*
 * vcpu_arch_switch(prev, next) is called with interrupts off. sched_context_saved: by the
 * architecture on the same CPU, once nothing of prev's context is on the CPU any more and it may
 * run elsewhere; before the next schedule there.
 */
void sched_context_saved(struct vcpu *prev);
NORETURN void idle_loop(void);                          /* idle.c: what an idle vCPU does */

/* -EINVAL: no online CPU in it; -EBUSY: overridden */
int vcpu_set_hard_affinity(struct vcpu *v, const cpumap_t *map) MUST_CHECK;
int vcpu_set_soft_affinity(struct vcpu *v, const cpumap_t *map) MUST_CHECK;
/* Both at once, NULL: as it is. */
int vcpu_set_affinity(struct vcpu *v, const cpumap_t *hard, const cpumap_t *soft) MUST_CHECK;
void vcpu_get_affinity(struct vcpu *v, cpumap_t *hard, cpumap_t *soft); /* as they were set */
const cpumap_t *sched_domain_cpus(const struct domain *d); /* those that it may use at all */
/*
 * SCHEDOP_pin_override: current only. -EINVAL not online, or cpu < 0 and nothing to undo; -EBUSY
 * overridden already.
 */
int vcpu_pin_override(struct vcpu *v, int cpu) MUST_CHECK;
/* The CPU it may run on when there is only one: pinned (VCPUOP_get_physid). -1: several. */
int vcpu_pinned_cpu(const struct vcpu *v);
int sched_set_params(struct domain *d, uint32_t weight, uint32_t cap_percent) MUST_CHECK;
void sched_dump(void);                                  /* sched_dump.c: debug key 'r' */
void sched_get_params(const struct domain *d, uint32_t *weight, uint32_t *cap_percent);

#endif
