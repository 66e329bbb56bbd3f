/* zstd against libzstd. */
#include "samples.h"

struct settings {
    int level;
    int checksum, content_size;
    int window_log; /* 0: the library's choice */
};

static struct buffer zstd_pack(const struct buffer *data, struct settings settings)
{
    ZSTD_CCtx *z = ZSTD_createCCtx();
    struct buffer packed = { malloc(ZSTD_compressBound(data->len)), 0 };

    assert_non_null(z);
    assert_false(ZSTD_isError(ZSTD_CCtx_setParameter(z, ZSTD_c_compressionLevel, settings.level)));
    assert_false(ZSTD_isError(ZSTD_CCtx_setParameter(z, ZSTD_c_checksumFlag, settings.checksum)));
    assert_false(
        ZSTD_isError(ZSTD_CCtx_setParameter(z, ZSTD_c_contentSizeFlag, settings.content_size)));
    if (settings.window_log) {
        assert_false(
            ZSTD_isError(ZSTD_CCtx_setParameter(z, ZSTD_c_windowLog, settings.window_log)));
    }
    packed.len =
        ZSTD_compress2(z, packed.data, ZSTD_compressBound(data->len), data->data, data->len);
    assert_false(ZSTD_isError(packed.len));
    ZSTD_freeCCtx(z);
    return packed;
}

TEST(all_levels_unpack)
{
    for (int sample = 0; sample < SAMPLES; sample++) {
        struct buffer data = sample_make((enum sample)sample, 140000);

        for (int level = -3; level <= 22; level++) {
            struct settings settings = { level, level % 2, level % 3 != 0, 0 };
            struct buffer packed = zstd_pack(&data, settings);

            check_unpacks(DECOMPRESS_ZSTD, &packed, &data);
            free(packed.data);
        }
        free(data.data);
    }
}

TEST(all_window_sizes_unpack)
{
    struct buffer data = sample_make(SAMPLE_CODE, 200000);

    for (int window_log = 10; window_log <= 27; window_log++) {
        struct buffer packed = zstd_pack(&data, (struct settings){ 5, 1, 0, window_log });

        check_unpacks(DECOMPRESS_ZSTD, &packed, &data);
        free(packed.data);
    }
    free(data.data);
}

/* From a few bytes to several blocks: all forms of the sections' headers. */
TEST(all_sizes_unpack)
{
    static const size_t sizes[] = { 1,      5,      20,     31,    32,    64,    255,
                                    256,    257,    1000,   1024,  4095,  4096,  5000,
                                    16383,  16384,  16400,  20000, 65536, 65792, 100000,
                                    131072, 131073, 262144, 500000 };

    for (int sample = SAMPLE_ZEROS; sample < SAMPLES; sample++) {
        for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
            struct buffer data = sample_make((enum sample)sample, sizes[i]);
            struct buffer packed = zstd_pack(&data, (struct settings){ 3, 1, 1, 0 });

            check_unpacks(DECOMPRESS_ZSTD, &packed, &data);
            free(packed.data);
            free(data.data);
        }
    }
}

TEST(damage_is_noticed)
{
    static const struct settings settings[] = { { 19, 1, 1, 0 }, { 1, 0, 0, 0 }, { -5, 1, 0, 0 } };

    for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
        struct buffer data = sample_make(i == 0 ? SAMPLE_TEXT : SAMPLE_MIXED, 700);
        struct buffer packed = zstd_pack(&data, settings[i]);

        check_robust(DECOMPRESS_ZSTD, &packed, &data);
        free(packed.data);
        free(data.data);
    }
}

TEST(skippable_frames_are_skipped)
{
    static uint8_t skippable[] = { 0x53, 0x2A, 0x4D, 0x18, 3, 0, 0, 0, 'a', 'b', 'c' };
    struct buffer skip = { skippable, sizeof(skippable) };
    struct buffer data = sample_make(SAMPLE_TEXT, 500);
    struct buffer packed = zstd_pack(&data, (struct settings){ 3, 1, 1, 0 });
    struct buffer skipped = buffer_join(&packed, &skip);
    struct buffer frames = buffer_join(&skipped, &packed);
    struct buffer twice = buffer_join(&data, &data);

    check_unpacks(DECOMPRESS_ZSTD, &frames, &twice);
    free(twice.data);
    free(frames.data);
    free(skipped.data);
    free(packed.data);
    free(data.data);
}

TEST(dictionaries_are_refused)
{
    static uint8_t frame[] = { 0x28, 0xB5, 0x2F, 0xFD, 0x01, 0x50, 0x07, 0x01, 0x00, 0x00 };
    struct buffer packed = { frame, sizeof(frame) };

    check_refused(DECOMPRESS_ZSTD, &packed, -EOPNOTSUPP, "zstd: needs a dictionary (at byte 7)");
    frame[6] = 0; /* dictionary 0 is none */
    check_refused(DECOMPRESS_ZSTD, &(struct buffer){ frame, 9 }, -EINVAL,
                  "zstd: block 1: cut short (at byte 7)");
}

TEST(errors_say_what_and_where)
{
    struct buffer data = sample_make(SAMPLE_TEXT, 300000);
    struct buffer packed = zstd_pack(&data, (struct settings){ 3, 1, 1, 0 });
    char why[128];

    packed.data[packed.len - 1] ^= 1;
    snprintf(why, sizeof(why), "zstd: bad content checksum (at byte %zu)", packed.len - 4);
    check_refused(DECOMPRESS_ZSTD, &packed, -EINVAL, why);
    packed.data[4] |= 0x08;
    check_refused(DECOMPRESS_ZSTD, &packed, -EOPNOTSUPP, "zstd: unknown frame flags (at byte 0)");
    free(packed.data);
    free(data.data);
}

TEST(content_that_claims_too_much_is_refused_early)
{
    static uint8_t frame[] = { 0x28, 0xB5, 0x2F, 0xFD, 0xC0, 0x50, 0xFF,
                               0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF };
    struct buffer packed = { frame, sizeof(frame) };

    check_refused(DECOMPRESS_ZSTD, &packed, -ENOSPC,
                  "zstd: more data than the output buffer holds (at byte 14)");
}

TEST_MAIN(T(all_levels_unpack), T(all_window_sizes_unpack), T(all_sizes_unpack),
          T(damage_is_noticed), T(skippable_frames_are_skipped), T(dictionaries_are_refused),
          T(errors_say_what_and_where), T(content_that_claims_too_much_is_refused_early))
