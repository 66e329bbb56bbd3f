/* xz against liblzma. */
#include "samples.h"

#define DICT_SIZE (1U << 20)

static void options_init(lzma_options_lzma *options, uint32_t preset)
{
    assert_false(lzma_lzma_preset(options, preset));
    options->dict_size = DICT_SIZE;
}

/* A stream of one or two filters, in blocks of @block_size, or in one if 0. */
static struct buffer xz_pack(const struct buffer *data, const lzma_filter *filters,
                             lzma_check check, size_t block_size)
{
    lzma_stream z = LZMA_STREAM_INIT;
    size_t room = data->len + data->len / 2 + 65536;
    struct buffer packed = { malloc(room), 0 };
    size_t at = 0;

    assert_int_equal(lzma_stream_encoder(&z, filters, check), LZMA_OK);
    z.next_out = packed.data;
    z.avail_out = room;
    do {
        size_t len = block_size ? MIN(block_size, data->len - at) : data->len;

        z.next_in = data->data + at;
        z.avail_in = len;
        at += len;
        assert_int_equal(lzma_code(&z, at < data->len ? LZMA_FULL_FLUSH : LZMA_FINISH),
                         LZMA_STREAM_END);
    } while (at < data->len);
    packed.len = z.total_out;
    lzma_end(&z);
    return packed;
}

static struct buffer xz_pack_simply(const struct buffer *data, lzma_check check, size_t block_size)
{
    lzma_options_lzma options;
    lzma_filter filters[] = { { LZMA_FILTER_LZMA2, &options }, { LZMA_VLI_UNKNOWN, NULL } };

    options_init(&options, 6);
    return xz_pack(data, filters, check, block_size);
}

static struct buffer xz_pack_x86(const struct buffer *data, lzma_check check, size_t block_size,
                                 uint32_t start)
{
    lzma_options_lzma options;
    lzma_options_bcj bcj = { .start_offset = start };
    lzma_filter filters[] = { { LZMA_FILTER_X86, start ? &bcj : NULL },
                              { LZMA_FILTER_LZMA2, &options },
                              { LZMA_VLI_UNKNOWN, NULL } };

    options_init(&options, 6);
    return xz_pack(data, filters, check, block_size);
}

TEST(all_presets_unpack)
{
    for (int sample = 0; sample < SAMPLES; sample++) {
        struct buffer data = sample_make((enum sample)sample, 50000);

        for (uint32_t preset = 0; preset <= 9; preset++) {
            lzma_options_lzma options;
            lzma_filter filters[] = { { LZMA_FILTER_LZMA2, &options }, { LZMA_VLI_UNKNOWN, NULL } };
            struct buffer packed;

            options_init(&options, preset);
            packed = xz_pack(&data, filters, LZMA_CHECK_CRC64, 0);
            check_unpacks(DECOMPRESS_XZ, &packed, &data);
            free(packed.data);
        }
        free(data.data);
    }
}

TEST(all_literal_and_position_bits_unpack)
{
    struct buffer data = sample_make(SAMPLE_CODE, 6000);

    for (uint32_t lc = 0; lc <= 4; lc++) {
        for (uint32_t lp = 0; lc + lp <= 4; lp++) {
            for (uint32_t pb = 0; pb <= 4; pb++) {
                lzma_options_lzma options;
                lzma_filter filters[] = { { LZMA_FILTER_LZMA2, &options },
                                          { LZMA_VLI_UNKNOWN, NULL } };
                struct buffer packed;

                options_init(&options, 6);
                options.lc = lc;
                options.lp = lp;
                options.pb = pb;
                packed = xz_pack(&data, filters, LZMA_CHECK_CRC32, 0);
                check_unpacks(DECOMPRESS_XZ, &packed, &data);
                free(packed.data);
            }
        }
    }
    free(data.data);
}

