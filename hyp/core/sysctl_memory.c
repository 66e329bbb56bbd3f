/* How much memory there is and where. Source: public/sysctl.h. */
#include "core/sysctl.h"

#include <lodge/errno.h>
#include "core/frame.h"
#include "core/guest.h"

#define LOCAL_DISTANCE 10U /* ACPI, "System Locality Information Table": a node to itself */

/* Width 0: do not care. A frame counts by the bits that its highest address needs. */
long sysctl_availheap(struct vcpu *caller, struct xen_sysctl *op)
{
    struct xen_sysctl_availheap *req = &op->u.availheap;
    unsigned int low = MAX(req->min_bitwidth, PAGE_SHIFT + 1U);
    unsigned int high = req->max_bitwidth ? req->max_bitwidth : FRAMES_ANY_ADDRESS;
    uint64_t below_high = frames_free_below(high), below_low = frames_free_below(low - 1);

    (void)caller;
    req->avail_bytes = 0;
    if ((req->node == -1 || req->node == 0) && below_high > below_low) {
        req->avail_bytes = (below_high - below_low) << PAGE_SHIFT;
    }
    return 0;
}

/* One node: what ACPI may say of several is not used. */
long sysctl_numainfo(struct vcpu *caller, struct xen_sysctl *op)
{
    struct xen_sysctl_numainfo *req = &op->u.numainfo;
    const struct xen_sysctl_meminfo memory = {
        .memsize = max_frame << PAGE_SHIFT,
        .memfree = frames_free_count() << PAGE_SHIFT,
    };
    const uint32_t distance = LOCAL_DISTANCE;

    (void)caller;
    if (guest_null(req->meminfo) && guest_null(req->distance)) {
        req->num_nodes = 1;
        return 0;
    }
    if (!req->num_nodes) {
        return 0;
    }
    if ((!guest_null(req->meminfo) && guest_write(req->meminfo, &memory)) ||
        (!guest_null(req->distance) && guest_write(req->distance, &distance))) {
        return -EFAULT;
    }
    req->num_nodes = 1;
    return 0;
}
