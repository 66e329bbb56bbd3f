/*
 * LZMA2: chunks of LZMA symbols or of plain bytes, each with its sizes, and with what is to be
 * forgotten before it. As described in The .xz File Format, "LZMA2", and in the LZMA SDK.
 */
#include <lodge/string.h>

#include "lzma.h"

#define CONTROL_END         0x00
#define CONTROL_PLAIN_RESET 0x01 /* plain bytes, after forgetting the dictionary */
#define CONTROL_PLAIN       0x02
#define CONTROL_LZMA        0x80 /* bits 5..6: what is reset; 0..4: the size's bits 16..20 */

/* What an LZMA chunk resets, each more than the one before. */
enum lzma_reset { RESET_NOTHING, RESET_STATE, RESET_PROPERTIES, RESET_DICTIONARY };

static int plain_chunk(struct stream *s)
{
    size_t len;

    if (stream_left(s) < 2) {
        return stream_truncated(s);
    }
    len = (size_t)((s->in[0] << 8) | s->in[1]) + 1;
    s->in += 2;
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

static int lzma_chunk(struct lzma *z, struct stream *s, uint8_t control)
{
    enum lzma_reset reset = (control >> 5) & 3;
    size_t out_len, in_len;

    if (stream_left(s) < 5) {
        return stream_truncated(s);
    }
    out_len = ((size_t)(control & 0x1F) << 16 | (size_t)s->in[0] << 8 | s->in[1]) + 1;
    in_len = ((size_t)s->in[2] << 8 | s->in[3]) + 1;
    s->in += 4;
    if (reset >= RESET_PROPERTIES && !lzma_set_properties(z, *s->in++)) {
        return stream_corrupt(s, "bad LZMA properties");
    }
    if (reset >= RESET_STATE) {
        lzma_reset(z);
    }
    if (stream_left(s) < in_len) {
        return stream_truncated(s);
    }
    if (stream_room(s) < out_len) {
        return stream_full(s);
    }
    return lzma_decode(z, s, in_len, out_len);
}

int lzma2_decode(struct lzma *z, struct stream *s, uint32_t dict_size)
{
    enum lzma_reset needed = RESET_DICTIONARY; /* the least that the next LZMA chunk has to reset */
    int rc;

    z->dict_size = dict_size;
    for (;;) {
        uint8_t control;

        if (stream_left(s) < 1) {
            return stream_truncated(s);
        }
        control = *s->in++;
        if (control == CONTROL_END) {
            return 0;
        }
        if (control >= CONTROL_LZMA) {
            enum lzma_reset reset = (control >> 5) & 3;

            if (reset < needed) {
                return stream_corrupt(s, "chunk relies on what no chunk before has set");
            }
            if (reset == RESET_DICTIONARY) {
                z->dict = s->out;
            }
            needed = RESET_NOTHING;
            rc = lzma_chunk(z, s, control);
        } else if (control == CONTROL_PLAIN_RESET) {
            z->dict = s->out;
            needed = RESET_PROPERTIES;
            rc = plain_chunk(s);
        } else if (control == CONTROL_PLAIN && needed < RESET_DICTIONARY) {
            rc = plain_chunk(s);
        } else {
            return stream_corrupt(s, "bad LZMA2 control byte");
        }
        if (rc) {
            return rc;
        }
    }
}
