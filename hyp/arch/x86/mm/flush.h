/*
 * Translation caches. Guests' mappings are never Global, the hypervisor's own always are; so
 * loading CR3 forgets all that a guest mapped, and nothing else.
 *
 * The clock tells whether a flush is still needed. A frame that loses its last mapping is stamped
 * with tlb_stamp_now(); a CPU that has flushed since holds no translation to it.
 */
#ifndef X86_MM_FLUSH_H
#define X86_MM_FLUSH_H

#include <lodge/types.h>
#include "core/cpumap.h"
#include "core/percpu.h"
#include "cpu/insn.h"

/*
 * Half of the clock's range may lie between two stamps that are compared; every CPU is made to
 * flush far sooner.
 */
#define TLB_EPOCH 0x20000000U

extern uint32_t tlb_clock; /* number of flushes begun, on all CPUs */
/* The clock at the start of a CPU's last finished flush. */
DECLARE_PER_CPU(uint32_t, tlb_flush_time);

void tlb_epoch(void); /* asks all CPUs to flush; any context */

/* Loads CR3: guests' translations of this CPU are forgotten. */
static inline void write_cr3_flush(uint64_t maddr)
{
    uint32_t *time = &this_cpu(tlb_flush_time);
    uint32_t last = __atomic_load_n(time, __ATOMIC_RELAXED);
    uint32_t now = __atomic_add_fetch(&tlb_clock, 1, __ATOMIC_SEQ_CST);

    write_cr3(maddr);
    /*
     * Unless an interrupt has flushed meanwhile: its time is the later one, and whoever asked for
     * it waits for that. Nobody but this CPU writes here, so that the instruction needs no lock.
     */
    __asm__ volatile("cmpxchg %2, %0" : "+m"(*time), "+a"(last) : "r"(now) : "memory", "cc");
    if (unlikely(!(now & (TLB_EPOCH - 1)))) {
        tlb_epoch();
    }
}

static inline uint32_t tlb_stamp_now(void)
{
    return __atomic_load_n(&tlb_clock, __ATOMIC_SEQ_CST);
}

/*
 * Has this CPU flushed since the stamp was taken? Right as long as they are less than half the
 * range apart.
 */
static inline bool tlb_flushed_since(unsigned int cpu, uint32_t stamp)
{
    return (int32_t)(__atomic_load_n(&per_cpu(tlb_flush_time, cpu), __ATOMIC_ACQUIRE) - stamp) > 0;
}

/* Removes the CPUs that have flushed since the stamp was taken. */
void tlb_filter(cpumap_t *mask, uint32_t stamp);

/* Guests' translations of this CPU. */
static inline void flush_tlb_local(void)
{
    write_cr3_flush(read_cr3());
}

/*
 * On other CPUs: return when all of the mask have done it; CPUs that are not online are skipped. No
 * lock may be held that another CPU takes with interrupts off. Interrupts may be off: a waiting CPU
 * serves what is asked of itself.
 */
void flush_tlb_mask(const cpumap_t *mask); /* guests' translations; this CPU too if in the mask */
void flush_tlb_one_mask(const cpumap_t *mask, uint64_t va); /* one page, of guest or hypervisor */
void flush_tlb_all(void); /* everything, on every CPU: the hypervisor's mappings changed */

#endif
