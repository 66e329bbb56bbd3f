/* sriov.c: virtual functions of a PCI device: their BARs read as zero, and where their message tables
 * lie follows from the physical function. The test gives the machine QEMU's "igb". */
#include "lib/guest.h"
#include "lib/pci.h"

#define IGB_VENDOR 0x8086
#define IGB_DEVICE 0x10c9
#define NR_VFS     2

/* SR-IOV specification 1.1, "SR-IOV Extended Capability". */
#define SRIOV_CONTROL 0x08
#define SRIOV_NUMBER  0x10
#define SRIOV_OFFSET  0x14
#define SRIOV_STRIDE  0x16
#define SRIOV_BAR(n)  (0x24 + 4 * (n))
#define SRIOV_ENABLE  0x0001
#define SRIOV_MEMORY  0x0008
#define EXT_SRIOV     0x0010

#define VF_REGISTERS 0xd1000000UL /* where no device is */
#define VF_TABLES    0xd2000000UL
#define VF_BYTES     0x4000UL

/* Intel 82576 data sheet, "Virtual Function Device": registers of its BAR 0. */
#define VF_EICS 0x1520
#define VF_EIMS 0x1524
#define VF_EICR 0x1580
#define PF_GPIE 0x1514
#define GPIE_MSIX 0x80000010U

#define Q35_PCIEXBAR 0x60
#define CONFIG_PAGE  0
#define PF_PAGE      1
#define VF_PAGE      8  /* 4 pages each */
#define TABLE_PAGE   16

static pci_bdf_t pf, vfs[NR_VFS];
static uint8_t *config; /* of the physical function, 4 KiB of it */
static unsigned int sriov;

static uint16_t config_read16(unsigned int reg)
{
    return *(volatile uint16_t *)(config + reg);
}

static void config_write16(unsigned int reg, uint16_t value)
{
    *(volatile uint16_t *)(config + reg) = value;
}

static bool find_sriov(void)
{
    unsigned int at = 0x100;
    uint32_t header;

    do {
        header = mmio_read(config + at);
        if ((header & 0xffff) == EXT_SRIOV) {
            sriov = at;
            return true;
        }
        at = header >> 20;
    } while (at);
    return false;
}

static long add(pci_bdf_t where, uint32_t flags, pci_bdf_t physical)
{
    struct physdev_pci_device_add arg = {
        .bus = where >> 8, .devfn = where, .flags = flags,
        .physfn = { .bus = physical >> 8, .devfn = physical },
    };

    return xen_physdev_op(PHYSDEVOP_pci_device_add, &arg);
}

static long map_msix(pci_bdf_t where, int entry, uint64_t table, int *pirq)
{
    struct physdev_map_pirq arg = {
        .domid = DOMID_SELF, .type = MAP_PIRQ_TYPE_MSI_SEG, .index = -1, .pirq = -1,
        .bus = where >> 8, .devfn = where & 0xff, .entry_nr = entry, .table_base = table,
    };
    long rc = xen_physdev_op(PHYSDEVOP_map_pirq, &arg);

    *pirq = arg.pirq;
    return rc;
}

