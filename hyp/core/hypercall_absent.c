/*
 * The handler of what is not there. Where no module of a build defines one (the host has no page
 * tables to update), the call is absent: these definitions are weak, so that any other wins. Among
 * archives this file's must be the last.
 */
#include "core/domctl.h"
#include "core/hypercall.h"
#include "core/sysctl.h"

long hypercall_absent(uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5)
{
    (void)a1;
    (void)a2;
    (void)a3;
    (void)a4;
    (void)a5;
    return -ENOSYS;
}

#define HYPERCALL(nr, name, status, note)                                                          \
    long hypercall_##name(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t)                        \
        __attribute__((weak, alias("hypercall_absent")));
#define HYPERCALL_NONE(nr, name, answer, note)
#include "ops/hypercall.def"
#undef HYPERCALL
#undef HYPERCALL_NONE

/* The same for what an architecture does not answer its control domain. */
static long sysctl_absent(struct vcpu *caller, struct xen_sysctl *op)
{
    (void)caller, (void)op;
    return -ENOSYS;
}

#define SUBOP(number, handler, member, direction)                                                  \
    long handler(struct vcpu *caller, struct xen_sysctl *op)                                       \
        __attribute__((weak, alias("sysctl_absent")));
#include "ops/sysctl.def"
#undef SUBOP

static long domctl_absent(struct vcpu *caller, struct domain *d, struct xen_domctl *op)
{
    (void)caller, (void)d, (void)op;
    return -ENOSYS;
}

#define SUBOP(number, handler, member, direction, whom)                                            \
    long handler(struct vcpu *caller, struct domain *d, struct xen_domctl *op)                     \
        __attribute__((weak, alias("domctl_absent")));
#include "ops/domctl.def"
#undef SUBOP
