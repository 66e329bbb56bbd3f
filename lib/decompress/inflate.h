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

struct inflate {
    uint32_t literals[INFLATE_LITERAL_ENTRIES];
    uint32_t distances[INFLATE_DISTANCE_ENTRIES];
    uint32_t precode[1 << INFLATE_PRECODE_BITS];
    uint8_t lengths[INFLATE_LITERALS + INFLATE_DISTANCES]; /* of codes, in bits; 0: not used */
    uint16_t sorted[INFLATE_LITERALS];                     /* symbols by length of their code */
};

/**
 * inflate_decode - decode a whole DEFLATE stream
 * Matches reach back no farther than s->out was on entry. Advances @s, s->in to the byte after the
 * last one used.
 */
MUST_CHECK int inflate_decode(struct inflate *z, struct stream *s);

#endif
