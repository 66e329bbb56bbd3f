/*
 * Message-signalled interrupts. The hypervisor writes address, data and mask of each message;
 * whether the capability is switched on stays with the driver's kernel. Source: PCI Local Bus
 * Specification 3.0, "Message Signaled Interrupts".
 */
#include "platform/msi.h"

#include <lodge/errno.h>
#include <lodge/list.h>
#include "core/lock.h"
#include "core/log.h"
#include "core/object.h"
#include "mm/page.h"
#include "platform/irq.h"

#define CAP_MSI  0x05
#define CAP_MSIX 0x11

#define MSI_CONTROL     2
#define MSI_ADDRESS     4
#define MSI_64BIT       0x0080
#define MSI_MASKABLE    0x0100
#define MSI_MULTIPLE    0x0070 /* how many messages are on, as a power of two */
#define MSIX_CONTROL    2
#define MSIX_SIZE(c)    (((c) & 0x7ff) + 1)
#define MSIX_TABLE      4
#define MSIX_BIR(t)     ((t) & 7)
#define MSIX_ENTRY_SIZE 16
#define MSIX_MASKED     1U

#define REG_COMMAND    0x04
#define COMMAND_MEMORY 0x02
#define REG_BAR(n)     (0x10 + 4 * (n))
#define BAR_IO         1U
#define BAR_TYPE_64(b) (((b) & 6) == 4)
#define NR_BARS        6

/* Intel SDM vol. 3A, "Message Signalled Interrupts": physical destination, fixed, edge. */
#define MESSAGE_ADDRESS(apic_id) (0xfee00000U | (apic_id) << 12)
#define MESSAGE_DATA(vector)     (vector)

struct msi_entry {
    struct list link;
    struct pci_sbdf where;
    bool gone; /* the device was removed */
    bool is_x, is_64bit, maskable;
    unsigned int cap;        /* offset of the capability */
    unsigned int index;      /* MSI-X: of the table */
    volatile uint32_t *slot; /* MSI-X: the table's entry */
    unsigned int irq;
    uint32_t address, data; /* as last written */
    bool masked;
};

static struct spinlock lock = SPINLOCK_INIT(RANK_PIRQ);
static struct list entries = LIST_INIT(entries);

static bool same_device(struct pci_sbdf a, struct pci_sbdf b)
{
    return a.segment == b.segment && a.bus == b.bus && a.devfn == b.devfn;
}

static unsigned int data_offset(const struct msi_entry *m)
{
    return m->is_64bit ? 12 : 8;
}

static unsigned int mask_offset(const struct msi_entry *m)
{
    return m->is_64bit ? 16 : 12;
}

void msi_mask(struct msi_entry *m, bool masked)
{
    m->masked = masked;
    if (m->gone || !m->maskable) {
        return;
    }
    if (m->is_x) {
        m->slot[3] = masked ? MSIX_MASKED : 0;
        (void)m->slot[3]; /* it has arrived */
    } else {
        pci_cfg_write(m->where, m->cap + mask_offset(m), 4, masked ? 1 : 0);
    }
}

static void message_write(struct msi_entry *m)
{
    if (m->gone) {
        return;
    }
    if (m->is_x) {
        bool masked = m->masked;

        msi_mask(m, true); /* a half-written message must not be sent */
        m->slot[0] = m->address;
        m->slot[1] = 0;
        m->slot[2] = m->data;
        msi_mask(m, masked);
        return;
    }
    pci_cfg_write(m->where, m->cap + MSI_ADDRESS, 4, m->address);
    if (m->is_64bit) {
        pci_cfg_write(m->where, m->cap + MSI_ADDRESS + 4, 4, 0);
    }
    pci_cfg_write(m->where, m->cap + data_offset(m), 2, m->data);
}

void msi_route(struct msi_entry *m, uint8_t vector, uint32_t apic_id)
{
    m->address = MESSAGE_ADDRESS(apic_id);
    m->data = MESSAGE_DATA(vector);
    message_write(m);
}

/* The start of a memory BAR; 0: it is not one, or has no address. */
static uint64_t bar_address(struct pci_sbdf where, unsigned int n)
{
    uint32_t low;

    if (n >= NR_BARS) {
        return 0;
    }
    low = pci_cfg_read(where, REG_BAR(n), 4);
    if (low & BAR_IO) {
        return 0;
    }
    if (BAR_TYPE_64(low) && n + 1 < NR_BARS) {
        return (uint64_t)pci_cfg_read(where, REG_BAR(n + 1), 4) << 32 | (low & ~0xfU);
    }
    return low & ~0xfU;
}

