/* sysctl: dispatch, refusals, and the list of domains. */
#include <errno.h>
#include <string.h>

#include "core/sysctl.h"
#include "hyp/arch/host/domains.h"
#include "hyp/arch/host/host.h"
#include "tests/unit.h"

static struct domain *control, *guest;
static struct xen_sysctl *op;

static long ask(uint32_t cmd)
{
    op->cmd = cmd;
    op->interface_version = XEN_SYSCTL_INTERFACE_VERSION;
    return hypercall_sysctl(host_gva(op), 0, 0, 0, 0);
}

static int once(void **state)
{
    (void)state;
    control = host_domain(0, 2);
    guest = host_domain(5, 1);
    (void)host_domain(9, 1);
    return 0;
}

static int each(void **state)
{
    (void)state;
    host_guest_reset();
    host_set_current(control->vcpus[0]);
    op = host_guest_alloc(sizeof(*op));
    memset(op, 0xa5, sizeof(*op));
    return 0;
}

TEST(refusals_come_in_order)
{
    op->cmd = XEN_SYSCTL_sched_id;
    op->interface_version = XEN_SYSCTL_INTERFACE_VERSION - 1;
    assert_int_equal(hypercall_sysctl(host_gva(op) + 1, 0, 0, 0, 0), -EFAULT);
    assert_int_equal(hypercall_sysctl(host_gva(op), 0, 0, 0, 0), -EACCES);
    host_set_current(guest->vcpus[0]);
    assert_int_equal(ask(XEN_SYSCTL_sched_id), -EPERM);
    assert_int_equal(ask(~0U), -EPERM);
    host_set_current(control->vcpus[0]);
    assert_int_equal(ask(~0U), -ENOSYS);
    assert_int_equal(ask(0), -ENOSYS);
}

TEST(a_closed_gate_asks_again)
{
    assert_true(control_try_enter());
    assert_int_equal(ask(XEN_SYSCTL_sched_id), -ERESTART);
    control_leave();
    assert_int_equal(ask(XEN_SYSCTL_sched_id), 0);
    assert_int_equal(op->u.sched_id.sched_id, XEN_SCHEDULER_CREDIT2);
}

static long list(domid_t first, uint32_t max, struct xen_domctl_getdomaininfo *to)
{
    op->u.getdomaininfolist.first_domain = first;
    op->u.getdomaininfolist.max_domains = max;
    op->u.getdomaininfolist.buffer.p = to;
    return ask(XEN_SYSCTL_getdomaininfolist);
}

TEST(domains_are_listed_from_where_the_caller_wants)
{
    struct xen_domctl_getdomaininfo *to = host_guest_alloc(2 * sizeof(*to));

    assert_int_equal(list(0, 2, to), 0);
    assert_int_equal(op->u.getdomaininfolist.num_domains, 2);
    assert_int_equal(to[0].domain, 0);
    assert_int_equal(to[1].domain, 5);
    assert_int_equal(list(6, 2, to), 0);
    assert_int_equal(op->u.getdomaininfolist.num_domains, 1);
    assert_int_equal(to[0].domain, 9);
    assert_int_equal(list(10, ~0U, to), 0);
    assert_int_equal(op->u.getdomaininfolist.num_domains, 0);
    assert_int_equal(list(0xffff, ~0U, to), 0);
    assert_int_equal(op->u.getdomaininfolist.num_domains, 0);
}

TEST(a_list_beyond_the_buffer_is_a_fault_and_counts_nothing)
{
    struct xen_domctl_getdomaininfo *to = host_guest_alloc(2 * sizeof(*to));

    op->u.getdomaininfolist.num_domains = 77;
    assert_int_equal(list(0, ~0U, to), -EFAULT);
    assert_int_equal(op->u.getdomaininfolist.num_domains, 77);
    assert_int_equal(list(0, 0, NULL), 0);
    assert_int_equal(list(0, 1, NULL), -EFAULT);
}

TEST_RUN(once, NULL, cmocka_unit_test_setup(refusals_come_in_order, each),
         cmocka_unit_test_setup(a_closed_gate_asks_again, each),
         cmocka_unit_test_setup(domains_are_listed_from_where_the_caller_wants, each),
         cmocka_unit_test_setup(a_list_beyond_the_buffer_is_a_fault_and_counts_nothing, each))
