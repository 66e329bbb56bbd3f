/*
 * LZMA's symbols: a range decoder whose every bit is predicted by an adaptive probability.
 *
 * The state machine and the trees are those of the "LZMA specification" that comes with the LZMA
 * SDK. This is where unpacking a kernel spends its time: range, code and the input pointer live in
 * locals of one loop, and whether the input still reaches is asked once a symbol, not once a byte.
 */
#include <lodge/string.h>

#include "lzma.h"

#define PROB_BITS    11
#define PROB_EVEN    (1U << (PROB_BITS - 1))
#define PROB_RATE    5 /* a bit moves its probability by 1/32 of what is left */
#define RANGE_LEAST  (1U << 24)
#define LENGTH_LEAST 2
#define LENGTH_MOST  273

/*
 * A symbol takes at most 22 predicted and 26 plain bits, none of which reads more than a byte. So a
 * symbol begun this far from the end of what is readable never reads beyond.
 */
#define SYMBOL_IN_MOST 48

#define RC_START 5 /* bytes that the range coder begins with; the first is 0 */

#define STATE_AFTER_MATCH 7 /* from here on the last symbol was not a literal */

/* A slot's tree of low bits. Slot 4 has base 4 and two nodes, 5: 6 and two, 6: 8 and four, .. */
static ALWAYS_INLINE lzma_prob *lzma_special_tree(struct lzma_model *m, uint32_t base,
                                                  uint32_t slot)
{
    return m->special + base - slot;
}

struct range_coder {
    uint32_t range;
    uint32_t code;
    const uint8_t *in;
};

static ALWAYS_INLINE void rc_normalize(struct range_coder *rc)
{
    if (unlikely(rc->range < RANGE_LEAST)) {
        rc->range <<= 8;
        rc->code = (rc->code << 8) | *rc->in++;
    }
}

/* The next bit, as @p predicts it. */
static ALWAYS_INLINE bool rc_bit(struct range_coder *rc, lzma_prob *p)
{
    uint32_t prob = *p;
    uint32_t bound;

    rc_normalize(rc);
    bound = (rc->range >> PROB_BITS) * prob;
    if (rc->code < bound) {
        rc->range = bound;
        *p = (lzma_prob)(prob + (((1U << PROB_BITS) - prob) >> PROB_RATE));
        return false;
    }
    rc->range -= bound;
    rc->code -= bound;
    *p = (lzma_prob)(prob - (prob >> PROB_RATE));
    return true;
}

/* One step down a tree: the bit is appended to @node, where the next step's probability lies. */
static ALWAYS_INLINE uint32_t rc_step(struct range_coder *rc, lzma_prob *tree, uint32_t node)
{
    return rc_bit(rc, &tree[node]) ? 2 * node + 1 : 2 * node;
}

/* A number of @bits bits, highest first. */
static ALWAYS_INLINE uint32_t rc_tree(struct range_coder *rc, lzma_prob *tree, unsigned int bits)
{
    uint32_t node = 1;
    unsigned int i;

#pragma GCC unroll 8
    for (i = 0; i < bits; i++) {
        node = rc_step(rc, tree, node);
    }
    return node - (1U << bits);
}

/* The same, lowest first. */
static ALWAYS_INLINE uint32_t rc_tree_reverse(struct range_coder *rc, lzma_prob *tree,
                                              unsigned int bits)
{
    uint32_t node = 1;
    uint32_t value = 0;
    unsigned int i;

#pragma GCC unroll 4
    for (i = 0; i < bits; i++) {
        if (rc_bit(rc, &tree[node])) {
            node = 2 * node + 1;
            value |= 1U << i;
        } else {
            node = 2 * node;
        }
    }
    return value;
}

/* @bits bits without prediction, appended to @value. */
static ALWAYS_INLINE uint32_t rc_plain(struct range_coder *rc, uint32_t value, unsigned int bits)
{
    do {
        rc_normalize(rc);
        rc->range >>= 1;
        value *= 2;
        if (rc->code >= rc->range) {
            rc->code -= rc->range;
            value++;
        }
    } while (--bits > 0);
    return value;
}

static ALWAYS_INLINE uint32_t literal_decode(struct range_coder *rc, lzma_prob *tree)
{
    uint32_t node = 1;

#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) {
        node = rc_step(rc, tree, node);
    }
    return node;
}

/*
 * After a match the literal is likely to differ from the byte that would have continued it. As long
 * as they agree, that byte's next bit chooses between two further trees.
 */
