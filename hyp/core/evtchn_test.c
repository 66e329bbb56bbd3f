#include "core/evtchn.h"
#include <lodge/errno.h>
#include <lodge/string.h>
#include "core/evtchn_private.h"
#include "hyp/arch/host/domains.h"
#include "hyp/arch/host/grant.h"
#include "hyp/arch/host/host.h"
#include "tests/unit.h"

/* Two domains with two vCPUs each; the caller is d0's vCPU 0. domU has room for few ports. */
static struct domain *d0, *du;
static struct vcpu *v0, *v1;

#define DU_MAX_PORT 40

static long op(uint64_t cmd, const void *arg)
{
    return hypercall_event_channel_op(cmd, host_gva(arg), 0, 0, 0);
}

static void *guest_copy_of(const void *arg, size_t n)
{
    void *p = host_guest_alloc(n);

    memcpy(p, arg, n);
    return p;
}
#define ARG(type, ...) \
    ((struct type *)guest_copy_of(&(struct type){ __VA_ARGS__ }, sizeof(struct type)))

static int start(void **state)
{
    (void)state;
    d0 = host_domain(0, 2);
    du = host_domain_ports(1, 2, DU_MAX_PORT);
    v0 = d0->vcpus[0];
    v1 = d0->vcpus[1];
    return 0;
}

static void as(struct domain *d)
{
    host_set_current(d->vcpus[0]);
}

static void forget(struct domain *d)
{
    struct vcpu *v;
    unsigned int i;

    memset(d->shared->evtchn_pending, 0, sizeof(d->shared->evtchn_pending));
    memset(d->shared->evtchn_mask, 0, sizeof(d->shared->evtchn_mask));
    domain_for_each_vcpu(d, v, i) {
        v->info->evtchn_pending_sel = 0;
        v->info->evtchn_upcall_pending = 0;
        v->info->evtchn_upcall_mask = 0;
        v->arch.kicks = 0;
    }
}

static void close_all(struct domain *d)
{
    int rc;

    do {
        rc = evtchn_close_all(d);
    } while (rc == -ERESTART);
    assert_int_equal(rc, 0);
    assert_int_equal(d->nr_used_evtchns, 0);
}

/* Every port closed, nothing pending, memory of the last test's guest gone. */
static int reset(void **state)
{
    (void)state;
    close_all(d0);
    close_all(du);
    forget(d0);
    forget(du);
    host_guest_reset();
    as(d0);
    host_pirq_bind_answer = 0;
    host_pirq_on_bind = NULL;
    return 0;
}

static bool pending(const struct domain *d, evtchn_port_t port)
{
    return shared_test_bit(port, d->shared->evtchn_pending);
}

static evtchn_port_t bind_ipi(unsigned int vcpu)
{
    struct evtchn_bind_ipi *arg = ARG(evtchn_bind_ipi, .vcpu = vcpu);

    assert_int_equal(op(EVTCHNOP_bind_ipi, arg), 0);
    return arg->port;
}

static evtchn_port_t alloc_unbound(domid_t dom, domid_t remote)
{
    struct evtchn_alloc_unbound *arg = ARG(evtchn_alloc_unbound, .dom = dom, .remote_dom = remote);

    assert_int_equal(op(EVTCHNOP_alloc_unbound, arg), 0);
    return arg->port;
}

static struct evtchn_status *status_of(domid_t dom, evtchn_port_t port)
{
    struct evtchn_status *arg = ARG(evtchn_status, .dom = dom, .port = port);

    assert_int_equal(op(EVTCHNOP_status, arg), 0);
    return arg;
}

/* d0's port bound to du's. */
static evtchn_port_t connect(evtchn_port_t *far)
{
    struct evtchn_bind_interdomain *arg;

    *far = alloc_unbound(1, 0);
    arg = ARG(evtchn_bind_interdomain, .remote_dom = 1, .remote_port = *far);
    assert_int_equal(op(EVTCHNOP_bind_interdomain, arg), 0);
    return arg->local_port;
}

