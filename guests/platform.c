/* platform.c: platform_op: firmware, CPUs and clock of the machine, for domain 0. */
#include "lib/guest.h"

#include <xen/platform.h>

#define UNMAPPED ((void *)0x7f0000000000)

static struct xen_platform_op op;

static long platform(uint32_t cmd)
{
    op.cmd = cmd;
    op.interface_version = XENPF_INTERFACE_VERSION;
    return HYPERCALL1(__HYPERVISOR_platform_op, &op);
}

static void clear(void)
{
    memset(&op, 0, sizeof(op));
}

static void check_interface(void)
{
    clear();
    op.cmd = XENPF_get_cpuinfo;
    op.interface_version = XENPF_INTERFACE_VERSION + 1;
    check(HYPERCALL1(__HYPERVISOR_platform_op, &op), -XEN_EACCES, "wrong-version");
    op.interface_version = 0;
    check(HYPERCALL1(__HYPERVISOR_platform_op, &op), -XEN_EACCES, "version-0");
    check(HYPERCALL1(__HYPERVISOR_platform_op, UNMAPPED), -XEN_EFAULT, "unmapped");
    check(HYPERCALL1(__HYPERVISOR_platform_op, HYPERVISOR_VIRT_START), -XEN_EFAULT, "in-m2p");
    check(platform(0), -XEN_ENOSYS, "command-0");
    check(platform(64), -XEN_ENOSYS, "command-64");
    check(platform(~0U), -XEN_ENOSYS, "command-minus-1");
}

static long firmware(uint32_t type, uint32_t index)
{
    clear();
    op.u.firmware_info.type = type;
    op.u.firmware_info.index = index;
    return platform(XENPF_firmware_info);
}

static void check_firmware(void)
{
    unsigned int type;

    for (type = 0; type <= 6; type++) {
        result(firmware(type, 1000), "firmware-%u-index-1000", type);
    }
    result(firmware(XEN_FW_EFI_INFO, XEN_FW_EFI_VERSION), "firmware-efi-version");
    result(firmware(XEN_FW_KBD_SHIFT_FLAGS, 0), "firmware-keyboard");
    result(op.u.firmware_info.u.kbd_shift_flags, "firmware-keyboard-flags");
    result(firmware(~0U, 0), "firmware-minus-1");
}

static void check_cpus(void)
{
    static uint64_t times[2];
    static uint8_t map[1];
    long rc;

    clear();
    check(platform(XENPF_get_cpuinfo), 0, "cpu-0");
    result_text("cpu-0-answer present %u flags %u apic %u acpi %u", op.u.pcpu_info.max_present,
                op.u.pcpu_info.flags, op.u.pcpu_info.apic_id, op.u.pcpu_info.acpi_id);
    op.u.pcpu_info.xen_cpuid = 1;
    check(platform(XENPF_get_cpuinfo), 0, "cpu-1");
    result_text("cpu-1-answer flags %u apic %u acpi %u", op.u.pcpu_info.flags,
                op.u.pcpu_info.apic_id, op.u.pcpu_info.acpi_id);
    op.u.pcpu_info.xen_cpuid = 9;
    result(platform(XENPF_get_cpuinfo), "cpu-9");
    result(op.u.pcpu_info.flags, "cpu-9-flags");
    op.u.pcpu_info.xen_cpuid = ~0U;
    result(platform(XENPF_get_cpuinfo), "cpu-minus-1");
    clear();
    result(platform(XENPF_get_cpu_version), "cpu-version");
    op.u.pcpu_version.xen_cpuid = ~0U;
    result(platform(XENPF_get_cpu_version), "cpu-version-minus-1");
    clear();
    op.u.getidletime.cpumap_nr_cpus = 2;
    map[0] = 3;
    set_xen_guest_handle(op.u.getidletime.cpumap_bitmap, map);
    set_xen_guest_handle(op.u.getidletime.idletime, times);
    /* A hypervisor built without frequency control has none to tell. */
    rc = platform(XENPF_getidletime);
    check(rc == 0 || rc == -XEN_ENOSYS, true, "idle-time");
    clear();
    op.u.cpu_ol.cpuid = 77;
    result(platform(XENPF_cpu_online), "cpu-77-online");
    result(platform(XENPF_cpu_offline), "cpu-77-offline");
    op.u.cpu_ol.cpuid = 0;
    result(platform(XENPF_cpu_offline), "cpu-0-offline");
}

static void check_clock(void)
{
    uint32_t version = shared_info->wc_version, seconds = shared_info->wc_sec;
    uint64_t now = clock_ns();

    clear();
    op.u.settime64.secs = 1700000000 + now / 1000000000;
    op.u.settime64.nsecs = now % 1000000000;
    op.u.settime64.system_time = now;
    check(platform(XENPF_settime64), 0, "settime64");
    check(shared_info->wc_version != version, true, "settime64-new-version");
    check(shared_info->wc_version & 1, 0, "settime64-version-even");
    check(shared_info->wc_sec - 1700000000 <= 1, true, "settime64-seconds");
    op.u.settime64.mbz = 1;
    result(platform(XENPF_settime64), "settime64-mbz");
    clear();
    op.u.settime32.secs = seconds;
    op.u.settime32.system_time = 0;
    check(platform(XENPF_settime32), 0, "settime32");
    check(shared_info->wc_sec, seconds, "settime32-seconds");
}

void guest_main(void)
{
    check_interface();
    check_firmware();
    check_cpus();
    check_clock();
}