static ALWAYS_INLINE uint32_t literal_decode_matched(struct range_coder *rc, lzma_prob *tree,
                                                     uint32_t expected)
{
    uint32_t node = 1;

    do {
        uint32_t bit = expected & 0x80;

        expected <<= 1;
        if (rc_bit(rc, &tree[0x100 + 2 * bit + node])) {
            node = 2 * node + 1;
            if (!bit) {
                break;
            }
        } else {
            node = 2 * node;
            if (bit) {
                break;
            }
        }
    } while (node < 0x100);
    while (node < 0x100) {
        node = rc_step(rc, tree, node);
    }
    return node;
}

static ALWAYS_INLINE uint32_t length_decode(struct range_coder *rc, struct lzma_length *l,
                                            uint32_t pos_state)
{
    if (!rc_bit(rc, &l->is_long)) {
        return LENGTH_LEAST + rc_tree(rc, l->low[pos_state], 3);
    }
    if (!rc_bit(rc, &l->is_longest)) {
        return LENGTH_LEAST + 8 + rc_tree(rc, l->mid[pos_state], 3);
    }
    return LENGTH_LEAST + 16 + rc_tree(rc, l->high, 8);
}

/* A slot says how many bits the distance has and what its two highest are; then come the others. */
static ALWAYS_INLINE uint32_t distance_decode(struct range_coder *rc, struct lzma_model *m,
                                              uint32_t len)
{
    uint32_t context = MIN(len - LENGTH_LEAST, LZMA_DISTANCE_CONTEXTS - 1U);
    uint32_t slot = rc_tree(rc, m->slot[context], 6);
    uint32_t low_bits, base;

    if (slot < 4) {
        return slot;
    }
    low_bits = (slot >> 1) - 1;
    base = 2 | (slot & 1);
    if (slot < LZMA_SPECIAL_SLOTS_END) {
        base <<= low_bits;
        return base + rc_tree_reverse(rc, lzma_special_tree(m, base, slot), low_bits);
    }
    base = rc_plain(rc, base, low_bits - LZMA_ALIGN_BITS) << LZMA_ALIGN_BITS;
    return base + rc_tree_reverse(rc, m->align, LZMA_ALIGN_BITS);
}

/* The loop's view of a chunk: what it advances, and where it has to stop. */
struct run {
    struct range_coder rc;
    const uint8_t *in_stop; /* no symbol is begun with rc.in beyond */
    uint8_t *out;
    uint8_t *out_stop;
    const uint8_t *out_roomy; /* before it, there is room to copy matches with slack */
};

/* Decodes until the output is complete or the input goes beyond in_stop. NULL, or what is wrong. */
static const char *symbols_decode(struct lzma *z, struct run *run)
{
    struct lzma_model *m = &z->model;
    struct range_coder rc = run->rc;
    const uint8_t *const in_stop = run->in_stop;
    uint8_t *const out_stop = run->out_stop;
    const uint8_t *const out_roomy = run->out_roomy;
    const uint8_t *const dict = z->dict;
    uint8_t *out = run->out;
    uint32_t state = z->state;
    uint32_t rep0 = z->rep[0];
    uint32_t last = out == dict ? 0 : out[-1];
    const char *what = NULL;

    while (out < out_stop && rc.in <= in_stop) {
        uint32_t position = (uint32_t)(out - dict);
        uint32_t pos_state = position & z->pb_mask;
        uint32_t len;

        if (!rc_bit(&rc, &m->is_match[state][pos_state])) {
            uint32_t context = ((position & z->lp_mask) << z->lc) + (last >> (8 - z->lc));
            lzma_prob *tree = m->literal[context];

            if (state < STATE_AFTER_MATCH) {
                last = literal_decode(&rc, tree);
                state = state < 4 ? 0 : state - 3;
            } else {
                last = literal_decode_matched(&rc, tree, *(out - rep0 - 1));
                state = state < 10 ? state - 3 : state - 6;
            }
            last &= 0xFF;
            *out++ = (uint8_t)last;
            continue;
        }

        if (!rc_bit(&rc, &m->is_rep[state])) {
            z->rep[3] = z->rep[2];
            z->rep[2] = z->rep[1];
            z->rep[1] = rep0;
            len = length_decode(&rc, &m->match_length, pos_state);
            rep0 = distance_decode(&rc, m, len);
            state = state < STATE_AFTER_MATCH ? 7 : 10;
        } else {
            if (!rc_bit(&rc, &m->is_rep_other[state])) {
                if (!rc_bit(&rc, &m->is_rep_long[state][pos_state])) {
                    state = state < STATE_AFTER_MATCH ? 9 : 11;
                    len = 1;
                    goto copy;
                }
            } else {
                uint32_t distance;

                if (!rc_bit(&rc, &m->is_rep_older[state])) {
                    distance = z->rep[1];
                } else {
                    if (!rc_bit(&rc, &m->is_rep_oldest[state])) {
                        distance = z->rep[2];
                    } else {
                        distance = z->rep[3];
                        z->rep[3] = z->rep[2];
                    }
                    z->rep[2] = z->rep[1];
                }
                z->rep[1] = rep0;
                rep0 = distance;
            }
            len = length_decode(&rc, &m->rep_length, pos_state);
            state = state < STATE_AFTER_MATCH ? 8 : 11;
        }
    copy:
        if (unlikely(rep0 >= (size_t)(out - dict) || rep0 >= z->dict_size)) {
            what = "match reaches back beyond the dictionary";
            break;
        }
        if (unlikely(len > (size_t)(out_stop - out))) {
            what = "match reaches beyond its chunk";
            break;
        }
        match_copy(out, (size_t)rep0 + 1, len, out < out_roomy);
        out += len;
        last = out[-1];
    }

    run->rc = rc;
    run->out = out;
    z->state = state;
    z->rep[0] = rep0;
    return what;
}

