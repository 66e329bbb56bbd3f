/* time.c: the clock, the timers, and the scheduler's operations on oneself. */
#include "lib/guest.h"

#define MS       1000000UL
#define UNMAPPED ((void *)0x7f0000000000)

static evtchn_port_t timer_port;

static void bind_timer(void)
{
    struct evtchn_bind_virq arg = { .virq = VIRQ_TIMER, .vcpu = 0 };

    guest_need(xen_event_channel_op(EVTCHNOP_bind_virq, &arg));
    timer_port = arg.port;
    event_unmask(timer_port);
}

static long singleshot(uint64_t deadline_ns, uint32_t flags)
{
    struct vcpu_set_singleshot_timer arg = { .timeout_abs_ns = deadline_ns, .flags = flags };

    return xen_vcpu_op(VCPUOP_set_singleshot_timer, 0, &arg);
}

/* Let events in until the timer has fired or the patience is over; how long it took, or 0. */
static uint64_t wait_timer(uint64_t patience_ns)
{
    uint64_t start = clock_ns(), now = start;

    upcalls_on();
    while (!event_count[timer_port] && (now = clock_ns()) - start < patience_ns) {
        __asm__ volatile("pause");
    }
    upcalls_off();
    now = clock_ns();
    return event_count[timer_port] ? now - start : 0;
}

static void check_clock(void)
{
    uint64_t last = clock_ns(), now, start = last, tsc = rdtsc();
    unsigned int i, backwards = 0;

    for (i = 0; i < 100000; i++) {
        now = clock_ns();
        backwards += now < last;
        last = now;
    }
    check(backwards, 0, "clock-never-backwards");
    check(last > start, true, "clock-moves");
    check(rdtsc() > tsc, true, "tsc-moves");
    check(shared_info->vcpu_info[0].time.version & 1, 0, "time-version-even");
    result(shared_info->vcpu_info[0].time.flags, "time-flags");
}

static void check_timers(void)
{
    uint64_t took;
    long rc;

    /* A periodic tick is on from the start; kernels stop it first, and see whether that works. */
    event_count[timer_port] = 0;
    check(wait_timer(100 * MS) != 0, true, "ticks-from-the-start");
    check(xen_vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL), 0, "stop-periodic");
    check(xen_vcpu_op(VCPUOP_stop_singleshot_timer, 0, NULL), 0, "stop-singleshot-unset");
    clock_wait(20 * MS);
    wait_timer(1);
    event_count[timer_port] = 0;
    check(wait_timer(50 * MS), 0, "no-ticks-when-stopped");

    check(singleshot(clock_ns() + 20 * MS, 0), 0, "singleshot");
    took = wait_timer(2000 * MS);
    check(took >= 19 * MS, true, "singleshot-not-early");
    check(took > 0, true, "singleshot-fired");
    event_count[timer_port] = 0;
    check(wait_timer(50 * MS), 0, "singleshot-only-once");

    check(singleshot(1, 0), 0, "singleshot-past");
    check(wait_timer(1000 * MS) > 0, true, "singleshot-past-fired");
    event_count[timer_port] = 0;
    rc = singleshot(1, VCPU_SSHOTTMR_future);
    result(rc, "singleshot-past-but-future-wanted");
    wait_timer(20 * MS);
    event_count[timer_port] = 0;
    result(singleshot(clock_ns() + 10 * MS, 0xfffffffe), "singleshot-unknown-flags");
    wait_timer(30 * MS);
    event_count[timer_port] = 0;

    check(singleshot(clock_ns() + 30 * MS, 0), 0, "singleshot-to-stop");
    check(xen_vcpu_op(VCPUOP_stop_singleshot_timer, 0, NULL), 0, "stop-singleshot");
    check(wait_timer(80 * MS), 0, "stopped-stays-quiet");
    check(singleshot(1UL << 62, 0), 0, "singleshot-far");
    check(wait_timer(30 * MS), 0, "far-stays-quiet");
    /* Times are signed: this one has long passed. */
    check(singleshot(~0UL, 0), 0, "singleshot-minus-1");
    check(wait_timer(1000 * MS) > 0, true, "singleshot-minus-1-fired");
    event_count[timer_port] = 0;

    check(xen_set_timer_op(clock_ns() + 20 * MS), 0, "timer-op");
    check(wait_timer(2000 * MS) >= 19 * MS, true, "timer-op-fired");
    event_count[timer_port] = 0;
    result(xen_set_timer_op(1), "timer-op-past");
    check(wait_timer(2000 * MS) > 0, true, "timer-op-past-fired");
    event_count[timer_port] = 0;
    check(xen_set_timer_op(clock_ns() + 30 * MS), 0, "timer-op-to-stop");
    check(xen_set_timer_op(0), 0, "timer-op-0-stops");
    check(wait_timer(80 * MS), 0, "timer-op-stopped");
}

