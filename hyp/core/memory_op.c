/*
 * HYPERVISOR_memory_op: public/memory.h. The table, and the operations that only tell. Memory
 * changes hands in memory_reservation.c and memory_exchange.c. What a frame's number means to the
 * guest is the architecture's (core/memory_arch.h).
 */
#include <lodge/errno.h>
#include <lodge/range.h>
#include <lodge/string.h>
#include "core/memory_arch.h"
#include "core/guest.h"
#include "core/hypercall.h"
#include "core/memory_private.h"
#include "core/privilege.h"

static long op_maximum_ram_page(struct vcpu *caller, uint64_t cmd, uint64_t arg_gva)
{
    (void)caller, (void)cmd, (void)arg_gva;
    return (long)max_frame; /* as Xen has it: one above */
}

/* The three questions about a domain that is named by the argument. */
static long about_domain(struct vcpu *caller, uint64_t arg_gva,
                         uint64_t (*answer)(const struct domain *d))
{
    struct domain *d;
    domid_t id;
    long rc;

    if (guest_copy_from(&id, arg_gva, sizeof(id))) {
        return -EFAULT;
    }
    rc = domain_get_target(caller, id, &d);
    if (!rc) {
        rc = (long)answer(d);
        domain_put(d);
    }
    return rc;
}

static uint64_t current_pages(const struct domain *d)
{
    return d->nr_pages;
}

static uint64_t maximum_pages(const struct domain *d)
{
    return d->max_pages;
}

static long op_current_reservation(struct vcpu *caller, uint64_t cmd, uint64_t arg_gva)
{
    (void)cmd;
    return about_domain(caller, arg_gva, current_pages);
}

static long op_maximum_reservation(struct vcpu *caller, uint64_t cmd, uint64_t arg_gva)
{
    (void)cmd;
    return about_domain(caller, arg_gva, maximum_pages);
}

static long op_maximum_gpfn(struct vcpu *caller, uint64_t cmd, uint64_t arg_gva)
{
    (void)cmd;
    return about_domain(caller, arg_gva, memory_arch_max_gfn);
}

static long op_machphys_mfn_list(struct vcpu *caller, uint64_t cmd, uint64_t arg_gva)
{
    struct xen_machphys_mfn_list req;
    unsigned int i;
    mfn_t mfn;

    (void)caller, (void)cmd;
    if (guest_copy_from(&req, arg_gva, sizeof(req))) {
        return -EFAULT;
    }
    for (i = 0; i < req.max_extents && memory_arch_m2p_extent(i, &mfn); i++) {
        if (guest_write_at(req.extent_start, i, &mfn.n)) {
            return -EFAULT;
        }
    }
    req.nr_extents = i;
    return guest_copy_to(arg_gva, &req, sizeof(req));
}

static long op_machphys_mapping(struct vcpu *caller, uint64_t cmd, uint64_t arg_gva)
{
    struct xen_machphys_mapping m;

    (void)caller, (void)cmd;
    memory_arch_m2p_mapping(&m);
    return guest_copy_to(arg_gva, &m, sizeof(m));
}

/* Guests that translate their own addresses have no map to add to. */
static long physmap_refused(struct vcpu *caller, domid_t id)
{
    struct domain *d;
    int rc;

    rc = domain_get_target(caller, id, &d);
    if (rc) {
        return rc;
    }
    rc = d->is_pv ? -EACCES : -ENOSYS;
    domain_put(d);
    return rc;
}

static long op_add_to_physmap(struct vcpu *caller, uint64_t cmd, uint64_t arg_gva)
{
    struct xen_add_to_physmap req;

    if (cmd >> MEMOP_CMD_BITS > UINT16_MAX) {
        return -EDOM;
    }
    if (guest_copy_from(&req, arg_gva, sizeof(req))) {
        return -EFAULT;
    }
    return req.space == XENMAPSPACE_gmfn_foreign ? -ENOSYS : physmap_refused(caller, req.domid);
}

