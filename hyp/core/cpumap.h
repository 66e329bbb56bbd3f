/* A set of physical CPUs. */
#ifndef CORE_CPUMAP_H
#define CORE_CPUMAP_H

#include <lodge/bitmap.h>
#include "core/arch.h"

typedef struct {
    DECLARE_BITMAP(bits, NR_CPUS);
} cpumap_t;

static inline bool cpumap_test(const cpumap_t *m, unsigned int cpu) { return bitmap_test(m->bits, cpu); }
static inline void cpumap_set(cpumap_t *m, unsigned int cpu) { bitmap_set(m->bits, cpu); }
static inline void cpumap_clear(cpumap_t *m, unsigned int cpu) { bitmap_clear(m->bits, cpu); }
/* The atomic pair is for maps that several CPUs change without a lock. */
static inline void cpumap_set_atomic(cpumap_t *m, unsigned int cpu)
{
    __atomic_fetch_or(&m->bits[cpu / 64], 1ULL << (cpu % 64), __ATOMIC_SEQ_CST);
}
static inline void cpumap_clear_atomic(cpumap_t *m, unsigned int cpu)
{
    __atomic_fetch_and(&m->bits[cpu / 64], ~(1ULL << (cpu % 64)), __ATOMIC_SEQ_CST);
}
static inline unsigned int cpumap_next(const cpumap_t *m, unsigned int from)
{
    return bitmap_next(m->bits, NR_CPUS, from);
}
static inline void cpumap_and(cpumap_t *to, const cpumap_t *a, const cpumap_t *b)
{
    for (unsigned int i = 0; i < BITMAP_WORDS(NR_CPUS); i++) {
        to->bits[i] = a->bits[i] & b->bits[i];
    }
}
static inline bool cpumap_empty(const cpumap_t *m) { return cpumap_next(m, 0) >= NR_CPUS; }
static inline unsigned int cpumap_weight(const cpumap_t *m)
{
    unsigned int n = 0;

    for (unsigned int i = 0; i < BITMAP_WORDS(NR_CPUS); i++) {
        n += (unsigned int)__builtin_popcountll(m->bits[i]);
    }
    return n;
}

#define cpumap_for_each(cpu, map)                                                                  \
    for (cpu = cpumap_next(map, 0); cpu < NR_CPUS; cpu = cpumap_next(map, cpu + 1))

/* CPUs that can be reached: they answer calls and forget translations when told to. Atomic. */
extern cpumap_t cpus_online;
/* Those of them that take vCPUs and device interrupts: all but one on its way out. Atomic. */
extern cpumap_t cpus_active;
extern unsigned int nr_cpus_online; /* atomic */

#endif
