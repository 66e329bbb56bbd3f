/*
 * A page that a guest names in a request and the hypervisor keeps using: event control blocks,
 * vcpu_info, the far side of a grant. Supplied by the architecture, which knows what the guest's
 * number means (a PV guest: the machine frame). None of it waits or faults: it may be called with a
 * spinlock held.
 */
#ifndef CORE_GUEST_FRAME_H
#define CORE_GUEST_FRAME_H

#include <lodge/types.h>
#include "core/frame.h"

/**
 * guest_frame_get - hold a frame of a domain
 * @d:        its owner
 * @gfn:      as the guest names it; any number
 * @writable: also take a writable type reference, so that the frame cannot become a page table
 * meanwhile Returns the frame, referenced; NULL: no such frame, not d's, or it may not be written.
 */
struct frame *guest_frame_get(struct domain *d, uint64_t gfn, bool writable) MUST_CHECK;
/* Ends it; writable as it was asked for. NULL is fine. */
void guest_frame_put(struct frame *f, bool writable);

/*
 * A writable type reference on a frame that the caller holds already. False: it has another type
 * just now.
 */
bool guest_frame_get_writable(struct frame *f) MUST_CHECK;
void guest_frame_put_writable(struct frame *f);

static inline void *guest_frame_map(const struct frame *f)
{
    return arch_map_frame(frame_mfn(f));
}

#endif
