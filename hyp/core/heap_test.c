#include "core/frame.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "core/log.h"
#include "hyp/arch/host/host.h"
#include "tests/unit.h"

#define HOLE_START 5000U /* RAM: [1, 5000) and [6000, HOST_FRAMES) */
#define HOLE_END   6000U
#define TOTAL      (HOST_FRAMES - 1 - (HOLE_END - HOLE_START))

static int setup(void **state)
{
    (void)state;
    for (unsigned int i = HOLE_START; i < HOLE_END; i++) {
        frame_table[i].count = FRAME_RESERVED;
    }
    host_heap_init_range(1, HOLE_START);
    host_heap_init_range(HOLE_END, HOST_FRAMES);
    return 0;
}

/* Everything free is one frame at a time in our hands, and nothing else. */
static void check_whole(void)
{
    static struct frame *all[HOST_FRAMES];
    static bool seen[HOST_FRAMES];
    unsigned int n = 0;

    assert_int_equal(frames_free_count(), TOTAL);
    memset(seen, 0, sizeof(seen));
    while ((all[n] = frames_alloc(0, FRAMES_ANY_ADDRESS)) != NULL) {
        uint64_t i = frame_mfn(all[n]).n;

        assert_true(i >= 1 && i < HOST_FRAMES && (i < HOLE_START || i >= HOLE_END));
        assert_false(seen[i]);
        seen[i] = true;
        n++;
    }
    assert_int_equal(n, TOTAL);
    assert_int_equal(frames_free_count(), 0);
    while (n) {
        frames_free(all[--n], 0);
    }
    assert_int_equal(frames_free_count(), TOTAL);
}

TEST(every_frame_given_can_be_had_once)
{
    assert_int_equal(frames_total_count(), TOTAL);
    check_whole();
}

TEST(runs_are_aligned_and_merge_again)
{
    struct frame *f[4];

    for (unsigned int order = 0; order <= 12; order++) {
        f[0] = frames_alloc(order, FRAMES_ANY_ADDRESS);
        assert_non_null(f[0]);
        assert_int_equal(frame_mfn(f[0]).n % (1U << order), 0);
        assert_int_equal(frames_free_count(), TOTAL - (1U << order));
        frames_free(f[0], order);
    }
    for (unsigned int i = 0; i < 4; i++) {
        f[i] = frames_alloc(9, FRAMES_ANY_ADDRESS);
        assert_non_null(f[i]);
    }
    for (unsigned int i = 0; i < 4; i++) {
        frames_free(f[i ^ 1], 9);
    }
    f[0] = frames_alloc(12, FRAMES_ANY_ADDRESS); /* only whole again if the pieces were merged */
    assert_non_null(f[0]);
    frames_free(f[0], 12);
}

TEST(fresh_frames_are_nobodys)
{
    struct frame *f = frames_alloc(2, FRAMES_ANY_ADDRESS);

    for (unsigned int i = 0; i < 4; i++) {
        assert_true(f[i].count == 0 && f[i].type == 0);
        assert_int_equal(f[i].owner, FRAME_OWNER_NONE);
        assert_true(f[i].next == FRAME_LINK_NONE && f[i].prev == FRAME_LINK_NONE);
    }
    frames_free(f, 2);
}

TEST(an_address_limit_is_kept)
{
    for (unsigned int bits = PAGE_SHIFT; bits < 27; bits++) {
        struct frame *held[2048];
        unsigned int n = 0;

        while (n < ARRAY_SIZE(held) && (held[n] = frames_alloc(0, bits)) != NULL) {
            assert_true(frame_mfn(held[n]).n < 1ULL << (bits - PAGE_SHIFT));
            n++;
        }
        if (bits <= 20) {
            assert_int_equal(n, (1U << (bits - PAGE_SHIFT)) - 1); /* all of them but frame 0 */
            assert_int_equal(frames_free_below(bits), 0);
        }
        while (n) {
            frames_free(held[--n], 0);
        }
    }
    check_whole();
}

