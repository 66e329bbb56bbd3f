/* What a PV domain has beyond core's: its frames' types and names, and how all of it is given back. */
#include <lodge/errno.h>
#include "core/domain.h"
#include "core/frame.h"
#include "core/guest_frame.h"
#include "core/log.h"
#include "core/softirq.h"
#include "mm/cache.h"
#include "mm/flush.h"
#include "mm/page.h"
#include "platform/pirq.h"
#include "platform/platform.h"
#include "pv/descriptor.h"
#include "pv/mm_target.h"
#include "pv/policy.h"
#include "pv/pv_mm.h"
#include "pv/type.h"

void arch_frame_assigned(struct frame *f, struct domain *d)
{
    (void)d;
    f->arch_word = 0;
    f->arch_half = 0;
    m2p_set(frame_mfn(f), M2P_INVALID);
}

/*
 * Before the frame can become anybody's: no CPU that runs the old owner may still reach it. (A read-only mapping leaves no
 * stamp, so there is nothing to filter by.)
 */
void arch_frame_released(struct frame *f, struct domain *d)
{
    cpumap_t cpus;

    m2p_set(frame_mfn(f), M2P_INVALID);
    mm_dirty_cpus(d, &cpus);
    if (!cpumap_empty(&cpus)) {
        flush_tlb_mask(&cpus);
    }
    if (unlikely(type_word(f) & TYPE_COMBINED)) {
        cache_flush(arch_map_frame(frame_mfn(f)), PAGE_SIZE);
    }
}

struct frame *guest_frame_get(struct domain *d, uint64_t gfn, bool writable)
{
    struct frame *f;

    if (!frame_valid(MFN(gfn)) || !frame_get(frame_of(MFN(gfn)), d)) {
        return NULL;
    }
    f = frame_of(MFN(gfn));
    if (writable && type_get(f, TYPE_WRITABLE, false)) {
        frame_put(f);
        return NULL;
    }
    return f;
}

void guest_frame_put(struct frame *f, bool writable)
{
    if (!f) {
        return;
    }
    if (writable) {
        type_put_now(f);
    }
    frame_put(f);
}

bool guest_frame_get_writable(struct frame *f)
{
    return type_get(f, TYPE_WRITABLE, false) == 0;
}

void guest_frame_put_writable(struct frame *f)
{
    type_put_now(f);
}

/* All else is right at zero; permissions come with the devices. */
int domain_arch_init(struct domain *d)
{
    pv_policy_init(d);
    return 0;
}

void domain_arch_fini(struct domain *d)
{
    platform_permissions_free(d);
    pv_policy_fini(d);
}

/* A vCPU's hold on page tables and descriptor pages. 0 or -ERESTART. */
static int vcpu_relinquish(struct vcpu *v)
{
    struct frame *f;
    int rc = 0;

    for (unsigned int i = 0; i < ARRAY_SIZE(v->arch.old_tables) && !rc; i++) {
        f = v->arch.old_tables[i];
        if (f) {
            rc = type_abandon(f, true);
            if (!rc) {
                v->arch.old_tables[i] = NULL;
                frame_put(f);
            }
        }
    }
    if (rc) {
        return rc;
    }
    pv_gdt_drop(v);
    pv_ldt_drop(v);
    v->arch.ldt_ents = 0;
    if (!mfn_eq(v->arch.l4_user, MFN_INVALID)) {
        f = frame_of(v->arch.l4_user);
        v->arch.l4_user = MFN_INVALID;
        v->arch.cr3_user = 0;
        rc = type_put(f, true);
        frame_put(f); /* a partial table owns itself; the page list finds it */
    }
    if (!rc && !mfn_eq(v->arch.l4_kernel, MFN_INVALID)) {
        f = frame_of(v->arch.l4_kernel);
        v->arch.l4_kernel = MFN_INVALID;
        v->arch.cr3_kernel = 0;
        rc = type_put(f, true);
        frame_put(f);
    }
    return rc;
}

/* Flags that say why it does not run mean nothing without a context. */
int vcpu_arch_reset(struct vcpu *v)
{
    int rc;

    v->initialised = false;
    __atomic_fetch_or(&v->pause_flags, 1U << VCPU_DOWN, __ATOMIC_SEQ_CST);
    rc = vcpu_relinquish(v);
    if (!rc) {
        __atomic_fetch_and(&v->pause_flags, ~(1U << VCPU_BLOCKED), __ATOMIC_SEQ_CST);
    }
    return rc;
}

/* One frame of the list: its pin, what is left of a validation, and the owner's own reference. 0 or -ERESTART. */
static int frame_relinquish(struct frame *f)
{
    int rc = 0;

    if (type_unpin(f)) {
        rc = type_put(f, true);
        frame_put(f);
    }
    if (!rc) {
        rc = type_abandon(f, true);
    }
    if (!rc) {
        (void)frame_drop_allocation(f); /* false: the guest gave it up itself, and somebody else still has it */
    }
    return rc;
}

int domain_arch_relinquish(struct domain *d)
{
    struct vcpu *v;
    unsigned int i;
    int rc;

    domain_for_each_vcpu(d, v, i) {
        rc = vcpu_relinquish(v);
        if (rc) {
            return rc;
        }
    }
    if (!d->arch.relinquish_started) {
        pirq_domain_fini(d);
        d->arch.relinquish_started = true;
        d->arch.relinquish_left = d->nr_pages;
    }
    /* Frames that others still hold stay in the list: each is looked at once. */
    while (d->arch.relinquish_left) {
        struct frame *f = domain_frames_rotate(d);

        if (!f) {
            break;
        }
        rc = frame_relinquish(f);
        frame_put(f);
        if (rc) {
            return rc; /* it is at the end of the list now: counted again */
        }
        d->arch.relinquish_left--;
        if (preempt_requested()) {
            return -ERESTART;
        }
    }
    return 0;
}
