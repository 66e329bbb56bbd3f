/*
 * The .xz container: streams of blocks, each with its filters and its check, and an index that
 * counts them again. Section names are those of The .xz File Format, version 1.1.0.
 */
#include <lodge/string.h>

#include "checksum.h"
#include "lzma.h"
#include "x86_filter.h"

#define STREAM_HEADER_SIZE 12
#define STREAM_FOOTER_SIZE 12
#define FILTER_X86         0x04
#define FILTER_LZMA2       0x21
#define VLI_BYTES_MAX      9

enum check { CHECK_NONE = 0x0, CHECK_CRC32 = 0x1, CHECK_CRC64 = 0x4, CHECK_SHA256 = 0xA };

/* Stream Flags, "Check ID": the size of each, also of those that nobody has defined yet. */
static const uint8_t check_sizes[16] = { 0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64 };

static const uint8_t header_magic[6] = { 0xFD, '7', 'z', 'X', 'Z', 0x00 };

/* What index and blocks have to agree on: the hash runs over every block's sizes, in order. */
struct tally {
    uint64_t count;
    uint64_t hash;
};

struct xz {
    struct lzma lzma;
    struct crc32 crc32;
    struct crc64 crc64;
    bool have_crc64; /* its table is built when the first stream wants it */
};

const size_t xz_scratch = sizeof(struct xz);

/* A block's header, checked. Sizes are UINT64_MAX where the header leaves them out. */
struct block {
    uint64_t packed_size;
    uint64_t size;
    uint32_t dict_size;
    bool x86;
    uint32_t x86_start;
};

static void tally_add(struct tally *t, uint64_t unpadded_size, uint64_t size)
{
    uint64_t pair[3] = { t->hash, unpadded_size, size };

    t->hash = xxh64_of((const uint8_t *)pair, sizeof(pair));
    t->count++;
}

/* "Multibyte Integers": 7 bits a byte, lowest first, in as few bytes as possible. Advances *p. */
static bool vli_decode(const uint8_t **p, const uint8_t *end, uint64_t *value)
{
    unsigned int i;

    *value = 0;
    for (i = 0; i < VLI_BYTES_MAX && *p < end; i++) {
        uint8_t b = *(*p)++;

        *value |= (uint64_t)(b & 0x7F) << (7 * i);
        if (!(b & 0x80)) {
            return b != 0 || i == 0;
        }
    }
    return false;
}

static int filters_decode(struct stream *s, struct block *b, unsigned int nr, const uint8_t **p,
                          const uint8_t *end)
{
    unsigned int i;

    for (i = 0; i < nr; i++) {
        uint64_t id, properties_len;
        const uint8_t *properties;

        if (!vli_decode(p, end, &id) || !vli_decode(p, end, &properties_len) ||
            properties_len > (uint64_t)(end - *p)) {
            return stream_corrupt(s, "bad filter flags");
        }
        properties = *p;
        *p += properties_len;
        if (id == FILTER_LZMA2 && i == nr - 1) {
            if (properties_len != 1 || properties[0] > 40) {
                return stream_unsupported(s, "unknown LZMA2 properties");
            }
            b->dict_size = properties[0] == 40
                               ? UINT32_MAX
                               : (2U | (properties[0] & 1)) << (properties[0] / 2 + 11);
        } else if (id == FILTER_X86 && i < nr - 1 && !b->x86) {
            if (properties_len != 0 && properties_len != 4) {
                return stream_unsupported(s, "unknown x86 filter properties");
            }
            b->x86 = true;
            b->x86_start = properties_len ? load_le32(properties) : 0;
        } else {
            return stream_unsupported(s, "filters other than LZMA2, or x86 and LZMA2");
        }
    }
    return 0;
}

