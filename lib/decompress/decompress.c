/* The door to the decoders: which format, how much workspace, and errors put into words. */
#include <lodge/decompress.h>
#include <lodge/string.h>

#include "stream.h"

#define MESSAGE_MAX 128 /* the first bytes of the workspace hold the error's text */

struct format {
    const char *name;
    bool (*probe)(const uint8_t *in, size_t len);
    int (*decode)(struct stream *s);
    const size_t *scratch;
};

static const struct format formats[] = {
    [DECOMPRESS_NONE] = { "unknown", NULL, NULL, NULL },
    [DECOMPRESS_GZIP] = { "gzip", gzip_probe, gzip_decode, &gzip_scratch },
    [DECOMPRESS_XZ] = { "xz", xz_probe, xz_decode, &xz_scratch },
    [DECOMPRESS_ZSTD] = { "zstd", zstd_probe, zstd_decode, &zstd_scratch },
    [DECOMPRESS_LZ4] = { "lz4", lz4_probe, lz4_decode, &lz4_scratch },
};

struct message {
    char *at, *end; /* end: the last byte, kept for the NUL */
};

static void message_text(struct message *m, const char *text)
{
    while (*text && m->at < m->end) {
        *m->at++ = *text++;
    }
    *m->at = '\0';
}

static void message_number(struct message *m, uint64_t n)
{
    char digits[21];
    char *p = &digits[20];

    *p = '\0';
    do {
        *--p = (char)('0' + n % 10);
        n /= 10;
    } while (n);
    message_text(m, p);
}

/* "format: part number: what (at byte offset)" */
static const char *explain(const struct format *f, const struct stream *s, const uint8_t *in,
                           char *text)
{
    struct message m = { text, text + MESSAGE_MAX - 1 };

    message_text(&m, f->name);
    message_text(&m, ": ");
    if (s->part) {
        message_text(&m, s->part);
        message_text(&m, " ");
        message_number(&m, s->number);
        message_text(&m, ": ");
    }
    message_text(&m, s->what);
    message_text(&m, " (at byte ");
    message_number(&m, (uint64_t)(s->in - in));
    message_text(&m, ")");
    return text;
}

static const struct format *format_find(enum decompress_kind kind)
{
    return (size_t)kind < ARRAY_SIZE(formats) ? &formats[kind] : &formats[DECOMPRESS_NONE];
}

enum decompress_kind decompress_probe(const void *in, size_t in_len)
{
    size_t kind;

    for (kind = DECOMPRESS_NONE + 1; kind < ARRAY_SIZE(formats); kind++) {
        if (formats[kind].probe(in, in_len)) {
            return (enum decompress_kind)kind;
        }
    }
    return DECOMPRESS_NONE;
}

const char *decompress_name(enum decompress_kind kind)
{
    return format_find(kind)->name;
}

size_t decompress_workspace(void)
{
    size_t max = 0;
    size_t kind;

    for (kind = DECOMPRESS_NONE + 1; kind < ARRAY_SIZE(formats); kind++) {
        max = MAX(max, *formats[kind].scratch);
    }
    return MESSAGE_MAX + max;
}

int decompress(enum decompress_kind kind, const void *in, size_t in_len, void *out, size_t out_room,
               size_t *out_len, void *workspace, const char **why, size_t *in_used)
{
    const struct format *f = format_find(kind);
    struct stream s = {
        .in = in,
        .in_end = (const uint8_t *)in + in_len,
        .out = out,
        .out_end = (uint8_t *)out + out_room,
        .scratch = (char *)workspace + MESSAGE_MAX,
    };
    int rc;

    *out_len = 0;
    *why = NULL;
    if (in_used) {
        *in_used = 0;
    }
    if (!f->decode) {
        *why = "unknown compression";
        return -EOPNOTSUPP;
    }
    rc = f->decode(&s);
    if (rc) {
        *why = explain(f, &s, in, workspace);
        return rc;
    }
    *out_len = (size_t)(s.out - (uint8_t *)out);
    if (in_used) {
        *in_used = (size_t)(s.in - (const uint8_t *)in);
    }
    return 0;
}
