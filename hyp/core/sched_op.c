/* sched_op: a guest gives up its CPU, waits, or stops. Source: public/sched.h. */
#include "core/sched_op.h"

#include <lodge/errno.h>
#include <lodge/range.h>
#include <xen/sched.h>
#include "core/evtchn.h"
#include "core/guest.h"
#include "core/hypercall.h"
#include "core/log.h"
#include "core/privilege.h"
#include "core/trace.h"

#define POLL_MAX_PORTS 128

/* --- poll --- */

static bool poll_mask_clear(struct vcpu *v)
{
    uint64_t bit = 1ULL << (v->id % 64);

    return __atomic_fetch_and(&v->domain->poll_mask[v->id / 64], ~bit, __ATOMIC_SEQ_CST) & bit;
}

void sched_poll_wake(struct domain *d, evtchn_port_t port)
{
    unsigned int id;

    bitmap_for_each(id, d->poll_mask, d->max_vcpus) {
        struct vcpu *v = d->vcpus[id];
        int32_t polls = __atomic_load_n(&v->poll_evtchn, __ATOMIC_RELAXED);

        /* A list is looked through by the guest itself. Whoever clears the bit wakes. */
        if ((polls <= 0 || (evtchn_port_t)polls == port) && poll_mask_clear(v)) {
            __atomic_store_n(&v->poll_evtchn, 0, __ATOMIC_RELAXED);
            vcpu_unblock(v);
        }
    }
}

void sched_poll_expired(void *data)
{
    struct vcpu *v = data;

    if (poll_mask_clear(v)) {
        vcpu_unblock(v);
    }
}

static void poll_end(struct vcpu *v)
{
    __atomic_store_n(&v->poll_evtchn, 0, __ATOMIC_RELAXED);
    (void)poll_mask_clear(v);
    __atomic_fetch_and(&v->pause_flags, ~(1U << VCPU_BLOCKED), __ATOMIC_SEQ_CST);
}

/* Is there already what it would wait for? */
static bool poll_satisfied(struct vcpu *v, const evtchn_port_t *ports, unsigned int nr_ports)
{
    if (!(__atomic_load_n(&v->pause_flags, __ATOMIC_SEQ_CST) & 1U << VCPU_BLOCKED) ||
        vcpu_event_pending(v)) {
        return true;
    }
    for (unsigned int i = 0; i < nr_ports; i++) {
        if (evtchn_pending_unmasked_port(v->domain, ports[i])) {
            return true;
        }
    }
    return false;
}

static long op_poll(struct vcpu *v, void *arg)
{
    struct sched_poll *req = arg;
    evtchn_port_t ports[POLL_MAX_PORTS];
    unsigned int nr = req->nr_ports;
    int rc;

    if (nr > POLL_MAX_PORTS) {
        return -EINVAL;
    }
    rc = guest_copy_from(ports, guest_addr(req->ports, 0), nr * sizeof(ports[0]));
    if (rc) {
        return rc;
    }
    for (unsigned int i = 0; i < nr; i++) {
        if (!evtchn_port_valid(v->domain, ports[i])) {
            return -EINVAL;
        }
    }
    /*
     * First become wakeable, then look whether the event has come. The atomic operations are full
     * barriers and pair with the one that sets a port pending before sched_poll_wake() looks at the
     * mask.
     */
    __atomic_store_n(&v->poll_evtchn, nr == 1 ? (int32_t)ports[0] : -1, __ATOMIC_RELAXED);
    __atomic_fetch_or(&v->pause_flags, 1U << VCPU_BLOCKED, __ATOMIC_SEQ_CST);
    __atomic_fetch_or(&v->domain->poll_mask[v->id / 64], 1ULL << (v->id % 64), __ATOMIC_SEQ_CST);
    if (poll_satisfied(v, ports, nr)) {
        poll_end(v);
        return 0;
    }
    if (req->timeout) {
        timer_set(&v->poll_timer, req->timeout);
    } else {
        timer_stop(&v->poll_timer); /* of an earlier poll */
    }
    TRACE(TRC_SCHED_BLOCK, v->domain->id, v->id);
    softirq_raise(SOFTIRQ_SCHED);
    return 0;
}

/* --- shutdown --- */

static long op_shutdown(struct vcpu *v, void *arg)
{
    const struct sched_shutdown *req = arg;

    TRACE(TRC_SCHED_SHUTDOWN, v->domain->id, v->id, req->reason);
    domain_shutdown(v->domain, req->reason & 0xff);
    return 0;
}

static long op_shutdown_code(struct vcpu *v, void *arg)
{
    const struct sched_shutdown *req = arg;

    TRACE(TRC_SCHED_SHUTDOWN_CODE, v->domain->id, v->id, req->reason);
    (void)domain_latch_shutdown_code(v->domain, req->reason & 0xff);
    return 0;
}