static evtchn_port_t bind(int pirq)
{
    struct evtchn_bind_pirq arg = { .pirq = pirq };

    guest_need(xen_event_channel_op(EVTCHNOP_bind_pirq, &arg));
    event_count[arg.port] = 0;
    event_unmask(arg.port);
    return arg.port;
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

static bool is_writable(unsigned int page)
{
    return *pt_entry(pt_root(), mmio_at(page), 1) & PTE_RW;
}

static void switch_on(void)
{
    unsigned int offset, stride;

    config_write16(sriov + SRIOV_NUMBER, NR_VFS);
    mmio_write(config + sriov + SRIOV_BAR(0), VF_REGISTERS);
    mmio_write(config + sriov + SRIOV_BAR(1), 0);
    mmio_write(config + sriov + SRIOV_BAR(3), VF_TABLES);
    mmio_write(config + sriov + SRIOV_BAR(4), 0);
    config_write16(sriov + SRIOV_CONTROL, SRIOV_ENABLE | SRIOV_MEMORY);
    offset = config_read16(sriov + SRIOV_OFFSET);
    stride = config_read16(sriov + SRIOV_STRIDE);
    result_text("offset %u stride %u bar 0x%x", offset, stride,
                mmio_read(config + sriov + SRIOV_BAR(3)));
    for (unsigned int i = 0; i < NR_VFS; i++) {
        vfs[i] = pf + offset + i * stride;
        pci_write(vfs[i], PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
        check(pci_read(vfs[i], PCI_BAR(3), 4), 0, "vf-%u-bar-reads-as-zero", i);
    }
}

static void raise(unsigned int vf, unsigned int vector)
{
    uint8_t *regs = mmio_at(VF_PAGE + 4 * vf);

    mmio_write(regs + VF_EICR, ~0U);
    mmio_write(regs + VF_EICS, 1U << vector);
}

static void check_function(unsigned int vf)
{
    uint64_t table = VF_TABLES + vf * VF_BYTES;
    unsigned int cap = pci_capability(vfs[vf], PCI_CAP_MSIX);
    evtchn_port_t port;
    uint32_t before;
    int pirq;

    result(map_msix(vfs[vf], 0, table, &pirq), "vf-%u-unknown", vf);
    check(add(vfs[vf], XEN_PCI_DEV_VIRTFN, pf), 0, "vf-%u-add", vf);
    result(map_msix(vfs[vf], 77, table, &pirq), "vf-%u-no-such-entry", vf);
    check(map_msix(vfs[vf], 0, table, &pirq), 0, "vf-%u-map", vf);
    port = bind(pirq);
    pci_write(vfs[vf], cap + PCI_MSIX_CONTROL, 2, PCI_MSIX_ENABLE);
    check(mmio_map(TABLE_PAGE + vf, table, MMIO_DATA), 0, "vf-%u-table-map", vf);
    check(is_writable(TABLE_PAGE + vf), false, "vf-%u-table-read-only", vf);
    before = mmio_read(mmio_at(TABLE_PAGE + vf));
    mmio_write(mmio_at(TABLE_PAGE + vf), ~before);
    check(mmio_read(mmio_at(TABLE_PAGE + vf)), before, "vf-%u-table-kept", vf);

    mmio_write((uint8_t *)mmio_at(VF_PAGE + 4 * vf) + VF_EIMS, 7);
    raise(vf, 0);
    check(came(port, 1), true, "vf-%u-interrupt", vf);
}

/* The functions go while one of their messages is in use. */
static void switch_off(void)
{
    int pirq;

    config_write16(sriov + SRIOV_CONTROL, 0);
    check(map_msix(vfs[0], 1, VF_TABLES, &pirq) < 0, true, "gone-map-refused");
    check(mmio_map(TABLE_PAGE + 4, VF_TABLES, MMIO_DATA), 0, "gone-place-map");
    for (unsigned int i = 0; i < NR_VFS; i++) {
        struct physdev_pci_device arg = { .devfn = vfs[i] };

        check(xen_physdev_op(PHYSDEVOP_pci_device_remove, &arg), 0, "gone-remove-%u", i);
    }
}

void guest_main(void)
{
    uint64_t window;

    io_allow();
    window = pci_read(0, Q35_PCIEXBAR, 4) & 0xf0000000;
    pf = pci_find(IGB_VENDOR, IGB_DEVICE);
    if (pf == PCI_NOWHERE) {
        guest_fail("no igb");
    }
    guest_need(mmio_map(CONFIG_PAGE, window + ((uint64_t)pf << PAGE_SHIFT), MMIO_DATA));
    config = mmio_at(CONFIG_PAGE);
    if (!find_sriov()) {
        guest_fail("no SR-IOV capability");
    }
    check(add(pf, 0, 0), 0, "pf-add");
    pci_write(pf, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_NO_INTX);
    guest_need(mmio_map(PF_PAGE, pci_bar(pf, 0) + (PF_GPIE & ~0xfffU), MMIO_DATA));
    mmio_write((uint8_t *)mmio_at(PF_PAGE) + (PF_GPIE & 0xfff), GPIE_MSIX);
    switch_on();
    for (unsigned int i = 0; i < NR_VFS; i++) {
        for (unsigned int p = 0; p < 4; p++) {
            guest_need(mmio_map(VF_PAGE + 4 * i + p, VF_REGISTERS + i * VF_BYTES + p * PAGE_SIZE,
                                MMIO_DATA));
        }
        check_function(i);
    }
    switch_off();
}
