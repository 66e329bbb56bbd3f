/*
 * GNTTABOP_copy: the hypervisor copies within two pages, each named by a grant reference or by a
 * frame of the caller's own.
 */
#include <lodge/errno.h>
#include <lodge/string.h>
#include "core/gnttab_private.h"
#include "core/guest_frame.h"

/* One page of a copy, as far as it is held. All zero: nothing is. */
struct side {
    struct domain *d;
    struct grant_page page;
    grant_ref_t ref;
    unsigned int uses; /* of the grant; 0: not pinned */
    bool writable;
};

static int side_find(struct vcpu *caller, struct side *s, const struct gnttab_copy_ptr *ptr,
                     bool by_ref)
{
    s->d = domain_get(domid_resolve(caller, ptr->domid));
    if (!s->d) {
        return GNTST_bad_domain;
    }
    /* Only one's own frames go without a grant, and only as DOMID_SELF's. */
    return by_ref || ptr->domid == DOMID_SELF ? GNTST_okay : GNTST_permission_denied;
}

static int side_hold(struct vcpu *caller, struct side *s, const struct gnttab_copy_ptr *ptr,
                     bool by_ref, bool write)
{
    int rc = GNTST_okay;

    if (by_ref) {
        unsigned int uses = USE(write ? GRANT_HOST_WRITE : GRANT_HOST_READ);

        rc = grant_pin(s->d, ptr->u.ref, caller->domain, uses, false, &s->page);
        if (!rc) {
            s->uses = uses;
            s->ref = ptr->u.ref;
        }
    } else {
        s->page.frame = guest_frame_get(s->d, ptr->u.gmfn, false);
        s->page.length = PAGE_SIZE;
        rc = s->page.frame ? GNTST_okay : GNTST_bad_page;
    }
    if (!rc && write) {
        s->writable = guest_frame_get_writable(s->page.frame);
        rc = s->writable ? GNTST_okay : GNTST_general_error;
    }
    return rc;
}

static void side_release(struct side *s)
{
    guest_frame_put(s->page.frame, s->writable);
    if (s->uses) {
        grant_unpin_page(s->d, s->ref, s->uses, &s->page);
    }
    domain_put(s->d);
}

/* What is granted may be less than the page. */
static bool within_grant(const struct side *s, uint16_t offset, uint16_t len)
{
    return offset >= s->page.start &&
           (uint32_t)offset + len <= (uint32_t)s->page.start + s->page.length;
}

static int copy(struct vcpu *caller, const struct gnttab_copy *op)
{
    bool source_by_ref = op->flags & GNTCOPY_source_gref,
         dest_by_ref = op->flags & GNTCOPY_dest_gref;
    struct side source = { 0 }, dest = { 0 };
    int rc;

    rc = side_find(caller, &source, &op->source, source_by_ref);
    if (!rc) {
        rc = side_find(caller, &dest, &op->dest, dest_by_ref);
    }
    if (!rc) {
        rc = side_hold(caller, &source, &op->source, source_by_ref, false);
    }
    if (!rc) {
        rc = side_hold(caller, &dest, &op->dest, dest_by_ref, true);
    }
    if (rc) {
        goto out;
    }
    if (!range_within(op->source.offset, op->len, PAGE_SIZE) ||
        !range_within(op->dest.offset, op->len, PAGE_SIZE)) {
        rc = GNTST_bad_copy_arg;
        goto out;
    }
    if (!within_grant(&source, op->source.offset, op->len) ||
        !within_grant(&dest, op->dest.offset, op->len)) {
        rc = GNTST_general_error;
        goto out;
    }
    /* Both may be the same page. */
    memmove((char *)guest_frame_map(dest.page.frame) + index_nospec(op->dest.offset, PAGE_SIZE),
            (const char *)guest_frame_map(source.page.frame) +
                index_nospec(op->source.offset, PAGE_SIZE),
            op->len);
out:
    side_release(&dest);
    side_release(&source);
    return rc;
}

void op_copy(struct vcpu *caller, void *arg, struct grant_unmaps *unmaps)
{
    struct gnttab_copy *op = arg;

    (void)unmaps;
    op->status = (int16_t)copy(caller, op);
}
