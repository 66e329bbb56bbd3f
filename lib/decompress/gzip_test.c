/* gzip against zlib. */
#include "samples.h"

static struct buffer gzip_pack(const struct buffer *data, int level, int strategy,
                               gz_header *header)
{
    z_stream z = { 0 };
    struct buffer packed;

    assert_int_equal(deflateInit2(&z, level, Z_DEFLATED, 31, 9, strategy), Z_OK);
    if (header) {
        assert_int_equal(deflateSetHeader(&z, header), Z_OK);
    }
    packed.len = data->len + data->len / 4 + 1000;
    packed.data = malloc(packed.len);
    z.next_in = data->data;
    z.avail_in = (uInt)data->len;
    z.next_out = packed.data;
    z.avail_out = (uInt)packed.len;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    packed.len = z.total_out;
    assert_int_equal(deflateEnd(&z), Z_OK);
    return packed;
}

TEST(all_levels_and_strategies_unpack)
{
    for (int sample = 0; sample < SAMPLES; sample++) {
        struct buffer data = sample_make((enum sample)sample, 50000);

        for (int level = 0; level <= 9; level++) {
            for (int strategy = Z_DEFAULT_STRATEGY; strategy <= Z_FIXED; strategy++) {
                struct buffer packed = gzip_pack(&data, level, strategy, NULL);

                check_unpacks(DECOMPRESS_GZIP, &packed, &data);
                free(packed.data);
            }
        }
        free(data.data);
    }
}

TEST(damage_is_noticed)
{
    static const int strategies[] = { Z_DEFAULT_STRATEGY, Z_HUFFMAN_ONLY, Z_FIXED };

    for (size_t i = 0; i < ARRAY_SIZE(strategies); i++) {
        struct buffer data = sample_make(i == 0 ? SAMPLE_TEXT : SAMPLE_MIXED, 600);
        struct buffer packed = gzip_pack(&data, 9, strategies[i], NULL);

        check_robust(DECOMPRESS_GZIP, &packed, &data);
        free(packed.data);
        free(data.data);
    }
}

TEST(stored_blocks_unpack_and_their_damage_is_noticed)
{
    struct buffer data = sample_make(SAMPLE_RANDOM, 300);
    struct buffer packed = gzip_pack(&data, 0, Z_DEFAULT_STRATEGY, NULL);

    check_robust(DECOMPRESS_GZIP, &packed, &data);
    free(packed.data);
    free(data.data);
}

TEST(all_header_fields_are_skipped)
{
    static uint8_t extra[] = "AB\x02\0xy", name[] = "vmlinux", comment[] = "a comment";
    gz_header header = {
        .extra = extra, .extra_len = 6, .name = name, .comment = comment, .hcrc = 1, .os = 3
    };
    struct buffer data = sample_make(SAMPLE_TEXT, 300);
    struct buffer packed = gzip_pack(&data, 6, Z_DEFAULT_STRATEGY, &header);

    check_robust(DECOMPRESS_GZIP, &packed, &data);
    packed.data[4] ^= 1; /* the time, which only the header's CRC covers */
    check_refused(DECOMPRESS_GZIP, &packed, -EINVAL,
                  "gzip: member 1: bad CRC of the header (at byte 36)");
    free(packed.data);
    free(data.data);
}

TEST(errors_say_what_and_where)
{
    struct buffer data = sample_make(SAMPLE_TEXT, 300);
    struct buffer packed = gzip_pack(&data, 6, Z_DEFAULT_STRATEGY, NULL);
    char why[128];

    packed.data[packed.len - 1] ^= 1;
    snprintf(why, sizeof(why), "gzip: member 1: length differs from the trailer's (at byte %zu)",
             packed.len - 8);
    check_refused(DECOMPRESS_GZIP, &packed, -EINVAL, why);
    packed.data[packed.len - 8] ^= 1;
    snprintf(why, sizeof(why), "gzip: member 1: bad CRC32 (at byte %zu)", packed.len - 8);
    check_refused(DECOMPRESS_GZIP, &packed, -EINVAL, why);
    packed.data[3] = 0x80;
    check_refused(DECOMPRESS_GZIP, &packed, -EOPNOTSUPP,
                  "gzip: member 1: unknown header flags (at byte 0)");
    packed.data[2] = 7;
    check_refused(DECOMPRESS_GZIP, &packed, -EOPNOTSUPP,
                  "gzip: member 1: unknown compression method (at byte 0)");
    free(packed.data);
    free(data.data);
}

TEST(matches_do_not_reach_into_the_member_before)
{
    /* A fixed block whose first symbol is a match of 3 bytes at distance 1. */
    static uint8_t header[] = { 0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3,
                                0x03, 0x02, 0, 0, 0, 0, 0, 0, 0, 0 };
    struct buffer bad = { header, sizeof(header) };
    struct buffer data = sample_make(SAMPLE_TEXT, 30);
    struct buffer packed = gzip_pack(&data, 6, Z_DEFAULT_STRATEGY, NULL);
    struct buffer both = buffer_join(&packed, &bad);
    char why[128];

    snprintf(why, sizeof(why), "gzip: member 2: match reaches back beyond the start (at byte %zu)",
             packed.len + 12);
    check_refused(DECOMPRESS_GZIP, &both, -EINVAL, why);
    free(both.data);
    free(packed.data);
    free(data.data);
}

TEST_MAIN(T(all_levels_and_strategies_unpack), T(damage_is_noticed),
          T(stored_blocks_unpack_and_their_damage_is_noticed), T(all_header_fields_are_skipped),
          T(errors_say_what_and_where), T(matches_do_not_reach_into_the_member_before))
