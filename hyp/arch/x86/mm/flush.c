/*
 * Flushing by request. "Forget the guests' translations" needs no message: the requester notes the
 * clock, marks the CPUs, interrupts them, and waits until each has flushed since, be it for a
 * reason of its own. The rest goes by arch_call_cpus.
 */
#include "mm/flush.h"
#include "mm/flush_private.h"
#include "core/perfc.h"
#include "core/softirq.h"
#include "cpu/msr.h"
#include "cpu/smp.h"
#include "platform/apic.h"
#include "platform/irq.h"

uint32_t tlb_clock;
DEFINE_DECLARED_PER_CPU(tlb_flush_time);

static cpumap_t wanted; /* CPUs asked to flush and not seen to have begun; atomic */

/*
 * Interrupt, or a CPU that waits. Cleared before the flush begins: a later request will be served
 * again.
 */
void flush_serve(void)
{
    unsigned int cpu = arch_cpu_id();

    if (cpumap_test(&wanted, cpu)) {
        unsigned long flags = arch_irq_save();

        cpumap_clear_atomic(&wanted, cpu);
        flush_tlb_local();
        arch_irq_restore(flags);
    }
}

static void flush_interrupt(struct cpu_user_regs *regs)
{
    (void)regs;
    flush_serve();
}

void tlb_filter(cpumap_t *mask, uint32_t stamp)
{
    unsigned int cpu;

    cpumap_for_each(cpu, mask) {
        if (tlb_flushed_since(cpu, stamp)) {
            cpumap_clear(mask, cpu);
        }
    }
}

void flush_tlb_mask(const cpumap_t *mask)
{
    uint32_t stamp = tlb_stamp_now();
    unsigned int cpu, self = arch_cpu_id();
    bool include_self = cpumap_test(mask, self);
    cpumap_t others;

    cpumap_and(&others, mask, &cpus_online);
    cpumap_clear(&others, self);
    if (!cpumap_empty(&others)) {
        cpumap_for_each(cpu, &others) {
            cpumap_set_atomic(&wanted, cpu);
        }
        perfc_incr(tlb_flushes);
        apic_send_ipi_mask(&others, VECTOR_TLB);
    }
    if (include_self) {
        flush_tlb_local();
    }
    cpumap_for_each(cpu, &others) {
        /* One that went off meanwhile has nothing of a guest's, and will begin with nothing. */
        while (!tlb_flushed_since(cpu, stamp) && cpumap_test(&cpus_online, cpu)) {
            smp_serve();
        }
    }
}

void tlb_epoch(void)
{
    unsigned int cpu, self = arch_cpu_id();
    cpumap_t others = cpus_online;

    cpumap_clear(&others, self);
    if (!cpumap_empty(&others)) {
        cpumap_for_each(cpu, &others) {
            cpumap_set_atomic(&wanted, cpu);
        }
        apic_send_ipi_mask(&others, VECTOR_TLB);
    }
}

static void flush_one(void *arg)
{
    invlpg(*(const uint64_t *)arg);
}

void flush_tlb_one_mask(const cpumap_t *mask, uint64_t va)
{
    cpumap_t others;

    cpumap_and(&others, mask, &cpus_online);
    if (cpumap_test(mask, arch_cpu_id())) {
        invlpg(va);
    }
    arch_call_cpus(others.bits, flush_one, &va);
}

/* Changing CR4.PGE forgets Global translations too: AMD64 APM vol. 2, "TLB Management". */
void flush_everything(void *arg)
{
    unsigned long flags = arch_irq_save();
    uint64_t cr4 = read_cr4();

    (void)arg;
    if (cr4 & CR4_PGE) {
        write_cr4(cr4 & ~CR4_PGE);
        write_cr4(cr4);
    }
    flush_tlb_local();
    arch_irq_restore(flags);
}

void flush_tlb_all(void)
{
    flush_everything(NULL);
    arch_call_cpus(cpus_online.bits, flush_everything, NULL);
}

void flush_init(void)
{
    irq_vector_register(VECTOR_TLB, flush_interrupt);
}
