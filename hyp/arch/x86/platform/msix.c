/*
 * Tables of messages in devices' memory. Guests may read them and their pending bits, and nothing
 * more: the frames are read-only (mmio.h) from when a device is announced, wherever its BARs are
 * moved. Source: PCI Local Bus Specification 3.0, "MSI-X Capability and Table Structures".
 */
#include "platform/msi.h"

#include <lodge/errno.h>
#include "core/log.h"
#include "mm/io_page.h"
#include "platform/mmio.h"
#include "platform/msi_private.h"

#define CAP_MSIX 0x11

#define MSIX_CONTROL   2
#define MSIX_TABLE     4
#define MSIX_PBA       8
#define MSIX_CAP_BYTES 12
#define MSIX_ENABLE    0x8000
#define MSIX_MASK_ALL  0x4000
#define MSIX_SIZE(c)   (((c) & 0x7ff) + 1)
#define MSIX_BIR(v)    ((v) & 7)

#define ENTRY_BYTES   16
#define ENTRY_CONTROL 12
#define ENTRY_MASKED  1U

static uint64_t table_bytes(const struct pci_dev *dev)
{
    return dev->msix.nr * ENTRY_BYTES;
}

/* A bit for each entry, in words of 64. */
static uint64_t pba_bytes(const struct pci_dev *dev)
{
    return DIV_ROUND_UP(dev->msix.nr, 64) * 8;
}

static void control_write(const struct pci_dev *dev, uint16_t bits)
{
    pci_cfg_write(dev->where, dev->msix.cap + MSIX_CONTROL, 2, dev->msix.control | bits);
}

static bool in_reach(const struct pci_dev *dev)
{
    return dev->msix.table && !dev->msix.exposed;
}

/* As the guest wants it, but silent while there is no message of ours, or no way to mask one. */
static void control_update(const struct pci_dev *dev)
{
    bool masked = dev->msix.guest_masked || !dev->msix.used || !in_reach(dev);

    control_write(dev, (dev->msix.guest_enabled ? MSIX_ENABLE : 0) | (masked ? MSIX_MASK_ALL : 0));
}

/* Some devices show their table only while the capability is on. */
static bool table_open(const struct pci_dev *dev)
{
    if (!in_reach(dev)) {
        return false;
    }
    if (!dev->msix.guest_enabled) {
        control_write(dev, MSIX_ENABLE | MSIX_MASK_ALL);
    }
    return true;
}

static void table_close(const struct pci_dev *dev)
{
    if (!dev->msix.guest_enabled) {
        control_update(dev);
    }
}

static uint64_t entry_at(const struct msi_entry *m)
{
    return m->dev->msix.table + m->index * ENTRY_BYTES;
}

static void mask_write(const struct msi_entry *m, bool masked)
{
    io_page_write(entry_at(m) + ENTRY_CONTROL, 4, masked ? ENTRY_MASKED : 0);
}

void msix_entry_mask(struct msi_entry *m)
{
    if (table_open(m->dev)) {
        mask_write(m, m->masked);
        (void)io_page_read(entry_at(m) + ENTRY_CONTROL, 4); /* it has arrived */
        table_close(m->dev);
    }
}

/* "Software must not modify the Address or Data fields of an entry while it is unmasked." */
static void entry_write(const struct msi_entry *m)
{
    mask_write(m, true);
    io_page_write(entry_at(m), 4, m->address);
    io_page_write(entry_at(m) + 4, 4, 0);
    io_page_write(entry_at(m) + 8, 4, m->data);
    mask_write(m, m->masked);
    (void)io_page_read(entry_at(m) + ENTRY_CONTROL, 4);
}

void msix_entry_write(struct msi_entry *m)
{
    if (table_open(m->dev)) {
        entry_write(m);
        table_close(m->dev);
    }
}

/* Whatever firmware or a reset left in the table: masked, and our messages written. */
static void table_write(struct pci_dev *dev)
{
    struct msi_entry *m;

    if (!table_open(dev)) {
        return;
    }
    for (unsigned int i = 0; i < dev->msix.nr; i++) {
        io_page_write(dev->msix.table + i * ENTRY_BYTES + ENTRY_CONTROL, 4, ENTRY_MASKED);
    }
    list_for_each(m, &dev->messages, link) {
        if (m->is_x && !m->lost) {
            entry_write(m);
        }
    }
    table_close(dev);
}

void msix_count(struct pci_dev *dev, int change)
{
    if (!dev->msix.used) {
        table_write(dev);
    }
    dev->msix.used += change;
    control_update(dev);
}

void msix_restore(struct pci_dev *dev)
{
    dev->msix.guest_enabled = true;
    control_write(dev, MSIX_ENABLE | MSIX_MASK_ALL);
    table_write(dev);
    control_update(dev);
}

static uint64_t find(const struct pci_dev *dev, unsigned int reg)
{
    uint32_t v = pci_cfg_read(dev->where, dev->msix.cap + reg, 4);
    uint64_t base = pci_device_bar(dev, MSIX_BIR(v));

    return base ? base + (v & ~7U) : 0;
}

/* Where is the table, and where are the pending bits, if this write may have moved them? */
static bool may_have_moved(const struct pci_dev *dev, const struct pci_dev *written)
{
    return dev->msix.cap &&
           (dev == written || (dev->is_virtual && pci_same(dev->physical, written->where)));
}

static int protect(struct mmio_tables *tables, const struct pci_dev *dev, uint64_t table,
                   uint64_t pba)
{
    int rc = table ? mmio_tables_add(tables, table, table_bytes(dev)) : 0;

    return rc || !pba ? rc : mmio_tables_add(tables, pba, pba_bytes(dev));
}

