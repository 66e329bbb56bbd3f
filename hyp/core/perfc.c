/*
 * Counters added up. vCPUs count for themselves, as CPUs do; totals are what the vCPUs there are have
 * counted, with what those had that are gone, less what it was at the last reset.
 */
#include "core/perfc.h"

#include <lodge/errno.h>
#include <lodge/string.h>
#include <xen/sysctl.h>
#include "core/domain.h"
#include "core/guest.h"
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

    domain_for_each_vcpu(d, v, i) {
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

static unsigned int row_values(const struct perfc_row *row, const cpumap_t *cpus)
{
    return row->n ? row->n : cpumap_weight(cpus);
}

/* One value after the other; what the tool made room for is what it was told before. */
static long copy_values(const struct xen_sysctl_perfc_op *op, const struct perfc_row *row,
                        const uint64_t *totals, const cpumap_t *cpus, unsigned int *at)
{
    xen_sysctl_perfc_val_t value;
    unsigned int cpu;
    long rc = 0;

    for (unsigned int i = 0; i < row->n && !rc; i++) {
        value = (xen_sysctl_perfc_val_t)totals[row->first + i];
        rc = guest_write_at(op->val, (*at)++, &value);
    }
    if (!row->n) {
        cpumap_for_each(cpu, cpus) {
            value = (xen_sysctl_perfc_val_t)perfc_cpu_total(cpu, row->first);
            if (guest_write_at(op->val, (*at)++, &value)) {
                return -EFAULT;
            }
        }
    }
    return rc;
}

static long copy_all(const struct xen_sysctl_perfc_op *op, const cpumap_t *cpus)
{
    uint64_t totals[NR_PERFC_VCPU];
    unsigned int at = 0;
    long rc = 0;

    perfc_vcpu_totals(totals);
    for (unsigned int i = 0; i < NR_PERFC_ROWS && !rc; i++) {
        struct xen_sysctl_perfc_desc desc = { .nr_vals = row_values(&perfc_rows[i], cpus) };

        BUILD_ASSERT(sizeof(perfc_rows[0].text) <= sizeof(desc.name));
        memcpy(desc.name, perfc_rows[i].text, sizeof(perfc_rows[i].text));
        rc = guest_write_at(op->desc, i, &desc);
        if (!rc) {
            rc = copy_values(op, &perfc_rows[i], totals, cpus, &at);
        }
    }
    return rc;
}

long perfc_control(struct xen_sysctl_perfc_op *op)
{
    cpumap_t cpus = cpus_online;
    long rc = 0;

    if (op->cmd != XEN_SYSCTL_PERFCOP_query && op->cmd != XEN_SYSCTL_PERFCOP_reset) {
        return -EINVAL;
    }
    if (!guest_null(op->desc)) {
        rc = copy_all(op, &cpus);
    }
    if (op->cmd == XEN_SYSCTL_PERFCOP_reset) {
        perfc_reset();
    }
    op->nr_counters = NR_PERFC_ROWS;
    op->nr_vals = 0;
    for (unsigned int i = 0; i < NR_PERFC_ROWS; i++) {
        op->nr_vals += row_values(&perfc_rows[i], &cpus);
    }
    return rc;
}
