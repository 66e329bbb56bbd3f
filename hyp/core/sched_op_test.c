/*
 * sched_op through its hypercall: blocking, polling, stopping, watchdogs; what is refused, and that
 * it changed nothing.
 */
#include <stdlib.h>
#include <string.h>
#include <lodge/errno.h>
#include <lodge/shared.h>
#include <xen/sched.h>
#include "core/evtchn.h"
#include "core/hypercall.h"
#include "core/sched_op.h"
#include "core/softirq.h"
#include "hyp/arch/host/domains.h"
#include "hyp/arch/host/host.h"
#include "tests/unit.h"

static struct domain *d0, *du;
static struct vcpu *v; /* du's, the caller */

static int start(void **state)
{
    (void)state;
    d0 = host_domain(0, 1);
    du = host_domain(1, 2);
    v = du->vcpus[0];
    v->pause_flags = 0;
    host_set_current(idle_vcpu[0]);
    domain_unpause(du);
    softirq_process();
    assert_ptr_equal(current, v);
    return 0;
}

static void *guest_copy_of(const void *arg, size_t n)
{
    return memcpy(host_guest_alloc(n), arg, n);
}
#define ARG(type, ...) guest_copy_of(&(struct type){ __VA_ARGS__ }, sizeof(struct type))

static long op(uint64_t cmd, const void *arg)
{
    return hypercall_sched_op(cmd, host_gva(arg), 0, 0, 0);
}

static bool blocked(const struct vcpu *w)
{
    return w->pause_flags & 1U << VCPU_BLOCKED;
}

/* After each test the caller runs and polls nothing. */
static int back(void **state)
{
    (void)state;
    host_guest_reset();
    v->info->evtchn_upcall_pending = 0;
    vcpu_unblock(v);
    softirq_process();
    assert_ptr_equal(current, v);
    assert_int_equal(v->poll_evtchn, 0);
    assert_int_equal(du->poll_mask[0], 0);
    return 0;
}

static evtchn_port_t port_make(void)
{
    evtchn_port_t port;

    assert_int_equal(evtchn_alloc_unbound(du, 0, &port), 0);
    return port;
}

static void port_raise(evtchn_port_t port)
{
    shared_test_and_set_bit(port, du->shared->evtchn_pending);
    sched_poll_wake(du, port);
}

static void *poll_of(const evtchn_port_t *ports, unsigned int nr, uint64_t timeout)
{
    struct sched_poll req = { .nr_ports = nr, .timeout = timeout };

    req.ports.p = nr ? guest_copy_of(ports, nr * sizeof(*ports)) : NULL;
    return guest_copy_of(&req, sizeof(req));
}

TEST(block_unmasks_events_and_waits_for_one)
{
    v->info->evtchn_upcall_mask = 1;
    assert_int_equal(op(SCHEDOP_block, NULL), 0);
    assert_int_equal(v->info->evtchn_upcall_mask, 0);
    assert_true(blocked(v));
    softirq_process();
    assert_true(current->is_idle);
}

TEST(yield_and_block_do_not_look_at_their_argument)
{
    assert_int_equal(hypercall_sched_op(SCHEDOP_yield, 0xffff800000001234ULL, 0, 0, 0), 0);
    assert_int_equal(hypercall_sched_op_compat(SCHEDOP_yield, 7, 0, 0, 0), 0);
    assert_int_equal(hypercall_sched_op(SCHEDOP_block, 0xffff800000001234ULL, 0, 0, 0), 0);
    assert_true(blocked(v));
}

TEST(unknown_operations_and_bad_addresses_are_refused)
{
    assert_int_equal(op(SCHEDOP_pin_override + 1, NULL), -ENOSYS);
    assert_int_equal(op(1000, NULL), -ENOSYS);
    assert_int_equal(hypercall_sched_op_compat(SCHEDOP_poll, 0, 0, 0, 0), -ENOSYS);
    assert_int_equal(op(SCHEDOP_poll, NULL), -EFAULT);
    assert_int_equal(op(SCHEDOP_shutdown, NULL), -EFAULT);
    assert_false(du->is_shut_down);
}

/* --- poll --- */

TEST(poll_returns_at_once_when_a_port_is_pending)
{
    evtchn_port_t ports[2] = { port_make(), port_make() };

    port_raise(ports[1]);
    assert_int_equal(op(SCHEDOP_poll, poll_of(ports, 2, 0)), 0);
    assert_false(blocked(v));
    assert_int_equal(v->poll_evtchn, 0);
    assert_false(softirq_pending());
}

TEST(poll_of_one_port_is_woken_by_that_port_only)
{
    evtchn_port_t port = port_make(), other = port_make();

    assert_int_equal(op(SCHEDOP_poll, poll_of(&port, 1, 0)), 0);
    assert_true(blocked(v));
    softirq_process();
    port_raise(other);
    assert_true(blocked(v));
    assert_int_equal(v->poll_evtchn, (int32_t)port);
    port_raise(port);
    assert_false(blocked(v));
    assert_int_equal(v->poll_evtchn, 0);
}

