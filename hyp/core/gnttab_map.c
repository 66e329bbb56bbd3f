/*
 * Grant tables, the mapper's side: handles, mapping and unmapping.
 *
 * A mapping owns, for each of host_map and device_map, one reference on the frame and, if it may
 * write, one writable reference. Those of a host mapping live in the guest's page table entry
 * (gnttab.h, gnttab_arch_map).
 */
#include <lodge/errno.h>
#include "core/gnttab_private.h"
#include "core/guest_frame.h"
#include "core/object.h"
#include "core/softirq.h"
#include "core/trace.h"

#define MAPPED   (GNTMAP_device_map | GNTMAP_host_map)
#define REMEMBER (MAPPED | GNTMAP_readonly | GNTMAP_application_map | GNTMAP_contains_pte)

static unsigned int uses_of(uint32_t flags)
{
    bool read = flags & GNTMAP_readonly;
    unsigned int uses = 0;

    if (flags & GNTMAP_host_map) {
        uses |= USE(read ? GRANT_HOST_READ : GRANT_HOST_WRITE);
    }
    if (flags & GNTMAP_device_map) {
        uses |= USE(read ? GRANT_DEV_READ : GRANT_DEV_WRITE);
    }
    return uses;
}

static struct maptrack *maptrack_of(const struct grant_table *gt, grant_handle_t handle)
{
    return &gt->maptrack[handle / MAPTRACK_PER_FRAME][handle % MAPTRACK_PER_FRAME];
}

static int add_handles(struct grant_table *gt)
{
    struct maptrack *page;
    uint32_t handle = gt->nr_handles;

    if (handle / MAPTRACK_PER_FRAME >= gt->max_maptrack_frames) {
        return -ENOSPC;
    }
    page = object_alloc_array(MAPTRACK_PER_FRAME, sizeof(*page));
    if (!page) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < MAPTRACK_PER_FRAME; i++) {
        page[i].ref = i + 1 < MAPTRACK_PER_FRAME ? handle + i + 1 : NO_HANDLE;
    }
    gt->maptrack[handle / MAPTRACK_PER_FRAME] = page;
    gt->first_free_handle = handle;
    gt->nr_handles = handle + MAPTRACK_PER_FRAME;
    return 0;
}

/*
 * A handle that nobody else can get or use until handle_publish(). Takes over the caller's
 * reference on the granter.
 */
static grant_handle_t handle_alloc(struct grant_table *gt, struct domain *granter)
{
    grant_handle_t handle = NO_HANDLE;

    spin_lock(&gt->maptrack_lock);
    if (gt->first_free_handle != NO_HANDLE || add_handles(gt) == 0) {
        struct maptrack *m;

        handle = gt->first_free_handle;
        m = maptrack_of(gt, handle);
        gt->first_free_handle = m->ref;
        gt->nr_mapped++;
        m->granter = granter;
        m->busy = true;
        m->flags = 0;
    }
    spin_unlock(&gt->maptrack_lock);
    return handle;
}

static void handle_publish(struct grant_table *gt, grant_handle_t handle, grant_ref_t ref,
                           uint32_t flags)
{
    struct maptrack *m = maptrack_of(gt, handle);

    spin_lock(&gt->maptrack_lock);
    m->ref = ref;
    m->flags = flags & REMEMBER;
    m->busy = false;
    spin_unlock(&gt->maptrack_lock);
}

/* Its reference on the granter is the caller's again. */
static void handle_free(struct grant_table *gt, grant_handle_t handle)
{
    struct maptrack *m = maptrack_of(gt, handle);

    spin_lock(&gt->maptrack_lock);
    m->granter = NULL;
    m->busy = false;
    m->flags = 0;
    m->ref = gt->first_free_handle;
    gt->first_free_handle = handle;
    gt->nr_mapped--;
    spin_unlock(&gt->maptrack_lock);
}

/*
 * Keep other unmaps of it out: until handle_publish() or handle_free(). False: nothing is mapped
 * there.
 */
