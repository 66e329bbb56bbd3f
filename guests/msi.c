/* msi.c: message-signalled interrupts of real devices: asked for, refused, delivered, and kept out of
 * the guest's reach. The test gives the machine QEMU's "edu" device (MSI) and an e1000e (MSI-X). */
#include "lib/guest.h"
#include "lib/pci.h"

#define EDU_VENDOR    0x1234
#define EDU_DEVICE    0x11e8
#define E1000E_VENDOR 0x8086
#define E1000E_DEVICE 0x10d3

static pci_bdf_t edu, nic;

static long device_op(int cmd, pci_bdf_t where)
{
    struct physdev_pci_device arg = { .bus = where >> 8, .devfn = where };

    return xen_physdev_op(cmd, &arg);
}

static long device_add(pci_bdf_t where)
{
    struct physdev_pci_device_add arg = { .bus = where >> 8, .devfn = where };

    return xen_physdev_op(PHYSDEVOP_pci_device_add, &arg);
}

static struct physdev_map_pirq map;

static long map_msi(int type, pci_bdf_t where, int entry, uint64_t table)
{
    map = (struct physdev_map_pirq){
        .domid = DOMID_SELF, .type = type, .index = -1, .pirq = -1, .bus = where >> 8,
        .devfn = where & 0xff, .entry_nr = entry, .table_base = table,
    };
    return xen_physdev_op(PHYSDEVOP_map_pirq, &map);
}

static long unmap(int pirq)
{
    struct physdev_unmap_pirq arg = { .domid = DOMID_SELF, .pirq = pirq };

    return xen_physdev_op(PHYSDEVOP_unmap_pirq, &arg);
}

static void check_unknown(void)
{
    result(map_msi(MAP_PIRQ_TYPE_MSI, edu, 0, 0), "msi-of-unknown-device");
    result(map_msi(MAP_PIRQ_TYPE_MSI_SEG, nic, 0, pci_bar(nic, 3)), "msix-of-unknown-device");
    result(map_msi(MAP_PIRQ_TYPE_MULTI_MSI, edu, 2, 0), "two-of-unknown-device");
    result(map_msi(MAP_PIRQ_TYPE_MULTI_MSI, edu, 1, 0), "multi-one-of-unknown-device");
    result(device_op(PHYSDEVOP_prepare_msix, nic), "prepare-unknown-device");
    result(device_op(PHYSDEVOP_restore_msi_ext, nic), "restore-unknown-device");
    result(device_op(PHYSDEVOP_pci_device_remove, nic), "remove-unknown-device");
}

static void check_requests(void)
{
    result(device_add(edu), "add-edu");
    result(device_add(edu), "add-edu-again");
    result(device_add(nic), "add-nic");
    result(device_add(0), "add-host-bridge");
    result(map_msi(MAP_PIRQ_TYPE_MSI, 0, 0, 0), "msi-of-host-bridge");
    result(map_msi(MAP_PIRQ_TYPE_MSI, 0, 0, 0xfe000000), "msix-of-host-bridge");
    result(map_msi(MAP_PIRQ_TYPE_MSI, edu, 0, 0xfe000000), "msix-of-edu");
    result(map_msi(MAP_PIRQ_TYPE_MULTI_MSI, edu, 2, 0), "two-of-edu");
    result(map.entry_nr, "two-of-edu-entries");
    result(map_msi(MAP_PIRQ_TYPE_MULTI_MSI, edu, 0, 0), "none-of-edu");
    result(map_msi(MAP_PIRQ_TYPE_MULTI_MSI, edu, 33, 0), "33-of-edu");
    result(map_msi(MAP_PIRQ_TYPE_MULTI_MSI, edu, -1, 0), "minus-1-of-edu");
    result(map_msi(MAP_PIRQ_TYPE_MULTI_MSI, edu, 1, 0x1000), "multi-with-table");
    result(map_msi(MAP_PIRQ_TYPE_MSI, nic, 5, pci_bar(nic, 3)), "msix-entry-5-of-5");
    result(map_msi(MAP_PIRQ_TYPE_MSI, nic, -1, pci_bar(nic, 3)), "msix-entry-minus-1");
    result(map_msi(MAP_PIRQ_TYPE_MSI, nic, 0x7fffffff, pci_bar(nic, 3)), "msix-entry-far");
    result(map_msi(MAP_PIRQ_TYPE_MULTI_MSI, edu, 1, 0), "multi-one-of-edu");
    result(map.entry_nr, "multi-one-of-edu-entries");
    result(map.type, "multi-one-type");
    result(unmap(map.pirq), "multi-one-unmap");
    result(map_msi(MAP_PIRQ_TYPE_MSI_SEG, edu, 0, 0), "msi-seg-of-edu");
    result(map.type, "msi-seg-type");
    result(map.entry_nr, "msi-seg-entry");
    result(map_msi(MAP_PIRQ_TYPE_MSI, edu, 0, 0), "second-msi-of-edu");
    result(unmap(map.pirq), "unmap");
    result(unmap(map.pirq), "unmap-again");
    map_msi(MAP_PIRQ_TYPE_MSI_SEG, 0x10000 << 8 | edu, 0, 0);
}

