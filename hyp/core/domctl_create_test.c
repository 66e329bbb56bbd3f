/* domctl: domains are made, built and ended by the tools, with whatever they ask. */
#include <lodge/errno.h>

#include "core/evtchn.h"
#include "core/frame.h"
#include "core/softirq.h"
#include "hyp/arch/host/control.h"
#include "hyp/arch/host/domains.h"
#include "tests/unit.h"

static struct domain *control;
static struct xen_domctl *op;

static int once(void **state)
{
    (void)state;
    control = host_domain(0, 2);
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

static void settle(void)
{
    softirq_process();
    host_set_current(control->vcpus[0]);
}

static struct xen_domctl_createdomain *ordinary(void)
{
    op->u.createdomain = (struct xen_domctl_createdomain){ .max_vcpus = 2,
                                                           .max_evtchn_port = 1023,
                                                           .max_grant_frames = -1,
                                                           .max_maptrack_frames = -1,
                                                           .grant_opts = 1 };
    return &op->u.createdomain;
}

static long create(domid_t id)
{
    return host_domctl(op, XEN_DOMCTL_createdomain, id);
}

static domid_t made(void)
{
    ordinary();
    assert_int_equal(create(DOMID_INVALID), 0);
    return op->domain;
}

/* In steps: the hypercall is executed again. */
static long destroy(domid_t id)
{
    long rc;

    do {
        rc = host_domctl(op, XEN_DOMCTL_destroydomain, id);
    } while (rc == -ERESTART);
    return rc;
}

static void end(domid_t id)
{
    assert_int_equal(destroy(id), 0);
    settle();
    assert_null(domain_by_id(id));
}

static long max_vcpus(domid_t id, uint32_t n)
{
    long rc;

    do {
        op->u.max_vcpus.max = n;
        rc = host_domctl(op, XEN_DOMCTL_max_vcpus, id);
    } while (rc == -ERESTART);
    return rc;
}

TEST(a_domain_is_made_as_it_was_asked_for)
{
    struct xen_domctl_createdomain *req = ordinary();
    struct domain *d;

    memcpy(req->handle, "0123456789abcdef", 16);
    req->flags = XEN_DOMCTL_CDF_xs_domain | XEN_DOMCTL_CDF_oos_off;
    assert_int_equal(create(77), 0);
    assert_int_equal(op->domain, 77);
    d = domain_by_id(77);
    assert_non_null(d);
    assert_true(d->is_pv);
    assert_false(d->is_privileged);
    assert_int_equal(d->max_vcpus, 2);
    assert_int_equal(d->max_pages, 0);
    assert_int_equal(d->max_evtchn_port, 1023);
    assert_int_equal(d->control_pauses, 1);
    assert_null(d->vcpus[0]);
    assert_int_equal(host_domctl(op, XEN_DOMCTL_getdomaininfo, 77), 0);
    assert_int_equal(op->u.getdomaininfo.flags & 0xffff, XEN_DOMINF_paused | XEN_DOMINF_xs_domain);
    assert_memory_equal(op->u.getdomaininfo.handle, "0123456789abcdef", 16);
    ordinary();
    assert_int_equal(create(77), -EEXIST);
    end(77);
}

TEST(numbers_go_round)
{
    domid_t first = made(), second;

    end(first);
    second = made();
    assert_int_equal(second, first + 1);
    ordinary();
    assert_int_equal(create(0), 0); /* 0 is no number that could be asked for */
    assert_int_equal(op->domain, second + 1);
    end((domid_t)(second + 1));
    ordinary();
    assert_int_equal(create(DOMID_SELF), 0);
    assert_int_equal(op->domain, second + 2);
    end((domid_t)(second + 2));
    end(second);
    /* All the way round, past one that is taken. */
    ordinary();
    assert_int_equal(create(5), 0);
    for (unsigned int i = 0; i < DOMID_LIMIT; i++) {
        domid_t id = made();

        assert_in_range(id, 1, DOMID_LIMIT - 1);
        assert_int_not_equal(id, 5);
        end(id);
    }
    end(5);
}

TEST(what_this_machine_has_not_is_refused)
{
    static const uint32_t flags[] = { XEN_DOMCTL_CDF_hvm,
                                      XEN_DOMCTL_CDF_hvm | XEN_DOMCTL_CDF_hap,
                                      XEN_DOMCTL_CDF_hap,
                                      XEN_DOMCTL_CDF_iommu,
                                      XEN_DOMCTL_CDF_nested_virt,
                                      XEN_DOMCTL_CDF_vpmu,
                                      1U << 8,
                                      1U << 31 };

    for (unsigned int i = 0; i < ARRAY_SIZE(flags); i++) {
        ordinary()->flags = flags[i];
        assert_int_equal(create(9), -EINVAL);
    }
#define REFUSED(field, value, error)               \
    do {                                           \
        ordinary()->field = (value);               \
        assert_int_equal(create(9), (error));      \
        settle();                                  \
        assert_null(domain_by_id(9));              \
    } while (0)
    REFUSED(max_vcpus, 0, -EINVAL);
    REFUSED(max_vcpus, MAX_VCPUS + 1, -EINVAL);
    REFUSED(max_vcpus, ~0U, -EINVAL);
    REFUSED(iommu_opts, 1, -EINVAL);
    REFUSED(vmtrace_size, 4096, -EINVAL);
    REFUSED(grant_opts, 0, -EINVAL);
    REFUSED(grant_opts, 3, -EINVAL);
    REFUSED(grant_opts, 0x11, -EINVAL);
    REFUSED(max_grant_frames, 0, -EINVAL);
    REFUSED(max_grant_frames, INT32_MAX, -EINVAL);
    REFUSED(max_maptrack_frames, INT32_MAX, -EINVAL);
    REFUSED(cpupool_id, 1234, -ESRCH);
    REFUSED(arch.emulation_flags, 1, -EOPNOTSUPP);
}

TEST(an_answer_that_cannot_be_written_makes_no_domain)
{
    struct domain *d = domain_get_next(1);

    assert_null(d);
    ordinary();
    host_guest_fault(&op->domain, 1, HOST_FAULT_WRITE);
    assert_int_equal(create(DOMID_INVALID), -EFAULT);
    assert_null(domain_get_next(1));
}

TEST(an_ordinary_domain_may_none_of_it)
{
    struct domain *guest = host_domain(3, 1);

    host_set_current(guest->vcpus[0]);
    ordinary();
    assert_int_equal(create(DOMID_INVALID), -EPERM);
    assert_int_equal(max_vcpus(3, 1), -EPERM);
    assert_int_equal(host_domctl(op, XEN_DOMCTL_destroydomain, 0), -EPERM);
    assert_int_equal(host_domctl(op, XEN_DOMCTL_destroydomain, 3), -EPERM);
    assert_int_equal(host_domctl(op, XEN_DOMCTL_setvcpucontext, 3), -EPERM);
    assert_int_equal(host_domctl(op, XEN_DOMCTL_getdomaininfo, 0), -EPERM);
    guest->is_xenstore = true; /* who keeps xenstore may know who lives */
    assert_int_equal(host_domctl(op, XEN_DOMCTL_getdomaininfo, 0), 0);
    assert_int_equal(host_domctl(op, XEN_DOMCTL_destroydomain, 0), -EPERM);
    host_set_current(control->vcpus[0]);
    end(3);
}

TEST(vcpus_come_all_at_once_and_no_other_number)
{
    domid_t id = made();
    struct domain *d = domain_by_id(id);

    assert_int_equal(max_vcpus(id, 1), -EINVAL);
    assert_int_equal(max_vcpus(id, 3), -EINVAL);
    assert_int_equal(max_vcpus(0, 2), -EINVAL);
    assert_int_equal(max_vcpus(123, 2), -ESRCH);
    assert_int_equal(max_vcpus(id, 2), 0);
    assert_non_null(d->vcpus[0]);
    assert_non_null(d->vcpus[1]);
    assert_int_equal(max_vcpus(id, 2), 0);
    end(id);
}

TEST(nobody_destroys_himself_or_whom_there_is_not)
{
    assert_int_equal(host_domctl(op, XEN_DOMCTL_destroydomain, 0), -EINVAL);
    assert_int_equal(host_domctl(op, XEN_DOMCTL_destroydomain, 44), -ESRCH);
    assert_int_equal(host_domctl(op, XEN_DOMCTL_destroydomain, DOMID_SELF), -ESRCH);
}

TEST(a_domain_that_is_held_is_dying_and_destroyed_again_at_no_harm)
{
    domid_t id = made();
    struct domain *d = domain_get(id);

    assert_int_equal(destroy(id), 0);
    settle();
    assert_int_equal(host_domctl(op, XEN_DOMCTL_getdomaininfo, id), 0);
    assert_true(op->u.getdomaininfo.flags & XEN_DOMINF_dying);
    assert_int_equal(destroy(id), 0);
    assert_int_equal(max_vcpus(id, 2), -ENOMEM);
    domain_put(d);
    settle();
    assert_null(domain_by_id(id));
}

TEST(a_context_is_set_read_and_taken_away)
{
    struct vcpu_guest_context *context = host_guest_alloc(sizeof(*context));
    domid_t id = made();
    struct domain *d = domain_by_id(id);

    op->u.vcpucontext.vcpu = 0;
    op->u.vcpucontext.ctxt.p = context;
    assert_int_equal(host_domctl(op, XEN_DOMCTL_setvcpucontext, id), -EINVAL); /* no vCPU yet */
    assert_int_equal(max_vcpus(id, 2), 0);
    op->u.vcpucontext.vcpu = 2;
    op->u.vcpucontext.ctxt.p = context;
    assert_int_equal(host_domctl(op, XEN_DOMCTL_setvcpucontext, id), -EINVAL);
    op->u.vcpucontext.vcpu = ~0U;
    assert_int_equal(host_domctl(op, XEN_DOMCTL_setvcpucontext, id), -EINVAL);
    op->u.vcpucontext.vcpu = 1;
    assert_int_equal(host_domctl(op, XEN_DOMCTL_setvcpucontext, 0), -EINVAL); /* one's own */
    op->u.vcpucontext.ctxt.p = (void *)0xffff800000000000UL;
    assert_int_equal(host_domctl(op, XEN_DOMCTL_setvcpucontext, id), -EFAULT);
    assert_false(d->vcpus[1]->initialised);
    op->u.vcpucontext.ctxt.p = context;
    assert_int_equal(host_domctl(op, XEN_DOMCTL_setvcpucontext, id), 0);
    assert_true(d->vcpus[1]->initialised);
    assert_int_equal(host_domctl(op, XEN_DOMCTL_setvcpucontext, id), -EOPNOTSUPP);
    op->u.vcpucontext.ctxt.p = NULL;
    assert_int_equal(host_domctl(op, XEN_DOMCTL_setvcpucontext, id), 0);
    assert_false(d->vcpus[1]->initialised);
    assert_int_equal(d->pause_count, 1);
    end(id);
}

/* A domain built up to a stage: each is where tools may die and others clean up. */
static void build(domid_t id, unsigned int stage)
{
    struct vcpu_guest_context *context = host_guest_alloc(sizeof(*context));
    struct domain *d = domain_by_id(id);
    evtchn_port_t port;

    if (stage > 0) {
        assert_int_equal(max_vcpus(id, 2), 0);
    }
    if (stage > 1) {
        op->u.max_mem.max_memkb = 64;
        assert_int_equal(host_domctl(op, XEN_DOMCTL_max_mem, id), 0);
    }
    if (stage > 2) {
        assert_int_equal(evtchn_alloc_unbound(d, 0, &port), 0);
        assert_int_equal(evtchn_alloc_unbound(d, 0, &port), 0);
    }
    for (unsigned int i = 0; stage > 3 && i < 16; i++) {
        assert_non_null(domain_frames_alloc(d, 0, FRAMES_ANY_ADDRESS));
    }
    if (stage > 4) {
        op->u.vcpucontext.vcpu = 0;
        op->u.vcpucontext.ctxt.p = context;
        assert_int_equal(host_domctl(op, XEN_DOMCTL_setvcpucontext, id), 0);
    }
    if (stage > 5) {
        d->vcpus[0]->pause_flags = 0;
        assert_int_equal(host_domctl(op, XEN_DOMCTL_unpausedomain, id), 0);
    }
    if (stage > 6) {
        domain_shutdown(d, 3);
    }
    if (stage > 7) {
        assert_int_equal(host_domctl(op, XEN_DOMCTL_resumedomain, id), 0);
    }
}

TEST(destruction_at_any_stage_leaves_the_memory_as_it_was)
{
    uint64_t before = 0;

    for (unsigned int i = 0; i < 900; i++) {
        domid_t id;

        host_guest_reset();
        op = host_domctl_new();
        id = made();
        build(id, i % 9);
        end(id);
        if (i == 17) {
            before = frames_free_count(); /* tables and slabs have been made */
        }
    }
    assert_int_equal(frames_free_count(), before);
}

#define E(test) cmocka_unit_test_setup(test, each)
TEST_RUN(once, NULL, E(a_domain_is_made_as_it_was_asked_for), E(numbers_go_round),
         E(what_this_machine_has_not_is_refused), E(an_answer_that_cannot_be_written_makes_no_domain),
         E(an_ordinary_domain_may_none_of_it), E(vcpus_come_all_at_once_and_no_other_number),
         E(nobody_destroys_himself_or_whom_there_is_not),
         E(a_domain_that_is_held_is_dying_and_destroyed_again_at_no_harm),
         E(a_context_is_set_read_and_taken_away),
         E(destruction_at_any_stage_leaves_the_memory_as_it_was))
