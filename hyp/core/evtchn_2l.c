/*
 * The 2-level ABI: a pending and a mask bit for each port in shared_info, and in vcpu_info a
 * selector with one bit for each word of pending bits. Source: public/xen.h, struct shared_info.
 *
 * The guest clears the upcall byte, then takes the selector, then the pending bits; we set them in
 * the opposite order, each with a locked instruction (a full barrier), so that whoever looks late
 * is told again.
 */
#include "core/evtchn_private.h"

#define BITS_PER_WORD (sizeof(xen_ulong_t) * 8)

static ALWAYS_INLINE void raise(evtchn_port_t port, struct vcpu *v)
{
    if (!shared_test_and_set_bit(port / BITS_PER_WORD, &v->info->evtchn_pending_sel)) {
        vcpu_mark_events_pending(v);
    }
}

void evtchn_2l_set_pending(struct domain *d, evtchn_port_t port, struct vcpu *v)
{
    struct shared_info *shared = d->shared;

    /*
     * A port of the time before EVTCHNOP_reset took the FIFO ABI away may be beyond what the
     * bitmaps hold.
     */
    if (unlikely(port >= EVTCHN_2L_NR_CHANNELS)) {
        return;
    }
    if (shared_test_and_set_bit(port, shared->evtchn_pending)) {
        return;
    }
    if (!shared_test_bit(port, shared->evtchn_mask)) {
        raise(port, v);
    }
    evtchn_wake_pollers(d, port);
}

void evtchn_2l_clear_pending(struct domain *d, evtchn_port_t port)
{
    if (port < EVTCHN_2L_NR_CHANNELS) {
        (void)shared_test_and_clear_bit(port, d->shared->evtchn_pending);
    }
}

void evtchn_2l_unmask(struct domain *d, evtchn_port_t port, struct vcpu *v)
{
    if (port < EVTCHN_2L_NR_CHANNELS && shared_test_and_clear_bit(port, d->shared->evtchn_mask) &&
        shared_test_bit(port, d->shared->evtchn_pending)) {
        raise(port, v);
    }
}

bool evtchn_2l_is_pending(const struct domain *d, evtchn_port_t port)
{
    return port < EVTCHN_2L_NR_CHANNELS && shared_test_bit(port, d->shared->evtchn_pending);
}

bool evtchn_2l_is_masked(const struct domain *d, evtchn_port_t port)
{
    return port >= EVTCHN_2L_NR_CHANNELS || shared_test_bit(port, d->shared->evtchn_mask);
}
