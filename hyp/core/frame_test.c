#include "core/frame.h"
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include "core/domain.h"
#include "core/log.h"
#include "core/softirq.h"
#include "hyp/arch/host/domains.h"
#include "hyp/arch/host/host.h"
#include "tests/unit.h"

static struct domain *d0, *d1;

static int setup(void **state)
{
    (void)state;
    d0 = host_domain(0, 1);
    d1 = host_domain(1, 1);
    return 0;
}

static unsigned int list_length(const struct domain *d)
{
    uint32_t prev = FRAME_LINK_NONE;
    unsigned int n = 0;

    for (uint32_t i = d->page_list; i != FRAME_LINK_NONE; i = frame_table[i].next) {
        assert_int_equal(frame_table[i].prev, prev);
        assert_int_equal(frame_table[i].owner, d->id);
        prev = i;
        n++;
    }
    assert_int_equal(d->page_list_tail, prev);
    return n;
}

TEST(an_allocated_frame_is_counted_listed_and_referenced_once)
{
    uint64_t pages = d1->nr_pages, free = frames_free_count();
    unsigned int assigned = d1->arch.frames_assigned, released = d1->arch.frames_released;
    struct frame *f = domain_frames_alloc(d1, 3, FRAMES_ANY_ADDRESS);

    assert_non_null(f);
    assert_int_equal(d1->nr_pages, pages + 8);
    assert_int_equal(list_length(d1), pages + 8);
    assert_int_equal(d1->arch.frames_assigned, assigned + 8);
    for (unsigned int i = 0; i < 8; i++) {
        assert_true(f[i].count == (FRAME_ALLOCATED | 1));
        assert_int_equal(f[i].owner, 1);
        assert_true(frame_drop_allocation(&f[i]));
    }
    assert_int_equal(d1->nr_pages, pages);
    assert_int_equal(list_length(d1), pages);
    assert_int_equal(d1->arch.frames_released, released + 8);
    assert_int_equal(frames_free_count(), free);
}

TEST(nobody_elses_bytes_are_seen)
{
    struct frame *f = domain_frames_alloc(d0, 0, FRAMES_ANY_ADDRESS);
    char *p = arch_map_frame(frame_mfn(f));

    memset(p, 0x5a, PAGE_SIZE);
    assert_true(frame_drop_allocation(f));
    f = domain_frames_alloc(d1, 0, FRAMES_ANY_ADDRESS);
    p = arch_map_frame(frame_mfn(f));
    for (unsigned int i = 0; i < PAGE_SIZE; i++) {
        assert_int_equal(p[i], 0);
    }
    assert_true(frame_drop_allocation(f));
}

TEST(only_the_owner_gets_a_reference_by_name)
{
    struct frame *f = domain_frames_alloc(d1, 0, FRAMES_ANY_ADDRESS);

    assert_true(frame_get(f, d1));
    assert_false(frame_get(f, d0));
    assert_true(f->count == (FRAME_ALLOCATED | 2));
    assert_true(frame_get_any(f));
    frame_put(f);
    frame_put(f);
    assert_true(frame_drop_allocation(f));
}

TEST(nothing_free_reserved_or_the_hypervisors_gives_a_reference)
{
    struct frame *f = frames_alloc(0, FRAMES_ANY_ADDRESS);
    void *page = heap_alloc_pages(0);

    assert_false(frame_get_any(f));
    frames_free(f, 0);
    assert_false(frame_get_any(f));
    assert_false(frame_get_any(frame_of(arch_frame_of(page))));
    heap_free_pages(page, 0);
    frame_table[0].count = FRAME_RESERVED;
    assert_false(frame_get_any(&frame_table[0]));
}

TEST(references_do_not_overflow)
{
    struct frame *f = domain_frames_alloc(d1, 0, FRAMES_ANY_ADDRESS);

    f->count = FRAME_ALLOCATED | FRAME_COUNT_MASK;
    assert_false(frame_get_any(f));
    f->count = FRAME_ALLOCATED | 1;
    assert_true(frame_drop_allocation(f));
}

TEST(given_up_but_referenced_it_lives_until_the_last_put)
{
    uint64_t pages = d1->nr_pages;
    struct frame *f = domain_frames_alloc(d1, 0, FRAMES_ANY_ADDRESS);

    assert_true(frame_get(f, d1));
    assert_true(frame_drop_allocation(f));
    assert_false(frame_drop_allocation(f));
    assert_int_equal(d1->nr_pages, pages + 1);
    assert_true(frame_get(f, d1));
    frame_put(f);
    frame_put(f);
    assert_int_equal(d1->nr_pages, pages);
    assert_false(frame_get_any(f));
}

TEST(one_put_too_many_is_noticed)
{
    struct frame *f = frames_alloc(0, FRAMES_ANY_ADDRESS);

    if (HOST_PANICS()) {
        frame_put(f);
        host_panic_missing();
    }
    f->count = 0;
    frames_free(f, 0);
}