static long periodic(uint64_t period_ns)
{
    struct vcpu_set_periodic_timer arg = { .period_ns = period_ns };

    return xen_vcpu_op(VCPUOP_set_periodic_timer, 0, &arg);
}

static void check_periodic(void)
{
    event_count[timer_port] = 0;
    check(periodic(10 * MS), 0, "periodic");
    upcalls_on();
    clock_wait(200 * MS);
    upcalls_off();
    check(event_count[timer_port] >= 5 && event_count[timer_port] <= 25, true, "periodic-rate");
    result(periodic(1000), "periodic-too-fast");
    result(periodic(0), "periodic-0");
    result(periodic(~0UL), "periodic-minus-1");
    check(xen_vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL), 0, "periodic-stop");
    clock_wait(MS);
    wait_timer(1);
    event_count[timer_port] = 0;
}

static void check_block(void)
{
    uint64_t start = clock_ns();

    guest_need(singleshot(start + 30 * MS, 0));
    check(xen_sched_op(SCHEDOP_block, NULL), 0, "block");
    check(clock_ns() - start >= 29 * MS, true, "block-waited");
    check(event_count[timer_port], 1, "block-delivers-on-return");
    check(vcpu_this()->info->evtchn_upcall_mask, 0, "block-unmasks");
    upcalls_off();
    event_count[timer_port] = 0;
    vcpu_this()->info->evtchn_upcall_pending = 1;
    start = clock_ns();
    check(xen_sched_op(SCHEDOP_block, NULL), 0, "block-with-event-pending");
    check(clock_ns() - start < 1000 * MS, true, "block-did-not-wait");
    upcalls_off();
    check(xen_sched_op(SCHEDOP_yield, NULL), 0, "yield");
}

static long poll(evtchn_port_t *ports, unsigned int nr, uint64_t timeout_ns)
{
    struct sched_poll arg = { .nr_ports = nr, .timeout = timeout_ns };

    set_xen_guest_handle(arg.ports, ports);
    return xen_sched_op(SCHEDOP_poll, &arg);
}

