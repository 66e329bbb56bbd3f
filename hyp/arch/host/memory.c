/*
 * Names of frames on the host: a PV guest's, whose number for a frame is the machine's; and a short
 * map of the machine.
 */
#include "core/memory_arch.h"
#include <lodge/errno.h>
#include "core/guest.h"
#include "host.h"

static uint64_t names[HOST_FRAMES];

uint64_t host_frame_name(mfn_t mfn)
{
    return names[mfn.n];
}

struct frame *memory_arch_frame_get(struct domain *d, uint64_t gfn)
{
    return frame_valid(MFN(gfn)) && frame_get(frame_of(MFN(gfn)), d) ? frame_of(MFN(gfn)) : NULL;
}

int memory_arch_name(struct domain *d, uint64_t gfn, mfn_t mfn, unsigned int order)
{
    (void)d;
    for (uint64_t i = 0; i < 1ULL << order; i++) {
        names[mfn.n + i] = gfn + i;
    }
    return 0;
}

int memory_arch_unname(struct domain *d, struct frame *f)
{
    (void)d;
    names[frame_mfn(f).n] = ~0ULL;
    return 0;
}

bool memory_arch_unused(const struct frame *f)
{
    return (__atomic_load_n(&f->count, __ATOMIC_ACQUIRE) & FRAME_COUNT_MASK) ==
           2; /* the owner's and the caller's */
}

uint64_t memory_arch_max_gfn(const struct domain *d)
{
    return d->shared->arch.max_pfn - 1;
}

void memory_arch_m2p_mapping(struct xen_machphys_mapping *m)
{
    m->v_start = (uint64_t)(uintptr_t)names;
    m->v_end = (uint64_t)(uintptr_t)(names + HOST_FRAMES);
    m->max_mfn = HOST_FRAMES - 1;
}

bool memory_arch_m2p_extent(unsigned int i, mfn_t *mfn)
{
    *mfn = MFN(0); /* a hole: the host's table lies in no frame */
    return i == 0;
}

long memory_arch_map(struct vcpu *caller, uint64_t arg_gva)
{
    (void)caller, (void)arg_gva;
    return -ENOSYS; /* nobody gave the domain a map */
}

long memory_arch_machine_map(struct vcpu *caller, uint64_t arg_gva)
{
    (void)caller, (void)arg_gva;
    return -ENOSYS;
}

long memory_arch_set_map(struct vcpu *caller, uint64_t arg_gva)
{
    (void)caller, (void)arg_gva;
    return -ENOSYS;
}