static void check_msix(void)
{
    uint64_t table = pci_bar(nic, 3);
    int first;

    result(device_op(PHYSDEVOP_release_msix, nic), "release-unprepared");
    result(device_op(PHYSDEVOP_prepare_msix, nic), "prepare");
    result(device_op(PHYSDEVOP_prepare_msix, nic), "prepare-again");
    result(map_msi(MAP_PIRQ_TYPE_MSI, nic, 0, table), "msix-prepared");
    first = map.pirq;
    result(unmap(first), "unmap-prepared");
    result(device_op(PHYSDEVOP_release_msix, nic), "release");
    result(device_op(PHYSDEVOP_release_msix, nic), "release-again");
    result(map_msi(MAP_PIRQ_TYPE_MSI, nic, 0, table), "msix");
    first = map.pirq;
    result(map_msi(MAP_PIRQ_TYPE_MSI, nic, 0, table), "msix-same-entry");
    result(map_msi(MAP_PIRQ_TYPE_MSI, nic, 1, table), "msix-entry-1");
    result(map_msi(MAP_PIRQ_TYPE_MSI, nic, 2, table + 0x10000), "msix-entry-2-wrong-base");
    result(device_op(PHYSDEVOP_prepare_msix, nic), "prepare-used");
    result(device_op(PHYSDEVOP_release_msix, nic), "release-used");
    result(device_op(PHYSDEVOP_restore_msi_ext, nic), "restore");
    result(unmap(first), "unmap-msix");
    result(device_op(PHYSDEVOP_pci_device_remove, nic), "remove-used");
    result(unmap(map.pirq), "unmap-removed");
}

/* QEMU, docs/specs/edu: registers of its memory. */
#define EDU_STATUS      0x24
#define EDU_RAISE       0x60
#define EDU_ACKNOWLEDGE 0x64

/* Intel 82574 data sheet, "Interrupt Register Descriptions". */
#define NIC_ICR        0xc0
#define NIC_ICS        0xc8
#define NIC_IMS        0xd0
#define NIC_EIAC       0xdc
#define NIC_IVAR       0xe4
#define NIC_CAUSE_RXQ0 (1U << 20)
#define NIC_CAUSE_RXQ1 (1U << 21)
#define NIC_IVAR_RXQ0  0x8U  /* to vector 0, valid */
#define NIC_IVAR_RXQ1  0x90U /* to vector 1 */

#define EDU_PAGE   0
#define NIC_PAGE   1
#define TABLE_PAGE 2
#define PBA_PAGE   3
#define MOVED_PAGE 4
#define EARLY_PAGE 5 /* mapped before anybody knew that a table is there */
#define ELSEWHERE  0xd0000000U /* where no device is */

static uint8_t *edu_regs, *nic_regs;

static long bind(int pirq, evtchn_port_t *port)
{
    struct evtchn_bind_pirq arg = { .pirq = pirq };
    long rc = xen_event_channel_op(EVTCHNOP_bind_pirq, &arg);

    *port = arg.port;
    event_count[arg.port] = 0;
    event_unmask(arg.port);
    return rc;
}

