/* physdev.c: interrupts and ports of real devices, which belong to domain 0. A second serial port
 * is made to interrupt (the test gives the machine one), and its interrupt arrives as an event. */
#include "lib/guest.h"

#define UNMAPPED ((void *)0x7f0000000000)
#define COM2     0x2f8
#define COM2_GSI 3

PROBE(read_port, "mov (%rdi), %edx; xor %eax, %eax; in %dx, %al; mov %rax, (%rdi)");

static void outb(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "d"(port));
}

static uint8_t inb(uint16_t port)
{
    uint8_t value;

    __asm__ volatile("inb %1, %0" : "=a"(value) : "d"(port));
    return value;
}

static long set_iopl(uint32_t iopl)
{
    struct physdev_set_iopl arg = { .iopl = iopl };

    return xen_physdev_op(PHYSDEVOP_set_iopl, &arg);
}

static int read_com2(void)
{
    uint64_t port = COM2 + 7;
    struct trap_report report;

    return trap_try(read_port, &port, &report);
}

USER_PROBE(user_read_port, "mov %edi, %edx; xor %eax, %eax; in %dx, %al");
USER_PROBE(user_read_port_4, "mov %edi, %edx; in %dx, %eax");
USER_PROBE(user_write_ports, "mov %edi, %edx; mov $1, %ecx; mov %rsp, %rsi; sub $8, %rsi; rep outsb");

static int user_port(const uint8_t *probe, unsigned int port)
{
    struct trap_report report;

    return user_run(probe, port, &report);
}

/* The bitmap is the kernel's to give, and lies where only the kernel can read it. */
static void check_user_bitmap(void)
{
    static uint8_t bitmap[8192];
    struct physdev_set_iobitmap arg = { .nr_ports = 65536 };
    const unsigned int at = COM2 + 7;

    user_init();
    guest_need(set_iopl(1));
    check(user_port(user_read_port, at), VECTOR_GP, "user-port-refused");
    memset(bitmap, 0xff, sizeof(bitmap));
    bitmap[at / 8] = 0xff ^ 1U << at % 8;
    set_xen_guest_handle(arg.bitmap, bitmap);
    guest_need(xen_physdev_op(PHYSDEVOP_set_iobitmap, &arg));
    check(user_port(user_read_port, at), VECTOR_SYSCALL, "user-port-allowed");
    check(user_port(user_write_ports, at), VECTOR_SYSCALL, "user-port-string-allowed");
    check(user_port(user_read_port, at - 1), VECTOR_GP, "user-port-beside-refused");
    check(user_port(user_read_port_4, at - 3), VECTOR_GP, "user-wide-port-refused");
    bitmap[at / 8] = 0;
    check(user_port(user_read_port_4, at - 3), VECTOR_SYSCALL, "user-wide-port-allowed");
    check(user_port(user_read_port_4, at - 1), VECTOR_GP, "user-port-across-bytes-refused");
    bitmap[65535 / 8] = 0;
    check(user_port(user_read_port, 65535), VECTOR_SYSCALL, "user-last-port-allowed");
    check(user_port(user_read_port_4, 65533), VECTOR_GP, "user-beyond-last-port-refused");
    /* What the hypervisor keeps reads as all ones: allowed is not given. */
    bitmap[0x20 / 8] = 0;
    check(user_port(user_read_port, 0x20), VECTOR_SYSCALL, "user-kept-port-no-fault");
    arg.nr_ports = at;
    guest_need(xen_physdev_op(PHYSDEVOP_set_iobitmap, &arg));
    check(user_port(user_read_port, at), VECTOR_GP, "user-port-beyond-bitmap");
    guest_need(set_iopl(3));
    check(user_port(user_read_port, at), VECTOR_SYSCALL, "user-port-by-iopl-3");
    guest_need(set_iopl(1));
    result(set_iopl(4), "iopl-4");
}

