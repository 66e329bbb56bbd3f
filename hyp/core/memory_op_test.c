/* memory_op through its hypercall: reservations, exchange, what is told and to whom. */
#include <string.h>
#include <lodge/errno.h>
#include <lodge/types.h>
#include <xen/memory.h>
#include "core/frame.h"
#include "core/hypercall.h"
#include "core/softirq.h"
#include "hyp/arch/host/domains.h"
#include "hyp/arch/host/host.h"
#include "tests/unit.h"

#define N 16U

static struct domain *d0, *du;
static struct vcpu *v;

static int start(void **state)
{
    (void)state;
    d0 = host_domain(0, 1);
    du = host_domain(1, 1);
    v = du->vcpus[0];
    return 0;
}

/* Each test begins as the unprivileged domain, which owns nothing and may own 64 frames. */
static int fresh(void **state)
{
    (void)state;
    host_guest_reset();
    host_set_current(v);
    du->max_pages = 64;
    this_cpu(softirq_bits) = 0;
    while (du->nr_pages) {
        (void)frame_drop_allocation(frame_of(MFN(du->page_list)));
    }
    return 0;
}

static long op(uint64_t cmd, const void *arg)
{
    return hypercall_memory_op(cmd, host_gva(arg), 0, 0, 0);
}

static void *guest_copy_of(const void *arg, size_t n)
{
    return memcpy(host_guest_alloc(n), arg, n);
}

static struct xen_memory_reservation *request(uint64_t *list, uint64_t nr, unsigned int order)
{
    struct xen_memory_reservation req = { .nr_extents = nr,
                                          .extent_order = order,
                                          .domid = DOMID_SELF };

    req.extent_start.p = list;
    return guest_copy_of(&req, sizeof(req));
}

/* A list of n frames just populated; names[i] was asked for. */
static uint64_t *populated(uint64_t n, unsigned int order)
{
    uint64_t *list = host_guest_alloc(n * sizeof(*list));

    for (uint64_t i = 0; i < n; i++) {
        list[i] = 1000 + (i << order);
    }
    assert_int_equal(op(XENMEM_populate_physmap, request(list, n, order)), n);
    return list;
}

TEST(populating_gives_named_and_cleared_frames)
{
    uint64_t *list = populated(4, 1);

    assert_int_equal(du->nr_pages, 8);
    for (unsigned int i = 0; i < 4; i++) {
        const char *page = arch_map_frame(MFN(list[i]));

        assert_int_equal(frame_of(MFN(list[i]))->owner, 1);
        assert_int_equal(host_frame_name(MFN(list[i])), 1000 + 2 * i);
        assert_int_equal(host_frame_name(MFN(list[i] + 1)), 1001 + 2 * i);
        assert_int_equal(list[i] % 2, 0);
        for (unsigned int at = 0; at < 2 * PAGE_SIZE; at++) {
            assert_int_equal(page[at], 0);
        }
    }
}

TEST(a_quota_ends_the_request_and_the_count_is_the_answer)
{
    uint64_t *list = host_guest_alloc(N * sizeof(*list));

    du->max_pages = 10;
    memset(list, 0, N * sizeof(*list));
    assert_int_equal(op(XENMEM_populate_physmap, request(list, N, 0)), 10);
    assert_int_equal(du->nr_pages, 10);
    assert_int_equal(op(XENMEM_increase_reservation, request(NULL, 1, 0)), 0);
}

TEST(what_is_given_back_is_free_again_and_only_once)
{
    uint64_t free_before = frames_free_count();
    uint64_t *list = populated(N, 0);

    assert_int_equal(op(XENMEM_decrease_reservation, request(list, N, 0)), N);
    assert_int_equal(du->nr_pages, 0);
    assert_int_equal(frames_free_count(), free_before);
    assert_int_equal(op(XENMEM_decrease_reservation, request(list, N, 0)), 0);
}

