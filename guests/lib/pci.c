/* pci.c: configuration space by ports 0xcf8 and 0xcfc, and windows on device memory. */
#include "pci.h"
#include "hypercall.h"
#include "memory.h"
#include "report.h"

#define CONFIG_ADDRESS 0xcf8
#define CONFIG_DATA    0xcfc
#define CONFIG_ENABLE  0x80000000U
#define MMIO_BASE      0xffffc00000000000UL

void io_allow(void)
{
    struct physdev_set_iopl arg = { .iopl = 1 };

    guest_need(xen_physdev_op(PHYSDEVOP_set_iopl, &arg));
}

void io_out(unsigned int port, unsigned int bytes, uint32_t value)
{
    switch (bytes) {
    case 1:
        __asm__ volatile("outb %b0, %w1" : : "a"(value), "d"(port));
        break;
    case 2:
        __asm__ volatile("outw %w0, %w1" : : "a"(value), "d"(port));
        break;
    default:
        __asm__ volatile("outl %0, %w1" : : "a"(value), "d"(port));
        break;
    }
}

uint32_t io_in(unsigned int port, unsigned int bytes)
{
    uint32_t value = 0;

    switch (bytes) {
    case 1:
        __asm__ volatile("inb %w1, %b0" : "+a"(value) : "d"(port));
        break;
    case 2:
        __asm__ volatile("inw %w1, %w0" : "+a"(value) : "d"(port));
        break;
    default:
        __asm__ volatile("inl %w1, %0" : "+a"(value) : "d"(port));
        break;
    }
    return value;
}

uint32_t pci_read(pci_bdf_t where, unsigned int reg, unsigned int bytes)
{
    io_out(CONFIG_ADDRESS, 4, CONFIG_ENABLE | where << 8 | (reg & 0xfc));
    return io_in(CONFIG_DATA + (reg & 3), bytes);
}

void pci_write(pci_bdf_t where, unsigned int reg, unsigned int bytes, uint32_t value)
{
    io_out(CONFIG_ADDRESS, 4, CONFIG_ENABLE | where << 8 | (reg & 0xfc));
    io_out(CONFIG_DATA + (reg & 3), bytes, value);
}

pci_bdf_t pci_find(unsigned int vendor, unsigned int device)
{
    for (pci_bdf_t where = 0; where < 256; where++) {
        if (pci_read(where, PCI_ID, 4) == (vendor | device << 16)) {
            return where;
        }
    }
    return PCI_NOWHERE;
}

unsigned int pci_capability(pci_bdf_t where, unsigned int id)
{
    unsigned int at;

    if (!(pci_read(where, PCI_STATUS, 2) & PCI_STATUS_CAPS)) {
        return 0;
    }
    for (at = pci_read(where, PCI_CAPS, 1); at; at = pci_read(where, at + 1, 1)) {
        if (pci_read(where, at, 1) == id) {
            return at;
        }
    }
    return 0;
}

uint64_t pci_bar(pci_bdf_t where, unsigned int n)
{
    uint32_t low = pci_read(where, PCI_BAR(n), 4);
    uint64_t high = (low & 6) == 4 ? pci_read(where, PCI_BAR(n + 1), 4) : 0;

    return low & 1 ? 0 : high << 32 | (low & ~0xfU);
}

void *mmio_at(unsigned int n)
{
    return (void *)(MMIO_BASE + n * PAGE_SIZE);
}

long mmio_map(unsigned int n, uint64_t maddr, uint64_t flags)
{
    void *va = mmio_at(n);

    if (!pt_entry(pt_root(), va, 1)) {
        pt_map(pt_root(), va, 0);
    }
    return xen_update_va_mapping(va, pte_make(maddr >> PAGE_SHIFT, flags), UVMF_INVLPG | UVMF_ALL);
}
