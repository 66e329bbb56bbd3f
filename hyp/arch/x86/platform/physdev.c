/*
 * HYPERVISOR_physdev_op: what a guest kernel does with physical devices through the hypervisor.
 * ops/physdev_op.def is the table; here stands who may, and what is answered, as Xen 4.17 does
 * (xen/arch/x86/physdev.c). The work is done elsewhere.
 */
#include <lodge/errno.h>
#include "core/guest.h"
#include "core/hypercall.h"
#include "core/privilege.h"
#include "platform/ioapic.h"
#include "platform/irq.h"
#include "platform/mmio.h"
#include "platform/msi.h"
#include "platform/pci_device.h"
#include "platform/pirq.h"
#include <xen/physdev.h>

#define NR_PORTS       65536U
#define IO_BITMAP_SIZE (NR_PORTS / 8)
#define MAX_IOPL       3U
#define MAX_MULTI_MSI  32 /* as many as the capability can count */

static long op_irq_status_query(struct vcpu *caller, void *arg)
{
    struct physdev_irq_status_query *req = arg;
    struct domain *d = caller->domain;

    if (req->irq >= pirq_limit()) {
        return -EINVAL;
    }
    /* A guest that wants to know better looks at the page of PHYSDEVOP_pirq_eoi_gmfn. */
    req->flags = XENIRQSTAT_needs_eoi | (pirq_shared(d, req->irq) ? XENIRQSTAT_shared : 0);
    return 0;
}

static long op_set_iopl(struct vcpu *caller, void *arg)
{
    const struct physdev_set_iopl *req = arg;

    if (req->iopl > MAX_IOPL) {
        return -EINVAL;
    }
    caller->arch.iopl = req->iopl;
    return 0;
}

static long op_set_iobitmap(struct vcpu *caller, void *arg)
{
    const struct physdev_set_iobitmap *req = arg;
    uint64_t gva = guest_addr(req->bitmap, 0);

    if (req->nr_ports > NR_PORTS || !guest_range_ok(gva, IO_BITMAP_SIZE)) {
        return -EINVAL;
    }
    caller->arch.iobmp_gva = gva;
    caller->arch.iobmp_limit = req->nr_ports;
    return 0;
}

static long op_apic_read(struct vcpu *caller, void *arg)
{
    struct physdev_apic *req = arg;

    if (privilege_machine(caller)) {
        return -EPERM;
    }
    return ioapic_guest_read(req->apic_physbase, req->reg, &req->value);
}

/*
 * How kernels had lines before PHYSDEVOP_map_pirq: unmasking an entry with a "vector" makes that
 * number the line's. Level or edge, high or low is all else that counts, and a line in use keeps it.
 */
static long op_apic_write(struct vcpu *caller, void *arg)
{
    const struct physdev_apic *req = arg;
    struct ioapic_write w;
    int rc;

    if (privilege_machine(caller)) {
        return -EPERM;
    }
    rc = ioapic_guest_write(req->apic_physbase, req->reg, req->value, &w);
    if (rc || w.gsi == IRQ_NONE || irq_set_type(w.gsi, w.level, w.low, false) || w.masked) {
        return rc;
    }
    /* Eight bits do not name all lines: beyond, the number is the line's own. */
    rc = pirq_map_gsi(dom0, w.gsi, &(int){ w.gsi >= 256 ? (int)w.gsi : w.vector });
    return rc == -EEXIST ? 0 : rc;
}

/*
 * Vectors are the hypervisor's; a guest gets a number that means the line to it, and to nobody else
 * anything.
 */
static long op_alloc_irq_vector(struct vcpu *caller, void *arg)
{
    struct physdev_irq *req = arg;

    if (privilege_machine(caller)) {
        return -EPERM;
    }
    req->vector = req->irq;
    return 0;
}

static long op_eoi(struct vcpu *caller, void *arg)
{
    const struct physdev_eoi *req = arg;

    return pirq_eoi(caller->domain, req->irq);
}

/*
 * Guests of Xen before 3.1 do not name the interrupt that they have served: all that they have not
 * masked.
 */
static long op_irq_unmask_notify(struct vcpu *caller, void *arg)
{
    (void)arg;
    pirq_eoi_unmasked(caller->domain);
    return 0;
}

static long map_gsi(struct domain *d, struct physdev_map_pirq *req)
{
    if (req->index < 0) {
        return -EINVAL;
    }
    return pirq_map_gsi(d, req->index, &req->pirq);
}

