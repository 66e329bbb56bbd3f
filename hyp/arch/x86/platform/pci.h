/*
 * PCI configuration space, and the devices that domain 0 has told of. Source: PCI Local Bus
 * Specification, "Configuration Space"; PCI Firmware Specification, "MCFG".
 */
#ifndef X86_PLATFORM_PCI_H
#define X86_PLATFORM_PCI_H

#include <lodge/types.h>

struct domain;

struct pci_sbdf {
    uint16_t segment;
    uint8_t bus, devfn;
};

/* bytes: 1, 2 or 4, reg aligned to it. Unreachable: reads give all ones, writes nothing. */
uint32_t pci_cfg_read(struct pci_sbdf where, unsigned int reg, unsigned int bytes);
void pci_cfg_write(struct pci_sbdf where, unsigned int reg, unsigned int bytes, uint32_t value);
unsigned int pci_find_capability(struct pci_sbdf where, uint8_t id); /* offset; 0: none */

/*
 * A guest's access to 0xcfc + offset with what it last wrote to 0xcf8. The hardware domain
 * configures devices itself, but for the message addresses of interrupts, which are the
 * hypervisor's (msi.h). Everybody else sees no device.
 */
uint32_t pci_guest_cfg_read(struct domain *d, uint32_t cf8, unsigned int offset,
                            unsigned int bytes);
void pci_guest_cfg_write(struct domain *d, uint32_t cf8, unsigned int offset, unsigned int bytes,
                         uint32_t value);

/* PHYSDEVOP_pci_device_add and _remove, pci_mmcfg_reserved. */
int pci_device_add(struct pci_sbdf where) MUST_CHECK;    /* 0 (also when known), -ENOMEM */
int pci_device_remove(struct pci_sbdf where) MUST_CHECK; /* 0, -ENODEV */
bool pci_device_known(struct pci_sbdf where);
int pci_mmcfg_reserved(uint64_t address, uint16_t segment, uint8_t first_bus, uint8_t last_bus,
                       bool reserved) MUST_CHECK; /* 0, -ENODEV, -EIO */

#endif
