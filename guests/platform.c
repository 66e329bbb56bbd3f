/* platform.c: platform_op: firmware, CPUs and clock of the machine, for domain 0. */
#include "lib/guest.h"

#include "lib/pci.h"

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

#define CMOS_INDEX 0x70
#define CMOS_DATA  0x71

static unsigned int cmos(unsigned int reg)
{
    io_out(CMOS_INDEX, 1, reg);
    return io_in(CMOS_DATA, 1);
}

static unsigned int cmos_decimal(unsigned int reg)
{
    unsigned int bcd = cmos(reg);

    return (bcd >> 4) * 10 + (bcd & 15);
}

/* The clock chip is shared with the hypervisor: each sees its own index. */
static void check_clock_chip(void)
{
    uint64_t now = shared_info->wc_sec + clock_ns() / 1000000000;
    unsigned int chip, day = now % 86400;

    io_allow();
    do {
        chip = cmos_decimal(4) * 3600 + cmos_decimal(2) * 60 + cmos_decimal(0);
    } while (cmos(10) & 0x80);
    check((chip - day + 86402) % 86400 <= 4, true, "chip-agrees-with-wall-clock");
    io_out(CMOS_INDEX, 1, 0x0d);
    check(io_in(CMOS_INDEX, 1) & 0x7f, 0x0d, "chip-index");
    check(io_in(CMOS_DATA, 1), 0x80, "chip-has-power");
    result(io_in(CMOS_INDEX, 2), "chip-both-ports");
    io_out(CMOS_INDEX, 1, 0x01); /* the alarm's seconds, which nobody uses */
    io_out(CMOS_DATA, 1, 0x42);
    io_out(CMOS_INDEX, 1, 0x0d);
    check(cmos(0x01), 0x42, "chip-written");
    io_out(CMOS_INDEX, 2, 0x0001 | 0x43 << 8);
    check(cmos(0x01), 0x43, "chip-written-by-word");
}

static long add_type(uint64_t mfn, uint64_t count, uint32_t type)
{
    clear();
    op.u.add_memtype.mfn = mfn;
    op.u.add_memtype.nr_mfns = count;
    op.u.add_memtype.type = type;
    return platform(XENPF_add_memtype);
}

static long delete_type(uint32_t handle, uint32_t reg)
{
    clear();
    op.u.del_memtype.handle = handle;
    op.u.del_memtype.reg = reg;
    return platform(XENPF_del_memtype);
}

static void tell_type(const char *name, uint32_t reg)
{
    long rc;

    clear();
    op.u.read_memtype.reg = reg;
    rc = platform(XENPF_read_memtype);
    result_text("%s %ld mfn 0x%lx count 0x%lx type %u", name, rc,
                (unsigned long)op.u.read_memtype.mfn, (unsigned long)op.u.read_memtype.nr_mfns,
                op.u.read_memtype.type);
}

#define UC 0
#define WC 1
#define WT 4
#define WP 5
#define WB 6
#define DEVICE 0xd0000UL /* a frame where nothing is */

static void check_memory_types(void)
{
    uint32_t reg, other = 0;
    unsigned int i;

    for (i = 0; i < 10; i++) {
        tell_type("memtype-read", i);
    }
    tell_type("memtype-read-minus-1", ~0U);
    check(add_type(DEVICE, 0x100, WC), 0, "memtype-add");
    reg = op.u.add_memtype.reg;
    result_text("memtype-added handle %u reg %u", op.u.add_memtype.handle, reg);
    tell_type("memtype-read-added", reg);
    result(add_type(DEVICE, 0x100, WC), "memtype-add-again");
    result(op.u.add_memtype.reg == reg, "memtype-same-register");
    result(add_type(DEVICE, 0x100, UC), "memtype-other-type");
    result(op.u.add_memtype.reg == reg, "memtype-other-type-same-register");
    tell_type("memtype-read-other-type", reg);
    result(add_type(DEVICE + 0x80, 0x80, WC), "memtype-inside-same-type");
    result(add_type(DEVICE + 0x80, 0x80, WT), "memtype-inside-other-type");
    result(add_type(DEVICE, 0x200, UC), "memtype-around");
    result(add_type(DEVICE + 0x1000, 0, UC), "memtype-nothing");
    result(add_type(DEVICE + 0x1000, 3, UC), "memtype-3-frames");
    result(add_type(DEVICE + 0x1001, 2, UC), "memtype-not-aligned");
    result(add_type(DEVICE + 0x1000, 1, 7), "memtype-type-7");
    result(add_type(DEVICE + 0x1000, 1, 255), "memtype-type-255");
    result(add_type(1UL << 40, 1, UC), "memtype-beyond-the-machine");
    result(add_type(~0UL, 1, UC), "memtype-last-frame");
    result(add_type(DEVICE, ~0UL, UC), "memtype-endless");
    result(delete_type(1, reg), "memtype-delete-handle-1");
    result(delete_type(0, 77), "memtype-delete-77");
    result(delete_type(0, ~0U), "memtype-delete-minus-1");
    for (i = 0; i < 6; i++) {
        result(delete_type(0, reg), "memtype-delete-%u", i);
    }
    tell_type("memtype-read-deleted", reg);
    /* Until there is no register left. */
    for (i = 0; i < 16 && add_type(DEVICE + 0x100 * i, 1, WC) == 0; i++) {
        other = op.u.add_memtype.reg;
    }
    result(i, "memtype-how-many");
    result(add_type(DEVICE + 0x100 * i, 1, WC), "memtype-none-left");
    while (i-- > 0) {
        guest_need(delete_type(0, other));
        other--;
    }
}

static void check_efi(void)
{
    unsigned int i;

    for (i = 0; i <= 12; i++) {
        clear();
        op.u.efi_runtime_call.function = i;
        result(platform(XENPF_efi_runtime_call), "efi-function-%u", i);
    }
}

/* Commands that there may be: an answer, whatever it is, to a structure of zeroes or of ones. */
static void check_all_commands(void)
{
    unsigned int cmd;

    for (cmd = 0; cmd < 70; cmd++) {
        if (cmd == XENPF_settime32 || cmd == XENPF_settime64 || cmd == XENPF_enter_acpi_sleep) {
            continue;
        }
        memset(&op, 0xff, sizeof(op));
        result(platform(cmd), "ones-%u", cmd);
    }
}

void guest_main(void)
{
    check_interface();
    check_firmware();
    check_cpus();
    check_clock_chip();
    check_clock();
    check_memory_types();
    check_efi();
    check_all_commands();
}