TEST(frames_of_others_are_not_given_back)
{
    struct frame *foreign = host_domain_page(d0);
    uint64_t shared = arch_frame_of(du->shared).n;
    uint64_t *list = host_guest_alloc(3 * sizeof(*list));

    list[0] = frame_mfn(foreign).n;
    assert_int_equal(op(XENMEM_decrease_reservation, request(list, 1, 0)), 0);
    list[0] = shared; /* its own, but not memory of its */
    assert_int_equal(op(XENMEM_decrease_reservation, request(list, 1, 0)), 0);
    list[0] = HOST_FRAMES;
    list[1] = ~0ULL;
    assert_int_equal(op(XENMEM_decrease_reservation, request(list, 1, 0)), 0);
    assert_int_equal(op(XENMEM_decrease_reservation, request(list + 1, 1, 0)), 0);
    assert_int_equal(foreign->count & FRAME_COUNT_MASK, 1);
    assert_true(frame_shared(frame_of(MFN(shared))));
    (void)frame_drop_allocation(foreign);
}

TEST(bad_reservations_do_nothing)
{
    uint64_t *list = populated(1, 0);
    struct xen_memory_reservation *req;

    assert_int_equal(op(XENMEM_populate_physmap, NULL), 0);
    assert_int_equal(op(XENMEM_populate_physmap, request(list, 1, 10)), 0);
    assert_int_equal(op(XENMEM_populate_physmap, request(list, ~0ULL, 0)), 0);
    assert_int_equal(op(XENMEM_populate_physmap, request(NULL, 1, 0)), 0);
    assert_int_equal(op(XENMEM_populate_physmap, request((void *)0xffff800000000000ULL, 1, 0)), 0);
    req = request(list, 1, 0);
    req->domid = 0;
    assert_int_equal(op(XENMEM_populate_physmap, req), 0); /* a refusal too is a count */
    req->domid = 77;
    assert_int_equal(op(XENMEM_populate_physmap | 5 << 6, req), 5);
    req = request(list, 1, 0);
    req->mem_flags = XENMEMF_populate_on_demand;
    assert_int_equal(op(XENMEM_populate_physmap, req), 0);
    assert_int_equal(op(XENMEM_populate_physmap, request(list, 1ULL << 26, 0)), 0);
    assert_int_equal(op(63, req), -ENOSYS);
    assert_int_equal(du->nr_pages, 1);
}

TEST(a_node_is_a_wish_and_only_the_first_exists)
{
    uint64_t *list = host_guest_alloc(sizeof(*list));
    struct xen_memory_reservation *req = request(list, 1, 0);

    *list = 0;
    req->mem_flags = XENMEMF_node(3);
    assert_int_equal(op(XENMEM_populate_physmap, req), 1);
    req->mem_flags = XENMEMF_exact_node(0); /* the privileged may insist */
    assert_int_equal(op(XENMEM_populate_physmap, req), 0);
    host_set_current(d0->vcpus[0]);
    req->domid = 1;
    assert_int_equal(op(XENMEM_populate_physmap, req), 1);
    req->mem_flags = XENMEMF_exact_node(1);
    assert_int_equal(op(XENMEM_populate_physmap, req), 0);
    req->mem_flags = XENMEMF_node(1);
    assert_int_equal(op(XENMEM_populate_physmap, req), 1);
    req->mem_flags = XENMEMF_node(64);
    assert_int_equal(op(XENMEM_populate_physmap, req), 0);
    assert_int_equal(du->nr_pages, 3);
}

TEST(a_frame_that_the_guest_cannot_be_told_of_is_not_kept)
{
    uint64_t *list = host_guest_alloc(2 * sizeof(*list));

    memset(list, 0, 2 * sizeof(*list));
    host_guest_fault(&list[1], sizeof(list[1]), HOST_FAULT_WRITE);
    assert_int_equal(op(XENMEM_populate_physmap, request(list, 2, 0)), 1);
    assert_int_equal(du->nr_pages, 1);
}

