/*
 * Which version a table's entries have: asked, and changed while none is in use but those of the
 * tools, which keep what they say. Source: public/grant_table.h; Xen 4.17 common/grant_table.c for
 * the order of refusals.
 */
#include <lodge/errno.h>
#include <lodge/string.h>
#include "core/gnttab_private.h"
#include "core/guest.h"

/* A reserved entry in either version's clothes. */
struct reserved {
    uint16_t flags; /* with GTF_reading and GTF_writing */
    domid_t domid;
    uint64_t frame;
};

static bool in_use(const struct grant_table *gt)
{
    for (grant_ref_t ref = GNTTAB_NR_RESERVED_ENTRIES; ref < grants_limit(gt); ref++) {
        if (grant_pins(gt, ref)->any) {
            return true;
        }
    }
    return false;
}

/* 0; -EAGAIN: one is just being copied from, in a way that version 1 does not know; -ERANGE: it
 * cannot be said there. */
static int reserved_read(const struct grant_table *gt, struct reserved *saved)
{
    for (grant_ref_t ref = 0; ref < GNTTAB_NR_RESERVED_ENTRIES; ref++) {
        const struct grant_pins *pins = grant_pins(gt, ref);
        union grant_head head = { .raw = shared_read(grant_head_at(gt, ref)) };
        struct grant_says says;

        (void)grant_read(gt, ref, head, &says);
        saved[ref] =
            (struct reserved){ .flags = head.flags, .domid = head.domid, .frame = says.gfn };
        if (gt->version == 1) {
            continue;
        }
        if (pins->any && pins->kind != GRANT_WHOLE) {
            return -EAGAIN;
        }
        switch (head.flags & GTF_type_mask) {
        case GTF_permit_access:
            if (says.gfn >> 32) {
                return -ERANGE;
            }
            saved[ref].flags |= shared_read(grant_status(gt, ref));
            break;
        case GTF_transitive:
            return -ERANGE;
        default:
            saved[ref] = (struct reserved){ 0 };
            break;
        }
    }
    return 0;
}

static void reserved_write(const struct grant_table *gt, const struct reserved *saved)
{
    const uint16_t ours = GTF_reading | GTF_writing;

    for (grant_ref_t ref = 0; ref < GNTTAB_NR_RESERVED_ENTRIES; ref++) {
        if (gt->version == 1) {
            shared_write(&grant_entry_v1(gt, ref)->frame, (uint32_t)saved[ref].frame);
            shared_write(&grant_entry_v1(gt, ref)->domid, saved[ref].domid);
            shared_write(&grant_entry_v1(gt, ref)->flags, saved[ref].flags);
        } else {
            shared_write(grant_status(gt, ref), saved[ref].flags & ours);
            shared_write(&grant_entry_v2(gt, ref)->full_page.frame, saved[ref].frame);
            shared_write(&grant_entry_v2(gt, ref)->hdr.domid, saved[ref].domid);
            shared_write(&grant_entry_v2(gt, ref)->hdr.flags, saved[ref].flags & (uint16_t)~ours);
        }
    }
}

static int set_version_locked(struct domain *d, struct grant_table *gt, uint8_t version)
{
    struct reserved saved[GNTTAB_NR_RESERVED_ENTRIES];
    int rc;

    if (gt->version == version) {
        return 0;
    }
    if (in_use(gt)) {
        return -EBUSY;
    }
    rc = reserved_read(gt, saved);
    if (!rc) {
        rc = version == 2 ? gnttab_status_make(d, gt->nr_frames) : gnttab_status_unmake(d);
    }
    if (rc) {
        return rc;
    }
    for (uint32_t i = 0; i < gt->nr_frames; i++) {
        memset(gt->shared[i], 0, PAGE_SIZE);
    }
    gt->version = version;
    reserved_write(gt, saved);
    return 0;
}

static int set_version(struct domain *d, uint32_t version)
{
    struct grant_table *gt = d->grant_table;
    int rc;

    if (version != 1 && version != 2) {
        return -EINVAL;
    }
    if (version > gt->max_version) {
        return -ENOSYS; /* as before there was a choice */
    }
    spin_lock(&gt->lock);
    rc = set_version_locked(d, gt, (uint8_t)version);
    spin_unlock(&gt->lock);
    return rc;
}

