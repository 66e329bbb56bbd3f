/*
 * Event channels: a domain's ports and what they are bound to. How a pending port is shown to the
 * guest is evtchn_2l.c and evtchn_fifo.c, sending is evtchn_send.c, virtual and physical interrupts
 * are virq.c and pirq_port.c. Errors follow Xen's common/event_channel.c.
 */
#include "core/evtchn.h"

#include <lodge/errno.h>
#include <lodge/string.h>
#include "core/evtchn_private.h"
#include "core/log.h"
#include "core/object.h"
#include "core/softirq.h"

/*
 * A search for a free port passes at most so many closed ones that the guest still has linked; an
 * honest one has a few.
 */
#define MAX_LINGERING_PORTS 1024

static void lock_both(struct domain *a, struct domain *b)
{
    if (a == b) {
        spin_lock(&a->evtchn_lock);
    } else {
        spin_lock(a->id < b->id ? &a->evtchn_lock : &b->evtchn_lock);
        spin_lock(a->id < b->id ? &b->evtchn_lock : &a->evtchn_lock);
    }
}

static void unlock_both(struct domain *a, struct domain *b)
{
    spin_unlock(&a->evtchn_lock);
    if (a != b) {
        spin_unlock(&b->evtchn_lock);
    }
}

static int port_add_bucket(struct domain *d)
{
    uint32_t port = d->nr_evtchns;
    struct evtchn *bucket = object_alloc_array(EVTCHNS_PER_BUCKET, sizeof(struct evtchn));

    if (!bucket) {
        return -ENOMEM;
    }
    d->evtchn_buckets[port / EVTCHNS_PER_BUCKET] = bucket;
    /* Pairs with evtchn_of(): who sees the new limit sees the bucket. */
    __atomic_store_n(&d->nr_evtchns, port + EVTCHNS_PER_BUCKET, __ATOMIC_RELEASE);
    return 0;
}

int evtchn_port_find(struct domain *d, evtchn_port_t *port)
{
    struct evtchn_table *table = evtchn_table(d);
    uint32_t limit = evtchn_abi_limit(d);
    uint32_t first_lingering = 0;
    unsigned int lingering = 0;
    evtchn_port_t p;
    int rc;

    assert_held(&d->evtchn_lock);
    if (d->is_dying) {
        return -EINVAL;
    }
    for (p = table->lowest_free; p < limit && p <= d->max_evtchn_port; p++) {
        if (p >= d->nr_evtchns) {
            rc = port_add_bucket(d);
            if (rc) {
                return rc;
            }
        }
        if (evtchn_binding(evtchn_of(d, p)) != EVTCHN_FREE) {
            continue;
        }
        if (d->fifo && evtchn_fifo_is_linked(d, p)) {
            if (++lingering > MAX_LINGERING_PORTS) {
                break;
            }
            first_lingering = first_lingering ? first_lingering : p;
            continue;
        }
        table->lowest_free = first_lingering ? first_lingering : p;
        *port = p;
        return 0;
    }
    return -ENOSPC;
}

void evtchn_port_take(struct domain *d, evtchn_port_t port, uint32_t binding, uint32_t value,
                      unsigned int vcpu)
{
    struct evtchn *e = evtchn_of(d, port);

    assert_held(&d->evtchn_lock);
    e->value = value;
    __atomic_store_n(&e->vcpu, (uint16_t)vcpu, __ATOMIC_RELAXED);
    __atomic_store_n(&e->priority, EVTCHN_FIFO_PRIORITY_DEFAULT, __ATOMIC_RELAXED);
    d->nr_used_evtchns++;
    __atomic_store_n(&e->binding, binding, __ATOMIC_RELEASE);
}

void evtchn_port_release(struct domain *d, evtchn_port_t port)
{
    struct evtchn_table *table = evtchn_table(d);
    struct evtchn *e = evtchn_of(d, port);

    assert_held(&d->evtchn_lock);
    /* Whoever is bound to the number next must not start with our event. */
    if (d->fifo) {
        evtchn_fifo_clear_pending(d, port, e);
    } else {
        evtchn_2l_clear_pending(d, port);
    }
    __atomic_store_n(&e->vcpu, 0, __ATOMIC_RELAXED);
    d->nr_used_evtchns--;
    table->lowest_free = MIN(table->lowest_free, port);
    __atomic_store_n(&e->binding, EVTCHN_FREE, __ATOMIC_RELEASE);
}