TEST(a_long_request_stops_and_goes_on_where_it_was)
{
    uint64_t *list = host_guest_alloc(N * sizeof(*list));
    struct xen_memory_reservation *req = request(list, N, 0);
    uint64_t cmd = XENMEM_populate_physmap;
    unsigned int stops = 0;
    long rc;

    memset(list, 0, N * sizeof(*list));
    softirq_raise(SOFTIRQ_TIMER);
    while ((rc = op(cmd, req)) == -ERESTART) {
        cmd = v->arch.continue_args[0];
        assert_int_equal(v->arch.continue_args[1], host_gva(req));
        stops++;
        assert_int_equal(cmd & 63, XENMEM_populate_physmap);
        assert_int_equal(cmd >> 6, stops);
        assert_int_equal(du->nr_pages, stops);
    }
    assert_int_equal(rc, N);
    assert_int_equal(stops, N - 1);
    assert_int_equal(op(XENMEM_populate_physmap | (N + 5) << 6, req),
                     N + 5); /* made up by the guest */
    assert_int_equal(du->nr_pages, N);
}

/* --- exchange --- */

static struct xen_memory_exchange *trade(uint64_t *in, uint64_t nr_in, unsigned int in_order,
                                         uint64_t *out, uint64_t nr_out, unsigned int out_order)
{
    struct xen_memory_exchange x = {
        .in = { .nr_extents = nr_in, .extent_order = in_order, .domid = DOMID_SELF },
        .out = { .nr_extents = nr_out, .extent_order = out_order, .domid = DOMID_SELF },
    };

    x.in.extent_start.p = in;
    x.out.extent_start.p = out;
    return guest_copy_of(&x, sizeof(x));
}

static void assert_owns(const uint64_t *list, unsigned int n)
{
    for (unsigned int i = 0; i < n; i++) {
        assert_int_equal(frame_of(MFN(list[i]))->owner, 1);
        assert_int_equal(frame_of(MFN(list[i]))->count, FRAME_ALLOCATED | 1);
    }
}

TEST(single_frames_become_one_extent)
{
    uint64_t *in = populated(N, 0), *out = host_guest_alloc(sizeof(*out));
    struct xen_memory_exchange *x = trade(in, N, 0, out, 1, 4);
    uint64_t free_before = frames_free_count();

    *out = 5000;
    x->out.mem_flags = XENMEMF_address_bits(20); /* below 1 MiB */
    assert_int_equal(op(XENMEM_exchange, x), 0);
    assert_int_equal(x->nr_exchanged, N);
    assert_int_equal(du->nr_pages, N);
    assert_int_equal(frames_free_count(), free_before);
    assert_int_equal(*out % N, 0);
    assert_true(*out + N <= 256);
    assert_int_equal(host_frame_name(MFN(*out + 3)), 5003);
}

TEST(one_extent_becomes_single_frames)
{
    uint64_t *in = populated(1, 4), *out = host_guest_alloc(N * sizeof(*out));
    struct xen_memory_exchange *x = trade(in, 1, 4, out, N, 0);

    memset(out, 0, N * sizeof(*out));
    assert_int_equal(op(XENMEM_exchange, x), 0);
    assert_int_equal(x->nr_exchanged, 1);
    assert_owns(out, N);
    assert_int_equal(du->nr_pages, N);
}

TEST(without_memory_nothing_is_exchanged)
{
    uint64_t *in = populated(N, 0), *out = host_guest_alloc(sizeof(*out));
    struct xen_memory_exchange *x = trade(in, N, 0, out, 1, 4);

    x->out.mem_flags = XENMEMF_address_bits(14); /* four frames, of which none fits */
    assert_int_equal(op(XENMEM_exchange, x), -ENOMEM);
    assert_int_equal(x->nr_exchanged, 0);
    assert_owns(in, N);
    assert_int_equal(du->nr_pages, N);
}

