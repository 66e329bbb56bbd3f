/*
 * LZ4: the blocks, and the two ways to frame them. Documents: LZ4 Block Format Description, LZ4
 * Frame Format Description; section names are theirs.
 */
#include <lodge/string.h>

#include "checksum.h"
#include "stream.h"

#define FRAME_MAGIC     0x184D2204U
#define LEGACY_MAGIC    0x184C2102U
#define SKIPPABLE_MAGIC 0x184D2A50U /* and the 15 after it */

#define LEGACY_BLOCK_SIZE (8UL << 20)

#define MATCH_LEAST   4
#define LAST_LITERALS 5

/* "Frame Descriptor", FLG and BD bytes */
#define FLG_VERSION_MASK     0xC0
#define FLG_VERSION          0x40
#define FLG_INDEPENDENT      0x20
#define FLG_BLOCK_CHECKSUM   0x10
#define FLG_CONTENT_SIZE     0x08
#define FLG_CONTENT_CHECKSUM 0x04
#define FLG_RESERVED         0x02
#define FLG_DICTIONARY       0x01
#define BD_RESERVED          0x8F

#define BLOCK_IS_PLAIN 0x80000000U

const size_t lz4_scratch = 0;

/* A length that does not fit into the token's four bits goes on in bytes, up to one below 255. */
static ALWAYS_INLINE bool length_extend(const uint8_t **in, const uint8_t *in_end, size_t *len)
{
    uint8_t b;

    do {
        if (*in == in_end) {
            return false;
        }
        b = *(*in)++;
        *len += b;
    } while (b == 255);
    return true;
}

/*
 * "Compressed block format": @in_len bytes into at most @out_most. Matches may reach back to @dict.
 */
static int block_decode(struct stream *s, size_t in_len, size_t out_most, const uint8_t *dict)
{
    const uint8_t *in = s->in;
    const uint8_t *const in_end = in + in_len;
    uint8_t *out = s->out;
    const size_t room = stream_room(s);
    uint8_t *const out_end = out + MIN(out_most, room);
    const char *what = NULL;
    bool full = false;
    size_t len = 0; /* of the latest match */

    for (;;) {
        size_t literals, distance;
        uint8_t token;

        if (in == in_end) {
            what = "block ends without literals";
            break;
        }
        token = *in++;
        literals = token >> 4;
        if (literals == 15 && !length_extend(&in, in_end, &literals)) {
            what = "block ends inside a length";
            break;
        }
        if (literals > (size_t)(in_end - in)) {
            what = "literals reach beyond their block";
            break;
        }
        if (literals > (size_t)(out_end - out)) {
            full = true;
            break;
        }
        if (literals > 0) {
            if (copy_is_roomy(in, literals, in_end) && copy_is_roomy(out, literals, out_end)) {
                literal_copy(out, in, literals);
            } else {
                memcpy(out, in, literals);
            }
            in += literals;
            out += literals;
        }
        if (in == in_end) {
            /* "End of block conditions": the last sequence has literals only, at least these. */
            if (len > 0 && literals < LAST_LITERALS) {
                what = "block does not end with literals";
            }
            break;
        }
        if (in_end - in < 2) {
            what = "block ends inside a match";
            break;
        }
        distance = load_le16(in);
        in += 2;
        len = token & 15;
        if (len == 15 && !length_extend(&in, in_end, &len)) {
            what = "block ends inside a length";
            break;
        }
        len += MATCH_LEAST;
        if (distance == 0 || distance > (size_t)(out - dict)) {
            what = distance == 0 ? "match at distance 0" : "match reaches back beyond the start";
            break;
        }
        if (len > (size_t)(out_end - out)) {
            full = true;
            break;
        }
        match_copy(out, distance, len, copy_is_roomy(out, len, out_end));
        out += len;
    }
    s->in = in;
    s->out = out;
    if (full) {
        return out_most > room ? stream_full(s) : stream_corrupt(s, "block holds more than it may");
    }
    return what ? stream_corrupt(s, what) : 0;
}

/*
 * "Legacy frame". It has no end mark: it ends where the input does, or before something that cannot
 * be a block. All blocks but the last hold 8 MiB, so that a shorter one is the last: this is what
 * tells the size word behind a kernel from a block.
 */
static int legacy_decode(struct stream *s)
{
    const uint32_t packed_most = LEGACY_BLOCK_SIZE + LEGACY_BLOCK_SIZE / 255 + 16;
    int rc;

    s->in += 4;
    s->part = "block";
    for (s->number = 1;; s->number++) {
        const uint8_t *data = s->out;
        uint32_t len;

        if (stream_left(s) <= 4) { /* nothing, or a size word: no block is empty */
            return s->number > 1 ? 0 : stream_truncated(s);
        }
        len = load_le32(s->in);
        if (s->number > 1 && (len == 0 || len > packed_most)) {
            return 0;
        }
        s->in += 4;
        if (len == 0 || len > packed_most) {
            return stream_corrupt(s, "bad block size");
        }
        if (len > stream_left(s)) {
            return stream_truncated(s);
        }
        rc = block_decode(s, len, LEGACY_BLOCK_SIZE, data);
        if (rc) {
            return rc;
        }
        if ((size_t)(s->out - data) < LEGACY_BLOCK_SIZE) {
            return 0;
        }
    }
}

