/* lz4 against liblz4. */
#include <lz4hc.h>

#include "samples.h"

#define LEGACY_BLOCK (8UL << 20)

static struct buffer frame_pack(const struct buffer *data, const LZ4F_preferences_t *preferences)
{
    size_t room = LZ4F_compressFrameBound(data->len, preferences);
    struct buffer packed = { malloc(room), 0 };

    packed.len = LZ4F_compressFrame(packed.data, room, data->data, data->len, preferences);
    assert_false(LZ4F_isError(packed.len));
    return packed;
}

static void store_le32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++) {
        p[i] = (uint8_t)(v >> (8 * i));
    }
}

/* What `lz4 -l` makes, and with it the kernel's build. */
static struct buffer legacy_pack(const struct buffer *data, int level)
{
    size_t room = data->len + data->len / 200 + 4096;
    struct buffer packed = { malloc(room), 4 };
    size_t at = 0;

    store_le32(packed.data, 0x184C2102);
    do {
        size_t len = MIN(LEGACY_BLOCK, data->len - at);
        int r = LZ4_compress_HC((const char *)data->data + at, (char *)packed.data + packed.len + 4,
                                (int)len, (int)(room - packed.len - 4), level);

        assert_true(r > 0);
        store_le32(packed.data + packed.len, (uint32_t)r);
        packed.len += 4 + (size_t)r;
        at += len;
    } while (at < data->len);
    return packed;
}

TEST(all_frame_settings_unpack)
{
    for (int sample = 0; sample < SAMPLES; sample++) {
        struct buffer data = sample_make((enum sample)sample, 70000);

        for (int bits = 0; bits < 128; bits++) {
            LZ4F_preferences_t preferences = {
                .frameInfo = {
                    .blockSizeID = (LZ4F_blockSizeID_t)(LZ4F_max64KB + (bits & 3)),
                    .blockMode = bits & 4 ? LZ4F_blockIndependent : LZ4F_blockLinked,
                    .contentChecksumFlag = bits & 8 ? LZ4F_contentChecksumEnabled
                                                    : LZ4F_noContentChecksum,
                    .blockChecksumFlag = bits & 16 ? LZ4F_blockChecksumEnabled
                                                   : LZ4F_noBlockChecksum,
                    .contentSize = bits & 32 ? data.len : 0,
                },
                .compressionLevel = bits & 64 ? 9 : 0,
            };
            struct buffer packed = frame_pack(&data, &preferences);

            check_unpacks(DECOMPRESS_LZ4, &packed, &data);
            free(packed.data);
        }
        free(data.data);
    }
}

TEST(legacy_frames_unpack)
{
    for (int sample = SAMPLE_BYTE; sample < SAMPLES; sample++) {
        struct buffer data = sample_make((enum sample)sample, 70000);

        for (int level = 1; level <= 12; level++) {
            struct buffer packed = legacy_pack(&data, level);

            check_unpacks(DECOMPRESS_LZ4, &packed, &data);
            free(packed.data);
        }
        free(data.data);
    }
}

/* Behind a block of full size another may follow, or a kernel's size word, or nothing. */
TEST(legacy_frames_of_many_blocks_unpack)
{
    static const size_t sizes[] = { LEGACY_BLOCK - 1, LEGACY_BLOCK, LEGACY_BLOCK + 1,
                                    2 * LEGACY_BLOCK };

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        struct buffer data = sample_make(SAMPLE_PERIOD, sizes[i]);
        struct buffer packed = legacy_pack(&data, 3);

        check_unpacks(DECOMPRESS_LZ4, &packed, &data);
        free(packed.data);
        free(data.data);
    }
}

TEST(damage_is_noticed)
{
    LZ4F_preferences_t preferences = {
        .frameInfo = { .contentChecksumFlag = LZ4F_contentChecksumEnabled,
                       .blockChecksumFlag = LZ4F_blockChecksumEnabled },
        .compressionLevel = 9,
    };
    struct buffer data = sample_make(SAMPLE_MIXED, 600);
    struct buffer framed = frame_pack(&data, &preferences);
    struct buffer bare = frame_pack(&data, NULL);
    struct buffer legacy = legacy_pack(&data, 9);

    check_robust(DECOMPRESS_LZ4, &framed, &data);
    check_robust(DECOMPRESS_LZ4, &bare, &data);
    check_robust(DECOMPRESS_LZ4, &legacy, &data);
    free(legacy.data);
    free(bare.data);
    free(framed.data);
    free(data.data);
}

TEST(skippable_frames_are_skipped)
{
    static uint8_t skippable[] = { 0x50, 0x2A, 0x4D, 0x18, 3, 0, 0, 0, 'a', 'b', 'c' };
    struct buffer skip = { skippable, sizeof(skippable) };
    struct buffer data = sample_make(SAMPLE_TEXT, 500);
    struct buffer packed = frame_pack(&data, NULL);
    struct buffer skipped = buffer_join(&packed, &skip);
    struct buffer frames = buffer_join(&skipped, &packed);
    struct buffer twice = buffer_join(&data, &data);

    check_unpacks(DECOMPRESS_LZ4, &frames, &twice);
    free(twice.data);
    free(frames.data);
    free(skipped.data);
    free(packed.data);
    free(data.data);
}

TEST(dictionaries_are_refused)
{
    LZ4F_preferences_t preferences = { .frameInfo = { .dictID = 7 } };
    struct buffer data = sample_make(SAMPLE_TEXT, 500);
    struct buffer packed = frame_pack(&data, &preferences);

    check_refused(DECOMPRESS_LZ4, &packed, -EOPNOTSUPP, "lz4: needs a dictionary (at byte 4)");
    free(packed.data);
    free(data.data);
}

TEST(errors_say_what_and_where)
{
    LZ4F_preferences_t preferences = {
        .frameInfo = { .blockSizeID = LZ4F_max64KB,
                       .blockChecksumFlag = LZ4F_blockChecksumEnabled,
                       .contentChecksumFlag = LZ4F_contentChecksumEnabled },
    };
    struct buffer data = sample_make(SAMPLE_TEXT, 100000);
    struct buffer packed = frame_pack(&data, &preferences);
    uint32_t first_len = packed.data[7] | (uint32_t)packed.data[8] << 8;
    char why[128];

    packed.data[packed.len - 1] ^= 1;
    snprintf(why, sizeof(why), "lz4: bad content checksum (at byte %zu)", packed.len - 4);
    check_refused(DECOMPRESS_LZ4, &packed, -EINVAL, why);
    packed.data[packed.len - 4 - 4 - 1] ^= 1;
    snprintf(why, sizeof(why), "lz4: block 2: bad block checksum (at byte %u)",
             7 + 4 + first_len + 4 + 4);
    check_refused(DECOMPRESS_LZ4, &packed, -EINVAL, why);
    packed.data[6] ^= 1;
    check_refused(DECOMPRESS_LZ4, &packed, -EINVAL, "lz4: bad header checksum (at byte 4)");
    packed.data[4] ^= 0x80;
    check_refused(DECOMPRESS_LZ4, &packed, -EOPNOTSUPP, "lz4: unknown frame version (at byte 4)");
    free(packed.data);
    free(data.data);
}

TEST_MAIN(T(all_frame_settings_unpack), T(legacy_frames_unpack),
          T(legacy_frames_of_many_blocks_unpack), T(damage_is_noticed),
          T(skippable_frames_are_skipped), T(dictionaries_are_refused),
          T(errors_say_what_and_where))