TEST(ports_are_handed_out_lowest_first_and_reused)
{
    assert_int_equal(bind_ipi(0), 1);
    assert_int_equal(bind_ipi(0), 2);
    assert_int_equal(bind_ipi(0), 3);
    assert_int_equal(op(EVTCHNOP_close, ARG(evtchn_close, 2)), 0);
    assert_int_equal(op(EVTCHNOP_close, ARG(evtchn_close, 1)), 0);
    assert_int_equal(bind_ipi(0), 1);
    assert_int_equal(bind_ipi(0), 2);
    assert_int_equal(bind_ipi(0), 4);
}

TEST(unknown_operations_are_refused)
{
    assert_int_equal(op(15, ARG(evtchn_close, 1)), -ENOSYS);
    assert_int_equal(op(1000, ARG(evtchn_close, 1)), -ENOSYS);
    assert_int_equal(hypercall_event_channel_op(EVTCHNOP_send, 0, 0, 0, 0), -EFAULT);
    assert_int_equal(hypercall_event_channel_op(EVTCHNOP_close, 0, 0, 0, 0), -EFAULT);
}

TEST(an_answer_that_cannot_be_written_binds_nothing)
{
    struct evtchn_bind_ipi *arg = ARG(evtchn_bind_ipi, .vcpu = 0);

    host_guest_fault(arg, sizeof(*arg), HOST_FAULT_WRITE);
    assert_int_equal(op(EVTCHNOP_bind_ipi, arg), -EFAULT);
    assert_int_equal(d0->nr_used_evtchns, 0);
}

TEST(an_ipi_reaches_the_vcpu_it_was_bound_to)
{
    evtchn_port_t port = bind_ipi(1);

    v1->is_running = true;
    assert_int_equal(op(EVTCHNOP_send, ARG(evtchn_send, port)), 0);
    assert_true(pending(d0, port));
    assert_int_equal(v1->info->evtchn_pending_sel, 1);
    assert_int_equal(v1->info->evtchn_upcall_pending, 1);
    assert_int_equal(v0->info->evtchn_upcall_pending, 0);
    assert_int_equal(v1->arch.kicks, 1);
    assert_int_equal(op(EVTCHNOP_send, ARG(evtchn_send, port)), 0);
    assert_int_equal(v1->arch.kicks, 1); /* pending already: nothing more to tell */
    v1->is_running = false;
    assert_int_equal(op(EVTCHNOP_bind_ipi, ARG(evtchn_bind_ipi, .vcpu = 2)), -ENOENT);
}

TEST(a_masked_port_becomes_pending_without_an_upcall_until_it_is_unmasked)
{
    evtchn_port_t port = bind_ipi(0);

    shared_test_and_set_bit(port, d0->shared->evtchn_mask);
    assert_int_equal(op(EVTCHNOP_send, ARG(evtchn_send, port)), 0);
    assert_true(pending(d0, port));
    assert_int_equal(v0->info->evtchn_upcall_pending, 0);
    assert_int_equal(op(EVTCHNOP_unmask, ARG(evtchn_unmask, port)), 0);
    assert_false(shared_test_bit(port, d0->shared->evtchn_mask));
    assert_int_equal(v0->info->evtchn_pending_sel, 1);
    assert_int_equal(v0->info->evtchn_upcall_pending, 1);
    assert_int_equal(op(EVTCHNOP_unmask, ARG(evtchn_unmask, 127)), 0); /* exists, free: as Xen */
    assert_int_equal(op(EVTCHNOP_unmask, ARG(evtchn_unmask, 128)), -EINVAL);
}

TEST(a_blocked_vcpu_is_unblocked)
{
    evtchn_port_t port = bind_ipi(1);

    v1->pause_flags = 1U << VCPU_BLOCKED | 1U << VCPU_DOWN;
    assert_int_equal(evtchn_send(d0, port), 0);
    assert_int_equal(v1->pause_flags, 1U << VCPU_DOWN);
}

TEST(interdomain_events_go_both_ways)
{
    evtchn_port_t far, near = connect(&far);

    assert_true(pending(d0, near)); /* binding itself rings once */
    assert_false(pending(du, far));
    forget(d0);
    assert_int_equal(op(EVTCHNOP_send, ARG(evtchn_send, near)), 0);
    assert_true(pending(du, far));
    assert_int_equal(du->vcpus[0]->info->evtchn_upcall_pending, 1);
    assert_false(pending(d0, near));
    as(du);
    assert_int_equal(op(EVTCHNOP_send, ARG(evtchn_send, far)), 0);
    assert_true(pending(d0, near));
    assert_int_equal(evtchn_of(d0, near)->binding, EVTCHN_INTERDOMAIN); /* no claim stays behind */
}

