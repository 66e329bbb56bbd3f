/*
 * GNTTABOP_cache_flush: a guest that drives a device writes back what the caches hold of a page,
 * its own or one granted to it. The search for the grant may take long: it goes on in the command's
 * upper bits. Source: public/grant_table.h; Xen 4.17 common/grant_table.c.
 */
#include <lodge/errno.h>
#include "core/gnttab_private.h"
#include "core/guest.h"
#include "core/guest_frame.h"
#include "core/hypercall.h"
#include "core/softirq.h"

#define CMD_BITS    12
#define SEARCH_STEP (1U << CMD_BITS) /* references looked at under the lock */
#define SEARCH_MORE 1

/*
 * Does the user have a frame of the owner's, by any of its grants? 0; -EINVAL: no; SEARCH_MORE: not
 * among those from *from on that were looked at, and there are more: *from is where to go on.
 */
static int search(struct domain *owner, const struct frame *f, domid_t user, uint32_t *from)
{
    struct grant_table *gt = owner->grant_table;
    uint32_t limit, end;
    int rc = -EINVAL;

    spin_lock(&gt->lock);
    limit = grants_limit(gt);
    end = *from < limit ? *from + MIN(SEARCH_STEP, limit - *from) : 0;
    for (grant_ref_t ref = *from; ref < end && rc; ref++) {
        const struct grant_pins *pins = grant_pins(gt, ref);

        if (pins->any && pins->domid == user && pins->kind != GRANT_TRANSITIVE &&
            grant_pins_frame(pins) == f) {
            rc = 0;
        }
    }
    if (rc && end && end < limit) {
        *from = end;
        rc = SEARCH_MORE;
    }
    spin_unlock(&gt->lock);
    return rc;
}

static int flush_held(const struct gnttab_cache_flush *op, struct frame *f,
                      const struct domain *user, uint32_t *from)
{
    struct domain *owner = domain_by_id(f->owner); /* stays as long as the frame is held */
    int rc = 0;

    if (!owner || !owner->grant_table) {
        return -EPERM;
    }
    if (owner != user) {
        rc = search(owner, f, user->id, from);
    }
    if (rc) {
        return rc;
    }
    return gnttab_arch_cache_flush((char *)guest_frame_map(f) + index_nospec(op->offset, PAGE_SIZE),
                                   op->length, op->op & GNTTAB_CACHE_CLEAN,
                                   op->op & GNTTAB_CACHE_INVAL);
}

static int flush(const struct domain *user, const struct gnttab_cache_flush *op, uint32_t *from)
{
    mfn_t mfn = maddr_to_mfn(MADDR(op->a.dev_bus_addr));
    struct frame *f;
    int rc;

    if (op->offset >= PAGE_SIZE || !range_within(op->offset, op->length, PAGE_SIZE) ||
        op->op & ~(GNTTAB_CACHE_CLEAN | GNTTAB_CACHE_INVAL)) {
        return -EINVAL;
    }
    if (!op->length || !op->op) {
        return *from ? -EILSEQ : 0; /* no search could have been under way */
    }
    if (!frame_valid(mfn)) {
        return -EINVAL;
    }
    f = frame_of(mfn);
    if (!frame_get_any(f)) {
        return -EPERM;
    }
    rc = flush_held(op, f, user, from);
    frame_put(f);
    return rc;
}

long op_cache_flush(struct vcpu *caller, uint32_t cmd, uint64_t gva, uint32_t count)
{
    uint32_t from = cmd & ~(SEARCH_STEP - 1);

    cmd &= SEARCH_STEP - 1;
    for (uint32_t i = 0; i < count; i++) {
        struct gnttab_cache_flush op;
        int rc = SEARCH_MORE;

        if (i && preempt_requested()) {
            return hypercall_continue(3, ARGS(cmd, gva, count - i));
        }
        if (guest_copy_from(&op, gva, sizeof(op))) {
            return -EFAULT;
        }
        while (rc == SEARCH_MORE) {
            rc = flush(caller->domain, &op, &from);
            if (rc == SEARCH_MORE && preempt_requested()) {
                return hypercall_continue(3, ARGS(cmd | from, gva, count - i));
            }
        }
        if (rc) {
            return rc;
        }
        from = 0;
        gva += sizeof(op);
    }
    return 0;
}
