/* pci.c: configuration space, by ports and through the memory window that a q35 has for it, and the
 * devices that domain 0 tells the hypervisor of. */
#include "lib/guest.h"
#include "lib/pci.h"

#define HOST_BRIDGE   0
#define Q35           0x29c0
#define Q35_PCIEXBAR  0x60
#define CONFIG        0xcf8
#define DATA          0xcfc
#define ENABLE        0x80000000U
#define EDU_VENDOR    0x1234
#define EDU_DEVICE    0x11e8
#define ABSENT        (0x1f << 3 | 5)
#define UNTOLD        (0x1e << 3)

static pci_bdf_t edu;

PROBE(store_1, "mov $0x5a, %ecx; movb %cl, (%rdi)");
PROBE(store_2, "mov $0x15b, %ecx; movw %cx, (%rdi)");
PROBE(store_4, "mov $0x25c, %ecx; movl %ecx, (%rdi)");
PROBE(store_8, "mov $0x35d, %ecx; mov %rcx, (%rdi)");
PROBE(store_immediate, "movl $0x12345678, (%rdi)");
PROBE(store_string, "mov $0x77, %eax; stosl");
PROBE(store_nontemporal, "mov $0x5e, %ecx; movnti %ecx, (%rdi)");
PROBE(read_modify_write, "orl $1, (%rdi)");
PROBE(exchange, "mov $0x5f, %ecx; xchg %ecx, (%rdi)");
PROBE(load, "movl (%rdi), %ecx");

static int try(void (*probe)(void *), void *at)
{
    struct trap_report report;

    return trap_try(probe, at, &report);
}

static void config(pci_bdf_t where, unsigned int reg)
{
    io_out(CONFIG, 4, ENABLE | where << 8 | reg);
}

static void check_ports(void)
{
    uint32_t id;

    io_out(CONFIG, 4, 0x8000f8fc);
    check(io_in(CONFIG, 4), 0x8000f8fc, "address-latch");
    config(HOST_BRIDGE, PCI_ID);
    id = io_in(DATA, 4);
    result(id, "id");
    check(io_in(DATA, 2), id & 0xffff, "vendor");
    check(io_in(DATA + 2, 2), id >> 16, "device");
    check(io_in(DATA + 1, 1), id >> 8 & 0xff, "byte-1");
    check(io_in(DATA + 3, 1), id >> 24, "byte-3");
    result(io_in(DATA + 1, 2), "middle");
    result(io_in(DATA + 3, 2), "across-the-end");
    result(io_in(DATA + 1, 4), "across-the-end-4");
    result(io_in(DATA - 1, 2) >> 8, "across-the-start");
    config(ABSENT, PCI_ID);
    check(io_in(DATA, 4), 0xffffffff, "absent");
    io_out(DATA, 4, 0x12345678);
    io_out(CONFIG, 4, HOST_BRIDGE);
    check(io_in(DATA, 4), 0xffffffff, "not-enabled");
    io_out(DATA, 4, 0x12345678);
    io_out(CONFIG, 4, ENABLE | 0x01000000);
    result(io_in(DATA, 4) == id, "extended-address");
    io_out(CONFIG, 1, 0);
    result(io_in(CONFIG, 4), "address-after-a-byte");

    pci_write(edu, PCI_INTERRUPT_LINE, 1, 0xa5);
    check(pci_read(edu, PCI_INTERRUPT_LINE, 1), 0xa5, "byte-written");
    pci_write(edu, PCI_INTERRUPT_LINE, 2, 0x015a);
    check(pci_read(edu, PCI_INTERRUPT_LINE, 1), 0x5a, "word-written");
}

static void probe_window(const char *name, uint8_t *at, unsigned int reg, void (*probe)(void *))
{
    int vector;

    pci_write(edu, PCI_INTERRUPT_LINE, 1, 0);
    vector = try(probe, at + reg);
    result_text("window-%s %d line 0x%x", name, vector, pci_read(edu, PCI_INTERRUPT_LINE, 1));
}

