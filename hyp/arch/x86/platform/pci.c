/*
 * Configuration space through ports 0xcf8 and 0xcfc, or, for what those cannot name (other
 * segments, registers from 256 on), through the memory window that the MCFG table tells of, once
 * somebody has confirmed that it is reserved for that.
 */
#include "platform/pci.h"

#include <lodge/errno.h>
#include "boot/bootinfo.h"
#include "core/lock.h"
#include "cpu/insn.h"
#include "mm/page.h"
#include "platform/acpi.h"

#define CONFIG_ADDRESS 0xcf8
#define CONFIG_DATA    0xcfc
#define CF8_ENABLE     0x80000000U

#define LEGACY_REGS 256U
#define ECAM_REGS   4096U
#define NR_BUSES    256U

#define REG_STATUS    0x06
#define STATUS_CAPS   0x10
#define REG_CAPS      0x34
#define CAPS_MAX      48 /* as many as fit 192 bytes: a longer list is a loop */
#define EXTENDED_MAX  480 /* as many as fit the extended registers */
#define STATUS_NOBODY 0xffff

/* the port pair; taken with interrupts off */
static struct spinlock config_lock = SPINLOCK_INIT(RANK_IOAPIC);
static char *windows[ACPI_MAX_MCFG][NR_BUSES]; /* mapped when first used */

static uint32_t all_ones(unsigned int bytes)
{
    return bytes == 4 ? 0xffffffff : (1U << 8 * bytes) - 1;
}

static uint32_t data_read(uint32_t address, unsigned int offset, unsigned int bytes)
{
    unsigned long flags = spin_lock_irqsave(&config_lock);
    uint32_t v;

    out32(CONFIG_ADDRESS, address);
    switch (bytes) {
    case 1:
        v = in8(CONFIG_DATA + offset);
        break;
    case 2:
        v = in16(CONFIG_DATA + offset);
        break;
    default:
        v = in32(CONFIG_DATA + offset);
        break;
    }
    spin_unlock_irqrestore(&config_lock, flags);
    return v;
}

static void data_write(uint32_t address, unsigned int offset, unsigned int bytes, uint32_t v)
{
    unsigned long flags = spin_lock_irqsave(&config_lock);

    out32(CONFIG_ADDRESS, address);
    switch (bytes) {
    case 1:
        out8(CONFIG_DATA + offset, v);
        break;
    case 2:
        out16(CONFIG_DATA + offset, v);
        break;
    default:
        out32(CONFIG_DATA + offset, v);
        break;
    }
    spin_unlock_irqrestore(&config_lock, flags);
}

/*
 * PCI Firmware Specification, "MCFG Table Description": firmware must also reserve the area in E820
 * or AML.
 */
static bool window_reserved(unsigned int i)
{
    uint64_t start = acpi.mcfg[i].base + acpi.mcfg[i].first_bus * PCI_BUS_BYTES;
    uint64_t end = acpi.mcfg[i].base + (acpi.mcfg[i].last_bus + 1) * PCI_BUS_BYTES;

    if (acpi.mcfg[i].reserved) {
        return true;
    }
    for (unsigned int r = 0; r < boot_info.nr_map; r++) {
        if (boot_info.map[r].type == RANGE_RESERVED && boot_info.map[r].start <= start &&
            boot_info.map[r].start + boot_info.map[r].size >= end) {
            return true;
        }
    }
    return false;
}

static volatile void *ecam(struct pci_sbdf where, unsigned int reg)
{
    for (unsigned int i = 0; i < acpi.nr_mcfg; i++) {
        char *window;

        if (acpi.mcfg[i].segment != where.segment || where.bus < acpi.mcfg[i].first_bus ||
            where.bus > acpi.mcfg[i].last_bus || !window_reserved(i)) {
            continue;
        }
        window = __atomic_load_n(&windows[i][where.bus], __ATOMIC_ACQUIRE);
        if (!window) {
            /* Two CPUs may both map it: the second mapping stays unused. */
            window = ioremap(acpi.mcfg[i].base + where.bus * PCI_BUS_BYTES, PCI_BUS_BYTES);
            __atomic_store_n(&windows[i][where.bus], window, __ATOMIC_RELEASE);
        }
        return window ? window + where.devfn * ECAM_REGS + reg : NULL;
    }
    return NULL;
}

