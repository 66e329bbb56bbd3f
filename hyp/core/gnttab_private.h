/*
 * What the files of the grant table module share.
 *
 * A domain has two roles here. As granter it owns the shared frames, which the guest fills with
 * entries, and for each entry a struct grant_pins of ours: who uses it just now and how. As mapper
 * it owns the map track table: one entry for each handle.
 *
 * The shared entry is the guest's: it may change at any time. It is read once; its flags are
 * changed by compare-and-exchange only, a bounded number of times. Frame and permission are taken
 * from it when it is pinned first; from then on ours counts.
 *
 * Locks: grant_table.lock (RANK_GNTTAB) for everything of the granter's, grant_table.maptrack_lock
 * (RANK_MAPTRACK) for the mapper's handles. Never two tables' locks at once. Page tables are
 * changed and TLBs flushed with neither held.
 */
#ifndef CORE_GNTTAB_PRIVATE_H
#define CORE_GNTTAB_PRIVATE_H

#include <lodge/range.h>
#include <lodge/shared.h>
#include "core/domain.h"
#include "core/frame.h"
#include "core/gnttab.h"
#include "core/log.h"

#define GRANTS_PER_FRAME   (PAGE_SIZE / sizeof(struct grant_entry_v1))
#define MAPTRACK_PER_FRAME (PAGE_SIZE / sizeof(struct maptrack))

/* One use of a grant: for each of these there is one count. */
enum grant_use {
    GRANT_HOST_READ,
    GRANT_HOST_WRITE,
    GRANT_DEV_READ,
    GRANT_DEV_WRITE,
    NR_GRANT_USES,
};
#define GRANT_PINS_MAX 128 /* of one use of one entry at a time, as in Xen */

struct grant_pins {
    union {
        uint32_t any; /* not 0: in use */
        uint8_t count[NR_GRANT_USES];
    };
    domid_t domid; /* who uses it; valid while any */
    /* what is granted; valid while any. Every use holds a reference of its own */
    struct frame *frame;
};

struct maptrack {
    struct domain *granter; /* referenced; NULL: the handle is free */
    uint32_t ref;           /* of a free handle: the next free one */
    /* GNTMAP_* below guest_avail; device_map and host_map: what is still mapped */
    uint16_t flags;
    bool busy; /* an unmap of it is under way */
};
BUILD_ASSERT(sizeof(struct maptrack) == 16);

struct grant_table {
    struct spinlock lock; /* RANK_GNTTAB */
    uint32_t max_frames;
    uint32_t nr_frames; /* grows */
    /* the domain is dying: the shared frames are gone, the pins are still counted */
    bool closed;
    /* max_frames pointers, one page of GRANTS_PER_FRAME each */
    struct grant_entry_v1 **shared;
    struct grant_pins **pins; /* likewise */

    struct spinlock maptrack_lock; /* RANK_MAPTRACK */
    uint32_t max_maptrack_frames;
    uint32_t nr_handles;
    uint32_t first_free_handle;
    uint32_t nr_mapped;         /* handles in use */
    struct maptrack **maptrack; /* max_maptrack_frames pointers, one page each */
    uint32_t relinquish_next;   /* handles below it were given back */
};

#define NO_HANDLE (~0U)

/* Of an entry that the caller has checked against nr_frames; lock held. */
static inline struct grant_pins *grant_pins(const struct grant_table *gt, grant_ref_t ref)
{
    return &gt->pins[ref / GRANTS_PER_FRAME][ref % GRANTS_PER_FRAME];
}

static inline struct grant_entry_v1 *grant_entry(const struct grant_table *gt, grant_ref_t ref)
{
    return &gt->shared[ref / GRANTS_PER_FRAME][ref % GRANTS_PER_FRAME];
}

static inline bool grant_written(const struct grant_pins *pins)
{
    return pins->count[GRANT_HOST_WRITE] || pins->count[GRANT_DEV_WRITE];
}

/**
 * grant_pin - start using a grant
 * @granter: whose
 * @ref:     any number
 * @user:    for whom
 * @uses:    bit for each enum grant_use; all read or all write
 * @mapping: a mapping, not a copy: refuses GTF_sub_page
 * @frame:   receives the frame, with one reference
 * Returns GNTST_okay; GNTST_bad_gntref no such entry; GNTST_bad_page the entry's frame is not the
 * granter's; GNTST_general_error not granted to @user or not for writing, used by another domain,
 * used too often, or the guest keeps changing it. On error nothing has changed.
 */
int grant_pin(struct domain *granter, grant_ref_t ref, const struct domain *user, unsigned int uses,
              bool mapping, struct frame **frame) MUST_CHECK;
/* Ends it. The reference stays the caller's. */
void grant_unpin(struct domain *granter, grant_ref_t ref, unsigned int uses);

#define USE(u)     (1U << (u))
#define USES_WRITE (USE(GRANT_HOST_WRITE) | USE(GRANT_DEV_WRITE))

/* Grows to at least nr_frames. 0, -ENOMEM, -EINVAL beyond the limit. */
int gnttab_grow(struct domain *d, uint32_t nr_frames) MUST_CHECK;

/*
 * gnttab_map.c. Unmaps are completed in batches, since each needs the TLBs flushed before the
 * granter is told.
 */
#define UNMAP_BATCH 32
struct grant_unmaps {
    unsigned int nr;
    struct grant_unmapped {
        struct domain *granter; /* referenced */
        struct frame *frame;
        grant_ref_t ref;
        uint16_t flags; /* device_map, host_map: what was unmapped; readonly */
    } done[UNMAP_BATCH];
};
void grant_unmaps_complete(struct vcpu *caller, struct grant_unmaps *unmaps);
void op_map(struct vcpu *caller, void *arg, struct grant_unmaps *unmaps);
void op_unmap(struct vcpu *caller, void *arg, struct grant_unmaps *unmaps);
void op_unmap_and_replace(struct vcpu *caller, void *arg, struct grant_unmaps *unmaps);
int maptrack_init(struct grant_table *gt) MUST_CHECK;
void maptrack_fini(struct grant_table *gt);
int maptrack_relinquish(struct domain *d) MUST_CHECK;

/* gnttab_copy.c */
void op_copy(struct vcpu *caller, void *arg, struct grant_unmaps *unmaps);

#endif
