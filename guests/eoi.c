/* eoi.c: the page by which the hypervisor says which interrupts it wants answered
 * (PHYSDEVOP_pirq_eoi_gmfn). A domain registers it once: v=1 in the older way, by which an answer also
 * unmasks the port; v=2. The test gives the machine QEMU's "edu" device. */
#include "lib/guest.h"
#include "lib/pci.h"

#define EDU_VENDOR      0x1234
#define EDU_DEVICE      0x11e8
#define EDU_RAISE       0x60
#define EDU_ACKNOWLEDGE 0x64
#define EDGE_GSI        3 /* a serial port's */

static uint64_t *page;
static uint8_t *regs;

static long register_page(unsigned int version, uint64_t gmfn)
{
    struct physdev_pirq_eoi_gmfn arg = { .gmfn = gmfn };

    return xen_physdev_op(version == 1 ? PHYSDEVOP_pirq_eoi_gmfn_v1 : PHYSDEVOP_pirq_eoi_gmfn_v2,
                          &arg);
}

static bool wanted(unsigned int pirq)
{
    return READ_ONCE(page[pirq / 64]) >> pirq % 64 & 1;
}

static long map_gsi(int gsi)
{
    struct physdev_map_pirq arg = {
        .domid = DOMID_SELF, .type = MAP_PIRQ_TYPE_GSI, .index = gsi, .pirq = gsi
    };

    return xen_physdev_op(PHYSDEVOP_map_pirq, &arg);
}

static long map_msi(pci_bdf_t where, int *pirq)
{
    struct physdev_pci_device_add device = { .devfn = where };
    struct physdev_map_pirq arg = {
        .domid = DOMID_SELF, .type = MAP_PIRQ_TYPE_MSI_SEG, .index = -1, .pirq = -1, .devfn = where
    };
    long rc;

    guest_need(xen_physdev_op(PHYSDEVOP_pci_device_add, &device));
    rc = xen_physdev_op(PHYSDEVOP_map_pirq, &arg);
    *pirq = arg.pirq;
    return rc;
}

static evtchn_port_t bind(int pirq)
{
    struct evtchn_bind_pirq arg = { .pirq = pirq };

    guest_need(xen_event_channel_op(EVTCHNOP_bind_pirq, &arg));
    event_count[arg.port] = 0;
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

static bool is_masked(evtchn_port_t port)
{
    return READ_ONCE(shared_info->evtchn_mask[port / 64]) >> port % 64 & 1;
}

static bool came(evtchn_port_t port, unsigned int count)
{
    uint64_t end = clock_ns() + 5000000000UL;

    upcalls_on();
    while (event_count[port] < count && clock_ns() < end) {
        (void)xen_sched_op(SCHEDOP_yield, NULL);
    }
    upcalls_off();
    return event_count[port] >= count;
}

static void check_refused(unsigned int version)
{
    result(register_page(version, ~0UL), "no-such-frame");
    result(register_page(version, 0xfee00), "device-frame");
    result(register_page(version, va_to_mfn(pt_root())), "page-table");
    check(register_page(version, va_to_mfn(page)), 0, "registered");
    result(register_page(version, va_to_mfn(page_alloc())), "registered-again");
    result(register_page(3 - version, va_to_mfn(page_alloc())), "registered-the-other-way");
    result(mmuext(MMUEXT_PIN_L1_TABLE, va_to_mfn(page)), "made-a-page-table");
}

static void check_level(unsigned int version, int gsi)
{
    struct physdev_setup_gsi setup = { .gsi = gsi, .triggering = 1 };
    evtchn_port_t port;

    (void)xen_physdev_op(PHYSDEVOP_setup_gsi, &setup);
    check(map_gsi(gsi), 0, "level-map");
    port = bind(gsi);
    check(wanted(gsi), true, "level-answer-wanted");
    event_unmask(port);
    mmio_write(regs + EDU_RAISE, 1);
    check(came(port, 1), true, "level-came");
    event_mask(port);
    mmio_write(regs + EDU_ACKNOWLEDGE, ~0U);
    check(eoi(gsi), 0, "level-eoi");
    check(is_masked(port), version == 2, "level-masked-after-eoi");
    event_unmask(port);
    mmio_write(regs + EDU_RAISE, 1);
    check(came(port, 2), true, "level-came-again");
    mmio_write(regs + EDU_ACKNOWLEDGE, ~0U);
    (void)eoi(gsi);
    unbind(port);
    result(wanted(gsi), "level-wanted-when-unbound");
}

static void check_message(unsigned int version, pci_bdf_t edu)
{
    evtchn_port_t port;
    int pirq;

    check(map_msi(edu, &pirq), 0, "message-map");
    port = bind(pirq);
    /* Xen holds back messages that have no mask until they are answered; here they are not. */
    check(wanted(pirq), false, "unmaskable-message-answer-wanted");
    event_mask(port);
    result(eoi(pirq), "message-eoi");
    check(is_masked(port), version == 2, "message-masked-after-eoi");
    unbind(port);
}

void guest_main(void)
{
    unsigned int version = guest_option_is("v", "1") ? 1 : 2;
    evtchn_port_t port;
    pci_bdf_t edu;

    io_allow();
    edu = pci_find(EDU_VENDOR, EDU_DEVICE);
    if (edu == PCI_NOWHERE) {
        guest_fail("no edu");
    }
    guest_need(mmio_map(0, pci_bar(edu, 0), MMIO_DATA));
    regs = mmio_at(0);
    mmio_write(regs + EDU_ACKNOWLEDGE, ~0U);
    page = page_alloc();
    memset(page, 0xff, PAGE_SIZE);
    check_refused(version);
    check(map_gsi(EDGE_GSI), 0, "edge-map");
    port = bind(EDGE_GSI);
    check(wanted(EDGE_GSI), false, "edge-answer-wanted");
    unbind(port);
    check_level(version, pci_read(edu, PCI_INTERRUPT_LINE, 1));
    check_message(version, edu);
}