/* The device must be known (PHYSDEVOP_pci_device_add). */
static long map_msi(struct domain *d, struct physdev_map_pirq *req, uint16_t segment)
{
    struct pci_sbdf where = { .segment = segment, .bus = req->bus, .devfn = req->devfn };
    unsigned int irq;
    int rc;

    rc = msi_setup(where, req->table_base != 0, req->entry_nr, &irq);
    if (rc) {
        return rc;
    }
    rc = pirq_map_irq(d, irq, &req->pirq);
    if (rc) {
        msi_release(irq);
    }
    return MIN(rc, 0); /* a number that means another interrupt keeps it, without an error */
}

/*
 * Messages that a device counts up from one: vectors would have to lie in a row on one CPU, and could
 * not be moved apart. Xen gives more than one only where an IOMMU translates them; drivers then ask
 * for one.
 */
static long map_multi_msi(struct domain *d, struct physdev_map_pirq *req)
{
    if (req->table_base) {
        return -EINVAL;
    }
    if (req->entry_nr <= 0 || req->entry_nr > MAX_MULTI_MSI) {
        return -EDOM;
    }
    if (req->entry_nr != 1) {
        return -EOPNOTSUPP;
    }
    return map_msi(d, req, (uint32_t)req->bus >> 16);
}

/* index names an irq only to Xen before 3.4: anything but -1 is refused. */
static long map_one_msi(struct domain *d, struct physdev_map_pirq *req, uint16_t segment)
{
    return req->index == -1 ? map_msi(d, req, segment) : -EINVAL;
}

static long op_map_pirq(struct vcpu *caller, void *arg)
{
    struct physdev_map_pirq *req = arg;
    struct domain *d = NULL;
    long rc;

    rc = domain_get_target(caller, req->domid, &d);
    if (rc) {
        goto out;
    }
    rc = privilege_control(caller, d);
    if (rc) {
        goto out;
    }
    switch (req->type) {
    case MAP_PIRQ_TYPE_GSI:
        rc = map_gsi(d, req);
        break;
    case MAP_PIRQ_TYPE_MSI:
        rc = map_one_msi(d, req, 0);
        break;
    case MAP_PIRQ_TYPE_MSI_SEG:
        rc = map_one_msi(d, req, (uint32_t)req->bus >> 16);
        if (!rc) {
            req->type = MAP_PIRQ_TYPE_MSI;
        }
        break;
    case MAP_PIRQ_TYPE_MULTI_MSI:
        rc = map_multi_msi(d, req);
        break;
    default:
        rc = -EINVAL;
        break;
    }
out:
    domain_put(d);
    return rc;
}

static long op_unmap_pirq(struct vcpu *caller, void *arg)
{
    const struct physdev_unmap_pirq *req = arg;
    struct domain *d = NULL;
    long rc;

    rc = domain_get_target(caller, req->domid, &d);
    if (rc) {
        goto out;
    }
    rc = privilege_control(caller, d);
    if (!rc) {
        rc = req->pirq < 0 ? -EINVAL : pirq_unmap(d, req->pirq);
    }
out:
    domain_put(d);
    return rc;
}

static long op_pirq_eoi_gmfn_v1(struct vcpu *caller, void *arg)
{
    const struct physdev_pirq_eoi_gmfn *req = arg;

    return pirq_eoi_map_register(caller->domain, req->gmfn, true);
}

static long op_pirq_eoi_gmfn_v2(struct vcpu *caller, void *arg)
{
    const struct physdev_pirq_eoi_gmfn *req = arg;

    return pirq_eoi_map_register(caller->domain, req->gmfn, false);
}

static long op_setup_gsi(struct vcpu *caller, void *arg)
{
    const struct physdev_setup_gsi *req = arg;

    if (privilege_machine(caller)) {
        return -EPERM;
    }
    if (req->gsi < 0 || (unsigned int)req->gsi >= nr_gsis) {
        return -EINVAL;
    }
    return irq_set_type(req->gsi, req->triggering != 0, req->polarity != 0, true);
}

static long op_get_free_pirq(struct vcpu *caller, void *arg)
{
    struct physdev_get_free_pirq *req = arg;

    return pirq_reserve(caller->domain, req->type == MAP_PIRQ_TYPE_GSI, &req->pirq);
}

static long device_add(struct vcpu *caller, struct pci_sbdf where, const struct pci_sbdf *physical)
{
    int rc = privilege_machine(caller);

    return rc ? rc : pci_device_add(where, physical);
}

static long device_remove(struct vcpu *caller, uint16_t segment, uint8_t bus, uint8_t devfn)
{
    int rc = privilege_machine(caller);

    return rc ? rc : pci_device_remove((struct pci_sbdf){ segment, bus, devfn });
}

