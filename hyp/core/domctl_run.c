/* Letting domains run and stopping them. Source: public/domctl.h. */
#include "core/domctl.h"

#include <lodge/errno.h>

long domctl_pausedomain(struct vcpu *caller, struct domain *d, struct xen_domctl *op)
{
    (void)op;
    return d == caller->domain ? -EINVAL : domain_pause_by_control(d);
}

long domctl_unpausedomain(struct vcpu *caller, struct domain *d, struct xen_domctl *op)
{
    (void)caller, (void)op;
    return domain_unpause_by_control(d);
}
