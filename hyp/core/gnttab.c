/*
 * Grant tables: their life, their limits, and the frames shared with the guest. Entries are
 * gnttab_entry.c, who uses them gnttab_pin.c; mapping is gnttab_map.c, copying gnttab_copy.c,
 * transferring gnttab_transfer.c, the hypercall gnttab_op.c. Statuses follow Xen's
 * common/grant_table.c.
 */
#include "core/gnttab.h"

#include <lodge/errno.h>
#include <lodge/string.h>
#include "core/gnttab_private.h"
#include "core/object.h"

#define MOST_FRAMES (1U << 20) /* whatever the option says: references stay within 32 bits */

static uint32_t status_frames_for(uint32_t nr_frames)
{
    return DIV_ROUND_UP(nr_frames * GRANTS_PER_FRAME_V2, STATUS_PER_FRAME);
}

/* A page of zeroes that the domain may map; NULL. */
static void *shared_page_make(struct domain *d)
{
    void *page = heap_alloc_pages(0);

    if (page) {
        frame_share_with(frame_of(arch_frame_of(page)), d);
    }
    return page;
}

int gnttab_status_make(struct domain *d, uint32_t nr_frames)
{
    struct grant_table *gt = d->grant_table;

    assert_held(&gt->lock);
    while (gt->nr_status_frames < status_frames_for(nr_frames)) {
        grant_status_t *page = shared_page_make(d);

        if (!page) {
            return -ENOMEM;
        }
        gt->status[gt->nr_status_frames++] = page;
    }
    return 0;
}

int gnttab_status_unmake(struct domain *d)
{
    struct grant_table *gt = d->grant_table;
    uint32_t i;

    assert_held(&gt->lock);
    for (i = 0; i < gt->nr_status_frames; i++) {
        if (!frame_unshare(frame_of(arch_frame_of(gt->status[i])))) {
            break;
        }
    }
    if (i < gt->nr_status_frames) {
        while (i-- > 0) {
            frame_share_with(frame_of(arch_frame_of(gt->status[i])), d);
        }
        return -EBUSY;
    }
    while (gt->nr_status_frames) {
        heap_free_pages(gt->status[--gt->nr_status_frames], 0);
    }
    return 0;
}

static int add_frame(struct domain *d, struct grant_table *gt)
{
    struct grant_pins *pins;

    assert_held(&gt->lock);
    pins = object_alloc_array(GRANTS_PER_FRAME, sizeof(*pins));
    gt->shared[gt->nr_frames] = pins ? shared_page_make(d) : NULL;
    if (!gt->shared[gt->nr_frames]) {
        object_free(pins);
        return -ENOMEM;
    }
    gt->pins[gt->nr_frames] = pins;
    gt->nr_frames++;
    return 0;
}

static int grow_locked(struct domain *d, struct grant_table *gt, uint32_t nr_frames)
{
    int rc = gt->closed || nr_frames > gt->max_frames ? -EINVAL : 0;

    /* There is a status for every entry at any time. */
    if (!rc && gt->version == 2 && gt->nr_frames < nr_frames) {
        rc = gnttab_status_make(d, nr_frames);
    }
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

int gnttab_status_frame(struct domain *d, uint32_t index, mfn_t *mfn)
{
    struct grant_table *gt = d->grant_table;
    int rc = -EINVAL;

    if (!gt || index >= status_frames_for(gt->max_frames)) {
        return -EINVAL;
    }
    index = (uint32_t)index_nospec(index, status_frames_for(gt->max_frames));
    spin_lock(&gt->lock);
    if (gt->version == 2) {
        rc = 0;
        if (index >= gt->nr_status_frames) { /* as many entries as it has statuses for */
            rc = grow_locked(d, gt, (index + 1) * (STATUS_PER_FRAME / GRANTS_PER_FRAME_V2));
        }
    }
    if (!rc) {
        *mfn = arch_frame_of(gt->status[index]);
    }
    spin_unlock(&gt->lock);
    return rc;
}

uint32_t gnttab_max_resource_frames(const struct domain *d, bool status)
{
    uint32_t max_frames = d->grant_table ? d->grant_table->max_frames : 0;

    return status ? status_frames_for(max_frames) : max_frames;
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
    for (uint32_t i = 0; i < gt->nr_status_frames; i++) {
        (void)frame_drop_allocation(frame_of(arch_frame_of(gt->status[i])));
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
        heap_free_pages(gt->shared[i],
                        0); /* nobody refers to it: the domain would still be referenced */
    }
    for (uint32_t i = 0; i < gt->nr_status_frames; i++) {
        heap_free_pages(gt->status[i], 0);
    }
    maptrack_fini(gt);
    object_free(gt->pins);
    object_free(gt->shared);
    object_free(gt->status);
    object_free(gt);
    d->grant_table = NULL;
}

static int limit_of(uint32_t asked, uint32_t most, uint32_t least, uint32_t *limit)
{
    *limit = asked == GNTTAB_LIMIT_DEFAULT ? most : asked;
    return *limit >= least && *limit <= most ? 0 : -EINVAL;
}

int gnttab_init(struct domain *d, uint32_t max_grant_frames, uint32_t max_maptrack_frames,
                unsigned int max_version)
{
    uint32_t frames, maptrack_frames;
    struct grant_table *gt;
    int rc;

    if (max_version == GNTTAB_VERSION_DEFAULT) {
        max_version = opt_gnttab_max_version;
    }
    if (max_version > opt_gnttab_max_version) {
        return -EINVAL;
    }
    rc = limit_of(max_grant_frames, MIN(opt_max_grant_frames, MOST_FRAMES), 1, &frames);
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
    gt->version = 1;
    gt->max_version = (uint8_t)max_version;
    gt->max_frames = frames;
    gt->max_maptrack_frames = maptrack_frames;
    gt->shared = object_alloc_array(frames, sizeof(gt->shared[0]));
    gt->pins = object_alloc_array(frames, sizeof(gt->pins[0]));
    gt->status = object_alloc_array(status_frames_for(frames), sizeof(gt->status[0]));
    rc = maptrack_init(gt);
    if (!gt->shared || !gt->pins || !gt->status) {
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
