/* pcpu.c: physical CPUs go off and come back under a guest that runs on all of them. */
#include "lib/guest.h"

#include <xen/platform.h>
#include <xen/sysctl.h>

#define MS     1000000UL
#define ROUNDS 20

static long platform_in(struct xen_platform_op *op, uint32_t cmd)
{
    op->cmd = cmd;
    op->interface_version = XENPF_INTERFACE_VERSION;
    return HYPERCALL1(__HYPERVISOR_platform_op, op);
}

static long offline(uint32_t cpu)
{
    struct xen_platform_op op = { .u.cpu_ol.cpuid = cpu };

    return platform_in(&op, XENPF_cpu_offline);
}

static long online(uint32_t cpu)
{
    struct xen_platform_op op = { .u.cpu_ol.cpuid = cpu };

    return platform_in(&op, XENPF_cpu_online);
}

static uint32_t flags_of(uint32_t cpu)
{
    struct xen_platform_op op = { .u.pcpu_info.xen_cpuid = cpu };

    guest_need(platform_in(&op, XENPF_get_cpuinfo));
    return op.u.pcpu_info.flags;
}

static long hotadd(uint32_t apic_id, uint32_t acpi_id, uint32_t pxm)
{
    struct xen_platform_op op = { .u.cpu_add = { apic_id, acpi_id, pxm } };

    return platform_in(&op, XENPF_cpu_hotadd);
}

static long hotplug(uint32_t cpu, uint32_t what)
{
    struct xen_sysctl op = { .cmd = XEN_SYSCTL_cpu_hotplug,
                             .interface_version = XEN_SYSCTL_INTERFACE_VERSION,
                             .u.cpu_hotplug = { cpu, what } };

    long rc;

    do { /* half of the work may be done, and the rest is to be asked for again */
        rc = HYPERCALL1(__HYPERVISOR_sysctl, &op);
    } while (rc == -XEN_EBUSY);
    return rc;
}

static evtchn_port_t bind_virq(uint32_t virq)
{
    struct evtchn_bind_virq arg = { .virq = virq, .vcpu = 0 };

    guest_need(xen_event_channel_op(EVTCHNOP_bind_virq, &arg));
    event_unmask(arg.port);
    return arg.port;
}

/* Lets events in until one has come to the port; false: it did not. */
static bool wait_event(evtchn_port_t port)
{
    uint64_t end = clock_ns() + 2000 * MS;
    bool came;

    upcalls_on();
    while (!event_count[port] && clock_ns() < end) {
        __asm__ volatile("pause");
    }
    upcalls_off();
    came = event_count[port] != 0;
    event_count[port] = 0;
    return came;
}

static void check_refusals(void)
{
    result(offline(0), "offline-first");
    result(offline(2), "offline-absent");
    result(offline(~0U), "offline-minus-1");
    result(online(0), "online-first");
    result(online(1), "online-when-online");
    result(online(2), "online-absent");
    result(online(~0U), "online-minus-1");
    result(hotadd(0, 0, 0), "hotadd-first");
    result(hotadd(1, 1, 0), "hotadd-second");
    result(hotadd(5, 1, 0), "hotadd-other-apic");
    result(hotadd(1, 5, 0), "hotadd-other-acpi");
    result(hotadd(1 << 20, 5, 0), "hotadd-apic-beyond");
    result(hotadd(5, 1 << 20, 0), "hotadd-acpi-beyond");
    result(hotadd(5, 5, 256), "hotadd-node-beyond");
    result(hotadd(5, 5, 0), "hotadd-no-place");
    check(flags_of(1), XEN_PCPU_FLAGS_ONLINE, "still-online");
}

static volatile uint64_t beats;
static volatile bool stop;

static void beat(void *arg)
{
    (void)arg;
    while (!stop) {
        beats++;
    }
}

static bool beats_on(void)
{
    uint64_t before = beats, end = clock_ns() + 2000 * MS;

    while (beats == before && clock_ns() < end) {
        (void)xen_sched_op(SCHEDOP_yield, NULL);
    }
    return beats != before;
}

