/*
 * What the files of the grant table module share.
 *
 * A domain has two roles here. As granter it owns the shared frames, which the guest fills with
 * entries, and for each entry a struct grant_pins of ours: who uses it just now and how. As mapper
 * it owns the map track table: one entry for each handle.
 *
 * The shared entry is the guest's: it may change at any time. It is read once; what we tell in it
 * (version 1: in its flags; version 2: in status frames) is changed by atomic operations only, a
 * bounded number of times. What is granted is taken from it when it is pinned first; from then on
 * ours counts.
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

/* Entries of version 1 are half the size of version 2's; pins there are for the more of them. */
#define GRANTS_PER_FRAME    (PAGE_SIZE / sizeof(struct grant_entry_v1))
#define GRANTS_PER_FRAME_V2 (PAGE_SIZE / sizeof(union grant_entry_v2))
#define STATUS_PER_FRAME    (PAGE_SIZE / sizeof(grant_status_t))
#define MAPTRACK_PER_FRAME  (PAGE_SIZE / sizeof(struct maptrack))

/* One use of a grant: for each of these there is one count. */
enum grant_use {
    GRANT_HOST_READ,
    GRANT_HOST_WRITE,
    GRANT_DEV_READ,
    GRANT_DEV_WRITE,
    NR_GRANT_USES,
};
#define GRANT_PINS_MAX 128 /* of one use of one entry at a time, as in Xen */

enum grant_kind {
    GRANT_WHOLE,      /* a page, which can be mapped */
    GRANT_PART,       /* version 2, GTF_sub_page: some of its bytes, which can be copied */
    GRANT_TRANSITIVE, /* another domain's grant, passed on */
};

struct grant_pins {
    union {
        uint32_t any; /* not 0: in use. What follows is valid then */
        uint8_t count[NR_GRANT_USES];
    };
    uint32_t frame; /* its number. Every use holds a reference of its own. GRANT_TRANSITIVE: none */
    domid_t domid;  /* who uses it */
    uint8_t kind;
    uint8_t pad;
    uint16_t start, length; /* bytes of the frame */
};
BUILD_ASSERT(sizeof(struct grant_pins) == 16);

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
    uint32_t nr_frames;  /* grows */
    uint8_t version;     /* of the entries: 1 or 2 */
    uint8_t max_version; /* that the domain may choose */
    /* the domain is dying: the shared frames are gone, the pins are still counted */
    bool closed;
    void **shared;            /* max_frames pointers, one page of entries each */
    struct grant_pins **pins; /* likewise, GRANTS_PER_FRAME each */
    grant_status_t **status;  /* version 2: STATUS_PER_FRAME each, for all shared frames */
    uint32_t nr_status_frames;

    struct spinlock maptrack_lock; /* RANK_MAPTRACK */
    uint32_t max_maptrack_frames;
    uint32_t nr_handles;
    uint32_t first_free_handle;
    uint32_t nr_mapped;         /* handles in use */
    struct maptrack **maptrack; /* max_maptrack_frames pointers, one page each */
    uint32_t relinquish_next;   /* handles below it were given back */
};

#define NO_HANDLE (~0U)

/* References below it are valid; lock held. */
static inline uint32_t grants_limit(const struct grant_table *gt)
{
    return gt->nr_frames * (gt->version == 1 ? GRANTS_PER_FRAME : GRANTS_PER_FRAME_V2);
}

/* Of a reference that the caller has checked against grants_limit(); lock held. */
static inline struct grant_pins *grant_pins(const struct grant_table *gt, grant_ref_t ref)
{
    return &gt->pins[ref / GRANTS_PER_FRAME][ref % GRANTS_PER_FRAME];
}

/* Of pins that are in use, and stay so. */
static inline struct frame *grant_pins_frame(const struct grant_pins *pins)
{
    return frame_of(MFN(pins->frame));
}

static inline struct grant_entry_v1 *grant_entry_v1(const struct grant_table *gt, grant_ref_t ref)
{
    struct grant_entry_v1 *page = gt->shared[ref / GRANTS_PER_FRAME];

    return &page[ref % GRANTS_PER_FRAME];
}

static inline union grant_entry_v2 *grant_entry_v2(const struct grant_table *gt, grant_ref_t ref)
{
    union grant_entry_v2 *page = gt->shared[ref / GRANTS_PER_FRAME_V2];

    return &page[ref % GRANTS_PER_FRAME_V2];
}

static inline grant_status_t *grant_status(const struct grant_table *gt, grant_ref_t ref)
{
    return &gt->status[ref / STATUS_PER_FRAME][ref % STATUS_PER_FRAME];
}

/* flags and domid of an entry change together: as one 32-bit word, the first of either version's.
 */
union grant_head {
    uint32_t raw;
    struct {
        uint16_t flags;
        domid_t domid;
    };
};
BUILD_ASSERT(offsetof(struct grant_entry_v1, flags) == 0 &&
             offsetof(struct grant_entry_v1, domid) == offsetof(union grant_head, domid));
BUILD_ASSERT(offsetof(union grant_entry_v2, hdr.domid) == offsetof(union grant_head, domid));