/* "Block Header" */
static int block_header_decode(struct xz *xz, struct stream *s, struct block *b)
{
    size_t len = ((size_t)s->in[0] + 1) * 4;
    const uint8_t *p = s->in + 2;
    const uint8_t *end = s->in + len - 4;
    uint8_t flags;
    int rc;

    if (stream_left(s) < len) {
        return stream_truncated(s);
    }
    if (crc32_of(&xz->crc32, s->in, len - 4) != load_le32(end)) {
        return stream_corrupt(s, "bad header CRC32");
    }
    flags = s->in[1];
    if (flags & 0x3C) {
        return stream_unsupported(s, "unknown block flags");
    }
    *b = (struct block){ .packed_size = UINT64_MAX, .size = UINT64_MAX };
    if ((flags & 0x40) && (!vli_decode(&p, end, &b->packed_size) || b->packed_size == 0)) {
        return stream_corrupt(s, "bad compressed size in header");
    }
    if ((flags & 0x80) && !vli_decode(&p, end, &b->size)) {
        return stream_corrupt(s, "bad uncompressed size in header");
    }
    rc = filters_decode(s, b, (flags & 3) + 1, &p, end);
    if (rc) {
        return rc;
    }
    for (; p < end; p++) {
        if (*p != 0) {
            return stream_unsupported(s, "unknown block header fields");
        }
    }
    s->in += len;
    return 0;
}

/* "Check", of the block's data at [@data, s->out) */
static int check_verify(struct xz *xz, struct stream *s, enum check check, const uint8_t *data)
{
    size_t data_len = (size_t)(s->out - data);
    uint8_t digest[SHA256_SIZE];
    const char *what = NULL;

    if (stream_left(s) < check_sizes[check]) {
        return stream_truncated(s);
    }
    switch (check) {
    case CHECK_NONE:
        break;
    case CHECK_CRC32:
        if (crc32_of(&xz->crc32, data, data_len) != load_le32(s->in)) {
            what = "bad CRC32";
        }
        break;
    case CHECK_CRC64:
        if (crc64_of(&xz->crc64, data, data_len) != load_le64(s->in)) {
            what = "bad CRC64";
        }
        break;
    case CHECK_SHA256:
        sha256_of(data, data_len, digest);
        if (memcmp(digest, s->in, SHA256_SIZE) != 0) {
            what = "bad SHA-256";
        }
        break;
    default:
        return stream_unsupported(s, "unknown integrity check");
    }
    if (what) {
        return stream_corrupt(s, what);
    }
    s->in += check_sizes[check];
    return 0;
}

/* "Block Padding", "Index Padding": zeros up to a multiple of four bytes since @start */
static int padding_skip(struct stream *s, const uint8_t *start)
{
    while ((s->in - start) % 4 != 0) {
        if (stream_left(s) == 0) {
            return stream_truncated(s);
        }
        if (*s->in != 0) {
            return stream_corrupt(s, "padding is not zero");
        }
        s->in++;
    }
    return 0;
}

static int block_decode(struct xz *xz, struct stream *s, enum check check, struct tally *tally)
{
    const uint8_t *start = s->in;
    uint8_t *data = s->out;
    const uint8_t *packed;
    struct block b;
    uint64_t unpadded_size;
    int rc;

    rc = block_header_decode(xz, s, &b);
    if (rc) {
        return rc;
    }
    packed = s->in;
    if (b.size != UINT64_MAX && b.size > stream_room(s)) {
        return stream_full(s);
    }
    rc = lzma2_decode(&xz->lzma, s, b.dict_size);
    if (rc) {
        return rc;
    }
    if ((b.packed_size != UINT64_MAX && b.packed_size != (uint64_t)(s->in - packed)) ||
        (b.size != UINT64_MAX && b.size != (uint64_t)(s->out - data))) {
        return stream_corrupt(s, "sizes differ from the header's");
    }
    unpadded_size = (uint64_t)(s->in - start) + check_sizes[check];
    rc = padding_skip(s, packed);
    if (rc) {
        return rc;
    }
    if (b.x86) {
        x86_filter_undo(data, (size_t)(s->out - data), b.x86_start);
    }
    rc = check_verify(xz, s, check, data);
    if (rc) {
        return rc;
    }
    tally_add(tally, unpadded_size, (uint64_t)(s->out - data));
    return 0;
}