static void unbind(evtchn_port_t port)
{
    struct evtchn_close arg = { .port = port };

    guest_need(xen_event_channel_op(EVTCHNOP_close, &arg));
}

static bool came(evtchn_port_t port, unsigned int count)
{
    uint64_t end = clock_ns() + 5000000000UL; /* of a busy host */

    upcalls_on();
    while (event_count[port] < count && clock_ns() < end) {
        (void)xen_sched_op(SCHEDOP_yield, NULL);
    }
    upcalls_off();
    return event_count[port] >= count;
}

/* Long enough for an interrupt that should not come. */
static bool stays_away(evtchn_port_t port, unsigned int count)
{
    upcalls_on();
    clock_wait(20000000);
    upcalls_off();
    return event_count[port] == count;
}

static void raise_edu(void)
{
    mmio_write(edu_regs + EDU_ACKNOWLEDGE, ~0U);
    mmio_write(edu_regs + EDU_RAISE, 1);
}

/* QEMU's device spaces interrupts out, and may send one more: it is to have come before the next. */
static void raise_nic(uint32_t causes)
{
    upcalls_on();
    clock_wait(20000000);
    upcalls_off();
    mmio_write(nic_regs + NIC_ICR, ~0U);
    mmio_write(nic_regs + NIC_ICS, causes);
}

/* What it may still have to send is sent. */
static void raise_nic_nothing(void)
{
    raise_nic(0);
}

static void raise_nic_first(void)
{
    raise_nic(NIC_CAUSE_RXQ0);
}

static void map_registers(void)
{
    guest_need(mmio_map(EDU_PAGE, pci_bar(edu, 0), MMIO_DATA));
    guest_need(mmio_map(NIC_PAGE, pci_bar(nic, 0), MMIO_DATA));
    edu_regs = mmio_at(EDU_PAGE);
    nic_regs = mmio_at(NIC_PAGE);
    pci_write(edu, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_NO_INTX);
    pci_write(nic, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_NO_INTX);
}

/* One interrupt for each raise, while the port is moved from vCPU to vCPU. How many did not come. */
static unsigned int lost_while_moved(evtchn_port_t port, void (*raise)(void))
{
    unsigned int lost = 0;

    event_mask(port);
    for (unsigned int i = 0; i < 90; i++) {
        struct evtchn_bind_vcpu arg = { .port = port, .vcpu = i / 3 & 1 };
        uint64_t end = clock_ns() + 5000000000UL; /* of a busy host */

        event_clear(port);
        if (i & 1) {
            raise(); /* and moved at once */
        }
        guest_need(xen_event_channel_op(EVTCHNOP_bind_vcpu, &arg));
        if (!(i & 1)) {
            raise();
        }
        while (!event_pending(port) && clock_ns() < end) {
            (void)xen_sched_op(SCHEDOP_yield, NULL);
        }
        lost += !event_pending(port);
    }
    guest_need(xen_event_channel_op(EVTCHNOP_bind_vcpu, &(struct evtchn_bind_vcpu){ .port = port }));
    event_clear(port);
    event_unmask(port);
    return lost;
}

/* What a capability holds while its message is in use, a dword at a time. */
static bool cap_changes(pci_bdf_t where, unsigned int cap, unsigned int reg, unsigned int bytes,
                        uint32_t value)
{
    uint32_t before[4], after[4];

    for (unsigned int i = 0; i < 4; i++) {
        before[i] = pci_read(where, cap + 4 * i, 4);
    }
    pci_write(where, cap + reg, bytes, value);
    for (unsigned int i = 0; i < 4; i++) {
        after[i] = pci_read(where, cap + 4 * i, 4);
    }
    return memcmp(before, after, sizeof(before)) != 0;
}

