/*
 * Local APICs. One pair of accessors hides whether registers are in memory or in MSRs; everything
 * above them is the same for both, but for the interrupt command register, which is one 64-bit MSR
 * or two 32-bit words.
 */
#include "platform/apic.h"

#include "core/log.h"
#include "core/option.h"
#include "core/perfc.h"
#include "core/softirq.h"
#include "cpu/insn.h"
#include "cpu/msr.h"
#include "mm/page.h"
#include "platform/acpi.h"
#include "platform/irq.h"

#define APIC_ID          0x020
#define APIC_VERSION     0x030
#define APIC_TPR         0x080
#define APIC_EOI         0x0b0
#define APIC_LDR         0x0d0
#define APIC_DFR         0x0e0 /* xAPIC only */
#define APIC_SPURIOUS    0x0f0
#define APIC_ISR         0x100 /* 8 words */
#define APIC_IRR         0x200
#define APIC_ESR         0x280
#define APIC_LVT_CMCI    0x2f0
#define APIC_ICR         0x300
#define APIC_ICR_HIGH    0x310 /* xAPIC only */
#define APIC_LVT_TIMER   0x320
#define APIC_LVT_THERMAL 0x330
#define APIC_LVT_PERF    0x340
#define APIC_LVT_LINT0   0x350
#define APIC_LVT_LINT1   0x360
#define APIC_LVT_ERROR   0x370
#define APIC_TIMER_INIT  0x380
#define APIC_TIMER_COUNT 0x390
#define APIC_TIMER_DIV   0x3e0

#define SPURIOUS_ENABLE    0x100
#define LVT_MASKED         0x10000
#define LVT_LEVEL          0x8000
#define LVT_LOW            0x2000
#define LVT_NMI            0x400
#define LVT_TIMER_DEADLINE 0x40000
#define TIMER_DIV_1        0xb
#define ICR_FIXED          0x000
#define ICR_NMI            0x400
#define ICR_INIT           0x500
#define ICR_STARTUP        0x600
#define ICR_ASSERT         0x4000
#define ICR_BUSY           0x1000
#define ESR_KINDS          8

#define APIC_BASE_BSP    0x100
#define APIC_BASE_X2     0x400
#define APIC_BASE_ENABLE 0x800

#define CPUID_X2APIC       (1U << 21) /* leaf 1, ecx */
#define CPUID_TSC_DEADLINE (1U << 24)
#define ICR_SPIN_LIMIT     1000000U

/* public/arch-x86: MADT flags, "MPS INTI Flags": polarity 3 = active low, trigger 3 = level */
#define MPS_LOW(flags)   (((flags) & 3) == 3)
#define MPS_LEVEL(flags) (((flags) >> 2 & 3) == 3)

bool apic_x2;
bool apic_has_deadline;

static volatile uint32_t *registers; /* xAPIC */
static bool want_x2 = true;
OPTION_BOOL("x2apic", want_x2);

static uint32_t reg_read(unsigned int reg)
{
    if (apic_x2) {
        return rdmsr(MSR_X2APIC_FIRST + (reg >> 4));
    }
    return registers[reg / 4];
}

static void reg_write(unsigned int reg, uint32_t v)
{
    if (apic_x2) {
        wrmsr(MSR_X2APIC_FIRST + (reg >> 4), v);
    } else {
        registers[reg / 4] = v;
    }
}

uint32_t apic_id(void)
{
    /* The extended topology leaf has all 32 bits, leaf 1 the eight that an xAPIC has. */
    if (cpuid(0, 0).a >= 0xb) {
        struct cpuid_regs r = cpuid(0xb, 0);

        if (r.b & 0xffff) {
            return r.d;
        }
    }
    return cpuid(1, 0).b >> 24;
}

uint32_t apic_id_of(unsigned int cpu)
{
    return acpi.cpus[cpu].apic_id;
}

/*
 * The boot CPU's choice holds for all: an x2APIC CPU cannot be reached by an xAPIC's 8-bit
 * destinations.
 */