static void check_poll(void)
{
    struct evtchn_bind_ipi ipi = { .vcpu = 0 };
    evtchn_port_t ports[2];
    uint64_t start;

    guest_need(xen_event_channel_op(EVTCHNOP_bind_ipi, &ipi));
    ports[0] = ipi.port;
    ports[1] = timer_port;
    start = clock_ns();
    check(poll(ports, 1, start + 20 * MS), 0, "poll-timeout");
    check(clock_ns() - start >= 19 * MS, true, "poll-timeout-waited");
    guest_need(xen_event_channel_op(EVTCHNOP_send, &ports[0]));
    start = clock_ns();
    check(poll(ports, 1, start + 5000 * MS), 0, "poll-pending");
    check(clock_ns() - start < 2000 * MS, true, "poll-pending-at-once");
    check(event_pending(ports[0]), true, "poll-leaves-pending");
    event_clear(ports[0]);
    guest_need(singleshot(clock_ns() + 20 * MS, 0));
    start = clock_ns();
    check(poll(ports, 2, start + 5000 * MS), 0, "poll-event-comes");
    check(clock_ns() - start < 2000 * MS, true, "poll-event-ends-it");
    check(event_pending(timer_port), true, "poll-event-pending");
    event_clear(timer_port);
    start = clock_ns();
    check(poll(ports, 1, 1), 0, "poll-past");
    check(clock_ns() - start < 1000 * MS, true, "poll-past-at-once");
    result(poll(ports, 129, 1), "poll-129-ports");
    result(poll(ports, ~0U, 1), "poll-minus-1-ports");
    result(poll(UNMAPPED, 1, 1), "poll-ports-unmapped");
    ports[0] = 4096;
    result(poll(ports, 1, 1), "poll-port-beyond");
    ports[0] = 0;
    result(poll(ports, 1, 1), "poll-port-0");
    upcalls_on();
    result(poll(ports, 1, clock_ns() + MS), "poll-with-upcalls-on");
    upcalls_off();
    result(poll(ports, 0, clock_ns() + MS), "poll-no-ports");
    guest_need(xen_event_channel_op(EVTCHNOP_close, &ipi.port));
}

static void check_sched_op(void)
{
    struct sched_remote_shutdown remote = { .domain_id = 77, .reason = 0 };
    struct sched_watchdog watchdog = { .id = 0, .timeout = 1000 };
    struct sched_pin_override pin = { .pcpu = -1 };

    result(xen_sched_op(SCHEDOP_poll, UNMAPPED), "poll-unmapped");
    result(xen_sched_op(SCHEDOP_shutdown, UNMAPPED), "shutdown-unmapped");
    result(xen_sched_op(SCHEDOP_shutdown_code, UNMAPPED), "shutdown-code-unmapped");
    result(xen_sched_op(SCHEDOP_remote_shutdown, &remote), "remote-shutdown-no-domain");
    remote.domain_id = DOMID_SELF;
    result(xen_sched_op(SCHEDOP_remote_shutdown, &remote), "remote-shutdown-self");
    result(xen_sched_op(SCHEDOP_watchdog, &watchdog), "watchdog");
    watchdog.id = 1;
    result(xen_sched_op(SCHEDOP_watchdog, &watchdog), "watchdog-again");
    watchdog.timeout = 0;
    result(xen_sched_op(SCHEDOP_watchdog, &watchdog), "watchdog-off");
    watchdog.id = 3;
    result(xen_sched_op(SCHEDOP_watchdog, &watchdog), "watchdog-3-off");
    watchdog.id = 2;
    watchdog.timeout = 1000;
    result(xen_sched_op(SCHEDOP_watchdog, &watchdog), "watchdog-2");
    watchdog.timeout = 0;
    result(xen_sched_op(SCHEDOP_watchdog, &watchdog), "watchdog-2-off");
    watchdog.id = 99;
    result(xen_sched_op(SCHEDOP_watchdog, &watchdog), "watchdog-99");
    result(xen_sched_op(SCHEDOP_pin_override, &pin), "pin-override-none");
    pin.pcpu = 4000;
    result(xen_sched_op(SCHEDOP_pin_override, &pin), "pin-override-no-cpu");
    pin.pcpu = 0;
    result(xen_sched_op(SCHEDOP_pin_override, &pin), "pin-override-cpu-0");
    pin.pcpu = -1;
    result(xen_sched_op(SCHEDOP_pin_override, &pin), "pin-override-off");
    result(xen_sched_op(8, NULL), "sched-op-8");
    result(xen_sched_op(-1, NULL), "sched-op-minus-1");
    result(HYPERCALL2(__HYPERVISOR_sched_op_compat, 0, 0), "sched-op-compat-yield");
}

void guest_main(void)
{
    bind_timer();
    check_clock();
    check_timers();
    check_periodic();
    check_block();
    check_poll();
    check_sched_op();
}
