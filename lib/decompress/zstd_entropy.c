/*
 * zstd's entropy codes: finite state entropy for sequences and for Huffman weights, Huffman for
 * literals. Section names are those of RFC 8878.
 */
#include <lodge/string.h>

#include "zstd_bits.h"
#include "zstd_entropy.h"

#define FSE_LOG_LEAST       5
#define WEIGHTS_LOG_MAX     6
#define WEIGHT_SYMBOLS_MAX  (HUFFMAN_LOG_MAX + 1)
#define DIRECT_WEIGHTS_BASE 127

/* The position of the highest one bit; v is not 0. */
static unsigned int highest_bit(uint32_t v)
{
    return 31 - (unsigned int)__builtin_clz(v);
}

/* "From Normalized Distribution to Decoding Tables" */
void fse_build(struct fse_table *t, uint16_t *next, const int16_t *counts, unsigned int nr,
               unsigned int log, const struct fse_symbol *symbols)
{
    const unsigned int size = 1U << log;
    const unsigned int step = (size >> 1) + (size >> 3) + 3;
    unsigned int high = size; /* from here on there are symbols rarer than one state */
    unsigned int position = 0;
    unsigned int symbol, state;

    for (symbol = 0; symbol < nr; symbol++) {
        next[symbol] = counts[symbol] < 0 ? 1 : (uint16_t)counts[symbol];
        if (counts[symbol] < 0) {
            t->entry[--high].base = symbol;
        }
    }
    for (symbol = 0; symbol < nr; symbol++) {
        int i;

        for (i = 0; i < counts[symbol]; i++) {
            t->entry[position].base = symbol;
            do {
                position = (position + step) & (size - 1);
            } while (position >= high);
        }
    }
    for (state = 0; state < size; state++) {
        struct fse_entry *e = &t->entry[state];
        uint16_t share = next[e->base]++; /* which of its symbol's states, from their count on */
        unsigned int bits = log - highest_bit(share);

        e->next_bits = (uint8_t)bits;
        e->next = (uint16_t)((share << bits) - size);
        e->extra = symbols ? symbols[e->base].extra : 0;
        e->base = symbols ? symbols[e->base].base : e->base;
    }
    t->log = log;
}

void fse_build_single(struct fse_table *t, struct fse_symbol symbol)
{
    t->entry[0] = (struct fse_entry){ .base = symbol.base, .extra = symbol.extra };
    t->log = 0;
}

/* Bits of a table description, which are read forwards; beyond the end there are zeros. */
struct forebits {
    const uint8_t *in, *end;
    size_t at; /* in bits */
};

static uint32_t forebits_peek(const struct forebits *b, unsigned int n)
{
    size_t byte = b->at / 8;
    size_t len = (size_t)(b->end - b->in);
    uint32_t v = 0;
    unsigned int i;

    for (i = 0; i < 3 && byte + i < len; i++) {
        v |= (uint32_t)b->in[byte + i] << (8 * i);
    }
    return (v >> (b->at % 8)) & ((1U << n) - 1);
}

static uint32_t forebits_take(struct forebits *b, unsigned int n)
{
    uint32_t v = forebits_peek(b, n);

    b->at += n;
    return v;
}

/*
 * A number from 0 to @most. In as many bits as @most has there is room for some more numbers than
 * are needed, so the lowest ones do with a bit less.
 */
static uint32_t forebits_take_upto(struct forebits *b, uint32_t most)
{
    unsigned int bits = highest_bit(most) + 1;
    uint32_t half = 1U << (bits - 1);
    uint32_t spare = (1U << bits) - 1 - most;
    uint32_t v = forebits_peek(b, bits);

    if ((v & (half - 1)) < spare) {
        b->at += bits - 1;
        return v & (half - 1);
    }
    b->at += bits;
    return v < half ? v : v - spare;
}

int fse_decode_table(struct fse_table *t, struct entropy_scratch *scratch, struct stream *s,
                     const uint8_t *end, unsigned int nr_max, unsigned int log_max,
                     const struct fse_symbol *symbols)
{
    struct forebits b = { .in = s->in, .end = end };
    int16_t *counts = scratch->counts;
    unsigned int log = FSE_LOG_LEAST + forebits_take(&b, 4);
    unsigned int nr = 0;
    int left;

    if (log > log_max) {
        return stream_corrupt(s, "FSE table too large");
    }
    left = 1 << log;
    while (left > 0) {
        int count;

        if (nr == nr_max) {
            return stream_corrupt(s, "FSE table of too many symbols");
        }
        count = (int)forebits_take_upto(&b, (uint32_t)left + 1) - 1;
        counts[nr++] = (int16_t)count;
        left -= count < 0 ? 1 : count;
        if (count == 0) {
            uint32_t repeat;

            do {
                repeat = forebits_take(&b, 2);
                if (repeat > nr_max - nr) {
                    return stream_corrupt(s, "FSE table of too many symbols");
                }
                memset(&counts[nr], 0, repeat * sizeof(counts[0]));
                nr += repeat;
            } while (repeat == 3);
        }
    }
    if ((b.at + 7) / 8 > (size_t)(end - b.in)) {
        return stream_corrupt(s, "FSE table cut short");
    }
    fse_build(t, scratch->next, counts, nr, log, symbols);
    s->in += (b.at + 7) / 8;
    return 0;
}

static uint8_t fse_step(const struct fse_table *t, struct backbits *b, unsigned int *state)
{
    const struct fse_entry *e = &t->entry[*state];

    *state = e->next + (unsigned int)backbits_take(b, e->next_bits);
    return (uint8_t)e->base;
}