TEST(all_checks_are_verified)
{
    static const struct {
        lzma_check check;
        const char *name;
    } checks[] = { { LZMA_CHECK_NONE, NULL },
                   { LZMA_CHECK_CRC32, "bad CRC32" },
                   { LZMA_CHECK_CRC64, "bad CRC64" },
                   { LZMA_CHECK_SHA256, "bad SHA-256" } };
    struct buffer data = sample_make(SAMPLE_TEXT, 1000);

    for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
        struct buffer packed = xz_pack_simply(&data, checks[i].check, 0);
        size_t behind = 12 + 12; /* the index of a single small block, and the footer */
        char why[128];

        check_unpacks(DECOMPRESS_XZ, &packed, &data);
        if (checks[i].name) {
            size_t check_at = packed.len - behind - lzma_check_size(checks[i].check);

            packed.data[check_at] ^= 1;
            snprintf(why, sizeof(why), "xz: block 1: %s (at byte %zu)", checks[i].name, check_at);
            check_refused(DECOMPRESS_XZ, &packed, -EINVAL, why);
        }
        free(packed.data);
    }
    free(data.data);
}

TEST(damage_is_noticed)
{
    struct buffer text = sample_make(SAMPLE_TEXT, 500);
    struct buffer code = sample_make(SAMPLE_CODE, 500);
    struct buffer a = xz_pack_simply(&text, LZMA_CHECK_CRC32, 0);
    struct buffer b = xz_pack_simply(&text, LZMA_CHECK_NONE, 200);
    struct buffer c = xz_pack_x86(&code, LZMA_CHECK_SHA256, 0, 0);

    check_robust(DECOMPRESS_XZ, &a, &text);
    check_robust(DECOMPRESS_XZ, &b, &text);
    check_robust(DECOMPRESS_XZ, &c, &code);
    free(a.data);
    free(b.data);
    free(c.data);
    free(code.data);
    free(text.data);
}

/* Near the end of all input a chunk goes on from a copy: only of what fits where it goes. */
TEST(chunk_that_promises_too_little_is_refused)
{
    struct buffer data = sample_make(SAMPLE_TEXT, 3000);
    const size_t chunk = 12 + 12; /* behind the headers of stream and block: control, size */
    struct buffer packed;
    struct unpacked u;

    memcpy(data.data, "0123456789", 10); /* no match reaches beyond these */
    packed = xz_pack_simply(&data, LZMA_CHECK_NONE, 0);
    assert_true(packed.data[chunk] >= 0x80);
    packed.data[chunk + 1] = 0;
    packed.data[chunk + 2] = 9;
    u = unpack(DECOMPRESS_XZ, packed.data, packed.len, data.len);
    assert_int_equal(u.rc, -EINVAL);
    assert_non_null(strstr(u.why, "xz: block 1: chunk's output ends before its input"));
    free(u.out);
    free(packed.data);
    free(data.data);
}

TEST(several_blocks_unpack)
{
    struct buffer data = sample_make(SAMPLE_MIXED, 300000);
    struct buffer packed = xz_pack_simply(&data, LZMA_CHECK_CRC32, 30001);
    struct buffer small = sample_make(SAMPLE_TEXT, 3000);
    struct buffer many = xz_pack_simply(&small, LZMA_CHECK_CRC64, 10);

    check_unpacks(DECOMPRESS_XZ, &packed, &data);
    check_streams_in_a_row(DECOMPRESS_XZ, &packed, &data);
    check_unpacks(DECOMPRESS_XZ, &many, &small);
    free(many.data);
    free(small.data);
    free(packed.data);
    free(data.data);
}

TEST(x86_filter_is_undone)
{
    for (int sample = 0; sample < SAMPLES; sample++) {
        struct buffer data = sample_make((enum sample)sample, 100000);
        struct buffer one = xz_pack_x86(&data, LZMA_CHECK_CRC32, 0, 0);
        struct buffer blocks = xz_pack_x86(&data, LZMA_CHECK_CRC32, 30001, 0);
        struct buffer later = xz_pack_x86(&data, LZMA_CHECK_CRC32, 0, 0x12345678);

        check_unpacks(DECOMPRESS_XZ, &one, &data);
        check_unpacks(DECOMPRESS_XZ, &blocks, &data);
        check_unpacks(DECOMPRESS_XZ, &later, &data);
        free(later.data);
        free(blocks.data);
        free(one.data);
        free(data.data);
    }
}

/* Opcodes and near top bytes as dense as they never are in programs: every rule of the filter. */
TEST(x86_filter_is_undone_where_opcodes_overlap)
{
    static const uint8_t bytes[] = { 0xE8, 0xE9, 0x00, 0xFF, 0x01, 0x7F };
    struct buffer data = sample_make(SAMPLE_ZEROS, 20000);
    uint64_t seed = 3;

    for (int round = 0; round < 15; round++) {
        struct buffer packed;

        for (size_t i = 0; i < data.len; i++) {
            data.data[i] = bytes[sample_random(&seed) % ARRAY_SIZE(bytes)];
        }
        packed = xz_pack_x86(&data, LZMA_CHECK_CRC32, 0, (uint32_t)round * 0x01234560);
        check_unpacks(DECOMPRESS_XZ, &packed, &data);
        free(packed.data);
    }
    free(data.data);
}

