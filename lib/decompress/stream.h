/*
 * What the decoders share: the two buffers, how an error is recorded, and little-endian access.
 * Private to lib/decompress.
 */
#ifndef LODGE_DECOMPRESS_STREAM_H
#define LODGE_DECOMPRESS_STREAM_H

#include <lodge/compiler.h>
#include <lodge/errno.h>

/* One decoding in progress. */
struct stream {
    const uint8_t *in; /* next byte to read */
    const uint8_t *in_end;
    uint8_t *out; /* next byte to write */
    uint8_t *out_end;
    void *scratch; /* the decoder's own part of the workspace */

    const char *what; /* the error, in words */
    const char *part; /* what @number counts ("block"), or NULL: the error is in no numbered part */
    uint64_t number;  /* from 1 */
};

/* Each decodes every stream of its format that follows at s->in; at least one, or it fails. */
MUST_CHECK int gzip_decode(struct stream *s);
MUST_CHECK int xz_decode(struct stream *s);
MUST_CHECK int zstd_decode(struct stream *s);
MUST_CHECK int lz4_decode(struct stream *s);

/* Is there a beginning of that format? */
MUST_CHECK bool gzip_probe(const uint8_t *in, size_t len);
MUST_CHECK bool xz_probe(const uint8_t *in, size_t len);
MUST_CHECK bool zstd_probe(const uint8_t *in, size_t len);
MUST_CHECK bool lz4_probe(const uint8_t *in, size_t len);

/* How much workspace each needs. */
extern const size_t gzip_scratch, xz_scratch, zstd_scratch, lz4_scratch;

static inline size_t stream_left(const struct stream *s)
{
    return (size_t)(s->in_end - s->in);
}

static inline size_t stream_room(const struct stream *s)
{
    return (size_t)(s->out_end - s->out);
}

static inline int stream_corrupt(struct stream *s, const char *what)
{
    s->what = what;
    return -EINVAL;
}

static inline int stream_unsupported(struct stream *s, const char *what)
{
    s->what = what;
    return -EOPNOTSUPP;
}

static inline int stream_full(struct stream *s)
{
    s->what = "more data than the output buffer holds";
    return -ENOSPC;
}

static inline int stream_truncated(struct stream *s)
{
    return stream_corrupt(s, "cut short");
}

static inline uint16_t load_le16(const uint8_t *p)
{
    uint16_t v;

    __builtin_memcpy(&v, p, sizeof(v));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap16(v);
#endif
    return v;
}

static inline uint32_t load_le32(const uint8_t *p)
{
    uint32_t v;

    __builtin_memcpy(&v, p, sizeof(v));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap32(v);
#endif
    return v;
}

static inline uint64_t load_le64(const uint8_t *p)
{
    uint64_t v;

    __builtin_memcpy(&v, p, sizeof(v));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    return v;
}

static inline void store_le32(uint8_t *p, uint32_t v)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap32(v);
#endif
    __builtin_memcpy(p, &v, sizeof(v));
}

static inline void copy8(uint8_t *to, const uint8_t *from)
{
    uint64_t v;

    __builtin_memcpy(&v, from, sizeof(v));
    __builtin_memcpy(to, &v, sizeof(v));
}

/* Room that the copies below want behind their end; what it holds is lost. */
#define COPY_SLACK 8

/* Copies @len bytes in steps of 8; up to COPY_SLACK bytes more are read and written. */
static ALWAYS_INLINE void literal_copy(uint8_t *to, const uint8_t *from, size_t len)
{
    uint8_t *stop = to + len;

    do {
        copy8(to, from);
        to += 8;
        from += 8;
    } while (to < stop);
}

/* Are there @len bytes and the slack in [to, end)? */
static ALWAYS_INLINE bool copy_is_roomy(const uint8_t *to, size_t len, const uint8_t *end)
{
    return (size_t)(end - to) >= len + COPY_SLACK;
}

/*
 * Repeats @len >= 1 bytes from @distance >= 1 bytes back. The source may run into what is being
 * written: that is how all these formats spell a repeated pattern. Without @roomy, not a byte more
 * than @len is written.
 */
static ALWAYS_INLINE void match_copy(uint8_t *to, size_t distance, size_t len, bool roomy)
{
    const uint8_t *from = to - distance;
    uint8_t *stop = to + len;

    if (unlikely(!roomy)) {
        do {
            *to++ = *from++;
        } while (to < stop);
        return;
    }
    /* Of these 8 bytes only @distance are right, but with them the pattern is twice as long. */
    while (unlikely(distance < 8)) {
        copy8(to, from);
        to += distance;
        if (to >= stop) {
            return;
        }
        distance *= 2;
    }
    literal_copy(to, from, (size_t)(stop - to));
}

#endif
