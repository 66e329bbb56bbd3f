/* The life of domains: made whole or not at all, found while they live, gone without a trace. */
#include "core/domain.h"
#include <stdlib.h>
#include <string.h>
#include <lodge/errno.h>
#include <xen/sched.h>
#include "core/evtchn.h"
#include "core/frame.h"
#include "core/softirq.h"
#include "hyp/arch/host/domains.h"
#include "hyp/arch/host/host.h"
#include "tests/unit.h"

static struct domain *d0;

static int start(void **state)
{
    (void)state;
    d0 = host_domain(0, 2);
    return 0;
}

/* Lets the reaper and the scheduler work; then domain 0 is the caller again. */
static void settle(void)
{
    softirq_process();
    host_set_current(d0->vcpus[0]);
}

static struct domain_config config_of(domid_t id)
{
    return (struct domain_config){ .id = id,
                                   .is_pv = true,
                                   .max_vcpus = 2,
                                   .max_pages = 64,
                                   .max_evtchn_port = ~0U,
                                   .max_grant_frames = 4,
                                   .max_maptrack_frames = 4 };
}

static struct vcpu *caller(struct domain *d)
{
    return d->vcpus[0];
}

TEST(a_new_domain_is_paused_found_by_its_number_and_has_no_vcpu)
{
    struct domain_config config = config_of(5);
    struct domain *d;

    memcpy(config.handle, "0123456789abcdef", 16);
    assert_int_equal(domain_create(&config, &d), 0);
    assert_int_equal(d->id, 5);
    assert_int_equal(d->pause_count, 1);
    assert_int_equal(d->refs, 2); /* the list's, and the shared page's */
    assert_memory_equal(d->handle, config.handle, 16);
    assert_non_null(d->shared);
    assert_null(domain_vcpu(d, 0));
    assert_ptr_equal(domain_by_id(5), d);
    assert_ptr_equal(domain_get(5), d);
    domain_put(d);
    assert_ptr_equal(d0->next_in_list, d);
    host_domain_end(d);
    settle();
    assert_null(domain_by_id(5));
    assert_null(d0->next_in_list);
}

TEST(domains_are_listed_by_rising_number)
{
    static const domid_t ids[] = { 300, 7, 12, 0x7fef, 1 };
    domid_t last = 0;
    unsigned int n = 0;

    for (unsigned int i = 0; i < ARRAY_SIZE(ids); i++) {
        (void)host_domain(ids[i], 1);
    }
    for (struct domain *d = domain_first()->next_in_list; d; d = d->next_in_list) {
        assert_true(d->id > last);
        last = d->id;
        n++;
    }
    assert_int_equal(n, ARRAY_SIZE(ids));
    for (unsigned int i = 0; i < ARRAY_SIZE(ids); i++) {
        host_domain_end(domain_by_id(ids[i]));
    }
    settle();
    assert_null(domain_first()->next_in_list);
}

TEST(bad_requests_are_refused)
{
    struct domain_config config = config_of(DOMID_FIRST_RESERVED);
    struct domain *d = NULL;

    assert_int_equal(domain_create(&config, &d), -EINVAL);
    config = config_of(1);
    config.max_vcpus = 0;
    assert_int_equal(domain_create(&config, &d), -EINVAL);
    config.max_vcpus = MAX_VCPUS + 1;
    assert_int_equal(domain_create(&config, &d), -EINVAL);
    assert_null(d);
    assert_null(domain_get(DOMID_SELF));
    assert_null(domain_get(DOMID_IDLE));
    assert_null(domain_get(1));
}

TEST(a_number_is_taken_until_the_last_reference_goes)
{
    struct domain_config config = config_of(3);
    struct domain *d = host_domain(3, 1), *other = NULL;

    assert_int_equal(domain_create(&config, &other), -EEXIST);
    domain_get_ref(d);
    host_domain_end(d);
    settle();
    assert_true(d->is_dying);
    assert_int_equal(domain_create(&config, &other), -EEXIST);
    assert_null(other);
    domain_put(d);
    settle();
    assert_int_equal(domain_create(&config, &other), 0);
    host_domain_end(other);
    settle();
}

