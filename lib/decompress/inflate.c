/*
 * DEFLATE: RFC 1951. Bits are taken from a 64-bit reservoir, lowest first; inflate_table.c makes
 * the tables that say what they mean.
 */
#include <lodge/string.h>

#include "inflate.h"

#define MATCH_MOST 258

/* "Compression with dynamic Huffman codes (BTYPE=10)": the order in which lengths are sent */
static const uint8_t precode_order[19] = { 16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                           11, 4,  12, 3, 13, 2, 14, 1, 15 };

/* Input bits. What lies in @v above @n is either zero or what the next bytes will bring anyway. */
struct bits {
    uint64_t v;
    int n; /* bits in @v, below 64; negative once more was taken than there is */
};

/* Fills up with at least 56 bits; 8 bytes of input must be left. */
static ALWAYS_INLINE const uint8_t *bits_fill(struct bits *b, const uint8_t *in)
{
    b->v |= load_le64(in) << b->n;
    in += (63 - b->n) >> 3;
    b->n |= 56;
    return in;
}

/* Fills up as far as there is input. */
static void bits_fill_slowly(struct bits *b, struct stream *s)
{
    while (b->n < 56 && s->in < s->in_end) {
        b->v |= (uint64_t)*s->in++ << b->n;
        b->n += 8;
    }
}

static ALWAYS_INLINE void bits_drop(struct bits *b, unsigned int n)
{
    b->v >>= n;
    b->n -= (int)n;
}

/* Takes @n <= 16 bits, or fails where the input ends. */
static bool bits_take(struct bits *b, struct stream *s, unsigned int n, unsigned int *value)
{
    bits_fill_slowly(b, s);
    if (b->n < (int)n) {
        return false;
    }
    *value = (unsigned int)b->v & ((1U << n) - 1);
    bits_drop(b, n);
    return true;
}

/* Returns whole bytes to the input and forgets the rest of the last one. */
static void bits_align(struct bits *b, struct stream *s)
{
    s->in -= MAX(b->n, 0) / 8;
    b->v = 0;
    b->n = 0;
}

/* The entry for what comes next. On the way to a second table the first one's bits are dropped. */
static ALWAYS_INLINE uint32_t entry_find(struct bits *b, const uint32_t *table, unsigned int root)
{
    uint32_t e = table[b->v & ((1U << root) - 1)];

    if (unlikely(e & ENTRY_SUBTABLE)) {
        bits_drop(b, ENTRY_TAKE(e));
        e = table[ENTRY_VALUE(e) + (b->v & ((1U << ENTRY_CODE(e)) - 1))];
    }
    return e;
}

/* The entry's base plus its extra bits, which are taken together with the code. */
static ALWAYS_INLINE uint32_t value_take(struct bits *b, uint32_t e)
{
    uint32_t extra = ((uint32_t)b->v & ((1U << ENTRY_TAKE(e)) - 1)) >> ENTRY_CODE(e);

    bits_drop(b, ENTRY_TAKE(e));
    return ENTRY_VALUE(e) + extra;
}

static const char *const bad_code = "bits that are no code";
static const char *const bad_distance = "match reaches back beyond the start";

/* What a run of symbols ended with, unless with an error. */
enum { RUN_GOES_ON, RUN_BLOCK_ENDS };

/* As many symbols as can be decoded without asking for the ends of the buffers. */
#define FAST_IN  16 /* two fills of at most 7 bytes, each reading 8 */
#define FAST_OUT (2 + MATCH_MOST + COPY_SLACK + 2) /* two literals and a match */

