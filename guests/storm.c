/* storm.c: a device that interrupts without pause, one whose interrupt nobody serves, and lines that
 * a guest gets wrong. The test gives the machine QEMU's "edu" device, and a low limit. */
#include "lib/guest.h"
#include "lib/pci.h"

#define EDU_VENDOR      0x1234
#define EDU_DEVICE      0x11e8
#define EDU_STATUS      0x24
#define EDU_RAISE       0x60
#define EDU_ACKNOWLEDGE 0x64

static pci_bdf_t edu;
static uint8_t *regs;
static int gsi;

static long map_gsi(int index, int *pirq)
{
    struct physdev_map_pirq arg = {
        .domid = DOMID_SELF, .type = MAP_PIRQ_TYPE_GSI, .index = index, .pirq = *pirq
    };
    long rc = xen_physdev_op(PHYSDEVOP_map_pirq, &arg);

    *pirq = arg.pirq;
    return rc;
}

static long map_msi(int *pirq)
{
    struct physdev_pci_device_add device = { .devfn = edu };
    struct physdev_map_pirq arg = {
        .domid = DOMID_SELF, .type = MAP_PIRQ_TYPE_MSI_SEG, .index = -1, .pirq = -1, .devfn = edu
    };

    guest_need(xen_physdev_op(PHYSDEVOP_pci_device_add, &device));
    guest_need(xen_physdev_op(PHYSDEVOP_map_pirq, &arg));
    *pirq = arg.pirq;
    return 0;
}

static long unmap(int pirq)
{
    struct physdev_unmap_pirq arg = { .domid = DOMID_SELF, .pirq = pirq };

    return xen_physdev_op(PHYSDEVOP_unmap_pirq, &arg);
}

static evtchn_port_t bind(int pirq)
{
    struct evtchn_bind_pirq arg = { .pirq = pirq };

    guest_need(xen_event_channel_op(EVTCHNOP_bind_pirq, &arg));
    event_count[arg.port] = 0;
    event_unmask(arg.port);
    return arg.port;
}

static void unbind(evtchn_port_t port)
{
    struct evtchn_close arg = { .port = port };

    guest_need(xen_event_channel_op(EVTCHNOP_close, &arg));
}

static long eoi(uint32_t pirq)
{
    struct physdev_eoi arg = { .irq = pirq };

    return xen_physdev_op(PHYSDEVOP_eoi, &arg);
}

static bool came(evtchn_port_t port, unsigned int count)
{
    uint64_t end = clock_ns() + 500000000UL;

    upcalls_on();
    while (event_count[port] < count && clock_ns() < end) {
        (void)xen_sched_op(SCHEDOP_yield, NULL);
    }
    upcalls_off();
    return event_count[port] >= count;
}

static void wait(void)
{
    upcalls_on();
    clock_wait(50000000);
    upcalls_off();
}

static void edu_raise(void)
{
    mmio_write(regs + EDU_RAISE, 1);
}

static void edu_acknowledge(void)
{
    mmio_write(regs + EDU_ACKNOWLEDGE, ~0U);
}

static void edu_messages(bool on)
{
    pci_write(edu, pci_capability(edu, PCI_CAP_MSI) + PCI_MSI_CONTROL, 2, on ? PCI_MSI_ENABLE : 0);
    pci_write(edu, PCI_COMMAND, 2,
              PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | (on ? PCI_COMMAND_NO_INTX : 0));
}

/* Messages as fast as a device can send them, which has no way to mask them. */
static void check_messages(void)
{
    evtchn_port_t port;
    unsigned int seen;
    int pirq;

    guest_need(map_msi(&pirq));
    port = bind(pirq);
    edu_messages(true);
    upcalls_on();
    for (unsigned int i = 0; i < 5000; i++) {
        edu_acknowledge();
        edu_raise();
    }
    upcalls_off();
    wait();
    seen = event_count[port];
    check(seen > 0, true, "messages-came");
    check(mmio_read(regs + EDU_STATUS), 1, "last-message-waits");
    edu_acknowledge();
    edu_raise();
    check(came(port, seen + 1), true, "message-after-the-storm");
    edu_acknowledge();
    unbind(port);
    guest_need(unmap(pirq));
    edu_messages(false);
}

/* A line that stays up: answered, but never served. */
static void check_level(void)
{
    struct physdev_setup_gsi setup = { .gsi = gsi, .triggering = 1, .polarity = 0 };
    evtchn_port_t port;
    unsigned int seen;
    uint64_t end;
    int pirq = gsi;

    (void)xen_physdev_op(PHYSDEVOP_setup_gsi, &setup);
    check(map_gsi(gsi, &pirq), 0, "level-map");
    port = bind(pirq);
    edu_raise();
    check(came(port, 1), true, "level-came");
    wait();
    check(event_count[port], 1, "unanswered-level-came-once");
    check(eoi(pirq), 0, "level-eoi");
    check(came(port, 2), true, "level-still-up");

    end = clock_ns() + 200000000;
    seen = event_count[port];
    upcalls_on();
    while (clock_ns() < end) {
        (void)eoi(pirq);
    }
    upcalls_off();
    check(event_count[port] > seen, true, "level-again-and-again");
    edu_acknowledge();
    (void)eoi(pirq);
    wait();
    (void)eoi(pirq);
    wait();
    seen = event_count[port];
    edu_raise();
    check(came(port, seen + 1), true, "level-after-the-storm");
    edu_acknowledge();
    (void)eoi(pirq);

    /* Nobody listens any more, and the line goes up. */
    unbind(port);
    edu_raise();
    clock_wait(20000000);
    port = bind(pirq);
    check(came(port, 1), true, "level-raised-before-bound");
    edu_acknowledge();
    /* The port closes while an answer is due. */
    unbind(port);
    port = bind(pirq);
    edu_raise();
    check(came(port, 1), true, "level-closed-without-answer");
    edu_acknowledge();
    check(eoi(pirq), 0, "level-last-eoi");
    unbind(port);
    result(unmap(pirq), "level-unmap");
}

/* The device's line, taken for one that it is not. */
static void check_wrong_line(void)
{
    evtchn_port_t port;
    int pirq = gsi == 10 ? 5 : 10;

    result(map_gsi(pirq, &pirq), "wrong-line-map");
    port = bind(pirq);
    edu_raise();
    wait();
    check(event_count[port], 0, "wrong-line-silent");
    edu_acknowledge();
    unbind(port);
    result(unmap(pirq), "wrong-line-unmap");
}

void guest_main(void)
{
    io_allow();
    edu = pci_find(EDU_VENDOR, EDU_DEVICE);
    if (edu == PCI_NOWHERE) {
        guest_fail("no edu");
    }
    gsi = pci_read(edu, PCI_INTERRUPT_LINE, 1);
    guest_need(mmio_map(0, pci_bar(edu, 0), MMIO_DATA));
    regs = mmio_at(0);
    edu_acknowledge();
    edu_messages(false);
    check_messages();
    check_level();
    check_wrong_line();
}
