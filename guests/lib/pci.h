/* pci.h: devices on the PCI bus, which domain 0 finds and configures as a machine's own kernel would,
 * and their memory, which is mapped by machine frame. */
#ifndef GUEST_PCI_H
#define GUEST_PCI_H

#include "pagetable.h"
#include "types.h"

/* PCI Local Bus Specification 3.0, "Configuration Space": offsets and bits. */
#define PCI_ID              0x00
#define PCI_COMMAND         0x04
#define PCI_COMMAND_IO      0x0001
#define PCI_COMMAND_MEMORY  0x0002
#define PCI_COMMAND_MASTER  0x0004
#define PCI_COMMAND_NO_INTX 0x0400
#define PCI_STATUS          0x06
#define PCI_STATUS_CAPS     0x10
#define PCI_BAR(n)          (0x10 + 4 * (n))
#define PCI_CAPS            0x34
#define PCI_INTERRUPT_LINE  0x3c
#define PCI_CAP_MSI         0x05
#define PCI_CAP_MSIX        0x11

#define PCI_MSI_CONTROL   2
#define PCI_MSI_ADDRESS   4
#define PCI_MSI_ENABLE    0x0001
#define PCI_MSI_64BIT     0x0080
#define PCI_MSI_MASKABLE  0x0100
#define PCI_MSIX_CONTROL  2
#define PCI_MSIX_TABLE    4
#define PCI_MSIX_PBA      8
#define PCI_MSIX_ENABLE   0x8000
#define PCI_MSIX_MASK_ALL 0x4000

#define PCI_NOWHERE ~0U

/* Where a device is: bus in bits 8 to 15, device and function below. */
typedef unsigned int pci_bdf_t;

uint32_t pci_read(pci_bdf_t where, unsigned int reg, unsigned int bytes);
void pci_write(pci_bdf_t where, unsigned int reg, unsigned int bytes, uint32_t value);

/** pci_find - the first device of this vendor and kind on bus 0; PCI_NOWHERE */
pci_bdf_t pci_find(unsigned int vendor, unsigned int device);

/** pci_capability - offset of a capability; 0: it has none */
unsigned int pci_capability(pci_bdf_t where, unsigned int id);

/** pci_bar - start of a memory BAR; 0: none */
uint64_t pci_bar(pci_bdf_t where, unsigned int n);

/** io_allow - IN and OUT work from here on */
void io_allow(void);
void io_out(unsigned int port, unsigned int bytes, uint32_t value);
uint32_t io_in(unsigned int port, unsigned int bytes);

/**
 * mmio_map - put a machine page of a device at the n-th of MMIO_PAGES addresses, with these flags
 * Returns the hypercall's result; the page is then at mmio_at(n).
 */
#define MMIO_PAGES 512
long mmio_map(unsigned int n, uint64_t maddr, uint64_t flags);
void *mmio_at(unsigned int n);

#define MMIO_DATA    (PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D | PTE_PCD | PTE_PWT)
#define MMIO_DATA_RO (MMIO_DATA & ~PTE_RW)

static inline uint32_t mmio_read(const void *at)
{
    return *(const volatile uint32_t *)at;
}

static inline void mmio_write(void *at, uint32_t value)
{
    *(volatile uint32_t *)at = value;
}

#endif
