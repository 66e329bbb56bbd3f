/*
 * HYPERVISOR_platform_op: domain 0 asks about the machine, and tells it what to do.
 * ops/platform_op.def is the table; answers are those of Xen 4.17
 * (xen/arch/x86/platform_hypercall.c).
 */
#include <lodge/errno.h>
#include <lodge/range.h>
#include <lodge/string.h>
#include "core/guest.h"
#include "core/hypercall.h"
#include "core/pcpu.h"
#include "core/privilege.h"
#include "cpu/features.h"
#include "platform/acpi.h"
#include "platform/firmware.h"
#include "platform/mtrr.h"
#include "platform/time.h"
#include <xen/platform.h>

static long op_settime32(struct vcpu *caller, void *arg)
{
    const xenpf_settime32_t *req = arg;

    (void)caller;
    return time_set_wallclock(req->secs, req->nsecs, req->system_time);
}

static long op_settime64(struct vcpu *caller, void *arg)
{
    const xenpf_settime64_t *req = arg;

    (void)caller;
    return req->mbz ? -EINVAL : time_set_wallclock(req->secs, req->nsecs, req->system_time);
}

static long op_add_memtype(struct vcpu *caller, void *arg)
{
    xenpf_add_memtype_t *req = arg;
    unsigned int reg;
    int rc;

    (void)caller;
    rc = mtrr_add(req->mfn, req->nr_mfns, req->type, &reg);
    if (!rc) {
        req->handle = 0;
        req->reg = reg;
    }
    return rc;
}

/* A handle that is not ours was never given out. */
static long op_del_memtype(struct vcpu *caller, void *arg)
{
    const xenpf_del_memtype_t *req = arg;

    (void)caller;
    return req->handle ? -EINVAL : mtrr_del(req->reg);
}

static long op_read_memtype(struct vcpu *caller, void *arg)
{
    xenpf_read_memtype_t *req = arg;
    uint64_t mfn, nr_frames;
    uint32_t type;
    int rc;

    (void)caller;
    rc = mtrr_read(req->reg, &mfn, &nr_frames, &type);
    if (!rc) {
        req->mfn = mfn;
        req->nr_mfns = nr_frames;
        req->type = type;
    }
    return rc;
}

static bool cpu_present(uint32_t cpu)
{
    return cpu < arch_nr_cpus();
}

static long op_get_cpu_version(struct vcpu *caller, void *arg)
{
    xenpf_pcpu_version_t *req = arg;
    uint32_t cpu = req->xen_cpuid;

    (void)caller;
    memset(req->vendor_id, 0, sizeof(req->vendor_id));
    req->family = req->model = req->stepping = 0;
    req->max_present = acpi.nr_cpus - 1;
    if (cpu_present(cpu) && cpumap_test(&cpus_online, cpu)) {
        /* All CPUs that were brought up are of one kind. */
        memcpy(req->vendor_id, cpu_host.vendor_name, sizeof(req->vendor_id));
        req->family = cpu_host.family;
        req->model = cpu_host.model;
        req->stepping = cpu_host.stepping;
    }
    return 0;
}

static long op_get_cpuinfo(struct vcpu *caller, void *arg)
{
    xenpf_pcpuinfo_t *req = arg;
    uint32_t cpu = req->xen_cpuid;

    (void)caller;
    req->max_present = acpi.nr_cpus - 1;
    if (cpu_present(cpu)) {
        cpu = index_nospec(cpu, acpi.nr_cpus);
        req->apic_id = acpi.cpus[cpu].apic_id;
        req->acpi_id = acpi.cpus[cpu].acpi_id;
        req->flags = cpumap_test(&cpus_online, cpu) ? XEN_PCPU_FLAGS_ONLINE : 0;
    } else {
        req->flags = XEN_PCPU_FLAGS_INVALID;
    }
    return 0;
}

/*
 * Disks, their signatures and the monitor's EDID come from BIOS calls in real mode, which the
 * hypervisor does not make: it knows of none, and an index beyond the last ends the caller's loop.
 * EFI facts exist only where EFI booted us.
 */
static long op_firmware_info(struct vcpu *caller, void *arg)
{
    xenpf_firmware_info_t *req = arg;

    (void)caller;
    switch (req->type) {
    case XEN_FW_DISK_INFO:
    case XEN_FW_DISK_MBR_SIGNATURE:
    case XEN_FW_VBEDDC_INFO:
        return -ESRCH;
    case XEN_FW_EFI_INFO:
        return -ENOSYS;
    case XEN_FW_KBD_SHIFT_FLAGS:
        if (req->index != 0) {
            return -ESRCH;
        }
        req->u.kbd_shift_flags = firmware_keyboard_flags();
        return 0;
    default:
        return -EINVAL;
    }
}