static void check_window(void)
{
    uint64_t base = pci_read(HOST_BRIDGE, Q35_PCIEXBAR, 4) & 0xf0000000;
    uint8_t *at = mmio_at(0);
    long rc = mmio_map(0, base + (edu << PAGE_SHIFT), MMIO_DATA);

    result(rc, "window-map");
    result(*pt_entry(pt_root(), at, 1) & (PTE_RW | PTE_PCD | PTE_PWT | PTE_PAT), "window-flags");
    check(mmio_read(at), pci_read(edu, PCI_ID, 4), "window-id");
    result(try(load, at), "window-load");
    result(try(store_4, at + PCI_ID), "window-store-id");
    probe_window("store-1", at, PCI_INTERRUPT_LINE, store_1);
    probe_window("store-2", at, PCI_INTERRUPT_LINE, store_2);
    probe_window("store-4", at, PCI_INTERRUPT_LINE, store_4);
    probe_window("store-8", at, PCI_INTERRUPT_LINE - 4, store_8);
    probe_window("store-immediate", at, PCI_INTERRUPT_LINE, store_immediate);
    probe_window("store-string", at, PCI_INTERRUPT_LINE, store_string);
    probe_window("store-nontemporal", at, PCI_INTERRUPT_LINE, store_nontemporal);
    probe_window("store-odd", at, PCI_INTERRUPT_LINE - 1, store_2);
    probe_window("read-modify-write", at, PCI_INTERRUPT_LINE, read_modify_write);
    probe_window("exchange", at, PCI_INTERRUPT_LINE, exchange);
    probe_window("across-pages", at, PAGE_SIZE - 2, store_4);
    probe_window("beyond-the-legacy", at, 0x100, store_4);
    *(volatile uint8_t *)(at + PCI_INTERRUPT_LINE) = 0x3c;
    check(pci_read(edu, PCI_INTERRUPT_LINE, 1), 0x3c, "window-written");

    /* A page of another bus's, where no device is. */
    result(mmio_map(1, base + (0xff << 20), MMIO_DATA), "window-of-empty-bus");
    check(mmio_read(mmio_at(1)), 0xffffffff, "window-of-empty-bus-read");
    result(try(store_4, mmio_at(1)), "window-of-empty-bus-store");
}

static long reserved(uint64_t address, uint16_t segment, uint8_t first, uint8_t last,
                     uint32_t flags)
{
    struct physdev_pci_mmcfg_reserved arg = {
        .address = address, .segment = segment, .start_bus = first, .end_bus = last, .flags = flags
    };

    return xen_physdev_op(PHYSDEVOP_pci_mmcfg_reserved, &arg);
}

static void check_reserved(void)
{
    uint64_t base = pci_read(HOST_BRIDGE, Q35_PCIEXBAR, 4) & 0xf0000000;

    result(reserved(base, 0, 0, 255, 2), "reserved-bad-flags");
    result(reserved(base, 1, 0, 255, XEN_PCI_MMCFG_RESERVED), "reserved-segment-1");
    result(reserved(base, 0, 0, 254, XEN_PCI_MMCFG_RESERVED), "reserved-fewer-buses");
    result(reserved(base + 0x1000, 0, 0, 255, XEN_PCI_MMCFG_RESERVED), "reserved-elsewhere");
    result(reserved(base, 0, 0, 255, XEN_PCI_MMCFG_RESERVED), "reserved");
    result(reserved(base, 0, 0, 255, XEN_PCI_MMCFG_RESERVED), "reserved-again");
    /* Taken back: what the guest has mapped stays read-only. */
    result(reserved(base, 0, 0, 255, 0), "not-reserved");
    result(mmio_map(2, base + (edu << PAGE_SHIFT), MMIO_DATA), "window-map-not-reserved");
    result(*pt_entry(pt_root(), mmio_at(2), 1) & PTE_RW, "window-flags-not-reserved");
    result(reserved(base, 0, 0, 255, XEN_PCI_MMCFG_RESERVED), "reserved-at-last");
}

static long add(pci_bdf_t where, uint16_t segment, uint32_t flags, pci_bdf_t physical)
{
    struct physdev_pci_device_add arg = {
        .seg = segment, .bus = where >> 8, .devfn = where, .flags = flags,
        .physfn = { .bus = physical >> 8, .devfn = physical },
    };

    return xen_physdev_op(PHYSDEVOP_pci_device_add, &arg);
}

