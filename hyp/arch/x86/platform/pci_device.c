/*
 * The list of PCI devices and their BARs. Source: PCI Local Bus Specification 3.0, "Base
 * Addresses"; Single Root I/O Virtualization and Sharing Specification 1.1, "SR-IOV Extended
 * Capability".
 */
#include "platform/pci_device.h"

#include <lodge/errno.h>
#include "core/log.h"
#include "core/object.h"
#include "platform/msi.h"

#define REG_COMMAND    0x04
#define COMMAND_MEMORY 0x02
#define REG_HEADER     0x0e
#define HEADER_TYPE(h) ((h) & 0x7f)
#define REG_BAR(n)     (0x10 + 4 * (n))

#define BAR_IO         1U
#define BAR_TYPE_64(b) (((b) & 7) == 4)
#define BAR_ADDRESS    0xfffffff0U

#define EXTENDED_SRIOV 0x10
#define SRIOV_CONTROL  0x08
#define SRIOV_NUMBER   0x10
#define SRIOV_OFFSET   0x14
#define SRIOV_STRIDE   0x16
#define SRIOV_BAR(n)   (0x24 + 4 * (n))
#define SRIOV_END      SRIOV_BAR(PCI_NR_BARS)
#define SRIOV_ENABLE   0x01
#define SRIOV_MEMORY   0x08

struct spinlock pci_lock = SPINLOCK_INIT(RANK_PIRQ);
struct list pci_devices = LIST_INIT(pci_devices);

struct pci_dev *pci_device_find(struct pci_sbdf where)
{
    struct pci_dev *dev;

    assert_held(&pci_lock);
    list_for_each(dev, &pci_devices, link) {
        if (pci_same(dev->where, where)) {
            return dev;
        }
    }
    return NULL;
}

static unsigned int nr_bars(struct pci_sbdf where)
{
    switch (HEADER_TYPE(pci_cfg_read(where, REG_HEADER, 1))) {
    case 0:
        return PCI_NR_BARS;
    case 1: /* a bridge */
        return 2;
    default:
        return 0;
    }
}

/* A memory BAR of `limit`, the first of which is at `first`. 0: none. */
static uint64_t bar_read(struct pci_sbdf where, unsigned int first, unsigned int n,
                         unsigned int limit)
{
    uint32_t low = n < limit ? pci_cfg_read(where, first + 4 * n, 4) : BAR_IO;
    uint64_t high = 0;

    if (low & BAR_IO) {
        return 0;
    }
    if (BAR_TYPE_64(low)) {
        high = n + 1 < limit ? pci_cfg_read(where, first + 4 * (n + 1), 4) : 0;
    }
    return high << 32 | (low & BAR_ADDRESS);
}

static uint16_t routing_id(struct pci_sbdf where)
{
    return where.bus << 8 | where.devfn;
}

/* A virtual function's BARs read as zero: its place follows from its number and the physical one's. */
static uint64_t virtual_bar(const struct pci_dev *dev, const struct pci_dev *physical,
                            unsigned int n)
{
    struct pci_sbdf p = physical->where;
    unsigned int cap = physical->sriov, control, number, offset, stride, index;
    uint64_t base;

    if (!cap || n >= PCI_NR_BARS || !physical->vf_bar_bytes[n]) {
        return 0;
    }
    control = pci_cfg_read(p, cap + SRIOV_CONTROL, 2);
    number = pci_cfg_read(p, cap + SRIOV_NUMBER, 2);
    offset = pci_cfg_read(p, cap + SRIOV_OFFSET, 2);
    stride = pci_cfg_read(p, cap + SRIOV_STRIDE, 2);
    index = (uint16_t)(routing_id(dev->where) - routing_id(p) - offset);
    if (index) {
        if (!stride || index % stride) {
            return 0;
        }
        index /= stride;
    }
    base = bar_read(p, cap + SRIOV_BAR(0), n, PCI_NR_BARS);
    if ((control & (SRIOV_ENABLE | SRIOV_MEMORY)) != (SRIOV_ENABLE | SRIOV_MEMORY) ||
        index >= number || !base) {
        return 0;
    }
    return base + index * physical->vf_bar_bytes[n];
}

