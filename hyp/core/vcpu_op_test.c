/* vcpu_op and set_timer_op through their hypercalls: vCPUs up and down, timers, runstate. */
#include "core/vcpu_op.h"
#include <string.h>
#include <lodge/errno.h>
#include <lodge/shared.h>
#include <xen/event_channel.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include "core/evtchn.h"
#include "core/guest_timer.h"
#include "core/hypercall.h"
#include "core/softirq.h"
#include "hyp/arch/host/domains.h"
#include "hyp/arch/host/host.h"
#include "tests/unit.h"

static struct domain *d;
static struct vcpu *v;
static evtchn_port_t timer_port;
static unsigned int nmis, time_changes;

void vcpu_arch_send_nmi(struct vcpu *w)
{
    (void)w;
    nmis++;
}

uint64_t cpu_arch_physid(unsigned int cpu)
{
    return 100 + cpu;
}

void vcpu_arch_time_area_changed(struct vcpu *w)
{
    (void)w;
    time_changes++;
}

static int start(void **state)
{
    struct evtchn_bind_virq *bind;

    (void)state;
    d = host_domain(0, 40);
    v = d->vcpus[0];
    v->initialised = true;
    v->pause_flags = 0;
    host_set_current(idle_vcpu[0]);
    domain_unpause(d);
    softirq_process();
    assert_ptr_equal(current, v);
    bind = host_guest_alloc(sizeof(*bind));
    bind->virq = VIRQ_TIMER;
    assert_int_equal(hypercall_event_channel_op(EVTCHNOP_bind_virq, host_gva(bind), 0, 0, 0), 0);
    timer_port = bind->port;
    return 0;
}

static long op_at(uint64_t cmd, uint64_t id, uint64_t gva)
{
    return hypercall_vcpu_op(cmd, id, gva, 0, 0);
}

static long op(uint64_t cmd, uint64_t id, const void *arg)
{
    return op_at(cmd, id, host_gva(arg));
}

static void *guest_copy_of(const void *arg, size_t n)
{
    return memcpy(host_guest_alloc(n), arg, n);
}
#define ARG(type, ...) guest_copy_of(&(struct type){ __VA_ARGS__ }, sizeof(struct type))

/* Did VIRQ_TIMER come since the last question? */
static bool ticked(void)
{
    return shared_test_and_clear_bit(timer_port, d->shared->evtchn_pending);
}

static void time_passes(uint64_t ns)
{
    host_time_advance(ns);
    softirq_raise(SOFTIRQ_TIMER);
    softirq_process();
}

/* The guest has seen to all its events, and waits. */
static void wait_for_event(void)
{
    v->info->evtchn_pending_sel = 0;
    v->info->evtchn_upcall_pending = 0;
    vcpu_block();
    softirq_process();
}

TEST(ids_beyond_the_last_vcpu_do_not_exist_whatever_is_asked)
{
    for (uint64_t id = 40; id < 8192; id++) {
        assert_int_equal(op(VCPUOP_is_up, id, NULL), -ENOENT);
    }
    assert_int_equal(op(VCPUOP_is_up, 0xffffffffU, NULL), -ENOENT);
    assert_int_equal(op(12345, 40, NULL), -ENOENT);
    assert_int_equal(op(12345, 0, NULL), -ENOSYS);
    assert_int_equal(op(VCPUOP_register_vcpu_time_memory_area + 1, 0, NULL), -ENOSYS);
}

TEST(a_vcpu_is_initialised_once_and_then_brought_up)
{
    assert_int_equal(op(VCPUOP_is_up, 1, NULL), 0);
    assert_int_equal(op(VCPUOP_up, 1, NULL), -EINVAL);
    assert_int_equal(op(VCPUOP_initialise, 1, host_guest_alloc(8)), 0);
    assert_int_equal(op(VCPUOP_is_up, 1, NULL), 0);
    assert_int_equal(op(VCPUOP_initialise, 1, host_guest_alloc(8)), -EEXIST);
    assert_int_equal(op(VCPUOP_up, 1, NULL), 0);
    assert_int_equal(op(VCPUOP_is_up, 1, NULL), 1);
    assert_int_equal(op(VCPUOP_up, 1, NULL), 0);
    assert_true(d->vcpus[1]->sched.queued);
    assert_int_equal(op(VCPUOP_down, 1, NULL), 0);
    assert_int_equal(op(VCPUOP_is_up, 1, NULL), 0);
    assert_false(d->vcpus[1]->sched.queued);
    assert_int_equal(d->vcpus[1]->runstate.state, RUNSTATE_offline);
}

