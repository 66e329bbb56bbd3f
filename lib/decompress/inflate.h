/* DEFLATE (RFC 1951). Private to lib/decompress. */
#ifndef LODGE_DECOMPRESS_INFLATE_H
#define LODGE_DECOMPRESS_INFLATE_H

#include "stream.h"

#define INFLATE_LITERALS  288
#define INFLATE_DISTANCES 32
#define INFLATE_CODE_MAX  15 /* bits in a code */

/* So many bits index the first table; longer codes go on in a second one, which it points to. */
#define INFLATE_LITERAL_BITS  11
#define INFLATE_DISTANCE_BITS 8
#define INFLATE_PRECODE_BITS  7

/*
 * Entries that the tables may need at most, second tables included. The worst set of code lengths
 * for so many symbols and such a first table takes 2342 and 402; a table that would grow beyond its
 * array is refused anyway.
 */
#define INFLATE_LITERAL_ENTRIES  2400
#define INFLATE_DISTANCE_ENTRIES 448

/*
 * A table entry says all that its code stands for, so that a length or distance costs one look-up
 * with its extra bits:
 *
 * - bits 0..4: how many bits to take, the code and the extra bits behind it
 * - bits 8..11: how many of them are the code
 * - bits 12..15: what it is
 * - bits 16..31: the literal, or what the extra bits are added to, or where the second table begins
 */
#define ENTRY_LITERAL  (1U << 15)
#define ENTRY_SPECIAL  (1U << 14) /* one of the next two; with neither, no code at all */
#define ENTRY_SUBTABLE (1U << 13)
#define ENTRY_END      (1U << 12)

#define ENTRY_TAKE(e)  ((e)&31)
#define ENTRY_CODE(e)  (((e) >> 8) & 15)
#define ENTRY_VALUE(e) ((e) >> 16)

#define INFLATE_END_OF_BLOCK 256

enum inflate_alphabet { ALPHABET_PRECODE, ALPHABET_LITERALS, ALPHABET_DISTANCES };

struct inflate {
    uint32_t literals[INFLATE_LITERAL_ENTRIES];
    uint32_t distances[INFLATE_DISTANCE_ENTRIES];
    uint32_t precode[1 << INFLATE_PRECODE_BITS];
    uint8_t lengths[INFLATE_LITERALS + INFLATE_DISTANCES]; /* of codes, in bits; 0: not used */
    uint16_t sorted[INFLATE_LITERALS];                     /* symbols by length of their code */
};

/**
 * inflate_table_build - build the table of a canonical code
 * @root: bits that index the first table
 * @len:  of each of the @nr symbols' codes in bits, 0 if it has none
 * False if the lengths describe no prefix code. A code must be complete, except that the alphabets
 * of literals and of distances may have a single code of one bit, or none.
 */
MUST_CHECK bool inflate_table_build(struct inflate *z, uint32_t *table, size_t room,
                                    unsigned int root, enum inflate_alphabet alphabet,
                                    const uint8_t *len, unsigned int nr);

/**
 * inflate_decode - decode a whole DEFLATE stream
 * Matches reach back no farther than s->out was on entry. Advances @s, s->in to the byte after the
 * last one used.
 */
MUST_CHECK int inflate_decode(struct inflate *z, struct stream *s);

#endif
