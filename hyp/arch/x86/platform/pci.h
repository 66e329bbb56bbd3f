/*
 * PCI configuration space. Source: PCI Local Bus Specification, "Configuration Space"; PCI Express
 * Base Specification, "PCI Express Extended Capabilities"; PCI Firmware Specification, "MCFG".
 */
#ifndef X86_PLATFORM_PCI_H
#define X86_PLATFORM_PCI_H

#include <lodge/types.h>

struct domain;

struct pci_sbdf {
    uint16_t segment;
    uint8_t bus, devfn;
};

static inline bool pci_same(struct pci_sbdf a, struct pci_sbdf b)
{
    return a.segment == b.segment && a.bus == b.bus && a.devfn == b.devfn;
}

#define PCI_BUS_BYTES MIB(1) /* of a memory window */

/* bytes: 1, 2 or 4, reg aligned to it. Unreachable: reads give all ones, writes nothing. */
uint32_t pci_cfg_read(struct pci_sbdf where, unsigned int reg, unsigned int bytes);
void pci_cfg_write(struct pci_sbdf where, unsigned int reg, unsigned int bytes, uint32_t value);
/* Offset of a capability; 0: none. */
unsigned int pci_find_capability(struct pci_sbdf where, uint8_t id);
unsigned int pci_find_extended(struct pci_sbdf where, uint16_t id);

/* Is this frame in a memory window, and whose registers are there? */
bool pci_window_device(uint64_t mfn, struct pci_sbdf *where);
/* PHYSDEVOP_pci_mmcfg_reserved: 0, -ENODEV, -EIO. */
int pci_mmcfg_reserved(uint64_t address, uint16_t segment, uint8_t first_bus, uint8_t last_bus,
                       bool reserved) MUST_CHECK;

/*
 * A guest's own accesses: pci_guest.c. Only the hardware domain sees devices, and configures them
 * itself, but for what is the hypervisor's: the messages of their interrupts. The pair _port_ is
 * of 0xcfc + offset, with cf8 what was last written to 0xcf8.
 */
void pci_guest_write(struct domain *d, struct pci_sbdf where, unsigned int reg, unsigned int bytes,
                     uint32_t value);
uint32_t pci_guest_port_read(struct domain *d, uint32_t cf8, unsigned int offset,
                             unsigned int bytes);
void pci_guest_port_write(struct domain *d, uint32_t cf8, unsigned int offset, unsigned int bytes,
                          uint32_t value);

#endif