static void check_rounds(evtchn_port_t state, evtchn_port_t timer)
{
    unsigned int wrong = 0, silent = 0, stopped = 0, lost = 0, i;
    uint64_t last = 0, backwards = 0;

    vcpu_start(1, beat, NULL);
    for (i = 0; i < ROUNDS; i++) {
        struct vcpu_set_singleshot_timer timeout = { .timeout_abs_ns = clock_ns() + 5 * MS };

        guest_need(xen_vcpu_op(VCPUOP_set_singleshot_timer, 0, &timeout));
        wrong += offline(1) != 0 || flags_of(1) != 0;
        silent += !wait_event(state);
        lost += !wait_event(timer);
        stopped += !beats_on();
        backwards += clock_ns() < last;
        wrong += online(1) != 0 || flags_of(1) != XEN_PCPU_FLAGS_ONLINE;
        silent += !wait_event(state);
        stopped += !beats_on();
        last = clock_ns();
    }
    stop = true;
    vcpu_wait(1);
    check(wrong, 0, "off-and-on");
    check(silent, 0, "each-is-told");
    check(lost, 0, "no-timer-is-lost");
    check(stopped, 0, "the-vcpu-goes-on");
    check(backwards, 0, "the-clock-goes-on");
    check(offline(1), 0, "offline");
    check(offline(1), 0, "offline-when-offline");
    check(online(1), 0, "online");
}

/* Both vCPUs want the same CPU to come and go. */
static void flip(void *arg)
{
    unsigned int i, *bad = arg;

    for (i = 0; i < ROUNDS; i++) {
        long rc = i % 2 ? online(1) : offline(1);

        /* The other may have been first. */
        *bad += rc != 0 && rc != -XEN_EEXIST && rc != -XEN_EBUSY;
    }
}

static void check_race(void)
{
    static unsigned int bad[2];

    vcpu_start(1, flip, &bad[1]);
    flip(&bad[0]);
    vcpu_wait(1);
    check(bad[0] + bad[1], 0, "two-at-it");
    check(online(1), 0, "online-after-race");
    check(flags_of(1), XEN_PCPU_FLAGS_ONLINE, "online-in-the-end");
}

static void check_pinned(void)
{
    struct sched_pin_override pin = { .pcpu = 1 };

    check(xen_sched_op(SCHEDOP_pin_override, &pin), 0, "pin");
    result(xen_sched_op(SCHEDOP_pin_override, &pin), "pin-twice");
    pin.pcpu = 2;
    result(xen_sched_op(SCHEDOP_pin_override, &pin), "pin-twice-absent");
    result(offline(1), "offline-pinned");
    check(flags_of(1), XEN_PCPU_FLAGS_ONLINE, "pinned-still-online");
    pin.pcpu = -1;
    check(xen_sched_op(SCHEDOP_pin_override, &pin), 0, "unpin");
    check(offline(1), 0, "offline-unpinned");
    pin.pcpu = 1;
    result(xen_sched_op(SCHEDOP_pin_override, &pin), "pin-to-offline");
    check(online(1), 0, "online-again");
}

static void check_sysctl(void)
{
    check(hotplug(1, XEN_SYSCTL_CPU_HOTPLUG_OFFLINE), 0, "sysctl-offline");
    check(flags_of(1), 0, "sysctl-offline-flags");
    result(hotplug(1, XEN_SYSCTL_CPU_HOTPLUG_OFFLINE), "sysctl-offline-when-offline");
    check(hotplug(1, XEN_SYSCTL_CPU_HOTPLUG_ONLINE), 0, "sysctl-online");
    result(hotplug(1, XEN_SYSCTL_CPU_HOTPLUG_ONLINE), "sysctl-online-when-online");
    result(hotplug(0, XEN_SYSCTL_CPU_HOTPLUG_OFFLINE), "sysctl-offline-first");
    result(hotplug(2, XEN_SYSCTL_CPU_HOTPLUG_OFFLINE), "sysctl-offline-absent");
    result(hotplug(2, XEN_SYSCTL_CPU_HOTPLUG_ONLINE), "sysctl-online-absent");
    result(hotplug(1, 4), "sysctl-unknown");
    result(hotplug(77, XEN_SYSCTL_CPU_HOTPLUG_SMT_DISABLE), "sysctl-smt-disable");
    result(flags_of(1), "sysctl-smt-disable-flags");
    result(hotplug(77, XEN_SYSCTL_CPU_HOTPLUG_SMT_ENABLE), "sysctl-smt-enable");
    check(flags_of(1), XEN_PCPU_FLAGS_ONLINE, "sysctl-smt-enable-flags");
}

void guest_main(void)
{
    evtchn_port_t state = bind_virq(VIRQ_PCPU_STATE), timer = bind_virq(VIRQ_TIMER);

    guest_need(xen_vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL));
    check_refusals();
    check_rounds(state, timer);
    check_race();
    check_pinned();
    check_sysctl();
}