static int prepare_msi(struct msi_entry *m)
{
    uint32_t control;

    m->cap = pci_find_capability(m->where, CAP_MSI);
    if (!m->cap) {
        return -ENODEV;
    }
    control = pci_cfg_read(m->where, m->cap + MSI_CONTROL, 2);
    m->is_64bit = control & MSI_64BIT;
    m->maskable = control & MSI_MASKABLE;
    pci_cfg_write(m->where, m->cap + MSI_CONTROL, 2, control & ~MSI_MULTIPLE);
    return 0;
}

static int prepare_msix(struct msi_entry *m, uint64_t table_base)
{
    uint32_t control, table;
    uint64_t base;

    m->cap = pci_find_capability(m->where, CAP_MSIX);
    if (!m->cap) {
        return -ENODEV;
    }
    control = pci_cfg_read(m->where, m->cap + MSIX_CONTROL, 2);
    if (m->index >= MSIX_SIZE(control)) {
        return -EINVAL;
    }
    table = pci_cfg_read(m->where, m->cap + MSIX_TABLE, 4);
    base = bar_address(m->where, MSIX_BIR(table));
    /*
     * The device says where its table is. A virtual function's BARs read as zero: there the
     * caller's word must do.
     */
    base = base ? base : table_base;
    if (!base || !(pci_cfg_read(m->where, REG_COMMAND, 2) & COMMAND_MEMORY)) {
        return -ENXIO;
    }
    m->maskable = true;
    m->slot = ioremap(base + (table & ~7U) + m->index * MSIX_ENTRY_SIZE, MSIX_ENTRY_SIZE);
    return m->slot ? 0 : -ENOMEM;
}

static bool known(const struct msi_entry *m)
{
    struct msi_entry *e;

    assert_held(&lock);
    list_for_each(e, &entries, link) {
        if (same_device(e->where, m->where) && e->is_x == m->is_x && e->index == m->index &&
            !e->gone) {
            return true;
        }
    }
    return false;
}

int msi_setup(struct pci_sbdf where, uint64_t table_base, unsigned int entry, unsigned int *irq)
{
    struct msi_entry *m = NULL;
    int rc = -ENODEV;

    if (!pci_device_known(where)) {
        goto out;
    }
    m = object_alloc(sizeof(*m));
    if (!m) {
        return -ENOMEM;
    }
    m->where = where;
    m->is_x = table_base != 0;
    m->index = m->is_x ? entry : 0;
    m->irq = IRQ_NONE;
    list_init(&m->link);
    rc = m->is_x ? prepare_msix(m, table_base) : prepare_msi(m);
    if (rc) {
        goto out;
    }
    msi_mask(m, true);

    spin_lock(&lock);
    rc = known(m) ? -EEXIST : 0;
    if (!rc) {
        list_push_back(&entries, &m->link);
    }
    spin_unlock(&lock);
    if (rc) {
        goto out;
    }
    m->irq = irq_alloc_msi(m);
    if (m->irq == IRQ_NONE) {
        spin_lock(&lock);
        list_remove(&m->link);
        spin_unlock(&lock);
        rc = -ENOSPC;
        goto out;
    }
    *irq = m->irq;
    return 0;
out:
    object_free(m);
    return rc;
}

void msi_release(unsigned int irq)
{
    struct msi_entry *m, *found = NULL;

    spin_lock(&lock);
    list_for_each(m, &entries, link) {
        if (m->irq == irq) {
            found = m;
            break;
        }
    }
    if (found) {
        list_remove(&found->link);
    }
    spin_unlock(&lock);
    if (found) {
        irq_free_msi(irq);
        object_free(found);
    }
}

void msi_forget(struct pci_sbdf where)
{
    struct msi_entry *m;

    spin_lock(&lock);
    list_for_each(m, &entries, link) {
        if (same_device(m->where, where)) {
            m->gone = true;
        }
    }
    spin_unlock(&lock);
}

int msi_restore(struct pci_sbdf where)
{
    struct msi_entry *m;

    if (!pci_device_known(where)) {
        return -ENODEV;
    }
    spin_lock(&lock);
    list_for_each(m, &entries, link) {
        if (same_device(m->where, where) && m->address) {
            message_write(m);
        }
    }
    spin_unlock(&lock);
    return 0;
}

bool msi_owns_config(struct pci_sbdf where, unsigned int reg, unsigned int bytes)
{
    struct msi_entry *m;
    bool owned = false;

    spin_lock(&lock);
    list_for_each(m, &entries, link) {
        if (!m->is_x && !m->gone && same_device(m->where, where)) {
            unsigned int start = m->cap + MSI_ADDRESS;
            unsigned int end = m->cap + data_offset(m) + 2;

            owned |= reg < end && reg + bytes > start;
        }
    }
    spin_unlock(&lock);
    return owned;
}