static int symbols_fast(const struct inflate *z, struct stream *s, struct bits *bits,
                        const uint8_t *start)
{
    const uint8_t *in = s->in;
    const uint8_t *in_stop = s->in_end - FAST_IN;
    uint8_t *out = s->out;
    uint8_t *out_stop = s->out_end - FAST_OUT;
    struct bits b = *bits;
    int rc = RUN_GOES_ON;

    do {
        uint32_t e, len, distance;

        in = bits_fill(&b, in);
        e = entry_find(&b, z->literals, INFLATE_LITERAL_BITS);
        if (e & ENTRY_LITERAL) {
            bits_drop(&b, ENTRY_TAKE(e));
            *out++ = (uint8_t)ENTRY_VALUE(e);
            e = entry_find(&b, z->literals, INFLATE_LITERAL_BITS);
            if (e & ENTRY_LITERAL) {
                bits_drop(&b, ENTRY_TAKE(e));
                *out++ = (uint8_t)ENTRY_VALUE(e);
                continue;
            }
        }
        if (unlikely(e & ENTRY_SPECIAL)) {
            bits_drop(&b, ENTRY_TAKE(e));
            rc = e & ENTRY_END ? RUN_BLOCK_ENDS : stream_corrupt(s, bad_code);
            break;
        }
        len = value_take(&b, e);
        in = bits_fill(&b, in);
        e = entry_find(&b, z->distances, INFLATE_DISTANCE_BITS);
        if (unlikely(e & ENTRY_SPECIAL)) {
            rc = stream_corrupt(s, bad_code);
            break;
        }
        distance = value_take(&b, e);
        if (unlikely(distance > (size_t)(out - start))) {
            rc = stream_corrupt(s, bad_distance);
            break;
        }
        match_copy(out, distance, len, true);
        out += len;
    } while (in <= in_stop && out <= out_stop);

    s->in = in;
    s->out = out;
    *bits = b;
    return rc;
}

/* One symbol, near an end. Missing input reads as zeros until it shows that too much was taken. */
static int symbol_slow(const struct inflate *z, struct stream *s, struct bits *b,
                       const uint8_t *start)
{
    uint32_t e, len, distance;

    bits_fill_slowly(b, s);
    e = entry_find(b, z->literals, INFLATE_LITERAL_BITS);
    if (e & ENTRY_SPECIAL) {
        bits_drop(b, ENTRY_TAKE(e));
        if (!(e & ENTRY_END)) {
            return stream_corrupt(s, bad_code);
        }
        return b->n < 0 ? stream_truncated(s) : RUN_BLOCK_ENDS;
    }
    if (e & ENTRY_LITERAL) {
        bits_drop(b, ENTRY_TAKE(e));
        if (b->n < 0) {
            return stream_truncated(s);
        }
        if (stream_room(s) == 0) {
            return stream_full(s);
        }
        *s->out++ = (uint8_t)ENTRY_VALUE(e);
        return RUN_GOES_ON;
    }
    len = value_take(b, e);
    if (b->n < 0) {
        return stream_truncated(s);
    }
    bits_fill_slowly(b, s);
    e = entry_find(b, z->distances, INFLATE_DISTANCE_BITS);
    if (e & ENTRY_SPECIAL) {
        return stream_corrupt(s, bad_code);
    }
    distance = value_take(b, e);
    if (b->n < 0) {
        return stream_truncated(s);
    }
    if (distance > (size_t)(s->out - start)) {
        return stream_corrupt(s, bad_distance);
    }
    if (len > stream_room(s)) {
        return stream_full(s);
    }
    match_copy(s->out, distance, len, copy_is_roomy(s->out, len, s->out_end));
    s->out += len;
    return RUN_GOES_ON;
}

/* The symbols of a block, whose tables are built. */
static int packed_block(const struct inflate *z, struct stream *s, struct bits *b,
                        const uint8_t *start)
{
    int rc;

    do {
        if (stream_left(s) >= FAST_IN && stream_room(s) >= FAST_OUT) {
            rc = symbols_fast(z, s, b, start);
        } else {
            rc = symbol_slow(z, s, b, start);
        }
    } while (rc == RUN_GOES_ON);
    return rc == RUN_BLOCK_ENDS ? 0 : rc;
}

/* "Non-compressed blocks (BTYPE=00)" */
static int plain_block(struct stream *s, struct bits *b)
{
    size_t len;

    bits_align(b, s);
    if (stream_left(s) < 4) {
        return stream_truncated(s);
    }
    len = load_le16(s->in);
    if (load_le16(s->in + 2) != (len ^ 0xFFFF)) {
        return stream_corrupt(s, "length of a stored block differs from its complement");
    }
    s->in += 4;
    if (stream_left(s) < len) {
        return stream_truncated(s);
    }
    if (stream_room(s) < len) {
        return stream_full(s);
    }
    memcpy(s->out, s->in, len);
    s->in += len;
    s->out += len;
    return 0;
}

static int tables_build(struct inflate *z, struct stream *s, unsigned int nr_literals,
                        unsigned int nr_distances)
{
    if (!inflate_table_build(z, z->literals, ARRAY_SIZE(z->literals), INFLATE_LITERAL_BITS,
                             ALPHABET_LITERALS, z->lengths, nr_literals)) {
        return stream_corrupt(s, "lengths of literal codes make no code");
    }
    if (!inflate_table_build(z, z->distances, ARRAY_SIZE(z->distances), INFLATE_DISTANCE_BITS,
                             ALPHABET_DISTANCES, z->lengths + nr_literals, nr_distances)) {
        return stream_corrupt(s, "lengths of distance codes make no code");
    }
    return 0;
}

