/*
 * Grant tables, the granter's side: shared frames, and who uses which entry. Mapping is
 * gnttab_map.c, copying gnttab_copy.c, the hypercall gnttab_op.c. The protocol on an entry's flags
 * is that of public/grant_table.h; statuses follow Xen's common/grant_table.c.
 */
#include "core/gnttab.h"

#include <lodge/errno.h>
#include "core/gnttab_private.h"
#include "core/guest_frame.h"
#include "core/object.h"
#include "core/option.h"

/*
 * An honest guest may change GTF_readonly while we set our flags; one that changes an entry more
 * often than this is not.
 */
#define CLAIM_TRIES 5

static unsigned int opt_max_frames = 64;
static unsigned int opt_max_maptrack_frames = 1024;
OPTION_UINT("gnttab_max_frames", opt_max_frames);
OPTION_UINT("gnttab_max_maptrack_frames", opt_max_maptrack_frames);

/* flags and domid of an entry change together: as one 32-bit word. */
union entry_head {
    uint32_t raw;
    struct {
        uint16_t flags;
        domid_t domid;
    };
};
BUILD_ASSERT(offsetof(struct grant_entry_v1, flags) == 0 &&
             offsetof(struct grant_entry_v1, domid) == offsetof(union entry_head, domid));

/* Tell the guest that its entry is in use. unused: it was not, so what it permits counts. */
static int entry_claim(struct grant_entry_v1 *entry, bool unused, bool write, bool mapping,
                       domid_t user)
{
    uint16_t mask = mapping ? GTF_type_mask | GTF_sub_page : GTF_type_mask;
    uint32_t *head = (uint32_t *)entry;
    union entry_head seen = { .raw = shared_read(head) };

    for (unsigned int i = 0; i < CLAIM_TRIES; i++) {
        union entry_head claimed = seen;

        if (unused && ((seen.flags & mask) != GTF_permit_access || seen.domid != user)) {
            return GNTST_general_error;
        }
        if (write && seen.flags & GTF_readonly) {
            return GNTST_general_error;
        }
        claimed.flags |= write ? GTF_reading | GTF_writing : GTF_reading;
        if (__atomic_compare_exchange_n(head, &seen.raw, claimed.raw, false, __ATOMIC_SEQ_CST,
                                        __ATOMIC_RELAXED)) {
            return GNTST_okay;
        }
    }
    return GNTST_general_error;
}

/* Tell the guest what is no longer used. write: a use for writing has just ended. */
static void entry_release(struct grant_entry_v1 *entry, const struct grant_pins *pins, bool write)
{
    uint16_t flags = 0;

    if (!pins->any) {
        flags |= GTF_reading;
    }
    if (write && !grant_written(pins)) {
        flags |= GTF_writing;
    }
    if (flags) {
        __atomic_fetch_and(&entry->flags, (uint16_t)~flags, __ATOMIC_SEQ_CST);
    }
}

static bool pins_full(const struct grant_pins *pins, unsigned int uses)
{
    for (unsigned int use = 0; use < NR_GRANT_USES; use++) {
        if (uses & USE(use) && pins->count[use] >= GRANT_PINS_MAX) {
            return true;
        }
    }
    return false;
}

static struct frame *entry_frame(struct domain *granter, struct grant_entry_v1 *entry,
                                 const struct grant_pins *pins, int *rc)
{
    struct frame *f = NULL;

    if (!pins->any) {
        f = guest_frame_get(granter, shared_read(&entry->frame), false);
        *rc = GNTST_bad_page;
    } else if (frame_get(pins->frame, granter)) {
        f = pins->frame;
    } else {
        *rc = GNTST_general_error;
    }
    return f;
}

static int pin(struct domain *granter, grant_ref_t ref, const struct domain *user,
               unsigned int uses, bool mapping, struct frame **frame)
{
    struct grant_table *gt = granter->grant_table;
    bool write = uses & USES_WRITE;
    struct grant_entry_v1 *entry;
    struct grant_pins *pins;
    struct frame *f;
    int rc;

    if (gt->closed || ref >= gt->nr_frames * GRANTS_PER_FRAME) {
        return GNTST_bad_gntref;
    }
    ref = (grant_ref_t)index_nospec(ref, gt->nr_frames * GRANTS_PER_FRAME);
    pins = grant_pins(gt, ref);
    entry = grant_entry(gt, ref);
    if (pins->any && (pins->domid != user->id || pins_full(pins, uses))) {
        return GNTST_general_error;
    }
    if (!pins->any || (write && !grant_written(pins))) {
        rc = entry_claim(entry, !pins->any, write, mapping, user->id);
        if (rc) {
            return rc;
        }
    }
    f = entry_frame(granter, entry, pins, &rc);
    if (!f) {
        entry_release(entry, pins, write);
        return rc;
    }
    if (!pins->any) {
        pins->domid = user->id;
        pins->frame = f;
    }
    for (unsigned int use = 0; use < NR_GRANT_USES; use++) {
        pins->count[use] += (uses >> use) & 1;
    }
    *frame = f;
    return GNTST_okay;
}

