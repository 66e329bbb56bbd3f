/*
 * Descriptors: AMD64 APM vol. 2, "Legacy Segment Descriptors" and "Long-Mode Segment Descriptors".
 * Selectors are fixed by public/arch-x86/xen-x86_64.h; the rest of the GDT's reserved page is ours
 * (layout.h).
 */
#include "cpu/cpu.h"
#include <lodge/errno.h>
#include <lodge/string.h>
#include "boot/boot.h"
#include "core/frame.h"
#include "core/log.h"
#include "core/percpu.h"
#include "core/softirq.h"
#include "cpu/features.h"
#include "cpu/fpu.h"
#include "cpu/insn.h"
#include "cpu/msr.h"
#include "entry.h"
#include "mm/page.h"
#include "platform/mtrr.h"

#define DESC_HYP_CODE     0x00af9b000000ffffULL
#define DESC_HYP_DATA     0x00cf93000000ffffULL
#define DESC_GUEST_CODE32 0x00cffb000000ffffULL
#define DESC_GUEST_DATA   0x00cff3000000ffffULL
#define DESC_GUEST_CODE64 0x00affb000000ffffULL
#define DESC_TSS          0x0000890000000000ULL /* available 64-bit TSS; the CPU marks it busy */

#define GATE_INTERRUPT 0x8e00ULL /* present, interrupts off on entry */
#define GATE_DPL3      0x6000ULL
#define VECTOR_INT3    3
#define VECTOR_INTO    4
#define VECTOR_DB      1
#define VECTOR_NMI     2
#define VECTOR_DF      8
#define VECTOR_MC      18
#define VECTOR_INT80   0x80

#define GDT_RESERVED_OFFSET (GDT_RESERVED_PAGE * PAGE_SIZE)
#define GDT_LIMIT           (GDT_RESERVED_OFFSET + PAGE_SIZE - 1)

/* WB WT UC- UC WC WP: the order that Xen's PV guests find, and may not change. */
#define PAT_ENTRIES 0x050100070406ULL

struct tss {
    uint32_t unused0;
    uint64_t rsp[3];
    uint64_t unused1;
    uint64_t ist[7];
    uint64_t unused2;
    uint16_t unused3, io_bitmap;
} PACKED;

struct gate {
    uint64_t low, high;
};

struct table_pointer {
    uint16_t limit;
    uint64_t base;
} PACKED;

uint64_t cpu_gdt_page_maddr[NR_CPUS];

static DEFINE_PER_CPU(struct tss, tsses);
static uint64_t *gdt_pages[NR_CPUS];
static uint64_t boot_gdt_page[ENTRIES] ALIGNED(4096);
static struct gate idt[256] ALIGNED(4096);

static uint64_t *gdt_entry(uint64_t *page, unsigned int selector)
{
    return &page[((selector & ~7U) - GDT_RESERVED_OFFSET) / 8];
}

static void gdt_fill(uint64_t *page, unsigned int cpu)
{
    uint64_t tss = (uint64_t)&per_cpu(tsses, cpu);
    uint64_t *e = gdt_entry(page, SEL_TSS);

    *gdt_entry(page, SEL_HYP_CODE) = DESC_HYP_CODE;
    *gdt_entry(page, SEL_HYP_DATA) = DESC_HYP_DATA;
    *gdt_entry(page, SEL_GUEST_CODE32) = DESC_GUEST_CODE32;
    *gdt_entry(page, SEL_GUEST_DATA) = DESC_GUEST_DATA;
    *gdt_entry(page, SEL_GUEST_CODE64) = DESC_GUEST_CODE64;
    e[0] = DESC_TSS | (sizeof(struct tss) - 1) | (tss & 0xffffff) << 16 | (tss >> 24 & 0xff) << 56;
    e[1] = tss >> 32;
}

static void idt_fill(void)
{
    static const uint8_t ist[32] = {
        [VECTOR_DB] = IST_DEBUG,
        [VECTOR_NMI] = IST_NMI,
        [VECTOR_DF] = IST_DOUBLE_FAULT,
        [VECTOR_MC] = IST_MACHINE_CHECK,
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(idt); i++) {
        uint64_t to = (uint64_t)entry_stubs[i];
        uint64_t attributes = GATE_INTERRUPT | (i < ARRAY_SIZE(ist) ? ist[i] : 0);

        if (i == VECTOR_INT3 || i == VECTOR_INTO || i == VECTOR_INT80) {
            attributes |= GATE_DPL3;
        }
        idt[i].low = (to & 0xffff) | (uint64_t)SEL_HYP_CODE << 16 | attributes << 32 |
                     (to >> 16 & 0xffff) << 48;
        idt[i].high = to >> 32;
    }
}

