/*
 * The scheduler: which vCPU runs on which CPU, and for how long. Weights, caps, affinity, wake-up preference for who has
 * used least, load balance. The algorithm knows time only as the numbers it is given.
 */
#ifndef CORE_SCHED_H
#define CORE_SCHED_H

#include <lodge/list.h>
#include "core/cpumap.h"
#include "core/timer.h"

struct vcpu;
struct domain;

#define SCHED_WEIGHT_DEFAULT 256

/* A vCPU's place in the scheduler. Under the run queue lock of vcpu.cpu. The file sched.c may add fields. */
struct sched_vcpu {
    struct list link;            /* run queue */
    cpumap_t hard, soft;         /* where it may run, where it would rather run */
    cpumap_t saved_hard;         /* SCHEDOP_pin_override */
    uint32_t weight;             /* 1 .. 65535 */
    uint32_t cap_percent;        /* 0 = none; 100 = one CPU */
    uint64_t vruntime;           /* weighted time used */
    uint64_t last_start_ns;
    int64_t  cap_budget_ns;
    bool     queued, on_cpu, yielding, capped, pin_overridden;
    uint32_t tie;
};

void sched_init(void);                                  /* boot CPU */
int sched_cpu_init(unsigned int cpu) MUST_CHECK;        /* makes the idle vCPU's place; CPU comes online */
void sched_cpu_start(unsigned int cpu);                 /* on that CPU, as its idle vCPU: from now on it takes vCPUs */
int sched_cpu_remove(unsigned int cpu) MUST_CHECK;      /* moves everything away. -EBUSY: something pinned */

int sched_vcpu_init(struct vcpu *v, unsigned int cpu) MUST_CHECK;
void sched_vcpu_fini(struct vcpu *v);

void vcpu_wake(struct vcpu *v);                         /* it may have become runnable: cheap when not */
void vcpu_sleep_nosync(struct vcpu *v);                 /* it has become not runnable: deschedule */
void vcpu_sleep_sync(struct vcpu *v);                   /* and wait until its context is saved */
void vcpu_block(void);                                  /* current: atomically unmask events and block unless one is pending */
void vcpu_unblock(struct vcpu *v);                      /* an event came */
void vcpu_yield(void);                                  /* current */
void sched_context_saved(struct vcpu *prev);            /* by the architecture, once prev may run elsewhere */

int vcpu_set_hard_affinity(struct vcpu *v, const cpumap_t *map) MUST_CHECK; /* -EINVAL: no online CPU in it */
int vcpu_set_soft_affinity(struct vcpu *v, const cpumap_t *map) MUST_CHECK;
int vcpu_pin_override(struct vcpu *v, int cpu) MUST_CHECK;                  /* SCHEDOP_pin_override */
int sched_set_params(struct domain *d, uint32_t weight, uint32_t cap_percent) MUST_CHECK;
void sched_get_params(const struct domain *d, uint32_t *weight, uint32_t *cap_percent);

#endif
