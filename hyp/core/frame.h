/*
 * Frames of RAM: the frame table (one struct frame per machine frame, 32 bytes), the heap they are
 * allocated from, and the references that keep an allocated frame from being freed. What a frame is
 * used *as* (its type) is the architecture's.
 */
#ifndef CORE_FRAME_H
#define CORE_FRAME_H

#include <lodge/types.h>
#include "core/arch.h"

struct domain;

struct frame {
    /* links by frame number: the owner's page list, or a free list. FRAME_LINK_NONE ends it */
    uint32_t next, prev;
    uint64_t count;       /* in use: FRAME_* | references. Free: 0 */
    union {
        uint64_t type;    /* in use: the architecture's type word (x86: pv/type.h) */
        uint64_t order;   /* free: order of the free run that begins here */
    };
    uint16_t owner;       /* domid, or FRAME_OWNER_* */
    int16_t arch_half;    /* architecture's (x86: linear page-table references) */
    uint32_t arch_word;   /* architecture's (x86: TLB stamp / progress of a validation) */
};
BUILD_ASSERT(sizeof(struct frame) == 32);

#define FRAME_LINK_NONE   0xffffffffU
/* this flag stands for one reference: dropped when the owner gives the frame up */
#define FRAME_ALLOCATED   (1ULL << 63)
#define FRAME_FREE        (1ULL << 62) /* in the heap */
#define FRAME_HEAP        (1ULL << 61) /* the hypervisor's own (not reference-counted) */
/* RAM that is never allocated (image, tables) or not RAM at all */
#define FRAME_RESERVED    (1ULL << 60)
/* not in the owner's page list (grant frames, shared info) */
#define FRAME_EXTRA       (1ULL << 59)
#define FRAME_COUNT_MASK  ((1ULL << 48) - 1)

#define FRAME_OWNER_NONE  0xffffU      /* hypervisor, or nobody */
/* DOMID_XEN: shared read-only with privileged domains (M2P, trace, console) */
#define FRAME_OWNER_XEN   0x7ff2U
#define FRAME_OWNER_IO    0x7ff1U      /* DOMID_IO: memory-mapped devices */

/*
 * struct frame frame_table[max_frame], from arch_types.h; the architecture fills it before the first frames_init_add(),
 * RAM that is not to be allocated and holes as FRAME_RESERVED. Where there is only hole it may be read-only.
 */
extern uint64_t max_frame;

static inline bool frame_valid(mfn_t mfn) { return mfn.n < max_frame; }
/* frame_valid(mfn) */
static inline struct frame *frame_of(mfn_t mfn) { return &frame_table[mfn.n]; }
static inline mfn_t frame_mfn(const struct frame *f) { return MFN((uint64_t)(f - frame_table)); }

/*
 * Heap (heap.c). Runs of 1 << order frames, aligned to their size. Contents are never looked at; a
 * run without an address limit comes from as high as there is. Not from an interrupt.
 */
#define FRAME_MAX_ORDER 18
#define FRAMES_ANY_ADDRESS 64
/* boot: give RAM to the heap, also what was FRAME_RESERVED till now */
void frames_init_add(mfn_t start, mfn_t end);
/* below 1 << address_bits; contents undefined, count 0; NULL */
struct frame *frames_alloc(unsigned int order, unsigned int address_bits) MUST_CHECK;
/*
 * Memory spoken for: n free frames, wherever they are, of which only frames_alloc_claimed() may take, for whom it
 * is that claimed them: `claim` is how many of the claimed are his. False: there are not as many.
 */
bool frames_claim(uint64_t n) MUST_CHECK;
void frames_unclaim(uint64_t n);
uint64_t frames_claimed_count(void);
struct frame *frames_alloc_claimed(unsigned int order, unsigned int address_bits, uint64_t claim) MUST_CHECK;
void frames_free(struct frame *f, unsigned int order); /* count must be 0 or FRAME_HEAP */
uint64_t frames_free_count(void);
uint64_t frames_total_count(void);                     /* ever given to the heap */
uint64_t frames_free_below(unsigned int address_bits); /* free frames below 1 << address_bits */
void heap_dump(void);                                  /* debug key 'm' */
/* Hypervisor memory: mapped, zeroed, FRAME_HEAP. NULL if none. */
void *heap_alloc_pages(unsigned int order) MUST_CHECK;
void heap_free_pages(void *va, unsigned int order);    /* NULL is fine */

