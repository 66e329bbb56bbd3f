/*
 * Message interrupts: which there are, and the capability with one message. Source: PCI Local Bus
 * Specification 3.0, "Message Signaled Interrupts".
 */
#include "platform/msi.h"

#include <lodge/errno.h>
#include "core/log.h"
#include "core/object.h"
#include "platform/irq.h"
#include "platform/msi_private.h"

#define CAP_MSI 0x05

#define MSI_CONTROL  2
#define MSI_ADDRESS  4
#define MSI_ENABLE   0x0001
#define MSI_MULTIPLE 0x0070 /* how many messages are on, as a power of two */
#define MSI_64BIT    0x0080
#define MSI_MASKABLE 0x0100
#define MSI_NO_OTHER 0xfffffffeU /* mask bits of the messages that the device does not get */

/* Intel SDM vol. 3A, "Message Signalled Interrupts": physical destination, fixed, edge. */
#define MESSAGE_ADDRESS(apic_id) (0xfee00000U | (apic_id) << 12)
#define MESSAGE_DATA(vector)     (vector)

struct spinlock msi_lock = SPINLOCK_INIT(RANK_MSI);

static unsigned int data_reg(const struct pci_dev *dev)
{
    return dev->msi.cap + (dev->msi.is_64bit ? 12 : 8);
}

static unsigned int mask_reg(const struct pci_dev *dev)
{
    return dev->msi.cap + (dev->msi.is_64bit ? 16 : 12);
}

/* Everything in the capability that a guest leaves to us, up to the pending bits. */
static unsigned int cap_end(const struct pci_dev *dev)
{
    return dev->msi.maskable ? mask_reg(dev) + 8 : data_reg(dev) + 2;
}

/* On only with a message of ours in it. */
static void control_write(struct pci_dev *dev)
{
    unsigned int at = dev->msi.cap + MSI_CONTROL;
    uint16_t control = pci_cfg_read(dev->where, at, 2) & ~(MSI_ENABLE | MSI_MULTIPLE);

    if (dev->msi.guest_enabled && dev->msi.entry && !dev->msi.silenced) {
        control |= MSI_ENABLE;
    }
    pci_cfg_write(dev->where, at, 2, control);
}

static void mask_write(struct msi_entry *m)
{
    struct pci_dev *dev = m->dev;

    if (dev->msi.maskable) {
        pci_cfg_write(dev->where, mask_reg(dev), 4,
                      MSI_NO_OTHER | (m->masked || m->guest_masked));
    } else if (dev->msi.silenced && !m->masked) {
        dev->msi.silenced = false;
        control_write(dev);
    }
}

static void message_write(struct msi_entry *m)
{
    struct pci_dev *dev = m->dev;

    pci_cfg_write(dev->where, dev->msi.cap + MSI_ADDRESS, 4, m->address);
    if (dev->msi.is_64bit) {
        pci_cfg_write(dev->where, dev->msi.cap + MSI_ADDRESS + 4, 4, 0);
    }
    pci_cfg_write(dev->where, data_reg(dev), 2, m->data);
}

void msi_mask(struct msi_entry *m, bool masked)
{
    unsigned long flags = spin_lock_irqsave(&msi_lock);

    m->masked = masked;
    if (!m->lost && m->is_x) {
        msix_entry_mask(m);
    } else if (!m->lost) {
        mask_write(m);
    }
    spin_unlock_irqrestore(&msi_lock, flags);
}

/*
 * A vector means the same on all CPUs, so that a change of CPU is one word of the message: a device
 * that sends at this moment sends the old message or the new one, and both arrive.
 */
void msi_route(struct msi_entry *m, uint8_t vector, uint32_t apic_id)
{
    unsigned long flags = spin_lock_irqsave(&msi_lock);
    bool only_address = m->address && m->data == MESSAGE_DATA(vector);

    m->address = MESSAGE_ADDRESS(apic_id);
    m->data = MESSAGE_DATA(vector);
    if (!m->lost && m->is_x) {
        msix_entry_write(m);
    } else if (!m->lost && only_address) {
        pci_cfg_write(m->dev->where, m->dev->msi.cap + MSI_ADDRESS, 4, m->address);
    } else if (!m->lost) {
        message_write(m);
    }
    spin_unlock_irqrestore(&msi_lock, flags);
}