int grant_pin(struct domain *granter, grant_ref_t ref, const struct domain *user, unsigned int uses,
              bool mapping, struct frame **frame)
{
    struct grant_table *gt = granter->grant_table;
    int rc;

    if (!gt) {
        return GNTST_bad_gntref;
    }
    spin_lock(&gt->lock);
    rc = pin(granter, ref, user, uses, mapping, frame);
    spin_unlock(&gt->lock);
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
        entry_release(grant_entry(gt, ref), pins, uses & USES_WRITE);
    }
    spin_unlock(&gt->lock);
}

static int add_frame(struct domain *d, struct grant_table *gt)
{
    struct grant_entry_v1 *shared;
    struct grant_pins *pins;

    assert_held(&gt->lock);
    pins = object_alloc_array(GRANTS_PER_FRAME, sizeof(*pins));
    shared = heap_alloc_pages(0);
    if (!pins || !shared) {
        object_free(pins);
        if (shared) {
            heap_free_pages(shared, 0);
        }
        return -ENOMEM;
    }
    frame_share_with(frame_of(arch_frame_of(shared)), d);
    gt->pins[gt->nr_frames] = pins;
    gt->shared[gt->nr_frames] = shared;
    gt->nr_frames++;
    return 0;
}

static int grow_locked(struct domain *d, struct grant_table *gt, uint32_t nr_frames)
{
    int rc = gt->closed || nr_frames > gt->max_frames ? -EINVAL : 0;

    while (!rc && gt->nr_frames < nr_frames) {
        rc = add_frame(d, gt);
    }
    return rc;
}

int gnttab_grow(struct domain *d, uint32_t nr_frames)
{
    struct grant_table *gt = d->grant_table;
    int rc;

    spin_lock(&gt->lock);
    rc = grow_locked(d, gt, nr_frames);
    spin_unlock(&gt->lock);
    return rc;
}

int gnttab_shared_frame(struct domain *d, uint32_t index, mfn_t *mfn)
{
    struct grant_table *gt = d->grant_table;
    int rc;

    if (!gt || index >= gt->max_frames) {
        return -EINVAL;
    }
    index = (uint32_t)index_nospec(index, gt->max_frames);
    spin_lock(&gt->lock);
    rc = grow_locked(d, gt, index + 1);
    if (!rc) {
        *mfn = arch_frame_of(gt->shared[index]);
    }
    spin_unlock(&gt->lock);
    return rc;
}

/*
 * The shared frames go back once nobody has them mapped; entries that others still use are counted
 * to the end.
 */
static void close_table(struct grant_table *gt)
{
    spin_lock(&gt->lock);
    if (gt->closed) {
        spin_unlock(&gt->lock);
        return;
    }
    gt->closed = true;
    spin_unlock(&gt->lock);
    for (uint32_t i = 0; i < gt->nr_frames; i++) {
        (void)frame_drop_allocation(frame_of(arch_frame_of(gt->shared[i])));
    }
}

int gnttab_relinquish(struct domain *d)
{
    int rc;

    if (!d->grant_table) {
        return 0;
    }
    rc = maptrack_relinquish(d);
    if (!rc) {
        close_table(d->grant_table);
    }
    return rc;
}

void gnttab_destroy(struct domain *d)
{
    struct grant_table *gt = d->grant_table;

    if (!gt) {
        return;
    }
    close_table(gt);
    for (uint32_t i = 0; i < gt->nr_frames; i++) {
        object_free(gt->pins[i]);
        heap_free_pages(gt->shared[i], 0); /* nobody refers to it: the domain would still be referenced */
    }
    maptrack_fini(gt);
    object_free(gt->pins);
    object_free(gt->shared);
    object_free(gt);
    d->grant_table = NULL;
}

static int limit_of(uint32_t asked, uint32_t most, uint32_t least, uint32_t *limit)
{
    *limit = asked == GNTTAB_LIMIT_DEFAULT ? most : asked;
    return *limit >= least && *limit <= most ? 0 : -EINVAL;
}

int gnttab_init(struct domain *d, uint32_t max_grant_frames, uint32_t max_maptrack_frames)
{
    uint32_t frames, maptrack_frames;
    struct grant_table *gt;
    int rc;

    rc = limit_of(max_grant_frames, opt_max_frames, 1, &frames);
    if (!rc) {
        rc = limit_of(max_maptrack_frames, opt_max_maptrack_frames, 0, &maptrack_frames);
    }
    if (rc) {
        return rc;
    }
    gt = object_alloc(sizeof(*gt));
    if (!gt) {
        return -ENOMEM;
    }
    d->grant_table = gt;
    spin_init(&gt->lock, RANK_GNTTAB);
    gt->max_frames = frames;
    gt->max_maptrack_frames = maptrack_frames;
    gt->shared = object_alloc_array(frames, sizeof(gt->shared[0]));
    gt->pins = object_alloc_array(frames, sizeof(gt->pins[0]));
    rc = maptrack_init(gt);
    if (!gt->shared || !gt->pins) {
        rc = -ENOMEM;
    }
    if (!rc) {
        rc = gnttab_grow(d, 1);
    }
    if (rc) {
        gnttab_destroy(d);
    }
    return rc;
}
