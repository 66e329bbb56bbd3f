/*
 * What the files of the event channel module share: the port itself, where ports are kept, and the
 * two ABIs by which a pending port is shown to the guest.
 *
 * Who may touch what
 *
 * Every change of what a port is bound to, and of the FIFO ABI's pages, is made under the domain's
 * evtchn_lock, an interdomain binding's under both domains'. It is never taken from an interrupt.
 *
 * Sending takes no such lock, because it is the hot path. It may run in any context, on any CPU:
 *   - Buckets are never moved or freed while the domain lives; nr_evtchns is published after them.
 *   - `binding` is read once. A port that leads to the sender's own domain (IPI, virtual or
 *     physical interrupt, loopback) needs no more: the domain cannot go away, `remote_port` only
 *     ever holds what was once a valid port, and the worst that a close at the same time can cause
 *     is one spurious event, which every guest must expect anyway.
 *   - A port that leads to another domain is first claimed: EVTCHN_INTERDOMAIN becomes
 *     EVTCHN_CLAIMED. Whoever severs the binding (a close on either side, the death of either
 *     domain) claims it too, so the other domain exists for as long as the sender holds the claim.
 *     It is held for a bounded number of instructions and never taken in an interrupt.
 */
#ifndef CORE_EVTCHN_PRIVATE_H
#define CORE_EVTCHN_PRIVATE_H

#include <lodge/range.h>
#include <lodge/shared.h>
#include "core/domain.h"
#include "core/evtchn.h"
#include "core/log.h"
#include "core/sched_op.h"

enum evtchn_binding {
    EVTCHN_FREE,
    EVTCHN_RESERVED, /* port 0, and a port that is bound or unbound outside the lock just now */
    EVTCHN_UNBOUND,
    EVTCHN_INTERDOMAIN,
    EVTCHN_PIRQ,
    EVTCHN_VIRQ,
    EVTCHN_IPI,
    EVTCHN_CLAIMED, /* EVTCHN_INTERDOMAIN, and somebody is just using or changing it */
};

struct evtchn {
    uint32_t binding;      /* enum evtchn_binding; atomic, see above */
    uint32_t remote_port;  /* EVTCHN_INTERDOMAIN; otherwise what it was last. Atomic */
    struct domain *remote; /* EVTCHN_INTERDOMAIN; atomic */
    uint32_t value;        /* UNBOUND: who may bind; PIRQ, VIRQ: its number */
    uint32_t last_queue;   /* FIFO: where it was linked last; under that vCPU's FIFO lock */
    uint16_t vcpu;         /* whom it notifies; atomic */
    uint8_t priority;      /* FIFO; atomic */
    bool pending;          /* FIFO: raised before its word existed; atomic */
    uint32_t unused;
};
BUILD_ASSERT(sizeof(struct evtchn) == 32);

#define EVTCHNS_PER_BUCKET 128U /* a bucket is a page */
#define EVTCHN_NO_PORT     0U   /* port 0 exists but is never handed out */

#define PIRQS_PER_CHUNK 64U
#define PIRQ_CHUNKS     32U
#define PIRQ_LIMIT      (PIRQS_PER_CHUNK * PIRQ_CHUNKS)

/*
 * What a domain keeps besides struct domain's own members; domain.evtchn_buckets points at the last
 * one.
 */
struct evtchn_table {
    uint32_t lowest_free;     /* no port below it is free */
    uint32_t reset_next;      /* where EVTCHNOP_reset goes on */
    struct evtchn_fifo *fifo; /* made at the first use, kept until the domain is freed */
    /* pirq -> port, 0 = unbound; chunks are made when needed, entries atomic */
    uint32_t *pirq_ports[PIRQ_CHUNKS];
    struct evtchn *buckets[];
};

static inline struct evtchn_table *evtchn_table(const struct domain *d)
{
    return container_of(d->evtchn_buckets, struct evtchn_table, buckets[0]);
}

/* The port, or NULL if the domain has none of this number. Any context, no lock. */
static ALWAYS_INLINE struct evtchn *evtchn_of(const struct domain *d, evtchn_port_t port)
{
    /* pairs with port_add_bucket() */
    uint32_t limit = __atomic_load_n(&d->nr_evtchns, __ATOMIC_ACQUIRE);

    if (unlikely(port >= limit)) {
        return NULL;
    }
    port = (evtchn_port_t)index_nospec(port, limit);
    return &d->evtchn_buckets[port / EVTCHNS_PER_BUCKET][port % EVTCHNS_PER_BUCKET];
}

static ALWAYS_INLINE uint32_t evtchn_binding(const struct evtchn *e)
{
    uint32_t binding = __atomic_load_n(&e->binding, __ATOMIC_ACQUIRE);

    return binding == EVTCHN_CLAIMED ? (uint32_t)EVTCHN_INTERDOMAIN : binding;
}

