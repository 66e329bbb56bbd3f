/* The small helpers of include/lodge: lists, bitmaps, ranges, shared memory. */
#include <lodge/bitmap.h>
#include <lodge/list.h>
#include <lodge/range.h>
#include <lodge/shared.h>
#include <stdlib.h>
#include <string.h>
#include "tests/unit.h"

struct item {
    int n;
    struct list link;
};

TEST(a_list_keeps_its_order)
{
    struct list head = LIST_INIT(head);
    struct item items[4], *pos;
    int expected = 0;

    for (int i = 0; i < 4; i++) {
        items[i].n = i;
    }
    list_push_back(&head, &items[1].link);
    list_push_back(&head, &items[2].link);
    list_push_front(&head, &items[0].link);
    list_push_back(&head, &items[3].link);
    list_for_each(pos, &head, link) {
        assert_int_equal(pos->n, expected++);
    }
    assert_int_equal(expected, 4);
    assert_ptr_equal(list_first(&head, struct item, link), &items[0]);
}

TEST(an_item_may_be_removed_twice_and_while_walking)
{
    struct list head = LIST_INIT(head);
    struct item items[4], *pos, *tmp;
    int seen = 0;

    for (int i = 0; i < 4; i++) {
        items[i].n = i;
        list_push_back(&head, &items[i].link);
    }
    list_for_each_safe(pos, tmp, &head, link) {
        seen++;
        list_remove(&pos->link);
        list_remove(&pos->link);
        assert_true(list_empty(&pos->link));
    }
    assert_int_equal(seen, 4);
    assert_true(list_empty(&head));
}

TEST(bits_are_found_in_order_and_never_beyond_the_end)
{
    DECLARE_BITMAP(map, 200) = { 0 };
    static const unsigned int bits[] = { 0, 1, 63, 64, 127, 128, 199 };
    unsigned int bit, n = 0;

    assert_int_equal(bitmap_next(map, 200, 0), 200);
    for (unsigned int i = 0; i < ARRAY_SIZE(bits); i++) {
        bitmap_set(map, bits[i]);
    }
    bitmap_for_each(bit, map, 200) {
        assert_int_equal(bit, bits[n++]);
        assert_true(bitmap_test(map, bit));
    }
    assert_int_equal(n, ARRAY_SIZE(bits));
    assert_int_equal(bitmap_next(map, 199, 129), 199); /* 199 is set, but beyond this end */
    assert_int_equal(bitmap_next(map, 200, 200), 200);
    bitmap_clear(map, 64);
    assert_false(bitmap_test(map, 64));
    assert_true(bitmap_test(map, 63));
}

TEST(free_bits_are_found)
{
    uint64_t map[2] = { ~0ULL, 0x7 };

    assert_int_equal(bitmap_next_zero(map, 128, 0), 67);
    assert_int_equal(bitmap_next_zero(map, 67, 0), 67);
    map[1] = ~0ULL;
    assert_int_equal(bitmap_next_zero(map, 128, 5), 128);
}

TEST(ranges_do_not_wrap)
{
    assert_true(range_within(0, 0, 0));
    assert_true(range_within(0, 10, 10));
    assert_true(range_within(10, 0, 10));
    assert_false(range_within(11, 0, 10));
    assert_false(range_within(5, 6, 10));
    assert_false(range_within(UINT64_MAX, 2, 10));
    assert_false(range_within(5, UINT64_MAX, 10));
    assert_true(range_within(0, UINT64_MAX, UINT64_MAX));
}

TEST(an_index_beyond_the_limit_becomes_zero)
{
    assert_int_equal(index_nospec(3, 4), 3);
    assert_int_equal(index_nospec(4, 4), 0);
    assert_int_equal(index_nospec(UINT64_MAX, 4), 0);
    assert_int_equal(index_nospec(0, 0), 0);
    assert_true(index_nospec(UINT64_MAX - 1, UINT64_MAX) == UINT64_MAX - 1);
}

TEST(shared_bits_tell_what_they_were)
{
    uint64_t words[2] = { 0, 0 };

    assert_false(shared_test_and_set_bit(70, words));
    assert_true(shared_test_and_set_bit(70, words));
    assert_true(shared_test_bit(70, words));
    assert_false(shared_test_bit(6, words));
    assert_true(shared_test_and_clear_bit(70, words));
    assert_false(shared_test_and_clear_bit(70, words));
    assert_true(words[0] == 0 && words[1] == 0);
}

TEST(rounding_goes_to_the_power_of_two_asked_for)
{
    assert_int_equal(ROUND_UP(4097U, 4096), 8192);
    assert_int_equal(ROUND_UP(4096U, 4096), 4096);
    assert_int_equal(ROUND_DOWN(8191U, 4096), 4096);
    assert_true(ROUND_DOWN(~0ULL, 4096) == 0xfffffffffffff000ULL); /* not cut to 32 bits */
    assert_int_equal(DIV_ROUND_UP(7, 4), 2);
}

TEST_MAIN(T(a_list_keeps_its_order), T(an_item_may_be_removed_twice_and_while_walking),
          T(bits_are_found_in_order_and_never_beyond_the_end), T(free_bits_are_found),
          T(ranges_do_not_wrap), T(an_index_beyond_the_limit_becomes_zero),
          T(shared_bits_tell_what_they_were), T(rounding_goes_to_the_power_of_two_asked_for))
