/*
 * GNTTABOP_transfer: a PV guest gives a page away, to a domain that has said in an entry of its own
 * that it takes one. What goes wrong after the page has left its owner does not bring it back
 * (public/grant_table.h): it is freed.
 */
#include <lodge/errno.h>
#include "core/gnttab_private.h"
#include "core/guest.h"
#include "core/memory_arch.h"
#include "core/trace.h"

/* The receiver's entry is committed to this transfer: its version; 0: it does not accept it. */
static unsigned int commit(struct domain *to, grant_ref_t ref, domid_t from)
{
    struct grant_table *gt = to->grant_table;
    unsigned int version = 0;
    union grant_head seen;
    uint32_t *at;

    spin_lock(&gt->lock);
    if (gt->closed || ref >= grants_limit(gt)) {
        goto out;
    }
    at = grant_head_at(gt, (grant_ref_t)index_nospec(ref, grants_limit(gt)));
    seen.raw = shared_read(at);
    for (unsigned int i = 0; i < GRANT_TRIES && !version; i++) {
        union grant_head committed = seen;

        if (seen.flags != GTF_accept_transfer || seen.domid != from) {
            break;
        }
        committed.flags |= GTF_transfer_committed;
        if (__atomic_compare_exchange_n(at, &seen.raw, committed.raw, false, __ATOMIC_SEQ_CST,
                                        __ATOMIC_RELAXED)) {
            version = gt->version;
        }
    }
out:
    spin_unlock(&gt->lock);
    return version;
}

/* The page is the receiver's. It is told which one, and the page gets the name that the entry asked
 * for. */
static int complete(struct domain *to, grant_ref_t ref, unsigned int version, mfn_t mfn)
{
    struct grant_table *gt = to->grant_table;
    uint64_t gfn;
    int rc = GNTST_general_error;

    spin_lock(&gt->lock);
    if (gt->closed || gt->version != version) {
        goto out;
    }
    ref = (grant_ref_t)index_nospec(ref, grants_limit(gt)); /* it never shrinks within a version */
    gfn = version == 1 ? shared_read(&grant_entry_v1(gt, ref)->frame)
                       : shared_read(&grant_entry_v2(gt, ref)->full_page.frame);
    rc = memory_arch_name(to, gfn, mfn, 0) ? GNTST_general_error : GNTST_okay;
    if (version == 1) {
        shared_write(&grant_entry_v1(gt, ref)->frame, (uint32_t)mfn.n);
    } else {
        shared_write(&grant_entry_v2(gt, ref)->full_page.frame, mfn.n);
    }
    /* Release: the frame is written before it is said to be. */
    __atomic_fetch_or((uint16_t *)grant_head_at(gt, ref), GTF_transfer_completed, __ATOMIC_RELEASE);
out:
    spin_unlock(&gt->lock);
    return rc;
}

static bool has_room(struct domain *d)
{
    bool ok;

    spin_lock(&d->page_lock);
    ok = !d->is_dying && d->nr_pages < d->max_pages;
    spin_unlock(&d->page_lock);
    return ok;
}

/* f is nobody's. On failure it stays so. */
static int give(struct domain *from, struct frame *f, domid_t to_id, grant_ref_t ref)
{
    struct domain *to = domain_get(to_id);
    unsigned int version;
    int rc = GNTST_bad_domain;
    bool given = false;

    if (to && to->is_pv && to->grant_table) {
        rc = GNTST_general_error;
        version = has_room(to) ? commit(to, ref, from->id) : 0;
        given = version && !domain_frames_assign(to, f, 0);
        if (given) {
            TRACE(TRC_MEM_PAGE_GRANT_TRANSFER, to->id);
            rc = complete(to, ref, version, frame_mfn(f));
        }
    }
    if (!given) {
        frames_free(f, 0);
    }
    domain_put(to);
    return rc;
}

static int transfer(struct domain *from, const struct gnttab_transfer *op)
{
    struct frame *f = from->is_pv ? memory_arch_frame_get(from, op->mfn) : NULL;

    if (!f) {
        return GNTST_bad_page;
    }
    if (frame_shared(f) || !frame_steal(f)) {
        frame_put(f);
        return GNTST_bad_page;
    }
    return give(from, f, op->domid, op->ref);
}

void op_transfer(struct vcpu *caller, void *arg, struct grant_unmaps *unmaps)
{
    struct gnttab_transfer *op = arg;

    (void)unmaps;
    op->status = (int16_t)transfer(caller->domain, op);
}