static uint32_t version_of(const struct domain *d)
{
    return __atomic_load_n(&d->grant_table->version, __ATOMIC_RELAXED);
}

/* What is in effect is told always. */
long op_set_version(struct vcpu *caller, uint64_t gva, uint32_t count)
{
    struct gnttab_set_version op;
    long rc;

    (void)count;
    if (guest_copy_from(&op, gva, sizeof(op))) {
        return -EFAULT;
    }
    rc = set_version(caller->domain, op.version);
    op.version = version_of(caller->domain);
    return guest_copy_to(gva, &op, sizeof(op)) ? -EFAULT : rc;
}

long op_get_version(struct vcpu *caller, uint64_t gva, uint32_t count)
{
    struct gnttab_get_version op;
    struct domain *d = NULL;
    int rc;

    (void)count;
    if (guest_copy_from(&op, gva, sizeof(op))) {
        return -EFAULT;
    }
    rc = domain_get_target(caller, op.dom, &d);
    if (!rc && !d->grant_table) {
        rc = -ESRCH;
    }
    if (!rc) {
        op.version = version_of(d);
        rc =
            guest_copy_to(gva + offsetof(__typeof__(op), version), &op.version, sizeof(op.version));
    }
    domain_put(d);
    return rc;
}

static int16_t get_status_frames(struct vcpu *caller, const struct gnttab_get_status_frames *op)
{
    struct domain *d = NULL;
    int16_t status = gnttab_owner(caller, op->dom, &d);

    if (!status &&
        op->nr_frames > __atomic_load_n(&d->grant_table->nr_status_frames, __ATOMIC_RELAXED)) {
        status = GNTST_general_error; /* it does not grow for that */
    }
    for (uint32_t i = 0; !status && i < op->nr_frames; i++) {
        uint64_t frame;
        mfn_t mfn;

        if (gnttab_status_frame(d, i, &mfn)) {
            status = GNTST_general_error; /* the version has just changed */
            break;
        }
        frame = mfn.n;
        if (guest_write_at(op->frame_list, i, &frame)) {
            status = GNTST_bad_virt_addr;
        }
    }
    domain_put(d);
    return status;
}

long op_get_status_frames(struct vcpu *caller, uint64_t gva, uint32_t count)
{
    struct gnttab_get_status_frames op;

    if (count != 1) {
        return -EINVAL;
    }
    if (guest_copy_from(&op, gva, sizeof(op)) ||
        !guest_range_ok(guest_addr(op.frame_list, 0), op.nr_frames * sizeof(uint64_t))) {
        return -EFAULT;
    }
    op.status = get_status_frames(caller, &op);
    return guest_copy_to(gva + offsetof(__typeof__(op), status), &op.status, sizeof(op.status));
}

/* As the guest may change it meanwhile: word by word. */
static void swap_words(void *a, void *b, size_t n)
{
    uint32_t *x = a, *y = b;

    for (size_t i = 0; i < n / sizeof(*x); i++) {
        uint32_t saved = shared_read(&x[i]);

        shared_write(&x[i], shared_read(&y[i]));
        shared_write(&y[i], saved);
    }
}

static int16_t swap(struct grant_table *gt, grant_ref_t a, grant_ref_t b)
{
    uint32_t limit = grants_limit(gt);
    grant_status_t saved;

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
    if (gt->version == 1) {
        swap_words(grant_entry_v1(gt, a), grant_entry_v1(gt, b), sizeof(struct grant_entry_v1));
        return GNTST_okay;
    }
    swap_words(grant_entry_v2(gt, a), grant_entry_v2(gt, b), sizeof(union grant_entry_v2));
    saved = shared_read(grant_status(gt, a));
    shared_write(grant_status(gt, a), shared_read(grant_status(gt, b)));
    shared_write(grant_status(gt, b), saved);
    return GNTST_okay;
}

void op_swap(struct vcpu *caller, void *arg, struct grant_unmaps *unmaps)
{
    struct grant_table *gt = caller->domain->grant_table;
    struct gnttab_swap_grant_ref *op = arg;

    (void)unmaps;
    spin_lock(&gt->lock);
    op->status = swap(gt, op->ref_a, op->ref_b);
    spin_unlock(&gt->lock);
}
