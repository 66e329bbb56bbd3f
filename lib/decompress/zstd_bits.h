/*
 * zstd's entropy-coded bitstreams, which are read backwards: from the last byte to the first,
 * highest bit first. The last byte's highest one bit only marks where the stream begins.
 */
#ifndef LODGE_DECOMPRESS_ZSTD_BITS_H
#define LODGE_DECOMPRESS_ZSTD_BITS_H

#include "stream.h"

struct backbits {
    uint64_t bits;     /* what is not yet taken of the 8 bytes at @at, from the top; zeros follow */
    unsigned int used; /* bits taken of those 8 bytes; more than 64: more than the stream has */
    const uint8_t *at;
    const uint8_t *start;
};

/* What backbits_fill() guarantees to be there, unless the stream ends. */
#define BACKBITS_FILLED 57

/* False if there is no marker. */
static inline bool backbits_init(struct backbits *b, const uint8_t *start, size_t len)
{
    unsigned int marker;
    size_t i;

    if (len == 0 || start[len - 1] == 0) {
        return false;
    }
    marker = (unsigned int)__builtin_clz(start[len - 1]) - 24 + 1;
    b->start = start;
    if (len >= 8) {
        b->at = start + len - 8;
        b->bits = load_le64(b->at) << marker;
        b->used = marker;
        return true;
    }
    /* Too short for 8 bytes: what there is stands at the top, and the rest counts as taken. */
    b->at = start;
    b->bits = 0;
    for (i = 0; i < len; i++) {
        b->bits |= (uint64_t)start[i] << (8 * (8 - len + i));
    }
    b->bits <<= marker;
    b->used = marker + 8 * (unsigned int)(8 - len);
    return true;
}

/* Moves towards the start. Between two calls at most BACKBITS_FILLED bits may be taken. */
static ALWAYS_INLINE void backbits_fill(struct backbits *b)
{
    size_t bytes = b->used / 8;

    if (unlikely(b->at - b->start < 8)) {
        bytes = MIN(bytes, (size_t)(b->at - b->start));
        if (bytes == 0) {
            return;
        }
    }
    b->at -= bytes;
    b->used -= 8 * (unsigned int)bytes;
    b->bits = b->used < 64 ? load_le64(b->at) << b->used : 0;
}

static ALWAYS_INLINE void backbits_drop(struct backbits *b, unsigned int n)
{
    b->bits <<= n;
    b->used += n;
}

/* Takes @n <= 56 bits; none is fine too. */
static ALWAYS_INLINE uint64_t backbits_take(struct backbits *b, unsigned int n)
{
    uint64_t v = (b->bits >> 1) >> (~n & 63);

    backbits_drop(b, n);
    return v;
}

static ALWAYS_INLINE bool backbits_overrun(const struct backbits *b)
{
    return b->used > 64;
}

/* Was exactly everything taken? */
static inline bool backbits_done(const struct backbits *b)
{
    return b->at == b->start && b->used == 64;
}

#endif
