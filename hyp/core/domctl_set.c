/* Small facts about a domain that the tools set. Source: public/domctl.h. */
#include "core/domctl.h"

#include <lodge/errno.h>
#include <lodge/string.h>
#include "core/evtchn.h"

/* How much the domain may have from now on; what it has beyond that it keeps. */
long domctl_max_mem(struct vcpu *caller, struct domain *d, struct xen_domctl *op)
{
    uint64_t pages = op->u.max_mem.max_memkb >> (PAGE_SHIFT - 10);

    (void)caller;
    spin_lock(&d->page_lock);
    d->max_pages = MIN(pages, (uint64_t)UINT32_MAX); /* which tools show as no limit */
    spin_unlock(&d->page_lock);
    return 0;
}

long domctl_setdomainhandle(struct vcpu *caller, struct domain *d, struct xen_domctl *op)
{
    (void)caller;
    memcpy(d->handle, op->u.setdomainhandle.handle, sizeof(d->handle));
    return 0;
}

long domctl_set_virq_handler(struct vcpu *caller, struct domain *d, struct xen_domctl *op)
{
    (void)caller;
    return virq_set_handler(d, op->u.set_virq_handler.virq);
}

long domctl_resumedomain(struct vcpu *caller, struct domain *d, struct xen_domctl *op)
{
    (void)op;
    if (d == caller->domain) {
        return -EINVAL;
    }
    domain_resume(d);
    return 0;
}
