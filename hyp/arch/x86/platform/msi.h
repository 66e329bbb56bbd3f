/*
 * Message-signalled interrupts of PCI devices (MSI, MSI-X), programmed by the hypervisor on domain
 * 0's request.
 */
#ifndef X86_PLATFORM_MSI_H
#define X86_PLATFORM_MSI_H

#include <lodge/types.h>
#include "platform/pci.h"

struct msi_entry;

/**
 * msi_setup - make one message interrupt of a device
 * @table_base: MSI-X: address of the table's BAR region (the table itself); 0: MSI
 * @entry:      MSI-X table index
 * Returns 0 with the irq number; -ENODEV unknown device or no such capability; -EINVAL bad index or
 * table; -EEXIST; -ENOSPC no irq; -ENOMEM.
 */
int msi_setup(struct pci_sbdf where, uint64_t table_base, unsigned int entry,
              unsigned int *irq) MUST_CHECK;
void msi_release(unsigned int irq);
/* the device goes: its messages are not written any more, their irqs stay until released */
void msi_forget(struct pci_sbdf where);
/* writes every message of the device again; -ENODEV */
int msi_restore(struct pci_sbdf where) MUST_CHECK;

/* Called by irq.c under the descriptor's lock. */
void msi_mask(struct msi_entry *m, bool masked);
void msi_route(struct msi_entry *m, uint8_t vector, uint32_t apic_id);

/*
 * Is [reg, reg + bytes) of this device's configuration space part of a message address or its data?
 */
bool msi_owns_config(struct pci_sbdf where, unsigned int reg, unsigned int bytes);

#endif