static bool handle_claim(struct grant_table *gt, grant_handle_t handle, struct maptrack *copy)
{
    bool ok = false;

    spin_lock(&gt->maptrack_lock);
    if (handle < gt->nr_handles) {
        struct maptrack *m = maptrack_of(gt, (grant_handle_t)index_nospec(handle, gt->nr_handles));

        ok = m->granter && !m->busy;
        if (ok) {
            *copy = *m;
            m->busy = true;
        }
    }
    spin_unlock(&gt->maptrack_lock);
    return ok;
}

static void references_drop(struct frame *f, unsigned int uses)
{
    for (; uses; uses &= uses - 1) {
        guest_frame_put(f, uses & USES_WRITE);
    }
}

/*
 * What each use of the mapping is to own. The pin's reference is the first; on failure that is
 * dropped too.
 */
static int references_get(struct frame *f, const struct domain *granter, unsigned int uses)
{
    unsigned int left, got = 0;

    for (left = uses; left; left &= left - 1) {
        if (left != uses && !frame_get(f, granter)) {
            break;
        }
        if (uses & USES_WRITE && !guest_frame_get_writable(f)) {
            frame_put(f);
            break;
        }
        got |= left & -left;
    }
    if (!left) {
        return GNTST_okay;
    }
    references_drop(f, got);
    return GNTST_general_error;
}

static int map_pinned(struct vcpu *caller, const struct gnttab_map_grant_ref *op,
                      const struct domain *granter, struct frame *f)
{
    unsigned int uses = uses_of(op->flags);
    int rc = references_get(f, granter, uses);

    if (!rc && op->flags & GNTMAP_host_map) {
        rc = gnttab_arch_map(caller, op->host_addr, f, op->flags);
        if (rc) {
            references_drop(f, uses);
            rc = GNTST_general_error; /* whatever the reason, as in Xen */
        }
    }
    return rc;
}

static int map(struct vcpu *caller, struct gnttab_map_grant_ref *op)
{
    struct grant_table *gt = caller->domain->grant_table;
    unsigned int uses = uses_of(op->flags);
    struct domain *granter;
    grant_handle_t handle;
    struct grant_page page;
    int rc;

    if (!uses) {
        return GNTST_bad_gntref;
    }
    granter = domain_get(op->dom);
    if (!granter) {
        return GNTST_bad_domain;
    }
    handle = handle_alloc(gt, granter);
    if (handle == NO_HANDLE) {
        rc = GNTST_no_space;
        goto out_domain;
    }
    rc = grant_pin(granter, op->ref, caller->domain, uses, true, &page);
    if (rc) {
        goto out_handle;
    }
    rc = map_pinned(caller, op, granter, page.frame);
    if (rc) {
        grant_unpin(granter, op->ref, uses);
        goto out_handle;
    }
    TRACE(TRC_MEM_PAGE_GRANT_MAP, op->dom);
    handle_publish(gt, handle, op->ref, op->flags);
    op->handle = handle;
    op->dev_bus_addr = mfn_to_maddr(frame_mfn(page.frame)).n;
    return GNTST_okay;

out_handle:
    handle_free(gt, handle);
out_domain:
    domain_put(granter);
    return rc;
}

void op_map(struct vcpu *caller, void *arg, struct grant_unmaps *unmaps)
{
    struct gnttab_map_grant_ref *op = arg;

    (void)unmaps;
    op->status = (int16_t)map(caller, op);
}

/*
 * The handle is claimed. What was taken away is added to the flags of *done even if a later step
 * fails.
 */
static int unmap_claimed(struct vcpu *caller, const struct maptrack *m, uint64_t host_addr,
                         uint64_t dev_bus_addr, uint64_t new_addr, struct grant_unmapped *done)
{
    int rc;

    if (dev_bus_addr && m->flags & GNTMAP_device_map &&
        dev_bus_addr != mfn_to_maddr(frame_mfn(done->frame)).n) {
        return GNTST_bad_dev_addr;
    }
    if (host_addr && m->flags & GNTMAP_host_map) {
        rc = gnttab_arch_unmap(caller, host_addr, done->frame, m->flags, new_addr);
        if (rc) {
            return rc;
        }
        done->flags |= GNTMAP_host_map;
    }
    if (dev_bus_addr && m->flags & GNTMAP_device_map) {
        done->flags |= GNTMAP_device_map;
    }
    return GNTST_okay;
}

