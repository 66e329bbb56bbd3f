/* XEN_SYSCTL_perfc_op: the counters, for `xenperf`. */
#include "core/sysctl.h"

#include <lodge/errno.h>
#include <lodge/string.h>
#include "core/cpumap.h"
#include "core/guest.h"
#include "core/perfc_private.h"

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
        cpumap_for_each(cpu, cpus)
        {
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

long sysctl_perfc_op(struct vcpu *caller, struct xen_sysctl *sysctl)
{
    struct xen_sysctl_perfc_op *op = &sysctl->u.perfc_op;
    cpumap_t cpus = cpus_online;
    long rc = 0;

    (void)caller;
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
