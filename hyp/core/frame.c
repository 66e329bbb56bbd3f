/* References to frames, and the frames of a domain. */
#include "core/frame.h"
#include <lodge/errno.h>
#include <lodge/string.h>
#include "core/domain.h"
#include "core/lock.h"
#include "core/log.h"

uint64_t max_frame READ_MOSTLY;

/* Owner's page_lock held. */
static void page_list_append(struct domain *d, struct frame *f)
{
    uint32_t n = (uint32_t)frame_mfn(f).n;

    f->next = FRAME_LINK_NONE;
    f->prev = d->page_list_tail;
    if (f->prev == FRAME_LINK_NONE) {
        d->page_list = n;
    } else {
        frame_of(MFN(f->prev))->next = n;
    }
    d->page_list_tail = n;
}

static void page_list_remove(struct domain *d, struct frame *f)
{
    if (f->prev == FRAME_LINK_NONE) {
        d->page_list = f->next;
    } else {
        frame_of(MFN(f->prev))->next = f->next;
    }
    if (f->next == FRAME_LINK_NONE) {
        d->page_list_tail = f->prev;
    } else {
        frame_of(MFN(f->next))->prev = f->prev;
    }
    f->next = f->prev = FRAME_LINK_NONE;
}

struct frame *domain_frames_rotate(struct domain *d)
{
    struct frame *f = NULL;

    spin_lock(&d->page_lock);
    if (d->page_list != FRAME_LINK_NONE) {
        f = frame_of(MFN(d->page_list));
        page_list_remove(d, f);
        page_list_append(d, f);
        if (!frame_get_any(f)) {
            f = NULL; /* its last reference just went: the next call finds the list without it */
        }
    }
    spin_unlock(&d->page_lock);
    return f;
}

/* Owning frames, of either kind, is worth one reference on the domain. page_lock held. */
static bool owns_frames(const struct domain *d)
{
    return d->nr_pages || d->nr_extra_pages;
}

/*
 * The last reference is gone; the owner is still referenced through this very frame, and afterwards
 * by the caller, if this was its last.
 */
static struct domain *frame_leave(struct frame *f, uint64_t flags)
{
    struct domain *d = domain_by_id(f->owner);
    bool last;

    assert(d && !(flags & FRAME_COUNT_MASK));
    spin_lock(&d->page_lock);
    if (flags & FRAME_EXTRA) {
        d->nr_extra_pages--;
    } else {
        page_list_remove(d, f);
        d->nr_pages--;
    }
    last = !owns_frames(d);
    spin_unlock(&d->page_lock);

    arch_frame_released(f, d);
    return last ? d : NULL;
}

void frame_release(struct frame *f, uint64_t flags)
{
    struct domain *last_of = frame_leave(f, flags);

    if (flags & FRAME_EXTRA) {
        f->owner = FRAME_OWNER_NONE;
        f->type = 0;
        __atomic_store_n(&f->count, FRAME_HEAP, __ATOMIC_RELEASE); /* pairs with frame_shared() */
    } else {
        __atomic_store_n(&f->count, 0, __ATOMIC_RELAXED);
        frames_free(f, 0);
    }
    domain_put(last_of);
}

/* Takes the last nr references away, of which one is the allocation's. */
static bool take_all(struct frame *f, uint64_t flags, uint64_t nr)
{
    uint64_t count = flags | FRAME_ALLOCATED | nr;

    /* As in frame_put(). */
    return __atomic_compare_exchange_n(&f->count, &count, flags, false, __ATOMIC_ACQ_REL,
                                       __ATOMIC_RELAXED);
}

bool frame_unshare(struct frame *f)
{
    if (!take_all(f, FRAME_EXTRA, 1)) {
        return false;
    }
    frame_release(f, FRAME_EXTRA);
    return true;
}

bool frame_steal(struct frame *f)
{
    if (!take_all(f, 0, 2)) {
        return false;
    }
    domain_put(frame_leave(f, 0));
    f->owner = FRAME_OWNER_NONE;
    f->type = 0;
    return true;
}

