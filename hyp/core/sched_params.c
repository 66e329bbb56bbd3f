/* What the administrator may ask of the scheduler: affinity, weights and caps. */
#include <lodge/errno.h>
#include <lodge/string.h>
#include "core/sched_private.h"
#include "core/trace.h"

/* NULL: as before. -EINVAL: no active CPU in hard; unchanged. */
static int affinity_change(struct vcpu *v, const cpumap_t *hard, const cpumap_t *soft)
{
    unsigned long flags;
    struct sched_cpu *s = sched_lock(v, &flags);

    /* Under the lock: a CPU that leaves looks at each vCPU's affinity under it too. */
    if (hard && !sched_affinity_usable(hard)) {
        sched_unlock(s, flags);
        return -EINVAL;
    }
    if (hard) {
        v->sched.hard = *hard;
    }
    if (soft) {
        v->sched.soft = *soft;
    }
    sched_place_anew(s, v, flags);
    return 0;
}

int vcpu_set_affinity(struct vcpu *v, const cpumap_t *hard, const cpumap_t *soft)
{
    return v->sched.pin_overridden ? -EBUSY : affinity_change(v, hard, soft);
}

int vcpu_set_hard_affinity(struct vcpu *v, const cpumap_t *map)
{
    return vcpu_set_affinity(v, map, NULL);
}

int vcpu_set_soft_affinity(struct vcpu *v, const cpumap_t *map)
{
    return vcpu_set_affinity(v, NULL, map);
}

void vcpu_get_affinity(struct vcpu *v, cpumap_t *hard, cpumap_t *soft)
{
    unsigned long flags;
    struct sched_cpu *s = sched_lock(v, &flags);

    *hard = v->sched.hard;
    *soft = v->sched.soft;
    sched_unlock(s, flags);
}

const cpumap_t *sched_domain_cpus(const struct domain *d)
{
    (void)d;
    return &cpus_online;
}

int vcpu_pin_override(struct vcpu *v, int cpu)
{
    cpumap_t map = { { 0 } };
    int rc;

    /* Only v itself calls this, so nobody else changes these two fields. */
    if (cpu < 0) {
        if (!v->sched.pin_overridden) {
            return -EINVAL;
        }
        __atomic_store_n(&v->sched.pin_overridden, false, __ATOMIC_SEQ_CST);
        rc = affinity_change(v, &v->sched.saved_hard, NULL);
        if (rc) { /* its CPUs have all gone meanwhile */
            memset(&map, 0xff, sizeof(map));
            rc = affinity_change(v, &map, NULL);
        }
        return rc;
    }
    if (cpu >= (int)arch_nr_cpus()) {
        return -EINVAL;
    }
    if (v->sched.pin_overridden) {
        return -EBUSY;
    }
    cpumap_set(&map, (unsigned int)cpu);
    v->sched.saved_hard = v->sched.hard;
    /* First the flag: a CPU about to leave sees it, or this sees that the CPU is not active. */
    __atomic_store_n(&v->sched.pin_overridden, true, __ATOMIC_SEQ_CST);
    rc = affinity_change(v, &map, NULL);
    if (rc) {
        __atomic_store_n(&v->sched.pin_overridden, false, __ATOMIC_SEQ_CST);
    }
    return rc;
}

int vcpu_pinned_cpu(const struct vcpu *v)
{
    unsigned int cpu = cpumap_next(&v->sched.hard, 0);

    return cpumap_weight(&v->sched.hard) == 1 ? (int)cpu : -1;
}

int sched_set_params(struct domain *d, uint32_t weight, uint32_t cap_percent)
{
    struct vcpu *v;
    unsigned int i;

    if (weight == 0 || weight > SCHED_WEIGHT_MAX || cap_percent > d->max_vcpus * 100U) {
        return -EINVAL;
    }
    TRACE(TRC_SCHED_ADJDOM, d->id);
    spin_lock(&d->lock);
    d->sched.weight = weight;
    sched_cap_set(&d->sched.cap, cap_percent);
    domain_for_each_vcpu(d, v, i) {
        unsigned long flags;
        struct sched_cpu *s = sched_lock(v, &flags);
        bool running = v->sched.running;

        sched_queue_account(&s->q, arch_time_ns());
        sched_vcpu_set_weight(&s->q, &v->sched, weight);
        sched_unlock(s, flags);
        if (running) {
            sched_ask(s->q.cpu); /* a cap may have come or gone */
        }
    }
    spin_unlock(&d->lock);
    return 0;
}

void sched_get_params(const struct domain *d, uint32_t *weight, uint32_t *cap_percent)
{
    *weight = d->sched.weight;
    *cap_percent = d->sched.cap.percent;
}
