/*
 * A vCPU's own timers, which end in VIRQ_TIMER: single-shot and periodic. Times are the guest's
 * system time, which is the hypervisor's. Sources: public/vcpu.h, public/xen.h (set_timer_op).
 */
#ifndef CORE_GUEST_TIMER_H
#define CORE_GUEST_TIMER_H

#include <lodge/compiler.h>

struct vcpu;

#define PERIODIC_TIMER_MIN_NS 1000000ULL

void vcpu_timers_init(struct vcpu *v);
void vcpu_timers_fini(struct vcpu *v);   /* stopped and finished; harmless when repeated */

/* v is the current vCPU. A deadline in the past, or negative, fires at once. */
void vcpu_singleshot_set(struct vcpu *v, uint64_t deadline_ns);
void vcpu_singleshot_stop(struct vcpu *v);
/*
 * Any vCPU. period_ns 0 stops. -EINVAL: shorter than PERIODIC_TIMER_MIN_NS, or beyond what time can
 * hold.
 */
int vcpu_periodic_set(struct vcpu *v, uint64_t period_ns) MUST_CHECK;

/*
 * By the scheduler, with interrupts off: v's turn on this CPU ends, or begins. The periodic timer
 * runs only while v does, as with Xen; a tick that came due meanwhile is delivered on arrival. The
 * single-shot timer follows v to its CPU.
 */
void vcpu_timers_leave(struct vcpu *v);
void vcpu_timers_arrive(struct vcpu *v);

#endif
