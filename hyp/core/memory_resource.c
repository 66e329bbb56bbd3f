/*
 * XENMEM_acquire_resource: tools are told which frames hold what the hypervisor keeps for a domain,
 * to map them: its grant table, which they fill in before it runs. What there is not yet is made.
 * Source: public/memory.h, struct xen_mem_acquire_resource.
 */
#include <lodge/errno.h>
#include "core/gnttab.h"
#include "core/guest.h"
#include "core/hypercall.h"
#include "core/memory_private.h"
#include "core/privilege.h"
#include "core/softirq.h"
#include <xen/memory.h>

#define MAX_FRAMES (UINT32_MAX >> MEMOP_CMD_BITS) /* what a continuation can count */
#define CHUNK      32U

/* How much of it there can be. 0: nothing, or there is no such thing. */
static uint32_t resource_max_frames(const struct domain *d,
                                    const struct xen_mem_acquire_resource *req)
{
    if (req->type == XENMEM_resource_grant_table &&
        (req->id == XENMEM_resource_grant_table_id_shared ||
         req->id == XENMEM_resource_grant_table_id_status)) {
        return gnttab_max_resource_frames(d, req->id == XENMEM_resource_grant_table_id_status);
    }
    return 0;
}

/* req: of a kind that resource_max_frames() knows. */
static int resource_frame(struct domain *d, const struct xen_mem_acquire_resource *req,
                          uint32_t index, mfn_t *mfn)
{
    return req->id == XENMEM_resource_grant_table_id_status ? gnttab_status_frame(d, index, mfn)
                                                            : gnttab_shared_frame(d, index, mfn);
}

/* The last first: if it cannot be had, none of the chunk is told. */
static int chunk_tell(struct domain *d, const struct xen_mem_acquire_resource *req, uint32_t done,
                      uint32_t n)
{
    uint32_t first = (uint32_t)req->frame + done;
    xen_pfn_t frames[CHUNK];

    for (uint32_t i = n; i-- > 0;) {
        mfn_t mfn;
        int rc = resource_frame(d, req, first + i, &mfn);

        if (rc) {
            return rc;
        }
        frames[i] = mfn.n;
    }
    return guest_copy_to(guest_addr(req->frame_list, done), frames, n * sizeof(frames[0]));
}

/* From the done-th of the frames asked for on. */
static long frames_tell(struct domain *d, const struct xen_mem_acquire_resource *req, uint64_t done,
                        uint64_t arg_gva)
{
    long rc = done < req->nr_frames && req->nr_frames <= MAX_FRAMES ? 0 : -EINVAL;

    while (!rc && done < req->nr_frames) {
        uint32_t n = MIN(CHUNK, req->nr_frames - (uint32_t)done);

        rc = chunk_tell(d, req, (uint32_t)done, n);
        done += n;
        if (!rc && done < req->nr_frames && preempt_requested()) {
            return hypercall_continue(
                2, ARGS(XENMEM_acquire_resource | done << MEMOP_CMD_BITS, arg_gva));
        }
    }
    return rc;
}

static long acquire(struct domain *d, const struct xen_mem_acquire_resource *req, uint64_t done,
                    uint64_t arg_gva)
{
    uint32_t max_frames = resource_max_frames(d, req);

    if (!max_frames) {
        return req->type > XENMEM_resource_vmtrace_buf ? -EOPNOTSUPP : -EINVAL;
    }
    if (!guest_null(req->frame_list)) {
        return frames_tell(d, req, done, arg_gva);
    }
    if (req->nr_frames || done) {
        return -EINVAL;
    }
    return guest_copy_to(arg_gva + offsetof(__typeof__(*req), nr_frames), &max_frames,
                         sizeof(max_frames));
}

long memory_acquire_resource(struct vcpu *caller, uint64_t cmd, uint64_t arg_gva)
{
    struct xen_mem_acquire_resource req;
    struct domain *d;
    long rc;

    if (guest_copy_from(&req, arg_gva, sizeof(req))) {
        return -EFAULT;
    }
    if (req.pad || req.frame >> 32 || (req.frame + req.nr_frames) >> 32) {
        return -EINVAL;
    }
    if (req.domid == caller->domain->id) {
        return -EPERM; /* one's own is mapped otherwise */
    }
    d = domain_get(req.domid);
    if (!d) {
        return -ESRCH;
    }
    rc = privilege_control(caller, d);
    if (!rc) {
        rc = acquire(d, &req, cmd >> MEMOP_CMD_BITS, arg_gva);
    }
    domain_put(d);
    return rc;
}
