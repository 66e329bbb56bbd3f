/*
 * The tools make a domain, give it vCPUs, and end it. Sources: public/domctl.h; order and kind of
 * refusals: Xen, common/domain.c and arch/x86/domain.c, the checks of a domain's configuration.
 */
#include "core/domctl.h"

#include <lodge/errno.h>
#include <lodge/string.h>
#include "core/gnttab.h"
#include "core/softirq.h"

#define CDF_KNOWN                                                                                  \
    (XEN_DOMCTL_CDF_hvm | XEN_DOMCTL_CDF_hap | XEN_DOMCTL_CDF_s3_integrity |                       \
     XEN_DOMCTL_CDF_oos_off | XEN_DOMCTL_CDF_xs_domain | XEN_DOMCTL_CDF_iommu |                    \
     XEN_DOMCTL_CDF_nested_virt | XEN_DOMCTL_CDF_vpmu)
/* What this machine has not: guests with hardware assistance, devices behind an IOMMU, counters. */
#define CDF_ABSENT                                                                                 \
    (XEN_DOMCTL_CDF_hvm | XEN_DOMCTL_CDF_hap | XEN_DOMCTL_CDF_iommu |                              \
     XEN_DOMCTL_CDF_nested_virt | XEN_DOMCTL_CDF_vpmu)

static int request_check(const struct xen_domctl_createdomain *req)
{
    if (req->flags & (~CDF_KNOWN | CDF_ABSENT) || req->iommu_opts || req->vmtrace_size ||
        req->grant_opts & ~XEN_DOMCTL_GRANT_version_mask || req->max_vcpus < 1 ||
        req->max_vcpus > MAX_VCPUS) {
        return -EINVAL;
    }
    return domain_arch_check(req);
}

static uint32_t grant_limit(int32_t wanted)
{
    return wanted < 0 ? GNTTAB_LIMIT_DEFAULT : (uint32_t)wanted;
}

/*
 * The number asked for or, for none that a domain can have, the next free one after that given last:
 * tools take a number that returns soon for the domain that had it.
 */
static int number_choose(domid_t wanted, domid_t *id)
{
    static domid_t last; /* behind the gate */

    if (wanted > 0 && wanted < DOMID_LIMIT) {
        *id = wanted;
        return domain_by_id(wanted) ? -EEXIST : 0;
    }
    for (unsigned int i = 1; i < DOMID_LIMIT; i++) {
        domid_t next = (domid_t)(1 + (last + i - 1) % (DOMID_LIMIT - 1));

        if (!domain_by_id(next)) {
            *id = last = next;
            return 0;
        }
    }
    return -ENOMEM;
}

long domctl_createdomain(struct vcpu *caller, struct domain *none, struct xen_domctl *op)
{
    const struct xen_domctl_createdomain *req = &op->u.createdomain;
    unsigned int grant_version = req->grant_opts & XEN_DOMCTL_GRANT_version_mask;
    struct domain_config config = {
        .is_pv = true,
        .max_vcpus = req->max_vcpus,
        .max_evtchn_port = req->max_evtchn_port,
        .max_grant_frames = grant_limit(req->max_grant_frames),
        .max_maptrack_frames = grant_limit(req->max_maptrack_frames),
        .max_grant_version = grant_version,
    };
    struct domain *d;
    int rc;

    (void)caller, (void)none;
    rc = number_choose(op->domain, &config.id);
    if (!rc) {
        rc = request_check(req);
    }
    if (!rc && grant_version == GNTTAB_VERSION_DEFAULT) {
        rc = -EINVAL; /* the tools have to say */
    }
    if (!rc && req->cpupool_id) {
        rc = -ESRCH;
    }
    if (rc) {
        return rc;
    }
    memcpy(config.handle, req->handle, sizeof(config.handle));
    rc = domain_create(&config, &d);
    if (!rc) {
        d->is_xenstore = req->flags & XEN_DOMCTL_CDF_xs_domain;
        domain_arch_options(d, req);
        op->domain = d->id;
    }
    return rc;
}

/* vCPUs begin on one CPU after the other. */
static unsigned int next_cpu(const struct domain *d)
{
    static unsigned int last; /* behind the gate */
    const cpumap_t *cpus = sched_domain_cpus(d);

    last = cpumap_next(cpus, last + 1);
    if (last >= NR_CPUS) {
        last = cpumap_next(cpus, 0);
    }
    return last;
}

/* All that createdomain allowed, at once. What is there already when it fails stays, for the next try. */
long domctl_max_vcpus(struct vcpu *caller, struct domain *d, struct xen_domctl *op)
{
    unsigned int made = 0;
    struct vcpu *v;

    if (d == caller->domain || op->u.max_vcpus.max != d->max_vcpus) {
        return -EINVAL;
    }
    for (unsigned int i = 0; i < d->max_vcpus; i++) {
        if (d->vcpus[i]) {
            continue;
        }
        if (made++ && preempt_requested()) {
            return -ERESTART;
        }
        if (vcpu_create(d, i, next_cpu(d), &v)) {
            return -ENOMEM;
        }
    }
    return 0;
}

long domctl_destroydomain(struct vcpu *caller, struct domain *d, struct xen_domctl *op)
{
    (void)op;
    return d == caller->domain ? -EINVAL : domain_kill(d);
}