TEST(a_vcpu_without_a_place_for_events_is_not_initialised)
{
    assert_int_equal(op(VCPUOP_initialise, 39, host_guest_alloc(8)), -EINVAL);
    assert_false(d->vcpus[39]->initialised);
}

TEST(taking_the_last_vcpu_down_ends_the_domain)
{
    if (HOST_PANICS()) {
        op(VCPUOP_down, 0, NULL); /* domain 0: ends the machine */
        host_panic_missing();
    }
    d->shutdown_code = SHUTDOWN_CODE_NONE;
    assert_int_equal(op(VCPUOP_is_up, 0, NULL), 1);
}

/* --- timers --- */

TEST(a_single_shot_fires_once_at_its_time)
{
    uint64_t at = arch_time_ns() + NS_PER_MS;

    assert_int_equal(
        op(VCPUOP_set_singleshot_timer, 0, ARG(vcpu_set_singleshot_timer, .timeout_abs_ns = at)),
        0);
    time_passes(NS_PER_MS - 1);
    assert_false(ticked());
    time_passes(1 + TIMER_SLOP_NS);
    assert_true(ticked());
    time_passes(NS_PER_S);
    assert_false(ticked());
}

TEST(a_deadline_in_the_past_fires_at_once_even_if_the_future_was_asked_for)
{
    uint64_t past = arch_time_ns() - 1;
    void *arg = ARG(vcpu_set_singleshot_timer, .timeout_abs_ns = past);

    assert_int_equal(op(VCPUOP_set_singleshot_timer, 0, arg), 0);
    softirq_process();
    assert_true(ticked());
    arg = ARG(vcpu_set_singleshot_timer, .timeout_abs_ns = past, .flags = VCPU_SSHOTTMR_future);
    assert_int_equal(op(VCPUOP_set_singleshot_timer, 0, arg), 0);
    softirq_process();
    assert_true(ticked());
    arg = ARG(vcpu_set_singleshot_timer, .timeout_abs_ns = ~0ULL); /* times are signed */
    assert_int_equal(op(VCPUOP_set_singleshot_timer, 0, arg), 0);
    softirq_process();
    assert_true(ticked());
}

TEST(a_single_shot_is_ones_own_and_can_be_stopped)
{
    uint64_t at = arch_time_ns() + NS_PER_MS;
    void *arg = ARG(vcpu_set_singleshot_timer, .timeout_abs_ns = at);

    assert_int_equal(op(VCPUOP_set_singleshot_timer, 1, arg), -EINVAL);
    assert_int_equal(op(VCPUOP_stop_singleshot_timer, 1, NULL), -EINVAL);
    assert_int_equal(op(VCPUOP_set_singleshot_timer, 0, NULL), -EFAULT);
    assert_int_equal(op(VCPUOP_set_singleshot_timer, 0, arg), 0);
    assert_int_equal(op(VCPUOP_stop_singleshot_timer, 0, NULL), 0);
    time_passes(NS_PER_S);
    assert_false(ticked());
}

TEST(set_timer_op_sets_the_same_timer)
{
    assert_int_equal(hypercall_set_timer_op(arch_time_ns() + NS_PER_MS, 0, 0, 0, 0), 0);
    time_passes(NS_PER_MS + TIMER_SLOP_NS);
    assert_true(ticked());
    assert_int_equal(hypercall_set_timer_op(1, 0, 0, 0, 0), 0); /* long ago */
    softirq_process();
    assert_true(ticked());
    assert_int_equal(hypercall_set_timer_op(arch_time_ns() + NS_PER_MS, 0, 0, 0, 0), 0);
    assert_int_equal(hypercall_set_timer_op(0, 0, 0, 0, 0), 0);
    time_passes(NS_PER_S);
    assert_false(ticked());
    /* Wrapped: soon instead of never. */
    assert_int_equal(hypercall_set_timer_op(~0ULL, 0, 0, 0, 0), 0);
    time_passes(101 * NS_PER_MS);
    assert_true(ticked());
}