TEST(x86_filter_is_undone_at_the_very_end)
{
    for (size_t len = 0; len < 40; len++) {
        struct buffer data = sample_make(SAMPLE_ZEROS, len);
        struct buffer packed;

        memset(data.data, 0xE8, data.len);
        for (size_t i = 0; i < data.len; i++) {
            data.data[i] = i % 5 == len % 5 ? 0xE8 : 0x00;
        }
        packed = xz_pack_x86(&data, LZMA_CHECK_CRC32, 0, 0);
        check_unpacks(DECOMPRESS_XZ, &packed, &data);
        free(packed.data);
        free(data.data);
    }
}

TEST(stream_padding_is_skipped_between_streams)
{
    static uint8_t zeros[8];
    struct buffer padding = { zeros, sizeof(zeros) };
    struct buffer data = sample_make(SAMPLE_TEXT, 500);
    struct buffer packed = xz_pack_simply(&data, LZMA_CHECK_CRC32, 0);
    struct buffer padded = buffer_join(&packed, &padding);
    struct buffer streams = buffer_join(&padded, &packed);
    struct buffer twice = buffer_join(&data, &data);

    check_unpacks(DECOMPRESS_XZ, &streams, &twice);
    free(twice.data);
    free(streams.data);
    free(padded.data);
    free(packed.data);
    free(data.data);
}

TEST(other_filters_are_refused)
{
    lzma_options_lzma options;
    lzma_options_delta delta = { .type = LZMA_DELTA_TYPE_BYTE, .dist = 1 };
    lzma_filter arm[] = { { LZMA_FILTER_ARM, NULL },
                          { LZMA_FILTER_LZMA2, &options },
                          { LZMA_VLI_UNKNOWN, NULL } };
    lzma_filter with_delta[] = { { LZMA_FILTER_DELTA, &delta },
                                 { LZMA_FILTER_LZMA2, &options },
                                 { LZMA_VLI_UNKNOWN, NULL } };
    struct buffer data = sample_make(SAMPLE_TEXT, 500);
    struct buffer a, b;

    options_init(&options, 6);
    a = xz_pack(&data, arm, LZMA_CHECK_CRC32, 0);
    b = xz_pack(&data, with_delta, LZMA_CHECK_CRC32, 0);
    check_refused(DECOMPRESS_XZ, &a, -EOPNOTSUPP,
                  "xz: block 1: filters other than LZMA2, or x86 and LZMA2 (at byte 12)");
    check_refused(DECOMPRESS_XZ, &b, -EOPNOTSUPP,
                  "xz: block 1: filters other than LZMA2, or x86 and LZMA2 (at byte 12)");
    free(b.data);
    free(a.data);
    free(data.data);
}

TEST(errors_name_their_block)
{
    struct buffer data = sample_make(SAMPLE_TEXT, 600);
    struct buffer first_half = { data.data, 300 };
    struct buffer one = xz_pack_simply(&first_half, LZMA_CHECK_CRC32, 0);
    struct buffer two = xz_pack_simply(&data, LZMA_CHECK_CRC32, 300);
    size_t second = one.len - 12 - 12; /* both streams begin with the same block */
    char why[128];

    two.data[second + 8] ^= 1;
    snprintf(why, sizeof(why), "xz: block 2: bad header CRC32 (at byte %zu)", second);
    check_refused(DECOMPRESS_XZ, &two, -EINVAL, why);
    free(two.data);
    free(one.data);
    free(data.data);
}

TEST_MAIN(T(all_presets_unpack), T(all_literal_and_position_bits_unpack),
          T(all_checks_are_verified), T(damage_is_noticed),
          T(chunk_that_promises_too_little_is_refused), T(several_blocks_unpack),
          T(x86_filter_is_undone), T(x86_filter_is_undone_where_opcodes_overlap),
          T(x86_filter_is_undone_at_the_very_end), T(stream_padding_is_skipped_between_streams),
          T(other_filters_are_refused), T(errors_name_their_block))
