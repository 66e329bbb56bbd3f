/* evtchn.c: event channels with the two-level bitmaps: binding, delivery, status, refusals. */
#include "lib/guest.h"

#define UNMAPPED ((void *)0x7f0000000000)

static long bind_ipi(unsigned int vcpu, evtchn_port_t *port)
{
    struct evtchn_bind_ipi arg = { .vcpu = vcpu };
    long rc = xen_event_channel_op(EVTCHNOP_bind_ipi, &arg);

    *port = arg.port;
    return rc;
}

static long bind_virq(unsigned int virq, unsigned int vcpu, evtchn_port_t *port)
{
    struct evtchn_bind_virq arg = { .virq = virq, .vcpu = vcpu };
    long rc = xen_event_channel_op(EVTCHNOP_bind_virq, &arg);

    *port = arg.port;
    return rc;
}

static long alloc_unbound(domid_t dom, domid_t remote, evtchn_port_t *port)
{
    struct evtchn_alloc_unbound arg = { .dom = dom, .remote_dom = remote };
    long rc = xen_event_channel_op(EVTCHNOP_alloc_unbound, &arg);

    *port = arg.port;
    return rc;
}

static long bind_interdomain(domid_t remote, evtchn_port_t remote_port, evtchn_port_t *port)
{
    struct evtchn_bind_interdomain arg = { .remote_dom = remote, .remote_port = remote_port };
    long rc = xen_event_channel_op(EVTCHNOP_bind_interdomain, &arg);

    *port = arg.local_port;
    return rc;
}

/* send, close and unmask all take nothing but a port. */
static long port_op(int cmd, evtchn_port_t port)
{
    return xen_event_channel_op(cmd, &port);
}

static long bind_vcpu(evtchn_port_t port, unsigned int vcpu)
{
    struct evtchn_bind_vcpu arg = { .port = port, .vcpu = vcpu };

    return xen_event_channel_op(EVTCHNOP_bind_vcpu, &arg);
}

static void show_status(evtchn_port_t port, const char *name)
{
    struct evtchn_status s = { .dom = DOMID_SELF, .port = port };
    long rc = xen_event_channel_op(EVTCHNOP_status, &s);

    if (rc) {
        result(rc, "status-%s", name);
        return;
    }
    result_text("status-%s %u vcpu %u", name, s.status, s.vcpu);
    if (s.status == EVTCHNSTAT_virq) {
        result(s.u.virq, "status-%s-virq", name);
    } else if (s.status == EVTCHNSTAT_unbound) {
        result(s.u.unbound.dom, "status-%s-remote", name);
    } else if (s.status == EVTCHNSTAT_interdomain) {
        result_text("status-%s-remote %u", name, s.u.interdomain.dom);
    }
}

static void check_binding(void)
{
    evtchn_port_t a, b, c, port;

    check(bind_ipi(0, &a), 0, "bind-ipi");
    result(a, "first-port");
    check(bind_ipi(1, &b), 0, "bind-ipi-other-vcpu");
    result(b, "second-port");
    result(bind_ipi(2, &port), "bind-ipi-no-vcpu");
    result(bind_ipi(~0U, &port), "bind-ipi-vcpu-minus-1");
    show_status(a, "ipi");
    show_status(b, "ipi-1");

    check(bind_virq(VIRQ_TIMER, 0, &c), 0, "bind-timer");
    show_status(c, "timer");
    result(bind_virq(VIRQ_TIMER, 0, &port), "bind-timer-twice");
    result(bind_virq(VIRQ_TIMER, 2, &port), "bind-timer-no-vcpu");
    check(bind_virq(VIRQ_TIMER, 1, &port), 0, "bind-timer-other-vcpu");
    check(port_op(EVTCHNOP_close, port), 0, "close-timer-other-vcpu");
    result(bind_virq(VIRQ_CONSOLE, 1, &port), "bind-global-on-vcpu-1");
    check(bind_virq(VIRQ_CONSOLE, 0, &port), 0, "bind-global");
    show_status(port, "console");
    result(bind_vcpu(port, 1), "move-global");
    show_status(port, "console-moved");
    check(port_op(EVTCHNOP_close, port), 0, "close-global");
    result(bind_virq(NR_VIRQS, 0, &port), "bind-virq-24");
    result(bind_virq(5, 0, &port), "bind-virq-5");
    if (!bind_virq(5, 0, &port)) {
        port_op(EVTCHNOP_close, port);
    }
    result(bind_virq(~0U, 0, &port), "bind-virq-minus-1");
    result(bind_vcpu(c, 1), "move-timer");
    result(bind_vcpu(a, 1), "move-ipi");

    check(port_op(EVTCHNOP_close, b), 0, "close");
    show_status(b, "closed");
    result(port_op(EVTCHNOP_close, b), "close-twice");
    result(port_op(EVTCHNOP_send, b), "send-closed");
    check(bind_ipi(1, &port), 0, "bind-again");
    result(port == b, "port-used-again");
    port_op(EVTCHNOP_close, port);
    port_op(EVTCHNOP_close, a);
    port_op(EVTCHNOP_close, c);
}

