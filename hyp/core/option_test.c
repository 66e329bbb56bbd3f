#include "core/option.h"
#include <errno.h>
#include <string.h>
#include "core/console.h"
#include "core/log.h"
#include "hyp/arch/host/host.h"
#include "tests/unit.h"

static bool opt_flag, opt_other = true;
static unsigned int opt_number;
static uint64_t opt_bytes;
static char opt_word[8];
static char fn_value[64];
static int fn_rc;

OPTION_BOOL("flag", opt_flag);
OPTION_BOOL("no-such-luck", opt_other);
OPTION_UINT("number", opt_number);
OPTION_SIZE("bytes", opt_bytes);
OPTION_STRING("word", opt_word);

static int parse_fn(const char *value)
{
    strncpy(fn_value, value, sizeof(fn_value) - 1);
    return fn_rc;
}
OPTION_FN("fn", parse_fn, "anything at all");

static unsigned int twice;
static int parse_twice(const char *value)
{
    (void)value;
    twice++;
    return 0;
}
static int parse_again(const char *value)
{
    return parse_twice(value);
}
OPTION_FN("twice", parse_twice, "nothing");
OPTION_FN("twice", parse_again, "nothing");

static void parse(const char *cmdline)
{
    host_console_clear();
    option_parse(cmdline);
}

TEST(each_kind_takes_its_value)
{
    parse("flag number=42 bytes=2M word=hello fn=a,b=c");
    assert_true(opt_flag);
    assert_int_equal(opt_number, 42);
    assert_int_equal(opt_bytes, 2 << 20);
    assert_string_equal(opt_word, "hello");
    assert_string_equal(fn_value, "a,b=c");
    assert_string_equal(host_console_text(), "");
}

TEST(booleans_take_xens_words)
{
    static const char *const yes[] = { "flag",      "flag=yes",    "flag=on",
                                       "flag=true", "flag=enable", "flag=1" };
    static const char *const no[] = { "no-flag",    "flag=no",      "flag=off",
                                      "flag=false", "flag=disable", "flag=0" };

    for (unsigned int i = 0; i < ARRAY_SIZE(yes); i++) {
        opt_flag = false;
        parse(yes[i]);
        assert_true(opt_flag);
        parse(no[i]);
        assert_false(opt_flag);
    }
    assert_string_equal(host_console_text(), "");
}

TEST(a_name_that_begins_with_no_is_found_whole)
{
    parse("no-such-luck=off");
    assert_false(opt_other);
}

TEST(no_name_tells_a_parser_no)
{
    parse("no-fn");
    assert_string_equal(fn_value, "no");
    parse("fn");
    assert_string_equal(fn_value, "");
}

TEST(unknown_options_are_named_and_do_no_harm)
{
    opt_number = 7;
    parse("frobnicate=3 number=8 no-frobnicate");
    assert_int_equal(opt_number, 8);
    assert_non_null(strstr(host_console_text(), "\"frobnicate\""));
    assert_non_null(strstr(host_console_text(), "\"no-frobnicate\""));
}

TEST(a_bad_value_is_reported_with_what_was_expected_and_changes_nothing)
{
    static const char *const bad[] = {
        "number=", "number=x", "number=12x", "number=4294967296", "number=-1", "no-number",
        "bytes=1X", "bytes=99999999999T", "word=too-long-a-word", "flag=maybe", "no-flag=1",
    };

    opt_number = 7;
    opt_bytes = 9;
    opt_flag = true;
    strcpy(opt_word, "as-was");
    for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
        parse(bad[i]);
        assert_non_null(strstr(host_console_text(), "expected"));
        assert_int_equal(opt_number, 7);
        assert_int_equal(opt_bytes, 9);
        assert_true(opt_flag);
        assert_string_equal(opt_word, "as-was");
    }
    fn_rc = -EINVAL;
    parse("fn=q");
    fn_rc = 0;
    assert_non_null(strstr(host_console_text(), "anything at all"));
}

TEST(every_module_that_declares_a_name_is_told)
{
    twice = 0;
    parse("twice");
    assert_int_equal(twice, 2);
}

TEST(words_are_parted_by_any_space)
{
    parse("  number=1\tbytes=4k \n word=x  ");
    assert_int_equal(opt_number, 1);
    assert_int_equal(opt_bytes, 4096);
    assert_string_equal(opt_word, "x");
}

TEST(the_command_line_is_kept_and_cut_at_the_abis_length)
{
    static char longest[3000];

    parse("a b=c");
    assert_string_equal(option_cmdline(), "a b=c");
    memset(longest, 'x', sizeof(longest) - 1);
    parse(longest);
    assert_int_equal(strlen(option_cmdline()), 1023);
    assert_non_null(strstr(host_console_text(), "longer than"));
}

TEST(sizes_have_suffixes_and_count_kib_without)
{
    uint64_t v;
    const char *end;

    assert_int_equal(parse_size("3", &v, NULL), 0);
    assert_int_equal(v, 3 << 10);
    assert_int_equal(parse_size("3B", &v, NULL), 0);
    assert_int_equal(v, 3);
    assert_int_equal(parse_size("0x10k", &v, NULL), 0);
    assert_int_equal(v, 16 << 10);
    assert_int_equal(parse_size("1T", &v, NULL), 0);
    assert_int_equal(v, 1ULL << 40);
    assert_int_equal(parse_size("2G,max:4G", &v, &end), 0);
    assert_int_equal(v, 2ULL << 30);
    assert_string_equal(end, ",max:4G");
    assert_int_equal(parse_size("2G,", &v, NULL), -EINVAL);
    assert_int_equal(parse_size("", &v, NULL), -EINVAL);
    assert_int_equal(parse_size("16777216T", &v, NULL), -EINVAL);
}

TEST(numbers_do_not_overflow)
{
    uint64_t v;
    const char *end;

    assert_int_equal(parse_uint("18446744073709551615", &v, NULL), 0);
    assert_true(v == UINT64_MAX);
    assert_int_equal(parse_uint("18446744073709551616", &v, NULL), -EINVAL);
    assert_int_equal(parse_uint("0xffffffffffffffff", &v, NULL), 0);
    assert_int_equal(parse_uint("0x1ffffffffffffffff", &v, NULL), -EINVAL);
    assert_int_equal(parse_uint("0x", &v, &end), 0);
    assert_string_equal(end, "x");
}

static int setup(void **state)
{
    (void)state;
    return console_add(&host_console);
}

TEST_RUN(setup, NULL, T(each_kind_takes_its_value), T(booleans_take_xens_words),
         T(a_name_that_begins_with_no_is_found_whole), T(no_name_tells_a_parser_no),
         T(unknown_options_are_named_and_do_no_harm),
         T(a_bad_value_is_reported_with_what_was_expected_and_changes_nothing),
         T(every_module_that_declares_a_name_is_told), T(words_are_parted_by_any_space),
         T(the_command_line_is_kept_and_cut_at_the_abis_length),
         T(sizes_have_suffixes_and_count_kib_without), T(numbers_do_not_overflow))
