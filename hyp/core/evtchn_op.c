/*
 * HYPERVISOR_event_channel_op: ops/event_channel_op.def is the table, here is one handler for each
 * row. A handler finds out whom the request means and whether the caller may; the work is done
 * elsewhere.
 */
#include <lodge/errno.h>
#include "core/evtchn_private.h"
#include "core/guest.h"
#include "core/hypercall.h"

static long op_alloc_unbound(struct vcpu *caller, void *arg)
{
    struct evtchn_alloc_unbound *req = arg;
    struct domain *d = NULL;
    int rc;

    rc = domain_get_target(caller, req->dom, &d);
    if (!rc) {
        rc = evtchn_alloc_unbound(d, domid_resolve(caller, req->remote_dom), &req->port);
    }
    domain_put(d);
    return rc;
}

/* Needs no privilege: the other side has named who may bind. */
static long op_bind_interdomain(struct vcpu *caller, void *arg)
{
    struct evtchn_bind_interdomain *req = arg;
    struct domain *remote = domain_get(domid_resolve(caller, req->remote_dom));
    int rc = -ESRCH;

    if (remote) {
        rc = evtchn_bind_interdomain(caller->domain, remote, req->remote_port, &req->local_port);
    }
    domain_put(remote);
    return rc;
}

static long op_bind_virq(struct vcpu *caller, void *arg)
{
    struct evtchn_bind_virq *req = arg;

    return virq_bind(caller->domain, req->virq, req->vcpu, &req->port);
}

static long op_bind_ipi(struct vcpu *caller, void *arg)
{
    struct evtchn_bind_ipi *req = arg;
    struct domain *d = caller->domain;
    int rc;

    if (!domain_vcpu(d, req->vcpu)) {
        return -ENOENT;
    }
    spin_lock(&d->evtchn_lock);
    rc = evtchn_port_find(d, &req->port);
    if (!rc) {
        evtchn_port_take(d, req->port, EVTCHN_IPI, 0, req->vcpu);
    }
    spin_unlock(&d->evtchn_lock);
    return rc;
}

static long op_bind_pirq(struct vcpu *caller, void *arg)
{
    struct evtchn_bind_pirq *req = arg;

    return pirq_bind(caller, req->pirq, req->flags, &req->port);
}

static long op_close(struct vcpu *caller, void *arg)
{
    const struct evtchn_close *req = arg;

    return evtchn_close(caller->domain, req->port);
}

static long op_send(struct vcpu *caller, void *arg)
{
    const struct evtchn_send *req = arg;

    return evtchn_send(caller->domain, req->port);
}

static void status_of(const struct evtchn *e, struct evtchn_status *out)
{
    switch (evtchn_binding(e)) {
    case EVTCHN_UNBOUND:
        out->status = EVTCHNSTAT_unbound;
        out->u.unbound.dom = (domid_t)e->value;
        break;
    case EVTCHN_INTERDOMAIN:
        out->status = EVTCHNSTAT_interdomain;
        out->u.interdomain.dom = e->remote->id;
        out->u.interdomain.port = e->remote_port;
        break;
    case EVTCHN_PIRQ:
        out->status = EVTCHNSTAT_pirq;
        out->u.pirq = e->value;
        break;
    case EVTCHN_VIRQ:
        out->status = EVTCHNSTAT_virq;
        out->u.virq = e->value;
        break;
    case EVTCHN_IPI:
        out->status = EVTCHNSTAT_ipi;
        break;
    default:
        out->status = EVTCHNSTAT_closed;
        break;
    }
    out->vcpu = e->vcpu;
}

static long op_status(struct vcpu *caller, void *arg)
{
    struct evtchn_status *req = arg;
    struct domain *d = NULL;
    struct evtchn *e;
    int rc;

    rc = domain_get_target(caller, req->dom, &d);
    if (rc) {
        goto out;
    }
    e = evtchn_of(d, req->port);
    if (!e) {
        rc = -EINVAL;
        goto out;
    }
    spin_lock(&d->evtchn_lock);
    status_of(e, req);
    spin_unlock(&d->evtchn_lock);
out:
    domain_put(d);
    return rc;
}

