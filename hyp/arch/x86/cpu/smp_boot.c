/*
 * Starting the other CPUs, at boot and later. Each begins in real mode on a page below 1 MiB
 * (boot/trampoline.S), climbs to 64-bit mode on a page table of its own that shows that page where
 * it lies, and arrives in ap_main() on its stack. Source: Intel SDM vol. 3A, "Multiple-Processor (MP) Initialization";
 * AMD64 APM vol. 2, "Multiple-Processor Initialization".
 */
#include "cpu/smp.h"
#include <lodge/errno.h>
#include <lodge/shared.h>
#include <lodge/string.h>
#include "boot/boot.h"
#include "core/domain.h"
#include "core/frame.h"
#include "core/log.h"
#include "core/option.h"
#include "core/pcpu.h"
#include "core/sched.h"
#include "core/timer.h"
#include "cpu/cpu.h"
#include "cpu/insn.h"
#include "cpu/smp_private.h"
#include "entry.h"
#include "mm/flush.h"
#include "mm/flush_private.h"
#include "mm/page.h"
#include "platform/acpi.h"
#include "platform/apic.h"
#include "platform/mca.h"
#include "platform/mtrr.h"
#include "platform/time.h"
#include "platform/watchdog.h"

#define STACKS_START    (IMAGE_START + 0x20000000UL) /* behind the image, far from its end */
#define LOW_RAM_END     0xa0000UL
#define INIT_DELAY_US   10000U
#define STARTUP_WAIT_US 200U
#define ONLINE_WAIT_US  2000000U

/* boot/trampoline.S */
extern const char trampoline_start[], trampoline_end[];
extern const char trampoline_cr3[], trampoline_gdt_base[], trampoline_far32[], trampoline_far64[];
extern const char trampoline_code32[], trampoline_code64[], trampoline_gdt[];

uint64_t ap_stack_pointer; /* read by ap_entry */
NORETURN void ap_main(void);

static unsigned int opt_maxcpus = NR_CPUS; /* 0 means 1 */
OPTION_UINT("maxcpus", opt_maxcpus);
static bool opt_nosmp;
OPTION_BOOL("nosmp", opt_nosmp);

static uint64_t trampoline_maddr; /* 0: no page below 1 MiB */
static uint64_t *ap_l4;
static unsigned int starting; /* the CPU being started */
static bool arrived, online;  /* release by that CPU, acquire by the boot CPU */

static INIT_TEXT uint64_t find_low_page(void)
{
    uint64_t start, end, best = 0;

    for (unsigned int i = 0; memmap_next_ram(&i, &start, &end);) {
        end = MIN(end, LOW_RAM_END);
        if (start < end && end - PAGE_SIZE) {
            best = MAX(best, end - PAGE_SIZE);
        }
    }
    return best;
}

static void patch32(const char *where, uint64_t value)
{
    uint32_t v = (uint32_t)value;

    memcpy(maddr_to_virt(trampoline_maddr + (uint64_t)(where - trampoline_start)), &v, sizeof(v));
}

INIT_TEXT void smp_prepare(void)
{
    uint64_t tables, table, next;

    assert((uint64_t)(trampoline_end - trampoline_start) <= PAGE_SIZE);
    trampoline_maddr = find_low_page();
    if (!trampoline_maddr) {
        return;
    }

    /* Four tables: the page appears at its machine address, read-only and executable. */
    tables = boot_alloc(4 * PAGE_SIZE, PAGE_SIZE, GIB(4));
    memset(maddr_to_virt(tables), 0, 4 * PAGE_SIZE);
    ap_l4 = maddr_to_virt(tables);
    table = tables;
    for (unsigned int level = 4; level > 1; level--, table = next) {
        next = table + PAGE_SIZE;
        ((uint64_t *)maddr_to_virt(table))[pt_index(trampoline_maddr, level)] =
            next | PTE_P | PTE_RW | PTE_A;
    }
    ((uint64_t *)maddr_to_virt(table))[pt_index(trampoline_maddr, 1)] = trampoline_maddr | MAP_RX;
}

uint64_t smp_trampoline_maddr(void)
{
    return trampoline_maddr;
}

/* Every time: nobody knows who has written below 1 MiB since. */
static void trampoline_write(void)
{
    memcpy(ap_l4 + HOLE_SLOT_FIRST, hyp_l4 + HOLE_SLOT_FIRST,
           (HOLE_SLOT_END - HOLE_SLOT_FIRST) * sizeof(*ap_l4));
    memcpy(maddr_to_virt(trampoline_maddr), trampoline_start,
           (size_t)(trampoline_end - trampoline_start));
    patch32(trampoline_cr3, virt_to_maddr(ap_l4));
    patch32(trampoline_gdt_base, trampoline_maddr + (uint64_t)(trampoline_gdt - trampoline_start));
    patch32(trampoline_far32, trampoline_maddr + (uint64_t)(trampoline_code32 - trampoline_start));
    patch32(trampoline_far64, trampoline_maddr + (uint64_t)(trampoline_code64 - trampoline_start));
}

