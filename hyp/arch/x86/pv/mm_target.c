/* Resolving the domains and vCPUs that memory-management hypercalls name. */
#include "pv/mm_target.h"
#include <lodge/errno.h>
#include <lodge/string.h>
#include "core/frame.h"
#include "core/guest.h"

struct domain dom_io = { .id = DOMID_IO, .refs = 1 };
struct domain dom_xen = { .id = DOMID_XEN, .refs = 1 };

int mm_target_get_other(struct vcpu *caller, domid_t id, struct domain **out)
{
    *out = NULL;
    if (id == DOMID_IO) {
        *out = &dom_io;
        return 0;
    }
    if (id == DOMID_XEN) {
        *out = &dom_xen;
        return caller->domain->is_privileged ? 0 : -EPERM;
    }
    if (id == caller->domain->id) {
        return -ESRCH; /* one's own frames are DOMID_SELF's */
    }
    return domain_get_target(caller, id, out);
}

void mm_target_put_other(struct domain *d)
{
    if (d != &dom_io && d != &dom_xen) {
        domain_put(d);
    }
}

int mm_vcpus_to_cpus(struct domain *d, uint64_t bitmap_gva, cpumap_t *cpus)
{
    memset(cpus, 0, sizeof(*cpus));
    for (unsigned int base = 0; base < d->max_vcpus; base += 64) {
        uint64_t word;

        if (guest_copy_from(&word, bitmap_gva + base / 8, sizeof(word))) {
            return -EFAULT;
        }
        for (; word; word &= word - 1) {
            struct vcpu *v = domain_vcpu(d, base + (unsigned int)__builtin_ctzll(word));

            /* One that is being switched in flushes by loading CR3. */
            if (v && __atomic_load_n(&v->is_running, __ATOMIC_ACQUIRE)) {
                cpumap_set(cpus, __atomic_load_n(&v->cpu, __ATOMIC_RELAXED));
            }
        }
    }
    return 0;
}

void mm_dirty_cpus(const struct domain *d, cpumap_t *cpus)
{
    BUILD_ASSERT(sizeof(*cpus) == sizeof(d->arch.dirty_cpus));
    for (unsigned int i = 0; i < ARRAY_SIZE(d->arch.dirty_cpus); i++) {
        cpus->bits[i] = __atomic_load_n(&d->arch.dirty_cpus[i], __ATOMIC_ACQUIRE);
    }
}
