#include <lodge/rangeset.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "tests/unit.h"

static bool out_of_memory;

static void *test_alloc(size_t size)
{
    return out_of_memory ? NULL : calloc(1, size);
}

static const struct rangeset_memory memory = { test_alloc, free };

static int count_range(uint64_t start, uint64_t end, void *arg)
{
    (void)start;
    (void)end;
    ++*(unsigned int *)arg;
    return 0;
}

static unsigned int nr_ranges(const struct rangeset *s)
{
    unsigned int n = 0;

    assert_int_equal(rangeset_for_each(s, count_range, &n), 0);
    return n;
}

TEST(an_empty_set_contains_nothing)
{
    struct rangeset *s = rangeset_new(&memory);

    assert_true(rangeset_empty(s));
    assert_false(rangeset_contains(s, 0, 1));
    assert_false(rangeset_overlaps(s, 0, UINT64_MAX));
    assert_false(rangeset_contains(NULL, 0, 1));
    rangeset_free(s);
}

TEST(adjacent_ranges_become_one)
{
    struct rangeset *s = rangeset_new(&memory);

    assert_int_equal(rangeset_add(s, 10, 20), 0);
    assert_int_equal(rangeset_add(s, 30, 40), 0);
    assert_int_equal(rangeset_add(s, 20, 30), 0);
    assert_int_equal(nr_ranges(s), 1);
    assert_int_equal(rangeset_count(s), 1);
    assert_int_equal(rangeset_count(NULL), 0);
    assert_true(rangeset_contains(s, 10, 40));
    assert_false(rangeset_contains(s, 9, 40));
    assert_false(rangeset_contains(s, 10, 41));
    rangeset_free(s);
}

TEST(removing_the_middle_leaves_both_ends)
{
    struct rangeset *s = rangeset_new(&memory);

    assert_int_equal(rangeset_add(s, 0, UINT64_MAX), 0);
    assert_int_equal(rangeset_remove(s, 0xcf8, 0xd00), 0);
    assert_true(rangeset_contains(s, 0, 0xcf8));
    assert_true(rangeset_contains(s, 0xd00, UINT64_MAX));
    assert_false(rangeset_overlaps(s, 0xcf8, 0xd00));
    assert_true(rangeset_overlaps(s, 0xcf7, 0xd00));
    assert_false(rangeset_contains(s, 0xcf7, 0xcf9));
    rangeset_free(s);
}

TEST(an_empty_range_is_refused)
{
    struct rangeset *s = rangeset_new(&memory);

    assert_int_equal(rangeset_add(s, 5, 5), -EINVAL);
    assert_int_equal(rangeset_remove(s, 6, 5), -EINVAL);
    assert_false(rangeset_contains(s, 5, 5));
    rangeset_free(s);
}

TEST(without_memory_the_set_stays_as_it_was)
{
    struct rangeset *s = rangeset_new(&memory);

    for (uint64_t i = 0; i < 8; i++) {
        assert_int_equal(rangeset_add(s, i * 10, i * 10 + 5), 0);
    }
    out_of_memory = true;
    assert_int_equal(rangeset_add(s, 100, 101), -ENOMEM);
    assert_int_equal(rangeset_remove(s, 1, 2), -ENOMEM);
    out_of_memory = false;
    assert_int_equal(nr_ranges(s), 8);
    assert_true(rangeset_contains(s, 0, 5));
    assert_false(rangeset_contains(s, 100, 101));
    rangeset_free(s);
}

/* Against a plain array of truths. */
TEST(random_changes_agree_with_a_bitmap)
{
    bool truth[200] = { false };
    struct rangeset *s = rangeset_new(&memory);

    srand(1);
    for (unsigned int step = 0; step < 20000; step++) {
        unsigned int a = rand() % 200, b = rand() % 200, start = MIN(a, b), end = MAX(a, b);
        bool add = rand() & 1, all = true, any = false;
        unsigned int edges = 0;

        if (start == end) {
            continue;
        }
        if (rand() % 8) {
            end = MIN(start + 4, end);
        }
        assert_int_equal(add ? rangeset_add(s, start, end) : rangeset_remove(s, start, end), 0);
        memset(&truth[start], add, end - start);
        a = rand() % 199;
        b = a + 1 + rand() % (200 - a - 1);
        for (unsigned int i = a; i < b; i++) {
            all &= truth[i];
            any |= truth[i];
        }
        assert_int_equal(rangeset_contains(s, a, b), all);
        assert_int_equal(rangeset_overlaps(s, a, b), any);
        for (unsigned int i = 0; i < 200; i++) {
            edges += truth[i] && (i == 0 || !truth[i - 1]);
        }
        assert_int_equal(nr_ranges(s), edges);
    }
    rangeset_free(s);
}

TEST_MAIN(T(an_empty_set_contains_nothing), T(adjacent_ranges_become_one),
          T(removing_the_middle_leaves_both_ends), T(an_empty_range_is_refused),
          T(without_memory_the_set_stays_as_it_was), T(random_changes_agree_with_a_bitmap))
