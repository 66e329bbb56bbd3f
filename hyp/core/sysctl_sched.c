/* What the tools ask of the scheduler as a whole. Source: public/sysctl.h. */
#include "core/sysctl.h"

/* The name under which its parameters are found: weights and caps as credit2 has them. */
long sysctl_sched_id(struct vcpu *caller, struct xen_sysctl *op)
{
    (void)caller;
    op->u.sched_id.sched_id = XEN_SCHEDULER_CREDIT2;
    return 0;
}