static long add_extended(pci_bdf_t where, unsigned int extended, unsigned int is_virtual)
{
    struct physdev_manage_pci_ext arg = {
        .bus = where >> 8, .devfn = where, .is_extfn = extended, .is_virtfn = is_virtual
    };

    return xen_physdev_op(PHYSDEVOP_manage_pci_add_ext, &arg);
}

/* An operation on a device as it was first, on segment 0, or as it is now. */
static long old_op(int cmd, pci_bdf_t where)
{
    struct physdev_manage_pci arg = { .bus = where >> 8, .devfn = where };

    return xen_physdev_op(cmd, &arg);
}

static long device_op(int cmd, pci_bdf_t where)
{
    struct physdev_pci_device arg = { .bus = where >> 8, .devfn = where };

    return xen_physdev_op(cmd, &arg);
}

static long debug_port(uint8_t op, uint8_t bus_type)
{
    struct physdev_dbgp_op arg = { .op = op, .bus = bus_type };

    return xen_physdev_op(PHYSDEVOP_dbgp_op, &arg);
}

/* Nobody's console is on a USB debug port. */
static void check_debug_port(void)
{
    result(debug_port(PHYSDEVOP_DBGP_RESET_PREPARE, PHYSDEVOP_DBGP_BUS_UNKNOWN), "debug-port-prepare");
    result(debug_port(PHYSDEVOP_DBGP_RESET_DONE, PHYSDEVOP_DBGP_BUS_PCI), "debug-port-done");
    result(debug_port(0, PHYSDEVOP_DBGP_BUS_PCI), "debug-port-0");
    result(debug_port(3, PHYSDEVOP_DBGP_BUS_PCI), "debug-port-3");
    result(debug_port(PHYSDEVOP_DBGP_RESET_DONE, 77), "debug-port-bus-77");
}

static void check_devices(void)
{
    result(device_op(PHYSDEVOP_pci_device_remove, edu), "remove-untold");
    result(old_op(PHYSDEVOP_manage_pci_remove, edu), "remove-untold-old");
    result(device_op(PHYSDEVOP_restore_msi_ext, edu), "restore-untold");
    result(add(edu, 0, 0, 0), "add");
    result(add(edu, 0, 0, 0), "add-again");
    result(add(edu, 0, ~7U, 0), "add-flags-unknown");
    result(add(edu, 0, XEN_PCI_DEV_EXTFN, 0), "add-extended");
    result(old_op(PHYSDEVOP_manage_pci_add, edu), "add-old");
    result(add_extended(edu, 2, 0), "add-extended-2");
    result(add_extended(edu, 0, 2), "add-virtual-2");
    result(add_extended(edu, 1, 0), "add-extended-old");
    result(device_op(PHYSDEVOP_restore_msi_ext, edu), "restore");
    result(old_op(PHYSDEVOP_restore_msi, edu), "restore-old");
    result(add(ABSENT, 0, 0, 0), "add-absent");
    result(device_op(PHYSDEVOP_restore_msi_ext, ABSENT), "restore-absent");
    result(device_op(PHYSDEVOP_pci_device_remove, ABSENT), "remove-absent");
    result(device_op(PHYSDEVOP_pci_device_remove, ABSENT), "remove-absent-again");
    /* A virtual function, and with it the physical one that nobody told of. */
    result(add(ABSENT, 0, XEN_PCI_DEV_VIRTFN, UNTOLD), "add-virtual");
    result(old_op(PHYSDEVOP_manage_pci_remove, UNTOLD), "remove-physical");
    result(old_op(PHYSDEVOP_manage_pci_remove, ABSENT), "remove-virtual");
    result(add(edu, 7, 0, 0), "add-segment-7");
    result(device_op(PHYSDEVOP_pci_device_remove, edu), "remove");
}

void guest_main(void)
{
    io_allow();
    edu = pci_find(EDU_VENDOR, EDU_DEVICE);
    if (edu == PCI_NOWHERE) {
        guest_fail("no edu");
    }
    check_ports();
    if (pci_read(HOST_BRIDGE, PCI_ID, 4) >> 16 == Q35) {
        check_window();
        check_reserved();
    }
    check_devices();
    check_debug_port();
}