static long op_enter_acpi_sleep(struct vcpu *caller, void *arg)
{
    const xenpf_enter_acpi_sleep_t *req = arg;

    (void)caller;
    if (req->flags & ~XENPF_ACPI_SLEEP_EXTENDED) {
        return -EINVAL;
    }
    return acpi_sleep(req->sleep_state, req->val_a, req->val_b,
                      req->flags & XENPF_ACPI_SLEEP_EXTENDED);
}

/*
 * What domain 0 tells the firmware that it can do with processors' power states (_PDC: revision, count, bits): nothing, since
 * the hypervisor uses none of them yet. ACPI, "_PDC (Processor Driver Capabilities)".
 */
#define PDC_REVISION 1

static long pdc_limit(uint64_t gva)
{
    uint32_t pdc[3];

    if (guest_copy_from(pdc, gva, sizeof(pdc))) {
        return -EFAULT;
    }
    if (pdc[0] != PDC_REVISION || !pdc[1]) {
        return -EINVAL;
    }
    pdc[2] = 0;
    return guest_copy_to(gva, pdc, sizeof(pdc));
}

/*
 * C-states beyond HLT and P-states are left to the hardware: what AML says of them has no use here
 * yet.
 */
static long op_set_processor_pminfo(struct vcpu *caller, void *arg)
{
    const xenpf_set_processor_pminfo_t *req = arg;

    (void)caller;
    if (req->type == XEN_PM_PDC) {
        return pdc_limit((uint64_t)req->u.pdc.p);
    }
    switch (req->type) {
    case XEN_PM_CX:
    case XEN_PM_PX:
    case XEN_PM_TX:
        return -EOPNOTSUPP;
    default:
        return -EINVAL;
    }
}

static long op_cpu_online(struct vcpu *caller, void *arg)
{
    const xenpf_cpu_ol_t *req = arg;
    int rc = pcpu_online(req->cpuid);

    (void)caller;
    return rc == -EEXIST ? 0 : rc;
}

static long op_cpu_offline(struct vcpu *caller, void *arg)
{
    const xenpf_cpu_ol_t *req = arg;
    int rc;

    (void)caller;
    if (req->cpuid == 0) {
        return -EOPNOTSUPP;
    }
    rc = pcpu_offline(req->cpuid);
    return rc == -EEXIST ? 0 : rc;
}

/*
 * All there is was there at boot: a CPU that is listed exists, one that is not finds no place.
 * Bounds: Xen 4.17 MAX_MADT_ENTRIES and MAX_APICS, as Debian configures it.
 */
#define ACPI_ID_END 512
#define APIC_ID_END 1024
#define PXM_END     256

static long op_cpu_hotadd(struct vcpu *caller, void *arg)
{
    const xenpf_cpu_hotadd_t *req = arg;

    (void)caller;
    if (req->acpi_id >= ACPI_ID_END || req->apic_id >= APIC_ID_END || req->pxm >= PXM_END) {
        return -EINVAL;
    }
    for (unsigned int i = 0; i < acpi.nr_cpus; i++) {
        if (acpi.cpus[i].acpi_id == req->acpi_id) {
            return acpi.cpus[i].apic_id == req->apic_id ? -EEXIST : -EINVAL;
        }
    }
    return acpi_cpu_of_apic_id(req->apic_id) < NR_CPUS ? -EEXIST : -ENOSPC;
}

static const struct subop platform_ops[] = {
#define SUBOP(nr, handler, member, direction) \
    [nr] = { (handler), sizeof(((struct xen_platform_op *)NULL)->u.member), (direction) },
#include "ops/platform_op.def"
#undef SUBOP
};

long hypercall_platform_op(uint64_t arg_gva, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5)
{
    struct xen_platform_op op;
    const struct subop *row;
    long rc;

    (void)a2;
    (void)a3;
    (void)a4;
    (void)a5;
    if (guest_copy_from(&op, arg_gva, sizeof(op))) {
        return -EFAULT;
    }
    if (op.interface_version != XENPF_INTERFACE_VERSION) {
        return -EACCES;
    }
    rc = privilege_machine(current);
    if (rc) {
        return rc;
    }
    row = op.cmd < ARRAY_SIZE(platform_ops)
              ? &platform_ops[index_nospec(op.cmd, ARRAY_SIZE(platform_ops))]
              : NULL;
    if (!row || !row->fn) {
        return -ENOSYS;
    }
    rc = row->fn(current, &op.u);
    if (rc == -ERESTART) {
        return hypercall_continue(0, NULL);
    }
    if (!rc && row->dir == ANSWERS &&
        guest_copy_to(arg_gva, &op, offsetof(struct xen_platform_op, u) + row->size)) {
        rc = -EFAULT;
    }
    return rc;
}