TEST(a_loopback_reaches_its_other_end)
{
    evtchn_port_t far = alloc_unbound(DOMID_SELF, DOMID_SELF);
    struct evtchn_bind_interdomain *arg =
        ARG(evtchn_bind_interdomain, .remote_dom = DOMID_SELF, .remote_port = far);

    assert_int_equal(op(EVTCHNOP_bind_interdomain, arg), 0);
    forget(d0);
    assert_int_equal(op(EVTCHNOP_send, ARG(evtchn_send, arg->local_port)), 0);
    assert_true(pending(d0, far));
    assert_false(pending(d0, arg->local_port));
}

TEST(sending_without_a_listener_is_silent_and_on_other_ports_refused)
{
    struct evtchn_bind_virq *virq = ARG(evtchn_bind_virq, .virq = VIRQ_TIMER, .vcpu = 0);
    evtchn_port_t port = alloc_unbound(DOMID_SELF, 1);

    assert_int_equal(op(EVTCHNOP_send, ARG(evtchn_send, port)), 0);
    assert_false(pending(d0, port));
    assert_int_equal(op(EVTCHNOP_bind_virq, virq), 0);
    assert_int_equal(op(EVTCHNOP_send, ARG(evtchn_send, virq->port)), -EINVAL);
    assert_int_equal(op(EVTCHNOP_send, ARG(evtchn_send, 0)), -EINVAL);
    assert_int_equal(op(EVTCHNOP_send, ARG(evtchn_send, 100)), -EINVAL);
    assert_int_equal(op(EVTCHNOP_send, ARG(evtchn_send, 128)), -EINVAL);
    assert_int_equal(op(EVTCHNOP_send, ARG(evtchn_send, 0xffffffff)), -EINVAL);
}

TEST(binding_needs_a_port_that_waits_for_the_caller)
{
    evtchn_port_t far = alloc_unbound(1, 7); /* waits for d7 */
    unsigned int used = d0->nr_used_evtchns;

    assert_int_equal(op(EVTCHNOP_bind_interdomain, ARG(evtchn_bind_interdomain, 1, far, 0)),
                     -EINVAL);
    assert_int_equal(op(EVTCHNOP_bind_interdomain, ARG(evtchn_bind_interdomain, 1, far + 1, 0)),
                     -EINVAL);
    assert_int_equal(op(EVTCHNOP_bind_interdomain, ARG(evtchn_bind_interdomain, 1, 0xffffffff, 0)),
                     -EINVAL);
    assert_int_equal(op(EVTCHNOP_bind_interdomain, ARG(evtchn_bind_interdomain, 9, far, 0)),
                     -ESRCH);
    assert_int_equal(d0->nr_used_evtchns, used);
    assert_int_equal(status_of(1, far)->status, EVTCHNSTAT_unbound);
}

TEST(closing_one_end_leaves_the_other_waiting_for_it)
{
    evtchn_port_t far, near = connect(&far);
    struct evtchn_status *st;

    as(du);
    assert_int_equal(op(EVTCHNOP_close, ARG(evtchn_close, far)), 0);
    assert_int_equal(op(EVTCHNOP_close, ARG(evtchn_close, far)), -EINVAL);
    as(d0);
    st = status_of(DOMID_SELF, near);
    assert_int_equal(st->status, EVTCHNSTAT_unbound);
    assert_int_equal(st->u.unbound.dom, 1);
    assert_int_equal(op(EVTCHNOP_send, ARG(evtchn_send, near)), 0);
    assert_int_equal(status_of(1, far)->status, EVTCHNSTAT_closed);
    assert_int_equal(op(EVTCHNOP_close, ARG(evtchn_close, near)), 0);
    assert_int_equal(op(EVTCHNOP_close, ARG(evtchn_close, 0)), -EINVAL);
    assert_int_equal(op(EVTCHNOP_close, ARG(evtchn_close, 4096)), -EINVAL);
}

