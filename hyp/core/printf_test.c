/* Formatting: compared with the C library's wherever the two must agree. */
#include <stdio.h>
#include <string.h>

/* The C library's, before log.h puts ours in its place. */
static int (*const libc_snprintf)(char *, size_t, const char *, ...) = snprintf;

#include "core/log.h"
#include "tests/unit.h"

#define SAME(...)                                                                                  \
    do {                                                                                           \
        char ours[128], theirs[128];                                                               \
        int n = snprintf(ours, sizeof(ours), __VA_ARGS__);                                         \
                                                                                                   \
        assert_int_equal(n, libc_snprintf(theirs, sizeof(theirs), __VA_ARGS__));                   \
        assert_string_equal(ours, theirs);                                                         \
    } while (0)

TEST(integers_agree_with_libc)
{
    SAME("%d %d %d %i", 0, -1, 2147483647, -2147483647 - 1);
    SAME("%u %x %X %o", 4294967295U, 0xdeadbeefU, 0xdeadbeefU, 8U);
    SAME("%ld %lu %lx", -1L, ~0UL, ~0UL);
    SAME("%lld %llu %llx", (long long)(-9223372036854775807LL - 1), ~0ULL, 1ULL << 63);
    SAME("%zu %zd %jd %td", (size_t)-1, (ssize_t)-1, (intmax_t)-5, (ptrdiff_t)-6);
    SAME("%hd %hu %hhd %hhu", (short)-1, (unsigned short)65535, (signed char)-1,
         (unsigned char)255);
}

TEST(width_precision_and_flags_agree_with_libc)
{
    SAME("[%5d] [%-5d] [%05d] [%+d] [% d]", 42, 42, 42, 42, 42);
    SAME("[%05d] [%+05d] [%.3d] [%8.3d] [%-8.3d]", -42, 42, 7, 7, -7);
    SAME("[%#x] [%#010x] [%#x] [%16lx] [%016lx]", 255U, 255U, 0U, 255UL, 255UL);
    SAME("[%.0d] [%.0d] [%*d] [%-*d]", 0, 1, 6, 42, 6, 42);
    SAME("[%*d]", -6, 42);
}

TEST(strings_agree_with_libc)
{
    SAME("[%s] [%10s] [%-10s] [%.2s] [%10.2s]", "abc", "abc", "abc", "abc", "abc");
    SAME("[%.*s] [%c] [%3c] [%-3c] 100%%", 2, "abcdef", 'x', 'y', 'z');
    SAME("[%s]", "");
}

TEST(precision_keeps_from_reading_past_an_unterminated_string)
{
    const char three[3] = { 'a', 'b', 'c' };
    char out[16];

    assert_int_equal(snprintf(out, sizeof(out), "%.3s|", three), 4);
    assert_string_equal(out, "abc|");
}

TEST(pointers_are_sixteen_digits)
{
    char out[64];

    assert_int_equal(snprintf(out, sizeof(out), "%p", (void *)0x1234UL), 16);
    assert_string_equal(out, "0000000000001234");
}

TEST(unknown_symbols_are_plain_addresses)
{
    char out[64];

    snprintf(out, sizeof(out), "%pS", (void *)0x1234UL);
    assert_string_equal(out, "0000000000001234");
}

TEST(text_that_does_not_fit_is_cut_and_counted)
{
    char out[5] = "....";

    assert_int_equal(snprintf(out, 4, "%s", "abcdef"), 6);
    assert_string_equal(out, "abc");
    assert_int_equal(out[4], '\0');
    assert_int_equal(snprintf(NULL, 0, "%d", 12345), 5);
    assert_int_equal(snprintf(out, 1, "x"), 1);
    assert_string_equal(out, "");
}

/* A format that the compiler cannot check, and would refuse. */
static int format(char *to, size_t room, const char *fmt, ...)
{
    va_list args;
    int n;

    va_start(args, fmt);
    n = vsnprintf(to, room, fmt, args);
    va_end(args);
    return n;
}

TEST(what_is_not_known_is_shown_as_it_is)
{
    const char *const fmt = "%q %";
    char out[16];

    assert_int_equal(format(out, sizeof(out), fmt), 3);
    assert_string_equal(out, "%q ");
}

TEST(no_string_is_named_so)
{
    const char *volatile none = NULL;
    char out[16];

    snprintf(out, sizeof(out), "%s", none);
    assert_string_equal(out, "(null)");
}

TEST_MAIN(T(integers_agree_with_libc), T(width_precision_and_flags_agree_with_libc),
          T(strings_agree_with_libc),
          T(precision_keeps_from_reading_past_an_unterminated_string),
          T(pointers_are_sixteen_digits), T(unknown_symbols_are_plain_addresses),
          T(text_that_does_not_fit_is_cut_and_counted), T(what_is_not_known_is_shown_as_it_is),
          T(no_string_is_named_so))