TEST(a_frame_in_use_foreign_or_named_twice_spoils_its_chunk_and_nothing_else)
{
    uint64_t *in = populated(N, 0), *out = host_guest_alloc(2 * sizeof(*out));
    struct xen_memory_exchange *x;
    uint64_t last = in[N - 1];
    struct frame *foreign = host_domain_page(d0);

    out[0] = out[1] = 0;
    in[N - 1] = in[8];
    x = trade(in, N, 0, out, 2, 3);
    assert_int_equal(op(XENMEM_exchange, x), -EINVAL);
    assert_int_equal(x->nr_exchanged, 8); /* the first chunk was fine */
    assert_owns(in + 8, 7);
    assert_int_equal(du->nr_pages, N);

    in[N - 1] = last;
    assert_true(frame_get(frame_of(MFN(last)), du)); /* somebody maps it */
    assert_int_equal(op(XENMEM_exchange, x), -EINVAL);
    frame_put(frame_of(MFN(last)));
    in[N - 1] = frame_mfn(foreign).n;
    assert_int_equal(op(XENMEM_exchange, x), -EINVAL);
    in[N - 1] = ~0ULL;
    assert_int_equal(op(XENMEM_exchange, x), -EINVAL);
    in[N - 1] = arch_frame_of(du->shared).n;
    assert_int_equal(op(XENMEM_exchange, x), -EINVAL);
    assert_owns(in + 8, 7);
    assert_int_equal(x->nr_exchanged, 8);

    in[N - 1] = last;
    assert_int_equal(op(XENMEM_exchange, x), 0);
    assert_int_equal(x->nr_exchanged, N);
    assert_int_equal(du->nr_pages, N);
    (void)frame_drop_allocation(foreign);
}

TEST(bad_exchanges_are_refused)
{
    uint64_t *in = populated(4, 0), *out = host_guest_alloc(4 * sizeof(*out));
    struct xen_memory_exchange *x;

    assert_int_equal(op(XENMEM_exchange, NULL), -EFAULT);
    assert_int_equal(op(XENMEM_exchange, trade(in, 4, 0, out, 1, 10)), -EPERM);
    assert_int_equal(op(XENMEM_exchange, trade(in, 4, 0, out, 3, 0)), -EINVAL);
    assert_int_equal(op(XENMEM_exchange, trade(in, 1ULL << 63, 1, out, 0, 0)), -EINVAL);
    x = trade(in, 4, 0, out, 4, 0);
    x->out.domid = 1;
    assert_int_equal(op(XENMEM_exchange, x), -EINVAL);
    x = trade(in, 4, 0, out, 4, 0);
    x->nr_exchanged = 5;
    assert_int_equal(op(XENMEM_exchange, x), -EINVAL);
    x = trade(in, 4, 0, out, 4, 0);
    x->in.domid = x->out.domid = 0;
    assert_int_equal(op(XENMEM_exchange, x), -EPERM);
    x = trade((void *)0xffff800000000000ULL, 4, 0, out, 4, 0);
    assert_int_equal(op(XENMEM_exchange, x), -EFAULT);
    host_guest_fault(&in[2], sizeof(in[2]), HOST_FAULT_READ);
    x = trade(in, 4, 0, out, 1, 2);
    assert_int_equal(op(XENMEM_exchange, x), -EFAULT);
    assert_int_equal(x->nr_exchanged, 0);
    assert_owns(in, 4);
}

TEST(an_exchange_that_is_done_is_not_looked_at_again)
{
    struct xen_memory_exchange *x = trade((void *)0xffff800000000000ULL, 4, 0, NULL, 4, 0);

    x->nr_exchanged = 4;
    assert_int_equal(op(XENMEM_exchange, x), 0);
}

TEST(an_exchange_stops_between_chunks_and_goes_on)
{
    uint64_t *in = populated(N, 0), *out = host_guest_alloc(4 * sizeof(*out));
    struct xen_memory_exchange *x = trade(in, N, 0, out, 4, 2);
    unsigned int stops = 0;
    long rc;

    memset(out, 0, 4 * sizeof(*out));
    softirq_raise(SOFTIRQ_TIMER);
    while ((rc = op(XENMEM_exchange, x)) == -ERESTART) {
        stops++;
        assert_int_equal(x->nr_exchanged, 4 * stops);
    }
    assert_int_equal(rc, 0);
    assert_int_equal(stops, 3);
    assert_int_equal(du->nr_pages, N);
}

/* --- what is told --- */