TEST(a_closed_port_starts_clean)
{
    evtchn_port_t port = bind_ipi(1);

    assert_int_equal(evtchn_send(d0, port), 0);
    assert_int_equal(evtchn_close(d0, port), 0);
    assert_false(pending(d0, port));
    assert_int_equal(alloc_unbound(DOMID_SELF, 1), port);
    assert_int_equal(status_of(DOMID_SELF, port)->vcpu, 0);
}

TEST(an_unprivileged_domain_acts_on_itself_only)
{
    struct evtchn_status *st;

    as(du);
    assert_int_equal(op(EVTCHNOP_alloc_unbound, ARG(evtchn_alloc_unbound, .dom = 0)), -EPERM);
    assert_int_equal(op(EVTCHNOP_status, ARG(evtchn_status, .dom = 0, .port = 1)), -EPERM);
    assert_int_equal(op(EVTCHNOP_reset, ARG(evtchn_reset, 0)), -EPERM);
    assert_int_equal(alloc_unbound(1, 0), 1); /* its own number is itself */
    as(d0);
    assert_int_equal(op(EVTCHNOP_alloc_unbound, ARG(evtchn_alloc_unbound, .dom = 9)), -ESRCH);
    assert_int_equal(op(EVTCHNOP_status, ARG(evtchn_status, .dom = 9)), -ESRCH);
    assert_int_equal(op(EVTCHNOP_status, ARG(evtchn_status, .dom = 1, .port = 4096)), -EINVAL);
    st = status_of(1, 1);
    assert_int_equal(st->status, EVTCHNSTAT_unbound);
    assert_int_equal(st->u.unbound.dom, 0);
}

TEST(the_limit_on_ports_holds_and_a_refusal_leaves_no_port_behind)
{
    struct evtchn_bind_ipi *arg = ARG(evtchn_bind_ipi, .vcpu = 0);

    as(du);
    for (evtchn_port_t port = 1; port <= DU_MAX_PORT; port++) {
        assert_int_equal(bind_ipi(0), port);
    }
    assert_int_equal(op(EVTCHNOP_bind_ipi, arg), -ENOSPC);
    assert_int_equal(op(EVTCHNOP_bind_virq, ARG(evtchn_bind_virq, .virq = VIRQ_TIMER)), -ENOSPC);
    assert_int_equal(du->vcpus[0]->virq_to_port[VIRQ_TIMER], 0);
    assert_int_equal(op(EVTCHNOP_bind_pirq, ARG(evtchn_bind_pirq, .pirq = 3)), -ENOSPC);
    assert_int_equal(pirq_port(du, 3), 0);
    assert_int_equal(du->nr_used_evtchns, DU_MAX_PORT);
}

TEST(the_2_level_abi_ends_at_4096_ports)
{
    for (evtchn_port_t port = 1; port < EVTCHN_2L_NR_CHANNELS; port++) {
        assert_int_equal(evtchn_alloc_unbound(d0, 1, &port), 0);
    }
    assert_int_equal(op(EVTCHNOP_bind_ipi, ARG(evtchn_bind_ipi, .vcpu = 0)), -ENOSPC);
    assert_int_equal(op(EVTCHNOP_set_priority, ARG(evtchn_set_priority, 1, 3)), -ENOSYS);
    assert_int_equal(op(EVTCHNOP_set_priority, ARG(evtchn_set_priority, 99999, 3)), -EINVAL);
}

TEST(per_vcpu_virqs_are_bound_once_on_each_vcpu)
{
    struct evtchn_bind_virq *a = ARG(evtchn_bind_virq, .virq = VIRQ_TIMER, .vcpu = 0);
    struct evtchn_bind_virq *b = ARG(evtchn_bind_virq, .virq = VIRQ_TIMER, .vcpu = 1);
    struct evtchn_status *st;

    assert_int_equal(op(EVTCHNOP_bind_virq, a), 0);
    assert_int_equal(op(EVTCHNOP_bind_virq, b), 0);
    assert_int_equal(op(EVTCHNOP_bind_virq, a), -EEXIST);
    virq_send_vcpu(v1, VIRQ_TIMER);
    assert_true(pending(d0, b->port));
    assert_false(pending(d0, a->port));
    virq_send_vcpu(v1, VIRQ_DEBUG); /* unbound: nothing happens */
    st = status_of(DOMID_SELF, b->port);
    assert_int_equal(st->status, EVTCHNSTAT_virq);
    assert_int_equal(st->u.virq, VIRQ_TIMER);
    assert_int_equal(st->vcpu, 1);
    assert_int_equal(op(EVTCHNOP_bind_vcpu, ARG(evtchn_bind_vcpu, b->port, 0)), -EINVAL);
    assert_int_equal(op(EVTCHNOP_close, ARG(evtchn_close, b->port)), 0);
    virq_send_vcpu(v1, VIRQ_TIMER);
    assert_false(pending(d0, b->port));
    assert_int_equal(op(EVTCHNOP_bind_virq, b), 0);
}

