/* What the tools ask and fill of a PV domain's frames. Source: public/domctl.h. */
#include "core/domctl.h"

#include <lodge/errno.h>
#include "core/frame.h"
#include "core/guest.h"
#include "core/guest_frame.h"
#include "pv/hypercall_page.h"
#include "pv/type.h"

#define MAX_FRAMES 1024U /* asked about at once */

long domctl_hypercall_init(struct vcpu *caller, struct domain *d, struct xen_domctl *op)
{
    uint64_t mfn = op->u.hypercall_init.gmfn;
    struct frame *f = guest_frame_get(d, mfn, false);

    (void)caller;
    if (!f) {
        return -EINVAL;
    }
    if (!guest_frame_get_writable(f)) {
        guest_frame_put(f, false);
        return -EPERM;
    }
    hypercall_page_fill(guest_frame_map(f));
    guest_frame_put(f, true);
    return 0;
}

/* L<n>TAB are n; public/domctl.h. */
static uint64_t frame_info(struct domain *d, uint64_t mfn)
{
    struct frame *f = guest_frame_get(d, mfn, false);
    uint64_t word, info = XEN_DOMCTL_PFINFO_NOTAB;

    if (!f || frame_shared(f)) {
        guest_frame_put(f, false);
        return XEN_DOMCTL_PFINFO_XTAB;
    }
    word = type_word(f);
    if (TYPE_IS_TABLE(word)) {
        info = (uint64_t)TYPE_LEVEL(word) << XEN_DOMCTL_PFINFO_LTAB_SHIFT;
    }
    if (word & TYPE_PINNED) {
        info |= XEN_DOMCTL_PFINFO_LPINTAB;
    } else if (!(word & TYPE_VALIDATED)) {
        info = XEN_DOMCTL_PFINFO_NOTAB;
    }
    guest_frame_put(f, false);
    return info;
}

/* Each number in the list is replaced by what is known of that frame. */
long domctl_getpageframeinfo3(struct vcpu *caller, struct domain *d, struct xen_domctl *op)
{
    const struct xen_domctl_getpageframeinfo3 *req = &op->u.getpageframeinfo3;

    (void)caller;
    if (req->num > MAX_FRAMES) {
        return -E2BIG;
    }
    for (uint64_t i = 0; i < req->num; i++) {
        uint64_t word;

        if (guest_read_at(&word, req->array, i)) {
            return -EFAULT;
        }
        word = frame_info(d, word);
        if (guest_write_at(req->array, i, &word)) {
            return -EFAULT;
        }
    }
    return 0;
}
