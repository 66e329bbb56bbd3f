/*
 * What of the machine is the hardware domain's: all of it, but for what the hypervisor itself lives
 * on.
 */
#include <lodge/errno.h>
#include <lodge/rangeset.h>
#include "boot/bootinfo.h"
#include "core/domain.h"
#include "core/object.h"
#include "cpu/features.h"
#include "cpu/smp.h"
#include "platform/acpi.h"
#include "platform/irq.h"
#include "platform/mmio.h"
#include "platform/pci.h"
#include "platform/pirq.h"
#include "platform/platform.h"
#include "platform/serial.h"

#define NR_PORTS             0x10000
#define MSI_START            0xfee00000ULL /* a write here is an interrupt */
#define MSI_END              0xfef00000ULL
#define HYPERTRANSPORT_START 0xfd00000000ULL
#define HYPERTRANSPORT_END   0x10000000000ULL
#define FIRST_MIB            0x100000ULL

struct span {
    uint64_t start, end;
};

static const struct rangeset_memory memory = { object_alloc, object_free };

static const struct span kept_ports[] = {
    { 0x20, 0x22 },   { 0xa0, 0xa2 }, /* 8259s */
    { 0x40, 0x44 },   { 0x61, 0x62 }, /* 8254 and its gate: ports.c shows a model of channel 2 */
    { 0x70, 0x72 },                   /* CMOS: its index is shared, ports.c */
    { 0xcfc, 0xd00 },                 /* PCI configuration: ports.c */
};

static int deny_ports(struct rangeset *ports)
{
    int rc = 0;

    for (unsigned int i = 0; i < ARRAY_SIZE(kept_ports) && !rc; i++) {
        rc = rangeset_remove(ports, kept_ports[i].start, kept_ports[i].end);
    }
    if (acpi.pm_timer_port && !rc) {
        rc = rangeset_remove(ports, acpi.pm_timer_port, acpi.pm_timer_port + 4);
    }
    for (unsigned int port = 0; port < NR_PORTS && !rc; port++) {
        if (serial_owns_port(port)) {
            rc = rangeset_remove(ports, port, port + 1);
        }
    }
    return rc;
}

static int deny_bytes(struct rangeset *iomem, uint64_t start, uint64_t end)
{
    return rangeset_remove(iomem, start >> PAGE_SHIFT, ROUND_UP(end, PAGE_SIZE) >> PAGE_SHIFT);
}

static int protect_bytes(uint64_t start, uint64_t size)
{
    return mmio_protect(start >> PAGE_SHIFT, ROUND_UP(start + size, PAGE_SIZE) >> PAGE_SHIFT);
}

static int deny_iomem(struct rangeset *iomem)
{
    int rc = deny_bytes(iomem, acpi.lapic_base, acpi.lapic_base + PAGE_SIZE);

    rc = rc ? rc : deny_bytes(iomem, MSI_START, MSI_END);
    if (cpu_host.vendor == VENDOR_AMD) { /* the address range of HyperTransport's own traffic */
        rc = rc ? rc : deny_bytes(iomem, HYPERTRANSPORT_START, HYPERTRANSPORT_END);
    }
    for (unsigned int i = 0; i < acpi.nr_iommus && !rc; i++) {
        rc = deny_bytes(iomem, acpi.iommus[i].base, acpi.iommus[i].base + acpi.iommus[i].bytes);
    }
    for (unsigned int i = 0; i < boot_info.nr_map && !rc; i++) {
        const struct boot_range *r = &boot_info.map[i];
        uint64_t start = MAX(r->start, FIRST_MIB);

        if (r->type == RANGE_UNUSABLE && start < r->start + r->size) {
            rc = deny_bytes(iomem, start, r->start + r->size);
        }
    }
    return rc;
}

/* Reading is harmless and drivers do it; writing would reroute interrupts or stop the clock. */
static int protect_iomem(void)
{
    int rc = 0;

    for (unsigned int i = 0; i < acpi.nr_ioapics && !rc; i++) {
        rc = protect_bytes(acpi.ioapics[i].base, PAGE_SIZE);
    }
    if (acpi.hpet_base && !rc) {
        rc = protect_bytes(acpi.hpet_base, PAGE_SIZE);
    }
    for (unsigned int i = 0; i < acpi.nr_mcfg && !rc; i++) { /* mmio_guest_write() lets through */
        rc = protect_bytes(acpi.mcfg[i].base + acpi.mcfg[i].first_bus * PCI_BUS_BYTES,
                           (acpi.mcfg[i].last_bus - acpi.mcfg[i].first_bus + 1) * PCI_BUS_BYTES);
    }
    if (smp_trampoline_maddr() && !rc) { /* amid the BIOS data that kernels scan */
        rc = protect_bytes(smp_trampoline_maddr(), PAGE_SIZE);
    }
    return rc;
}

int platform_dom0_permissions(struct domain *d)
{
    int rc;

    platform_permissions_free(d);
    d->arch.ports = rangeset_new(&memory);
    d->arch.iomem = rangeset_new(&memory);
    d->arch.irqs = rangeset_new(&memory);
    if (!d->arch.ports || !d->arch.iomem || !d->arch.irqs) {
        return -ENOMEM;
    }
    rc = rangeset_add(d->arch.ports, 0, NR_PORTS);
    rc = rc ? rc : deny_ports(d->arch.ports);
    rc = rc ? rc : rangeset_add(d->arch.iomem, 0, 1ULL << (cpu_host.address_bits - PAGE_SHIFT));
    rc = rc ? rc : deny_iomem(d->arch.iomem);
    rc = rc ? rc : protect_iomem();
    if (nr_gsis > 1) {
        /* a line of the hypervisor's own refuses to be bound */
        rc = rc ? rc : rangeset_add(d->arch.irqs, 1, nr_gsis);
    }
    d->arch.may_cache = true;
    return rc;
}

void platform_permissions_free(struct domain *d)
{
    pirq_domain_fini(d);
    rangeset_free(d->arch.ports);
    rangeset_free(d->arch.iomem);
    rangeset_free(d->arch.irqs);
    d->arch.ports = d->arch.iomem = d->arch.irqs = NULL;
}