static int stack_alloc(unsigned int cpu)
{
    uint64_t va = STACKS_START + cpu * STACK_SIZE;

    for (unsigned int i = 0; i < STACK_SIZE / PAGE_SIZE; i++) {
        const uint64_t *e = hyp_pte(va + i * PAGE_SIZE);
        void *page;
        int rc;

        if (i == STACK_GUARD_PAGE || (e && (*e & PTE_P))) {
            continue; /* an earlier attempt got so far */
        }
        page = heap_alloc_pages(0);
        rc = page ? hyp_map(va + i * PAGE_SIZE, arch_frame_of(page), 1, MAP_RW) : -ENOMEM;
        if (rc) {
            heap_free_pages(page, 0);
            return rc;
        }
    }
    return 0;
}

static bool wait_for(const bool *flag, unsigned int us)
{
    for (unsigned int waited = 0; waited < us; waited += 10) {
        if (__atomic_load_n(flag, __ATOMIC_ACQUIRE)) {
            return true;
        }
        smp_serve();
        time_udelay(10);
    }
    return __atomic_load_n(flag, __ATOMIC_ACQUIRE);
}

unsigned int arch_nr_cpus(void)
{
    return MIN(MAX(opt_maxcpus, 1U), acpi.nr_cpus);
}

/* -EIO: it does not answer, and is held in INIT. */
int arch_cpu_start(unsigned int cpu)
{
    uint32_t apic_id = acpi.cpus[cpu].apic_id;
    int rc;

    if (!trampoline_maddr) {
        return -EIO;
    }
    rc = cpu_tables_alloc(cpu);
    rc = rc ? rc : stack_alloc(cpu);
    rc = rc ? rc : sched_cpu_init(cpu);
    if (rc) {
        return rc;
    }
    smp_unpark(cpu);
    watchdog_expect_cpu(cpu);
    trampoline_write();
    starting = cpu;
    arrived = false;
    online = false;
    ap_stack_pointer = STACKS_START + (cpu + 1) * STACK_SIZE - sizeof(struct cpu_info);
    shared_mb();

    apic_send_init(apic_id);
    time_udelay(INIT_DELAY_US);
    for (unsigned int i = 0; i < 2 && !arrived; i++) {
        apic_send_startup(apic_id, (uint8_t)(trampoline_maddr >> PAGE_SHIFT));
        if (wait_for(&arrived, STARTUP_WAIT_US)) {
            break;
        }
    }
    if (!wait_for(&arrived, ONLINE_WAIT_US) || !wait_for(&online, ONLINE_WAIT_US)) {
        apic_send_init(apic_id); /* it must not come to life when its memory serves the next */
        timer_cpu_gone(cpu);
        return -EIO;
    }
    time_join_cpu(cpu);
    mca_start_cpu(cpu);
    watchdog_start_cpu(cpu);
    return 0;
}

/* The first C of a CPU, on its own stack; interrupts off. */
NORETURN void ap_main(void)
{
    unsigned int cpu = starting;

    write_cr3_flush(virt_to_maddr(hyp_l4));
    cpu_init(cpu);
    __atomic_store_n(&arrived, true, __ATOMIC_RELEASE);
    apic_init_cpu(cpu);
    time_init_cpu(cpu);
    cpu_info()->vcpu = idle_vcpu[cpu];
    timer_cpu_start(cpu);
    sched_cpu_start(cpu);
    /* Until now nobody told this CPU of changed mappings and memory types. */
    flush_everything(NULL);
    mtrr_init_cpu();
    __atomic_store_n(&online, true, __ATOMIC_RELEASE);
    stack_reset_and_jump(idle_loop);
}

void smp_start_all(void)
{
    unsigned int wanted = opt_nosmp ? 1 : arch_nr_cpus();

    if (wanted > 1 && !trampoline_maddr) {
        log_warning("smp: one CPU of %u is used: no free RAM below 640 KiB to start others from",
                    acpi.nr_cpus);
        return;
    }
    for (unsigned int cpu = 1; cpu < wanted; cpu++) {
        int rc = pcpu_online(cpu);

        if (rc) {
            log_err("smp: CPU %u (APIC %u) does not start (%d); it is left out", cpu,
                    acpi.cpus[cpu].apic_id, rc);
        }
    }
    log_info("smp: %u of %u CPUs are up", nr_cpus_online, acpi.nr_cpus);
}
