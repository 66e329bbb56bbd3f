/* A bzImage made by hand, whole and then broken in every place. */
#include <lodge/kernel_image.h>
#include <lodge/string.h>
#include <lodge/types.h>
#include "unit.h"

#include <errno.h>
#include <stdlib.h>

#define SETUP_SECTS    0x1f1
#define HEADER_MAGIC   0x202
#define VERSION        0x206
#define PAYLOAD_OFFSET 0x248
#define PAYLOAD_LENGTH 0x24c
#define HEADER_END     0x250

#define SETUP_BYTES   (5 * 512UL) /* boot sector and four more */
#define PAYLOAD_AT    (SETUP_BYTES + 0x40)
#define PAYLOAD_BYTES 100UL
#define BZIMAGE_BYTES (PAYLOAD_AT + PAYLOAD_BYTES + 10)

static void put16(uint8_t *at, uint16_t v)
{
    memcpy(at, &v, sizeof(v));
}

static void put32(uint8_t *at, uint32_t v)
{
    memcpy(at, &v, sizeof(v));
}

static uint8_t *bzimage_make(void)
{
    uint8_t *p = calloc(1, BZIMAGE_BYTES);

    assert_non_null(p);
    p[SETUP_SECTS] = 4;
    memcpy(p + HEADER_MAGIC, "HdrS", 4);
    put16(p + VERSION, 0x20f);
    put32(p + PAYLOAD_OFFSET, PAYLOAD_AT - SETUP_BYTES);
    put32(p + PAYLOAD_LENGTH, PAYLOAD_BYTES);
    put32(p + PAYLOAD_AT + PAYLOAD_BYTES - 4, 0x123456);
    return p;
}

struct payload {
    const void *data;
    size_t len, unpacked;
    const char *why;
};

static int bzimage_open(const uint8_t *p, size_t len, struct payload *out)
{
    *out = (struct payload){ .why = NULL };
    return bzimage_payload(p, len, &out->data, &out->len, &out->unpacked, &out->why);
}

/* A copy as long as it says, so that a byte read behind it is seen. */
static int bzimage_cut(const uint8_t *p, size_t len, struct payload *out)
{
    uint8_t *copy = malloc(len ? len : 1);
    int rc;

    assert_non_null(copy);
    memcpy(copy, p, len);
    rc = bzimage_open(copy, len, out);
    free(copy);
    return rc;
}

TEST(payload_of_a_bzimage_is_where_its_header_says)
{
    uint8_t *p = bzimage_make();
    struct payload out;

    assert_int_equal(bzimage_open(p, BZIMAGE_BYTES, &out), 0);
    assert_ptr_equal(out.data, p + PAYLOAD_AT);
    assert_int_equal(out.len, PAYLOAD_BYTES);
    assert_int_equal(out.unpacked, 0x123456);
    free(p);
}

TEST(setup_of_no_sectors_has_four)
{
    uint8_t *p = bzimage_make();
    struct payload out;

    p[SETUP_SECTS] = 0;
    assert_int_equal(bzimage_open(p, BZIMAGE_BYTES, &out), 0);
    assert_ptr_equal(out.data, p + PAYLOAD_AT);
    free(p);
}

TEST(truncated_bzimage_is_refused_wherever_it_ends)
{
    uint8_t *p = bzimage_make();
    struct payload out;

    for (size_t len = 0; len < PAYLOAD_AT + PAYLOAD_BYTES; len++) {
        int rc = bzimage_cut(p, len, &out);

        assert_int_equal(rc, len < VERSION ? -ENOENT : -EINVAL);
        assert_true(rc == -ENOENT || out.why);
    }
    assert_int_equal(bzimage_cut(p, PAYLOAD_AT + PAYLOAD_BYTES, &out), 0);
    free(p);
}

TEST(other_files_are_no_bzimage)
{
    uint8_t *p = bzimage_make();
    struct payload out;

    p[HEADER_MAGIC] = 'h';
    assert_int_equal(bzimage_open(p, BZIMAGE_BYTES, &out), -ENOENT);
    free(p);
}

TEST(bzimage_without_payload_fields_is_refused)
{
    uint8_t *p = bzimage_make();
    struct payload out;

    put16(p + VERSION, 0x207);
    assert_int_equal(bzimage_open(p, BZIMAGE_BYTES, &out), -EINVAL);
    assert_non_null(strstr(out.why, "2.08"));
    put16(p + VERSION, 0x208);
    assert_int_equal(bzimage_open(p, BZIMAGE_BYTES, &out), 0);
    free(p);
}

TEST(payload_outside_of_the_file_is_refused)
{
    static const uint32_t absurd[] = { 0x7fffffff, 0x80000000, 0xfffffffc, 0xffffffff };
    struct payload out;

    for (size_t i = 0; i < ARRAY_SIZE(absurd); i++) {
        uint8_t *p = bzimage_make();

        put32(p + PAYLOAD_OFFSET, absurd[i]);
        assert_int_equal(bzimage_open(p, BZIMAGE_BYTES, &out), -EINVAL);
        put32(p + PAYLOAD_OFFSET, PAYLOAD_AT - SETUP_BYTES);
        put32(p + PAYLOAD_LENGTH, absurd[i]);
        assert_int_equal(bzimage_open(p, BZIMAGE_BYTES, &out), -EINVAL);
        put32(p + PAYLOAD_LENGTH, 3); /* not even a size */
        assert_int_equal(bzimage_open(p, BZIMAGE_BYTES, &out), -EINVAL);
        put32(p + PAYLOAD_LENGTH, PAYLOAD_BYTES);
        p[SETUP_SECTS] = 255;
        assert_int_equal(bzimage_open(p, BZIMAGE_BYTES, &out), -EINVAL);
        free(p);
    }
}

TEST_MAIN(T(payload_of_a_bzimage_is_where_its_header_says), T(setup_of_no_sectors_has_four),
          T(truncated_bzimage_is_refused_wherever_it_ends), T(other_files_are_no_bzimage),
          T(bzimage_without_payload_fields_is_refused), T(payload_outside_of_the_file_is_refused))