static long op_add_to_physmap_batch(struct vcpu *caller, uint64_t cmd, uint64_t arg_gva)
{
    struct xen_add_to_physmap_batch req;

    if (cmd >> MEMOP_CMD_BITS > UINT16_MAX) {
        return -EDOM;
    }
    if (guest_copy_from(&req, arg_gva, sizeof(req))) {
        return -EFAULT;
    }
    return req.space == XENMAPSPACE_gmfn_range ? -EOPNOTSUPP : physmap_refused(caller, req.domid);
}

static long op_remove_from_physmap(struct vcpu *caller, uint64_t cmd, uint64_t arg_gva)
{
    struct xen_remove_from_physmap req;

    (void)cmd;
    if (guest_copy_from(&req, arg_gva, sizeof(req))) {
        return -EFAULT;
    }
    return physmap_refused(caller, req.domid);
}

static long op_memory_map(struct vcpu *caller, uint64_t cmd, uint64_t arg_gva)
{
    (void)cmd;
    return memory_arch_map(caller, arg_gva);
}

static long op_machine_memory_map(struct vcpu *caller, uint64_t cmd, uint64_t arg_gva)
{
    int rc = privilege_machine(caller);

    (void)cmd;
    return rc ? rc : memory_arch_machine_map(caller, arg_gva);
}

static long op_set_memory_map(struct vcpu *caller, uint64_t cmd, uint64_t arg_gva)
{
    (void)cmd;
    return memory_arch_set_map(caller, arg_gva);
}

/* No guest has a virtual NUMA layout; tools take this error for that. */
static long op_get_vnumainfo(struct vcpu *caller, uint64_t cmd, uint64_t arg_gva)
{
    struct xen_vnuma_topology_info req;
    struct domain *d;
    int rc;

    (void)cmd;
    if (guest_copy_from(&req, arg_gva, sizeof(req))) {
        return -EFAULT;
    }
    if (req.pad) {
        return -EINVAL;
    }
    rc = domain_get_target(caller, req.domid, &d);
    if (rc) {
        return rc;
    }
    domain_put(d);
    return -EOPNOTSUPP;
}

static const memory_op_fn memory_ops[] = {
#define MEMOP(number, handler) [number] = handler,
#include "ops/memory_op.def"
#undef MEMOP
};

/*
 * Most operations never stop halfway: a command that says where to go on is none of ours. Xen's
 * own operations and its architecture's answer differently.
 */
static int place_check(unsigned int op, uint64_t place)
{
    if (!place) {
        return 0;
    }
    switch (op) {
    case XENMEM_increase_reservation:
    case XENMEM_decrease_reservation:
    case XENMEM_populate_physmap:
    case XENMEM_add_to_physmap:
    case XENMEM_add_to_physmap_batch:
    case XENMEM_acquire_resource:
        return 0;
    case XENMEM_memory_map:
    case XENMEM_machine_memory_map:
    case XENMEM_set_memory_map:
    case XENMEM_machphys_mapping:
    case XENMEM_machphys_mfn_list:
        return -ENOSYS;
    default:
        return -EINVAL;
    }
}

long hypercall_memory_op(uint64_t cmd, uint64_t arg_gva, uint64_t a3, uint64_t a4, uint64_t a5)
{
    unsigned int op = cmd & MEMOP_CMD_MASK;
    int rc;

    (void)a3, (void)a4, (void)a5;
    if (op >= ARRAY_SIZE(memory_ops) || !memory_ops[index_nospec(op, ARRAY_SIZE(memory_ops))]) {
        return -ENOSYS;
    }
    rc = place_check(op, cmd >> MEMOP_CMD_BITS);
    if (rc) {
        return rc;
    }
    return memory_ops[index_nospec(op, ARRAY_SIZE(memory_ops))](current, cmd, arg_gva);
}
