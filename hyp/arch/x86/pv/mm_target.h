/* Whose frames a memory-management hypercall is about. */
#ifndef X86_PV_MM_TARGET_H
#define X86_PV_MM_TARGET_H

#include "core/domain.h"

/* Owners that are no domains: devices, and what the hypervisor shares read-only. Never in the domain table. */
extern struct domain dom_io, dom_xen;

/*
 * The domain that `id` means to the caller: itself, DOMID_IO, DOMID_XEN, or with privilege another PV domain. 0 and a
 * reference to drop with mm_target_put(); -ESRCH; -EPERM.
 */
int mm_target_get_other(struct vcpu *caller, domid_t id, struct domain **out) MUST_CHECK;
void mm_target_put_other(struct domain *d);

/* The caller's own domain needs no reference: it lasts at least as long as the hypercall. */
static inline MUST_CHECK int mm_target_get(struct vcpu *caller, domid_t id, struct domain **out)
{
    if (likely(id == DOMID_SELF)) {
        *out = caller->domain;
        return 0;
    }
    return mm_target_get_other(caller, id, out);
}

static inline void mm_target_put(const struct vcpu *caller, struct domain *d)
{
    if (unlikely(d != caller->domain)) {
        mm_target_put_other(d);
    }
}

/* The CPUs that run the vCPUs of d named by a guest's bitmap. 0, -EFAULT. */
int mm_vcpus_to_cpus(struct domain *d, uint64_t bitmap_gva, cpumap_t *cpus) MUST_CHECK;
void mm_dirty_cpus(const struct domain *d, cpumap_t *cpus);

#endif
