/* One vCPU: what it does, where it may run, its registers. Source: public/domctl.h. */
#include "core/domctl.h"

#include <lodge/errno.h>
#include "core/guest.h"
#include "core/log.h"
#include "core/object.h"

long domctl_getvcpuinfo(struct vcpu *caller, struct domain *d, struct xen_domctl *op)
{
    struct xen_domctl_getvcpuinfo *info = &op->u.getvcpuinfo;
    struct vcpu_runstate_info runstate;
    uint32_t paused;
    struct vcpu *v;

    (void)caller;
    if (info->vcpu >= d->max_vcpus) {
        return -EINVAL;
    }
    v = domain_vcpu(d, info->vcpu);
    if (!v) {
        return -ESRCH;
    }
    paused = __atomic_load_n(&v->pause_flags, __ATOMIC_RELAXED);
    vcpu_runstate_get(v, &runstate);
    info->online = !(paused & 1U << VCPU_DOWN);
    info->blocked = !!(paused & 1U << VCPU_BLOCKED);
    info->running = __atomic_load_n(&v->is_running, __ATOMIC_RELAXED);
    info->cpu_time = runstate.time[RUNSTATE_running];
    info->cpu = __atomic_load_n(&v->cpu, __ATOMIC_RELAXED);
    return 0;
}

/* The vCPU of an affinity request that makes sense. */
static int affinity_of(struct domain *d, const struct xen_domctl_vcpuaffinity *req, struct vcpu **v)
{
    if (req->vcpu >= d->max_vcpus) {
        return -EINVAL;
    }
    *v = domain_vcpu(d, req->vcpu);
    if (!*v) {
        return -ESRCH;
    }
    if (!req->flags ||
        (req->flags & XEN_VCPUAFFINITY_HARD && guest_null(req->cpumap_hard.bitmap)) ||
        (req->flags & XEN_VCPUAFFINITY_SOFT && guest_null(req->cpumap_soft.bitmap))) {
        return -EINVAL;
    }
    return 0;
}

long domctl_getvcpuaffinity(struct vcpu *caller, struct domain *d, struct xen_domctl *op)
{
    const struct xen_domctl_vcpuaffinity *req = &op->u.vcpuaffinity;
    cpumap_t hard, soft;
    struct vcpu *v;
    int rc = affinity_of(d, req, &v);

    (void)caller;
    if (rc) {
        return rc;
    }
    vcpu_get_affinity(v, &hard, &soft);
    if (req->flags & XEN_VCPUAFFINITY_HARD) {
        rc = control_cpumap_put(&req->cpumap_hard, &hard);
    }
    if (!rc && req->flags & XEN_VCPUAFFINITY_SOFT) {
        rc = control_cpumap_put(&req->cpumap_soft, &soft);
    }
    return rc;
}

/* Ends a SCHEDOP_pin_override that its guest has forgotten; which only v itself changes otherwise. */
static void pin_override_end(struct vcpu *caller, struct vcpu *v)
{
    bool pause = v != caller;

    if (pause) {
        vcpu_pause(v);
    }
    if (v->sched.pin_overridden && vcpu_pin_override(v, -1)) {
        log_debug("d%uv%u: its override stays", v->domain->id, v->id);
    }
    if (pause) {
        vcpu_unpause(v);
    }
}

/* Answers what the new affinity comes to on the CPUs that the domain may use. */
long domctl_setvcpuaffinity(struct vcpu *caller, struct domain *d, struct xen_domctl *op)
{
    const struct xen_domctl_vcpuaffinity *req = &op->u.vcpuaffinity;
    const cpumap_t *cpus = sched_domain_cpus(d);
    bool has_hard = req->flags & XEN_VCPUAFFINITY_HARD;
    bool has_soft = req->flags & XEN_VCPUAFFINITY_SOFT;
    cpumap_t hard, soft;
    struct vcpu *v;
    int rc = affinity_of(d, req, &v);

    if (rc) {
        return rc;
    }
    if (has_hard) {
        rc = control_cpumap_get(&hard, &req->cpumap_hard);
    }
    if (!rc && has_soft) {
        rc = control_cpumap_get(&soft, &req->cpumap_soft);
    }
    if (rc) {
        return rc;
    }
    if (req->flags & XEN_VCPUAFFINITY_FORCE) {
        pin_override_end(caller, v);
    }
    rc = vcpu_set_affinity(v, has_hard ? &hard : NULL, has_soft ? &soft : NULL);
    if (rc) {
        return rc;
    }
    vcpu_get_affinity(v, &hard, &soft);
    cpumap_and(&hard, &hard, cpus);
    cpumap_and(&soft, &soft, &hard);
    if (has_hard) {
        rc = control_cpumap_put(&req->cpumap_hard, &hard);
    }
    if (!rc && has_soft) {
        rc = control_cpumap_put(&req->cpumap_soft, &soft);
    }
    return rc;
}

/* No context (NULL): as before its first one. */
long domctl_setvcpucontext(struct vcpu *caller, struct domain *d, struct xen_domctl *op)
{
    const struct xen_domctl_vcpucontext *req = &op->u.vcpucontext;
    struct vcpu_guest_context *context = NULL;
    struct vcpu *v = domain_vcpu(d, req->vcpu);
    int rc = 0;

    if (d == caller->domain || !v) {
        return -EINVAL;
    }
    if (!guest_null(req->ctxt)) {
        context = object_alloc(sizeof(*context));
        if (!context) {
            return -ENOMEM;
        }
        rc = guest_read(context, req->ctxt);
    }
    if (!rc) {
        domain_pause(d);
        rc = context ? vcpu_arch_set_context(v, context) : vcpu_arch_reset(v);
        domain_unpause(d);
    }
    object_free(context);
    return rc;
}

/*
 * The context is of the architecture's own shape. The vCPU that asks cannot be stopped to be looked
 * at.
 */
long domctl_getvcpucontext(struct vcpu *caller, struct domain *d, struct xen_domctl *op)
{
    const struct xen_domctl_vcpucontext *req = &op->u.vcpucontext;
    struct vcpu_guest_context *context;
    struct vcpu *v = domain_vcpu(d, req->vcpu);
    int rc;

    if (!v || v == caller) {
        return -EINVAL;
    }
    if (!v->initialised) {
        return -ENODATA;
    }
    context = object_alloc(sizeof(*context));
    if (!context) {
        return -ENOMEM;
    }
    vcpu_pause(v);
    vcpu_arch_get_context(v, context);
    vcpu_unpause(v);
    rc = guest_write(req->ctxt, context);
    object_free(context);
    return rc;
}
