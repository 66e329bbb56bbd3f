/*
 * Memory that somebody hostile may change between two of our instructions: one load, one store,
 * and the barriers that order them. Nothing else may touch a shared page through a plain pointer.
 */
#ifndef LODGE_SHARED_H
#define LODGE_SHARED_H

#include <lodge/compiler.h>

#define shared_read(p)     (*(const volatile __typeof__(*(p)) *)(p))
#define shared_write(p, v) ((void)(*(volatile __typeof__(*(p)) *)(p) = (v)))

#define shared_mb()  __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define shared_rmb() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define shared_wmb() __atomic_thread_fence(__ATOMIC_RELEASE)

/* Atomic read-modify-write on a bitmap word that the guest updates with locked instructions too. */
static inline bool shared_test_and_set_bit(unsigned int bit, void *map)
{
    uint64_t *word = (uint64_t *)map + bit / 64;
    uint64_t mask = 1ULL << (bit % 64);

    return __atomic_fetch_or(word, mask, __ATOMIC_SEQ_CST) & mask;
}

static inline bool shared_test_and_clear_bit(unsigned int bit, void *map)
{
    uint64_t *word = (uint64_t *)map + bit / 64;
    uint64_t mask = 1ULL << (bit % 64);

    return __atomic_fetch_and(word, ~mask, __ATOMIC_SEQ_CST) & mask;
}

static inline bool shared_test_bit(unsigned int bit, const void *map)
{
    return shared_read((const uint64_t *)map + bit / 64) >> (bit % 64) & 1;
}

#endif