static int unmap(struct vcpu *caller, grant_handle_t handle, uint64_t host_addr,
                 uint64_t dev_bus_addr, uint64_t new_addr, struct grant_unmaps *unmaps)
{
    struct grant_table *gt = caller->domain->grant_table;
    struct grant_unmapped *done = &unmaps->done[unmaps->nr];
    struct maptrack m;
    int rc;

    if (!handle_claim(gt, handle, &m)) {
        return GNTST_bad_handle;
    }
    TRACE(TRC_MEM_PAGE_GRANT_UNMAP, m.granter->id);
    done->granter = m.granter;
    done->ref = m.ref;
    done->flags = 0;
    /* Fixed as long as the entry is pinned, which this mapping sees to: no lock. */
    done->frame = grant_pins_frame(grant_pins(m.granter->grant_table, m.ref));

    rc = unmap_claimed(caller, &m, host_addr, dev_bus_addr, new_addr, done);

    m.flags &= (uint16_t)~done->flags;
    if (m.flags & MAPPED) {
        if (done->flags) {
            domain_get_ref(m.granter);
        }
        handle_publish(gt, handle, m.ref, m.flags);
    } else {
        handle_free(gt, handle);
    }
    if (done->flags) {
        done->flags |= m.flags & GNTMAP_readonly;
        unmaps->nr++;
    }
    return rc;
}

void op_unmap(struct vcpu *caller, void *arg, struct grant_unmaps *unmaps)
{
    struct gnttab_unmap_grant_ref *op = arg;

    op->status = (int16_t)unmap(caller, op->handle, op->host_addr, op->dev_bus_addr, 0, unmaps);
}

void op_unmap_and_replace(struct vcpu *caller, void *arg, struct grant_unmaps *unmaps)
{
    struct gnttab_unmap_and_replace *op = arg;

    op->status = (int16_t)unmap(caller, op->handle, op->host_addr, 0, op->new_addr, unmaps);
}

void grant_unmaps_complete(struct vcpu *caller, struct grant_unmaps *unmaps)
{
    if (!unmaps->nr) {
        return;
    }
    gnttab_arch_flush(caller->domain);
    for (unsigned int i = 0; i < unmaps->nr; i++) {
        const struct grant_unmapped *done = &unmaps->done[i];

        references_drop(done->frame, uses_of(done->flags));
        grant_unpin(done->granter, done->ref, uses_of(done->flags));
        domain_put(done->granter);
    }
    unmaps->nr = 0;
}

int maptrack_init(struct grant_table *gt)
{
    spin_init(&gt->maptrack_lock, RANK_MAPTRACK);
    gt->first_free_handle = NO_HANDLE;
    if (gt->max_maptrack_frames) {
        gt->maptrack = object_alloc_array(gt->max_maptrack_frames, sizeof(gt->maptrack[0]));
        if (!gt->maptrack) {
            return -ENOMEM;
        }
    }
    return 0;
}

void maptrack_fini(struct grant_table *gt)
{
    for (uint32_t handle = 0; handle < gt->nr_handles; handle += MAPTRACK_PER_FRAME) {
        object_free(gt->maptrack[handle / MAPTRACK_PER_FRAME]);
    }
    object_free(gt->maptrack);
}

/*
 * A host mapping's references go with the page table that holds the entry; here it is only taken
 * off the granter's account.
 */
static void relinquish_one(struct grant_table *gt, grant_handle_t handle)
{
    const struct maptrack *m = maptrack_of(gt, handle);
    struct domain *granter = m->granter;
    unsigned int uses;

    if (!granter) {
        return;
    }
    uses = uses_of(m->flags);
    if (m->flags & GNTMAP_device_map) {
        guest_frame_put(grant_pins_frame(grant_pins(granter->grant_table, m->ref)),
                        uses & USES_WRITE);
    }
    grant_unpin(granter, m->ref, uses);
    handle_free(gt, handle);
    domain_put(granter);
}

int maptrack_relinquish(struct domain *d)
{
    struct grant_table *gt = d->grant_table;

    while (gt->nr_mapped && gt->relinquish_next < gt->nr_handles) {
        relinquish_one(gt, gt->relinquish_next++);
        if (gt->relinquish_next % 64 == 0 && preempt_requested()) {
            return -ERESTART;
        }
    }
    return 0;
}