TEST(reservations_are_told_to_those_who_may_know)
{
    domid_t *id = host_guest_alloc(sizeof(*id));

    (void)populated(3, 0);
    *id = DOMID_SELF;
    assert_int_equal(op(XENMEM_current_reservation, id), 3);
    assert_int_equal(op(XENMEM_maximum_reservation, id), 64);
    du->shared->arch.max_pfn = 0x1234;
    assert_int_equal(op(XENMEM_maximum_gpfn, id), 0x1233);
    *id = 0;
    assert_int_equal(op(XENMEM_current_reservation, id), -EPERM);
    host_set_current(d0->vcpus[0]);
    *id = 1;
    assert_int_equal(op(XENMEM_current_reservation, id), 3);
    *id = 9;
    assert_int_equal(op(XENMEM_current_reservation, id), -ESRCH);
    assert_int_equal(op(XENMEM_current_reservation, NULL), -EFAULT);
}

TEST(the_machines_memory_is_told_to_the_privileged_only)
{
    struct xen_machphys_mapping *m = host_guest_alloc(sizeof(*m));
    uint8_t *any = host_guest_alloc(64);

    assert_int_equal(op(XENMEM_machine_memory_map, any), -EPERM);
    assert_int_equal(op(XENMEM_machphys_mapping, m), 0);
    assert_int_equal(m->max_mfn, HOST_FRAMES - 1);
    assert_int_equal(op(XENMEM_set_pod_target, any), -ENOSYS);
}

TEST(pv_guests_have_no_map_and_no_nodes)
{
    struct xen_add_to_physmap *add = host_guest_alloc(sizeof(*add));
    struct xen_add_to_physmap_batch *batch = host_guest_alloc(sizeof(*batch));
    struct xen_remove_from_physmap *remove = host_guest_alloc(sizeof(*remove));
    struct xen_vnuma_topology_info *nodes = host_guest_alloc(sizeof(*nodes));

    add->domid = batch->domid = remove->domid = nodes->domid = DOMID_SELF;
    assert_int_equal(op(XENMEM_add_to_physmap, add), -EACCES);
    assert_int_equal(op(XENMEM_add_to_physmap | 1ULL << 22, add), -EDOM);
    add->space = XENMAPSPACE_gmfn_foreign;
    assert_int_equal(op(XENMEM_add_to_physmap, add), -ENOSYS);
    assert_int_equal(op(XENMEM_add_to_physmap_batch, batch), -EACCES);
    assert_int_equal(op(XENMEM_add_to_physmap_batch | 1ULL << 22, batch), -EDOM);
    batch->space = XENMAPSPACE_gmfn_range;
    assert_int_equal(op(XENMEM_add_to_physmap_batch, batch), -EOPNOTSUPP);
    assert_int_equal(op(XENMEM_remove_from_physmap, remove), -EACCES);
    remove->domid = 0;
    assert_int_equal(op(XENMEM_remove_from_physmap, remove), -EPERM);
    assert_int_equal(op(XENMEM_get_vnumainfo, nodes), -EOPNOTSUPP);
    nodes->pad = 1;
    assert_int_equal(op(XENMEM_get_vnumainfo, nodes), -EINVAL);
    assert_int_equal(op(XENMEM_add_to_physmap, NULL), -EFAULT);
    assert_int_equal(op(XENMEM_add_to_physmap_batch, NULL), -EFAULT);
    assert_int_equal(op(XENMEM_remove_from_physmap, NULL), -EFAULT);
    assert_int_equal(op(XENMEM_get_vnumainfo, NULL), -EFAULT);
}

TEST(operations_that_never_stop_do_not_go_on)
{
    domid_t *id = host_guest_alloc(sizeof(*id));
    struct xen_machphys_mapping *m = host_guest_alloc(sizeof(*m));

    *id = DOMID_SELF;
    assert_int_equal(op(XENMEM_maximum_ram_page, NULL), HOST_FRAMES);
    assert_int_equal(op(XENMEM_maximum_ram_page | 64, NULL), -EINVAL);
    assert_int_equal(op(XENMEM_current_reservation | 64, id), -EINVAL);
    assert_int_equal(op(XENMEM_exchange | 64, id), -EINVAL);
    assert_int_equal(op(XENMEM_machphys_mapping, m), 0);
    assert_int_equal(op(XENMEM_machphys_mapping | 64, m), -ENOSYS);
}