bool frame_drop_allocation(struct frame *f)
{
    if (!(__atomic_fetch_and(&f->count, ~FRAME_ALLOCATED, __ATOMIC_ACQ_REL) & FRAME_ALLOCATED)) {
        return false;
    }
    frame_put(f);
    return true;
}

/* The frame is the domain's from here on: everything else about it was written before. */
static void frame_publish(struct frame *f, struct domain *d, uint64_t flags)
{
    f->owner = d->id;
    f->type = 0;
    arch_frame_assigned(f, d);
    __atomic_store_n(&f->count, flags | FRAME_ALLOCATED | 1, __ATOMIC_RELEASE);
}

/* page_lock held. */
static void claim_set(struct domain *d, uint64_t n)
{
    __atomic_store_n(&d->nr_claimed, n, __ATOMIC_RELAXED);
}

static int claim_make(struct domain *d, uint64_t nr_pages)
{
    uint64_t n = nr_pages - d->nr_pages;

    if (d->is_dying || d->nr_claimed || nr_pages <= d->nr_pages || nr_pages > d->max_pages) {
        return -EINVAL;
    }
    if (!frames_claim(n)) {
        return -ENOMEM;
    }
    claim_set(d, n);
    return 0;
}

int domain_claim(struct domain *d, uint64_t nr_pages)
{
    int rc = 0;

    spin_lock(&d->page_lock);
    if (nr_pages) {
        rc = claim_make(d, nr_pages);
    } else {
        frames_unclaim(d->nr_claimed);
        claim_set(d, 0);
    }
    spin_unlock(&d->page_lock);
    return rc;
}

/* What it had claimed it has now. page_lock held. */
static void claim_use(struct domain *d, uint64_t n)
{
    n = MIN(n, d->nr_claimed);
    if (n) {
        frames_unclaim(n);
        claim_set(d, d->nr_claimed - n);
    }
}

int domain_frames_assign(struct domain *d, struct frame *f, unsigned int order)
{
    uint64_t n = 1ULL << order;
    int rc = 0;

    spin_lock(&d->page_lock);
    if (d->is_dying) {
        rc = -EINVAL;
    } else if (d->nr_pages > d->max_pages || n > d->max_pages - d->nr_pages) {
        rc = -ENOMEM;
    } else {
        if (!owns_frames(d)) {
            domain_get_ref(d);
        }
        d->nr_pages += n;
        claim_use(d, n);
        for (uint64_t i = 0; i < n; i++) {
            page_list_append(d, &f[i]);
            frame_publish(&f[i], d, 0);
        }
    }
    spin_unlock(&d->page_lock);
    return rc;
}

struct frame *domain_frames_alloc_flags(struct domain *d, unsigned int order,
                                        unsigned int address_bits, unsigned int flags)
{
    struct frame *f = frames_alloc_claimed(order, address_bits, __atomic_load_n(&d->nr_claimed, __ATOMIC_RELAXED));

    if (!f) {
        return NULL;
    }
    if (!(flags & DOMAIN_FRAMES_UNCLEARED)) {
        memset(arch_map_frame(frame_mfn(f)), 0, PAGE_SIZE << order);
    }
    if (domain_frames_assign(d, f, order)) {
        frames_free(f, order);
        return NULL;
    }
    return f;
}

struct frame *domain_frames_alloc(struct domain *d, unsigned int order, unsigned int address_bits)
{
    return domain_frames_alloc_flags(d, order, address_bits, 0);
}

void frame_share_with(struct frame *f, struct domain *d)
{
    assert(f->count == FRAME_HEAP);
    spin_lock(&d->page_lock);
    if (!owns_frames(d)) {
        domain_get_ref(d);
    }
    d->nr_extra_pages++;
    frame_publish(f, d, FRAME_EXTRA);
    spin_unlock(&d->page_lock);
}

bool frame_shared(const struct frame *f)
{
    return __atomic_load_n(&f->count, __ATOMIC_ACQUIRE) & FRAME_EXTRA;
}