TEST(poll_of_a_list_is_woken_by_any_port)
{
    evtchn_port_t ports[3] = { port_make(), port_make(), port_make() };

    assert_int_equal(op(SCHEDOP_poll, poll_of(ports, 3, 0)), 0);
    softirq_process();
    assert_true(current->is_idle);
    port_raise(ports[2]);
    assert_false(blocked(v));
}

TEST(poll_ends_with_its_timeout_and_not_before)
{
    evtchn_port_t port = port_make();
    uint64_t end = arch_time_ns() + NS_PER_MS;

    assert_int_equal(op(SCHEDOP_poll, poll_of(&port, 1, end)), 0);
    softirq_process();
    host_time_set(end - 1);
    softirq_raise(SOFTIRQ_TIMER);
    softirq_process();
    assert_true(blocked(v));
    host_time_set(end + TIMER_SLOP_NS);
    softirq_raise(SOFTIRQ_TIMER);
    softirq_process();
    assert_false(blocked(v));
    assert_ptr_equal(current, v);
}

TEST(a_stale_timeout_does_not_end_a_later_block)
{
    evtchn_port_t port = port_make();
    uint64_t end = arch_time_ns() + NS_PER_MS;

    assert_int_equal(op(SCHEDOP_poll, poll_of(&port, 1, end)), 0);
    softirq_process();
    port_raise(port);
    softirq_process();
    assert_ptr_equal(current, v);
    assert_int_equal(op(SCHEDOP_block, NULL), 0);
    softirq_process();
    host_time_set(end + TIMER_SLOP_NS);
    softirq_raise(SOFTIRQ_TIMER);
    softirq_process();
    assert_true(blocked(v));
}

TEST(a_stale_timeout_does_not_end_a_later_poll)
{
    evtchn_port_t port = port_make();
    uint64_t end = arch_time_ns() + NS_PER_MS;

    assert_int_equal(op(SCHEDOP_poll, poll_of(&port, 1, end)), 0);
    port_raise(port);
    shared_test_and_clear_bit(port, du->shared->evtchn_pending);
    assert_int_equal(op(SCHEDOP_poll, poll_of(&port, 1, 0)), 0);
    softirq_process();
    host_time_set(end + TIMER_SLOP_NS);
    softirq_raise(SOFTIRQ_TIMER);
    softirq_process();
    assert_true(blocked(v));
}

TEST(poll_without_ports_waits_for_the_timeout_or_an_upcall)
{
    assert_int_equal(op(SCHEDOP_poll, poll_of(NULL, 0, 0)), 0);
    assert_true(blocked(v));
    vcpu_unblock(v);
    assert_int_equal(v->poll_evtchn, 0);
    assert_int_equal(du->poll_mask[0], 0);
}

TEST(bad_polls_are_refused_and_leave_the_caller_running)
{
    evtchn_port_t many[129], port = port_make(), bad = 2000;
    struct sched_poll req = { .nr_ports = 2 };

    memset(many, 0, sizeof(many));
    assert_int_equal(op(SCHEDOP_poll, poll_of(many, 129, 0)), -EINVAL);
    req.ports.p = guest_copy_of(&port, sizeof(port)); /* room for one */
    assert_int_equal(op(SCHEDOP_poll, guest_copy_of(&req, sizeof(req))), -EFAULT);
    assert_int_equal(op(SCHEDOP_poll, poll_of(&bad, 1, 0)), -EINVAL);
    bad = ~0U;
    assert_int_equal(op(SCHEDOP_poll, poll_of(&bad, 1, 0)), -EINVAL);
    assert_false(blocked(v));
    assert_int_equal(v->poll_evtchn, 0);
    assert_int_equal(du->poll_mask[0], 0);
}

TEST(as_many_ports_as_the_interface_allows)
{
    evtchn_port_t ports[128];

    for (unsigned int i = 0; i < 128; i++) {
        ports[i] = i ? ports[0] : port_make();
    }
    assert_int_equal(op(SCHEDOP_poll, poll_of(ports, 128, 0)), 0);
    assert_true(blocked(v));
}

/*
 * --- shutdown, watchdog, pin
 * --------------------------------------------------------------------------------------
 */

TEST(a_guest_shuts_itself_down_with_its_reason)
{
    assert_int_equal(op(SCHEDOP_shutdown_code, ARG(sched_shutdown, .reason = SHUTDOWN_crash)), 0);
    assert_false(du->is_shut_down);
    assert_int_equal(op(SCHEDOP_shutdown, ARG(sched_shutdown, .reason = SHUTDOWN_reboot)), 0);
    assert_true(du->is_shut_down);
    assert_int_equal(du->shutdown_code, SHUTDOWN_crash);
    softirq_process();
    assert_true(current->is_idle);
    domain_resume(du);
    softirq_process();
}

