/* zstd's two entropy codes and their tables. Private to lib/decompress. */
#ifndef LODGE_DECOMPRESS_ZSTD_ENTROPY_H
#define LODGE_DECOMPRESS_ZSTD_ENTROPY_H

#include "stream.h"

#define FSE_LOG_MAX     9
#define FSE_SYMBOLS_MAX 53

/* A state: its symbol, as a base and how many bits to add, and what the next state is made of. */
struct fse_entry {
    uint32_t base;
    uint16_t next; /* the next state, plus next_bits more bits */
    uint8_t next_bits;
    uint8_t extra;
};

struct fse_table {
    struct fse_entry entry[1 << FSE_LOG_MAX];
    unsigned int log; /* there are 1 << log states */
};

/* What the symbols of an alphabet stand for. */
struct fse_symbol {
    uint32_t base;
    uint8_t extra;
};

#define HUFFMAN_LOG_MAX 11
#define HUFFMAN_SYMBOLS 256

struct huffman {
    uint16_t entry[1 << HUFFMAN_LOG_MAX]; /* symbol << 8 | bits of its code */
    unsigned int log;                     /* of the longest code; 0: no table yet */
};

/* Needed only while tables are built. */
struct entropy_scratch {
    struct fse_table weights;
    int16_t counts[HUFFMAN_SYMBOLS];
    uint16_t next[HUFFMAN_SYMBOLS];
    uint8_t weight[HUFFMAN_SYMBOLS];
};

/* A table out of how often (-1: less than once) each of @nr symbols occurs in 1 << @log states. */
void fse_build(struct fse_table *t, uint16_t *next, const int16_t *counts, unsigned int nr,
               unsigned int log, const struct fse_symbol *symbols);

/* A table that always says the same. */
void fse_build_single(struct fse_table *t, struct fse_symbol symbol);

/* "FSE Table Description" at [s->in, end): decodes and builds. */
MUST_CHECK int fse_decode_table(struct fse_table *t, struct entropy_scratch *scratch,
                                struct stream *s, const uint8_t *end, unsigned int nr_max,
                                unsigned int log_max, const struct fse_symbol *symbols);

/* "Huffman Tree Description" at [s->in, end) */
MUST_CHECK int huffman_decode_table(struct huffman *h, struct entropy_scratch *scratch,
                                    struct stream *s, const uint8_t *end);

/* @out_len symbols out of all of [in, in + in_len); false if that is not what it holds. */
MUST_CHECK bool huffman_decode(const struct huffman *h, const uint8_t *in, size_t in_len,
                               uint8_t *out, size_t out_len);

#endif