/* "Compression with fixed Huffman codes (BTYPE=01)" */
static int fixed_tables(struct inflate *z, struct stream *s)
{
    memset(z->lengths, 8, 144);
    memset(z->lengths + 144, 9, 256 - 144);
    memset(z->lengths + 256, 7, 280 - 256);
    memset(z->lengths + 280, 8, 288 - 280);
    memset(z->lengths + 288, 5, 32);
    return tables_build(z, s, 288, 32);
}

/* "Compression with dynamic Huffman codes (BTYPE=10)": lengths of both codes, themselves coded */
static int lengths_decode(struct inflate *z, struct stream *s, struct bits *b, unsigned int nr)
{
    unsigned int i = 0;

    while (i < nr) {
        unsigned int symbol, value, repeat;
        uint32_t e;

        bits_fill_slowly(b, s);
        e = z->precode[b->v & ((1U << INFLATE_PRECODE_BITS) - 1)];
        bits_drop(b, ENTRY_TAKE(e));
        if (b->n < 0) {
            return stream_truncated(s);
        }
        symbol = ENTRY_VALUE(e);
        if (symbol < 16) {
            z->lengths[i++] = (uint8_t)symbol;
            continue;
        }
        value = 0;
        if (symbol == 16) {
            if (i == 0) {
                return stream_corrupt(s, "repeats the length before the first");
            }
            value = z->lengths[i - 1];
        }
        if (!bits_take(b, s, symbol == 16 ? 2 : symbol == 17 ? 3 : 7, &repeat)) {
            return stream_truncated(s);
        }
        repeat += symbol == 18 ? 11 : 3;
        if (repeat > nr - i) {
            return stream_corrupt(s, "repeats a length too often");
        }
        memset(z->lengths + i, (int)value, repeat);
        i += repeat;
    }
    return 0;
}

static int dynamic_tables(struct inflate *z, struct stream *s, struct bits *b)
{
    unsigned int nr_literals, nr_distances, nr_precode;
    unsigned int i;
    int rc;

    if (!bits_take(b, s, 5, &nr_literals) || !bits_take(b, s, 5, &nr_distances) ||
        !bits_take(b, s, 4, &nr_precode)) {
        return stream_truncated(s);
    }
    nr_literals += 257;
    nr_distances += 1;
    nr_precode += 4;
    if (nr_literals > 286 || nr_distances > 30) {
        return stream_corrupt(s, "too many codes");
    }
    memset(z->lengths, 0, ARRAY_SIZE(precode_order));
    for (i = 0; i < nr_precode; i++) {
        unsigned int len;

        if (!bits_take(b, s, 3, &len)) {
            return stream_truncated(s);
        }
        z->lengths[precode_order[i]] = (uint8_t)len;
    }
    if (!inflate_table_build(z, z->precode, ARRAY_SIZE(z->precode), INFLATE_PRECODE_BITS,
                             ALPHABET_PRECODE, z->lengths, ARRAY_SIZE(precode_order))) {
        return stream_corrupt(s, "lengths of length codes make no code");
    }
    rc = lengths_decode(z, s, b, nr_literals + nr_distances);
    if (rc) {
        return rc;
    }
    if (z->lengths[INFLATE_END_OF_BLOCK] == 0) {
        return stream_corrupt(s, "no code for the end of the block");
    }
    return tables_build(z, s, nr_literals, nr_distances);
}

int inflate_decode(struct inflate *z, struct stream *s)
{
    const uint8_t *start = s->out;
    struct bits b = { 0 };
    unsigned int last, type;
    int rc;

    do {
        if (!bits_take(&b, s, 1, &last) || !bits_take(&b, s, 2, &type)) {
            return stream_truncated(s);
        }
        switch (type) {
        case 0:
            rc = plain_block(s, &b);
            break;
        case 1:
            rc = fixed_tables(z, s);
            break;
        case 2:
            rc = dynamic_tables(z, s, &b);
            break;
        default:
            rc = stream_corrupt(s, "bad block type");
            break;
        }
        if (!rc && type != 0) {
            rc = packed_block(z, s, &b, start);
        }
    } while (!rc && !last);
    bits_align(&b, s);
    return rc;
}
