/* What the tools are told of a domain: state, memory, time used. Source: public/domctl.h. */
#include "core/domctl.h"
#include "core/sysctl.h"

#include <lodge/errno.h>
#include <lodge/string.h>
#include "core/arch.h"
#include "core/guest.h"

/* Blocked: all that are up wait. Running: any does. */
static void info_vcpus(struct domain *d, struct xen_domctl_getdomaininfo *info)
{
    uint32_t flags = XEN_DOMINF_blocked;
    struct vcpu_runstate_info runstate;
    struct vcpu *v;
    unsigned int i;

    info->max_vcpu_id = XEN_INVALID_MAX_VCPU_ID;
    domain_for_each_vcpu(d, v, i) {
        uint32_t paused = __atomic_load_n(&v->pause_flags, __ATOMIC_RELAXED);

        vcpu_runstate_get(v, &runstate);
        info->cpu_time += runstate.time[RUNSTATE_running];
        info->max_vcpu_id = i;
        if (paused & 1U << VCPU_DOWN) {
            continue;
        }
        info->nr_online_vcpus++;
        if (!(paused & 1U << VCPU_BLOCKED)) {
            flags &= ~XEN_DOMINF_blocked;
        }
        if (__atomic_load_n(&v->is_running, __ATOMIC_RELAXED)) {
            flags |= XEN_DOMINF_running;
        }
    }
    if (info->nr_online_vcpus) {
        info->flags |= flags;
    }
}

void domctl_info(struct domain *d, struct xen_domctl_getdomaininfo *info)
{
    memset(info, 0, sizeof(*info));
    info->domain = d->id;
    /* All ones while it has not shut down: tools look at the flag first. */
    info->flags = d->shutdown_code << XEN_DOMINF_shutdownshift;
    if (domain_is_dead(d)) {
        info->flags |= XEN_DOMINF_dying;
    }
    if (__atomic_load_n(&d->is_shut_down, __ATOMIC_ACQUIRE)) {
        info->flags |= XEN_DOMINF_shutdown;
    }
    if (d->control_pauses) {
        info->flags |= XEN_DOMINF_paused;
    }
    if (!d->is_pv) {
        info->flags |= XEN_DOMINF_hvm_guest;
    }
    if (d->is_xenstore) {
        info->flags |= XEN_DOMINF_xs_domain;
    }
    info_vcpus(d, info);
    info->tot_pages = d->nr_pages;
    info->max_pages = d->max_pages;
    info->outstanding_pages = d->nr_claimed;
    info->shared_info_frame = arch_frame_of(d->shared).n;
    memcpy(info->handle, d->handle, sizeof(info->handle));
    domain_arch_info(d, info);
}

long domctl_getdomaininfo(struct vcpu *caller, struct domain *d, struct xen_domctl *op)
{
    (void)caller;
    domctl_info(d, &op->u.getdomaininfo);
    op->domain = d->id;
    return 0;
}

/* How many domains there are bounds the work, not what the caller asks for. */
long sysctl_getdomaininfolist(struct vcpu *caller, struct xen_sysctl *op)
{
    struct xen_sysctl_getdomaininfolist *req = &op->u.getdomaininfolist;
    struct xen_domctl_getdomaininfo info;
    struct domain *d;
    uint32_t id = req->first_domain, nr = 0;
    int rc = 0;

    (void)caller;
    while (!rc && nr < req->max_domains && id < DOMID_LIMIT && (d = domain_get_next((domid_t)id))) {
        domctl_info(d, &info);
        id = d->id + 1U;
        domain_put(d);
        rc = guest_write_at(req->buffer, nr, &info);
        nr++;
    }
    req->num_domains = nr;
    return rc;
}
