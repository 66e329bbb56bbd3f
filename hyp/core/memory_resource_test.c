/* XENMEM_acquire_resource: what tools may map of another domain, and how they are told. */
#include <errno.h>
#include <string.h>

#include "core/gnttab_private.h"
#include "core/hypercall.h"
#include "core/memory_private.h"
#include "core/softirq.h"
#include "hyp/arch/host/domains.h"
#include "hyp/arch/host/host.h"
#include "tests/unit.h"
#include <xen/memory.h>

static struct domain *d0, *d1, *big;
static struct xen_mem_acquire_resource *req;
static xen_pfn_t *list;

static int once(void **state)
{
    struct domain_config config = { .id = 7,
                                    .is_pv = true,
                                    .max_vcpus = 1,
                                    .max_pages = 64,
                                    .max_evtchn_port = ~0U,
                                    .max_grant_frames = 64,
                                    .max_maptrack_frames = 1 };

    (void)state;
    d0 = host_domain(0, 1);
    d1 = host_domain(1, 1);
    assert_int_equal(domain_create(&config, &big), 0);
    return 0;
}

static int each(void **state)
{
    (void)state;
    host_guest_reset();
    host_set_current(d0->vcpus[0]);
    this_cpu(softirq_bits) = 0;
    req = host_guest_alloc(sizeof(*req));
    list = host_guest_alloc(64 * sizeof(*list));
    *req = (struct xen_mem_acquire_resource){ .domid = 1, .type = XENMEM_resource_grant_table };
    return 0;
}

static long op(uint64_t place)
{
    return hypercall_memory_op(XENMEM_acquire_resource | place << MEMOP_CMD_BITS, host_gva(req), 0,
                               0, 0);
}

static long ask(uint32_t id, uint64_t frame, uint32_t nr_frames)
{
    req->id = id;
    req->frame = frame;
    req->nr_frames = nr_frames;
    set_xen_guest_handle(req->frame_list, list);
    return op(0);
}
#define SHARED XENMEM_resource_grant_table_id_shared
#define STATUS XENMEM_resource_grant_table_id_status

TEST(refusals_come_in_order)
{
    assert_int_equal(hypercall_memory_op(XENMEM_acquire_resource, 0, 0, 0, 0), -EFAULT);
    req->pad = 1;
    req->domid = 9;
    assert_int_equal(op(0), -EINVAL);
    req->pad = 0;
    assert_int_equal(ask(SHARED, 1ULL << 32, 1), -EINVAL);
    assert_int_equal(ask(SHARED, ~0U, 1), -EINVAL);
    assert_int_equal(ask(SHARED, 0, 1), -ESRCH);
    req->domid = 0;
    assert_int_equal(op(0), -EPERM);
    req->domid = DOMID_SELF;
    assert_int_equal(op(0), -ESRCH);
    host_set_current(d1->vcpus[0]);
    req->domid = 9;
    assert_int_equal(op(0), -ESRCH);
    req->domid = 0;
    assert_int_equal(op(0), -EPERM);
}

TEST(sizes_are_told)
{
    assert_int_equal(op(0), 0);
    assert_int_equal(req->nr_frames, 4);
    assert_int_equal(op(0), -EINVAL); /* now it asks for four, and nowhere to put them */
    req->nr_frames = 0;
    assert_int_equal(op(1), -EINVAL);
    req->id = STATUS;
    assert_int_equal(op(0), 0);
    assert_int_equal(req->nr_frames, 1);
    req->nr_frames = 0;
    req->id = 2;
    assert_int_equal(op(0), -EINVAL);
    req->id = 0;
    req->type = XENMEM_resource_ioreq_server;
    assert_int_equal(op(0), -EINVAL);
    req->type = XENMEM_resource_vmtrace_buf;
    assert_int_equal(op(0), -EINVAL);
    req->type = 3;
    assert_int_equal(op(0), -EOPNOTSUPP);
}

TEST(shared_frames_are_made_and_told)
{
    assert_int_equal(ask(SHARED, 0, 1), 0);
    assert_ptr_equal(arch_map_frame(MFN(list[0])), d1->grant_table->shared[0]);
    assert_true(frame_get(frame_of(MFN(list[0])), d1)); /* as the mapping will */
    frame_put(frame_of(MFN(list[0])));
    assert_int_equal(ask(SHARED, 1, 3), 0);
    assert_int_equal(d1->grant_table->nr_frames, 4);
    for (unsigned int i = 0; i < 3; i++) {
        assert_ptr_equal(arch_map_frame(MFN(list[i])), d1->grant_table->shared[1 + i]);
    }
    memset(list, 0, 64 * sizeof(*list));
    assert_int_equal(ask(SHARED, 3, 2), -EINVAL);
    assert_int_equal(ask(SHARED, 4, 1), -EINVAL);
    assert_int_equal(ask(SHARED, 0, UINT32_MAX >> 6), -EINVAL);
    assert_int_equal(ask(SHARED, 0, (UINT32_MAX >> 6) + 1), -EINVAL);
    assert_int_equal(ask(SHARED, 0, 0), -EINVAL); /* with a list, it must ask for something */
    assert_int_equal(list[0], 0);
    host_guest_fault(list, 8, HOST_FAULT_WRITE);
    assert_int_equal(ask(SHARED, 0, 1), -EFAULT);
}

TEST(status_frames_are_there_with_version_2)
{
    struct gnttab_set_version *version = host_guest_alloc(sizeof(*version));

    assert_int_equal(ask(STATUS, 0, 1), -EINVAL);
    host_set_current(d1->vcpus[0]);
    version->version = 2;
    assert_int_equal(hypercall_grant_table_op(GNTTABOP_set_version, host_gva(version), 1, 0, 0), 0);
    host_set_current(d0->vcpus[0]);
    assert_int_equal(ask(STATUS, 0, 1), 0);
    assert_ptr_equal(arch_map_frame(MFN(list[0])), d1->grant_table->status[0]);
    assert_int_equal(ask(STATUS, 1, 1), -EINVAL);
}

TEST(a_long_list_stops_when_asked_and_goes_on)
{
    struct vcpu *v = d0->vcpus[0];

    req->domid = 7;
    this_cpu(softirq_bits) = 1U << SOFTIRQ_WORK;
    assert_int_equal(ask(SHARED, 0, 64), -ERESTART);
    assert_int_equal(list[32], 0);
    assert_int_equal(v->arch.continue_args[0], XENMEM_acquire_resource | 32 << MEMOP_CMD_BITS);
    assert_int_equal(v->arch.continue_args[1], host_gva(req));
    assert_int_equal(op(32), 0);
    for (unsigned int i = 0; i < 64; i++) {
        assert_ptr_equal(arch_map_frame(MFN(list[i])), big->grant_table->shared[i]);
    }
    assert_int_equal(op(64), -EINVAL);
    assert_int_equal(op(~0ULL >> MEMOP_CMD_BITS), -EINVAL);
}

#define TE(name) cmocka_unit_test_setup(name, each)
TEST_RUN(once, NULL, TE(refusals_come_in_order), TE(sizes_are_told),
         TE(shared_frames_are_made_and_told), TE(status_frames_are_there_with_version_2),
         TE(a_long_list_stops_when_asked_and_goes_on))
