/*
 * What time.c, time_sync.c and time_guest.c share: each CPU's numbers for turning its TSC into
 * nanoseconds.
 */
#ifndef X86_PLATFORM_TIME_PRIVATE_H
#define X86_PLATFORM_TIME_PRIVATE_H

#include "core/percpu.h"

struct time_record {
    uint64_t tsc; /* at this TSC ... */
    uint64_t ns;  /* ... it was this late */
    /* ns per tick: struct vcpu_time_info, tsc_to_system_mul and tsc_shift. 0: not measured yet */
    uint32_t mul;
    int8_t shift;
    /* differs from record to record: CPUs with one id share one record. 0: none */
    uint32_t id;
    uint64_t hz;
    uint64_t ticks_mul; /* ticks per ns, scaled by 2^30 */
};

/* written by its own CPU only, through time_record_set() */
DECLARE_PER_CPU(struct time_record, time_records);

/* Interrupts off. The record takes effect whole: an interrupted reader starts again. */
void time_record_set(const struct time_record *r);
/* The same clock from (tsc, ns) on, at another rate, under a new id. */
struct time_record time_record_make(uint64_t tsc, uint64_t ns, uint64_t hz);
uint64_t time_record_ns(const struct time_record *r, uint64_t tsc);

/*
 * The platform's idea of now: the TSC, the nanoseconds since time_init(), and how long the reading
 * took in ticks.
 */
struct time_sample {
    uint64_t tsc, ns, width;
};
struct time_sample time_sample_take(void);
/* the platform's counter does not wrap between two looks a second apart */
bool time_can_sample(void);

extern bool tsc_invariant; /* the CPU promises a constant rate, whatever it does */
extern bool tsc_synced;    /* time_check_sync() found no CPU behind another: all share one record */

/* The TSC, not read before what stands before it. */
static inline uint64_t rdtsc_ordered(void)
{
    uint32_t lo, hi;

    __asm__ volatile("lfence; rdtsc" : "=a"(lo), "=d"(hi)::"memory");
    return (uint64_t)hi << 32 | lo;
}

void time_sync_start(void); /* from time_init(): arms the correction where the TSC needs one */

#endif
