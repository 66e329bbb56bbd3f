/*
 * Where a vCPU's vcpu_info lives: a legacy slot in shared_info for the first XEN_LEGACY_MAX_VCPUS,
 * or a place of its own that the guest registers. Source: public/vcpu.h, VCPUOP_register_vcpu_info.
 */
#include <lodge/errno.h>
#include <lodge/string.h>
#include "core/evtchn_private.h"
#include "core/guest_frame.h"
#include "core/object.h"

static struct vcpu_info *legacy_info(const struct vcpu *v)
{
    struct shared_info *shared = v->domain->shared;

    return shared && v->id < XEN_LEGACY_MAX_VCPUS ? &shared->vcpu_info[v->id] : &vcpu_dummy_info;
}

void evtchn_vcpu_init(struct vcpu *v)
{
    v->info = legacy_info(v);
    v->info->evtchn_upcall_mask = 1;
}

void evtchn_vcpu_fini(struct vcpu *v)
{
    vcpu_info_reset(v);
    object_free(v->fifo);
    v->fifo = NULL;
}

/*
 * The contents move while others may be raising events in the old place: who writes there after our
 * copy is not lost, because everything is set pending in the new place afterwards.
 */
static void move_to(struct vcpu *v, struct vcpu_info *to)
{
    const struct vcpu_info *from = v->info;

    if (from == &vcpu_dummy_info) {
        memset(to, 0, sizeof(*to));
        to->evtchn_upcall_mask = 1;
    } else {
        memcpy(to, from, sizeof(*to));
    }
    __atomic_store_n(&v->info, to, __ATOMIC_SEQ_CST);
    shared_write(&to->evtchn_pending_sel, ~(xen_ulong_t)0);
    vcpu_mark_events_pending(v);
}

int vcpu_info_register(struct vcpu *v, uint64_t gfn, uint32_t offset)
{
    struct frame *frame;
    int rc = 0;

    if (offset > PAGE_SIZE - sizeof(struct vcpu_info) || offset % _Alignof(struct vcpu_info)) {
        return -ENXIO;
    }
    frame = guest_frame_get(v->domain, gfn, true);
    if (!frame) {
        return -EINVAL;
    }
    spin_lock(&v->domain->evtchn_lock); /* of two callers, one is first */
    if (v->info_frame ||
        (v != current && !(__atomic_load_n(&v->pause_flags, __ATOMIC_ACQUIRE) & 1U << VCPU_DOWN))) {
        rc = -EINVAL;
    } else {
        v->info_frame = frame;
        move_to(v, (void *)((char *)guest_frame_map(frame) + offset));
        frame = NULL;
    }
    spin_unlock(&v->domain->evtchn_lock);
    guest_frame_put(frame, true);
    return rc;
}

void vcpu_info_reset(struct vcpu *v)
{
    struct frame *frame = v->info_frame;

    __atomic_store_n(&v->info, &vcpu_dummy_info, __ATOMIC_SEQ_CST);
    v->info_frame = NULL;
    guest_frame_put(frame, true);
}