TEST(global_virqs_are_bound_on_vcpu_0_and_can_be_moved)
{
    struct evtchn_bind_virq *arg = ARG(evtchn_bind_virq, .virq = VIRQ_CONSOLE, .vcpu = 0);

    assert_int_equal(op(EVTCHNOP_bind_virq, ARG(evtchn_bind_virq, VIRQ_CONSOLE, 1, 0)), -EINVAL);
    assert_int_equal(op(EVTCHNOP_bind_virq, ARG(evtchn_bind_virq, NR_VIRQS, 0, 0)), -EINVAL);
    assert_int_equal(op(EVTCHNOP_bind_virq, ARG(evtchn_bind_virq, 0xffffffff, 0, 0)), -EINVAL);
    assert_int_equal(op(EVTCHNOP_bind_virq, ARG(evtchn_bind_virq, VIRQ_TIMER, 2, 0)), -ENOENT);
    assert_int_equal(op(EVTCHNOP_bind_virq, arg), 0);
    assert_int_equal(op(EVTCHNOP_bind_vcpu, ARG(evtchn_bind_vcpu, arg->port, 1)), 0);
    virq_send_global(VIRQ_CONSOLE);
    assert_true(pending(d0, arg->port));
    assert_int_equal(v1->info->evtchn_upcall_pending, 1);
    assert_int_equal(v0->info->evtchn_upcall_pending, 0);
    assert_int_equal(op(EVTCHNOP_close, ARG(evtchn_close, arg->port)),
                     0); /* finds the slot although it was moved */
    assert_int_equal(op(EVTCHNOP_bind_virq, arg), 0);
}

TEST(only_movable_ports_move)
{
    evtchn_port_t ipi = bind_ipi(0), unbound = alloc_unbound(DOMID_SELF, 1);

    assert_int_equal(op(EVTCHNOP_bind_vcpu, ARG(evtchn_bind_vcpu, ipi, 1)), -EINVAL);
    assert_int_equal(op(EVTCHNOP_bind_vcpu, ARG(evtchn_bind_vcpu, unbound, 2)), -ENOENT);
    assert_int_equal(op(EVTCHNOP_bind_vcpu, ARG(evtchn_bind_vcpu, 4096, 1)), -EINVAL);
    assert_int_equal(op(EVTCHNOP_bind_vcpu, ARG(evtchn_bind_vcpu, 77, 1)), -EINVAL);
    assert_int_equal(op(EVTCHNOP_bind_vcpu, ARG(evtchn_bind_vcpu, unbound, 1)), 0);
    assert_int_equal(status_of(DOMID_SELF, unbound)->vcpu, 1);
    assert_int_equal(status_of(DOMID_SELF, ipi)->status, EVTCHNSTAT_ipi);
}

static void interrupt_at_once(struct vcpu *v, uint32_t pirq)
{
    evtchn_port_t port = pirq_port(v->domain, pirq);

    pirq_send(v->domain, pirq);
    assert_true(pending(v->domain, port));
    assert_int_equal(evtchn_close(v->domain, port), -EINVAL); /* nobody takes it away meanwhile */
}

