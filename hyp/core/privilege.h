/*
 * Who may do what to whom: each question is asked here and nowhere else, so that a policy can
 * answer it one day. All return 0 or -EPERM.
 */
#ifndef CORE_PRIVILEGE_H
#define CORE_PRIVILEGE_H

#include <lodge/errno.h>
#include "core/domain.h"

/* An operation that a domain may do to itself, and the control domain to everyone. */
static inline int privilege_self_or_control(const struct vcpu *caller, const struct domain *target)
{
    return caller->domain == target || caller->domain->is_privileged ? 0 : -EPERM;
}

/*
 * An operation on a domain from outside: not even the domain itself may, unless it is the control
 * domain.
 */
static inline int privilege_control(const struct vcpu *caller, const struct domain *target)
{
    (void)target;
    return caller->domain->is_privileged ? 0 : -EPERM;
}

/* Learning what state a domain is in: the control domain's tools, and the domain that keeps xenstore. */
static inline int privilege_look(const struct vcpu *caller, const struct domain *target)
{
    return caller->domain->is_xenstore ? 0 : privilege_control(caller, target);
}

/* An operation on the machine as a whole: memory map, physical CPUs, power. */
static inline int privilege_machine(const struct vcpu *caller)
{
    return caller->domain->is_privileged ? 0 : -EPERM;
}

#endif