static long claim(domid_t id, uint64_t nr)
{
    struct xen_memory_reservation *req = request(NULL, nr, 0);

    req->domid = id;
    return op(XENMEM_claim_pages, req);
}

TEST(memory_that_is_claimed_is_kept_for_the_claimant)
{
    uint64_t free = frames_free_count(), *list = host_guest_alloc(8 * sizeof(*list));
    struct xen_memory_reservation *req = request(list, 8, 0);
    struct frame *f;

    assert_int_equal(claim(1, 8), -EPERM);
    assert_int_equal(claim(DOMID_SELF, 8), -EINVAL);
    host_set_current(d0->vcpus[0]);
    assert_int_equal(claim(77, 8), -EINVAL);
    assert_int_equal(claim(1, 65), -EINVAL); /* more than it may have */
    du->max_pages = free + 64;
    assert_int_equal(claim(1, free + 1), -ENOMEM);
    assert_int_equal(frames_claimed_count(), 0);
    assert_int_equal(claim(1, free), 0);
    assert_int_equal(claim(1, free), -EINVAL); /* it has a claim */
    assert_int_equal(frames_claimed_count(), free);
    assert_null(frames_alloc(0, FRAMES_ANY_ADDRESS));
    req->domid = 1;
    assert_int_equal(op(XENMEM_populate_physmap, req), 8);
    assert_int_equal(frames_claimed_count(), free - 8);
    assert_null(frames_alloc(0, FRAMES_ANY_ADDRESS));
    assert_int_equal(claim(1, 0), 0);
    assert_int_equal(frames_claimed_count(), 0);
    assert_int_equal(claim(1, 8), -EINVAL); /* as much as it has */
    f = frames_alloc(0, FRAMES_ANY_ADDRESS);
    assert_non_null(f);
    frames_free(f, 0);
    req->extent_order = 1;
    assert_int_equal(op(XENMEM_claim_pages, req), -EINVAL);
    assert_int_equal(hypercall_memory_op(XENMEM_claim_pages, 16, 0, 0, 0), -EFAULT);
}

TEST(a_claim_ends_with_its_domain)
{
    struct domain *d = host_domain(9, 1);

    host_set_current(d0->vcpus[0]);
    assert_int_equal(claim(9, 20), 0);
    assert_int_equal(frames_claimed_count(), 20);
    host_domain_end(d);
    assert_int_equal(frames_claimed_count(), 0);
}

#define F(name) cmocka_unit_test_setup(name, fresh)
TEST_RUN(start, NULL, F(populating_gives_named_and_cleared_frames),
         F(a_quota_ends_the_request_and_the_count_is_the_answer),
         F(what_is_given_back_is_free_again_and_only_once), F(frames_of_others_are_not_given_back),
         F(bad_reservations_do_nothing), F(a_node_is_a_wish_and_only_the_first_exists),
         F(a_frame_that_the_guest_cannot_be_told_of_is_not_kept),
         F(a_long_request_stops_and_goes_on_where_it_was), F(single_frames_become_one_extent),
         F(one_extent_becomes_single_frames), F(without_memory_nothing_is_exchanged),
         F(a_frame_in_use_foreign_or_named_twice_spoils_its_chunk_and_nothing_else),
         F(bad_exchanges_are_refused), F(an_exchange_that_is_done_is_not_looked_at_again),
         F(an_exchange_stops_between_chunks_and_goes_on),
         F(reservations_are_told_to_those_who_may_know),
         F(the_machines_memory_is_told_to_the_privileged_only),
         F(pv_guests_have_no_map_and_no_nodes),
         F(memory_that_is_claimed_is_kept_for_the_claimant), F(a_claim_ends_with_its_domain),
         F(operations_that_never_stop_do_not_go_on))