TEST(a_pirq_may_come_as_soon_as_it_is_bound)
{
    struct evtchn_bind_pirq *arg = ARG(evtchn_bind_pirq, .pirq = 9);
    unsigned int unbinds = host_pirq_unbinds, moves = host_pirq_moves, unmasks = host_pirq_unmasks;

    host_pirq_on_bind = interrupt_at_once;
    assert_int_equal(op(EVTCHNOP_bind_pirq, arg), 0);
    assert_int_equal(pirq_port(d0, 9), arg->port);
    assert_int_equal(op(EVTCHNOP_bind_pirq, arg), -EEXIST);
    assert_int_equal(status_of(DOMID_SELF, arg->port)->u.pirq, 9);
    assert_int_equal(op(EVTCHNOP_bind_vcpu, ARG(evtchn_bind_vcpu, arg->port, 1)), 0);
    assert_int_equal(op(EVTCHNOP_bind_vcpu, ARG(evtchn_bind_vcpu, arg->port, 1)), 0);
    assert_int_equal(host_pirq_moves, moves + 1);
    assert_int_equal(op(EVTCHNOP_unmask, ARG(evtchn_unmask, arg->port)), 0);
    assert_int_equal(host_pirq_unmasks, unmasks + 1);
    assert_int_equal(op(EVTCHNOP_close, ARG(evtchn_close, arg->port)), 0);
    assert_int_equal(host_pirq_unbinds, unbinds + 1);
    assert_int_equal(pirq_port(d0, 9), 0);
    pirq_send(d0, 9);
    pirq_send(d0, 0xffffffff);
}

TEST(a_pirq_that_the_machine_refuses_leaves_no_port_behind)
{
    host_pirq_bind_answer = -EBUSY;
    assert_int_equal(op(EVTCHNOP_bind_pirq, ARG(evtchn_bind_pirq, .pirq = 9)), -EBUSY);
    assert_int_equal(op(EVTCHNOP_bind_pirq, ARG(evtchn_bind_pirq, .pirq = 0xffffffff)), -EINVAL);
    assert_int_equal(d0->nr_used_evtchns, 0);
    assert_int_equal(pirq_port(d0, 9), 0);
    host_pirq_bind_answer = 0;
    assert_int_equal(op(EVTCHNOP_bind_pirq, ARG(evtchn_bind_pirq, .pirq = 9)), 0);
}

TEST(reset_closes_everything_of_the_caller)
{
    evtchn_port_t far, near = connect(&far);

    (void)near;
    (void)bind_ipi(1);
    assert_int_equal(op(EVTCHNOP_bind_virq, ARG(evtchn_bind_virq, .virq = VIRQ_DEBUG)), 0);
    assert_int_equal(op(EVTCHNOP_bind_pirq, ARG(evtchn_bind_pirq, .pirq = 4)), 0);
    assert_int_equal(op(EVTCHNOP_reset, ARG(evtchn_reset, DOMID_SELF)), 0);
    assert_int_equal(d0->nr_used_evtchns, 0);
    assert_int_equal(v0->virq_to_port[VIRQ_DEBUG], 0);
    assert_int_equal(pirq_port(d0, 4), 0);
    assert_int_equal(status_of(1, far)->status, EVTCHNSTAT_unbound);
}

TEST(another_domain_is_reset_only_while_it_is_paused)
{
    (void)alloc_unbound(1, 0);
    assert_int_equal(op(EVTCHNOP_reset, ARG(evtchn_reset, 1)), 0); /* it was created paused */
    assert_int_equal(du->nr_used_evtchns, 0);
    domain_unpause(du);
    assert_int_equal(op(EVTCHNOP_reset, ARG(evtchn_reset, 1)), -EINVAL);
    domain_pause(du);
    assert_int_equal(op(EVTCHNOP_reset, ARG(evtchn_reset, 9)), -ESRCH);
}

TEST(a_reset_stops_when_asked_and_is_continued)
{
    evtchn_port_t port;
    unsigned int rounds = 0;
    long rc;

    for (unsigned int i = 0; i < 300; i++) {
        assert_int_equal(evtchn_alloc_unbound(d0, 1, &port), 0);
    }
    do {
        this_cpu(softirq_bits) |= 1U << SOFTIRQ_WORK;
        rc = op(EVTCHNOP_reset, ARG(evtchn_reset, DOMID_SELF));
        rounds++;
    } while (rc == -ERESTART);
    this_cpu(softirq_bits) = 0;
    assert_int_equal(rc, 0);
    assert_true(rounds > 3);
    assert_int_equal(v0->arch.continue_args[0], EVTCHNOP_reset);
    assert_int_equal(d0->nr_used_evtchns, 0);
}