TEST(low_memory_is_kept_for_those_who_ask)
{
    uint64_t low = frames_free_below(24);
    struct frame *f = frames_alloc(9, FRAMES_ANY_ADDRESS);

    assert_int_equal(frames_free_below(24), low);
    frames_free(f, 9);
}

TEST(what_cannot_be_had_is_refused)
{
    assert_null(frames_alloc(FRAME_MAX_ORDER + 1, FRAMES_ANY_ADDRESS));
    assert_null(frames_alloc(FRAME_MAX_ORDER, FRAMES_ANY_ADDRESS));
    assert_null(frames_alloc(0, 0));
    assert_null(frames_alloc(0, PAGE_SHIFT));
    check_whole();
}

TEST(pages_for_the_hypervisor_are_zeroed_and_marked)
{
    char *p = heap_alloc_pages(1);

    assert_non_null(p);
    memset(p, 0xa5, 2 * PAGE_SIZE);
    assert_true(frame_of(arch_frame_of(p))->count == FRAME_HEAP);
    assert_true(frame_of(arch_frame_of(p + PAGE_SIZE))->count == FRAME_HEAP);
    heap_free_pages(p, 1);
    p = heap_alloc_pages(1);
    for (unsigned int i = 0; i < 2 * PAGE_SIZE; i++) {
        assert_int_equal(p[i], 0);
    }
    heap_free_pages(p, 1);
    heap_free_pages(NULL, 0);
}

TEST(freeing_a_frame_in_use_is_noticed)
{
    struct frame *f = frames_alloc(0, FRAMES_ANY_ADDRESS);

    f->count = FRAME_ALLOCATED | 1;
    if (HOST_PANICS()) {
        frames_free(f, 0);
        host_panic_missing();
    }
    f->count = 0;
    frames_free(f, 0);
    if (HOST_PANICS()) {
        frames_free(f, 0); /* twice */
        host_panic_missing();
    }
}

TEST(a_random_life_loses_nothing)
{
    struct { struct frame *f; unsigned int order; } held[200] = { { NULL, 0 } };

    srand(7);
    for (unsigned int i = 0; i < 20000; i++) {
        unsigned int at = (unsigned int)rand() % ARRAY_SIZE(held);

        if (held[at].f) {
            frames_free(held[at].f, held[at].order);
            held[at].f = NULL;
        } else {
            held[at].order = (unsigned int)rand() % 8;
            held[at].f = frames_alloc(held[at].order, rand() % 2 ? FRAMES_ANY_ADDRESS : 22);
        }
    }
    for (unsigned int i = 0; i < ARRAY_SIZE(held); i++) {
        if (held[i].f) {
            frames_free(held[i].f, held[i].order);
        }
    }
    check_whole();
}

static void *churn(void *arg)
{
    host_set_cpu((unsigned int)(uintptr_t)arg);
    for (unsigned int i = 0; i < 3000; i++) {
        unsigned int order = i % 4;
        struct frame *f = frames_alloc(order, FRAMES_ANY_ADDRESS);

        if (f) {
            frames_free(f, order);
        }
    }
    return NULL;
}

TEST(cpus_share_it)
{
    pthread_t threads[4];

    for (uintptr_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, churn, (void *)(i + 1)), 0);
    }
    for (unsigned int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    check_whole();
}

TEST_RUN(setup, NULL, T(every_frame_given_can_be_had_once), T(runs_are_aligned_and_merge_again),
         T(fresh_frames_are_nobodys), T(an_address_limit_is_kept),
         T(low_memory_is_kept_for_those_who_ask), T(what_cannot_be_had_is_refused),
         T(pages_for_the_hypervisor_are_zeroed_and_marked), T(a_random_life_loses_nothing),
         T(cpus_share_it), T(freeing_a_frame_in_use_is_noticed))