static inline uint32_t *grant_head_at(const struct grant_table *gt, grant_ref_t ref)
{
    return gt->version == 1 ? (uint32_t *)grant_entry_v1(gt, ref)
                            : (uint32_t *)grant_entry_v2(gt, ref);
}

/*
 * An honest guest may change GTF_readonly while we set our flags; one that changes an entry more
 * often than this is not.
 */
#define GRANT_TRIES 5

static inline bool grant_written(const struct grant_pins *pins)
{
    return pins->count[GRANT_HOST_WRITE] || pins->count[GRANT_DEV_WRITE];
}

/*
 * gnttab_entry.c: the entry's protocol. Lock held, the reference checked.
 *
 * grant_claim - tell the guest that its entry is in use, if it permits that
 * @unused:  it was not, so what it permits counts; else a use for writing is added
 * @mapping: a mapping, not a copy: of a whole page only
 * @head:    receives its flags as they were
 * Returns GNTST_okay; GNTST_general_error: it does not permit it, or the guest keeps changing it.
 */
int grant_claim(const struct grant_table *gt, grant_ref_t ref, const struct grant_pins *pins,
                bool write, bool mapping, domid_t user, union grant_head *head) MUST_CHECK;
/* Tell the guest what is no longer used. write: a use for writing has just ended. */
void grant_release(const struct grant_table *gt, grant_ref_t ref, const struct grant_pins *pins,
                   bool write);
/* What an entry grants: the frame's name, and the bytes of it. */
struct grant_says {
    uint64_t gfn;
    uint16_t start, length;
    domid_t via_domid; /* GRANT_TRANSITIVE: whose grant */
    grant_ref_t via_ref;
};
enum grant_kind grant_read(const struct grant_table *gt, grant_ref_t ref, union grant_head head,
                           struct grant_says *says);

/*
 * gnttab_pin.c. What is pinned: a frame, referenced, and the bytes of it that are granted. For a
 * transitive grant they are those of the grant behind it, which is pinned with it.
 */
struct grant_page {
    struct frame *frame;
    uint16_t start, length;
    struct domain *via; /* referenced; NULL: not transitive */
    grant_ref_t via_ref;
};

/**
 * grant_pin - start using a grant
 * @granter: whose
 * @ref:     any number
 * @user:    for whom
 * @uses:    bit for each enum grant_use; all read or all write
 * @mapping: a mapping, not a copy: of a whole page only
 * @page:    receives what is granted; the frame with one reference
 * Returns GNTST_okay; GNTST_bad_gntref no such entry; GNTST_bad_page the entry's frame is not the
 * granter's; GNTST_general_error not granted to @user or not for writing, used by another domain,
 * used too often, or the guest keeps changing it. On error nothing has changed.
 */
int grant_pin(struct domain *granter, grant_ref_t ref, const struct domain *user, unsigned int uses,
              bool mapping, struct grant_page *page) MUST_CHECK;
/* Ends it. The reference on the frame stays the caller's. via: of a transitive grant; or NULL. */
void grant_unpin(struct domain *granter, grant_ref_t ref, unsigned int uses);
void grant_unpin_page(struct domain *granter, grant_ref_t ref, unsigned int uses,
                      const struct grant_page *page);

#define USE(u)     (1U << (u))
#define USES_WRITE (USE(GRANT_HOST_WRITE) | USE(GRANT_DEV_WRITE))

/* Grows to at least nr_frames. 0, -ENOMEM, -EINVAL beyond the limit. */
int gnttab_grow(struct domain *d, uint32_t nr_frames) MUST_CHECK;
/*
 * Status frames for so many shared frames; and none. Lock held. 0; -ENOMEM: some may be there,
 * which is no harm; -EBUSY: somebody has one mapped, nothing has changed.
 */
int gnttab_status_make(struct domain *d, uint32_t nr_frames) MUST_CHECK;
int gnttab_status_unmake(struct domain *d) MUST_CHECK;

/* Whose table an operation means: GNTST_okay and a reference, or why not. */
int16_t gnttab_owner(struct vcpu *caller, domid_t id, struct domain **d) MUST_CHECK;

/* gnttab_options.c */
extern unsigned int opt_max_grant_frames, opt_max_maptrack_frames;
extern bool opt_transitive_grants, opt_grant_transfer;

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

/* Each with its own status: gnttab_copy.c, gnttab_transfer.c, gnttab_version.c */
void op_copy(struct vcpu *caller, void *arg, struct grant_unmaps *unmaps);
void op_transfer(struct vcpu *caller, void *arg, struct grant_unmaps *unmaps);
void op_swap(struct vcpu *caller, void *arg, struct grant_unmaps *unmaps);

/* Of the whole table: gnttab_version.c */
long op_set_version(struct vcpu *caller, uint64_t gva, uint32_t count);
long op_get_version(struct vcpu *caller, uint64_t gva, uint32_t count);
long op_get_status_frames(struct vcpu *caller, uint64_t gva, uint32_t count);

/* gnttab_cache.c: a list; the first that fails ends it. cmd's upper bits: where a search goes on.
 */
long op_cache_flush(struct vcpu *caller, uint32_t cmd, uint64_t gva, uint32_t count);

#endif
