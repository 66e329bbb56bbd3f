/* Bitmaps of any length, in 64-bit words. Not atomic: the caller holds the lock of what they describe. */
#ifndef LODGE_BITMAP_H
#define LODGE_BITMAP_H

#include <lodge/compiler.h>

#define BITMAP_WORDS(bits)         (((bits) + 63) / 64)
#define DECLARE_BITMAP(name, bits) uint64_t name[BITMAP_WORDS(bits)]

static inline bool bitmap_test(const uint64_t *map, unsigned int bit)
{
    return map[bit / 64] >> (bit % 64) & 1;
}

static inline void bitmap_set(uint64_t *map, unsigned int bit)
{
    map[bit / 64] |= 1ULL << (bit % 64);
}

static inline void bitmap_clear(uint64_t *map, unsigned int bit)
{
    map[bit / 64] &= ~(1ULL << (bit % 64));
}

/* First set bit at or after `from`; `bits` if there is none. */
static inline unsigned int bitmap_next(const uint64_t *map, unsigned int bits, unsigned int from)
{
    while (from < bits) {
        uint64_t word = map[from / 64] >> (from % 64);

        if (word) {
            from += __builtin_ctzll(word);
            return from < bits ? from : bits;
        }
        from = (from / 64 + 1) * 64;
    }
    return bits;
}

static inline unsigned int bitmap_next_zero(const uint64_t *map, unsigned int bits, unsigned int from)
{
    while (from < bits) {
        uint64_t word = ~map[from / 64] >> (from % 64);

        if (word) {
            from += __builtin_ctzll(word);
            return from < bits ? from : bits;
        }
        from = (from / 64 + 1) * 64;
    }
    return bits;
}

#define bitmap_for_each(bit, map, bits)                                                            \
    for (bit = bitmap_next(map, bits, 0); bit < (bits); bit = bitmap_next(map, bits, bit + 1))

#endif