TEST(a_frame_that_another_holds_keeps_the_dead_domain)
{
    struct domain *d = host_domain(3, 1);
    struct frame *f = host_domain_page(d);

    assert_true(frame_get(f, d));
    host_domain_end(d);
    settle();
    assert_ptr_equal(domain_by_id(3), d);
    frame_put(f);
    settle();
    assert_null(domain_by_id(3));
}

/* Leaves exactly `n` free frames; gives the rest back in frames_return(). */
static struct frame **taken;
static unsigned int nr_taken;

static void frames_leave(uint64_t n)
{
    taken = calloc(HOST_FRAMES, sizeof(*taken));
    while (frames_free_count() > n) {
        taken[nr_taken++] = frames_alloc(0, FRAMES_ANY_ADDRESS);
    }
}

static void frames_return(void)
{
    while (nr_taken) {
        frames_free(taken[--nr_taken], 0);
    }
    free(taken);
}

TEST(creation_that_runs_out_of_memory_at_any_point_leaves_nothing)
{
    int rc = -ENOMEM;

    host_domain_end(host_domain(9, 2));
    settle();
    for (unsigned int n = 0; rc; n++) {
        struct domain_config config = config_of(9);
        struct domain *d = NULL;
        struct vcpu *v;
        uint64_t before;

        config.max_vcpus = 512;
        frames_leave(n);
        before = frames_free_count();
        rc = domain_create(&config, &d);
        if (rc) {
            assert_int_equal(rc, -ENOMEM);
            assert_null(d);
        } else {
            rc = vcpu_create(d, 511, 0, &v);
            assert_true(rc == 0 || rc == -ENOMEM);
            assert_int_equal(domain_vcpu(d, 511) != NULL, rc == 0);
            host_domain_end(d);
        }
        settle();
        assert_null(domain_by_id(9));
        assert_true(frames_free_count() + 8 >= before); /* slabs may keep a page each */
        frames_return();
        assert_true(n < 200);
    }
}

TEST(vcpus_are_made_once_down_and_within_bounds)
{
    struct domain *d = host_domain(4, 2);
    struct vcpu *v = NULL;

    assert_int_equal(vcpu_create(d, 1, 0, &v), -EEXIST);
    assert_int_equal(vcpu_create(d, 2, 0, &v), -EINVAL);
    assert_null(v);
    assert_int_equal(d->vcpus[1]->pause_flags, 1U << VCPU_DOWN);
    assert_false(vcpu_runnable(d->vcpus[1]));
    assert_null(domain_vcpu(d, 2));
    assert_null(domain_vcpu(d, ~0ULL));
    host_domain_end(d);
    settle();
}

TEST(killing_again_does_nothing)
{
    struct domain *d = host_domain(4, 1);

    domain_get_ref(d);
    host_domain_end(d);
    assert_int_equal(domain_kill(d), 0);
    settle();
    assert_ptr_equal(domain_by_id(4), d);
    domain_put(d);
    settle();
    assert_null(domain_by_id(4));
}

TEST(only_the_privileged_name_others)
{
    struct domain *d = host_domain(4, 1), *found = NULL;

    assert_int_equal(domain_get_target(caller(d), DOMID_SELF, &found), 0);
    assert_ptr_equal(found, d);
    domain_put(found);
    assert_int_equal(domain_get_target(caller(d), 4, &found), 0);
    domain_put(found);
    assert_int_equal(domain_get_target(caller(d), 0, &found), -EPERM);
    assert_int_equal(domain_get_target(caller(d), 77, &found), -EPERM);
    assert_int_equal(domain_get_target(caller(d0), 4, &found), 0);
    assert_ptr_equal(found, d);
    domain_put(found);
    assert_int_equal(domain_get_target(caller(d0), 77, &found), -ESRCH);
    assert_int_equal(domain_get_target(caller(d0), DOMID_IDLE, &found), -ESRCH);
    host_domain_end(d);
    settle();
}

/* --- shutdown.c --- */

