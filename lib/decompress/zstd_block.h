/* zstd's compressed blocks. Private to lib/decompress. */
#ifndef LODGE_DECOMPRESS_ZSTD_BLOCK_H
#define LODGE_DECOMPRESS_ZSTD_BLOCK_H

#include "zstd_entropy.h"

#define ZSTD_BLOCK_MOST (128UL << 10) /* whatever the window, no block holds more */

enum { ZSTD_LITERAL_LENGTHS, ZSTD_OFFSETS, ZSTD_MATCH_LENGTHS, ZSTD_CODES };

struct zstd_block {
    /* What a block inherits from those before it in its frame. */
    struct huffman huffman;
    struct fse_table table[ZSTD_CODES];
    bool have_table[ZSTD_CODES];
    size_t rep[3]; /* the latest offsets, latest first */

    struct entropy_scratch scratch;
    uint8_t literals[ZSTD_BLOCK_MOST + COPY_SLACK];
};

/* Forgets what blocks inherit: a frame begins. */
void zstd_block_reset(struct zstd_block *z);

/**
 * zstd_block_decode - decode the content of one compressed block
 * @in_len:   bytes at s->in, which are there, and all of which must be used
 * @out_most: the block must not produce more
 * @start:    matches reach back no farther
 */
MUST_CHECK int zstd_block_decode(struct zstd_block *z, struct stream *s, size_t in_len,
                                 size_t out_most, const uint8_t *start);

#endif