static void mode_choose(void)
{
    uint64_t base = rdmsr(MSR_APIC_BASE);
    bool able = cpuid(1, 0).c & CPUID_X2APIC;
    bool from_firmware = base & APIC_BASE_X2;

    apic_x2 = able && (want_x2 || from_firmware);
    if (from_firmware && !want_x2) {
        log_warning("APIC: x2apic=no ignored: the firmware has switched it on");
    }
    apic_has_deadline = cpuid(1, 0).c & CPUID_TSC_DEADLINE;
    if (!apic_x2) {
        registers = ioremap(acpi.lapic_base, PAGE_SIZE);
        if (!registers) {
            panic("APIC: no address space for its registers");
        }
    }
    log_info("APIC: %s mode, timer by %s", apic_x2 ? "x2APIC" : "xAPIC",
             apic_has_deadline ? "TSC deadline" : "count");
}

static void mode_enter(void)
{
    uint64_t base = rdmsr(MSR_APIC_BASE) | APIC_BASE_ENABLE;

    if (!apic_x2) {
        base = (base & (PAGE_SIZE - 1)) | acpi.lapic_base;
    }
    wrmsr(MSR_APIC_BASE, base);
    if (apic_x2) {
        wrmsr(MSR_APIC_BASE, base | APIC_BASE_X2);
    }
}

static void lint_init(unsigned int cpu)
{
    uint32_t lvt[2] = { LVT_MASKED, LVT_MASKED };

    for (unsigned int i = 0; i < acpi.nr_nmis; i++) {
        if (acpi.nmis[i].acpi_id == ACPI_NO_ID || acpi.nmis[i].acpi_id == acpi.cpus[cpu].acpi_id) {
            lvt[acpi.nmis[i].lint] = LVT_NMI | (MPS_LOW(acpi.nmis[i].flags) ? LVT_LOW : 0) |
                                     (MPS_LEVEL(acpi.nmis[i].flags) ? LVT_LEVEL : 0);
        }
    }
    reg_write(APIC_LVT_LINT0, lvt[0]);
    reg_write(APIC_LVT_LINT1, lvt[1]);
}

/*
 * What the firmware, or a kernel before a soft reboot, left in service would block everything below
 * it.
 */
static void in_service_clear(void)
{
    for (unsigned int round = 0; round < 256; round++) {
        bool any = false;

        for (unsigned int i = 0; i < 8; i++) {
            any |= reg_read(APIC_ISR + 0x10 * i) != 0;
        }
        if (!any) {
            return;
        }
        apic_eoi();
    }
}

static void error_interrupt(struct cpu_user_regs *regs)
{
    static const char *const what[ESR_KINDS] = {
        "send checksum", "receive checksum", "send accept",         "receive accept",
        "redirectable",  "sent bad vector",  "received bad vector", "bad register",
    };
    uint32_t esr;

    (void)regs;
    reg_write(APIC_ESR, 0); /* latches the errors since the last write */
    esr = reg_read(APIC_ESR);
    for (unsigned int i = 0; i < ESR_KINDS; i++) {
        if (esr & 1U << i) {
            log_warning("APIC: CPU %u: %s error", arch_cpu_id(), what[i]);
        }
    }
}

static void timer_interrupt(struct cpu_user_regs *regs)
{
    (void)regs;
    softirq_raise(SOFTIRQ_TIMER);
}

void apic_init_cpu(unsigned int cpu)
{
    unsigned int lvts;

    if (cpu == 0) {
        mode_choose();
        irq_vector_register(VECTOR_ERROR, error_interrupt);
        irq_vector_register(VECTOR_TIMER, timer_interrupt);
    }
    mode_enter();

    /* A masked local vector first: an LVT keeps whatever the firmware left. */
    lvts = (reg_read(APIC_VERSION) >> 16 & 0xff) + 1;
    reg_write(APIC_LVT_TIMER, LVT_MASKED | VECTOR_TIMER);
    reg_write(APIC_LVT_ERROR, LVT_MASKED | VECTOR_ERROR);
    if (lvts >= 5) {
        reg_write(APIC_LVT_PERF, LVT_MASKED);
    }
    if (lvts >= 6) {
        reg_write(APIC_LVT_THERMAL, LVT_MASKED);
    }
    if (lvts >= 7) {
        reg_write(APIC_LVT_CMCI, LVT_MASKED);
    }
    if (!apic_x2) {
        /* flat; destinations are physical, so that it does not matter */
        reg_write(APIC_DFR, 0xffffffff);
        reg_write(APIC_LDR, 0);
    }
    reg_write(APIC_TPR, 0);
    reg_write(APIC_SPURIOUS, SPURIOUS_ENABLE | VECTOR_SPURIOUS);
    in_service_clear();
    lint_init(cpu);

    reg_write(APIC_ESR, 0);
    reg_write(APIC_LVT_ERROR, VECTOR_ERROR);
    reg_write(APIC_TIMER_DIV, TIMER_DIV_1);
    reg_write(APIC_LVT_TIMER, (apic_has_deadline ? LVT_TIMER_DEADLINE : 0) | VECTOR_TIMER);
    if (apic_has_deadline) {
        /*
         * The mode must be seen before the first deadline. Intel SDM vol. 3A, "TSC-Deadline Mode".
         */
        __asm__ volatile("mfence" ::: "memory");
    }
}