static void check_interdomain(void)
{
    evtchn_port_t unbound, bound, port;

    check(alloc_unbound(DOMID_SELF, DOMID_SELF, &unbound), 0, "alloc-unbound");
    show_status(unbound, "unbound");
    result(port_op(EVTCHNOP_send, unbound), "send-unbound");
    check(bind_interdomain(DOMID_SELF, unbound, &bound), 0, "bind-interdomain");
    show_status(unbound, "interdomain");
    show_status(bound, "interdomain-other-end");
    result(bind_interdomain(DOMID_SELF, unbound, &port), "bind-interdomain-twice");
    result(bind_interdomain(DOMID_SELF, bound, &port), "bind-interdomain-bound-end");
    result(bind_interdomain(DOMID_SELF, 3000, &port), "bind-interdomain-no-port");
    result(bind_interdomain(DOMID_SELF, ~0U, &port), "bind-interdomain-port-minus-1");
    result(bind_interdomain(77, 1, &port), "bind-interdomain-no-domain");
    result(bind_interdomain(DOMID_XEN, 1, &port), "bind-interdomain-domid-xen");
    result(alloc_unbound(77, DOMID_SELF, &port), "alloc-unbound-no-domain");
    result(alloc_unbound(DOMID_SELF, 77, &port), "alloc-unbound-remote-absent");
    if (port) {
        show_status(port, "unbound-remote-absent");
        port_op(EVTCHNOP_close, port);
    }
    event_unmask(bound);
    check(port_op(EVTCHNOP_send, unbound), 0, "send-interdomain");
    check(event_pending(bound), true, "sent-to-other-end");
    check(event_pending(unbound), false, "not-to-this-end");
    event_clear(bound);
    check(port_op(EVTCHNOP_send, bound), 0, "send-back");
    check(event_pending(unbound), true, "arrived-at-this-end");
    event_clear(unbound);
    result(bind_vcpu(bound, 1), "move-interdomain");
    show_status(bound, "interdomain-moved");
    result(bind_vcpu(bound, 2), "move-to-no-vcpu");
    check(port_op(EVTCHNOP_close, bound), 0, "close-one-end");
    show_status(unbound, "other-end-of-closed");
    check(port_op(EVTCHNOP_close, unbound), 0, "close-other-end");
}

/* Delivery: pending and mask bits, the selector, the upcall, and when each is set. */
static void check_delivery(void)
{
    struct vcpu_info *info = vcpu_this()->info;
    evtchn_port_t port, other;
    unsigned int upcalls;

    guest_need(bind_ipi(0, &port));
    guest_need(bind_ipi(0, &other));
    event_count[port] = 0;
    event_count[other] = 0;
    info->evtchn_upcall_pending = 0;
    info->evtchn_pending_sel = 0;

    event_mask(port);
    check(port_op(EVTCHNOP_send, port), 0, "send-masked");
    check(event_pending(port), true, "masked-pending");
    check(info->evtchn_upcall_pending, 0, "masked-no-upcall");
    check(info->evtchn_pending_sel, 0, "masked-no-selector");
    event_unmask(port);
    check(info->evtchn_upcall_pending, 1, "unmask-raises-upcall");
    check(info->evtchn_pending_sel, 1UL << port / 64, "unmask-sets-selector");
    check(shared_info->evtchn_mask[0] >> port & 1, 0, "unmask-clears-mask-bit");

    upcalls = event_upcalls;
    upcalls_on();
    check(event_upcalls, upcalls + 1, "one-upcall");
    check(event_count[port], 1, "one-event");
    check(event_pending(port), false, "taken");

    check(port_op(EVTCHNOP_send, port), 0, "send-open");
    check(event_count[port], 2, "delivered-before-send-returns");
    check(info->evtchn_upcall_mask, 0, "upcall-restores-mask");

    upcalls_off();
    port_op(EVTCHNOP_send, port);
    port_op(EVTCHNOP_send, port);
    port_op(EVTCHNOP_send, other);
    check(event_count[port], 2, "held-back");
    check(info->evtchn_upcall_pending, 1, "upcall-waits");
    upcalls = event_upcalls;
    upcalls_on();
    check(event_count[port], 3, "two-sends-one-event");
    check(event_count[other], 1, "other-event-too");
    check(event_upcalls, upcalls + 1, "in-one-upcall");
    upcalls_off();

    /* Already pending: no new edge, so no new upcall. */
    port_op(EVTCHNOP_send, port);
    info->evtchn_upcall_pending = 0;
    info->evtchn_pending_sel = 0;
    port_op(EVTCHNOP_send, port);
    check(info->evtchn_upcall_pending, 0, "no-edge-no-upcall");
    event_clear(port);

    /* A spurious upcall: pending set by ourselves. */
    upcalls = event_upcalls;
    info->evtchn_upcall_pending = 1;
    upcalls_on();
    check(event_upcalls, upcalls + 1, "own-pending-raises-upcall");
    upcalls_off();
    port_op(EVTCHNOP_close, port);
    port_op(EVTCHNOP_close, other);
}