/* IPIs and per-vCPU virtual interrupts stay where they were bound. */
static long op_bind_vcpu(struct vcpu *caller, void *arg)
{
    const struct evtchn_bind_vcpu *req = arg;
    struct domain *d = caller->domain;
    struct vcpu *v = domain_vcpu(d, req->vcpu);
    struct evtchn *e = evtchn_of(d, req->port);
    bool is_pirq = false, moved = false;
    uint32_t pirq = 0;
    int rc = 0;

    if (!v) {
        return -ENOENT;
    }
    if (!e) {
        return -EINVAL;
    }
    spin_lock(&d->evtchn_lock);
    switch (evtchn_binding(e)) {
    case EVTCHN_VIRQ:
        rc = virq_is_per_vcpu(e->value) ? -EINVAL : 0;
        break;
    case EVTCHN_PIRQ:
        is_pirq = true;
        pirq = e->value;
        break;
    case EVTCHN_UNBOUND:
    case EVTCHN_INTERDOMAIN:
        break;
    default:
        rc = -EINVAL;
        break;
    }
    if (!rc) {
        moved = e->vcpu != v->id;
        __atomic_store_n(&e->vcpu, (uint16_t)v->id, __ATOMIC_RELAXED);
    }
    spin_unlock(&d->evtchn_lock);
    if (is_pirq && moved) {
        pirq_arch_set_affinity(d, pirq, v);
    }
    return rc;
}

static long op_unmask(struct vcpu *caller, void *arg)
{
    const struct evtchn_unmask *req = arg;

    return evtchn_unmask(caller->domain, req->port);
}

/* Another domain must not run meanwhile: its vCPUs would bind again what is closed here. */
static long op_reset(struct vcpu *caller, void *arg)
{
    const struct evtchn_reset *req = arg;
    struct domain *d = NULL;
    int rc;

    rc = domain_get_target(caller, req->dom, &d);
    if (rc) {
        goto out;
    }
    if (d != caller->domain && !__atomic_load_n(&d->pause_count, __ATOMIC_ACQUIRE)) {
        rc = -EINVAL;
        goto out;
    }
    rc = evtchn_close_all(d);
    if (!rc) {
        spin_lock(&d->evtchn_lock);
        evtchn_fifo_disable(d);
        spin_unlock(&d->evtchn_lock);
    }
out:
    domain_put(d);
    return rc;
}

static long op_init_control(struct vcpu *caller, void *arg)
{
    struct evtchn_init_control *req = arg;
    struct vcpu *v = domain_vcpu(caller->domain, req->vcpu);

    req->link_bits = EVTCHN_FIFO_LINK_BITS;
    return v ? evtchn_fifo_init_control(caller->domain, v, req->control_gfn, req->offset) : -ENOENT;
}

static long op_expand_array(struct vcpu *caller, void *arg)
{
    const struct evtchn_expand_array *req = arg;

    return evtchn_fifo_expand_array(caller->domain, req->array_gfn);
}

/* Takes effect when the port is linked next. */
static long op_set_priority(struct vcpu *caller, void *arg)
{
    const struct evtchn_set_priority *req = arg;
    struct evtchn *e = evtchn_of(caller->domain, req->port);

    if (!e) {
        return -EINVAL;
    }
    if (!__atomic_load_n(&caller->domain->fifo, __ATOMIC_ACQUIRE)) {
        return -ENOSYS; /* the 2-level ABI has none */
    }
    if (req->priority > EVTCHN_FIFO_PRIORITY_MIN) {
        return -EINVAL;
    }
    __atomic_store_n(&e->priority, (uint8_t)req->priority, __ATOMIC_RELAXED);
    return 0;
}

#define SUBOP(number, handler, type, direction) [number] = { handler, sizeof(type), direction },
static const struct subop evtchn_ops[] = {
#include "ops/event_channel_op.def"
};
#undef SUBOP

static __attribute__((noinline)) long any_op(uint64_t cmd, uint64_t arg)
{
    long rc = subop_dispatch(evtchn_ops, ARRAY_SIZE(evtchn_ops), cmd, arg);

    if (rc == -ERESTART) { /* EVTCHNOP_reset keeps its own place */
        rc = hypercall_continue(2, ARGS(cmd, arg));
    }
    return rc;
}

long hypercall_event_channel_op(uint64_t cmd, uint64_t arg, uint64_t a3, uint64_t a4, uint64_t a5)
{
    struct evtchn_send send;
    int rc;

    (void)a3;
    (void)a4;
    (void)a5;
    if (unlikely(cmd != EVTCHNOP_send)) {
        return any_op(cmd, arg);
    }
    rc = guest_copy_from(&send, arg, sizeof(send)); /* as its row says, without the detour */
    return unlikely(rc) ? rc : evtchn_send(current->domain, send.port);
}