TEST(only_the_privileged_shut_others_down)
{
    void *arg = ARG(sched_remote_shutdown, .domain_id = 1, .reason = SHUTDOWN_suspend);

    assert_int_equal(op(SCHEDOP_remote_shutdown, ARG(sched_remote_shutdown, .domain_id = 0)),
                     -EPERM);
    assert_int_equal(op(SCHEDOP_remote_shutdown, arg), -EPERM);
    assert_int_equal(op(SCHEDOP_remote_shutdown, ARG(sched_remote_shutdown, .domain_id = 9)),
                     -ESRCH);
    assert_false(du->is_shut_down);
    host_set_current(d0->vcpus[0]);
    assert_int_equal(op(SCHEDOP_remote_shutdown, arg), 0);
    host_set_current(v);
    assert_int_equal(du->shutdown_code, SHUTDOWN_suspend);
    softirq_process();
    domain_resume(du);
    softirq_process();
}

static long watchdog(uint32_t id, uint32_t timeout_s)
{
    return op(SCHEDOP_watchdog, ARG(sched_watchdog, .id = id, .timeout = timeout_s));
}

TEST(there_are_two_watchdogs_with_ids_from_one)
{
    assert_int_equal(watchdog(0, 0), -EINVAL);
    assert_int_equal(watchdog(1, 5), -EINVAL); /* not set yet */
    assert_int_equal(watchdog(0, 5), 1);
    assert_int_equal(watchdog(0, 5), 2);
    assert_int_equal(watchdog(0, 5), -ENOSPC);
    assert_int_equal(watchdog(3, 5), -EINVAL);
    assert_int_equal(watchdog(~0U, 5), -EINVAL);
    assert_int_equal(watchdog(2, 0), 0);
    assert_int_equal(watchdog(2, 0), -EINVAL);
    assert_int_equal(watchdog(0, 5), 2);
    assert_int_equal(watchdog(1, 0), 0);
    assert_int_equal(watchdog(2, 0), 0);
}

static void time_passes(uint64_t ns)
{
    host_time_advance(ns);
    softirq_raise(SOFTIRQ_TIMER);
    softirq_process();
}

TEST(a_watchdog_that_is_fed_sleeps_and_one_that_is_not_bites)
{
    assert_int_equal(watchdog(0, 2), 1);
    for (unsigned int i = 0; i < 5; i++) {
        time_passes(NS_PER_S);
        assert_int_equal(watchdog(1, 2), 0);
    }
    assert_false(du->is_shut_down);
    time_passes(2 * NS_PER_S + TIMER_SLOP_NS);
    assert_true(du->is_shut_down);
    assert_int_equal(du->shutdown_code, SHUTDOWN_watchdog);
    softirq_process();
    domain_resume(du);
    softirq_process();
    assert_int_equal(watchdog(1, 0), 0);
}

TEST(only_the_hardware_domain_overrides_its_affinity)
{
    void *pin = ARG(sched_pin_override, .pcpu = 0), *unpin = ARG(sched_pin_override, .pcpu = -1);

    assert_int_equal(op(SCHEDOP_pin_override, pin), -EPERM);
    host_set_current(d0->vcpus[0]);
    assert_int_equal(op(SCHEDOP_pin_override, unpin), -EINVAL);
    assert_int_equal(op(SCHEDOP_pin_override, ARG(sched_pin_override, .pcpu = NR_CPUS)), -EINVAL);
    /* Not online: */
    assert_int_equal(op(SCHEDOP_pin_override, ARG(sched_pin_override, .pcpu = 1)), -EINVAL);
    assert_int_equal(op(SCHEDOP_pin_override, pin), 0);
    assert_int_equal(op(SCHEDOP_pin_override, pin), -EBUSY);
    assert_int_equal(op(SCHEDOP_pin_override, unpin), 0);
    host_set_current(v);
}

#define TT(name) cmocka_unit_test_teardown(name, back)
TEST_RUN(start, NULL, TT(block_unmasks_events_and_waits_for_one),
         TT(yield_and_block_do_not_look_at_their_argument),
         TT(unknown_operations_and_bad_addresses_are_refused),
         TT(poll_returns_at_once_when_a_port_is_pending),
         TT(poll_of_one_port_is_woken_by_that_port_only), TT(poll_of_a_list_is_woken_by_any_port),
         TT(poll_ends_with_its_timeout_and_not_before),
         TT(a_stale_timeout_does_not_end_a_later_block),
         TT(a_stale_timeout_does_not_end_a_later_poll),
         TT(poll_without_ports_waits_for_the_timeout_or_an_upcall),
         TT(bad_polls_are_refused_and_leave_the_caller_running),
         TT(as_many_ports_as_the_interface_allows), TT(a_guest_shuts_itself_down_with_its_reason),
         TT(only_the_privileged_shut_others_down), TT(there_are_two_watchdogs_with_ids_from_one),
         TT(a_watchdog_that_is_fed_sleeps_and_one_that_is_not_bites),
         TT(only_the_hardware_domain_overrides_its_affinity))