uint64_t pci_device_bar(const struct pci_dev *dev, unsigned int n)
{
    const struct pci_dev *physical;

    if (dev->is_virtual) {
        physical = pci_device_find(dev->physical);
        return physical ? virtual_bar(dev, physical, n) : 0;
    }
    if (!(pci_cfg_read(dev->where, REG_COMMAND, 2) & COMMAND_MEMORY)) {
        return 0;
    }
    return bar_read(dev->where, REG_BAR(0), n, nr_bars(dev->where));
}

static bool overlaps(unsigned int reg, unsigned int bytes, unsigned int start, unsigned int end)
{
    return reg < end && reg + bytes > start;
}

bool pci_device_places(const struct pci_dev *dev, unsigned int reg, unsigned int bytes)
{
    return overlaps(reg, bytes, REG_COMMAND, REG_COMMAND + 2) ||
           overlaps(reg, bytes, REG_BAR(0), REG_BAR(PCI_NR_BARS)) ||
           (dev->sriov && overlaps(reg, bytes, dev->sriov, dev->sriov + SRIOV_END));
}

/*
 * How much memory each virtual function decodes: the bits of an address that cannot be set.
 * Returns how many registers the BAR takes.
 */
static unsigned int vf_bar_measure(struct pci_dev *dev, unsigned int n)
{
    unsigned int at = dev->sriov + SRIOV_BAR(n);
    uint32_t low = pci_cfg_read(dev->where, at, 4), high = 0;
    bool is_64bit = BAR_TYPE_64(low) && n + 1 < PCI_NR_BARS;
    uint64_t mask;

    if (low & BAR_IO || (BAR_TYPE_64(low) && !is_64bit)) {
        return 1; /* not what the specification allows */
    }
    pci_cfg_write(dev->where, at, 4, ~0U);
    mask = 0xffffffff00000000ULL | (pci_cfg_read(dev->where, at, 4) & BAR_ADDRESS);
    if (is_64bit) {
        high = pci_cfg_read(dev->where, at + 4, 4);
        pci_cfg_write(dev->where, at + 4, 4, ~0U);
        mask = (uint64_t)pci_cfg_read(dev->where, at + 4, 4) << 32 | (uint32_t)mask;
        pci_cfg_write(dev->where, at + 4, 4, high);
    }
    pci_cfg_write(dev->where, at, 4, low);
    dev->vf_bar_bytes[n] = (uint32_t)mask || is_64bit ? -mask : 0;
    return is_64bit ? 2 : 1;
}

static void sriov_measure(struct pci_dev *dev)
{
    unsigned int control;

    dev->sriov = pci_find_extended(dev->where, EXTENDED_SRIOV);
    if (!dev->sriov) {
        return;
    }
    control = pci_cfg_read(dev->where, dev->sriov + SRIOV_CONTROL, 2);
    if (control & (SRIOV_ENABLE | SRIOV_MEMORY)) {
        log_warning("PCI %04x:%02x:%02x.%u: virtual functions are on already: they get no MSI-X",
                    dev->where.segment, dev->where.bus, dev->where.devfn >> 3,
                    dev->where.devfn & 7);
        return;
    }
    for (unsigned int n = 0; n < PCI_NR_BARS;) {
        n += vf_bar_measure(dev, n);
    }
}

static int add_locked(struct pci_sbdf where, const struct pci_sbdf *physical)
{
    struct pci_dev *dev = pci_device_find(where);

    if (dev) {
        return 0;
    }
    dev = object_alloc(sizeof(*dev));
    if (!dev) {
        return -ENOMEM;
    }
    dev->where = where;
    if (physical) {
        dev->is_virtual = true;
        dev->physical = *physical;
    } else {
        sriov_measure(dev);
    }
    list_push_back(&pci_devices, &dev->link);
    msi_device_added(dev);
    return 0;
}

int pci_device_add(struct pci_sbdf where, const struct pci_sbdf *physical)
{
    int rc = 0;

    spin_lock(&pci_lock);
    if (physical) {
        rc = add_locked(*physical, NULL);
    }
    rc = rc ? rc : add_locked(where, physical);
    spin_unlock(&pci_lock);
    return rc;
}

int pci_device_remove(struct pci_sbdf where)
{
    struct pci_dev *dev;
    int rc = -ENODEV;

    spin_lock(&pci_lock);
    dev = pci_device_find(where);
    if (dev) {
        list_remove(&dev->link);
        dev->gone = true;
        msi_device_removed(dev);
        rc = 0;
    }
    spin_unlock(&pci_lock);
    return rc;
}

void pci_device_free(struct pci_dev *dev)
{
    object_free(dev);
}
