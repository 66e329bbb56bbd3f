/* What msi.c and msix.c share. */
#ifndef X86_PLATFORM_MSI_PRIVATE_H
#define X86_PLATFORM_MSI_PRIVATE_H

#include "platform/msi.h"
#include "platform/pci_device.h"

struct msi_entry {
    struct list link; /* pci_dev.messages; pci_lock */
    struct pci_dev *dev;
    unsigned int irq;
    unsigned int index; /* in the table */
    bool is_x;
    /* msi_lock: */
    bool lost; /* the device is gone, or another entry writes there now */
    bool masked, guest_masked;
    uint32_t address, data; /* the message */
};

/*
 * RANK_MSI: messages, their mask bits and control registers, with the members of struct pci_dev
 * that stand for them. Taken in interrupts. What is placed and counted changes under pci_lock too.
 */
extern struct spinlock msi_lock;

static inline bool overlaps(uint64_t at, uint64_t bytes, uint64_t start, uint64_t end)
{
    return at < end && at + bytes > start;
}

/* A guest wrote "register" or "address" `at`, and nothing came of it: for the log. pci_lock held. */
void msi_write_refused(struct pci_dev *dev, const char *where, uint64_t at);

/* msix.c. msi_lock held: */
void msix_entry_mask(struct msi_entry *m);  /* writes the mask bit as it should be */
void msix_entry_write(struct msi_entry *m); /* all of it */
void msix_count(struct pci_dev *dev, int change);
void msix_restore(struct pci_dev *dev);
/* pci_lock held. 0; -ENODEV, -ENXIO; -EAGAIN mmio_sweep() must be done first */
int msix_reach(struct pci_dev *dev) MUST_CHECK;
void msix_device_added(struct pci_dev *dev);
void msix_device_removed(struct pci_dev *dev);
bool msix_guest_write(struct pci_dev *dev, unsigned int reg, unsigned int bytes, uint32_t value);

#endif
