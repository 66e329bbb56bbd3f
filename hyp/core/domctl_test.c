/* domctl: dispatch, refusals, the gate, and what is told of domains. */
#include <errno.h>
#include <string.h>

#include "core/domctl.h"
#include "hyp/arch/host/domains.h"
#include "hyp/arch/host/host.h"
#include "tests/unit.h"

static struct domain *control, *guest;
static struct xen_domctl *op;

static long domctl(void)
{
    return hypercall_domctl(host_gva(op), 0, 0, 0, 0);
}

static long ask(uint32_t cmd, domid_t id)
{
    op->cmd = cmd;
    op->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    op->domain = id;
    return domctl();
}

static int once(void **state)
{
    (void)state;
    control = host_domain(0, 2);
    guest = host_domain(5, 1);
    return 0;
}

static int each(void **state)
{
    (void)state;
    host_guest_reset();
    host_set_current(control->vcpus[0]);
    op = host_guest_alloc(sizeof(*op));
    memset(op, 0xa5, sizeof(*op)); /* padding is what the stack held */
    return 0;
}

TEST(refusals_come_in_order)
{
    op->cmd = XEN_DOMCTL_getdomaininfo;
    op->interface_version = XEN_DOMCTL_INTERFACE_VERSION + 1;
    op->domain = 5;
    assert_int_equal(hypercall_domctl(host_gva(op) + 1, 0, 0, 0, 0), -EFAULT);
    assert_int_equal(domctl(), -EACCES);
    host_set_current(guest->vcpus[0]);
    assert_int_equal(domctl(), -EACCES);
    assert_int_equal(ask(XEN_DOMCTL_getdomaininfo, 6), -ESRCH);
    assert_int_equal(ask(XEN_DOMCTL_getdomaininfo, 5), -EPERM);
    assert_int_equal(ask(~0U, 5), -EPERM);
    assert_int_equal(ask(~0U, 6), -ESRCH);
    host_set_current(control->vcpus[0]);
    assert_int_equal(ask(~0U, 5), -ENOSYS);
    assert_int_equal(ask(~0U, DOMID_SELF), -ESRCH);
}

TEST(the_next_domain_is_told_where_there_is_none)
{
    assert_int_equal(ask(XEN_DOMCTL_getdomaininfo, 1), 0);
    assert_int_equal(op->domain, 5);
    assert_int_equal(op->u.getdomaininfo.domain, 5);
    assert_int_equal(ask(XEN_DOMCTL_getdomaininfo, 6), -ESRCH);
    assert_int_equal(ask(XEN_DOMCTL_getdomaininfo, DOMID_SELF), -EINVAL);
}

TEST(an_answer_that_cannot_be_given_is_an_error)
{
    host_guest_fault(&op->u, 1, HOST_FAULT_WRITE);
    assert_int_equal(ask(XEN_DOMCTL_getdomaininfo, 0), -EFAULT);
}

TEST(a_domain_is_described)
{
    struct xen_domctl_getdomaininfo *info = &op->u.getdomaininfo;

    assert_int_equal(domain_pause_by_control(guest), 0); /* the second */
    guest->nr_pages = 7;
    memcpy(guest->handle, "0123456789abcdef", 16);
    assert_int_equal(ask(XEN_DOMCTL_getdomaininfo, 5), 0);
    assert_int_equal(info->flags & 0xffff, XEN_DOMINF_paused);
    assert_int_equal(info->tot_pages, 7);
    assert_int_equal(info->max_pages, 4096);
    assert_int_equal(info->max_vcpu_id, 0);
    assert_int_equal(info->nr_online_vcpus, 0);
    assert_memory_equal(info->handle, "0123456789abcdef", 16);
    assert_int_equal(domain_unpause_by_control(guest), 0);
    assert_int_equal(domain_unpause_by_control(guest), 0);
    assert_int_equal(domain_unpause_by_control(guest), -EINVAL);
    assert_int_equal(ask(XEN_DOMCTL_getdomaininfo, 5), 0);
    assert_int_equal(info->flags & 0xffff, 0);
    domain_shutdown(guest, 3);
    assert_int_equal(ask(XEN_DOMCTL_getdomaininfo, 5), 0);
    assert_int_equal(info->flags, XEN_DOMINF_shutdown | 3U << XEN_DOMINF_shutdownshift);
    domain_resume(guest);
    guest->nr_pages = 0;
    assert_int_equal(domain_pause_by_control(guest), 0);
}

TEST(a_closed_gate_asks_again)
{
    unsigned int before = control->vcpus[0]->arch.continues;

    assert_true(control_try_enter());
    assert_false(control_try_enter());
    assert_int_equal(ask(XEN_DOMCTL_pausedomain, 5), -ERESTART);
    assert_int_equal(control->vcpus[0]->arch.continues, before + 1);
    assert_int_equal(control->vcpus[0]->arch.continue_args[0], host_gva(op));
    assert_int_equal(ask(XEN_DOMCTL_getdomaininfo, 5), 0); /* only looks */
    control_leave();
    assert_int_equal(ask(XEN_DOMCTL_pausedomain, 5), 0);
    assert_int_equal(ask(XEN_DOMCTL_unpausedomain, 5), 0);
}

TEST(a_domain_is_paused_255_times_and_not_its_own)
{
    unsigned int i;

    assert_int_equal(ask(XEN_DOMCTL_pausedomain, 0), -EINVAL);
    for (i = 1; i < 255; i++) {
        assert_int_equal(ask(XEN_DOMCTL_pausedomain, 5), 0);
    }
    assert_int_equal(ask(XEN_DOMCTL_pausedomain, 5), -EOVERFLOW);
    for (i = 0; i < 255; i++) {
        assert_int_equal(ask(XEN_DOMCTL_unpausedomain, 5), 0);
    }
    assert_int_equal(ask(XEN_DOMCTL_unpausedomain, 5), -EINVAL);
    assert_int_equal(guest->pause_count, 0);
}

TEST_RUN(once, NULL, cmocka_unit_test_setup(refusals_come_in_order, each),
         cmocka_unit_test_setup(the_next_domain_is_told_where_there_is_none, each),
         cmocka_unit_test_setup(an_answer_that_cannot_be_given_is_an_error, each),
         cmocka_unit_test_setup(a_domain_is_described, each),
         cmocka_unit_test_setup(a_closed_gate_asks_again, each),
         cmocka_unit_test_setup(a_domain_is_paused_255_times_and_not_its_own, each))
