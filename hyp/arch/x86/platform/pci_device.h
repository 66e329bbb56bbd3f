/*
 * PCI devices that domain 0 has told of (PHYSDEVOP_pci_device_add and its older forms), and where
 * their registers lie in memory. Interrupt messages are made for known devices only.
 */
#ifndef X86_PLATFORM_PCI_DEVICE_H
#define X86_PLATFORM_PCI_DEVICE_H

#include <lodge/list.h>
#include "core/lock.h"
#include "platform/pci.h"

#define PCI_NR_BARS 6

struct msi_entry;

struct pci_dev {
    struct list link;
    struct pci_sbdf where;
    bool is_virtual;                    /* a virtual function, ... */
    struct pci_sbdf physical;           /* ... and of which device */
    unsigned int sriov;                 /* offset of that capability; 0: none */
    uint64_t vf_bar_bytes[PCI_NR_BARS]; /* of each virtual function; 0: not known */
    bool gone;                          /* removed; freed with the last message */
    bool reported;                      /* that a guest writes where messages are: once is enough */

    /* What follows is msi.c's and msix.c's. */
    struct list messages;
    struct {
        unsigned int cap; /* offset of the capability; 0: none */
        bool is_64bit, maskable;
        struct msi_entry *entry; /* whose message is written there */
        bool guest_enabled;
        bool silenced; /* switched off, because it cannot be masked */
    } msi;
    struct {
        unsigned int cap, nr;
        uint16_t control; /* the register without the two bits that follow */
        bool guest_enabled, guest_masked;
        bool prepared;       /* PHYSDEVOP_prepare_msix */
        unsigned int used;   /* entries with a message of ours */
        uint64_t table, pba; /* machine addresses; 0: out of reach just now */
        bool exposed;        /* a guest may be able to write there: mmio_sweep() comes first */
        uint32_t generation; /* mmio_swept() since this one: it no longer is */
    } msix;
};

/* Known devices, and whatever of them is not under a lock that is named. Taken without others. */
extern struct spinlock pci_lock; /* RANK_PIRQ */
extern struct list pci_devices;

/* pci_lock held. NULL: nobody told of it. */
struct pci_dev *pci_device_find(struct pci_sbdf where);
/* The start of a memory BAR; 0: it is none, or the device does not decode it now. pci_lock held. */
uint64_t pci_device_bar(const struct pci_dev *dev, unsigned int n);
/* Does writing there change what pci_device_bar() says, of this device or its virtual functions? */
bool pci_device_places(const struct pci_dev *dev, unsigned int reg, unsigned int bytes);

/**
 * pci_device_add - a device is there
 * @physical: of which it is a virtual function; NULL
 * Returns 0, also when it is known; -ENOMEM.
 */
int pci_device_add(struct pci_sbdf where, const struct pci_sbdf *physical) MUST_CHECK;
int pci_device_remove(struct pci_sbdf where) MUST_CHECK; /* 0, -ENODEV */
void pci_device_free(struct pci_dev *dev);               /* gone, and without messages */

#endif
