/*
 * Virtual interrupts: what the hypervisor itself has to tell a domain. Per-vCPU ones (timer, debug)
 * are bound once on each vCPU, global ones once in the domain, through vCPU 0's slot. Source:
 * public/xen.h, "Virtual interrupts".
 */
#include <lodge/errno.h>
#include "core/evtchn_private.h"
#include "core/log.h"

bool virq_is_per_vcpu(uint32_t virq)
{
    return virq == VIRQ_TIMER || virq == VIRQ_DEBUG || virq == VIRQ_XENOPROF || virq == VIRQ_XENPMU;
}

static struct vcpu *virq_slot_owner(struct domain *d, uint32_t virq, unsigned int vcpu)
{
    return d->vcpus[virq_is_per_vcpu(virq) ? vcpu : 0];
}

int virq_bind(struct domain *d, uint32_t virq, uint32_t vcpu, evtchn_port_t *port)
{
    struct vcpu *v;
    int rc;

    if (virq >= NR_VIRQS || (!virq_is_per_vcpu(virq) && vcpu != 0)) {
        return -EINVAL;
    }
    virq = (uint32_t)index_nospec(virq, NR_VIRQS);
    v = domain_vcpu(d, vcpu);
    if (!v) {
        return -ENOENT;
    }
    spin_lock(&d->evtchn_lock);
    if (v->virq_to_port[virq]) {
        rc = -EEXIST;
        goto out;
    }
    rc = evtchn_port_find(d, port);
    if (rc) {
        goto out;
    }
    evtchn_port_take(d, *port, EVTCHN_VIRQ, virq, vcpu);
    __atomic_store_n(&v->virq_to_port[virq], *port, __ATOMIC_RELEASE); /* pairs with send() */
out:
    spin_unlock(&d->evtchn_lock);
    return rc;
}

void virq_unbind(struct domain *d, struct evtchn *e)
{
    struct vcpu *v = virq_slot_owner(d, e->value, e->vcpu);

    assert_held(&d->evtchn_lock);
    __atomic_store_n(&v->virq_to_port[e->value], EVTCHN_NO_PORT, __ATOMIC_RELAXED);
}

static void send(struct vcpu *v, uint32_t virq)
{
    evtchn_port_t port = __atomic_load_n(&v->virq_to_port[virq], __ATOMIC_ACQUIRE);

    if (port != EVTCHN_NO_PORT) {
        evtchn_set_pending(v->domain, port, evtchn_of(v->domain, port));
    }
}

void virq_send_vcpu(struct vcpu *v, uint32_t virq)
{
    assert(virq_is_per_vcpu(virq));
    send(v, virq);
}

void virq_send_domain(struct domain *d, uint32_t virq)
{
    struct vcpu *v = d && d->vcpus ? d->vcpus[0] : NULL;

    assert(virq < NR_VIRQS && !virq_is_per_vcpu(virq));
    if (v) {
        send(v, virq);
    }
}

/*
 * Who gets a global one: domain 0, unless the tools named another. It is forgotten as it dies, while
 * it still has references.
 */
static struct domain *handlers[NR_VIRQS];
static struct spinlock handlers_lock = SPINLOCK_INIT(RANK_VIRQ);

static struct domain *handler_get(uint32_t virq)
{
    unsigned long flags = spin_lock_irqsave(&handlers_lock);
    struct domain *d = handlers[virq];

    if (d) {
        domain_get_ref(d);
    }
    spin_unlock_irqrestore(&handlers_lock, flags);
    return d;
}

void virq_send_global(uint32_t virq)
{
    struct domain *d = handler_get(virq);

    virq_send_domain(d ? d : dom0, virq);
    domain_put(d);
}

int virq_set_handler(struct domain *d, uint32_t virq)
{
    unsigned long flags;
    int rc = 0;

    if (virq >= NR_VIRQS || virq_is_per_vcpu(virq)) {
        return -EINVAL;
    }
    flags = spin_lock_irqsave(&handlers_lock);
    if (d->is_dying) { /* set before it is forgotten */
        rc = -EINVAL;
    } else {
        handlers[index_nospec(virq, NR_VIRQS)] = d;
    }
    spin_unlock_irqrestore(&handlers_lock, flags);
    return rc;
}

void virq_forget_handler(const struct domain *d)
{
    unsigned long flags = spin_lock_irqsave(&handlers_lock);

    for (uint32_t virq = 0; virq < NR_VIRQS; virq++) {
        if (handlers[virq] == d) {
            handlers[virq] = NULL;
        }
    }
    spin_unlock_irqrestore(&handlers_lock, flags);
}
