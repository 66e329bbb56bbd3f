/* Bounds checks that cannot overflow, and an index that a mispredicted check cannot misuse. */
#ifndef LODGE_RANGE_H
#define LODGE_RANGE_H

#include <lodge/compiler.h>

/* Is [start, start + count) inside [0, limit)? */
static inline bool range_within(uint64_t start, uint64_t count, uint64_t limit)
{
    return start <= limit && count <= limit - start;
}

/* index if index < limit, else 0, computed without a branch (after the check, before the load). */
static inline uint64_t index_nospec(uint64_t index, uint64_t limit)
{
#if defined(__x86_64__)
    uint64_t mask;

    __asm__("cmp %[limit], %[index]; sbb %[mask], %[mask]"
            : [mask] "=r"(mask) : [limit] "g"(limit), [index] "r"(index) : "cc");
    return index & mask;
#else
    return index < limit ? index : 0;
#endif
}

#endif