/* Is there something bound to it, so that the guest may mask, poll and so on? */
static inline bool evtchn_is_bound(const struct evtchn *e)
{
    return evtchn_binding(e) > EVTCHN_RESERVED;
}

/* The vCPU a port notifies. NULL: a domain still without its vCPU 0. */
static ALWAYS_INLINE struct vcpu *evtchn_vcpu(const struct domain *d, const struct evtchn *e)
{
    return d->vcpus[__atomic_load_n(&e->vcpu, __ATOMIC_RELAXED)];
}

/*
 * The two ABIs. set_pending: any context. The rest: evtchn_lock held, but evtchn_*_unmask and
 * _is_pending, which may also be called without. evtchn_fifo_* only while domain.fifo is not NULL,
 * or was when the caller looked: they look again.
 */
void evtchn_2l_set_pending(struct domain *d, evtchn_port_t port, struct vcpu *v);
void evtchn_2l_clear_pending(struct domain *d, evtchn_port_t port);
void evtchn_2l_unmask(struct domain *d, evtchn_port_t port, struct vcpu *v);
bool evtchn_2l_is_pending(const struct domain *d, evtchn_port_t port);
bool evtchn_2l_is_masked(const struct domain *d, evtchn_port_t port);

void evtchn_fifo_set_pending(struct domain *d, evtchn_port_t port, struct evtchn *e,
                             struct vcpu *v);
void evtchn_fifo_clear_pending(struct domain *d, evtchn_port_t port, struct evtchn *e);
void evtchn_fifo_unmask(struct domain *d, evtchn_port_t port, struct evtchn *e, struct vcpu *v);
bool evtchn_fifo_is_pending(struct domain *d, evtchn_port_t port, struct evtchn *e);
bool evtchn_fifo_is_masked(struct domain *d, evtchn_port_t port);
/* closed, but the guest has not taken it yet */
bool evtchn_fifo_is_linked(const struct domain *d, evtchn_port_t port);
/* EVTCHNOP_init_control, _expand_array. Errors as Xen: see evtchn_fifo.c. */
int evtchn_fifo_init_control(struct domain *d, struct vcpu *v, uint64_t gfn,
                             uint32_t offset) MUST_CHECK;
int evtchn_fifo_expand_array(struct domain *d, uint64_t gfn) MUST_CHECK;
/* back to 2-level: lets go of every guest page. evtchn_lock held */
void evtchn_fifo_disable(struct domain *d);

/* The ABI of the domain decides; see evtchn_send.c. */
void evtchn_set_pending(struct domain *d, evtchn_port_t port, struct evtchn *e);
bool evtchn_is_pending(struct domain *d, evtchn_port_t port, struct evtchn *e);
bool evtchn_is_masked(struct domain *d, evtchn_port_t port);
/*
 * A port became pending: does a vCPU of d sit in SCHEDOP_poll for it? The pending bit was set by a
 * locked instruction; a poller sets its bit here first and looks at the port then.
 */
static ALWAYS_INLINE void evtchn_wake_pollers(struct domain *d, evtchn_port_t port)
{
    unsigned int i = 0;

    do {
        if (unlikely(__atomic_load_n(&d->poll_mask[i], __ATOMIC_RELAXED))) {
            sched_poll_wake(d, port);
            return;
        }
    } while (unlikely(++i < BITMAP_WORDS(d->max_vcpus)));
}

/*
 * evtchn.c: ports. evtchn_lock held. port_find: number or -ENOSPC, -ENOMEM, -EINVAL (dying);
 * changes nothing to be undone.
 */
int evtchn_port_find(struct domain *d, evtchn_port_t *port) MUST_CHECK;
void evtchn_port_take(struct domain *d, evtchn_port_t port, uint32_t binding, uint32_t value,
                      unsigned int vcpu);
void evtchn_port_release(struct domain *d, evtchn_port_t port);
/*
 * Closes what is bound, in steps. 0; -ERESTART: call again; -EAGAIN: somebody bound more meanwhile.
 */
int evtchn_close_all(struct domain *d) MUST_CHECK;

static inline unsigned int evtchn_abi_limit(const struct domain *d)
{
    return d->fifo ? EVTCHN_FIFO_NR_CHANNELS : EVTCHN_2L_NR_CHANNELS;
}

/* virq.c */
bool virq_is_per_vcpu(uint32_t virq);
int virq_bind(struct domain *d, uint32_t virq, uint32_t vcpu, evtchn_port_t *port) MUST_CHECK;
void virq_unbind(struct domain *d, struct evtchn *e); /* evtchn_lock held */
/* pirq_port.c. Not under evtchn_lock: the architecture's half takes locks that rank above it. */
int pirq_bind(struct vcpu *caller, uint32_t pirq, uint32_t flags, evtchn_port_t *port) MUST_CHECK;
void pirq_unbind(struct domain *d, uint32_t pirq); /* the port is EVTCHN_RESERVED meanwhile */

#endif