struct frame {
    uint8_t flags;
    size_t block_most;
    uint64_t size; /* of the content, with FLG_CONTENT_SIZE */
};

/* "Frame Descriptor" */
static int descriptor_decode(struct stream *s, struct frame *f)
{
    const uint8_t *start = s->in;
    size_t len;
    uint8_t bd;

    if (stream_left(s) < 3) {
        return stream_truncated(s);
    }
    f->flags = start[0];
    bd = start[1];
    if ((f->flags & FLG_VERSION_MASK) != FLG_VERSION) {
        return stream_unsupported(s, "unknown frame version");
    }
    if ((f->flags & FLG_RESERVED) || (bd & BD_RESERVED)) {
        return stream_unsupported(s, "unknown frame flags");
    }
    if ((bd >> 4) < 4) {
        return stream_unsupported(s, "unknown block size");
    }
    f->block_most = (size_t)1 << (2 * (bd >> 4) + 8);
    len = 2u + (f->flags & FLG_CONTENT_SIZE ? 8 : 0) + (f->flags & FLG_DICTIONARY ? 4 : 0);
    if (stream_left(s) < len + 1) {
        return stream_truncated(s);
    }
    if (((xxh32_of(start, len) >> 8) & 0xFF) != start[len]) {
        return stream_corrupt(s, "bad header checksum");
    }
    if (f->flags & FLG_DICTIONARY) {
        return stream_unsupported(s, "needs a dictionary");
    }
    f->size = f->flags & FLG_CONTENT_SIZE ? load_le64(start + 2) : 0;
    s->in += len + 1;
    return 0;
}

/* "Data Blocks": one, whose size word is read. */
static int frame_block(struct stream *s, const struct frame *f, uint32_t size, const uint8_t *dict)
{
    uint32_t len = size & ~BLOCK_IS_PLAIN;
    const uint8_t *packed = s->in;
    size_t checksum_len = f->flags & FLG_BLOCK_CHECKSUM ? 4 : 0;
    int rc;

    if (len > f->block_most) {
        return stream_corrupt(s, "bad block size");
    }
    if (len + checksum_len > stream_left(s)) {
        return stream_truncated(s);
    }
    if (checksum_len && xxh32_of(packed, len) != load_le32(packed + len)) {
        return stream_corrupt(s, "bad block checksum");
    }
    if (size & BLOCK_IS_PLAIN) {
        if (len > stream_room(s)) {
            return stream_full(s);
        }
        memcpy(s->out, s->in, len);
        s->in += len;
        s->out += len;
    } else {
        rc = block_decode(s, len, f->block_most, f->flags & FLG_INDEPENDENT ? s->out : dict);
        if (rc) {
            return rc;
        }
    }
    s->in += checksum_len;
    return 0;
}

/* "General Structure of LZ4 Frame format" */
static int frame_decode(struct stream *s)
{
    const uint8_t *data = s->out;
    struct frame f;
    size_t len;
    int rc;

    s->in += 4;
    s->part = NULL;
    rc = descriptor_decode(s, &f);
    if (rc) {
        return rc;
    }
    s->part = "block";
    for (s->number = 1;; s->number++) {
        uint32_t size;

        if (stream_left(s) < 4) {
            return stream_truncated(s);
        }
        size = load_le32(s->in);
        s->in += 4;
        if (size == 0) { /* "EndMark" */
            break;
        }
        rc = frame_block(s, &f, size, data);
        if (rc) {
            return rc;
        }
    }
    s->part = NULL;
    len = (size_t)(s->out - data);
    if ((f.flags & FLG_CONTENT_SIZE) && len != f.size) {
        return stream_corrupt(s, "content size differs from the header's");
    }
    if (f.flags & FLG_CONTENT_CHECKSUM) {
        if (stream_left(s) < 4) {
            return stream_truncated(s);
        }
        if (xxh32_of(data, len) != load_le32(s->in)) {
            return stream_corrupt(s, "bad content checksum");
        }
        s->in += 4;
    }
    return 0;
}

/* "Skippable Frames" */
static int skippable_skip(struct stream *s)
{
    uint32_t len;

    if (stream_left(s) < 8) {
        return stream_truncated(s);
    }
    len = load_le32(s->in + 4);
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

bool lz4_probe(const uint8_t *in, size_t len)
{
    return len >= 4 && (load_le32(in) == FRAME_MAGIC || load_le32(in) == LEGACY_MAGIC);
}

int lz4_decode(struct stream *s)
{
    int rc;

    if (!lz4_probe(s->in, stream_left(s)) && !is_skippable(s->in, stream_left(s))) {
        return stream_corrupt(s, "bad magic number");
    }
    do {
        if (is_skippable(s->in, stream_left(s))) {
            rc = skippable_skip(s);
        } else if (load_le32(s->in) == LEGACY_MAGIC) {
            rc = legacy_decode(s);
        } else {
            rc = frame_decode(s);
        }
    } while (!rc && (lz4_probe(s->in, stream_left(s)) || is_skippable(s->in, stream_left(s))));
    return rc;
}
