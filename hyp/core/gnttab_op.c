/*
 * HYPERVISOR_grant_table_op: ops/grant_table_op.def is the table. Batches run here, one element
 * after the other, and can be continued between two; the single operations have their handlers here
 * too.
 */
#include <lodge/errno.h>
#include "core/gnttab_private.h"
#include "core/guest.h"
#include "core/hypercall.h"
#include "core/softirq.h"

int16_t gnttab_owner(struct vcpu *caller, domid_t id, struct domain **d)
{
    int rc = domain_get_target(caller, id, d);

    if (rc) {
        return rc == -EPERM ? GNTST_permission_denied : GNTST_bad_domain;
    }
    return (*d)->grant_table ? GNTST_okay : GNTST_bad_domain;
}

static int16_t put_frame(struct domain *d, uint32_t i, const struct gnttab_setup_table *op)
{
    xen_pfn_t frame;
    mfn_t mfn;

    if (gnttab_shared_frame(d, i, &mfn)) {
        return GNTST_general_error; /* it has begun to die */
    }
    frame = mfn.n;
    return guest_write_at(op->frame_list, i, &frame) ? GNTST_bad_virt_addr : GNTST_okay;
}

static int16_t setup_table(struct vcpu *caller, const struct gnttab_setup_table *op)
{
    struct domain *d = NULL;
    int16_t status = gnttab_owner(caller, op->dom, &d);

    if (!status && gnttab_grow(d, op->nr_frames)) {
        status = GNTST_general_error;
    }
    for (uint32_t i = 0; !status && i < op->nr_frames; i++) {
        status = put_frame(d, i, op);
    }
    domain_put(d);
    return status;
}

static long op_setup_table(struct vcpu *caller, uint64_t gva, uint32_t count)
{
    struct gnttab_setup_table op;

    if (count != 1) {
        return -EINVAL;
    }
    if (guest_copy_from(&op, gva, sizeof(op)) ||
        !guest_range_ok(guest_addr(op.frame_list, 0), op.nr_frames * sizeof(xen_pfn_t))) {
        return -EFAULT;
    }
    op.status = setup_table(caller, &op);
    return guest_copy_to(gva + offsetof(__typeof__(op), status), &op.status, sizeof(op.status));
}

static long op_query_size(struct vcpu *caller, uint64_t gva, uint32_t count)
{
    struct gnttab_query_size op;
    struct domain *d = NULL;

    if (count != 1) {
        return -EINVAL;
    }
    if (guest_copy_from(&op, gva, sizeof(op))) {
        return -EFAULT;
    }
    op.status = gnttab_owner(caller, op.dom, &d);
    if (!op.status) {
        op.nr_frames = __atomic_load_n(&d->grant_table->nr_frames, __ATOMIC_RELAXED);
        op.max_nr_frames = d->grant_table->max_frames;
    }
    domain_put(d);
    return guest_copy_to(gva, &op, sizeof(op));
}

struct gnttab_op {
    void (*one)(struct vcpu *caller, void *arg, struct grant_unmaps *unmaps);      /* BATCH */
    long (*single)(struct vcpu *caller, uint64_t gva, uint32_t count);             /* SINGLE */
    long (*list)(struct vcpu *caller, uint32_t cmd, uint64_t gva, uint32_t count); /* LIST */
    uint16_t size;
};
#define BATCH(handler)                     .one = (handler)
#define SINGLE(handler)                    .single = (handler)
#define LIST(handler)                      .list = (handler)
#define SUBOP(number, handler, type, form) [number] = { form(handler), .size = sizeof(type) },
static const struct gnttab_op gnttab_ops[] = {
#include "ops/grant_table_op.def"
};
#undef SUBOP
#undef BATCH
#undef SINGLE
#undef LIST

union gnttab_arg {
    struct gnttab_map_grant_ref map;
    struct gnttab_unmap_grant_ref unmap;
    struct gnttab_unmap_and_replace unmap_and_replace;
    struct gnttab_copy copy;
    struct gnttab_swap_grant_ref swap;
    struct gnttab_transfer transfer;
};

/* Runs elements until all are done or something waits for this CPU. The number done, or -EFAULT. */
static long run_batch(struct vcpu *caller, const struct gnttab_op *row, uint64_t gva,
                      uint32_t count)
{
    struct grant_unmaps unmaps;
    union gnttab_arg arg;
    long rc = 0;
    uint32_t i;

    unmaps.nr = 0;
    for (i = 0; i < count && !rc && !(i && preempt_requested()); i++) {
        rc = guest_copy_from(&arg, gva + (uint64_t)i * row->size, row->size);
        if (rc) {
            break;
        }
        row->one(caller, &arg, &unmaps);
        rc = guest_copy_to(gva + (uint64_t)i * row->size, &arg, row->size);
        if (unmaps.nr == UNMAP_BATCH) {
            grant_unmaps_complete(caller, &unmaps);
        }
    }
    grant_unmaps_complete(caller, &unmaps);
    return rc ? rc : (long)i;
}

#define CMD_MASK 0xfffU /* above it: where a search that stopped goes on */

/* NULL: there is none */
static const struct gnttab_op *row_of(uint32_t cmd)
{
    const struct gnttab_op *row;

    if (cmd >= ARRAY_SIZE(gnttab_ops)) {
        return NULL;
    }
    row = &gnttab_ops[index_nospec(cmd, ARRAY_SIZE(gnttab_ops))];
    return row->size ? row : NULL;
}

long hypercall_grant_table_op(uint64_t cmd64, uint64_t gva, uint64_t count64, uint64_t a4,
                              uint64_t a5)
{
    uint32_t cmd = (uint32_t)cmd64, count = (uint32_t)count64;
    const struct gnttab_op *row;
    long done;

    (void)a4;
    (void)a5;
    if (count > INT32_MAX) {
        return -EINVAL;
    }
    row = row_of(cmd & CMD_MASK);
    if (cmd & ~CMD_MASK && !(row && row->list)) {
        return -EINVAL; /* only a search goes on there */
    }
    if (!row || !current->domain->grant_table) {
        return -ENOSYS;
    }
    if (row->single) {
        return row->single(current, gva, count);
    }
    if (!guest_range_ok(gva, (uint64_t)count * row->size)) {
        return -EFAULT;
    }
    if (row->list) {
        return row->list(current, cmd, gva, count);
    }
    if (row->one == op_transfer && !opt_grant_transfer) {
        return -EOPNOTSUPP;
    }
    done = run_batch(current, row, gva, count);
    if (done >= 0 && done < count) {
        return hypercall_continue(3, ARGS(cmd, gva + (uint64_t)done * row->size, count - done));
    }
    return done < 0 ? done : 0;
}
