/* sysctl and domctl as a tool calls them, for tests. */
#ifndef HOST_CONTROL_H
#define HOST_CONTROL_H

#include <string.h>
#include "core/domctl.h"
#include "core/sysctl.h"
#include "host.h"

/* Zeroed guest memory; padding is what a stack held. */
static inline struct xen_sysctl *host_sysctl_new(void)
{
    struct xen_sysctl *op = host_guest_alloc(sizeof(*op));

    memset(op, 0xa5, sizeof(*op));
    memset(&op->u, 0, sizeof(op->u));
    return op;
}

static inline long host_sysctl(struct xen_sysctl *op, uint32_t cmd)
{
    op->cmd = cmd;
    op->interface_version = XEN_SYSCTL_INTERFACE_VERSION;
    return hypercall_sysctl(host_gva(op), 0, 0, 0, 0);
}

static inline struct xen_domctl *host_domctl_new(void)
{
    struct xen_domctl *op = host_guest_alloc(sizeof(*op));

    memset(op, 0xa5, sizeof(*op));
    memset(&op->u, 0, sizeof(op->u));
    return op;
}

static inline long host_domctl(struct xen_domctl *op, uint32_t cmd, domid_t id)
{
    op->cmd = cmd;
    op->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    op->domain = id;
    return hypercall_domctl(host_gva(op), 0, 0, 0, 0);
}

#endif