/*
 * A message that should not come and has no mask bit: the capability is switched off, until it may
 * come again.
 */
void msi_silence(struct msi_entry *m)
{
    unsigned long flags = spin_lock_irqsave(&msi_lock);

    if (!m->lost && !m->is_x && !m->dev->msi.maskable && !m->dev->msi.silenced) {
        m->dev->msi.silenced = true;
        control_write(m->dev);
    }
    spin_unlock_irqrestore(&msi_lock, flags);
}

/* msi_lock held. The hardware is another's, or nobody's. */
static void lose(struct msi_entry *m)
{
    if (m->lost) {
        return;
    }
    m->lost = m->masked = true;
    if (m->is_x) {
        msix_entry_mask(m);
        msix_count(m->dev, -1);
    } else {
        m->dev->msi.entry = NULL;
    }
}

/* Whoever has the message now, and whoever uses the device's other way to send. msi_lock held. */
static void lose_others(struct pci_dev *dev, const struct msi_entry *winner)
{
    struct msi_entry *m;

    list_for_each(m, &dev->messages, link) {
        if (m != winner && (m->is_x != winner->is_x || m->index == winner->index)) {
            lose(m);
        }
    }
}

/* The entry is masked, and what it takes the place of is lost. msi_lock held. */
static void take_hardware(struct msi_entry *m)
{
    struct pci_dev *dev = m->dev;

    lose_others(dev, m);
    m->masked = true;
    if (m->is_x) {
        msix_count(dev, 1);
        msix_entry_mask(m);
        return;
    }
    control_write(dev); /* off: the message changes */
    dev->msi.entry = m;
    dev->msi.silenced = false;
    mask_write(m);
}

static int setup_locked(struct pci_sbdf where, bool is_x, unsigned int index, unsigned int *irq)
{
    struct pci_dev *dev = pci_device_find(where);
    struct msi_entry *m;
    unsigned long flags;
    int rc;

    if (!dev || !(is_x ? dev->msix.cap : dev->msi.cap)) {
        return -ENODEV;
    }
    if (is_x && index >= dev->msix.nr) {
        return -EINVAL;
    }
    rc = is_x ? msix_reach(dev) : 0;
    if (rc) {
        return rc;
    }
    m = object_alloc(sizeof(*m));
    if (!m) {
        return -ENOMEM;
    }
    *m = (struct msi_entry){ .dev = dev, .is_x = is_x, .index = is_x ? index : 0, .lost = true };
    m->irq = irq_alloc_msi(m);
    if (m->irq == IRQ_NONE) {
        object_free(m);
        return -ENOSPC;
    }
    list_push_back(&dev->messages, &m->link);

    flags = spin_lock_irqsave(&msi_lock);
    m->lost = false;
    take_hardware(m);
    spin_unlock_irqrestore(&msi_lock, flags);
    irq_msi_start(m->irq);
    flags = spin_lock_irqsave(&msi_lock);
    if (!is_x) {
        control_write(dev);
    }
    spin_unlock_irqrestore(&msi_lock, flags);
    *irq = m->irq;
    return 0;
}

int msi_setup(struct pci_sbdf where, bool is_x, unsigned int entry, unsigned int *irq)
{
    int rc;

    spin_lock(&pci_lock);
    rc = setup_locked(where, is_x, entry, irq);
    spin_unlock(&pci_lock);
    return rc;
}

static void free_if_last(struct pci_dev *dev)
{
    if (dev->gone && list_empty(&dev->messages)) {
        pci_device_free(dev);
    }
}