/*
 * Waits until nobody sends through the port any more, and keeps it so until the binding is stored
 * anew.
 */
static void interdomain_claim(struct evtchn *e)
{
    uint32_t expected = EVTCHN_INTERDOMAIN;

    while (!__atomic_compare_exchange_n(&e->binding, &expected, EVTCHN_CLAIMED, false,
                                        __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
        expected = EVTCHN_INTERDOMAIN;
        arch_cpu_relax();
    }
}

/* Both locks held. The far port waits for us again, as Xen leaves it. */
static void interdomain_sever(struct domain *d, evtchn_port_t port, struct evtchn *e)
{
    struct domain *remote = e->remote;
    struct evtchn *far = evtchn_of(remote, e->remote_port);

    interdomain_claim(far);
    __atomic_store_n(&far->remote, NULL, __ATOMIC_RELAXED);
    far->value = d->id;
    __atomic_store_n(&far->binding, EVTCHN_UNBOUND, __ATOMIC_RELEASE);

    interdomain_claim(e);
    __atomic_store_n(&e->remote, NULL, __ATOMIC_RELAXED);
    evtchn_port_release(d, port);
}

/* Takes two domains' locks, the lower domid's first, and ours was let go for that. -EAGAIN: the port has changed. */
static int close_interdomain(struct domain *d, evtchn_port_t port, struct domain *remote)
{
    struct evtchn *e = evtchn_of(d, port);
    int rc = -EAGAIN;

    lock_both(d, remote);
    if (evtchn_binding(e) == EVTCHN_INTERDOMAIN && e->remote == remote) {
        interdomain_sever(d, port, e);
        rc = 0;
    }
    unlock_both(d, remote);
    return rc;
}

/*
 * A physical interrupt is taken from the hardware without our lock; the port can neither be closed
 * nor reused meanwhile.
 */
static void close_pirq(struct domain *d, evtchn_port_t port, uint32_t pirq)
{
    pirq_unbind(d, pirq);
    spin_lock(&d->evtchn_lock);
    evtchn_port_release(d, port);
    spin_unlock(&d->evtchn_lock);
}

/* -EAGAIN: another vCPU or the far end changed it meanwhile. */
static int close_port(struct domain *d, evtchn_port_t port)
{
    struct evtchn *e = evtchn_of(d, port);
    struct domain *remote;
    uint32_t pirq;
    int rc;

    if (!e) {
        return -EINVAL;
    }
    spin_lock(&d->evtchn_lock);
    switch (evtchn_binding(e)) {
    case EVTCHN_UNBOUND:
    case EVTCHN_IPI:
        evtchn_port_release(d, port);
        rc = 0;
        break;
    case EVTCHN_VIRQ:
        virq_unbind(d, e);
        evtchn_port_release(d, port);
        rc = 0;
        break;
    case EVTCHN_PIRQ:
        pirq = e->value;
        __atomic_store_n(&e->binding, EVTCHN_RESERVED, __ATOMIC_RELEASE);
        spin_unlock(&d->evtchn_lock);
        close_pirq(d, port, pirq);
        return 0;
    case EVTCHN_INTERDOMAIN:
        remote = e->remote;
        domain_get_ref(remote); /* it has not let go of its ports yet, so it still exists */
        spin_unlock(&d->evtchn_lock);
        rc = close_interdomain(d, port, remote);
        domain_put(remote);
        return rc;
    default:
        rc = -EINVAL;
        break;
    }
    spin_unlock(&d->evtchn_lock);
    return rc;
}

int evtchn_close(struct domain *d, evtchn_port_t port)
{
    int rc;

    do {
        rc = close_port(d, port); /* severed from the far end, it waits unbound, and is closed like that */
    } while (rc == -EAGAIN);
    return rc;
}

int evtchn_alloc_unbound(struct domain *d, domid_t remote, evtchn_port_t *port)
{
    int rc;

    spin_lock(&d->evtchn_lock);
    rc = evtchn_port_find(d, port);
    if (!rc) {
        evtchn_port_take(d, *port, EVTCHN_UNBOUND, remote, 0);
    }
    spin_unlock(&d->evtchn_lock);
    return rc;
}

/* Before its binding says so; a sender that still sees an older binding may look. */
static void port_connect(struct evtchn *e, struct domain *remote, evtchn_port_t remote_port)
{
    __atomic_store_n(&e->remote_port, remote_port, __ATOMIC_RELAXED);
    __atomic_store_n(&e->remote, remote, __ATOMIC_RELAXED);
}

int evtchn_bind_interdomain(struct domain *ld, struct domain *rd, evtchn_port_t remote_port,
                            evtchn_port_t *port)
{
    struct evtchn *near, *far = evtchn_of(rd, remote_port);
    int rc;

    lock_both(ld, rd);
    rc = evtchn_port_find(ld, port);
    if (rc) {
        goto out;
    }
    if (!far || evtchn_binding(far) != EVTCHN_UNBOUND || far->value != ld->id) {
        rc = -EINVAL;
        goto out;
    }
    near = evtchn_of(ld, *port);
    port_connect(near, rd, remote_port);
    evtchn_port_take(ld, *port, EVTCHN_INTERDOMAIN, 0, 0);
    port_connect(far, ld, *port);
    __atomic_store_n(&far->binding, EVTCHN_INTERDOMAIN, __ATOMIC_RELEASE);
    /* What the other side sent while its port was unbound went nowhere: let our side look. */
    evtchn_set_pending(ld, *port, near);
out:
    unlock_both(ld, rd);
    return rc;
}

bool evtchn_port_valid(struct domain *d, evtchn_port_t port)
{
    const struct evtchn *e = evtchn_of(d, port);

    return e && evtchn_is_bound(e);
}

int evtchn_init(struct domain *d, uint32_t max_port)
{
    uint32_t nr_ports = MIN(max_port, (uint32_t)EVTCHN_FIFO_NR_CHANNELS - 1) + 1;
    struct evtchn_table *table;
    int rc;

    spin_init(&d->evtchn_lock, RANK_EVTCHN);
    d->max_evtchn_port = max_port;
    d->nr_evtchns = 0;
    d->nr_used_evtchns = 0;
    table = object_alloc(sizeof(*table) +
                         DIV_ROUND_UP(nr_ports, EVTCHNS_PER_BUCKET) * sizeof(table->buckets[0]));
    if (!table) {
        return -ENOMEM;
    }
    table->lowest_free = 1;
    table->reset_next = 1;
    d->evtchn_buckets = table->buckets;
    rc = port_add_bucket(d);
    if (rc) {
        evtchn_destroy_final(d);
        return rc;
    }
    evtchn_of(d, 0)->binding = EVTCHN_RESERVED;
    return 0;
}

int evtchn_close_all(struct domain *d)
{
    struct evtchn_table *table = evtchn_table(d);
    evtchn_port_t port;

    for (port = table->reset_next; port < d->nr_evtchns && d->nr_used_evtchns; port++) {
        int rc = evtchn_close(d, port);

        (void)rc; /* -EINVAL: there was nothing */
        if (port % 64 == 0 && preempt_requested()) {
            table->reset_next = port + 1;
            return -ERESTART;
        }
    }
    table->reset_next = 1;
    return d->nr_used_evtchns ? -EAGAIN : 0;
}

int evtchn_relinquish(struct domain *d)
{
    return d->evtchn_buckets && evtchn_close_all(d) ? -ERESTART : 0;
}

void evtchn_destroy(struct domain *d)
{
    if (!d->evtchn_buckets) {
        return;
    }
    /* Who saw the domain alive under the lock has his port by now; nobody gets another one. */
    spin_lock(&d->evtchn_lock);
    spin_unlock(&d->evtchn_lock);

    for (evtchn_port_t port = 1; port < d->nr_evtchns && d->nr_used_evtchns; port++) {
        int rc = evtchn_close(d, port);

        (void)rc;
    }
    assert(d->nr_used_evtchns == 0);
    spin_lock(&d->evtchn_lock);
    evtchn_fifo_disable(d);
    spin_unlock(&d->evtchn_lock);
}

void evtchn_destroy_final(struct domain *d)
{
    struct evtchn_table *table;

    if (!d->evtchn_buckets) {
        return;
    }
    table = evtchn_table(d);
    for (uint32_t port = 0; port < d->nr_evtchns; port += EVTCHNS_PER_BUCKET) {
        object_free(d->evtchn_buckets[port / EVTCHNS_PER_BUCKET]);
    }
    for (unsigned int i = 0; i < PIRQ_CHUNKS; i++) {
        object_free(table->pirq_ports[i]);
    }
    object_free(table->fifo);
    object_free(table);
    d->evtchn_buckets = NULL;
    d->nr_evtchns = 0;
}