static uint32_t address_of(struct pci_sbdf where, unsigned int reg)
{
    return CF8_ENABLE | where.bus << 16 | where.devfn << 8 | (reg & 0xfc);
}

uint32_t pci_cfg_read(struct pci_sbdf where, unsigned int reg, unsigned int bytes)
{
    volatile void *p;

    if (where.segment == 0 && reg < LEGACY_REGS) {
        return data_read(address_of(where, reg), reg & 3, bytes);
    }
    p = reg < ECAM_REGS ? ecam(where, reg) : NULL;
    if (!p) {
        return all_ones(bytes);
    }
    switch (bytes) {
    case 1:
        return *(volatile uint8_t *)p;
    case 2:
        return *(volatile uint16_t *)p;
    default:
        return *(volatile uint32_t *)p;
    }
}

void pci_cfg_write(struct pci_sbdf where, unsigned int reg, unsigned int bytes, uint32_t value)
{
    volatile void *p;

    if (where.segment == 0 && reg < LEGACY_REGS) {
        data_write(address_of(where, reg), reg & 3, bytes, value);
        return;
    }
    p = reg < ECAM_REGS ? ecam(where, reg) : NULL;
    if (!p) {
        return;
    }
    switch (bytes) {
    case 1:
        *(volatile uint8_t *)p = value;
        break;
    case 2:
        *(volatile uint16_t *)p = value;
        break;
    default:
        *(volatile uint32_t *)p = value;
        break;
    }
}

unsigned int pci_find_capability(struct pci_sbdf where, uint8_t id)
{
    unsigned int at, status = pci_cfg_read(where, REG_STATUS, 2);

    /* Not by the vendor: a virtual function's reads as if nobody were there. */
    if (status == STATUS_NOBODY || !(status & STATUS_CAPS)) {
        return 0;
    }
    at = pci_cfg_read(where, REG_CAPS, 1) & ~3U;
    for (unsigned int i = 0; i < CAPS_MAX && at >= 0x40; i++) {
        if (pci_cfg_read(where, at, 1) == id) {
            return at;
        }
        at = pci_cfg_read(where, at + 1, 1) & ~3U;
    }
    return 0;
}

unsigned int pci_find_extended(struct pci_sbdf where, uint16_t id)
{
    unsigned int at = LEGACY_REGS;

    for (unsigned int i = 0; i < EXTENDED_MAX && at >= LEGACY_REGS; i++) {
        uint32_t header = pci_cfg_read(where, at, 4);

        if (header == 0 || header == 0xffffffff) {
            return 0;
        }
        if ((header & 0xffff) == id) {
            return at;
        }
        at = header >> 20 & ~3U;
    }
    return 0;
}

bool pci_window_device(uint64_t mfn, struct pci_sbdf *where)
{
    for (unsigned int i = 0; i < acpi.nr_mcfg; i++) {
        uint64_t page = mfn - (acpi.mcfg[i].base >> PAGE_SHIFT); /* one for each function */
        uint64_t bus = page >> 8;

        if (bus >= acpi.mcfg[i].first_bus && bus <= acpi.mcfg[i].last_bus) {
            *where = (struct pci_sbdf){ acpi.mcfg[i].segment, bus, page & 0xff };
            return true;
        }
    }
    return false;
}

int pci_mmcfg_reserved(uint64_t address, uint16_t segment, uint8_t first_bus, uint8_t last_bus,
                       bool reserved)
{
    for (unsigned int i = 0; i < acpi.nr_mcfg; i++) {
        if (acpi.mcfg[i].segment != segment || acpi.mcfg[i].first_bus != first_bus ||
            acpi.mcfg[i].last_bus != last_bus) {
            continue;
        }
        if (acpi.mcfg[i].base != address) {
            return -EIO;
        }
        acpi.mcfg[i].reserved = reserved;
        return 0;
    }
    return -ENODEV;
}