TEST(a_periodic_timer_ticks_until_stopped)
{
    unsigned int n = 0;

    assert_int_equal(op(VCPUOP_set_periodic_timer, 0, ARG(vcpu_set_periodic_timer, .period_ns = 0)),
                     -EINVAL);
    assert_int_equal(
        op(VCPUOP_set_periodic_timer, 0, ARG(vcpu_set_periodic_timer, .period_ns = 999999)),
        -EINVAL);
    assert_int_equal(
        op(VCPUOP_set_periodic_timer, 0, ARG(vcpu_set_periodic_timer, .period_ns = ~0ULL)),
        -EINVAL);
    assert_int_equal(
        op(VCPUOP_set_periodic_timer, 0, ARG(vcpu_set_periodic_timer, .period_ns = 10 * NS_PER_MS)),
        0);
    for (unsigned int i = 0; i < 1000; i++) {
        time_passes(NS_PER_MS);
        n += ticked();
    }
    assert_in_range(n, 90, 100);
    assert_int_equal(op(VCPUOP_stop_periodic_timer, 0, NULL), 0);
    time_passes(NS_PER_S);
    assert_false(ticked());
}

TEST(a_blocked_vcpu_is_not_woken_by_its_periodic_timer_but_finds_its_tick)
{
    assert_int_equal(
        op(VCPUOP_set_periodic_timer, 0, ARG(vcpu_set_periodic_timer, .period_ns = NS_PER_MS)), 0);
    wait_for_event();
    time_passes(NS_PER_S);
    assert_true(current->is_idle);
    assert_false(ticked());
    vcpu_unblock(v);
    softirq_process();
    assert_ptr_equal(current, v);
    assert_true(ticked());
    assert_int_equal(op(VCPUOP_stop_periodic_timer, 0, NULL), 0);
}

TEST(a_single_shot_wakes_a_blocked_vcpu)
{
    assert_int_equal(hypercall_set_timer_op(arch_time_ns() + NS_PER_MS, 0, 0, 0, 0), 0);
    wait_for_event();
    assert_true(current->is_idle);
    time_passes(NS_PER_MS + TIMER_SLOP_NS);
    assert_ptr_equal(current, v);
    assert_true(ticked());
}

/*
 * --- runstate and the rest
 * ----------------------------------------------------------------------------------------
 */

TEST(runstate_adds_up)
{
    struct vcpu_runstate_info *before = host_guest_alloc(sizeof(*before)),
                              *after = host_guest_alloc(sizeof(*after));
    uint64_t sum = 0;

    assert_int_equal(op(VCPUOP_get_runstate_info, 0, before), 0);
    time_passes(7 * NS_PER_MS);
    wait_for_event();
    time_passes(5 * NS_PER_MS);
    vcpu_unblock(v);
    softirq_process();
    time_passes(2 * NS_PER_MS);
    assert_int_equal(op(VCPUOP_get_runstate_info, 0, after), 0);
    assert_int_equal(after->state, RUNSTATE_running);
    assert_int_equal(after->time[RUNSTATE_running] - before->time[RUNSTATE_running], 9 * NS_PER_MS);
    assert_int_equal(after->time[RUNSTATE_blocked] - before->time[RUNSTATE_blocked], 5 * NS_PER_MS);
    for (unsigned int i = 0; i < 4; i++) {
        sum += after->time[i] - before->time[i];
    }
    assert_int_equal(sum, 14 * NS_PER_MS);
    assert_int_equal(op_at(VCPUOP_get_runstate_info, 0, 1), -EFAULT);
}

