/* Functions run on other CPUs, and what they may be told without one: wake, flush, stop. */
#include "cpu/smp.h"
#include "core/arch.h"
#include "core/sched.h"
#include "core/softirq.h"
#include "cpu/insn.h"
#include "cpu/smp_private.h"
#include "mm/flush.h"
#include "mm/flush_private.h"
#include "platform/apic.h"
#include "platform/irq.h"
#include "platform/time.h"

#define STOP_WAIT_US 20000U

/*
 * One call at a time. `busy` is not a spinlock: who waits for it must go on serving the holder,
 * which may wait for the waiter. fn and arg are written before a bit of pending is set, and read
 * after it was seen.
 */
static struct {
    bool busy;
    void (*fn)(void *arg);
    void *arg;
    cpumap_t pending; /* atomic */
} call;

static uint32_t stopper; /* CPU + 1 of the one that stops all others; atomic */
static cpumap_t stopped; /* atomic */

static bool bit_set(const cpumap_t *map, unsigned int cpu)
{
    return __atomic_load_n(&map->bits[cpu / 64], __ATOMIC_ACQUIRE) >> (cpu % 64) & 1;
}

static void call_serve(void)
{
    unsigned int cpu = arch_cpu_id();
    unsigned long flags = arch_irq_save(); /* or the interrupt would run it a second time */

    if (bit_set(&call.pending, cpu)) {
        call.fn(call.arg);
        cpumap_clear_atomic(&call.pending, cpu);
    }
    arch_irq_restore(flags);
}

void smp_stop_check(void)
{
    uint32_t by = __atomic_load_n(&stopper, __ATOMIC_ACQUIRE);

    if (!by || by == arch_cpu_id() + 1) {
        return;
    }
    cpumap_set_atomic(&stopped, arch_cpu_id());
    for (;;) {
        arch_irq_disable();
        __asm__ volatile("hlt");
    }
}

void smp_serve(void)
{
    call_serve();
    flush_serve();
    arch_cpu_relax();
}

static void call_interrupt(struct cpu_user_regs *regs)
{
    (void)regs;
    call_serve();
}

/* The interrupt itself is the message: the way back looks at softirqs and events. */
static void poke_interrupt(struct cpu_user_regs *regs)
{
    (void)regs;
}

static void call_begin(void)
{
    while (__atomic_exchange_n(&call.busy, true, __ATOMIC_ACQUIRE)) {
        smp_serve();
    }
}

static void call_end(void)
{
    __atomic_store_n(&call.busy, false, __ATOMIC_RELEASE);
}

void arch_call_cpus(const uint64_t *map_words, void (*fn)(void *arg), void *arg)
{
    unsigned int cpu;
    cpumap_t others;

    call_begin();
    /* Only now: a CPU that goes has this to itself while it leaves the map. */
    for (unsigned int i = 0; i < BITMAP_WORDS(NR_CPUS); i++) {
        others.bits[i] = map_words[i] & cpus_online.bits[i];
    }
    cpumap_clear(&others, arch_cpu_id());
    call.fn = fn;
    call.arg = arg;
    cpumap_for_each(cpu, &others) {
        cpumap_set_atomic(&call.pending, cpu);
    }
    apic_send_ipi_mask(&others, VECTOR_CALL);
    cpumap_for_each(cpu, &others) {
        while (bit_set(&call.pending, cpu)) {
            smp_serve();
        }
    }
    call_end();
}

void smp_leave(void)
{
    call_begin(); /* nobody waits for this CPU now, nor will anybody who comes later */
    sched_cpu_gone(arch_cpu_id());
    call_end();
}

void arch_cpu_poke(unsigned int cpu)
{
    apic_send_ipi(cpu, VECTOR_POKE);
}

/*
 * STI holds interrupts off for one more instruction: none can slip in between the test and the
 * halt.
 */
void arch_cpu_idle(void)
{
    if (softirq_pending()) {
        arch_irq_enable();
    } else {
        __asm__ volatile("sti\n\thlt" ::: "memory");
    }
}

static bool all_stopped(const cpumap_t *others)
{
    unsigned int cpu;

    cpumap_for_each(cpu, others) {
        if (!bit_set(&stopped, cpu)) {
            return false;
        }
    }
    return true;
}

static bool wait_stopped(const cpumap_t *others)
{
    for (unsigned int us = 0; us < STOP_WAIT_US; us += 10) {
        if (all_stopped(others)) {
            return true;
        }
        time_udelay(10);
    }
    return false;
}

/* By NMI, which finds them also with interrupts off. A second one is for whoever missed the first. */
void arch_cpus_stop(void)
{
    cpumap_t others = cpus_online;
    uint32_t nobody = 0;
    unsigned int cpu;

    arch_irq_disable();
    cpumap_clear(&others, arch_cpu_id());
    if (!__atomic_compare_exchange_n(&stopper, &nobody, arch_cpu_id() + 1, false, __ATOMIC_SEQ_CST,
                                     __ATOMIC_SEQ_CST)) {
        smp_stop_check(); /* another CPU is at it; or this one, when something failed on the way */
    }
    for (unsigned int tries = 0; tries < 2 && !all_stopped(&others); tries++) {
        cpumap_for_each(cpu, &others) {
            if (!bit_set(&stopped, cpu)) {
                apic_send_nmi(cpu);
            }
        }
        (void)wait_stopped(&others);
    }
}

void smp_init(void)
{
    irq_vector_register(VECTOR_CALL, call_interrupt);
    irq_vector_register(VECTOR_POKE, poke_interrupt);
    flush_init();
}
