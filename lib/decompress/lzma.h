/* The LZMA decoder's state, shared by its symbols (lzma.c) and the chunks around them (lzma2.c). */
#ifndef LODGE_DECOMPRESS_LZMA_H
#define LODGE_DECOMPRESS_LZMA_H

#include "stream.h"

#define LZMA_STATES            12
#define LZMA_POS_STATES        16 /* 1 << most pb */
#define LZMA_LITERAL_CONTEXTS  16 /* 1 << most lc + lp in LZMA2 */
#define LZMA_LITERAL_SIZE      0x300
#define LZMA_DISTANCE_CONTEXTS 4
#define LZMA_SLOTS             64
#define LZMA_SPECIAL_SLOTS_END 14 /* slots 4..13 keep a tree of their own for the low bits */
#define LZMA_ALIGN_BITS        4

typedef uint16_t lzma_prob; /* how likely a zero bit is, of 2048 */

struct lzma_length {
    lzma_prob is_long, is_longest;
    lzma_prob low[LZMA_POS_STATES][8]; /* lengths 2..9 */
    lzma_prob mid[LZMA_POS_STATES][8]; /* 10..17 */
    lzma_prob high[256];               /* 18..273 */
};

/* All probabilities, and nothing else: lzma_reset() makes each of them even. */
struct lzma_model {
    lzma_prob is_match[LZMA_STATES][LZMA_POS_STATES];
    lzma_prob is_rep[LZMA_STATES];
    lzma_prob is_rep_other[LZMA_STATES]; /* not the latest distance */
    lzma_prob is_rep_older[LZMA_STATES]; /* not the second latest either */
    lzma_prob is_rep_oldest[LZMA_STATES];
    lzma_prob is_rep_long[LZMA_STATES][LZMA_POS_STATES]; /* more than a single byte */
    struct lzma_length match_length, rep_length;
    lzma_prob slot[LZMA_DISTANCE_CONTEXTS][LZMA_SLOTS];
    lzma_prob special[128]; /* a tree for each slot 4..13, see lzma_special_tree() */
    lzma_prob align[1 << LZMA_ALIGN_BITS];
    lzma_prob literal[LZMA_LITERAL_CONTEXTS][LZMA_LITERAL_SIZE];
};

struct lzma {
    struct lzma_model model;

    uint32_t rep[4]; /* the latest distances, latest first; 0 is the previous byte */
    uint32_t state;  /* what the last symbols were */
    uint32_t lc, lp_mask, pb_mask;
    uint32_t dict_size;  /* no match reaches farther back than that */
    const uint8_t *dict; /* where the dictionary begins: the output since its last reset */
    uint8_t tail[128];   /* the end of the input, see lzma_decode() */
};

/* Forgets all that was learned. */
void lzma_reset(struct lzma *z);

/* A properties byte, (pb * 5 + lp) * 9 + lc; false where LZMA2 does not allow it. */
MUST_CHECK bool lzma_set_properties(struct lzma *z, uint8_t properties);

/**
 * lzma_decode - decode one LZMA2 chunk's worth of symbols
 * @in_len:  bytes of range coder data at s->in, all of which must be used
 * @out_len: bytes to produce at s->out; caller checked that there is room
 * Returns 0 with @s advanced, or an error.
 */
MUST_CHECK int lzma_decode(struct lzma *z, struct stream *s, size_t in_len, size_t out_len);

/* The LZMA2 stream at s->in, into s->out, through its end mark. */
MUST_CHECK int lzma2_decode(struct lzma *z, struct stream *s, uint32_t dict_size);

#endif
