/* What decompress() says of itself, and the checksums by their published values. */
#include "samples.h"

#include "checksum.h"

TEST(each_format_is_known_by_its_first_bytes)
{
    assert_int_equal(decompress_probe("\x1F\x8B\x08", 3), DECOMPRESS_GZIP);
    assert_int_equal(decompress_probe("\xFD"
                                      "7zXZ\0",
                                      6),
                     DECOMPRESS_XZ);
    assert_int_equal(decompress_probe("\x28\xB5\x2F\xFD", 4), DECOMPRESS_ZSTD);
    assert_int_equal(decompress_probe("\x02\x21\x4C\x18", 4), DECOMPRESS_LZ4);
    assert_int_equal(decompress_probe("\x04\x22\x4D\x18", 4), DECOMPRESS_LZ4);
}

TEST(other_data_has_no_format)
{
    assert_int_equal(decompress_probe("", 0), DECOMPRESS_NONE);
    assert_int_equal(decompress_probe("\x7F"
                                      "ELF",
                                      4),
                     DECOMPRESS_NONE);
    assert_int_equal(decompress_probe("BZh9", 4), DECOMPRESS_NONE);
    assert_int_equal(decompress_probe("\x5D\0\0\x80\0", 5), DECOMPRESS_NONE);
    assert_int_equal(decompress_probe("\x89LZO", 4), DECOMPRESS_NONE);
    assert_int_equal(decompress_probe("\xFD"
                                      "7zX",
                                      4),
                     DECOMPRESS_NONE);
}

TEST(each_format_has_a_name)
{
    assert_string_equal(decompress_name(DECOMPRESS_NONE), "unknown");
    assert_string_equal(decompress_name(DECOMPRESS_GZIP), "gzip");
    assert_string_equal(decompress_name(DECOMPRESS_XZ), "xz");
    assert_string_equal(decompress_name(DECOMPRESS_ZSTD), "zstd");
    assert_string_equal(decompress_name(DECOMPRESS_LZ4), "lz4");
    assert_string_equal(decompress_name((enum decompress_kind)99), "unknown");
}

TEST(unknown_format_is_refused)
{
    struct buffer in = { (uint8_t *)"BZh9", 4 };

    check_refused(DECOMPRESS_NONE, &in, -EOPNOTSUPP, "unknown compression");
    check_refused((enum decompress_kind)99, &in, -EOPNOTSUPP, "unknown compression");
}

TEST(other_formats_data_is_refused)
{
    struct buffer in = { (uint8_t *)"\x7F"
                                    "ELF, and more of it",
                         20 };

    check_refused(DECOMPRESS_GZIP, &in, -EINVAL, "gzip: member 1: bad magic number (at byte 0)");
    check_refused(DECOMPRESS_XZ, &in, -EINVAL, "xz: bad magic number (at byte 0)");
    check_refused(DECOMPRESS_ZSTD, &in, -EINVAL, "zstd: bad magic number (at byte 0)");
    check_refused(DECOMPRESS_LZ4, &in, -EINVAL, "lz4: bad magic number (at byte 0)");
}

static const uint8_t digits[] = "123456789";

TEST(crc32_is_that_of_ieee_802_3)
{
    static struct crc32 c;

    crc32_init(&c);
    assert_int_equal(crc32_of(&c, digits, 9), 0xCBF43926);
    assert_int_equal(crc32_of(&c, digits, 0), 0);
}

TEST(crc64_is_that_of_ecma_182)
{
    static struct crc64 c;

    crc64_init(&c);
    assert_true(crc64_of(&c, digits, 9) == 0x995DC9BBDF1939FAULL);
}

TEST(sha256_is_that_of_fips_180)
{
    static const uint8_t abc[] = { 0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40,
                                   0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17,
                                   0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad };
    static const uint8_t two_blocks[] = { 0x24, 0x8d, 0x6a, 0x61, 0xd2, 0x06, 0x38, 0xb8,
                                          0xe5, 0xc0, 0x26, 0x93, 0x0c, 0x3e, 0x60, 0x39,
                                          0xa3, 0x3c, 0xe4, 0x59, 0x64, 0xff, 0x21, 0x67,
                                          0xf6, 0xec, 0xed, 0xd4, 0x19, 0xdb, 0x06, 0xc1 };
    uint8_t digest[SHA256_SIZE];

    sha256_of((const uint8_t *)"abc", 3, digest);
    assert_memory_equal(digest, abc, sizeof(abc));
    sha256_of((const uint8_t *)"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56,
              digest);
    assert_memory_equal(digest, two_blocks, sizeof(two_blocks));
}

TEST(xxhash_of_nothing_is_as_published)
{
    assert_int_equal(xxh32_of(digits, 0), 0x02CC5D05);
    assert_true(xxh64_of(digits, 0) == 0xEF46DB3751D8E999ULL);
}

TEST_MAIN(T(each_format_is_known_by_its_first_bytes), T(other_data_has_no_format),
          T(each_format_has_a_name), T(unknown_format_is_refused), T(other_formats_data_is_refused),
          T(crc32_is_that_of_ieee_802_3), T(crc64_is_that_of_ecma_182),
          T(sha256_is_that_of_fips_180), T(xxhash_of_nothing_is_as_published))
