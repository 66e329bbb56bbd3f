/* Data to pack, and what every format's test asks of decompress() (tests only). */
#ifndef LODGE_DECOMPRESS_SAMPLES_H
#define LODGE_DECOMPRESS_SAMPLES_H

#include <lodge/decompress.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit.h"

#include "oracle.h"

struct buffer {
    uint8_t *data;
    size_t len;
};

enum sample {
    SAMPLE_EMPTY,
    SAMPLE_BYTE,
    SAMPLE_ZEROS,  /* long runs */
    SAMPLE_PERIOD, /* patterns of 1 to 40 bytes, each repeated */
    SAMPLE_TEXT,
    SAMPLE_RANDOM, /* cannot be packed */
    SAMPLE_CODE,   /* x86 instructions: this very program */
    SAMPLE_MIXED,
    SAMPLES
};

static inline uint32_t sample_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
    return (uint32_t)(*seed >> 33);
}

static inline void sample_text(uint8_t *to, size_t len)
{
    static const char *const words[] = { "domain ", "frame ", "grant ", "the ",     "of ",    "\n",
                                         "port ",   "event ", "guest ", "0x1000, ", "a vcpu " };
    uint64_t seed = 7;
    size_t at = 0;

    while (at < len) {
        const char *word = words[sample_random(&seed) % ARRAY_SIZE(words)];
        size_t n = MIN(strlen(word), len - at);

        memcpy(to + at, word, n);
        at += n;
    }
}

static inline void sample_code(uint8_t *to, size_t len)
{
    FILE *f = fopen("/proc/self/exe", "rb");

    assert_non_null(f);
    assert_int_equal(fseek(f, 0x10000, SEEK_SET), 0);
    assert_int_equal(fread(to, 1, len, f), len);
    fclose(f);
}

/* @len is a wish: some samples have a size of their own. Freed by the caller. */
static inline struct buffer sample_make(enum sample sample, size_t len)
{
    struct buffer b;
    uint64_t seed = 1;
    size_t i;

    len = sample == SAMPLE_EMPTY ? 0 : sample == SAMPLE_BYTE ? 1 : len;
    b = (struct buffer){ malloc(len + 1), len };
    assert_non_null(b.data);
    memset(b.data, 0, len);
    switch (sample) {
    case SAMPLE_PERIOD:
        for (i = 0; i < len; i++) {
            size_t period = 1 + i / 400 % 40;

            b.data[i] = (uint8_t)(i % 400 < period ? sample_random(&seed) : b.data[i - period]);
        }
        break;
    case SAMPLE_TEXT:
        sample_text(b.data, len);
        break;
    case SAMPLE_RANDOM:
        for (i = 0; i < len; i++) {
            b.data[i] = (uint8_t)sample_random(&seed);
        }
        break;
    case SAMPLE_CODE:
        sample_code(b.data, len);
        break;
    case SAMPLE_MIXED:
        sample_text(b.data, len / 4);
        for (i = len / 4; i < len / 2; i++) {
            b.data[i] = (uint8_t)sample_random(&seed);
        }
        memcpy(b.data + len / 2, b.data, len / 4);
        break;
    default:
        break;
    }
    return b;
}

/* One call of decompress(), with buffers of just the right size, for the sanitizers. */
struct unpacked {
    int rc;
    uint8_t *out;
    size_t out_len;
    size_t in_used;
    char why[128];
};

static inline struct unpacked unpack(enum decompress_kind kind, const uint8_t *in, size_t in_len,
                                     size_t room)
{
    static void *workspace; /* left as the call before left it */
    uint8_t *exact_in = malloc(in_len + !in_len);
    struct unpacked u = { .out = malloc(room + !room) };
    const char *why = NULL;

    memcpy(exact_in, in, in_len);
    if (!workspace) {
        workspace = malloc(decompress_workspace());
        memset(workspace, 0xA5, decompress_workspace());
    }
    u.rc = decompress(kind, exact_in, in_len, u.out, room, &u.out_len, workspace, &why, &u.in_used);
    assert_int_equal(u.rc == 0, why == NULL);
    if (u.rc) {
        assert_int_equal(u.out_len, 0);
        assert_int_equal(u.in_used, 0);
        assert_true(strlen(why) < sizeof(u.why));
        strcpy(u.why, why);
    }
    free(exact_in);
    return u;
}