static long op_remote_shutdown(struct vcpu *caller, void *arg)
{
    const struct sched_remote_shutdown *req = arg;
    struct domain *d = domain_get(req->domain_id);
    int rc;

    if (!d) {
        return -ESRCH;
    }
    rc = privilege_control(caller, d);
    if (!rc) {
        domain_shutdown(d, req->reason & 0xff);
    }
    domain_put(d);
    return rc;
}

/* --- watchdog --- */

static void watchdog_fired(void *data)
{
    struct domain *d = data;

    if (d->is_shutting_down || d->is_dying) {
        return;
    }
    log_err("domain %u: its watchdog was not fed", d->id);
    domain_shutdown(d, SHUTDOWN_watchdog);
}

void domain_watchdogs_init(struct domain *d)
{
    d->watchdog_map = 0;
    for (unsigned int i = 0; i < NR_WATCHDOGS; i++) {
        timer_init(&d->watchdogs[i], watchdog_fired, d, 0);
    }
}

void domain_watchdogs_fini(struct domain *d)
{
    for (unsigned int i = 0; i < NR_WATCHDOGS; i++) {
        timer_kill(&d->watchdogs[i]);
    }
}

/* Under the domain's lock. Returns the id of a new one, 0, or an error. */
static long watchdog_set(struct domain *d, uint32_t id, uint32_t timeout_s)
{
    uint64_t expires_ns = arch_time_ns() + timeout_s * NS_PER_S;
    unsigned int i;

    if (id > NR_WATCHDOGS) {
        return -EINVAL;
    }
    if (id == 0) {
        if (!timeout_s) {
            return -EINVAL;
        }
        for (i = 0; i < NR_WATCHDOGS && d->watchdog_map & 1U << i; i++) {
        }
        if (i == NR_WATCHDOGS) {
            return -ENOSPC;
        }
        d->watchdog_map |= 1U << i;
        timer_set(&d->watchdogs[i], expires_ns);
        return i + 1;
    }
    i = (unsigned int)index_nospec(id - 1, NR_WATCHDOGS);
    if (!(d->watchdog_map & 1U << i)) {
        return -EINVAL;
    }
    if (timeout_s) {
        timer_set(&d->watchdogs[i], expires_ns);
    } else {
        timer_stop(&d->watchdogs[i]);
        d->watchdog_map &= ~(1U << i);
    }
    return 0;
}

static long op_watchdog(struct vcpu *v, void *arg)
{
    const struct sched_watchdog *req = arg;
    struct domain *d = v->domain;
    long rc;

    spin_lock(&d->lock);
    rc = watchdog_set(d, req->id, req->timeout);
    spin_unlock(&d->lock);
    return rc;
}

/* --- the rest --- */

static long op_yield(struct vcpu *v, void *arg)
{
    (void)v;
    (void)arg;
    vcpu_yield();
    return 0;
}

static long op_block(struct vcpu *v, void *arg)
{
    (void)v;
    (void)arg;
    vcpu_block();
    return 0;
}

static long op_pin_override(struct vcpu *v, void *arg)
{
    const struct sched_pin_override *req = arg;
    int rc = privilege_machine(v);

    if (rc) {
        return rc;
    }
    return vcpu_pin_override(v, req->pcpu);
}

static const struct subop sched_ops[] = {
#define SUBOP(number, handler, type, direction) [number] = { handler, sizeof(type), direction },
#define SUBOP_BARE(number, handler)             [number] = { handler, 0, SILENT },
#include "ops/sched_op.def"
#undef SUBOP
#undef SUBOP_BARE
};

/* sched_op(int cmd, void *arg) */
long hypercall_sched_op(uint64_t cmd, uint64_t arg_gva, uint64_t a3, uint64_t a4, uint64_t a5)
{
    (void)a3;
    (void)a4;
    (void)a5;
    cmd = (uint32_t)cmd;
    if (cmd < ARRAY_SIZE(sched_ops)) {
        const struct subop *op = &sched_ops[index_nospec(cmd, ARRAY_SIZE(sched_ops))];

        if (op->fn && !op->size) {
            /* Nothing to copy: what the guest passes is not even an address. */
            return op->fn(current, NULL);
        }
    }
    return subop_dispatch(sched_ops, ARRAY_SIZE(sched_ops), cmd, arg_gva);
}

/* sched_op_compat(int cmd, unsigned long arg): before 3.0.2 the argument was the reason itself. */
long hypercall_sched_op_compat(uint64_t cmd, uint64_t arg, uint64_t a3, uint64_t a4, uint64_t a5)
{
    (void)a3;
    (void)a4;
    (void)a5;
    switch ((uint32_t)cmd) {
    case SCHEDOP_yield:
        vcpu_yield();
        return 0;
    case SCHEDOP_block:
        vcpu_block();
        return 0;
    case SCHEDOP_shutdown:
        domain_shutdown(current->domain, arg & 0xff);
        return 0;
    default:
        return -ENOSYS;
    }
}