/* "Index"; its length goes to @index_len for the footer's comparison. */
static int index_decode(struct xz *xz, struct stream *s, const struct tally *blocks,
                        uint64_t *index_len)
{
    const uint8_t *start = s->in++;
    struct tally tally = { 0 };
    uint64_t count;
    int rc;

    if (!vli_decode(&s->in, s->in_end, &count)) {
        return stream_corrupt(s, "bad number of blocks in the index");
    }
    if (count != blocks->count) {
        return stream_corrupt(s, "index counts other blocks than there are");
    }
    while (tally.count < count) {
        uint64_t unpadded_size, size;

        if (!vli_decode(&s->in, s->in_end, &unpadded_size) ||
            !vli_decode(&s->in, s->in_end, &size)) {
            return stream_corrupt(s, "bad record in the index");
        }
        tally_add(&tally, unpadded_size, size);
    }
    if (tally.hash != blocks->hash) {
        return stream_corrupt(s, "sizes in the index differ from the blocks'");
    }
    rc = padding_skip(s, start);
    if (rc) {
        return rc;
    }
    if (stream_left(s) < 4) {
        return stream_truncated(s);
    }
    if (crc32_of(&xz->crc32, start, (size_t)(s->in - start)) != load_le32(s->in)) {
        return stream_corrupt(s, "bad CRC32 of the index");
    }
    s->in += 4;
    *index_len = (uint64_t)(s->in - start);
    return 0;
}

/* "Stream Footer" */
static int footer_decode(struct xz *xz, struct stream *s, const uint8_t flags[2],
                         uint64_t index_len)
{
    const uint8_t *p = s->in;

    if (stream_left(s) < STREAM_FOOTER_SIZE) {
        return stream_truncated(s);
    }
    if (p[10] != 'Y' || p[11] != 'Z') {
        return stream_corrupt(s, "bad stream footer");
    }
    if (crc32_of(&xz->crc32, p + 4, 6) != load_le32(p)) {
        return stream_corrupt(s, "bad CRC32 of the stream footer");
    }
    if (((uint64_t)load_le32(p + 4) + 1) * 4 != index_len || memcmp(p + 8, flags, 2) != 0) {
        return stream_corrupt(s, "stream footer differs from header or index");
    }
    s->in += STREAM_FOOTER_SIZE;
    return 0;
}

/* "Stream" */
static int one_stream(struct xz *xz, struct stream *s)
{
    struct tally tally = { 0 };
    const uint8_t *flags;
    enum check check;
    uint64_t index_len;
    int rc;

    if (stream_left(s) < STREAM_HEADER_SIZE) {
        return stream_truncated(s);
    }
    if (!xz_probe(s->in, stream_left(s))) {
        return stream_corrupt(s, "bad magic number");
    }
    flags = s->in + 6;
    if (crc32_of(&xz->crc32, flags, 2) != load_le32(flags + 2)) {
        return stream_corrupt(s, "bad CRC32 of the stream header");
    }
    if (flags[0] != 0 || (flags[1] & 0xF0) != 0) {
        return stream_unsupported(s, "unknown stream flags");
    }
    check = (enum check)flags[1];
    if (check == CHECK_CRC64 && !xz->have_crc64) {
        crc64_init(&xz->crc64);
        xz->have_crc64 = true;
    }
    s->in += STREAM_HEADER_SIZE;

    s->part = "block";
    for (s->number = 1;; s->number++) {
        if (stream_left(s) < 1) {
            return stream_truncated(s);
        }
        if (*s->in == 0) { /* no block header is that short: "Index Indicator" */
            break;
        }
        rc = block_decode(xz, s, check, &tally);
        if (rc) {
            return rc;
        }
    }
    s->part = NULL;
    rc = index_decode(xz, s, &tally, &index_len);
    if (rc) {
        return rc;
    }
    return footer_decode(xz, s, flags, index_len);
}

bool xz_probe(const uint8_t *in, size_t len)
{
    return len >= sizeof(header_magic) && memcmp(in, header_magic, sizeof(header_magic)) == 0;
}

/* "Stream Padding": groups of four zero bytes, if another stream follows them. */
static bool stream_follows(struct stream *s)
{
    const uint8_t *p = s->in;

    while (s->in_end - p >= 4 && load_le32(p) == 0) {
        p += 4;
    }
    if (!xz_probe(p, (size_t)(s->in_end - p))) {
        return false;
    }
    s->in = p;
    return true;
}

int xz_decode(struct stream *s)
{
    struct xz *xz = s->scratch;
    int rc;

    crc32_init(&xz->crc32);
    xz->have_crc64 = false;
    do {
        rc = one_stream(xz, s);
    } while (!rc && stream_follows(s));
    return rc;
}
