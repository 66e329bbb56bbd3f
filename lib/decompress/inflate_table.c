/*
 * DEFLATE's codes as tables: "Use of Huffman coding in the deflate format" of RFC 1951.
 *
 * A first table is indexed by the next bits of the input, as many as suffice for the usual codes.
 * Where a longer code begins, its entry points to a second table, for the bits that follow.
 */
#include "inflate.h"

struct symbol {
    uint16_t base;
    uint8_t extra;
};

/* RFC 1951, "Compressed blocks (length and distance codes)": codes 257..285 and 0..29 */
static const struct symbol lengths[29] = {
    { 3, 0 },   { 4, 0 },   { 5, 0 },   { 6, 0 },   { 7, 0 },   { 8, 0 },  { 9, 0 },  { 10, 0 },
    { 11, 1 },  { 13, 1 },  { 15, 1 },  { 17, 1 },  { 19, 2 },  { 23, 2 }, { 27, 2 }, { 31, 2 },
    { 35, 3 },  { 43, 3 },  { 51, 3 },  { 59, 3 },  { 67, 4 },  { 83, 4 }, { 99, 4 }, { 115, 4 },
    { 131, 5 }, { 163, 5 }, { 195, 5 }, { 227, 5 }, { 258, 0 },
};

static const struct symbol distances[30] = {
    { 1, 0 },     { 2, 0 },     { 3, 0 },     { 4, 0 },      { 5, 1 },      { 7, 1 },
    { 9, 2 },     { 13, 2 },    { 17, 3 },    { 25, 3 },     { 33, 4 },     { 49, 4 },
    { 65, 5 },    { 97, 5 },    { 129, 6 },   { 193, 6 },    { 257, 7 },    { 385, 7 },
    { 513, 8 },   { 769, 8 },   { 1025, 9 },  { 1537, 9 },   { 2049, 10 },  { 3073, 10 },
    { 4097, 11 }, { 6145, 11 }, { 8193, 12 }, { 12289, 12 }, { 16385, 13 }, { 24577, 13 },
};

/* What a symbol means, without the lengths of its code. */
static uint32_t symbol_entry(enum inflate_alphabet alphabet, unsigned int symbol)
{
    const struct symbol *s;

    if (alphabet == ALPHABET_PRECODE ||
        (alphabet == ALPHABET_LITERALS && symbol < INFLATE_END_OF_BLOCK)) {
        return ENTRY_LITERAL | symbol << 16;
    }
    if (alphabet == ALPHABET_LITERALS) {
        if (symbol == INFLATE_END_OF_BLOCK) {
            return ENTRY_SPECIAL | ENTRY_END;
        }
        symbol -= INFLATE_END_OF_BLOCK + 1;
        if (symbol >= ARRAY_SIZE(lengths)) {
            return ENTRY_SPECIAL;
        }
        s = &lengths[symbol];
    } else {
        if (symbol >= ARRAY_SIZE(distances)) {
            return ENTRY_SPECIAL;
        }
        s = &distances[symbol];
    }
    return (uint32_t)s->base << 16 | s->extra;
}

static unsigned int reverse(unsigned int code, unsigned int bits)
{
    unsigned int r = 0;

    for (; bits > 0; bits--, code >>= 1) {
        r = (r << 1) | (code & 1);
    }
    return r;
}

/* How many bits index a second table that begins with a code of @bits: what its prefix needs. */
static unsigned int subtable_bits(const uint16_t *count, unsigned int bits, unsigned int most,
                                  unsigned int root)
{
    int space = 1 << (bits - root);

    while (bits < most) {
        space -= count[bits];
        if (space <= 0) {
            break;
        }
        space *= 2;
        bits++;
    }
    return bits - root;
}

bool inflate_table_build(struct inflate *z, uint32_t *table, size_t room, unsigned int root,
                         enum inflate_alphabet alphabet, const uint8_t *len, unsigned int nr)
{
    uint16_t count[INFLATE_CODE_MAX + 1] = { 0 };
    uint16_t start[INFLATE_CODE_MAX + 1];
    unsigned int most = INFLATE_CODE_MAX;
    unsigned int code = 0;
    size_t used = (size_t)1 << root;
    uint32_t *sub = NULL;
    unsigned int sub_prefix = 0, sub_bits = 0;
    unsigned int i, bits, nr_used;
    int left = 1;

    for (i = 0; i < nr; i++) {
        count[len[i]]++;
    }
    nr_used = nr - count[0];
    count[0] = 0;
    start[0] = 0;
    for (bits = 1; bits <= INFLATE_CODE_MAX; bits++) {
        left = 2 * left - count[bits];
        if (left < 0) {
            return false;
        }
        start[bits] = (uint16_t)(start[bits - 1] + count[bits - 1]);
    }
    while (most > 0 && count[most] == 0) {
        most--;
    }
    if (left > 0 && (alphabet == ALPHABET_PRECODE || most > 1)) {
        return false;
    }
    for (i = 0; i < nr; i++) {
        if (len[i] != 0) {
            z->sorted[start[len[i]]++] = (uint16_t)i;
        }
    }
    if (left > 0) {
        for (i = 0; i < used; i++) {
            table[i] = ENTRY_SPECIAL;
        }
    }

    bits = 0;
    for (i = 0; i < nr_used; i++) {
        unsigned int symbol = z->sorted[i];
        uint32_t entry = symbol_entry(alphabet, symbol);
        unsigned int index, own_bits, end;
        uint32_t *own = table;

        code <<= len[symbol] - bits;
        bits = len[symbol];
        index = reverse(code, bits);
        own_bits = bits;
        end = 1U << root;
        if (bits > root) {
            unsigned int prefix = index & ((1U << root) - 1);

            if (!sub || prefix != sub_prefix) {
                sub_prefix = prefix;
                sub_bits = subtable_bits(count, bits, most, root);
                if (room - used < (size_t)1 << sub_bits) {
                    return false;
                }
                sub = table + used;
                table[prefix] =
                    ENTRY_SPECIAL | ENTRY_SUBTABLE | root | sub_bits << 8 | (uint32_t)used << 16;
                used += (size_t)1 << sub_bits;
            }
            own = sub;
            own_bits = bits - root;
            index >>= root;
            end = 1U << sub_bits;
        }
        entry += own_bits | own_bits << 8;
        for (; index < end; index += 1U << own_bits) {
            own[index] = entry;
        }
        count[bits]--;
        code++;
    }
    return true;
}
