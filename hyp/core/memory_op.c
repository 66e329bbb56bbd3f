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
    return (long)(max_frame - 1);
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
static long physmap_refused(struct vcpu *caller, uint64_t arg_gva, size_t size)
{
    struct domain *d;
    uint8_t req[64];
    domid_t id;
    int rc;

    if (guest_copy_from(req, arg_gva, size)) {
        return -EFAULT;
    }
    memcpy(&id, req, sizeof(id)); /* the first field of each of these structures */
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
    (void)cmd;
    return physmap_refused(caller, arg_gva, sizeof(struct xen_add_to_physmap));
}

static long op_add_to_physmap_batch(struct vcpu *caller, uint64_t cmd, uint64_t arg_gva)
{
    (void)cmd;
    return physmap_refused(caller, arg_gva, sizeof(struct xen_add_to_physmap_batch));
}

static long op_remove_from_physmap(struct vcpu *caller, uint64_t cmd, uint64_t arg_gva)
{
    (void)cmd;
    return physmap_refused(caller, arg_gva, sizeof(struct xen_remove_from_physmap));
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
    (void)caller, (void)cmd, (void)arg_gva;
    return -EOPNOTSUPP;
}

static long op_acquire_resource(struct vcpu *caller, uint64_t cmd, uint64_t arg_gva)
{
    (void)caller, (void)cmd, (void)arg_gva;
    return -EOPNOTSUPP; /* tools then take the older way */
}

static const memory_op_fn memory_ops[] = {
#define MEMOP(number, handler) [number] = handler,
#include "ops/memory_op.def"
#undef MEMOP
};

long hypercall_memory_op(uint64_t cmd, uint64_t arg_gva, uint64_t a3, uint64_t a4, uint64_t a5)
{
    unsigned int op = cmd & MEMOP_CMD_MASK;

    (void)a3, (void)a4, (void)a5;
    if (op >= ARRAY_SIZE(memory_ops) || !memory_ops[index_nospec(op, ARRAY_SIZE(memory_ops))]) {
        return -ENOSYS;
    }
    return memory_ops[index_nospec(op, ARRAY_SIZE(memory_ops))](current, cmd, arg_gva);
}