/* The packed data yields @data in a buffer that just holds it, and what follows is left alone. */
static inline void check_unpacks(enum decompress_kind kind, const struct buffer *packed,
                                 const struct buffer *data)
{
    static const uint8_t size_word[4] = { 0x64, 0x9F, 0xED, 0x03 };
    uint8_t *in = malloc(packed->len + sizeof(size_word));
    size_t trailing;

    memcpy(in, packed->data, packed->len);
    memcpy(in + packed->len, size_word, sizeof(size_word));
    assert_int_equal(decompress_probe(in, packed->len), kind);
    for (trailing = 0; trailing <= sizeof(size_word); trailing += sizeof(size_word)) {
        struct unpacked u = unpack(kind, in, packed->len + trailing, data->len);

        if (u.rc) {
            print_error("%s\n", u.why);
        }
        assert_int_equal(u.rc, 0);
        assert_int_equal(u.out_len, data->len);
        assert_int_equal(u.in_used, packed->len);
        assert_memory_equal(u.out, data->data, data->len);
        free(u.out);
    }
    free(in);
}

static inline void check_refused(enum decompress_kind kind, const struct buffer *packed, int rc,
                                 const char *why)
{
    struct unpacked u = unpack(kind, packed->data, packed->len, 1UL << 20);

    assert_int_equal(u.rc, rc);
    assert_string_equal(u.why, why);
    free(u.out);
}

static inline void check_every_truncation_is_refused(enum decompress_kind kind,
                                                     const struct buffer *packed, size_t room)
{
    size_t len;

    for (len = 0; len < packed->len; len++) {
        struct unpacked u = unpack(kind, packed->data, len, room);

        assert_int_equal(u.rc, -EINVAL);
        free(u.out);
    }
}

static inline void check_every_smaller_room_is_refused(enum decompress_kind kind,
                                                       const struct buffer *packed, size_t len)
{
    size_t room;

    for (room = 0; room < len; room++) {
        struct unpacked u = unpack(kind, packed->data, packed->len, room);

        assert_int_equal(u.rc, -ENOSPC);
        free(u.out);
    }
}

/* Whatever bit is wrong: what is accepted, the library accepts too, and says the same. */
static inline void check_every_bit_flip_is_safe(enum decompress_kind kind,
                                                const struct buffer *packed)
{
    const size_t room = 2048;
    uint8_t *theirs = malloc(room);
    size_t bit;

    for (bit = 0; bit < packed->len * 8; bit++) {
        struct oracle o = { packed->data, packed->len, theirs, room, 0, 0, false };
        struct unpacked u;

        packed->data[bit / 8] ^= (uint8_t)(1U << (bit % 8));
        u = unpack(kind, packed->data, packed->len, room);
        if (u.rc == 0 && (oracle_decompress(kind, &o) || !o.limited)) {
            assert_int_equal(u.out_len, o.out_len);
            assert_memory_equal(u.out, theirs, o.out_len);
            assert_int_equal(u.in_used, o.in_used);
        }
        free(u.out);
        packed->data[bit / 8] ^= (uint8_t)(1U << (bit % 8));
    }
    free(theirs);
}

/* Two streams of one format, one behind the other; freed by the caller. */
static inline struct buffer buffer_join(const struct buffer *a, const struct buffer *b)
{
    struct buffer both = { malloc(a->len + b->len + 1), a->len + b->len };

    memcpy(both.data, a->data, a->len);
    memcpy(both.data + a->len, b->data, b->len);
    return both;
}

static inline void check_streams_in_a_row(enum decompress_kind kind, const struct buffer *packed,
                                          const struct buffer *data)
{
    struct buffer two_packed = buffer_join(packed, packed);
    struct buffer two = buffer_join(data, data);

    check_unpacks(kind, &two_packed, &two);
    free(two_packed.data);
    free(two.data);
}

/* What is asked of each format alike, of a short stream of text. */
static inline void check_robust(enum decompress_kind kind, const struct buffer *packed,
                                const struct buffer *data)
{
    check_unpacks(kind, packed, data);
    check_every_truncation_is_refused(kind, packed, data->len);
    check_every_smaller_room_is_refused(kind, packed, data->len);
    check_every_bit_flip_is_safe(kind, packed);
    check_streams_in_a_row(kind, packed, data);
}

#endif