void apic_fini_cpu(void)
{
    reg_write(APIC_LVT_TIMER, LVT_MASKED | VECTOR_TIMER);
    reg_write(APIC_LVT_LINT0, LVT_MASKED);
    reg_write(APIC_LVT_LINT1, LVT_MASKED);
    reg_write(APIC_LVT_ERROR, LVT_MASKED | VECTOR_ERROR);
    reg_write(APIC_SPURIOUS, VECTOR_SPURIOUS);
}

void apic_eoi(void)
{
    reg_write(APIC_EOI, 0);
}

bool apic_in_service(uint8_t vector)
{
    return reg_read(APIC_ISR + 0x10 * (vector / 32)) >> (vector % 32) & 1;
}

bool apic_device_pending(void)
{
    for (unsigned int v = VECTOR_PIC; v <= VECTOR_DEV_LAST; v++) {
        unsigned int word = 0x10 * (v / 32);

        if ((reg_read(APIC_ISR + word) | reg_read(APIC_IRR + word)) >> (v % 32) & 1) {
            return true;
        }
    }
    return false;
}

static void icr_send(uint32_t to, uint32_t command)
{
    unsigned long flags;

    if (apic_x2) {
        /*
         * Unlike a store to memory, the MSR write does not wait for earlier stores: what the IPI
         * announces.
         */
        __asm__ volatile("mfence; lfence" ::: "memory");
        wrmsr(MSR_X2APIC_FIRST + (APIC_ICR >> 4), (uint64_t)to << 32 | command);
        return;
    }
    flags = arch_irq_save(); /* an interrupt between the two words would send its own */
    for (unsigned int i = 0; i < ICR_SPIN_LIMIT && (reg_read(APIC_ICR) & ICR_BUSY); i++) {
        arch_cpu_relax();
    }
    reg_write(APIC_ICR_HIGH, to << 24);
    reg_write(APIC_ICR, command);
    arch_irq_restore(flags);
}

void apic_send_ipi(unsigned int cpu, uint8_t vector)
{
    perfc_incr(ipis);
    icr_send(apic_id_of(cpu), ICR_FIXED | ICR_ASSERT | vector);
}

void apic_send_ipi_mask(const cpumap_t *map, uint8_t vector)
{
    unsigned int cpu, self = arch_cpu_id();

    cpumap_for_each(cpu, map) {
        if (cpu != self) {
            apic_send_ipi(cpu, vector);
        }
    }
}

void apic_send_nmi(unsigned int cpu)
{
    icr_send(apic_id_of(cpu), ICR_NMI | ICR_ASSERT);
}

void apic_perf_nmi(bool on)
{
    reg_write(APIC_LVT_PERF, on ? LVT_NMI : LVT_MASKED);
}

void apic_send_init(uint32_t to)
{
    icr_send(to, ICR_INIT | ICR_ASSERT);
}

void apic_send_startup(uint32_t to, uint8_t page)
{
    icr_send(to, ICR_STARTUP | ICR_ASSERT | page);
}

void apic_timer_arm_count(uint32_t count)
{
    reg_write(APIC_TIMER_INIT, count);
}

void apic_timer_arm_deadline(uint64_t tsc)
{
    wrmsr(MSR_TSC_DEADLINE, tsc);
}

uint32_t apic_timer_count(void)
{
    return reg_read(APIC_TIMER_COUNT);
}

void apic_timer_mask(bool masked)
{
    reg_write(APIC_LVT_TIMER, (apic_has_deadline ? LVT_TIMER_DEADLINE : 0) |
                                  (masked ? LVT_MASKED : 0) | VECTOR_TIMER);
}
