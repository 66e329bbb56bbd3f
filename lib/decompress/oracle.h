/*
 * What the system's libraries make of the same bytes, for tests and fuzzers: may they be unpacked,
 * into what, and how many of them. Trailing bytes and further streams are treated as decompress()
 * promises to.
 */
#ifndef LODGE_DECOMPRESS_ORACLE_H
#define LODGE_DECOMPRESS_ORACLE_H

#include <lodge/decompress.h>

#include <lz4.h>
#include <lz4frame.h>
#include <lzma.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

/* One unpacking: both sides of it are filled in where it succeeds. */
struct oracle {
    const uint8_t *in;
    size_t in_len;
    uint8_t *out;
    size_t out_room;
    size_t out_len;
    size_t in_used;
    bool limited; /* refused for a limit of the library's, which is none of the format's */
};

static inline uint32_t oracle_le32(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* @window_bits: as for inflateInit2(); 31 a gzip member, -15 plain DEFLATE */
static inline bool oracle_inflate(struct oracle *o, int window_bits)
{
    z_stream z = {
        .next_in = (Bytef *)(o->in + o->in_used),
        .avail_in = (uInt)(o->in_len - o->in_used),
        .next_out = o->out + o->out_len,
        .avail_out = (uInt)(o->out_room - o->out_len),
    };
    int r;

    if (inflateInit2(&z, window_bits) != Z_OK) {
        return false;
    }
    r = inflate(&z, Z_FINISH);
    o->in_used += z.total_in;
    o->out_len += z.total_out;
    (void)inflateEnd(&z);
    return r == Z_STREAM_END;
}

static inline bool oracle_gzip(struct oracle *o)
{
    static const uint8_t magic[3] = { 0x1F, 0x8B, 0x08 };

    do {
        if (!oracle_inflate(o, 31)) {
            return false;
        }
    } while (o->in_len - o->in_used >= 3 && memcmp(o->in + o->in_used, magic, 3) == 0);
    return true;
}

/* Runs a decoder that is set up already, and ends it. */
static inline bool oracle_lzma_run(struct oracle *o, lzma_stream *z)
{
    lzma_ret r;

    z->next_in = o->in + o->in_used;
    z->avail_in = o->in_len - o->in_used;
    z->next_out = o->out + o->out_len;
    z->avail_out = o->out_room - o->out_len;
    do {
        r = lzma_code(z, LZMA_FINISH);
    } while (r == LZMA_OK);
    o->in_used += z->total_in;
    o->out_len += z->total_out;
    lzma_end(z);
    return r == LZMA_STREAM_END;
}

static inline bool oracle_xz(struct oracle *o)
{
    for (;;) {
        lzma_stream z = LZMA_STREAM_INIT;
        size_t next;

        if (lzma_stream_decoder(&z, UINT64_MAX, 0) != LZMA_OK || !oracle_lzma_run(o, &z)) {
            return false;
        }
        next = o->in_used;
        while (o->in_len - next >= 4 && oracle_le32(o->in + next) == 0) {
            next += 4;
        }
        if (o->in_len - next < 6 || memcmp(o->in + next,
                                           "\xFD"
                                           "7zXZ",
                                           6) != 0) {
            return true;
        }
        o->in_used = next;
    }
}

/* A bare LZMA2 stream, with or without the x86 filter. */
static inline bool oracle_lzma2(struct oracle *o, uint32_t dict_size, bool x86)
{
    lzma_options_lzma options = { .dict_size = dict_size };
    lzma_filter filters[3] = {
        { .id = LZMA_FILTER_X86 },
        { .id = LZMA_FILTER_LZMA2, .options = &options },
        { .id = LZMA_VLI_UNKNOWN },
    };
    lzma_stream z = LZMA_STREAM_INIT;

    return lzma_raw_decoder(&z, x86 ? &filters[0] : &filters[1]) == LZMA_OK &&
           oracle_lzma_run(o, &z);
}

static inline bool oracle_is_skippable(const struct oracle *o)
{
    return o->in_len - o->in_used >= 8 && (oracle_le32(o->in + o->in_used) & ~15U) == 0x184D2A50U;
}

static inline bool oracle_skip(struct oracle *o)
{
    uint32_t len = oracle_le32(o->in + o->in_used + 4);

    if (o->in_len - o->in_used - 8 < len) {
        return false;
    }
    o->in_used += 8 + (size_t)len;
    return true;
}

static inline bool oracle_zstd(struct oracle *o)
{
    do {
        size_t len, r;

        if (oracle_is_skippable(o)) {
            if (!oracle_skip(o)) {
                return false;
            }
            continue;
        }
        if (o->in_len - o->in_used < 4 || oracle_le32(o->in + o->in_used) != ZSTD_MAGICNUMBER) {
            return false; /* the library also knows formats from before the standard */
        }
        len = ZSTD_findFrameCompressedSize(o->in + o->in_used, o->in_len - o->in_used);
        if (ZSTD_isError(len)) {
            o->limited = ZSTD_getErrorCode(len) == ZSTD_error_frameParameter_windowTooLarge;
            return false;
        }
        r = ZSTD_decompress(o->out + o->out_len, o->out_room - o->out_len, o->in + o->in_used, len);
        if (ZSTD_isError(r)) {
            return false;
        }
        o->in_used += len;
        o->out_len += r;
    } while (o->in_len - o->in_used >= 4 &&
             (oracle_le32(o->in + o->in_used) == ZSTD_MAGICNUMBER || oracle_is_skippable(o)));
    return true;
}

/* With room to spare, since the library refuses some valid blocks that just fit. */
static inline int oracle_lz4_block(struct oracle *o, const uint8_t *in, uint32_t len, size_t most)
{
    size_t room = MIN(o->out_room - o->out_len, most);
    char *out = malloc(room + 64);
    int r = LZ4_decompress_safe((const char *)in, out, (int)len, (int)room + 64);

    if (r > (int)room) {
        r = -1;
    }
    if (r > 0) {
        memcpy(o->out + o->out_len, out, (size_t)r);
        o->out_len += (size_t)r;
    }
    free(out);
    return r;
}

/* The library knows no legacy frames, only their blocks. */
static inline bool oracle_lz4_legacy(struct oracle *o)
{
    const uint32_t most = 8U << 20;
    bool first = true;

    o->in_used += 4;
    for (;; first = false) {
        size_t left = o->in_len - o->in_used;
        uint32_t len;
        int r;

        if (left <= 4) {
            return !first;
        }
        len = oracle_le32(o->in + o->in_used);
        if (len == 0 || len > (uint32_t)LZ4_compressBound((int)most)) {
            return !first;
        }
        if (len > left - 4) {
            return false;
        }
        r = oracle_lz4_block(o, o->in + o->in_used + 4, len, most);
        if (r < 0) {
            return false;
        }
        o->in_used += 4 + (size_t)len;
        if ((uint32_t)r < most) {
            return true;
        }
    }
}

static inline bool oracle_lz4_frame(struct oracle *o)
{
    LZ4F_dctx *z;
    size_t r, in_step, out_step;

    if (LZ4F_isError(LZ4F_createDecompressionContext(&z, LZ4F_VERSION))) {
        return false;
    }
    do {
        in_step = o->in_len - o->in_used;
        out_step = o->out_room - o->out_len;
        r = LZ4F_decompress(z, o->out + o->out_len, &out_step, o->in + o->in_used, &in_step, NULL);
        o->in_used += in_step;
        o->out_len += out_step;
    } while (!LZ4F_isError(r) && r != 0 && (in_step != 0 || out_step != 0));
    (void)LZ4F_freeDecompressionContext(z);
    return r == 0;
}

static inline bool oracle_lz4(struct oracle *o)
{
    bool ok;

    do {
        uint32_t magic = oracle_le32(o->in + o->in_used);

        if (oracle_is_skippable(o)) {
            ok = oracle_skip(o);
        } else if (magic == 0x184C2102U) {
            ok = oracle_lz4_legacy(o);
        } else if (magic == 0x184D2204U) {
            ok = oracle_lz4_frame(o);
        } else {
            return false;
        }
    } while (ok && o->in_len - o->in_used >= 4 &&
             (oracle_le32(o->in + o->in_used) == 0x184C2102U ||
              oracle_le32(o->in + o->in_used) == 0x184D2204U || oracle_is_skippable(o)));
    return ok;
}

static inline bool oracle_decompress(enum decompress_kind kind, struct oracle *o)
{
    o->out_len = 0;
    o->in_used = 0;
    switch (kind) {
    case DECOMPRESS_GZIP:
        return oracle_gzip(o);
    case DECOMPRESS_XZ:
        return oracle_xz(o);
    case DECOMPRESS_ZSTD:
        return oracle_zstd(o);
    case DECOMPRESS_LZ4:
        return o->in_len >= 4 && oracle_lz4(o);
    default:
        return false;
    }
}

#endif
