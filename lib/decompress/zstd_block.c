/*
 * zstd's compressed blocks: a section of literals, and one of sequences, each of which copies some
 * literals and then repeats something earlier. Section names are those of RFC 8878.
 */
#include <lodge/string.h>

#include "zstd_bits.h"
#include "zstd_block.h"

enum literals_type { LITERALS_RAW, LITERALS_RLE, LITERALS_COMPRESSED, LITERALS_TREELESS };
enum table_mode { TABLE_PREDEFINED, TABLE_RLE, TABLE_FSE, TABLE_REPEAT };

/* "Literals Length Codes", "Match Length Codes", "Offset Codes" */
static const struct fse_symbol literal_lengths[36] = {
    { 0, 0 },     { 1, 0 },     { 2, 0 },     { 3, 0 },      { 4, 0 },      { 5, 0 },
    { 6, 0 },     { 7, 0 },     { 8, 0 },     { 9, 0 },      { 10, 0 },     { 11, 0 },
    { 12, 0 },    { 13, 0 },    { 14, 0 },    { 15, 0 },     { 16, 1 },     { 18, 1 },
    { 20, 1 },    { 22, 1 },    { 24, 2 },    { 28, 2 },     { 32, 3 },     { 40, 3 },
    { 48, 4 },    { 64, 6 },    { 128, 7 },   { 256, 8 },    { 512, 9 },    { 1024, 10 },
    { 2048, 11 }, { 4096, 12 }, { 8192, 13 }, { 16384, 14 }, { 32768, 15 }, { 65536, 16 },
};

static const struct fse_symbol match_lengths[53] = {
    { 3, 0 },     { 4, 0 },     { 5, 0 },      { 6, 0 },      { 7, 0 },      { 8, 0 },
    { 9, 0 },     { 10, 0 },    { 11, 0 },     { 12, 0 },     { 13, 0 },     { 14, 0 },
    { 15, 0 },    { 16, 0 },    { 17, 0 },     { 18, 0 },     { 19, 0 },     { 20, 0 },
    { 21, 0 },    { 22, 0 },    { 23, 0 },     { 24, 0 },     { 25, 0 },     { 26, 0 },
    { 27, 0 },    { 28, 0 },    { 29, 0 },     { 30, 0 },     { 31, 0 },     { 32, 0 },
    { 33, 0 },    { 34, 0 },    { 35, 1 },     { 37, 1 },     { 39, 1 },     { 41, 1 },
    { 43, 2 },    { 47, 2 },    { 51, 3 },     { 59, 3 },     { 67, 4 },     { 83, 4 },
    { 99, 5 },    { 131, 7 },   { 259, 8 },    { 515, 9 },    { 1027, 10 },  { 2051, 11 },
    { 4099, 12 }, { 8195, 13 }, { 16387, 14 }, { 32771, 15 }, { 65539, 16 },
};

static const struct fse_symbol offsets[32] = {
    { 1U << 0, 0 },   { 1U << 1, 1 },   { 1U << 2, 2 },   { 1U << 3, 3 },   { 1U << 4, 4 },
    { 1U << 5, 5 },   { 1U << 6, 6 },   { 1U << 7, 7 },   { 1U << 8, 8 },   { 1U << 9, 9 },
    { 1U << 10, 10 }, { 1U << 11, 11 }, { 1U << 12, 12 }, { 1U << 13, 13 }, { 1U << 14, 14 },
    { 1U << 15, 15 }, { 1U << 16, 16 }, { 1U << 17, 17 }, { 1U << 18, 18 }, { 1U << 19, 19 },
    { 1U << 20, 20 }, { 1U << 21, 21 }, { 1U << 22, 22 }, { 1U << 23, 23 }, { 1U << 24, 24 },
    { 1U << 25, 25 }, { 1U << 26, 26 }, { 1U << 27, 27 }, { 1U << 28, 28 }, { 1U << 29, 29 },
    { 1U << 30, 30 }, { 1U << 31, 31 },
};

/* "Default Distributions" */
static const int16_t literal_lengths_default[36] = {
    4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1,  1,  2,  2,
    2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1, -1, -1, -1, -1,
};

static const int16_t match_lengths_default[53] = {
    1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,  1,  1,  1,  1,  1,  1,  1,
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1,
};

static const int16_t offsets_default[29] = {
    1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1,
};