/*
 * References (frame.c), without locks. Both gets succeed only for a frame that has a reference: in
 * use, and owned by a domain. frame_get: by d. frame_get_any: whoever owns it; the owner is stable
 * while the reference is held. The last frame_put gives the frame back: to the heap, out of its
 * owner's list and count, or, FRAME_EXTRA, to the hypervisor, whose FRAME_HEAP page it is again.
 * Until it has run to its end, a frame with no reference may still be seen in the list.
 */
static inline MUST_CHECK bool frame_get_any(struct frame *f)
{
    uint64_t count = __atomic_load_n(&f->count, __ATOMIC_RELAXED);

    do {
        /* None, or more than can be counted. */
        if (unlikely((count & FRAME_COUNT_MASK) - 1 >= FRAME_COUNT_MASK - 1)) {
            return false;
        }
        /* Acquire pairs with the release that published the frame: owner and contents are seen. */
    } while (unlikely(!__atomic_compare_exchange_n(&f->count, &count, count + 1, true, __ATOMIC_ACQUIRE,
                                                   __ATOMIC_RELAXED)));
    return true;
}

void frame_release(struct frame *f, uint64_t left); /* frame_put's rare half: the last reference is gone */

static inline void frame_put(struct frame *f)
{
    /* Release: our use of the frame is over before the next owner's begins; acquire: the others' too, for the last. */
    uint64_t left = __atomic_sub_fetch(&f->count, 1, __ATOMIC_ACQ_REL);

    if (unlikely(((left + 1) & FRAME_COUNT_MASK) <= 1)) { /* none left, or fewer than none */
        frame_release(f, left);
    }
}

static inline MUST_CHECK bool frame_get_owned_by(struct frame *f, uint16_t owner)
{
    if (!frame_get_any(f)) {
        return false;
    }
    /* Only now is the owner stable: before, the frame might have been freed and given to another. */
    if (likely(f->owner == owner)) {
        return true;
    }
    frame_put(f);
    return false;
}
#define frame_get(f, d) frame_get_owned_by((f), (d)->id)
/*
 * The owner gives the frame up: drops FRAME_ALLOCATED's reference once. False if that had happened
 * already.
 */
bool frame_drop_allocation(struct frame *f);
/*
 * Takes a domain's page away from it, contents and all, if nothing but its allocation and the caller's
 * reference refer to it: it is nobody's then, and its references are gone. Such a run of one may be
 * assigned or freed. False: nothing has changed. Not for FRAME_EXTRA pages.
 */
bool frame_steal(struct frame *f) MUST_CHECK;

/*
 * Allocate for a domain: counted against max_pages, linked in its list, FRAME_ALLOCATED, whose
 * reference is the only one. Zeroed, so that nobody's bytes leak, unless the caller overwrites or
 * zeroes all itself. A domain that owns a frame stays referenced. NULL: quota, memory, or the
 * domain is dying.
 */
#define DOMAIN_FRAMES_UNCLEARED 1U
struct frame *domain_frames_alloc(struct domain *d, unsigned int order,
                                  unsigned int address_bits) MUST_CHECK;
struct frame *domain_frames_alloc_flags(struct domain *d, unsigned int order,
                                        unsigned int address_bits,
                                        unsigned int flags) MUST_CHECK;
/*
 * The first frame of the page list goes to its end and is returned, referenced. NULL: the list is
 * empty (or was just leaving).
 */
struct frame *domain_frames_rotate(struct domain *d) MUST_CHECK;
/*
 * Boot and special pages: hand a run from frames_alloc() to d, contents and all. 0, -ENOMEM over
 * quota, -EINVAL dying.
 */
int domain_frames_assign(struct domain *d, struct frame *f, unsigned int order) MUST_CHECK;
/*
 * d shall come to have nr_pages: what it lacks is kept for it until it has that, gives it up (0), or dies. -ENOMEM: there
 * is not as much; -EINVAL: it claims already, has as much already, may not have it, or is dying.
 */
int domain_claim(struct domain *d, uint64_t nr_pages) MUST_CHECK;
/*
 * A page of heap_alloc_pages(0) becomes shareable with d (shared_info, grant frames): FRAME_EXTRA,
 * owner d, contents as the caller left them, FRAME_ALLOCATED with the only reference.
 * frame_drop_allocation() takes it back; once the last reference has gone it may be freed
 * (frame_shared() tells). Such a page keeps d referenced.
 */
void frame_share_with(struct frame *f, struct domain *d);
bool frame_shared(const struct frame *f);
/*
 * Takes such a page back at once, if nothing but its allocation refers to it: a FRAME_HEAP page of the
 * hypervisor's again. False: somebody has it mapped, and nothing has changed.
 */
bool frame_unshare(struct frame *f) MUST_CHECK;

#endif
