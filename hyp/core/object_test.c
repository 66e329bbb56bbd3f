#include "core/object.h"
#include <string.h>
#include "core/frame.h"
#include "core/log.h"
#include "hyp/arch/host/host.h"
#include "tests/unit.h"

static int setup(void **state)
{
    (void)state;
    host_heap_init();
    return 0;
}

static bool is_zero(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i]) {
            return false;
        }
    }
    return true;
}

TEST(objects_are_zeroed_whatever_was_there)
{
    for (size_t size = 1; size < 3 * PAGE_SIZE; size = size * 3 / 2 + 1) {
        for (unsigned int i = 0; i < 3; i++) {
            char *p = object_alloc(size);

            assert_non_null(p);
            assert_true(is_zero(p, size));
            memset(p, 0xff, size);
            object_free(p);
        }
    }
}

TEST(objects_are_aligned)
{
    for (size_t size = 1; size <= PAGE_SIZE; size++) {
        void *p = object_alloc(size);

        assert_int_equal((uintptr_t)p % 16, 0);
        if (!(size & (size - 1))) {
            assert_int_equal((uintptr_t)p % size, 0);
        }
        object_free(p);
    }
}

TEST(objects_do_not_overlap)
{
    static struct { unsigned char *p; size_t size; } held[600];

    for (unsigned int i = 0; i < ARRAY_SIZE(held); i++) {
        held[i].size = i * 7 % 2500 + 1;
        held[i].p = object_alloc(held[i].size);
        assert_non_null(held[i].p);
        memset(held[i].p, (int)i, held[i].size);
    }
    for (unsigned int i = 0; i < ARRAY_SIZE(held); i++) {
        for (size_t j = 0; j < held[i].size; j++) {
            assert_int_equal(held[i].p[j], (unsigned char)i);
        }
    }
    for (unsigned int i = 0; i < ARRAY_SIZE(held); i++) {
        object_free(held[i].p);
    }
}

TEST(all_memory_goes_back_but_one_slab_a_size)
{
    static void *held[5000];
    uint64_t before = frames_free_count();

    for (unsigned int round = 0; round < 3; round++) {
        for (unsigned int i = 0; i < ARRAY_SIZE(held); i++) {
            held[i] = object_alloc(i % 3 ? 16 : 300);
            assert_non_null(held[i]);
        }
        for (unsigned int i = 0; i < ARRAY_SIZE(held); i++) {
            object_free(held[(i * 7) % ARRAY_SIZE(held)]);
        }
    }
    assert_true(frames_free_count() + 8 >= before);
}

TEST(no_memory_is_null_and_costs_nothing)
{
    static struct frame *all[HOST_FRAMES];
    unsigned int n = 0;
    void *last = NULL;
    bool refused = false;

    while ((all[n] = frames_alloc(0, FRAMES_ANY_ADDRESS)) != NULL) {
        n++;
    }
    assert_null(object_alloc(8000));
    /* what the slabs still have, chained through itself */
    for (unsigned int i = 0; i < 100 && !refused; i++) {
        void **p = object_alloc(2048);

        refused = !p;
        if (p) {
            *p = last;
            last = p;
        }
    }
    assert_true(refused);
    while (last) {
        void *next = *(void **)last;

        object_free(last);
        last = next;
    }
    while (n) {
        frames_free(all[--n], 0);
    }
    last = object_alloc(2048);
    assert_non_null(last);
    object_free(last);
}

TEST(impossible_sizes_are_refused)
{
    assert_null(object_alloc(SIZE_MAX));
    assert_null(object_alloc((size_t)1 << 40));
    assert_null(object_alloc_array(SIZE_MAX / 2, 3));
    assert_null(object_alloc_array(SIZE_MAX, SIZE_MAX));
}

TEST(arrays_have_room_for_all)
{
    uint64_t *p = object_alloc_array(100, sizeof(uint64_t));

    assert_non_null(p);
    p[99] = 1;
    object_free(p);
    p = object_alloc(0);
    assert_non_null(p);
    object_free(p);
    object_free(NULL);
}

TEST(freeing_twice_is_noticed)
{
    void *keep = object_alloc(40), *p = object_alloc(40);

    object_free(p);
    if (HOST_PANICS()) {
        object_free(p);
        host_panic_missing();
    }
    assert_non_null(strstr(host_panic_text(), "twice"));
    (void)keep;
}

TEST(freeing_what_is_no_object_is_noticed)
{
    char *page = heap_alloc_pages(0);

    if (HOST_PANICS()) {
        object_free(page);
        host_panic_missing();
    }
    heap_free_pages(page, 0);
}

TEST_RUN(setup, NULL, T(objects_are_zeroed_whatever_was_there), T(objects_are_aligned),
         T(objects_do_not_overlap), T(all_memory_goes_back_but_one_slab_a_size),
         T(no_memory_is_null_and_costs_nothing), T(impossible_sizes_are_refused),
         T(arrays_have_room_for_all), T(freeing_what_is_no_object_is_noticed),
         T(freeing_twice_is_noticed))
