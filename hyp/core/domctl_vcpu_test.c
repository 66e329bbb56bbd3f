/* domctl: vCPUs, their affinity, shares, and what tools set of a domain. */
#include <errno.h>

#include "core/evtchn_private.h"
#include "core/object.h"
#include "hyp/arch/host/control.h"
#include "hyp/arch/host/domains.h"
#include "tests/unit.h"

static struct domain *control, *guest;
static struct xen_domctl *op;

static int once(void **state)
{
    (void)state;
    control = host_domain(0, 2);
    guest = host_domain(5, 2);
    return 0;
}

static int each(void **state)
{
    (void)state;
    host_guest_reset();
    host_set_current(control->vcpus[0]);
    op = host_domctl_new();
    return 0;
}

TEST(a_vcpu_is_described)
{
    const struct xen_domctl_getvcpuinfo *info = &op->u.getvcpuinfo;

    op->u.getvcpuinfo.vcpu = 2;
    assert_int_equal(host_domctl(op, XEN_DOMCTL_getvcpuinfo, 5), -EINVAL);
    op->u.getvcpuinfo.vcpu = 1;
    assert_int_equal(host_domctl(op, XEN_DOMCTL_getvcpuinfo, 5), 0);
    assert_int_equal(info->online, 0);
    assert_int_equal(info->running, 0);
    assert_int_equal(info->cpu, 0);
    guest->vcpus[1]->pause_flags = 1U << VCPU_BLOCKED;
    assert_int_equal(host_domctl(op, XEN_DOMCTL_getvcpuinfo, 5), 0);
    assert_int_equal(info->online, 1);
    assert_int_equal(info->blocked, 1);
    guest->vcpus[1]->pause_flags = 1U << VCPU_DOWN;
}

static struct xen_domctl_vcpuaffinity *affinity(uint32_t flags, uint8_t *hard, uint8_t *soft)
{
    op->u.vcpuaffinity = (struct xen_domctl_vcpuaffinity){ .vcpu = 0, .flags = flags };
    op->u.vcpuaffinity.cpumap_hard.bitmap.p = hard;
    op->u.vcpuaffinity.cpumap_hard.nr_bits = 20;
    op->u.vcpuaffinity.cpumap_soft.bitmap.p = soft;
    op->u.vcpuaffinity.cpumap_soft.nr_bits = 3;
    return &op->u.vcpuaffinity;
}

TEST(affinity_is_set_and_told_with_what_comes_of_it)
{
    uint8_t *hard = host_guest_alloc(3), *soft = host_guest_alloc(1);
    const uint32_t both = XEN_VCPUAFFINITY_HARD | XEN_VCPUAFFINITY_SOFT;

    /* Bits beyond nr_bits, and CPUs that there are not, mean nothing. */
    memset(hard, 0xff, 3);
    *soft = 0xff;
    affinity(both, hard, soft);
    assert_int_equal(host_domctl(op, XEN_DOMCTL_setvcpuaffinity, 5), 0);
    assert_int_equal(hard[0], 1); /* only CPU 0 is online */
    assert_int_equal(hard[1] | hard[2], 0);
    assert_int_equal(*soft, 1);
    assert_int_equal(host_domctl(op, XEN_DOMCTL_getvcpuaffinity, 5), 0);
    assert_int_equal(hard[0], 0xff);
    assert_int_equal(hard[1] | hard[2], 0);
    assert_int_equal(*soft, 7);
    hard[0] = 2; /* none of them online */
    *soft = 0;
    assert_int_equal(host_domctl(op, XEN_DOMCTL_setvcpuaffinity, 5), -EINVAL);
    assert_int_equal(host_domctl(op, XEN_DOMCTL_getvcpuaffinity, 5), 0);
    assert_int_equal(hard[0], 0xff);
    assert_int_equal(*soft, 7);
}

TEST(affinity_requests_without_sense_are_refused)
{
    uint8_t *hard = host_guest_alloc(3), *soft = host_guest_alloc(1);

    affinity(0, hard, soft);
    assert_int_equal(host_domctl(op, XEN_DOMCTL_setvcpuaffinity, 5), -EINVAL);
    affinity(XEN_VCPUAFFINITY_HARD, NULL, soft);
    assert_int_equal(host_domctl(op, XEN_DOMCTL_getvcpuaffinity, 5), -EINVAL);
    affinity(XEN_VCPUAFFINITY_SOFT, hard, NULL)->vcpu = 2;
    assert_int_equal(host_domctl(op, XEN_DOMCTL_getvcpuaffinity, 5), -EINVAL);
    affinity(XEN_VCPUAFFINITY_HARD, (uint8_t *)0xffff800000000000UL, soft);
    assert_int_equal(host_domctl(op, XEN_DOMCTL_getvcpuaffinity, 5), -EFAULT);
    assert_int_equal(host_domctl(op, XEN_DOMCTL_setvcpuaffinity, 5), -EFAULT);
    affinity(XEN_VCPUAFFINITY_HARD, hard, soft)->cpumap_hard.nr_bits = ~0U;
    assert_int_equal(host_domctl(op, XEN_DOMCTL_getvcpuaffinity, 5), -E2BIG);
    affinity(XEN_VCPUAFFINITY_HARD, hard, soft)->cpumap_hard.nr_bits = 0;
    assert_int_equal(host_domctl(op, XEN_DOMCTL_getvcpuaffinity, 5), 0);
    assert_int_equal(host_domctl(op, XEN_DOMCTL_setvcpuaffinity, 5), -EINVAL);
}

