/* The gzip container: RFC 1952. */
#include "checksum.h"
#include "inflate.h"

#define HEADER_SIZE  10
#define TRAILER_SIZE 8

#define FLAG_HCRC     0x02
#define FLAG_EXTRA    0x04
#define FLAG_NAME     0x08
#define FLAG_COMMENT  0x10
#define FLAG_RESERVED 0xE0

#define METHOD_DEFLATE 8

struct gzip {
    struct inflate inflate;
    struct crc32 crc32;
};

const size_t gzip_scratch = sizeof(struct gzip);

/* A zero-terminated text of the header. */
static bool text_skip(struct stream *s)
{
    while (s->in < s->in_end) {
        if (*s->in++ == 0) {
            return true;
        }
    }
    return false;
}

/* "Member header and trailer" */
static int header_decode(struct gzip *z, struct stream *s)
{
    const uint8_t *start = s->in;
    uint8_t flags;

    if (stream_left(s) < HEADER_SIZE) {
        return stream_truncated(s);
    }
    if (start[0] != 0x1F || start[1] != 0x8B) {
        return stream_corrupt(s, "bad magic number");
    }
    if (start[2] != METHOD_DEFLATE) {
        return stream_unsupported(s, "unknown compression method");
    }
    flags = start[3];
    if (flags & FLAG_RESERVED) {
        return stream_unsupported(s, "unknown header flags");
    }
    s->in += HEADER_SIZE;
    if (flags & FLAG_EXTRA) {
        if (stream_left(s) < 2 || stream_left(s) - 2 < load_le16(s->in)) {
            return stream_truncated(s);
        }
        s->in += 2 + load_le16(s->in);
    }
    if ((flags & FLAG_NAME) && !text_skip(s)) {
        return stream_truncated(s);
    }
    if ((flags & FLAG_COMMENT) && !text_skip(s)) {
        return stream_truncated(s);
    }
    if (flags & FLAG_HCRC) {
        if (stream_left(s) < 2) {
            return stream_truncated(s);
        }
        if ((crc32_of(&z->crc32, start, (size_t)(s->in - start)) & 0xFFFF) != load_le16(s->in)) {
            return stream_corrupt(s, "bad CRC of the header");
        }
        s->in += 2;
    }
    return 0;
}

static int one_member(struct gzip *z, struct stream *s)
{
    const uint8_t *data = s->out;
    size_t len;
    int rc;

    rc = header_decode(z, s);
    if (rc) {
        return rc;
    }
    rc = inflate_decode(&z->inflate, s);
    if (rc) {
        return rc;
    }
    if (stream_left(s) < TRAILER_SIZE) {
        return stream_truncated(s);
    }
    len = (size_t)(s->out - data);
    if (crc32_of(&z->crc32, data, len) != load_le32(s->in)) {
        return stream_corrupt(s, "bad CRC32");
    }
    if ((uint32_t)len != load_le32(s->in + 4)) {
        return stream_corrupt(s, "length differs from the trailer's");
    }
    s->in += TRAILER_SIZE;
    return 0;
}

bool gzip_probe(const uint8_t *in, size_t len)
{
    return len >= 3 && in[0] == 0x1F && in[1] == 0x8B && in[2] == METHOD_DEFLATE;
}

int gzip_decode(struct stream *s)
{
    struct gzip *z = s->scratch;
    int rc;

    crc32_init(&z->crc32);
    s->part = "member";
    s->number = 0;
    do {
        s->number++;
        rc = one_member(z, s);
    } while (!rc && gzip_probe(s->in, stream_left(s)));
    return rc;
}
