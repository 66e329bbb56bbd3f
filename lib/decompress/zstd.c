/* zstd's frames: RFC 8878, whose section names are used here. */
#include <lodge/string.h>

#include "checksum.h"
#include "zstd_block.h"

#define FRAME_MAGIC     0xFD2FB528U
#define SKIPPABLE_MAGIC 0x184D2A50U /* and the 15 after it */

/* "Frame Header Descriptor" */
#define DESCRIPTOR_SIZE(d)        ((d) >> 6)
#define DESCRIPTOR_SINGLE_SEGMENT 0x20
#define DESCRIPTOR_RESERVED       0x08
#define DESCRIPTOR_CHECKSUM       0x04
#define DESCRIPTOR_DICTIONARY(d)  ((d)&3)

enum block_type { BLOCK_RAW, BLOCK_RLE, BLOCK_COMPRESSED, BLOCK_RESERVED };

const size_t zstd_scratch = sizeof(struct zstd_block);

struct frame {
    bool sized;
    uint64_t size; /* of the content, if sized */
    size_t block_most;
    bool checksum;
};

static uint64_t number_take(struct stream *s, size_t len)
{
    uint64_t v = 0;
    size_t i;

    for (i = 0; i < len; i++) {
        v |= (uint64_t)*s->in++ << (8 * i);
    }
    return v;
}

/* "Frame Header" */
static int header_decode(struct stream *s, struct frame *f)
{
    static const uint8_t dictionary_lens[4] = { 0, 1, 2, 4 };
    static const uint8_t size_lens[4] = { 0, 2, 4, 8 };
    uint8_t descriptor;
    size_t window_len, dictionary_len, size_len;
    uint64_t window = 0;

    if (stream_left(s) < 5) {
        return stream_truncated(s);
    }
    if (load_le32(s->in) != FRAME_MAGIC) {
        return stream_corrupt(s, "bad magic number");
    }
    descriptor = s->in[4];
    if (descriptor & DESCRIPTOR_RESERVED) {
        return stream_unsupported(s, "unknown frame flags");
    }
    window_len = descriptor & DESCRIPTOR_SINGLE_SEGMENT ? 0 : 1;
    dictionary_len = dictionary_lens[DESCRIPTOR_DICTIONARY(descriptor)];
    size_len = size_lens[DESCRIPTOR_SIZE(descriptor)];
    if (size_len == 0 && window_len == 0) {
        size_len = 1;
    }
    s->in += 5;
    if (stream_left(s) < window_len + dictionary_len + size_len) {
        return stream_truncated(s);
    }
    if (window_len) {
        /* "Window Descriptor": 5 bits of exponent, 3 of mantissa */
        uint8_t b = *s->in++;

        window = 1ULL << (10 + (b >> 3));
        window += (window / 8) * (b & 7);
    }
    if (number_take(s, dictionary_len) != 0) {
        return stream_unsupported(s, "needs a dictionary");
    }
    f->sized = size_len > 0;
    f->size = number_take(s, size_len) + (size_len == 2 ? 256 : 0);
    if (!window_len) {
        window = f->size;
    }
    f->block_most = (size_t)MIN(window, (uint64_t)ZSTD_BLOCK_MOST);
    f->checksum = descriptor & DESCRIPTOR_CHECKSUM;
    return 0;
}

/* "Blocks": one; *last tells whether it is the frame's last. */
static int block_decode(struct zstd_block *z, struct stream *s, const struct frame *f,
                        const uint8_t *start, bool *last)
{
    enum block_type type;
    uint32_t header;
    size_t size;

    if (stream_left(s) < 3) {
        return stream_truncated(s);
    }
    header = (uint32_t)number_take(s, 3);
    *last = header & 1;
    type = (header >> 1) & 3;
    size = header >> 3;
    if (type == BLOCK_RESERVED) {
        return stream_corrupt(s, "bad block type");
    }
    if (size > f->block_most) {
        return stream_corrupt(s, "block larger than it may be");
    }
    if (stream_left(s) < (type == BLOCK_RLE ? 1 : size)) {
        return stream_truncated(s);
    }
    if (type == BLOCK_COMPRESSED) {
        return zstd_block_decode(z, s, size, f->block_most, start);
    }
    if (stream_room(s) < size) {
        return stream_full(s);
    }
    if (type == BLOCK_RLE) {
        memset(s->out, *s->in++, size);
    } else {
        memcpy(s->out, s->in, size);
        s->in += size;
    }
    s->out += size;
    return 0;
}

/* "Zstandard Frames" */
static int frame_decode(struct zstd_block *z, struct stream *s)
{
    const uint8_t *start = s->out;
    struct frame f;
    bool last = false;
    size_t len;
    int rc;

    s->part = NULL;
    rc = header_decode(s, &f);
    if (rc) {
        return rc;
    }
    if (f.sized && f.size > stream_room(s)) {
        return stream_full(s);
    }
    zstd_block_reset(z);
    s->part = "block";
    for (s->number = 1; !last; s->number++) {
        rc = block_decode(z, s, &f, start, &last);
        if (rc) {
            return rc;
        }
    }
    s->part = NULL;
    len = (size_t)(s->out - start);
    if (f.sized && f.size != len) {
        return stream_corrupt(s, "content size differs from the header's");
    }
    if (f.checksum) {
        if (stream_left(s) < 4) {
            return stream_truncated(s);
        }
        if ((uint32_t)xxh64_of(start, len) != load_le32(s->in)) {
            return stream_corrupt(s, "bad content checksum");
        }
        s->in += 4;
    }
    return 0;
}

/* "Skippable Frames" */
static int skippable_skip(struct stream *s)
{
    uint32_t len = load_le32(s->in + 4);

    if (stream_left(s) - 8 < len) {
        return stream_truncated(s);
    }
    s->in += 8 + (size_t)len;
    return 0;
}

static bool is_skippable(const uint8_t *in, size_t len)
{
    return len >= 8 && (load_le32(in) & ~15U) == SKIPPABLE_MAGIC;
}

bool zstd_probe(const uint8_t *in, size_t len)
{
    return len >= 4 && load_le32(in) == FRAME_MAGIC;
}

int zstd_decode(struct stream *s)
{
    int rc;

    do {
        rc = is_skippable(s->in, stream_left(s)) ? skippable_skip(s) : frame_decode(s->scratch, s);
    } while (!rc && (zstd_probe(s->in, stream_left(s)) || is_skippable(s->in, stream_left(s))));
    return rc;
}