static void check_msi_delivered(void)
{
    unsigned int cap = pci_capability(edu, PCI_CAP_MSI);
    struct physdev_irq_status_query status;
    evtchn_port_t port;
    int pirq;

    check(device_add(edu), 0, "edu-add");
    check(map_msi(MAP_PIRQ_TYPE_MSI_SEG, edu, 0, 0), 0, "edu-map");
    pirq = map.pirq;
    check(bind(pirq, &port), 0, "edu-bind");
    status.irq = pirq;
    check(xen_physdev_op(PHYSDEVOP_irq_status_query, &status), 0, "edu-status");
    result(status.flags, "edu-status-flags");
    raise_edu();
    check(stays_away(port, 0), true, "edu-silent-before-it-is-enabled");
    pci_write(edu, cap + PCI_MSI_CONTROL, 2, PCI_MSI_ENABLE);
    raise_edu();
    check(came(port, 1), true, "edu-interrupt");
    check(mmio_read(edu_regs + EDU_STATUS), 1, "edu-cause");
    for (unsigned int i = 2; i < 100; i++) {
        raise_edu();
        if (!came(port, i)) {
            break;
        }
    }
    check(event_count[port], 99, "edu-99-interrupts");
    check(lost_while_moved(port, raise_edu), 0, "edu-lost-while-moved");
    event_count[port] = 99;

    /* The message is not ours. Xen minds only devices that can mask theirs. */
    check(cap_changes(edu, cap, PCI_MSI_ADDRESS, 4, 0xfee01000), false, "message-address-kept");
    check(cap_changes(edu, cap, PCI_MSI_ADDRESS + 4, 4, 1), false, "message-address-high-kept");
    check(cap_changes(edu, cap, PCI_MSI_ADDRESS + 8, 2, 0xf9), false, "message-data-kept");
    check(cap_changes(edu, cap, PCI_MSI_ADDRESS + 8, 1, 0xf9), false, "message-data-byte-kept");
    check(cap_changes(edu, cap, PCI_MSI_CONTROL, 2, PCI_MSI_ENABLE | 0x50), false,
          "message-count-kept");
    check(cap_changes(edu, cap, 0, 4, PCI_MSI_ENABLE << 16 | 0x500000), false,
          "message-control-by-dword-kept");
    raise_edu();
    check(came(port, 100), true, "message-edu-interrupt-after-attack");

    unbind(port);
    raise_edu(); /* to nobody */
    check(bind(pirq, &port), 0, "edu-bind-again");
    raise_edu();
    check(came(port, 1), true, "edu-interrupt-bound-again");
    check(unmap(pirq), 0, "edu-unmap-bound");
    raise_edu();
    check(stays_away(port, event_count[port]), true, "edu-silent-unmapped");
    check(pci_read(edu, cap + PCI_MSI_CONTROL, 2) & PCI_MSI_ENABLE, 0, "edu-switched-off");
    check(cap_changes(edu, cap, PCI_MSI_CONTROL, 2, PCI_MSI_ENABLE), false,
          "message-of-nobody-not-enabled");
    pci_write(edu, cap + PCI_MSI_CONTROL, 2, 0);
    unbind(port);
    result(device_op(PHYSDEVOP_pci_device_remove, edu), "edu-remove");
}

static bool page_changes(uint8_t *at, uint32_t value)
{
    uint32_t before = mmio_read(at);

    mmio_write(at, value);
    return mmio_read(at) != before;
}

static bool is_writable(unsigned int page)
{
    return *pt_entry(pt_root(), mmio_at(page), 1) & PTE_RW;
}

static void check_table_guarded(uint64_t bar)
{
    unsigned int cap = pci_capability(nic, PCI_CAP_MSIX);

    check(mmio_map(TABLE_PAGE, bar, MMIO_DATA), 0, "table-map");
    check(is_writable(TABLE_PAGE), false, "table-read-only");
    check(mmio_map(PBA_PAGE, bar + 0x2000, MMIO_DATA), 0, "pba-map");
    check(is_writable(PBA_PAGE), false, "pba-read-only");
    for (unsigned int i = 0; i < 8; i++) {
        check(page_changes((uint8_t *)mmio_at(TABLE_PAGE) + 4 * i, 0xfee00012), false,
              "table-word-%u-kept", i);
    }
    check(page_changes(mmio_at(PBA_PAGE), 0xff), false, "pba-kept");
    *(volatile uint32_t *)((uint8_t *)mmio_at(TABLE_PAGE) + 0x800) = 1;
    check(cap_changes(nic, cap, 4, 4, 0), false, "table-place-kept");
    check(cap_changes(nic, cap, 8, 4, 0), false, "pba-place-kept");
    check(cap_changes(nic, cap, 0, 4, 0), false, "msix-control-by-dword-kept");
    check(cap_changes(nic, cap, 3, 1, 0), false, "msix-control-by-byte-kept");
}