/* Interrupts from ring 3 enter with the frame at the end of cpu_info's registers. */
static void tss_fill(unsigned int cpu)
{
    struct tss *t = &per_cpu(tsses, cpu);
    uint64_t block = (uint64_t)cpu_info() & ~(STACK_SIZE - 1);

    t->rsp[0] = (uint64_t)&cpu_info()->regs.es;
    for (unsigned int i = 0; i < NR_IST; i++) {
        t->ist[i] = block + (i + 1) * PAGE_SIZE;
    }
    t->io_bitmap = sizeof(*t); /* beyond the limit: no port is open to ring 3 */
}

void cpu_load_gdt(uint64_t base)
{
    struct table_pointer p = { GDT_LIMIT, base };

    __asm__ volatile("lgdt %0" ::"m"(p) : "memory");
}

void cpu_load_own_gdt(void)
{
    cpu_load_gdt((uint64_t)gdt_pages[arch_cpu_id()] - GDT_RESERVED_OFFSET);
}

static void load_tables(unsigned int cpu)
{
    struct table_pointer p = { sizeof(idt) - 1, (uint64_t)idt };
    uint64_t old_cs;

    tss_fill(cpu);
    gdt_fill(gdt_pages[cpu], cpu);
    cpu_load_own_gdt();
    __asm__ volatile("push %[cs]\n\t"
                     "lea 1f(%%rip), %[tmp]\n\t"
                     "push %[tmp]\n\t"
                     "lretq\n"
                     "1:"
                     : [tmp] "=&r"(old_cs)
                     : [cs] "i"(SEL_HYP_CODE)
                     : "memory");
    __asm__ volatile("mov %0, %%ds\n\tmov %0, %%es\n\tmov %0, %%ss" ::"r"(0));
    __asm__ volatile("mov %0, %%fs\n\tmov %0, %%gs" ::"r"(0));
    __asm__ volatile("lidt %0" ::"m"(p) : "memory");
    __asm__ volatile("lldt %w0" ::"r"(0));
    __asm__ volatile("ltr %w0" ::"r"(SEL_TSS));
}

static void info_fill(unsigned int cpu)
{
    cpu_info()->cpu = cpu;
    cpu_info()->softirq_bits = &per_cpu(softirq_bits, cpu);
}

INIT_TEXT void cpu_early_init(void)
{
    gdt_pages[0] = boot_gdt_page;
    cpu_gdt_page_maddr[0] = image_to_maddr(boot_gdt_page);
    info_fill(0);
    idt_fill();
    load_tables(0);
}

int cpu_tables_alloc(unsigned int cpu)
{
    if (!gdt_pages[cpu]) {
        gdt_pages[cpu] = heap_alloc_pages(0);
        if (!gdt_pages[cpu]) {
            return -ENOMEM;
        }
        cpu_gdt_page_maddr[cpu] = virt_to_maddr(gdt_pages[cpu]);
    }
    return 0;
}

/*
 * SMEP: the hypervisor never executes what a guest could write. SMAP would need every guest access
 * bracketed.
 */
static void control_init(void)
{
    uint64_t cr4 = CR4_PAE | CR4_DE | CR4_MCE | CR4_OSFXSR | CR4_OSXMMEXCPT;

    cr4 |= cpu_has(PGE) ? CR4_PGE : 0;
    cr4 |= cpu_has(XSAVE) ? CR4_OSXSAVE : 0;
    cr4 |= cpu_has(FSGSBASE) ? CR4_FSGSBASE : 0;
    cr4 |= cpu_has(SMEP) ? CR4_SMEP : 0;
    write_cr0(CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_MP | CR0_PE);
    write_cr4(cr4);
    wrmsr(MSR_EFER, EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE);
    wrmsr(MSR_PAT, PAT_ENTRIES);
}

void cpu_init(unsigned int cpu)
{
    if (cpu) {
        info_fill(cpu);
        load_tables(cpu);
    }
    control_init();
    if (cpu == 0) {
        mtrr_init();
    }
    fpu_init(cpu);
    pv_cpu_init(cpu);
}