static long restore_msi(struct vcpu *caller, uint16_t segment, uint8_t bus, uint8_t devfn)
{
    int rc = privilege_machine(caller);

    return rc ? rc : msi_restore((struct pci_sbdf){ segment, bus, devfn });
}

static long op_manage_pci_add(struct vcpu *caller, void *arg)
{
    const struct physdev_manage_pci *req = arg;

    return device_add(caller, (struct pci_sbdf){ 0, req->bus, req->devfn }, NULL);
}

static long op_manage_pci_remove(struct vcpu *caller, void *arg)
{
    const struct physdev_manage_pci *req = arg;

    return device_remove(caller, 0, req->bus, req->devfn);
}

static long op_manage_pci_add_ext(struct vcpu *caller, void *arg)
{
    const struct physdev_manage_pci_ext *req = arg;
    struct pci_sbdf physical = { 0, req->physfn.bus, req->physfn.devfn };

    if (!privilege_machine(caller) && (req->is_extfn > 1 || req->is_virtfn > 1)) {
        return -EINVAL;
    }
    return device_add(caller, (struct pci_sbdf){ 0, req->bus, req->devfn },
                      req->is_virtfn ? &physical : NULL);
}

/* The node that may stand behind the structure is of no use: all memory counts as one node. */
static long op_pci_device_add(struct vcpu *caller, void *arg)
{
    const struct physdev_pci_device_add *req = arg;
    struct pci_sbdf physical = { req->seg, req->physfn.bus, req->physfn.devfn };

    return device_add(caller, (struct pci_sbdf){ req->seg, req->bus, req->devfn },
                      req->flags & XEN_PCI_DEV_VIRTFN ? &physical : NULL);
}

static long op_pci_device_remove(struct vcpu *caller, void *arg)
{
    const struct physdev_pci_device *req = arg;

    return device_remove(caller, req->seg, req->bus, req->devfn);
}

static long op_restore_msi(struct vcpu *caller, void *arg)
{
    const struct physdev_restore_msi *req = arg;

    return restore_msi(caller, 0, req->bus, req->devfn);
}

static long op_restore_msi_ext(struct vcpu *caller, void *arg)
{
    const struct physdev_pci_device *req = arg;

    return restore_msi(caller, req->seg, req->bus, req->devfn);
}

/*
 * A device is about to be another domain's, or no longer. Its table is out of every domain's reach
 * anyway; what is left is to keep count.
 */
static long prepare_msix(struct vcpu *caller, const struct physdev_pci_device *req, bool prepared)
{
    int rc = privilege_machine(caller);

    return rc ? rc : msix_prepare((struct pci_sbdf){ req->seg, req->bus, req->devfn }, prepared);
}

static long op_prepare_msix(struct vcpu *caller, void *arg)
{
    return prepare_msix(caller, arg, true);
}

static long op_release_msix(struct vcpu *caller, void *arg)
{
    return prepare_msix(caller, arg, false);
}

static long op_pci_mmcfg_reserved(struct vcpu *caller, void *arg)
{
    const struct physdev_pci_mmcfg_reserved *req = arg;

    if (privilege_machine(caller)) {
        return -EPERM;
    }
    if (req->flags & ~XEN_PCI_MMCFG_RESERVED) {
        return -EINVAL;
    }
    return pci_mmcfg_reserved(req->address, req->segment, req->start_bus, req->end_bus,
                              req->flags & XEN_PCI_MMCFG_RESERVED);
}

/*
 * A USB debug port is about to be reset, or has been. None is the hypervisor's, so that whatever
 * happens to one is nothing to it.
 */
static long op_dbgp_op(struct vcpu *caller, void *arg)
{
    (void)arg;
    return privilege_machine(caller) ? -EPERM : 0;
}

static const struct subop physdev_ops[] = {
#define SUBOP(nr, handler, type, direction) [nr] = { (handler), sizeof(type), (direction) },
#include "ops/physdev_op.def"
#undef SUBOP
};

long hypercall_physdev_op(uint64_t cmd, uint64_t arg_gva, uint64_t a3, uint64_t a4, uint64_t a5)
{
    long rc = subop_dispatch(physdev_ops, ARRAY_SIZE(physdev_ops), cmd, arg_gva);

    (void)a3;
    (void)a4;
    (void)a5;
    if (unlikely(rc == -EAGAIN)) { /* a message table must be made read-only first */
        mmio_sweep();
        rc = hypercall_continue(2, ARGS(cmd, arg_gva));
    }
    return rc;
}