static void move_table(uint32_t to)
{
    pci_write(nic, PCI_COMMAND, 2, PCI_COMMAND_MASTER);
    pci_write(nic, PCI_BAR(3), 4, to);
    pci_write(nic, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_NO_INTX);
}

static bool nic_interrupts(evtchn_port_t port)
{
    raise_nic_nothing();
    event_count[port] = 0;
    raise_nic(NIC_CAUSE_RXQ0);
    return came(port, 1);
}

static bool nic_is_silent(evtchn_port_t port)
{
    raise_nic_nothing();
    event_count[port] = 0;
    raise_nic(NIC_CAUSE_RXQ0);
    return stays_away(port, 0);
}

/* Where the table is we can write: no message is sent until that is mended, and then it is. */
static void check_exposed(const char *name, evtchn_port_t port)
{
    check(is_writable(MOVED_PAGE), true, "exposed-%s-writable", name);
    check(nic_is_silent(port), true, "exposed-%s-silent", name);
    check(device_op(PHYSDEVOP_restore_msi_ext, nic), 0, "exposed-%s-restore", name);
    check(is_writable(MOVED_PAGE), false, "exposed-%s-read-only", name);
    check(page_changes(mmio_at(MOVED_PAGE), 0xfee00012), false, "exposed-%s-kept", name);
    check(came(port, 1), true, "exposed-%s-interrupt", name);
    guest_need(mmio_map(MOVED_PAGE, 0, 0));
}

/* The device's memory is moved while its table is in use, and what it sends is still what it was. */
static void check_table_moved(uint64_t bar, evtchn_port_t port)
{
    pci_write(nic, PCI_COMMAND, 2, PCI_COMMAND_MASTER);
    pci_write(nic, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_NO_INTX);
    check(nic_interrupts(port), true, "moved-interrupt-switched-on");

    move_table(ELSEWHERE);
    check(mmio_map(MOVED_PAGE, ELSEWHERE, MMIO_DATA), 0, "moved-map");
    check(is_writable(MOVED_PAGE), false, "moved-read-only");
    check(page_changes(mmio_at(MOVED_PAGE), 0xfee00012), false, "moved-kept");
    check(nic_interrupts(port), true, "moved-interrupt");
    guest_need(mmio_map(MOVED_PAGE, 0, 0));

    guest_need(mmio_map(MOVED_PAGE, ELSEWHERE + 0x10000, MMIO_DATA));
    move_table(ELSEWHERE + 0x10000);
    check_exposed("moved", port);
    pci_write(nic, PCI_COMMAND, 2, PCI_COMMAND_MASTER);
    guest_need(mmio_map(MOVED_PAGE, ELSEWHERE + 0x10000, MMIO_DATA));
    pci_write(nic, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_NO_INTX);
    check_exposed("switched", port);

    /* Without switching it off first, and while it decodes nothing of use. */
    pci_write(nic, PCI_BAR(3), 4, ~0U);
    pci_write(nic, PCI_BAR(3), 4, bar);
    check(mmio_map(MOVED_PAGE, bar, MMIO_DATA), 0, "moved-back-map");
    check(is_writable(MOVED_PAGE), false, "moved-back-read-only");
    check(nic_interrupts(port), true, "moved-back-interrupt");
}

static bool is_lodge(void)
{
    static char version[16];

    guest_need(xen_version(XENVER_extraversion, version));
    return strncmp(version + strlen(version) - 6, "-lodge", 6) == 0;
}

