/*
 * Physical interrupts as event channels: which port a domain's pirq is bound to. The interrupt
 * itself (routing, masking, who may have it) is the architecture's, asked without any lock of ours:
 * the port stays EVTCHN_RESERVED meanwhile, so nobody else can bind or close it. Source:
 * public/event_channel.h, EVTCHNOP_bind_pirq.
 */
#include <lodge/errno.h>
#include "core/evtchn_private.h"
#include "core/object.h"

/*
 * The slot of a pirq, or NULL if its chunk was never made. Any context: chunks stay while the
 * domain lives.
 */
static uint32_t *pirq_slot(const struct domain *d, uint32_t pirq)
{
    uint32_t *chunk;

    if (pirq >= PIRQ_LIMIT || !d->evtchn_buckets) {
        return NULL;
    }
    pirq = (uint32_t)index_nospec(pirq, PIRQ_LIMIT);
    chunk = __atomic_load_n(&evtchn_table(d)->pirq_ports[pirq / PIRQS_PER_CHUNK], __ATOMIC_ACQUIRE);
    return chunk ? &chunk[pirq % PIRQS_PER_CHUNK] : NULL;
}

static uint32_t *pirq_slot_make(struct domain *d, uint32_t pirq)
{
    uint32_t **chunk = &evtchn_table(d)->pirq_ports[pirq / PIRQS_PER_CHUNK];

    assert_held(&d->evtchn_lock);
    if (!*chunk) {
        uint32_t *fresh = object_alloc_array(PIRQS_PER_CHUNK, sizeof(uint32_t));

        if (!fresh) {
            return NULL;
        }
        __atomic_store_n(chunk, fresh, __ATOMIC_RELEASE);
    }
    return &(*chunk)[pirq % PIRQS_PER_CHUNK];
}

evtchn_port_t pirq_port(const struct domain *d, uint32_t pirq)
{
    const uint32_t *slot = pirq_slot(d, pirq);

    return slot ? __atomic_load_n(slot, __ATOMIC_ACQUIRE) : EVTCHN_NO_PORT;
}

struct vcpu *pirq_vcpu(const struct domain *d, uint32_t pirq)
{
    evtchn_port_t port = pirq_port(d, pirq);

    return port != EVTCHN_NO_PORT ? evtchn_vcpu(d, evtchn_of(d, port)) : NULL;
}

bool pirq_unmasked(struct domain *d, uint32_t pirq)
{
    evtchn_port_t port;
    bool unmasked;

    spin_lock(&d->evtchn_lock);
    port = pirq_port(d, pirq);
    unmasked = port != EVTCHN_NO_PORT && !evtchn_is_masked(d, port);
    spin_unlock(&d->evtchn_lock);
    return unmasked;
}

void pirq_send(struct domain *d, uint32_t pirq)
{
    evtchn_port_t port = pirq_port(d, pirq);

    if (port != EVTCHN_NO_PORT) {
        evtchn_set_pending(d, port, evtchn_of(d, port));
    }
}

int pirq_bind(struct vcpu *caller, uint32_t pirq, uint32_t flags, evtchn_port_t *port)
{
    struct domain *d = caller->domain;
    uint32_t *slot;
    int rc;

    if (pirq >= PIRQ_LIMIT) {
        return -EINVAL;
    }
    pirq = (uint32_t)index_nospec(pirq, PIRQ_LIMIT);
    spin_lock(&d->evtchn_lock);
    slot = pirq_slot_make(d, pirq);
    rc = !slot ? -ENOMEM : *slot ? -EEXIST : evtchn_port_find(d, port);
    if (!rc) {
        evtchn_port_take(d, *port, EVTCHN_RESERVED, pirq, 0);
        __atomic_store_n(slot, *port, __ATOMIC_RELEASE);
    }
    spin_unlock(&d->evtchn_lock);
    if (rc) {
        return rc;
    }

    rc = pirq_arch_bind(caller, pirq, flags & BIND_PIRQ__WILL_SHARE, *port);

    spin_lock(&d->evtchn_lock);
    if (rc) {
        __atomic_store_n(slot, EVTCHN_NO_PORT, __ATOMIC_RELAXED);
        evtchn_port_release(d, *port);
    } else {
        __atomic_store_n(&evtchn_of(d, *port)->binding, EVTCHN_PIRQ, __ATOMIC_RELEASE);
    }
    spin_unlock(&d->evtchn_lock);
    return rc;
}

void pirq_unbind(struct domain *d, uint32_t pirq)
{
    pirq_arch_unbind(d, pirq);
    __atomic_store_n(pirq_slot(d, pirq), EVTCHN_NO_PORT, __ATOMIC_RELAXED);
}