void lzma_reset(struct lzma *z)
{
    lzma_prob *p = (lzma_prob *)&z->model;
    size_t i;

    for (i = 0; i < sizeof(z->model) / sizeof(*p); i++) {
        p[i] = PROB_EVEN;
    }
    memset(z->rep, 0, sizeof(z->rep));
    z->state = 0;
}

bool lzma_set_properties(struct lzma *z, uint8_t properties)
{
    uint32_t lc = properties % 9, lp = properties / 9 % 5, pb = properties / 45;

    if (pb > 4 || lc + lp > 4) {
        return false;
    }
    z->lc = lc;
    z->lp_mask = (1U << lp) - 1;
    z->pb_mask = (1U << pb) - 1;
    return true;
}

int lzma_decode(struct lzma *z, struct stream *s, size_t in_len, size_t out_len)
{
    const uint8_t *const in_stop = s->in + in_len;
    struct run run = {
        .rc = { .range = UINT32_MAX },
        .in_stop = in_stop,
        .out = s->out,
        .out_stop = s->out + out_len,
        .out_roomy = s->out_end - MIN(stream_room(s), (size_t)LENGTH_MOST + COPY_SLACK - 1),
    };
    const char *what = NULL;
    ptrdiff_t left; /* bytes of the chunk not yet read; negative where more were read */
    unsigned int i;

    if (in_len < RC_START || s->in[0] != 0) {
        return stream_corrupt(s, "bad start of range coder data");
    }
    for (i = 1; i < RC_START; i++) {
        run.rc.code = (run.rc.code << 8) | s->in[i];
    }
    run.rc.in = s->in + RC_START;
    if (s->in_end - in_stop < SYMBOL_IN_MOST) {
        run.in_stop = s->in_end - MIN(stream_left(s), (size_t)SYMBOL_IN_MOST);
    }
    if (run.rc.in <= run.in_stop) {
        what = symbols_decode(z, &run);
    }
    left = in_stop - run.rc.in;

    /* So close to the end of all input, symbols are decoded from a copy with zeros behind. */
    if (!what && run.out < run.out_stop && left >= 0 && left <= SYMBOL_IN_MOST) {
        BUILD_ASSERT(sizeof(z->tail) >= 2 * SYMBOL_IN_MOST);
        memset(z->tail, 0, sizeof(z->tail));
        memcpy(z->tail, run.rc.in, (size_t)left);
        run.rc.in = z->tail;
        run.in_stop = z->tail + left;
        what = symbols_decode(z, &run);
        left = run.in_stop - run.rc.in;
    }
    s->in = in_stop - MAX(left, 0);
    s->out = run.out;
    if (what) {
        return stream_corrupt(s, what);
    }
    if (left < 0 || run.out < run.out_stop) {
        return stream_corrupt(s, "chunk's input ends before its output");
    }
    /* The encoder's last bits leave 0 in code once all bytes are in. */
    if (run.rc.range < RANGE_LEAST && s->in < in_stop) {
        run.rc.code = (run.rc.code << 8) | *s->in++;
    }
    if (s->in < in_stop || run.rc.code != 0) {
        return stream_corrupt(s, "chunk's output ends before its input");
    }
    return 0;
}