/* The table is at another place: what it holds has not changed, but it may be new to us. */
static void follow(struct pci_dev *dev, uint64_t table, uint64_t pba)
{
    bool exposed = (table && mmio_maybe_written(table, table_bytes(dev))) ||
                   (pba && mmio_maybe_written(pba, pba_bytes(dev)));
    unsigned long flags = spin_lock_irqsave(&msi_lock);

    dev->msix.pba = pba;
    if (table != dev->msix.table || exposed != dev->msix.exposed) {
        dev->msix.table = table;
        dev->msix.exposed = exposed;
        if (dev->msix.used) {
            table_write(dev);
        }
        control_update(dev);
    }
    spin_unlock_irqrestore(&msi_lock, flags);
}

/*
 * The device's registers have changed. No domain maps device memory until it is known where tables
 * are now. Those that cannot be kept from being written count as out of reach.
 */
static void place(struct mmio_tables *tables, const struct pci_dev *written)
{
    struct pci_dev *dev;
    uint32_t generation;
    int rc = 0;

    assert_held(&pci_lock);
    list_for_each(dev, &pci_devices, link) {
        bool moved = may_have_moved(dev, written);

        rc = rc ? rc
                : protect(tables, dev, moved ? find(dev, MSIX_TABLE) : dev->msix.table,
                          moved ? find(dev, MSIX_PBA) : dev->msix.pba);
    }
    list_for_each(dev, &pci_devices, link) {
        if (may_have_moved(dev, written)) {
            follow(dev, rc ? 0 : find(dev, MSIX_TABLE), rc ? 0 : find(dev, MSIX_PBA));
        }
    }
    generation = mmio_tables_end(tables, rc == 0);
    list_for_each(dev, &pci_devices, link) {
        if (may_have_moved(dev, written)) {
            dev->msix.generation = generation;
        }
    }
}

int msix_reach(struct pci_dev *dev)
{
    unsigned long flags;

    if (!dev->msix.cap) {
        return -ENODEV;
    }
    if (dev->msix.exposed && mmio_swept(dev->msix.generation)) {
        flags = spin_lock_irqsave(&msi_lock);
        dev->msix.exposed = false;
        if (dev->msix.used) {
            table_write(dev);
        }
        control_update(dev);
        spin_unlock_irqrestore(&msi_lock, flags);
    }
    return !dev->msix.table ? -ENXIO : dev->msix.exposed ? -EAGAIN : 0;
}

int msix_prepare(struct pci_sbdf where, bool prepared)
{
    struct pci_dev *dev;
    int rc = -ENODEV;

    spin_lock(&pci_lock);
    dev = pci_device_find(where);
    if (dev && dev->msix.cap) {
        rc = dev->msix.used || dev->msix.prepared == prepared ? -EBUSY : 0;
    }
    rc = rc || !prepared ? rc : msix_reach(dev);
    if (!rc) {
        dev->msix.prepared = prepared;
    }
    spin_unlock(&pci_lock);
    return rc;
}

void msix_device_added(struct pci_dev *dev)
{
    uint16_t control;

    dev->msix.cap = pci_find_capability(dev->where, CAP_MSIX);
    if (!dev->msix.cap) {
        return;
    }
    control = pci_cfg_read(dev->where, dev->msix.cap + MSIX_CONTROL, 2);
    dev->msix.nr = MSIX_SIZE(control);
    dev->msix.control = control & ~(MSIX_ENABLE | MSIX_MASK_ALL);
    place(mmio_tables_begin(), dev);
    control_update(dev);
}

void msix_device_removed(struct pci_dev *dev)
{
    unsigned long flags;

    if (dev->msix.cap) {
        flags = spin_lock_irqsave(&msi_lock);
        dev->msix.table = 0;
        dev->msix.guest_enabled = false;
        control_update(dev);
        spin_unlock_irqrestore(&msi_lock, flags);
        place(mmio_tables_begin(), dev);
    }
}

/* A guest has the two bits of the control register, in a write of just that register. */
bool msix_guest_write(struct pci_dev *dev, unsigned int reg, unsigned int bytes, uint32_t value)
{
    unsigned int cap = dev->msix.cap;
    unsigned long flags;

    if (!cap || !overlaps(reg, bytes, cap, cap + MSIX_CAP_BYTES)) {
        return false;
    }
    if (reg != cap + MSIX_CONTROL || bytes != 2) {
        msi_write_refused(dev, "register", reg);
        return true;
    }
    flags = spin_lock_irqsave(&msi_lock);
    dev->msix.guest_enabled = value & MSIX_ENABLE;
    dev->msix.guest_masked = value & MSIX_MASK_ALL;
    control_update(dev);
    spin_unlock_irqrestore(&msi_lock, flags);
    return true;
}

void msix_guest_place(struct pci_dev *dev, unsigned int reg, unsigned int bytes, uint32_t value)
{
    struct mmio_tables *tables = mmio_tables_begin();

    pci_cfg_write(dev->where, reg, bytes, value);
    place(tables, dev);
}

void msix_guest_store(uint64_t maddr, unsigned int bytes, uint64_t value)
{
    struct pci_dev *dev;
    bool owned = false;

    spin_lock(&pci_lock);
    list_for_each(dev, &pci_devices, link) {
        const uint64_t table = dev->msix.table, pba = dev->msix.pba;

        if ((table && overlaps(maddr, bytes, table, table + table_bytes(dev))) ||
            (pba && overlaps(maddr, bytes, pba, pba + pba_bytes(dev)))) {
            msi_write_refused(dev, "address", maddr);
            owned = true;
        }
    }
    if (!owned) {
        io_page_write(maddr, bytes, value);
    }
    spin_unlock(&pci_lock);
}
