/*
 * HYPERVISOR_domctl: the tools make, ask, change and end domains. ops/domctl.def is the table; the
 * handlers stand in domctl_*.c here, and in the architecture.
 */
#ifndef CORE_DOMCTL_H
#define CORE_DOMCTL_H

#include "core/control.h"
#include <xen/domctl.h>

/* Which domain a row is about: what the handler gets, referenced. */
enum domctl_whom {
    THIS,         /* the one named; -ESRCH if there is none */
    NOBODY,       /* NULL: the number is the handler's to make sense of */
    THIS_OR_NEXT, /* the one named or, if there is none, the next; without the gate: it only looks */
};

/*
 * op is our copy, of which the handler uses its member of the union. Privilege and interface version
 * have been checked, and the gate passed. 0 or -errno; -ERESTART: what op says now is to be asked
 * again (with a SILENT row: what it said).
 */
#define SUBOP(number, handler, member, direction, whom)                                            \
    long handler(struct vcpu *caller, struct domain *d, struct xen_domctl *op);
#include "ops/domctl.def"
#undef SUBOP

/* What getdomaininfo and sysctl's list tell of a domain. */
void domctl_info(struct domain *d, struct xen_domctl_getdomaininfo *info);

#endif