TEST(an_override_is_respected_until_it_is_forced)
{
    uint8_t *hard = host_guest_alloc(3), *soft = host_guest_alloc(1);
    struct vcpu *v = guest->vcpus[0];

    assert_int_equal(vcpu_pin_override(v, 0), 0);
    hard[0] = 1;
    affinity(XEN_VCPUAFFINITY_HARD, hard, soft);
    assert_int_equal(host_domctl(op, XEN_DOMCTL_setvcpuaffinity, 5), -EBUSY);
    affinity(XEN_VCPUAFFINITY_HARD | XEN_VCPUAFFINITY_FORCE, hard, soft);
    assert_int_equal(host_domctl(op, XEN_DOMCTL_setvcpuaffinity, 5), 0);
    assert_false(v->sched.pin_overridden);
    assert_int_equal(v->pause_count, 0);
}

TEST(a_context_is_told_of_who_has_one_and_can_be_stopped)
{
    struct vcpu_guest_context *to = host_guest_alloc(sizeof(*to));

    op->u.vcpucontext.ctxt.p = to;
    assert_int_equal(host_domctl(op, XEN_DOMCTL_getvcpucontext, 5), -ENODATA);
    guest->vcpus[0]->initialised = true;
    assert_int_equal(host_domctl(op, XEN_DOMCTL_getvcpucontext, 5), 0);
    assert_int_equal(to->flags, 0x1234);
    assert_int_equal(guest->vcpus[0]->pause_count, 0);
    op->u.vcpucontext.ctxt.p = (void *)0xffff800000000000UL;
    assert_int_equal(host_domctl(op, XEN_DOMCTL_getvcpucontext, 5), -EFAULT);
    op->u.vcpucontext.vcpu = 2;
    assert_int_equal(host_domctl(op, XEN_DOMCTL_getvcpucontext, 5), -EINVAL);
    op->u.vcpucontext.vcpu = 0;
    assert_int_equal(host_domctl(op, XEN_DOMCTL_getvcpucontext, 0), -EINVAL); /* oneself */
}

static long share(uint32_t cmd, uint16_t weight, uint16_t cap)
{
    op->u.scheduler_op.sched_id = XEN_SCHEDULER_CREDIT2;
    op->u.scheduler_op.cmd = cmd;
    op->u.scheduler_op.u.credit2.weight = weight;
    op->u.scheduler_op.u.credit2.cap = cap;
    return host_domctl(op, XEN_DOMCTL_scheduler_op, 5);
}

TEST(weight_and_cap_are_set_and_told)
{
    const struct xen_domctl_sched_credit2 *now = &op->u.scheduler_op.u.credit2;

    assert_int_equal(share(XEN_DOMCTL_SCHEDOP_putinfo, 512, 150), 0);
    assert_int_equal(share(XEN_DOMCTL_SCHEDOP_getinfo, 0, 0), 0);
    assert_int_equal(now->weight, 512);
    assert_int_equal(now->cap, 150);
    assert_int_equal(share(XEN_DOMCTL_SCHEDOP_putinfo, 0, 201), -EINVAL);
    assert_int_equal(share(XEN_DOMCTL_SCHEDOP_putinfo, 0, 0), 0);
    assert_int_equal(share(XEN_DOMCTL_SCHEDOP_getinfo, 0, 0), 0);
    assert_int_equal(now->weight, 512);
    assert_int_equal(now->cap, 0);
    assert_int_equal(share(XEN_DOMCTL_SCHEDOP_getvcpuinfo, 0, 0), -EINVAL);
    assert_int_equal(share(~0U, 0, 0), -EINVAL);
    op->u.scheduler_op.sched_id = XEN_SCHEDULER_CREDIT;
    assert_int_equal(host_domctl(op, XEN_DOMCTL_scheduler_op, 5), -EINVAL);
}

static uint64_t nodes(void)
{
    uint64_t *p = host_guest_alloc(sizeof(*p));

    op->u.nodeaffinity.nodemap.bitmap.p = (uint8_t *)p;
    op->u.nodeaffinity.nodemap.nr_bits = 64;
    assert_int_equal(host_domctl(op, XEN_DOMCTL_getnodeaffinity, 5), 0);
    return *p;
}