void msi_release(unsigned int irq)
{
    struct msi_entry *m = irq_msi(irq);
    struct pci_dev *dev;
    unsigned long flags;

    if (!m) {
        return;
    }
    spin_lock(&pci_lock);
    dev = m->dev;
    flags = spin_lock_irqsave(&msi_lock);
    if (!m->lost) {
        lose(m);
        if (!m->is_x) {
            dev->msi.guest_enabled = false;
            control_write(dev);
        }
    }
    spin_unlock_irqrestore(&msi_lock, flags);
    irq_free_msi(irq);
    list_remove(&m->link);
    object_free(m);
    free_if_last(dev);
    spin_unlock(&pci_lock);
}

int msi_restore(struct pci_sbdf where)
{
    struct pci_dev *dev;
    unsigned long flags;
    int rc = -ENODEV;

    spin_lock(&pci_lock);
    dev = pci_device_find(where);
    if (dev) {
        rc = dev->msix.used ? msix_reach(dev) : 0;
    }
    if (!rc) {
        flags = spin_lock_irqsave(&msi_lock);
        if (dev->msi.entry) {
            dev->msi.guest_enabled = false;
            control_write(dev);
            message_write(dev->msi.entry);
            mask_write(dev->msi.entry);
            dev->msi.guest_enabled = true;
            control_write(dev);
        }
        if (dev->msix.used) {
            msix_restore(dev);
        }
        spin_unlock_irqrestore(&msi_lock, flags);
    }
    spin_unlock(&pci_lock);
    return rc;
}

void msi_device_added(struct pci_dev *dev)
{
    uint16_t control;

    assert_held(&pci_lock);
    list_init(&dev->messages);
    dev->msi.cap = pci_find_capability(dev->where, CAP_MSI);
    if (dev->msi.cap) {
        control = pci_cfg_read(dev->where, dev->msi.cap + MSI_CONTROL, 2);
        dev->msi.is_64bit = control & MSI_64BIT;
        dev->msi.maskable = control & MSI_MASKABLE;
        control_write(dev); /* what firmware left on it is not ours */
    }
    msix_device_added(dev);
}

void msi_device_removed(struct pci_dev *dev)
{
    struct msi_entry *m;
    unsigned long flags;

    assert_held(&pci_lock);
    flags = spin_lock_irqsave(&msi_lock);
    list_for_each(m, &dev->messages, link) {
        lose(m);
    }
    if (dev->msi.cap) {
        control_write(dev);
    }
    spin_unlock_irqrestore(&msi_lock, flags);
    msix_device_removed(dev);
    free_if_last(dev);
}

void msi_write_refused(struct pci_dev *dev, const char *where, uint64_t at)
{
    if (!dev->reported) {
        dev->reported = true;
        log_guest_warning("PCI %04x:%02x:%02x.%u: write to %s %#llx dropped: messages are the hypervisor's",
                          dev->where.segment, dev->where.bus, dev->where.devfn >> 3,
                          dev->where.devfn & 7, where, (unsigned long long)at);
    }
}

/* Of the capability's registers a guest has the enable bit, and its own say in masking. */
static bool msi_cap_write(struct pci_dev *dev, unsigned int reg, unsigned int bytes, uint32_t value)
{
    unsigned int cap = dev->msi.cap;
    unsigned long flags;

    if (!cap || !overlaps(reg, bytes, cap, cap_end(dev))) {
        return false;
    }
    if (reg == cap + MSI_CONTROL && bytes == 2) {
        flags = spin_lock_irqsave(&msi_lock);
        dev->msi.guest_enabled = value & MSI_ENABLE;
        control_write(dev);
        spin_unlock_irqrestore(&msi_lock, flags);
        return true;
    }
    if (dev->msi.maskable && reg == mask_reg(dev) && bytes == 4 && dev->msi.entry) {
        flags = spin_lock_irqsave(&msi_lock);
        dev->msi.entry->guest_masked = value & 1;
        mask_write(dev->msi.entry);
        spin_unlock_irqrestore(&msi_lock, flags);
        return true;
    }
    msi_write_refused(dev, "register", reg);
    return true;
}

bool msi_guest_write(struct pci_dev *dev, unsigned int reg, unsigned int bytes, uint32_t value)
{
    assert_held(&pci_lock);
    return msi_cap_write(dev, reg, bytes, value) || msix_guest_write(dev, reg, bytes, value);
}
