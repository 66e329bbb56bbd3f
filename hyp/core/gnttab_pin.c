/*
 * Who uses which entry. A pin counts a use; the first of an entry decides what it grants until the
 * last has gone.
 */
#include "core/gnttab_private.h"
#include "core/guest_frame.h"
#include "core/hypercall.h"

static bool pins_full(const struct grant_pins *pins, unsigned int uses)
{
    for (unsigned int use = 0; use < NR_GRANT_USES; use++) {
        if (uses & USE(use) && pins->count[use] >= GRANT_PINS_MAX) {
            return true;
        }
    }
    return false;
}

static void pins_add(struct grant_pins *pins, unsigned int uses)
{
    for (unsigned int use = 0; use < NR_GRANT_USES; use++) {
        pins->count[use] += (uses >> use) & 1;
    }
}

/* The first use of an entry that permits it: what it grants is remembered. */
static int pins_begin(struct domain *granter, grant_ref_t ref, union grant_head head, domid_t user,
                      struct grant_pins *pins, struct grant_says *says, struct frame **f)
{
    enum grant_kind kind = grant_read(granter->grant_table, ref, head, says);

    *f = NULL;
    if (kind != GRANT_TRANSITIVE) {
        *f = guest_frame_get(granter, says->gfn, false);
        if (!*f) {
            return GNTST_bad_page;
        }
    }
    pins->frame = *f ? (uint32_t)frame_mfn(*f).n : 0;
    pins->domid = user;
    pins->kind = kind;
    pins->start = says->start;
    pins->length = says->length;
    return GNTST_okay;
}

/* A further use of it. A transitive grant's way is asked for anew each time. */
static int pins_join(struct domain *granter, grant_ref_t ref, const struct grant_pins *pins,
                     struct grant_says *says, struct frame **f)
{
    const struct grant_table *gt = granter->grant_table;

    *f = NULL;
    says->start = pins->start;
    says->length = pins->length;
    if (pins->kind == GRANT_TRANSITIVE) {
        union grant_head head = { .raw = shared_read(grant_head_at(gt, ref)) };

        return grant_read(gt, ref, head, says) == GRANT_TRANSITIVE ? GNTST_okay
                                                                   : GNTST_general_error;
    }
    if (!frame_get(grant_pins_frame(pins), granter)) {
        return GNTST_general_error;
    }
    *f = grant_pins_frame(pins);
    return GNTST_okay;
}

/* *f: NULL for a transitive grant, which says where it leads. */
static int pin_locked(struct domain *granter, grant_ref_t ref, domid_t user, unsigned int uses,
                      bool mapping, struct grant_says *says, struct frame **f)
{
    struct grant_table *gt = granter->grant_table;
    bool write = uses & USES_WRITE;
    union grant_head head;
    struct grant_pins *pins;
    int rc;

    if (gt->closed || ref >= grants_limit(gt)) {
        return GNTST_bad_gntref;
    }
    ref = (grant_ref_t)index_nospec(ref, grants_limit(gt));
    pins = grant_pins(gt, ref);
    if (pins->any &&
        (pins->domid != user || pins_full(pins, uses) || (mapping && pins->kind != GRANT_WHOLE))) {
        return GNTST_general_error;
    }
    if (!pins->any || (write && !grant_written(pins))) {
        rc = grant_claim(gt, ref, pins, write, mapping, user, &head);
        if (rc) {
            return rc;
        }
    }
    rc = pins->any ? pins_join(granter, ref, pins, says, f)
                   : pins_begin(granter, ref, head, user, pins, says, f);
    if (rc) {
        grant_release(gt, ref, pins, write);
    } else {
        pins_add(pins, uses);
    }
    return rc;
}

static int pin(struct domain *granter, grant_ref_t ref, const struct domain *user,
               unsigned int uses, bool mapping, struct grant_says *says, struct frame **f)
{
    int rc;

    if (!granter->grant_table) {
        return GNTST_bad_gntref;
    }
    spin_lock(&granter->grant_table->lock);
    rc = pin_locked(granter, ref, user->id, uses, mapping, says, f);
    spin_unlock(&granter->grant_table->lock);
    return rc;
}

/*
 * The grant behind a transitive one is pinned for its granter, to whom it was given. One step: what
 * is behind that may not be transitive in turn.
 */
static int follow(struct domain *granter, unsigned int uses, const struct grant_says *says,
                  struct grant_page *page)
{
    struct grant_says behind;
    struct domain *via;
    int rc;

    if (!opt_transitive_grants || says->via_domid == granter->id) {
        return GNTST_general_error;
    }
    via = domain_get(says->via_domid);
    if (!via) {
        return GNTST_general_error;
    }
    rc = pin(via, says->via_ref, granter, uses, false, &behind, &page->frame);
    if (!rc && !page->frame) {
        grant_unpin(via, says->via_ref, uses);
        rc = GNTST_general_error;
    }
    if (rc) {
        domain_put(via);
        return rc;
    }
    page->via = via;
    page->via_ref = says->via_ref;
    page->start = behind.start;
    page->length = behind.length;
    return GNTST_okay;
}

int grant_pin(struct domain *granter, grant_ref_t ref, const struct domain *user, unsigned int uses,
              bool mapping, struct grant_page *page)
{
    struct grant_says says;
    int rc = pin(granter, ref, user, uses, mapping, &says, &page->frame);

    if (rc) {
        return rc;
    }
    page->via = NULL;
    page->start = says.start;
    page->length = says.length;
    if (unlikely(!page->frame)) {
        rc = follow(granter, uses, &says, page);
        if (rc) {
            grant_unpin(granter, ref, uses);
        }
    }
    return rc;
}

void grant_unpin(struct domain *granter, grant_ref_t ref, unsigned int uses)
{
    struct grant_table *gt = granter->grant_table;
    struct grant_pins *pins;

    spin_lock(&gt->lock);
    pins = grant_pins(gt, ref);
    for (unsigned int use = 0; use < NR_GRANT_USES; use++) {
        if (uses & USE(use)) {
            assert(pins->count[use] > 0);
            pins->count[use]--;
        }
    }
    if (!gt->closed) {
        grant_release(gt, ref, pins, uses & USES_WRITE);
    }
    spin_unlock(&gt->lock);
}

void grant_unpin_page(struct domain *granter, grant_ref_t ref, unsigned int uses,
                      const struct grant_page *page)
{
    if (page->via) {
        grant_unpin(page->via, page->via_ref, uses);
        domain_put(page->via);
    }
    grant_unpin(granter, ref, uses);
}