static const struct code {
    const char *no_table;
    const struct fse_symbol *symbols;
    const int16_t *counts; /* of the predefined table */
    uint8_t nr_symbols, nr_counts;
    uint8_t counts_log, log_max;
} codes[ZSTD_CODES] = {
    [ZSTD_LITERAL_LENGTHS] = { "no table of literal lengths to repeat", literal_lengths,
                               literal_lengths_default, 36, 36, 6, 9 },
    [ZSTD_OFFSETS] = { "no table of offsets to repeat", offsets, offsets_default, 32, 29, 5, 8 },
    [ZSTD_MATCH_LENGTHS] = { "no table of match lengths to repeat", match_lengths,
                             match_lengths_default, 53, 53, 6, 9 },
};

/* Literals that a block's sequences use up. */
struct literals {
    const uint8_t *at, *end;
    const uint8_t *readable; /* up to here reading is harmless */
};

/* Where a block's output may lie and reach. */
struct target {
    const uint8_t *start; /* of the frame */
    uint8_t *end;         /* the block must not go on beyond */
    bool cut;             /* because the buffer ends there, although the block may be larger */
};

static int target_overrun(struct stream *s, const struct target *t)
{
    return t->cut ? stream_full(s) : stream_corrupt(s, "block holds more than it may");
}

static struct literals literals_buffered(const struct zstd_block *z, size_t size)
{
    return (struct literals){
        .at = z->literals,
        .end = z->literals + size,
        .readable = z->literals + sizeof(z->literals),
    };
}

/* "Huffman-Coded Streams": one, or four whose sizes come first */
static int huffman_streams(struct zstd_block *z, struct stream *s, const uint8_t *end, bool four,
                           size_t size)
{
    const uint8_t *in = s->in;
    size_t len[4], part, left, i;
    uint8_t *to = z->literals;

    if (!four) {
        return huffman_decode(&z->huffman, in, (size_t)(end - in), to, size)
                   ? 0
                   : stream_corrupt(s, "bad Huffman-coded literals");
    }
    if (end - in < 6) {
        return stream_corrupt(s, "literals cut short");
    }
    len[0] = load_le16(in);
    len[1] = load_le16(in + 2);
    len[2] = load_le16(in + 4);
    in += 6;
    left = (size_t)(end - in);
    part = (size + 3) / 4;
    if (len[0] + len[1] + len[2] > left || 3 * part > size) {
        return stream_corrupt(s, "bad sizes of literal streams");
    }
    len[3] = left - len[0] - len[1] - len[2];
    for (i = 0; i < 4; i++) {
        if (!huffman_decode(&z->huffman, in, len[i], to, i < 3 ? part : size - 3 * part)) {
            return stream_corrupt(s, "bad Huffman-coded literals");
        }
        in += len[i];
        to += part;
    }
    return 0;
}

/* "Literals Section": raw and repeated ones */
static int literals_plain(struct zstd_block *z, struct stream *s, const uint8_t *end,
                          struct literals *l)
{
    enum literals_type type = s->in[0] & 3;
    unsigned int format = (s->in[0] >> 2) & 3;
    size_t header_len = format == 1 ? 2 : format == 3 ? 3 : 1;
    size_t size;

    if ((size_t)(end - s->in) < header_len + (type == LITERALS_RLE)) {
        return stream_corrupt(s, "literals cut short");
    }
    size = header_len == 1   ? s->in[0] >> 3
           : header_len == 2 ? (size_t)load_le16(s->in) >> 4
                             : ((size_t)load_le16(s->in) | (size_t)s->in[2] << 16) >> 4;
    if (size > ZSTD_BLOCK_MOST) {
        return stream_corrupt(s, "too many literals");
    }
    s->in += header_len;
    if (type == LITERALS_RLE) {
        memset(z->literals, *s->in++, size);
        *l = literals_buffered(z, size);
        return 0;
    }
    if ((size_t)(end - s->in) < size) {
        return stream_corrupt(s, "literals cut short");
    }
    *l = (struct literals){ s->in, s->in + size, s->in_end };
    s->in += size;
    return 0;
}

/* "Literals Section" */
static int literals_decode(struct zstd_block *z, struct stream *s, const uint8_t *end,
                           struct literals *l)
{
    enum literals_type type;
    unsigned int format, bits;
    size_t header_len, size, packed_len;
    uint64_t header = 0;
    size_t i;
    int rc;