TEST(a_poller_is_woken_masked_port_or_not)
{
    evtchn_port_t port = bind_ipi(0);

    shared_test_and_set_bit(port, d0->shared->evtchn_mask);
    assert_true(evtchn_port_valid(d0, port));
    assert_false(evtchn_port_valid(d0, port + 1));
    assert_false(evtchn_port_valid(d0, 0));
    assert_false(evtchn_port_valid(d0, 1U << 20));
    assert_false(evtchn_pending_unmasked_port(d0, port));
    v1->poll_evtchn = (int32_t)port;
    v1->pause_flags = 1U << VCPU_BLOCKED | 1U << VCPU_DOWN;
    bitmap_set(d0->poll_mask, 1);
    assert_int_equal(evtchn_send(d0, port), 0);
    assert_false(bitmap_test(d0->poll_mask, 1));
    assert_int_equal(v1->pause_flags, 1U << VCPU_DOWN);
    assert_true(evtchn_pending_unmasked_port(d0, port));
    assert_false(evtchn_pending_unmasked_port(d0, 0));
}

TEST(a_dying_domain_closes_its_ports_and_gets_no_more)
{
    struct domain *d = host_domain(3, 1);
    struct evtchn_bind_interdomain *arg;
    evtchn_port_t port;

    assert_int_equal(evtchn_alloc_unbound(d, 0, &port), 0);
    arg = ARG(evtchn_bind_interdomain, .remote_dom = 3, .remote_port = port);
    assert_int_equal(op(EVTCHNOP_bind_interdomain, arg), 0);
    d->is_dying = true;
    assert_int_equal(evtchn_alloc_unbound(d, 0, &port), -EINVAL);
    d->is_dying = false;
    host_domain_end(d);
    assert_int_equal(status_of(DOMID_SELF, arg->local_port)->status, EVTCHNSTAT_unbound);
    assert_int_equal(op(EVTCHNOP_send, ARG(evtchn_send, arg->local_port)), 0);
}

TEST(the_dump_names_every_binding)
{
    evtchn_port_t far;

    (void)connect(&far);
    (void)bind_ipi(1);
    assert_int_equal(op(EVTCHNOP_bind_virq, ARG(evtchn_bind_virq, .virq = VIRQ_DEBUG)), 0);
    assert_int_equal(op(EVTCHNOP_bind_pirq, ARG(evtchn_bind_pirq, .pirq = 4)), 0);
    evtchn_dump(d0);
    evtchn_dump(du);
}

#define C(name) cmocka_unit_test_setup(name, reset)
TEST_RUN(start, NULL, C(ports_are_handed_out_lowest_first_and_reused),
         C(unknown_operations_are_refused),
         C(an_answer_that_cannot_be_written_binds_nothing),
         C(an_ipi_reaches_the_vcpu_it_was_bound_to),
         C(a_masked_port_becomes_pending_without_an_upcall_until_it_is_unmasked),
         C(a_blocked_vcpu_is_unblocked), C(interdomain_events_go_both_ways),
         C(a_loopback_reaches_its_other_end),
         C(sending_without_a_listener_is_silent_and_on_other_ports_refused),
         C(binding_needs_a_port_that_waits_for_the_caller),
         C(closing_one_end_leaves_the_other_waiting_for_it), C(a_closed_port_starts_clean),
         C(an_unprivileged_domain_acts_on_itself_only),
         C(the_limit_on_ports_holds_and_a_refusal_leaves_no_port_behind),
         C(the_2_level_abi_ends_at_4096_ports), C(per_vcpu_virqs_are_bound_once_on_each_vcpu),
         C(global_virqs_are_bound_on_vcpu_0_and_can_be_moved), C(only_movable_ports_move),
         C(a_pirq_may_come_as_soon_as_it_is_bound),
         C(a_pirq_that_the_machine_refuses_leaves_no_port_behind),
         C(reset_closes_everything_of_the_caller),
         C(another_domain_is_reset_only_while_it_is_paused),
         C(a_reset_stops_when_asked_and_is_continued), C(a_poller_is_woken_masked_port_or_not),
         C(a_dying_domain_closes_its_ports_and_gets_no_more), C(the_dump_names_every_binding))