static void check_port_bitmap(void)
{
    static uint8_t bitmap[8192];
    struct physdev_set_iobitmap arg = { .nr_ports = 65536 };

    guest_need(set_iopl(0));
    check(read_com2(), VECTOR_GP, "port-refused");
    memset(bitmap, 0xff, sizeof(bitmap));
    set_xen_guest_handle(arg.bitmap, bitmap);
    check(xen_physdev_op(PHYSDEVOP_set_iobitmap, &arg), 0, "bitmap");
    check(read_com2(), VECTOR_GP, "port-refused-by-bitmap");
    bitmap[(COM2 + 7) / 8] = 0;
    check(read_com2(), VECTOR_NONE, "port-allowed-by-bitmap");
    arg.nr_ports = COM2;
    check(xen_physdev_op(PHYSDEVOP_set_iobitmap, &arg), 0, "short-bitmap");
    check(read_com2(), VECTOR_GP, "port-beyond-short-bitmap");
    arg.nr_ports = 65537;
    result(xen_physdev_op(PHYSDEVOP_set_iobitmap, &arg), "bitmap-too-long");
    arg.nr_ports = 65536;
    set_xen_guest_handle(arg.bitmap, (uint8_t *)HYPERVISOR_VIRT_START);
    result(xen_physdev_op(PHYSDEVOP_set_iobitmap, &arg), "bitmap-in-hypervisor");
    set_xen_guest_handle(arg.bitmap, UNMAPPED);
    result(xen_physdev_op(PHYSDEVOP_set_iobitmap, &arg), "bitmap-unmapped");
    check(read_com2(), VECTOR_GP, "port-refused-by-unmapped-bitmap");
    arg.nr_ports = 0;
    guest_need(xen_physdev_op(PHYSDEVOP_set_iobitmap, &arg));
    guest_need(set_iopl(1));
}

static bool wait_event(evtchn_port_t port, unsigned int count)
{
    uint64_t end = clock_ns() + 1000000000UL;

    upcalls_on();
    while (event_count[port] < count && clock_ns() < end) {
        (void)xen_sched_op(SCHEDOP_yield, NULL);
    }
    upcalls_off();
    return event_count[port] >= count;
}

/* Interrupt controllers, the interval timer and the hypervisor's serial port: nothing is there for us. */
static void check_kept_ports(void)
{
    static const uint16_t kept[] = {
        0x20, 0x21, 0xa0, 0xa1, 0x40, 0x41, 0x43, 0x3f8, 0x3f9, 0x3ff, 0x608, 0x60b,
    };

    for (unsigned int i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
        result(inb(kept[i]), "kept-port-0x%x", kept[i]);
    }
    outb(0x21, 0); /* all of the old controllers' lines on, the timer stopped */
    outb(0xa1, 0);
    outb(0x43, 0x30);
    outb(0x3f9, 0);
    check(wait_event(0, 1), false, "kept-ports-harmless");
}

static long map_gsi(int gsi, int *pirq, domid_t domid)
{
    struct physdev_map_pirq arg = {
        .domid = domid, .type = MAP_PIRQ_TYPE_GSI, .index = gsi, .pirq = *pirq
    };
    long rc = xen_physdev_op(PHYSDEVOP_map_pirq, &arg);

    *pirq = arg.pirq;
    return rc;
}

static long bind_pirq(uint32_t pirq, evtchn_port_t *port)
{
    struct evtchn_bind_pirq arg = { .pirq = pirq };
    long rc = xen_event_channel_op(EVTCHNOP_bind_pirq, &arg);

    *port = arg.port;
    return rc;
}

static long eoi(uint32_t irq)
{
    struct physdev_eoi arg = { .irq = irq };

    return xen_physdev_op(PHYSDEVOP_eoi, &arg);
}

/* The transmitter is empty, so enabling its interrupt raises it at once; reading IIR lowers it. */
static void raise_interrupt(void)
{
    outb(COM2 + 1, 0);
    (void)inb(COM2 + 2);
    outb(COM2 + 1, 2);
}

