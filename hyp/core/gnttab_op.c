/*
 * HYPERVISOR_grant_table_op: ops/grant_table_op.def is the table. Batches run here, one element
 * after the other, and can be continued between two; the single operations have their handlers here
 * too.
 */
#include <lodge/errno.h>
#include <lodge/string.h>
#include "core/gnttab_private.h"
#include "core/guest.h"
#include "core/hypercall.h"
#include "core/option.h"

/*
 * Refuses what it does not know; what Xen knows and version 1 has no use for is accepted without
 * effect.
 */
static int parse_gnttab(const char *value)
{
    static const char *const known[] = {
        "max-ver:1",  "max-ver:2",     "max_ver:1",   "max_ver:2",
        "transitive", "no-transitive", "no-transfer",
    };

    while (*value) {
        size_t len = 0;
        bool ok = false;

        while (value[len] && value[len] != ',') {
            len++;
        }
        for (unsigned int i = 0; i < ARRAY_SIZE(known); i++) {
            ok = ok || (strlen(known[i]) == len && memcmp(value, known[i], len) == 0);
        }
        if (!ok) {
            return -EINVAL;
        }
        value += value[len] ? len + 1 : len;
    }
    return 0;
}
OPTION_FN("gnttab", parse_gnttab, "max-ver:1, no-transfer");

/* Whose table an operation means: GNTST_okay and a reference, or why not. */
static int16_t table_owner(struct vcpu *caller, domid_t id, struct domain **d)
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
    int16_t status = table_owner(caller, op->dom, &d);

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
    op.status = table_owner(caller, op.dom, &d);
    if (!op.status) {
        op.nr_frames = __atomic_load_n(&d->grant_table->nr_frames, __ATOMIC_RELAXED);
        op.max_nr_frames = d->grant_table->max_frames;
    }
    domain_put(d);
    return guest_copy_to(gva, &op, sizeof(op));
}

/*
 * Version 2 is answered as before this operation existed, so that the guest stays with 1. What is
 * in effect is told always.
 */
static long op_set_version(struct vcpu *caller, uint64_t gva, uint32_t count)
{
    struct gnttab_set_version op;
    long rc = 0;

    (void)caller;
    (void)count;
    if (guest_copy_from(&op, gva, sizeof(op))) {
        return -EFAULT;
    }
    if (op.version != 1) {
        rc = op.version == 2 ? -ENOSYS : -EINVAL;
    }
    op.version = 1;
    return guest_copy_to(gva, &op, sizeof(op)) ? -EFAULT : rc;
}

static long op_get_version(struct vcpu *caller, uint64_t gva, uint32_t count)
{
    struct gnttab_get_version op;
    struct domain *d = NULL;
    int rc;

    (void)count;
    if (guest_copy_from(&op, gva, sizeof(op))) {
        return -EFAULT;
    }
    rc = domain_get_target(caller, op.dom, &d);
    domain_put(d);
    op.version = 1;
    return rc ? rc
              : guest_copy_to(gva + offsetof(__typeof__(op), version), &op.version,
                              sizeof(op.version));
}

/* A version 1 table has no status frames: asking for none of them succeeds. */
static long op_get_status_frames(struct vcpu *caller, uint64_t gva, uint32_t count)
{
    struct gnttab_get_status_frames op;
    struct domain *d = NULL;

    if (count != 1) {
        return -EINVAL;
    }
    if (guest_copy_from(&op, gva, sizeof(op)) ||
        !guest_range_ok(guest_addr(op.frame_list, 0), op.nr_frames * sizeof(uint64_t))) {
        return -EFAULT;
    }
    op.status = table_owner(caller, op.dom, &d);
    if (!op.status && op.nr_frames) {
        op.status = GNTST_general_error;
    }
    domain_put(d);
    return guest_copy_to(gva + offsetof(__typeof__(op), status), &op.status, sizeof(op.status));
}

static int16_t swap(struct grant_table *gt, grant_ref_t a, grant_ref_t b)
{
    uint32_t limit = gt->nr_frames * GRANTS_PER_FRAME;
    struct grant_entry_v1 saved;

    if (a >= limit || b >= limit) {
        return GNTST_bad_gntref;
    }
    a = (grant_ref_t)index_nospec(a, limit);
    b = (grant_ref_t)index_nospec(b, limit);
    if (a == b) {
        return GNTST_okay;
    }
    if (grant_pins(gt, a)->any || grant_pins(gt, b)->any) {
        return GNTST_eagain;
    }
    saved = *grant_entry(gt, a);
    *grant_entry(gt, a) = *grant_entry(gt, b);
    *grant_entry(gt, b) = saved;
    return GNTST_okay;
}

static void op_swap(struct vcpu *caller, void *arg, struct grant_unmaps *unmaps)
{
    struct grant_table *gt = caller->domain->grant_table;
    struct gnttab_swap_grant_ref *op = arg;

    (void)unmaps;
    spin_lock(&gt->lock);
    op->status = swap(gt, op->ref_a, op->ref_b);
    spin_unlock(&gt->lock);
}

struct gnttab_op {
    void (*one)(struct vcpu *caller, void *arg, struct grant_unmaps *unmaps); /* BATCH */
    long (*single)(struct vcpu *caller, uint64_t gva, uint32_t count);        /* SINGLE */
    uint16_t size;
    uint16_t answer; /* neither: -errno */
};
#define BATCH(handler)                     .one = (handler)
#define SINGLE(handler)                    .single = (handler)
#define SUBOP(number, handler, type, form) [number] = { form(handler), .size = sizeof(type) },
#define SUBOP_NONE(number, type, error, note) \
    [number] = { .size = sizeof(type), .answer = (error) },
static const struct gnttab_op gnttab_ops[] = {
#include "ops/grant_table_op.def"
};
#undef SUBOP
#undef SUBOP_NONE
#undef BATCH
#undef SINGLE

union gnttab_arg {
    struct gnttab_map_grant_ref map;
    struct gnttab_unmap_grant_ref unmap;
    struct gnttab_unmap_and_replace unmap_and_replace;
    struct gnttab_copy copy;
    struct gnttab_swap_grant_ref swap;
    struct gnttab_transfer transfer;
    struct gnttab_cache_flush cache_flush;
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

/* A bad pointer is told before that nothing would have been done with it. */
static long refuse(const struct gnttab_op *row, uint64_t gva, uint32_t count)
{
    union gnttab_arg arg;

    if (count && guest_copy_from(&arg, gva, row->size)) {
        return -EFAULT;
    }
    return -(long)row->answer;
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
    if (cmd >> 12) {
        return -EINVAL; /* Xen keeps the upper bits for its own continuations */
    }
    if (cmd >= ARRAY_SIZE(gnttab_ops) || !current->domain->grant_table) {
        return -ENOSYS;
    }
    row = &gnttab_ops[index_nospec(cmd, ARRAY_SIZE(gnttab_ops))];
    if (row->single) {
        return row->single(current, gva, count);
    }
    if (!row->size) {
        return -ENOSYS;
    }
    if (!guest_range_ok(gva, (uint64_t)count * row->size)) {
        return -EFAULT;
    }
    if (!row->one) {
        return refuse(row, gva, count);
    }
    done = run_batch(current, row, gva, count);
    if (done >= 0 && done < count) {
        return hypercall_continue(3, ARGS(cmd, gva + (uint64_t)done * row->size, count - done));
    }
    return done < 0 ? done : 0;
}
