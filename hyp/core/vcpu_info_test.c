/* Where vcpu_info lives, and that nothing gets lost when it moves. */
#include <lodge/errno.h>
#include <lodge/string.h>
#include "core/evtchn.h"
#include "core/guest_frame.h"
#include "hyp/arch/host/domains.h"
#include "hyp/arch/host/host.h"
#include "tests/unit.h"

static struct domain *d;
static struct frame *page;
static uint64_t gfn;

static int start(void **state)
{
    (void)state;
    d = host_domain(0, 40);
    page = host_domain_page(d);
    gfn = frame_mfn(page).n;
    return 0;
}

static int fresh(void **state)
{
    struct vcpu *v;
    unsigned int i;

    (void)state;
    domain_for_each_vcpu(d, v, i) {
        vcpu_info_reset(v);
        evtchn_vcpu_init(v);
    }
    memset(d->shared->vcpu_info, 0, sizeof(d->shared->vcpu_info));
    memset(guest_frame_map(page), 0xff, PAGE_SIZE);
    return 0;
}

TEST(the_first_32_vcpus_have_a_slot_with_events_masked)
{
    evtchn_vcpu_init(d->vcpus[31]);
    assert_ptr_equal(d->vcpus[31]->info, &d->shared->vcpu_info[31]);
    assert_int_equal(d->shared->vcpu_info[31].evtchn_upcall_mask, 1);
    assert_ptr_equal(d->vcpus[32]->info, &vcpu_dummy_info);
    assert_false(vcpu_event_pending(d->vcpus[32]));
}

TEST(a_place_must_fit_its_page_and_be_aligned)
{
    struct vcpu *v = d->vcpus[0];
    uint64_t count = page->count;

    assert_int_equal(vcpu_info_register(v, gfn, PAGE_SIZE - 63), -ENXIO);
    assert_int_equal(vcpu_info_register(v, gfn, 0xffffffc0), -ENXIO);
    assert_int_equal(vcpu_info_register(v, gfn, 4), -ENXIO);
    assert_int_equal(vcpu_info_register(v, ~0ULL, 0), -EINVAL);
    assert_int_equal(vcpu_info_register(v, 0, 0), -EINVAL);
    assert_ptr_equal(v->info, &d->shared->vcpu_info[0]);
    assert_int_equal(page->count, count);
    assert_int_equal(vcpu_info_register(v, gfn, PAGE_SIZE - 64), 0);
    assert_int_equal(page->count, count + 1);
    assert_int_equal(vcpu_info_register(v, gfn, 0), -EINVAL);
    assert_int_equal(page->count, count + 1);
    vcpu_info_reset(v);
    assert_int_equal(page->count, count);
}

TEST(the_contents_move_and_everything_is_pending_afterwards)
{
    struct vcpu *v = d->vcpus[0];
    struct vcpu_info *there = (void *)((char *)guest_frame_map(page) + 128);

    d->shared->vcpu_info[0].time.system_time = 4711;
    d->shared->vcpu_info[0].evtchn_upcall_mask = 0;
    assert_int_equal(vcpu_info_register(v, gfn, 128), 0);
    assert_ptr_equal(v->info, there);
    assert_int_equal(there->time.system_time, 4711);
    assert_int_equal(there->evtchn_pending_sel, ~0ULL);
    assert_int_equal(there->evtchn_upcall_pending, 1);
    assert_true(vcpu_event_pending(v));
    there->evtchn_upcall_mask = 1;
    assert_false(vcpu_event_pending(v));
}

TEST(a_vcpu_without_a_slot_starts_masked_and_empty)
{
    struct vcpu *v = d->vcpus[35];
    struct vcpu_info *there = (void *)((char *)guest_frame_map(page) + 256);

    assert_int_equal(vcpu_info_register(v, gfn, 256), 0);
    assert_int_equal(there->evtchn_upcall_mask, 1);
    assert_int_equal(there->time.system_time, 0);
    assert_int_equal(there->evtchn_upcall_pending, 1);
}

TEST(another_vcpu_must_be_down)
{
    struct vcpu *v = d->vcpus[1];

    v->pause_flags &= ~(1U << VCPU_DOWN);
    assert_int_equal(vcpu_info_register(v, gfn, 0), -EINVAL);
    v->pause_flags |= 1U << VCPU_DOWN;
    assert_int_equal(vcpu_info_register(v, gfn, 0), 0);
}

#define C(name) cmocka_unit_test_setup(name, fresh)
TEST_RUN(start, NULL, C(the_first_32_vcpus_have_a_slot_with_events_masked),
         C(a_place_must_fit_its_page_and_be_aligned),
         C(the_contents_move_and_everything_is_pending_afterwards),
         C(a_vcpu_without_a_slot_starts_masked_and_empty), C(another_vcpu_must_be_down))