TEST(the_quota_is_kept_and_a_refusal_leaves_nothing)
{
    uint64_t max = d1->max_pages, free = frames_free_count(), pages = d1->nr_pages;
    unsigned int assigned = d1->arch.frames_assigned;
    struct frame *f;

    d1->max_pages = pages + 7;
    assert_null(domain_frames_alloc(d1, 3, FRAMES_ANY_ADDRESS));
    f = frames_alloc(3, FRAMES_ANY_ADDRESS);
    assert_int_equal(domain_frames_assign(d1, f, 3), -ENOMEM);
    assert_true(f->count == 0);
    frames_free(f, 3);
    d1->max_pages = 0; /* lowered below what it has */
    assert_null(domain_frames_alloc(d1, 0, FRAMES_ANY_ADDRESS));
    d1->max_pages = max;
    assert_int_equal(d1->nr_pages, pages);
    assert_int_equal(d1->arch.frames_assigned, assigned);
    assert_int_equal(frames_free_count(), free);
}

TEST(a_dying_domain_gets_nothing)
{
    struct frame *f = frames_alloc(0, FRAMES_ANY_ADDRESS);

    d1->is_dying = true;
    assert_null(domain_frames_alloc(d1, 0, FRAMES_ANY_ADDRESS));
    assert_int_equal(domain_frames_assign(d1, f, 0), -EINVAL);
    d1->is_dying = false;
    frames_free(f, 0);
}

TEST(an_assigned_run_keeps_its_contents)
{
    struct frame *f = frames_alloc(1, FRAMES_ANY_ADDRESS);
    char *p = arch_map_frame(frame_mfn(f));

    p[5] = 'x';
    assert_int_equal(domain_frames_assign(d1, f, 1), 0);
    assert_int_equal(p[5], 'x');
    assert_true(frame_drop_allocation(&f[0]));
    assert_true(frame_drop_allocation(&f[1]));
}

TEST(frames_keep_their_owner_referenced)
{
    uint32_t refs = d1->refs;
    bool had = d1->nr_pages || d1->nr_extra_pages;
    struct frame *a = domain_frames_alloc(d1, 0, FRAMES_ANY_ADDRESS);
    struct frame *b = domain_frames_alloc(d1, 0, FRAMES_ANY_ADDRESS);

    assert_int_equal(d1->refs, refs + !had);
    assert_true(frame_drop_allocation(a));
    assert_int_equal(d1->refs, refs + !had);
    assert_true(frame_drop_allocation(b));
    assert_int_equal(d1->refs, refs);
}

TEST(a_shared_page_is_the_hypervisors_again_after_the_last_reference)
{
    void *page = heap_alloc_pages(0);
    struct frame *f = frame_of(arch_frame_of(page));
    uint64_t pages = d1->nr_pages, extra = d1->nr_extra_pages;

    assert_false(frame_shared(f));
    frame_share_with(f, d1);
    assert_true(frame_shared(f));
    assert_int_equal(d1->nr_extra_pages, extra + 1);
    assert_int_equal(d1->nr_pages, pages); /* not in the list, not counted against the quota */
    assert_true(frame_get(f, d1));
    assert_true(frame_drop_allocation(f));
    assert_false(frame_drop_allocation(f));
    assert_true(frame_shared(f));
    frame_put(f);
    assert_false(frame_shared(f));
    assert_true(f->count == FRAME_HEAP);
    assert_int_equal(d1->nr_extra_pages, extra);
    heap_free_pages(page, 0);
}

static struct frame *contended;

static void *get_and_put(void *arg)
{
    host_set_cpu((unsigned int)(uintptr_t)arg);
    for (unsigned int i = 0; i < 20000; i++) {
        if (frame_get(contended, d1)) {
            frame_put(contended);
        }
    }
    return NULL;
}

TEST(references_survive_contention)
{
    uint64_t pages = d1->nr_pages;
    pthread_t threads[4];

    contended = domain_frames_alloc(d1, 0, FRAMES_ANY_ADDRESS);
    for (uintptr_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, get_and_put, (void *)(i + 1)), 0);
    }
    assert_true(frame_drop_allocation(contended)); /* in the middle: whoever is last frees it */
    for (unsigned int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(d1->nr_pages, pages);
    assert_false(frame_get_any(contended));
}

TEST_RUN(setup, NULL, T(an_allocated_frame_is_counted_listed_and_referenced_once),
         T(nobody_elses_bytes_are_seen), T(only_the_owner_gets_a_reference_by_name),
         T(nothing_free_reserved_or_the_hypervisors_gives_a_reference),
         T(references_do_not_overflow), T(given_up_but_referenced_it_lives_until_the_last_put),
         T(one_put_too_many_is_noticed), T(the_quota_is_kept_and_a_refusal_leaves_nothing),
         T(a_dying_domain_gets_nothing), T(an_assigned_run_keeps_its_contents),
         T(frames_keep_their_owner_referenced),
         T(a_shared_page_is_the_hypervisors_again_after_the_last_reference),
         T(references_survive_contention))
