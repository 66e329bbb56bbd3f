/*
 * Sending an event: the hot path. No lock of a domain is taken; what stands in for it is told in
 * evtchn_private.h.
 */
#include <lodge/errno.h>
#include "core/evtchn_private.h"

void vcpu_kick(struct vcpu *v)
{
    /*
     * The byte that tells the vCPU why it is kicked was set by a locked instruction: a vCPU that
     * blocks or enters its guest after this look at it sees the byte (sched.c, vcpu_block; the
     * return path tests it with interrupts off).
     */
    if (__atomic_load_n(&v->pause_flags, __ATOMIC_SEQ_CST) & 1U << VCPU_BLOCKED) {
        vcpu_unblock(v);
    } else if (v != current && __atomic_load_n(&v->is_running, __ATOMIC_SEQ_CST)) {
        vcpu_arch_kick(v);
    }
}

void vcpu_mark_events_pending(struct vcpu *v)
{
    if (!__atomic_exchange_n(&v->info->evtchn_upcall_pending, 1, __ATOMIC_SEQ_CST)) {
        vcpu_kick(v);
    }
}

bool vcpu_event_pending(const struct vcpu *v)
{
    return v->info != &vcpu_dummy_info && shared_read(&v->info->evtchn_upcall_pending) &&
           !shared_read(&v->info->evtchn_upcall_mask);
}

void evtchn_set_pending(struct domain *d, evtchn_port_t port, struct evtchn *e)
{
    struct vcpu *v = evtchn_vcpu(d, e);

    if (unlikely(!v)) {
        return; /* under construction: nobody to tell, and nothing of it runs that could miss it */
    }
    if (__atomic_load_n(&d->fifo, __ATOMIC_ACQUIRE)) {
        evtchn_fifo_set_pending(d, port, e, v);
    } else {
        evtchn_2l_set_pending(d, port, v);
    }
}

bool evtchn_is_pending(struct domain *d, evtchn_port_t port, struct evtchn *e)
{
    return __atomic_load_n(&d->fifo, __ATOMIC_ACQUIRE) ? evtchn_fifo_is_pending(d, port, e)
                                                       : evtchn_2l_is_pending(d, port);
}

bool evtchn_is_masked(struct domain *d, evtchn_port_t port)
{
    assert_held(&d->evtchn_lock);
    return d->fifo ? evtchn_fifo_is_masked(d, port) : evtchn_2l_is_masked(d, port);
}

/* To another domain: it stays while the port is claimed. */
static int send_claimed(struct evtchn *e)
{
    uint32_t expected = EVTCHN_INTERDOMAIN;
    evtchn_port_t far_port;
    struct domain *far;

    while (!__atomic_compare_exchange_n(&e->binding, &expected, EVTCHN_CLAIMED, false,
                                        __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
        if (expected != EVTCHN_CLAIMED) {
            return expected == EVTCHN_UNBOUND ? 0 : -EINVAL; /* severed between our two looks */
        }
        expected = EVTCHN_INTERDOMAIN;
        arch_cpu_relax();
    }
    far = e->remote;
    far_port = e->remote_port;
    evtchn_set_pending(far, far_port, evtchn_of(far, far_port));
    __atomic_store_n(&e->binding, EVTCHN_INTERDOMAIN, __ATOMIC_RELEASE);
    return 0;
}

int evtchn_send(struct domain *d, evtchn_port_t port)
{
    struct evtchn *e = evtchn_of(d, port);
    uint32_t binding;

    if (unlikely(!e)) {
        return -EINVAL;
    }
    binding = evtchn_binding(e);
    if (binding == EVTCHN_INTERDOMAIN) {
        if (likely(__atomic_load_n(&e->remote, __ATOMIC_RELAXED) != d)) {
            return send_claimed(e);
        }
        port = __atomic_load_n(&e->remote_port, __ATOMIC_RELAXED);
        e = evtchn_of(d, port);
    } else if (unlikely(binding != EVTCHN_IPI)) {
        return binding == EVTCHN_UNBOUND ? 0 : -EINVAL; /* unbound: who binds it is told to look */
    }
    if (likely(e)) {
        evtchn_set_pending(d, port, e);
    }
    return 0;
}

int evtchn_unmask(struct domain *d, evtchn_port_t port)
{
    struct evtchn *e = evtchn_of(d, port);
    struct vcpu *v;
    uint32_t binding;

    if (!e) {
        return -EINVAL;
    }
    v = evtchn_vcpu(d, e);
    binding = evtchn_binding(e);
    if (binding <= EVTCHN_RESERVED || !v) {
        return 0;
    }
    if (__atomic_load_n(&d->fifo, __ATOMIC_ACQUIRE)) {
        evtchn_fifo_unmask(d, port, e, v);
    } else {
        evtchn_2l_unmask(d, port, v);
    }
    if (binding == EVTCHN_PIRQ) {
        pirq_arch_unmasked(d, __atomic_load_n(&e->value, __ATOMIC_RELAXED));
    }
    return 0;
}

bool evtchn_pending_unmasked_port(struct domain *d, evtchn_port_t port)
{
    struct evtchn *e = evtchn_of(d, port);

    return e && evtchn_is_bound(e) && evtchn_is_pending(d, port, e);
}