/* Xen 4.17 does not live through it. */
static void check_removed_in_use(int pirq, evtchn_port_t port)
{
    if (!is_lodge()) {
        skip("removed-in-use", "the hypervisor would panic");
        return;
    }
    raise_nic_nothing();
    check(device_op(PHYSDEVOP_pci_device_remove, nic), 0, "removed-in-use");
    event_count[port] = 0;
    raise_nic(NIC_CAUSE_RXQ1);
    check(stays_away(port, 0), true, "removed-is-silent");
    check(mmio_map(MOVED_PAGE, pci_bar(nic, 3), MMIO_DATA), 0, "removed-map");
    check(is_writable(MOVED_PAGE), true, "removed-is-writable");
    check(device_add(nic), 0, "removed-add-again");
    check(device_op(PHYSDEVOP_pci_device_remove, nic), 0, "removed-once-more");
    unbind(port);
    check(unmap(pirq), 0, "removed-unmap");
}

static void check_msix_delivered(void)
{
    unsigned int cap = pci_capability(nic, PCI_CAP_MSIX);
    uint64_t bar = pci_bar(nic, 3);
    evtchn_port_t ports[2];
    int pirqs[2];

    guest_need(mmio_map(EARLY_PAGE, bar, MMIO_DATA));
    check(is_writable(EARLY_PAGE), true, "nic-unknown-writable");
    check(device_add(nic), 0, "nic-add");
    mmio_write(nic_regs + NIC_IVAR, NIC_IVAR_RXQ0 | NIC_IVAR_RXQ1);
    mmio_write(nic_regs + NIC_EIAC, 0);
    mmio_write(nic_regs + NIC_IMS, NIC_CAUSE_RXQ0 | NIC_CAUSE_RXQ1);
    pci_write(nic, cap + PCI_MSIX_CONTROL, 2, PCI_MSIX_ENABLE | PCI_MSIX_MASK_ALL);
    for (unsigned int i = 0; i < 2; i++) {
        check(map_msi(MAP_PIRQ_TYPE_MSI_SEG, nic, i, bar), 0, "nic-map-%u", i);
        pirqs[i] = map.pirq;
        check(bind(pirqs[i], &ports[i]), 0, "nic-bind-%u", i);
    }
    raise_nic(NIC_CAUSE_RXQ0);
    check(stays_away(ports[0], 0), true, "nic-silent-while-masked");
    pci_write(nic, cap + PCI_MSIX_CONTROL, 2, PCI_MSIX_ENABLE);
    check(came(ports[0], 1), true, "nic-interrupt-kept-while-masked");
    raise_nic_nothing();
    event_count[ports[0]] = 0;
    raise_nic(NIC_CAUSE_RXQ1);
    check(came(ports[1], 1), true, "nic-second-interrupt");
    check(event_count[ports[0]], 0, "nic-only-the-second");
    check(lost_while_moved(ports[0], raise_nic_first), 0, "nic-lost-while-moved");
    check(is_writable(EARLY_PAGE), false, "exposed-early-read-only");
    check(page_changes(mmio_at(EARLY_PAGE), 0xfee00012), false, "exposed-early-kept");
    check_table_guarded(bar);
    check(nic_interrupts(ports[0]), true, "exposed-nic-interrupt-after-attack");
    check_table_moved(bar, ports[0]);

    unbind(ports[0]);
    check(unmap(pirqs[0]), 0, "nic-unmap");
    raise_nic(NIC_CAUSE_RXQ0);
    event_count[ports[1]] = 0;
    raise_nic(NIC_CAUSE_RXQ1);
    check(came(ports[1], 1), true, "nic-other-interrupt-stays");
    check(is_writable(TABLE_PAGE), false, "nic-table-still-read-only");
    check(page_changes(mmio_at(TABLE_PAGE), 0xfee00012), false, "nic-table-still-kept");
    check_removed_in_use(pirqs[1], ports[1]);
}

void guest_main(void)
{
    io_allow();
    edu = pci_find(EDU_VENDOR, EDU_DEVICE);
    nic = pci_find(E1000E_VENDOR, E1000E_DEVICE);
    if (edu == PCI_NOWHERE || nic == PCI_NOWHERE) {
        guest_fail("no edu (0x%x) or no e1000e (0x%x)", edu, nic);
    }
    check_unknown();
    check_requests();
    check_msix();
    map_registers();
    check_msi_delivered();
    check_msix_delivered();
}