    if (s->in == end) {
        return stream_corrupt(s, "empty block");
    }
    type = s->in[0] & 3;
    if (type == LITERALS_RAW || type == LITERALS_RLE) {
        return literals_plain(z, s, end, l);
    }
    format = (s->in[0] >> 2) & 3;
    header_len = format < 2 ? 3 : format + 2;
    bits = format < 2 ? 10 : format == 2 ? 14 : 18;
    if ((size_t)(end - s->in) < header_len) {
        return stream_corrupt(s, "literals cut short");
    }
    for (i = 0; i < header_len; i++) {
        header |= (uint64_t)s->in[i] << (8 * i);
    }
    size = (header >> 4) & ((1U << bits) - 1);
    packed_len = header >> (4 + bits);
    s->in += header_len;
    if (size == 0 || size > ZSTD_BLOCK_MOST) {
        return stream_corrupt(s, "bad number of literals");
    }
    if (packed_len > (size_t)(end - s->in)) {
        return stream_corrupt(s, "literals cut short");
    }
    end = s->in + packed_len;
    if (type == LITERALS_COMPRESSED) {
        rc = huffman_decode_table(&z->huffman, &z->scratch, s, end);
        if (rc) {
            return rc;
        }
    } else if (z->huffman.log == 0) {
        return stream_corrupt(s, "no Huffman tree to repeat");
    }
    rc = huffman_streams(z, s, end, format != 0, size);
    if (rc) {
        return rc;
    }
    s->in = end;
    *l = literals_buffered(z, size);
    return 0;
}

/* "Symbol Compression Modes" of one of the three codes */
static int table_decode(struct zstd_block *z, struct stream *s, const uint8_t *end,
                        unsigned int which, enum table_mode mode)
{
    const struct code *c = &codes[which];
    struct fse_table *t = &z->table[which];
    int rc = 0;

    switch (mode) {
    case TABLE_PREDEFINED:
        fse_build(t, z->scratch.next, c->counts, c->nr_counts, c->counts_log, c->symbols);
        break;
    case TABLE_RLE:
        if (s->in == end || *s->in >= c->nr_symbols) {
            return stream_corrupt(s, "bad symbol of a sequence code");
        }
        fse_build_single(t, c->symbols[*s->in++]);
        break;
    case TABLE_FSE:
        rc = fse_decode_table(t, &z->scratch, s, end, c->nr_symbols, c->log_max, c->symbols);
        break;
    case TABLE_REPEAT:
        if (!z->have_table[which]) {
            return stream_corrupt(s, c->no_table);
        }
        break;
    }
    z->have_table[which] = rc == 0;
    return rc;
}

/* "Sequences Section Header". A block without sequences ends there, and *nr is 0. */
static int sequences_header(struct zstd_block *z, struct stream *s, const uint8_t *end,
                            unsigned int *nr)
{
    size_t left = (size_t)(end - s->in);
    size_t len;
    uint8_t modes;
    int rc;

    if (left == 0) {
        return stream_corrupt(s, "sequences cut short");
    }
    if (s->in[0] == 0) {
        *nr = 0;
        s->in++;
        return left == 1 ? 0 : stream_corrupt(s, "bytes behind the end of the block");
    }
    len = s->in[0] < 128 ? 1 : s->in[0] < 255 ? 2 : 3;
    if (left < len + 1) {
        return stream_corrupt(s, "sequences cut short");
    }
    *nr = len == 1   ? s->in[0]
          : len == 2 ? ((s->in[0] - 128U) << 8) + s->in[1]
                     : load_le16(s->in + 1) + 0x7F00U;
    modes = s->in[len];
    s->in += len + 1;
    if (*nr == 0 || (modes & 3) != 0) {
        return stream_corrupt(s, "bad sequences header");
    }
    rc = table_decode(z, s, end, ZSTD_LITERAL_LENGTHS, modes >> 6);
    if (rc) {
        return rc;
    }
    rc = table_decode(z, s, end, ZSTD_OFFSETS, (modes >> 4) & 3);
    if (rc) {
        return rc;
    }
    return table_decode(z, s, end, ZSTD_MATCH_LENGTHS, (modes >> 2) & 3);
}

static ALWAYS_INLINE struct fse_entry entry_next(const struct fse_table *t, struct backbits *b,
                                                 struct fse_entry e)
{
    return t->entry[e.next + backbits_take(b, e.next_bits)];
}

/* "Repeat Offsets": the offset that @value stands for, which becomes the latest. 0 is no offset. */
static ALWAYS_INLINE size_t offset_resolve(size_t rep[3], size_t value, size_t nr_literals)
{
    size_t offset;

    if (likely(value > 3)) {
        offset = value - 3;
    } else {
        value -= nr_literals != 0; /* 0..2 one of the latest, 3 the latest less one */
        if (value == 0) {
            return rep[0];
        }
        offset = value < 3 ? rep[value] : rep[0] - 1;
        if (value == 1) {
            rep[1] = rep[0];
            rep[0] = offset;
            return offset;
        }
    }
    rep[2] = rep[1];
    rep[1] = rep[0];
    rep[0] = offset;
    return offset;
}

