/* The order in which everything comes to life. Each step says what it needs of those before it. */
#include "boot/boot.h"
#include "core/arch.h"
#include "core/console.h"
#include "core/domain.h"
#include "core/frame.h"
#include "core/log.h"
#include "core/option.h"
#include "core/sched.h"
#include "core/softirq.h"
#include "core/trace.h"
#include "core/timer.h"
#include "cpu/cpu.h"
#include "cpu/extable.h"
#include "cpu/policy.h"
#include "cpu/insn.h"
#include "cpu/smp.h"
#include "entry.h"
#include "mm/cache.h"
#include "mm/hyp_map.h"
#include "mm/io_page.h"
#include "mm/page.h"
#include "platform/apic.h"
#include "platform/irq.h"
#include "platform/mca.h"
#include "platform/platform.h"
#include "platform/serial.h"
#include "platform/time.h"
#include "platform/vga.h"
#include "platform/watchdog.h"

#define MIN_RAM MIB(64)

static INIT_TEXT void show_banner(void)
{
    console_printf("Lodge, a hypervisor with Xen's interfaces\n");
    multiboot_report();
    if (option_cmdline()[0]) {
        log_info("boot: command line: %s", option_cmdline());
    }
    log_info("cpu: %s %s, family %u model %u stepping %u", cpu_host.vendor_name, cpu_host.brand,
             cpu_host.family, cpu_host.model, cpu_host.stepping);
}

/* What cannot be mended later is said before anything is built on it. */
static INIT_TEXT void check_input(void)
{
    if (!boot_info.nr_map) {
        stop("boot: the loader gave no memory map; expected one from the firmware's E820 or EFI");
    }
    if (memmap_ram_bytes() < MIN_RAM) {
        stop("memory: %lu MiB of RAM found, %lu MiB or more expected", memmap_ram_bytes() >> 20,
             MIN_RAM >> 20);
    }
    if (!boot_info.nr_modules) {
        stop("boot: no kernel module for domain 0; expected one (QEMU -initrd, GRUB module2)");
    }
    for (unsigned int i = 0; i < boot_info.nr_modules; i++) {
        const struct boot_module *m = &boot_info.modules[i];

        if (!memmap_is_ram(m->start, m->start + m->size)) {
            stop("boot: module %u at [%#lx, %#lx) is not within RAM (is mem= too small?)", i,
                 m->start, m->start + m->size);
        }
    }
}

static INIT_TEXT void memory_init(void)
{
    memmap_sanitise();
    memmap_report();
    check_input();
    boot_alloc_init();
    mm_build_tables();
    mm_build_frametable();
    smp_prepare();
    boot_alloc_finish();
    log_info("memory: %lu MiB free", frames_free_count() >> (20 - PAGE_SHIFT));
}

static INIT_TEXT void scheduling_init(void)
{
    timer_module_init();
    timer_cpu_start(0);
    sched_init();
    if (sched_cpu_init(0)) {
        panic("no memory for the idle vCPU");
    }
    cpu_info()->vcpu = idle_vcpu[0];
    sched_cpu_start(0);
}

/* Not part of what boot_release_init() gives away: it is the caller. */
static NORETURN void boot_finish(void)
{
    boot_release_init();
    if (domain_unpause_by_control(dom0)) {
        panic("domain 0 does not wait to be let go");
    }
    idle_loop();
}

INIT_TEXT NORETURN void boot_start(uint32_t magic, uint32_t information)
{
    cpu_early_init();
    features_init();
    cache_init();
    topology_init();
    multiboot_parse(magic, information);
    option_parse(boot_info.cmdline);
    console_init_options();
    serial_early_init();
    show_banner();

    memory_init();
    console_ring_grow();

    io_page_init();
    platform_acpi_init();
    vga_init();
    softirq_init();
    traps_init();
    cpu_init(0);
    policy_init();
    policy_pv_init();
    platform_irq_init();
    smp_init();
    apic_init_cpu(0);
    time_init();
    scheduling_init();
    arch_irq_enable();
    smp_start_all();
    mca_start();
    time_check_sync();
    serial_start();
    trace_init();

    dom0_create();
    watchdog_start();
    vga_release();
    stack_reset_and_jump(boot_finish);
}
