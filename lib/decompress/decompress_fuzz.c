/*
 * Fuzzing: what decompress() accepts, the system's library accepts too, with the same bytes; and
 * the other way around, but for what is written down below.
 *
 * Containers' checksums would keep a fuzzer from what is inside, so the bare streams of gzip and xz
 * have modes of their own. The first byte chooses the mode, the second how much room there is.
 */
#include <lodge/decompress.h>

#include <stdlib.h>

#include "inflate.h"
#include "lzma.h"
#include "oracle.h"
#include "x86_filter.h"

#define ROOM_MAX (256UL << 10)

enum mode {
    MODE_GZIP,
    MODE_XZ,
    MODE_ZSTD,
    MODE_LZ4,
    MODE_DEFLATE,
    MODE_LZMA2,
    MODE_LZMA2_X86,
    MODES
};

static const enum decompress_kind kinds[4] = { DECOMPRESS_GZIP, DECOMPRESS_XZ, DECOMPRESS_ZSTD,
                                               DECOMPRESS_LZ4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* decompress(), or the decoder of a bare stream */
static int ours(enum mode mode, struct oracle *o, void *workspace, uint32_t dict_size,
                const char **why)
{
    struct stream s = {
        .in = o->in, .in_end = o->in + o->in_len, .out = o->out, .out_end = o->out + o->out_room
    };
    int rc;

    if (mode < MODE_DEFLATE) {
        return decompress(kinds[mode], o->in, o->in_len, o->out, o->out_room, &o->out_len,
                          workspace, why, &o->in_used);
    }
    if (mode == MODE_DEFLATE) {
        rc = inflate_decode(workspace, &s);
    } else {
        rc = lzma2_decode(workspace, &s, dict_size);
        if (!rc && mode == MODE_LZMA2_X86) {
            x86_filter_undo(o->out, (size_t)(s.out - o->out), 0);
        }
    }
    o->out_len = (size_t)(s.out - o->out);
    o->in_used = (size_t)(s.in - o->in);
    *why = s.what;
    return rc;
}

static bool theirs(enum mode mode, struct oracle *o, uint32_t dict_size)
{
    if (mode < MODE_DEFLATE) {
        return oracle_decompress(kinds[mode], o);
    }
    if (mode == MODE_DEFLATE) {
        return oracle_inflate(o, -15);
    }
    return oracle_lzma2(o, dict_size, mode == MODE_LZMA2_X86);
}

/* Where the format's text asks for a refusal, and the library is lenient. */
static const struct {
    enum mode mode;
    const char *why;
} stricter[] = {
    /* Four streams are decoded without a look at whether they end where they should. */
    { MODE_ZSTD, "bad Huffman-coded literals" },
    /* Bits missing at the end of the stream of sequences are zeros, and some too many are lost. */
    { MODE_ZSTD, "sequences cut short" },
    { MODE_ZSTD, "sequences do not end where their stream does" },
    /* Only compressed blocks are held to the most that a block may be. */
    { MODE_ZSTD, "block larger than it may be" },
    { MODE_ZSTD, "block holds more than it may" },
    /* Reserved bits are ignored. */
    { MODE_ZSTD, "bad sequences header" },
    /* The latest offset less one, when that is 0, is taken for 1. */
    { MODE_ZSTD, "match at distance 0" },
    /* It copies what the output held before. */
    { MODE_LZ4, "match at distance 0" },
};

static bool may_refuse(enum mode mode, int rc, const char *why)
{
    size_t i;

    if (rc == -EOPNOTSUPP) {
        return true;
    }
    for (i = 0; i < ARRAY_SIZE(stricter); i++) {
        if (mode == stricter[i].mode && strstr(why, stricter[i].why)) {
            return true;
        }
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct oracle a = { 0 }, b = { 0 };
    const uint32_t dict_size = 4096;
    enum mode mode;
    uint8_t *in;
    void *workspace;
    const char *why;
    bool accepted;
    int rc;

    if (size < 2) {
        return 0;
    }
    mode = data[0] % MODES;
    a.out_room = data[1] == 0xFF ? ROOM_MAX : data[1] * 16;
    a.in_len = size - 2;
    /* Buffers of just the right size, so that a byte beyond is noticed. */
    in = malloc(a.in_len);
    memcpy(in, data + 2, a.in_len);
    a.in = in;
    b = a;
    a.out = malloc(a.out_room);
    b.out = malloc(b.out_room);
    workspace = malloc(decompress_workspace());

    rc = ours(mode, &a, workspace, dict_size, &why);
    accepted = theirs(mode, &b, dict_size);
    if (rc == 0 && !b.limited &&
        (!accepted || a.out_len != b.out_len || a.in_used != b.in_used ||
         memcmp(a.out, b.out, a.out_len) != 0)) {
        abort();
    }
    if (rc != 0 && accepted && !may_refuse(mode, rc, why)) {
        abort();
    }
    free(workspace);
    free(b.out);
    free(a.out);
    free(in);
    return 0;
}