/*
 * "FSE Compression of Huffman Weights": two states take turns until one of them lacks the bits to
 * go on; then each has a last symbol to give, of which the one out of bits has given its own
 * already.
 */
static int weights_decode(struct entropy_scratch *scratch, struct stream *s, const uint8_t *end,
                          unsigned int *nr)
{
    const struct fse_table *t = &scratch->weights;
    struct backbits b;
    unsigned int state[2];
    unsigned int n = 0;
    int rc;

    rc = fse_decode_table(&scratch->weights, scratch, s, end, WEIGHT_SYMBOLS_MAX, WEIGHTS_LOG_MAX,
                          NULL);
    if (rc) {
        return rc;
    }
    if (!backbits_init(&b, s->in, (size_t)(end - s->in))) {
        return stream_corrupt(s, "bad stream of Huffman weights");
    }
    state[0] = (unsigned int)backbits_take(&b, t->log);
    state[1] = (unsigned int)backbits_take(&b, t->log);
    if (backbits_overrun(&b)) {
        return stream_corrupt(s, "Huffman weights cut short");
    }
    do {
        if (n > HUFFMAN_SYMBOLS - 3) {
            return stream_corrupt(s, "too many Huffman weights");
        }
        backbits_fill(&b);
        scratch->weight[n] = fse_step(t, &b, &state[n % 2]);
        n++;
    } while (!backbits_overrun(&b));
    scratch->weight[n] = (uint8_t)t->entry[state[n % 2]].base;
    n++;
    s->in = end;
    *nr = n;
    return 0;
}

/* "Huffman Tree Description": a code out of weights, the last of which goes without saying */
static int huffman_build(struct huffman *h, struct entropy_scratch *scratch, struct stream *s,
                         unsigned int nr)
{
    unsigned int position[HUFFMAN_LOG_MAX + 2];
    unsigned int count[HUFFMAN_LOG_MAX + 2] = { 0 };
    uint8_t *weight = scratch->weight;
    uint32_t total = 0;
    uint32_t rest;
    unsigned int log, symbol, w;

    for (symbol = 0; symbol < nr; symbol++) {
        if (weight[symbol] > HUFFMAN_LOG_MAX) {
            return stream_corrupt(s, "bad Huffman weight");
        }
        total += (1U << weight[symbol]) >> 1;
        count[weight[symbol]]++;
    }
    if (total == 0) {
        return stream_corrupt(s, "no Huffman weights");
    }
    log = highest_bit(total) + 1;
    rest = (1U << log) - total;
    if (log > HUFFMAN_LOG_MAX || (rest & (rest - 1)) != 0) {
        return stream_corrupt(s, "Huffman weights make no code");
    }
    weight[nr] = (uint8_t)(highest_bit(rest) + 1);
    count[weight[nr]]++;
    nr++;
    if (count[1] < 2) {
        return stream_corrupt(s, "Huffman weights make no code");
    }

    /* The longest codes come first, and those of equal length in the order of their symbols. */
    position[1] = 0;
    for (w = 1; w <= log; w++) {
        position[w + 1] = position[w] + (count[w] << (w - 1));
    }
    for (symbol = 0; symbol < nr; symbol++) {
        unsigned int i, len;
        uint16_t *to;

        w = weight[symbol];
        if (w == 0) {
            continue;
        }
        to = &h->entry[position[w]];
        len = 1U << (w - 1);
        for (i = 0; i < len; i++) {
            to[i] = (uint16_t)(symbol << 8 | (log + 1 - w));
        }
        position[w] += len;
    }
    h->log = log;
    return 0;
}

int huffman_decode_table(struct huffman *h, struct entropy_scratch *scratch, struct stream *s,
                         const uint8_t *end)
{
    unsigned int nr, i;
    uint8_t header;
    size_t len;
    int rc;

    h->log = 0;
    if (s->in == end) {
        return stream_corrupt(s, "Huffman tree cut short");
    }
    header = *s->in++;
    nr = header > DIRECT_WEIGHTS_BASE ? header - DIRECT_WEIGHTS_BASE : 0;
    len = nr ? (nr + 1) / 2 : header;
    if (len > (size_t)(end - s->in)) {
        return stream_corrupt(s, "Huffman tree cut short");
    }
    if (nr) {
        for (i = 0; i < nr; i++) {
            scratch->weight[i] = i % 2 ? s->in[i / 2] & 15 : s->in[i / 2] >> 4;
        }
        s->in += len;
    } else {
        rc = weights_decode(scratch, s, s->in + len, &nr);
        if (rc) {
            return rc;
        }
    }
    return huffman_build(h, scratch, s, nr);
}

#define SYMBOLS_PER_FILL (BACKBITS_FILLED / HUFFMAN_LOG_MAX)

bool huffman_decode(const struct huffman *h, const uint8_t *in, size_t in_len, uint8_t *out,
                    size_t out_len)
{
    const unsigned int shift = 64 - h->log;
    uint8_t *end = out + out_len;
    struct backbits b;

    if (!backbits_init(&b, in, in_len)) {
        return false;
    }
    while (end - out >= SYMBOLS_PER_FILL) {
        unsigned int i;

        backbits_fill(&b);
#pragma GCC unroll 5
        for (i = 0; i < SYMBOLS_PER_FILL; i++) {
            uint16_t e = h->entry[b.bits >> shift];

            backbits_drop(&b, e & 0xFF);
            *out++ = (uint8_t)(e >> 8);
        }
    }
    while (out < end) {
        uint16_t e;

        backbits_fill(&b);
        e = h->entry[b.bits >> shift];
        backbits_drop(&b, e & 0xFF);
        *out++ = (uint8_t)(e >> 8);
    }
    return backbits_done(&b);
}