static void check_interrupt(void)
{
    struct physdev_setup_gsi setup = { .gsi = COM2_GSI };
    struct physdev_irq_status_query status = { 0 };
    struct evtchn_status port_status = { .dom = DOMID_SELF };
    struct physdev_unmap_pirq unmap = { .domid = DOMID_SELF };
    evtchn_port_t port, second;
    int pirq = COM2_GSI;

    check(map_gsi(COM2_GSI, &pirq, DOMID_SELF), 0, "map-gsi");
    check(pirq, COM2_GSI, "pirq-as-asked");
    result(map_gsi(COM2_GSI, &pirq, DOMID_SELF), "map-gsi-again");
    result(xen_physdev_op(PHYSDEVOP_setup_gsi, &setup), "setup-gsi");
    check(bind_pirq(pirq, &port), 0, "bind-pirq");
    result(bind_pirq(pirq, &second), "bind-pirq-twice");
    port_status.port = port;
    check(xen_event_channel_op(EVTCHNOP_status, &port_status), 0, "port-status");
    check(port_status.status, EVTCHNSTAT_pirq, "port-is-pirq");
    check(port_status.u.pirq, pirq, "port-names-pirq");
    status.irq = pirq;
    check(xen_physdev_op(PHYSDEVOP_irq_status_query, &status), 0, "irq-status");
    result(status.flags, "irq-status-flags");

    event_unmask(port);
    (void)eoi(pirq);
    outb(COM2 + 4, 0x08); /* OUT2 lets the interrupt out */
    raise_interrupt();
    check(wait_event(port, 1), true, "interrupt-came");
    (void)inb(COM2 + 2);
    check(eoi(pirq), 0, "eoi");
    raise_interrupt();
    check(wait_event(port, 2), true, "interrupt-came-again");
    (void)inb(COM2 + 2);
    check(eoi(pirq), 0, "eoi-again");
    outb(COM2 + 1, 0);

    unmap.pirq = pirq;
    result(xen_physdev_op(PHYSDEVOP_unmap_pirq, &unmap), "unmap-while-bound");
    check(xen_event_channel_op(EVTCHNOP_close, &port), 0, "close-pirq-port");
    result(xen_physdev_op(PHYSDEVOP_unmap_pirq, &unmap), "unmap-after-close");
}

static void check_refusals(void)
{
    struct physdev_irq_status_query status = { .irq = 100000 };
    struct physdev_setup_gsi setup = { .gsi = 100000 };
    struct physdev_apic apic = { .apic_physbase = 0xfec00000, .reg = 1 };
    struct physdev_irq irq = { .irq = 100000 };
    struct physdev_unmap_pirq unmap = { .domid = DOMID_SELF, .pirq = 100000 };
    struct physdev_get_free_pirq get_free = { .type = 77 };
    evtchn_port_t port;
    unsigned int cmd;
    int pirq;

    pirq = -1;
    result(map_gsi(COM2_GSI, &pirq, 77), "map-no-domain");
    pirq = 4;
    result(map_gsi(100000, &pirq, DOMID_SELF), "map-gsi-100000");
    pirq = 4;
    result(map_gsi(-1, &pirq, DOMID_SELF), "map-gsi-minus-1");
    pirq = 100000;
    result(map_gsi(5, &pirq, DOMID_SELF), "map-to-pirq-100000");
    result(bind_pirq(11, &port), "bind-pirq-not-mapped");
    result(bind_pirq(100000, &port), "bind-pirq-100000");
    result(eoi(100000), "eoi-100000");
    result(eoi(11), "eoi-not-bound");
    result(xen_physdev_op(PHYSDEVOP_irq_status_query, &status), "status-100000");
    result(xen_physdev_op(PHYSDEVOP_setup_gsi, &setup), "setup-gsi-100000");
    result(xen_physdev_op(PHYSDEVOP_unmap_pirq, &unmap), "unmap-100000");
    result(xen_physdev_op(PHYSDEVOP_alloc_irq_vector, &irq), "alloc-vector-100000");
    result(xen_physdev_op(PHYSDEVOP_get_free_pirq, &get_free), "get-free-bad-type");
    check(xen_physdev_op(PHYSDEVOP_apic_read, &apic), 0, "io-apic-read");
    result(apic.value, "io-apic-version");
    apic.reg = 0x7000;
    result(xen_physdev_op(PHYSDEVOP_apic_read, &apic), "io-apic-read-far-register");
    apic.apic_physbase = 0x1000;
    result(xen_physdev_op(PHYSDEVOP_apic_read, &apic), "io-apic-absent");
    for (cmd = 4; cmd <= 32; cmd++) {
        result(xen_physdev_op(cmd, UNMAPPED), "command-%u-unmapped", cmd);
    }
}

void guest_main(void)
{
    check_port_bitmap();
    check_user_bitmap();
    check_kept_ports();
    check_interrupt();
    check_refusals();
}