TEST(a_shut_down_domain_stays_stopped_until_it_is_resumed)
{
    struct domain *d = host_domain(4, 2);

    domain_shutdown(d, SHUTDOWN_reboot);
    assert_true(d->is_shut_down);
    assert_int_equal(d->shutdown_code, SHUTDOWN_reboot);
    assert_int_equal(d->vcpus[0]->pause_count, 1);
    domain_shutdown(d, SHUTDOWN_crash); /* the first reason stays, and nothing is paused twice */
    assert_int_equal(d->shutdown_code, SHUTDOWN_reboot);
    assert_int_equal(d->vcpus[1]->pause_count, 1);
    domain_resume(d);
    assert_false(d->is_shut_down);
    assert_int_equal(d->vcpus[0]->pause_count, 0);
    assert_int_equal(d->shutdown_code, SHUTDOWN_CODE_NONE);
    domain_resume(d);
    assert_int_equal(d->vcpus[0]->pause_count, 0);
    host_domain_end(d);
    settle();
}

TEST(a_latched_reason_wins)
{
    struct domain *d = host_domain(4, 1);

    assert_int_equal(domain_latch_shutdown_code(d, SHUTDOWN_suspend), SHUTDOWN_suspend);
    domain_shutdown(d, SHUTDOWN_poweroff);
    assert_int_equal(d->shutdown_code, SHUTDOWN_suspend);
    host_domain_end(d);
    settle();
}

TEST(a_crash_may_be_found_with_any_lock_held)
{
    struct spinlock inner = SPINLOCK_INIT(RANK_IOAPIC);
    struct domain *d = host_domain(4, 1);
    unsigned long flags = spin_lock_irqsave(&inner);

    domain_crash(d, "it did %s", "something");
    domain_crash(d, "and again");
    spin_unlock_irqrestore(&inner, flags);
    assert_true(d->is_shut_down);
    assert_int_equal(d->shutdown_code, SHUTDOWN_crash);
    host_domain_end(d);
    settle();
}

TEST(the_end_of_domain_0_is_the_machines)
{
    static const uint32_t reasons[] = { SHUTDOWN_poweroff, SHUTDOWN_reboot,  SHUTDOWN_crash,
                                        SHUTDOWN_watchdog, SHUTDOWN_suspend, 200 };

    for (unsigned int i = 0; i < ARRAY_SIZE(reasons); i++) {
        if (HOST_PANICS()) {
            domain_shutdown(d0, reasons[i]);
            host_panic_missing();
        }
        assert_false(d0->is_shut_down);
        d0->shutdown_code = SHUTDOWN_CODE_NONE;
    }
}

TEST(a_thousand_lives_leave_the_memory_as_it_was)
{
    uint64_t before = 0;

    for (unsigned int i = 0; i < 1010; i++) {
        struct domain *d = host_domain(2, 1 + i % 3);
        evtchn_port_t port;

        (void)host_domain_page(d);
        assert_int_equal(evtchn_alloc_unbound(d, 0, &port), 0);
        d->vcpus[0]->pause_flags = 0;
        domain_unpause(d);
        host_domain_end(d);
        settle();
        if (i == 9) {
            before = frames_free_count(); /* tables and slabs have been made */
        }
    }
    assert_int_equal(frames_free_count(), before);
}

TEST_RUN(start, NULL, T(a_new_domain_is_paused_found_by_its_number_and_has_no_vcpu),
         T(domains_are_listed_by_rising_number), T(bad_requests_are_refused),
         T(a_number_is_taken_until_the_last_reference_goes),
         T(a_frame_that_another_holds_keeps_the_dead_domain),
         T(creation_that_runs_out_of_memory_at_any_point_leaves_nothing),
         T(vcpus_are_made_once_down_and_within_bounds), T(killing_again_does_nothing),
         T(only_the_privileged_name_others),
         T(a_shut_down_domain_stays_stopped_until_it_is_resumed), T(a_latched_reason_wins),
         T(a_crash_may_be_found_with_any_lock_held), T(the_end_of_domain_0_is_the_machines),
          T(a_thousand_lives_leave_the_memory_as_it_was))