USER_PROBE(user_spin, "mov $200000000, %ecx; 1: dec %ecx; jnz 1b");

/* An event that finds us in user mode: a timer's, since nothing else can come then. */
static void check_delivery_to_user_mode(void)
{
    struct vcpu_set_singleshot_timer timer = { 0 };
    struct trap_report report;
    evtchn_port_t port;

    guest_need(bind_virq(VIRQ_TIMER, 0, &port));
    event_count[port] = 0;
    event_unmask(port);
    timer.timeout_abs_ns = clock_ns() + 20000000;
    guest_need(xen_vcpu_op(VCPUOP_set_singleshot_timer, 0, &timer));
    user_run(user_spin, 0, &report);
    check(report.vector, VECTOR_SYSCALL, "user-went-on-after-event");
    check(event_count[port] >= 1, true, "event-came-to-user");
    port_op(EVTCHNOP_close, port);
}

static void remote(void *arg)
{
    volatile unsigned int *stage = arg;

    upcalls_on();
    *stage = 1;
    while (*stage == 1) {
        __asm__ volatile("pause");
    }
}

static void check_other_vcpu(void)
{
    static volatile unsigned int stage;
    evtchn_port_t port;
    uint64_t end;

    guest_need(bind_ipi(1, &port));
    event_count[port] = 0;
    vcpu_start(1, remote, (void *)&stage);
    while (!stage) {
        (void)xen_sched_op(SCHEDOP_yield, NULL);
    }
    check(port_op(EVTCHNOP_send, port), 0, "send-other-vcpu");
    end = clock_ns() + 2000000000UL;
    while (!event_count[port] && clock_ns() < end) {
        (void)xen_sched_op(SCHEDOP_yield, NULL);
    }
    check(event_count[port], 1, "other-vcpu-got-it");
    stage = 2;
    vcpu_wait(1);
    port_op(EVTCHNOP_close, port);
}

static void check_refusals(void)
{
    struct evtchn_status status = { .dom = DOMID_SELF };
    struct evtchn_reset reset = { .dom = 77 };
    struct evtchn_bind_pirq pirq = { .pirq = 5000 };
    struct evtchn_set_priority priority = { .port = 1, .priority = 7 };
    evtchn_port_t port;
    unsigned int cmd;

    result(port_op(EVTCHNOP_send, 0), "send-port-0");
    result(port_op(EVTCHNOP_send, 4095), "send-last-port");
    result(port_op(EVTCHNOP_send, 4096), "send-beyond");
    result(port_op(EVTCHNOP_send, ~0U), "send-minus-1");
    result(port_op(EVTCHNOP_close, 0), "close-port-0");
    result(port_op(EVTCHNOP_close, ~0U), "close-minus-1");
    result(port_op(EVTCHNOP_unmask, 0), "unmask-port-0");
    result(port_op(EVTCHNOP_unmask, 4000), "unmask-never-bound");
    result(port_op(EVTCHNOP_unmask, ~0U), "unmask-minus-1");
    result(bind_vcpu(0, 0), "bind-vcpu-port-0");
    result(bind_vcpu(~0U, 0), "bind-vcpu-minus-1");
    show_status(0, "port-0");
    show_status(4095, "last-port");
    show_status(4096, "beyond");
    show_status(~0U, "minus-1");
    status.dom = 77;
    result(xen_event_channel_op(EVTCHNOP_status, &status), "status-no-domain");
    result(xen_event_channel_op(EVTCHNOP_reset, &reset), "reset-no-domain");
    result(xen_event_channel_op(EVTCHNOP_bind_pirq, &pirq), "bind-pirq-5000");
    result(xen_event_channel_op(EVTCHNOP_set_priority, &priority), "set-priority-two-level");
    for (cmd = 0; cmd <= 16; cmd++) {
        if (cmd == 14) {
            continue; /* the hypervisor's own, not part of the interface */
        }
        result(xen_event_channel_op(cmd, UNMAPPED), "command-%u-unmapped", cmd);
    }
    result(xen_event_channel_op(-1, &port), "command-minus-1");
    guest_need(bind_ipi(0, &port));
    reset.dom = DOMID_SELF;
    check(xen_event_channel_op(EVTCHNOP_reset, &reset), 0, "reset");
    show_status(port, "after-reset");
}

void guest_main(void)
{
    user_init();
    check_binding();
    check_interdomain();
    check_delivery();
    check_delivery_to_user_mode();
    check_other_vcpu();
    check_refusals();
}