static long nodes_set(uint64_t set)
{
    uint64_t *p = host_guest_alloc(sizeof(*p));

    *p = set;
    op->u.nodeaffinity.nodemap.bitmap.p = (uint8_t *)p;
    op->u.nodeaffinity.nodemap.nr_bits = 64;
    return host_domctl(op, XEN_DOMCTL_setnodeaffinity, 5);
}

TEST(nodes_are_remembered_if_the_only_one_is_among_them)
{
    assert_int_equal(nodes(), 1);
    assert_int_equal(nodes_set(5), 0);
    assert_int_equal(nodes(), 5);
    assert_int_equal(nodes_set(6), -EINVAL);
    assert_int_equal(nodes(), 5);
    assert_int_equal(nodes_set(~0ULL), 0);
    assert_int_equal(nodes(), 1);
}

TEST(memory_may_be_limited_and_the_limit_lifted)
{
    op->u.max_mem.max_memkb = 4099;
    assert_int_equal(host_domctl(op, XEN_DOMCTL_max_mem, 5), 0);
    assert_int_equal(guest->max_pages, 1024);
    op->u.max_mem.max_memkb = ~0ULL;
    assert_int_equal(host_domctl(op, XEN_DOMCTL_max_mem, 5), 0);
    assert_int_equal(guest->max_pages, 0xffffffff);
}

TEST(a_handle_is_kept_as_it_is)
{
    memcpy(op->u.setdomainhandle.handle, "\0\xff" "23456789abcdef", 16);
    assert_int_equal(host_domctl(op, XEN_DOMCTL_setdomainhandle, 5), 0);
    assert_memory_equal(guest->handle, "\0\xff" "23456789abcdef", 16);
}

TEST(a_global_virq_goes_to_whom_the_tools_named_until_it_dies)
{
    struct domain *handler = host_domain(6, 1);
    evtchn_port_t port;
    uint32_t refs = handler->refs;

    op->u.set_virq_handler.virq = VIRQ_TIMER;
    assert_int_equal(host_domctl(op, XEN_DOMCTL_set_virq_handler, 6), -EINVAL);
    op->u.set_virq_handler.virq = 24;
    assert_int_equal(host_domctl(op, XEN_DOMCTL_set_virq_handler, 6), -EINVAL);
    op->u.set_virq_handler.virq = VIRQ_DOM_EXC;
    assert_int_equal(host_domctl(op, XEN_DOMCTL_set_virq_handler, 6), 0);
    assert_int_equal(virq_bind(handler, VIRQ_DOM_EXC, 0, &port), 0);
    assert_int_equal(evtchn_unmask(handler, port), 0);
    virq_send_global(VIRQ_DOM_EXC);
    assert_true(evtchn_pending_unmasked_port(handler, port));
    assert_int_equal(handler->refs, refs);
    host_domain_end(handler);
    assert_int_equal(virq_bind(control, VIRQ_DOM_EXC, 0, &port), 0);
    assert_false(evtchn_pending_unmasked_port(control, port));
    virq_send_global(VIRQ_DOM_EXC);
    assert_true(evtchn_pending_unmasked_port(control, port));
}

TEST(a_domain_that_was_shut_down_is_resumed_but_not_oneself)
{
    assert_int_equal(host_domctl(op, XEN_DOMCTL_resumedomain, 0), -EINVAL);
    domain_shutdown(guest, 2);
    assert_true(guest->is_shut_down);
    assert_int_equal(host_domctl(op, XEN_DOMCTL_resumedomain, 5), 0);
    assert_false(guest->is_shut_down);
}

TEST_RUN(once, NULL, cmocka_unit_test_setup(a_vcpu_is_described, each),
         cmocka_unit_test_setup(affinity_is_set_and_told_with_what_comes_of_it, each),
         cmocka_unit_test_setup(affinity_requests_without_sense_are_refused, each),
         cmocka_unit_test_setup(an_override_is_respected_until_it_is_forced, each),
         cmocka_unit_test_setup(a_context_is_told_of_who_has_one_and_can_be_stopped, each),
         cmocka_unit_test_setup(weight_and_cap_are_set_and_told, each),
         cmocka_unit_test_setup(nodes_are_remembered_if_the_only_one_is_among_them, each),
         cmocka_unit_test_setup(memory_may_be_limited_and_the_limit_lifted, each),
         cmocka_unit_test_setup(a_handle_is_kept_as_it_is, each),
         cmocka_unit_test_setup(a_global_virq_goes_to_whom_the_tools_named_until_it_dies, each),
         cmocka_unit_test_setup(a_domain_that_was_shut_down_is_resumed_but_not_oneself, each))
