/* One vCPU's life: made down and without context, paused and let go, ended with its domain. */
#include <lodge/errno.h>
#include "core/domain.h"
#include "core/evtchn.h"
#include "core/guest_timer.h"
#include "core/log.h"
#include "core/object.h"
#include "core/vcpu_private.h"

struct vcpu_info vcpu_dummy_info = { .evtchn_upcall_mask = 1 };

void vcpu_destroy(struct vcpu *v)
{
    if (!v) {
        return;
    }
    vcpu_timers_fini(v);
    sched_vcpu_fini(v);
    evtchn_vcpu_fini(v);
    if (!v->is_idle) {
        vcpu_arch_fini(v);
    }
    object_free(v);
}

int vcpu_create(struct domain *d, unsigned int id, unsigned int cpu, struct vcpu **out)
{
    struct vcpu *v;
    int rc = 0;

    if (id >= d->max_vcpus || cpu >= NR_CPUS) {
        return -EINVAL;
    }
    v = object_alloc(sizeof(*v));
    if (!v) {
        return -ENOMEM;
    }
    v->domain = d;
    v->id = id;
    v->is_idle = d->is_idle;
    v->info = &vcpu_dummy_info;
    spin_init(&v->lock, RANK_VCPU);
    rc = sched_vcpu_init(v, cpu);
    if (rc) {
        object_free(v);
        return rc;
    }
    vcpu_runstate_init(v, arch_time_ns());
    if (!v->is_idle) {
        v->pause_flags = 1U << VCPU_DOWN;
        vcpu_timers_init(v);
        evtchn_vcpu_init(v);
        rc = vcpu_arch_init(v);
    }

    spin_lock(&d->lock);
    if (!rc && d->vcpus[id]) {
        rc = -EEXIST;
    }
    if (!rc && d->is_dying) {
        rc = -EINVAL;
    }
    if (!rc) {
        /* Complete before others can find it: pairs with the dependent loads in domain_vcpu(). */
        __atomic_store_n(&d->vcpus[id], v, __ATOMIC_RELEASE);
        *out = v;
    }
    spin_unlock(&d->lock);
    if (rc) {
        vcpu_destroy(v);
    }
    return rc;
}

void vcpu_pause_nosync(struct vcpu *v)
{
    __atomic_fetch_add(&v->pause_count, 1, __ATOMIC_SEQ_CST); /* before looking whether it runs */
    vcpu_sleep_nosync(v);
}

void vcpu_pause(struct vcpu *v)
{
    assert(v != current);
    __atomic_fetch_add(&v->pause_count, 1, __ATOMIC_SEQ_CST);
    vcpu_sleep_sync(v);
}

void vcpu_unpause(struct vcpu *v)
{
    uint32_t old = __atomic_fetch_sub(&v->pause_count, 1, __ATOMIC_SEQ_CST);

    assert(old > 0);
    if (old == 1) {
        vcpu_wake(v);
    }
}