/* One sequence's effect; the caller saw that the block has room for it. NULL, or what is wrong. */
static ALWAYS_INLINE const char *sequence_execute(uint8_t *out, const uint8_t *buffer_end,
                                                  struct literals *l, size_t nr_literals,
                                                  size_t offset, size_t len, const uint8_t *start)
{
    if (nr_literals > (size_t)(l->end - l->at)) {
        return "sequences use more literals than there are";
    }
    if (likely(copy_is_roomy(l->at, nr_literals, l->readable) &&
               copy_is_roomy(out, nr_literals, buffer_end))) {
        literal_copy(out, l->at, nr_literals);
    } else {
        memcpy(out, l->at, nr_literals);
    }
    l->at += nr_literals;
    out += nr_literals;
    /* Offset 0 wraps around to one that is too large. */
    if (offset - 1 >= (size_t)(out - start)) {
        return offset == 0 ? "match at distance 0" : "match reaches back beyond the start";
    }
    match_copy(out, offset, len, copy_is_roomy(out, len, buffer_end));
    return NULL;
}

/* "Sequences Section": all of [s->in, end) */
static int sequences_execute(struct zstd_block *z, struct stream *s, const uint8_t *end,
                             unsigned int nr, struct literals *literals,
                             const struct target *target)
{
    const struct fse_table *lengths = &z->table[ZSTD_LITERAL_LENGTHS];
    const struct fse_table *matches = &z->table[ZSTD_MATCH_LENGTHS];
    const struct fse_table *distances = &z->table[ZSTD_OFFSETS];
    const uint8_t *const buffer_end = s->out_end;
    uint8_t *out = s->out;
    struct literals l = *literals;
    struct fse_entry ll, of, ml;
    struct backbits b;
    const char *what = NULL;

    if (!backbits_init(&b, s->in, (size_t)(end - s->in))) {
        return stream_corrupt(s, "bad stream of sequences");
    }
    ll = lengths->entry[backbits_take(&b, lengths->log)];
    of = distances->entry[backbits_take(&b, distances->log)];
    ml = matches->entry[backbits_take(&b, matches->log)];
    for (;;) {
        size_t value, nr_literals, len;

        /* 31 + 16 bits at most, then 16 + 9 + 9 + 8. */
        backbits_fill(&b);
        value = of.base + backbits_take(&b, of.extra);
        len = ml.base + backbits_take(&b, ml.extra);
        backbits_fill(&b);
        nr_literals = ll.base + backbits_take(&b, ll.extra);
        value = offset_resolve(z->rep, value, nr_literals);
        if (unlikely(nr_literals + len > (size_t)(target->end - out))) {
            return target_overrun(s, target);
        }
        what = sequence_execute(out, buffer_end, &l, nr_literals, value, len, target->start);
        if (unlikely(what)) {
            return stream_corrupt(s, what);
        }
        out += nr_literals + len;
        if (--nr == 0) {
            break;
        }
        ll = entry_next(lengths, &b, ll);
        ml = entry_next(matches, &b, ml);
        of = entry_next(distances, &b, of);
        if (unlikely(backbits_overrun(&b))) {
            break;
        }
    }
    if (backbits_overrun(&b)) {
        return stream_corrupt(s, "sequences cut short");
    }
    if (!backbits_done(&b)) {
        return stream_corrupt(s, "sequences do not end where their stream does");
    }
    *literals = l;
    s->out = out;
    s->in = end;
    return 0;
}

void zstd_block_reset(struct zstd_block *z)
{
    z->huffman.log = 0;
    memset(z->have_table, 0, sizeof(z->have_table));
    z->rep[0] = 1;
    z->rep[1] = 4;
    z->rep[2] = 8;
}

int zstd_block_decode(struct zstd_block *z, struct stream *s, size_t in_len, size_t out_most,
                      const uint8_t *start)
{
    const uint8_t *end = s->in + in_len;
    struct target target = {
        .start = start,
        .end = s->out + MIN(out_most, stream_room(s)),
        .cut = stream_room(s) < out_most,
    };
    struct literals literals;
    unsigned int nr;
    size_t rest;
    int rc;

    rc = literals_decode(z, s, end, &literals);
    if (rc) {
        return rc;
    }
    rc = sequences_header(z, s, end, &nr);
    if (rc) {
        return rc;
    }
    if (nr > 0) {
        rc = sequences_execute(z, s, end, nr, &literals, &target);
        if (rc) {
            return rc;
        }
    }
    rest = (size_t)(literals.end - literals.at);
    if (rest > (size_t)(target.end - s->out)) {
        return target_overrun(s, &target);
    }
    memcpy(s->out, literals.at, rest);
    s->out += rest;
    return 0;
}
