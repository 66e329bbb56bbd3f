/*
 * Counters added up. vCPUs count for themselves, as CPUs do; totals are what the vCPUs there are
 * have counted, with what those had that are gone, less what it was at the last reset.
 */
#include "core/perfc.h"

#include <lodge/string.h>
#include "core/domain.h"
#include "core/perfc_private.h"

DEFINE_DECLARED_PER_CPU(perfc_cpus);

#define PERFC_VCPU(name, text, n) { text, PERFC_##name, n },
#define PERFC_CPU(name, text)     { text, PERFC_##name, 0 },
const struct perfc_row perfc_rows[NR_PERFC_ROWS] = {
#include "core/perfc.def"
};
#undef PERFC_VCPU
#undef PERFC_CPU

static uint64_t retired[NR_PERFC_VCPU]; /* under the domain list's lock */
/* At the last reset; each word by itself, whoever resets last. */
static uint64_t vcpu_base[NR_PERFC_VCPU];
static DEFINE_PER_CPU(struct perfc_cpu, cpu_base);

void perfc_domain_add(const struct domain *d, uint64_t *sums)
{
    struct vcpu *v;
    unsigned int i;

    domain_for_each_vcpu(d, v, i)
    {
        for (unsigned int k = 0; k < NR_PERFC_VCPU; k++) {
            sums[k] += __atomic_load_n(&v->perfc[k], __ATOMIC_RELAXED);
        }
    }
}

void perfc_retire(const struct domain *d)
{
    perfc_domain_add(d, retired);
}

static void vcpu_sums(uint64_t *sums)
{
    domain_list_lock();
    memcpy(sums, retired, sizeof(retired));
    for (const struct domain *d = domain_first(); d; d = d->next_in_list) {
        perfc_domain_add(d, sums);
    }
    domain_list_unlock();
}

void perfc_vcpu_totals(uint64_t *totals)
{
    vcpu_sums(totals);
    for (unsigned int k = 0; k < NR_PERFC_VCPU; k++) {
        totals[k] -= __atomic_load_n(&vcpu_base[k], __ATOMIC_RELAXED);
    }
}

uint64_t perfc_cpu_total(unsigned int cpu, unsigned int k)
{
    return __atomic_load_n(&per_cpu(perfc_cpus, cpu).count[k], __ATOMIC_RELAXED) -
           __atomic_load_n(&per_cpu(cpu_base, cpu).count[k], __ATOMIC_RELAXED);
}

void perfc_reset(void)
{
    uint64_t sums[NR_PERFC_VCPU];

    vcpu_sums(sums);
    for (unsigned int k = 0; k < NR_PERFC_VCPU; k++) {
        __atomic_store_n(&vcpu_base[k], sums[k], __ATOMIC_RELAXED);
    }
    for (unsigned int cpu = 0; cpu < NR_CPUS; cpu++) {
        for (unsigned int k = 0; k < NR_PERFC_CPU; k++) {
            uint64_t count = __atomic_load_n(&per_cpu(perfc_cpus, cpu).count[k], __ATOMIC_RELAXED);

            __atomic_store_n(&per_cpu(cpu_base, cpu).count[k], count, __ATOMIC_RELAXED);
        }
    }
}
