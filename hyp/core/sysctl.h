/*
 * HYPERVISOR_sysctl: the tools ask about the machine, and tell it what to do. ops/sysctl.def is the
 * table; the handlers stand in sysctl_*.c here, and in the architecture.
 */
#ifndef CORE_SYSCTL_H
#define CORE_SYSCTL_H

#include "core/control.h"
#include <xen/sysctl.h>

/*
 * op is our copy, of which the handler uses its member of the union. Privilege and interface version
 * have been checked, and the gate passed. 0 or -errno; -ERESTART: what op says now is to be asked
 * again (rows with an answer only).
 */
#define SUBOP(number, handler, member, direction)                                                  \
    long handler(struct vcpu *caller, struct xen_sysctl *op);
#include "ops/sysctl.def"
#undef SUBOP

#endif