TEST(the_runstate_area_is_written_at_once_and_on_every_return)
{
    struct vcpu_register_runstate_memory_area req;
    struct vcpu_runstate_info *area = host_guest_alloc(sizeof(*area));

    req.addr.p = 0xffff800000000000ULL;
    assert_int_equal(op(VCPUOP_register_runstate_memory_area, 0, guest_copy_of(&req, sizeof(req))),
                     -EFAULT);
    assert_int_equal(v->runstate_gva, 0);
    req.addr.p = host_gva(area);
    assert_int_equal(op(VCPUOP_register_runstate_memory_area, 0, guest_copy_of(&req, sizeof(req))),
                     0);
    assert_int_equal(area->state, RUNSTATE_running);
    area->state = 77;
    assert_true(vcpu_runstate_copy_to_guest(v));
    assert_int_equal(area->state, RUNSTATE_running);
    assert_int_equal(area->state_entry_time, v->runstate.state_entry_time);
    d->vm_assist |= 1U << VMASST_TYPE_runstate_update_flag;
    assert_true(vcpu_runstate_copy_to_guest(v));
    assert_int_equal(area->state_entry_time, v->runstate.state_entry_time);
    host_guest_fault(area, sizeof(*area), HOST_FAULT_WRITE);
    assert_false(vcpu_runstate_copy_to_guest(v));
    assert_int_equal(area->state_entry_time & XEN_RUNSTATE_UPDATE, 0);
    req.addr.p = 0;
    assert_int_equal(op(VCPUOP_register_runstate_memory_area, 0, guest_copy_of(&req, sizeof(req))),
                     0);
    assert_true(vcpu_runstate_copy_to_guest(v));
}

TEST(a_reader_that_is_stopped_halfway_sees_the_update_flag)
{
    struct vcpu_register_runstate_memory_area req;
    struct vcpu_runstate_info *area = host_guest_alloc(sizeof(*area));

    req.addr.p = host_gva(area);
    assert_int_equal(op(VCPUOP_register_runstate_memory_area, 0, guest_copy_of(&req, sizeof(req))),
                     0);
    host_guest_fault(&area->time[2], 8, HOST_FAULT_WRITE); /* the copy ends there */
    assert_false(vcpu_runstate_copy_to_guest(v));
    assert_true(area->state_entry_time & XEN_RUNSTATE_UPDATE);
    v->runstate_gva = 0;
}

TEST(nmi_time_area_and_physical_id)
{
    struct vcpu_register_time_memory_area req;
    struct vcpu_get_physid *id = host_guest_alloc(sizeof(*id));
    cpumap_t map = { { 1 } };

    assert_int_equal(op_at(VCPUOP_send_nmi, 0, 1), -EINVAL);
    assert_int_equal(nmis, 0);
    assert_int_equal(op_at(VCPUOP_send_nmi, 0, 0), 0);
    assert_int_equal(nmis, 1);
    req.addr.p = 0xffff87ffffffffffULL;
    assert_int_equal(op(VCPUOP_register_vcpu_time_memory_area, 0, guest_copy_of(&req, sizeof(req))),
                     -EFAULT);
    assert_int_equal(time_changes, 0);
    req.addr.p = host_gva(id);
    assert_int_equal(op(VCPUOP_register_vcpu_time_memory_area, 0, guest_copy_of(&req, sizeof(req))),
                     0);
    assert_int_equal(time_changes, 1);
    assert_int_equal(v->time_gva, req.addr.p);
    assert_int_equal(op(VCPUOP_get_physid, 0, id), -EINVAL); /* not pinned */
    assert_int_equal(vcpu_set_hard_affinity(v, &map), 0);
    softirq_process();
    assert_int_equal(op(VCPUOP_get_physid, 0, id), 0);
    assert_int_equal(id->phys_id, 100);
}

TEST_RUN(start, NULL, T(ids_beyond_the_last_vcpu_do_not_exist_whatever_is_asked),
         T(a_vcpu_is_initialised_once_and_then_brought_up),
         T(a_vcpu_without_a_place_for_events_is_not_initialised),
         T(taking_the_last_vcpu_down_ends_the_domain), T(a_single_shot_fires_once_at_its_time),
         T(a_deadline_in_the_past_fires_at_once_even_if_the_future_was_asked_for),
         T(a_single_shot_is_ones_own_and_can_be_stopped), T(set_timer_op_sets_the_same_timer),
         T(a_periodic_timer_ticks_until_stopped),
         T(a_blocked_vcpu_is_not_woken_by_its_periodic_timer_but_finds_its_tick),
         T(a_single_shot_wakes_a_blocked_vcpu), T(runstate_adds_up),
         T(the_runstate_area_is_written_at_once_and_on_every_return),
         T(a_reader_that_is_stopped_halfway_sees_the_update_flag), T(nmi_time_area_and_physical_id))
