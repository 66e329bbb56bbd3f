/* A domain's share of the CPUs, and the nodes it prefers. Source: public/domctl.h. */
#include "core/domctl.h"

#include <lodge/errno.h>

#define NR_NODES 64 /* how many a set of nodes can name: Xen's MAX_NUMNODES */

/* Weight 0 leaves the weight as it is; cap 0 is none. Xen, common/sched/credit2.c, csched2_dom_cntl(). */
static int put_info(struct domain *d, const struct xen_domctl_sched_credit2 *req)
{
    uint32_t weight, cap;

    sched_get_params(d, &weight, &cap);
    return sched_set_params(d, req->weight ? req->weight : weight, req->cap);
}

long domctl_scheduler_op(struct vcpu *caller, struct domain *d, struct xen_domctl *op)
{
    struct xen_domctl_scheduler_op *req = &op->u.scheduler_op;
    uint32_t weight, cap;

    (void)caller;
    if (req->sched_id != XEN_SCHEDULER_CREDIT2) {
        return -EINVAL;
    }
    switch (req->cmd) {
    case XEN_DOMCTL_SCHEDOP_putinfo:
        return put_info(d, &req->u.credit2);
    case XEN_DOMCTL_SCHEDOP_getinfo:
        sched_get_params(d, &weight, &cap);
        req->u.credit2.weight = (uint16_t)weight;
        req->u.credit2.cap = (uint16_t)cap;
        return 0;
    default:
        return -EINVAL; /* nor is there anything to be said of a single vCPU */
    }
}

/*
 * There is one node, 0, and so nothing to be decided: what the tools set is remembered for them. All
 * nodes, or never set: the domain prefers those of the CPUs that it may use.
 */
long domctl_setnodeaffinity(struct vcpu *caller, struct domain *d, struct xen_domctl *op)
{
    uint64_t nodes;
    int rc = control_bitmap_get(&nodes, NR_NODES, &op->u.nodeaffinity.nodemap);

    (void)caller;
    if (!rc && !bitmap_test(&nodes, 0)) {
        rc = -EINVAL;
    }
    if (!rc) {
        d->node_affinity = nodes == ~0ULL ? 0 : nodes;
    }
    return rc;
}

long domctl_getnodeaffinity(struct vcpu *caller, struct domain *d, struct xen_domctl *op)
{
    uint64_t nodes = d->node_affinity;

    (void)caller;
    if (!nodes) {
        nodes = domain_vcpu(d, 0) ? 1 : ~0ULL;
    }
    return control_bitmap_put(&op->u.nodeaffinity.nodemap, &nodes, NR_NODES);
}
