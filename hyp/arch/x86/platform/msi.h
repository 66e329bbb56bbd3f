/*
 * Interrupts that PCI devices send as messages: a capability with one message (MSI), or a table of
 * them in the device's memory (MSI-X). The hypervisor writes them, on domain 0's request, and keeps
 * them out of everybody's reach; whether the device sends any stays with its driver.
 */
#ifndef X86_PLATFORM_MSI_H
#define X86_PLATFORM_MSI_H

#include "platform/pci.h"

struct msi_entry;
struct pci_dev;

/**
 * msi_setup - make one message interrupt of a device
 * @is_x:  a table's, and which entry of it
 * Returns 0 with the irq number; -ENODEV unknown device or no such capability; -EINVAL no such
 * entry; -ENXIO the table is out of reach; -EAGAIN mmio_sweep() must be done first; -ENOSPC no irq;
 * -ENOMEM. What had the same message before has lost it.
 */
int msi_setup(struct pci_sbdf where, bool is_x, unsigned int entry, unsigned int *irq) MUST_CHECK;
void msi_release(unsigned int irq);
/* writes every message of the device again, and switches it on: -ENODEV, -ENXIO, -EAGAIN */
int msi_restore(struct pci_sbdf where) MUST_CHECK;
/* PHYSDEVOP_prepare_msix, _release_msix: -ENODEV; -EBUSY not the other way round; -ENXIO, -EAGAIN */
int msix_prepare(struct pci_sbdf where, bool prepared) MUST_CHECK;

/* Called by irq.c under the descriptor's lock. */
void msi_mask(struct msi_entry *m, bool masked);
void msi_route(struct msi_entry *m, uint8_t vector, uint32_t apic_id);
void msi_silence(struct msi_entry *m); /* it comes although it is masked */

/* Called by pci_device.c; pci_lock held. */
void msi_device_added(struct pci_dev *dev);
void msi_device_removed(struct pci_dev *dev); /* perhaps frees it */

/*
 * A guest writes to configuration space: true if that has been dealt with, be it that nothing was
 * written. pci_lock held.
 */
bool msi_guest_write(struct pci_dev *dev, unsigned int reg, unsigned int bytes, uint32_t value);
/* The same for a register of pci_device_places(): writes it, and follows the tables. */
void msix_guest_place(struct pci_dev *dev, unsigned int reg, unsigned int bytes, uint32_t value);
/* A guest stores to a page with a table on it: what is beside the table it may write. */
void msix_guest_store(uint64_t maddr, unsigned int bytes, uint64_t value);

#endif
