#include "core/gnttab.h"
#include <lodge/errno.h>
#include <lodge/string.h>
#include "core/gnttab_private.h"
#include "core/guest_frame.h"
#include "hyp/arch/host/domains.h"
#include "hyp/arch/host/grant.h"
#include "hyp/arch/host/host.h"
#include "tests/unit.h"

/* d0 maps what du grants. Both may have 4 grant frames and 4 map track frames. */
static struct domain *d0, *du;
static struct grant_entry_v1 *entries; /* du's first frame */
static struct frame *page;             /* du's */
static uint64_t *pte;                  /* in d0 */
static struct gnttab_map_grant_ref *map_arg;
static struct gnttab_unmap_grant_ref *unmap_arg;

static long op_n(uint64_t cmd, const void *arg, uint32_t n)
{
    return hypercall_grant_table_op(cmd, host_gva(arg), n, 0, 0);
}
#define OP(cmd, arg) op_n((cmd), (arg), 1)

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
    mfn_t mfn;

    (void)state;
    d0 = host_domain(0, 2);
    du = host_domain(1, 1);
    assert_int_equal(gnttab_shared_frame(du, 0, &mfn), 0);
    entries = arch_map_frame(mfn);
    page = host_domain_page(du);
    return 0;
}

static void as(struct domain *d)
{
    host_set_current(d->vcpus[0]);
}

static int fresh(void **state)
{
    (void)state;
    host_guest_reset();
    memset(entries, 0, PAGE_SIZE);
    memset(guest_frame_map(page), 0, PAGE_SIZE);
    host_frame_set_table(page, false);
    this_cpu(softirq_bits) = 0;
    pte = host_guest_alloc(64 * sizeof(*pte));
    map_arg = host_guest_alloc(sizeof(*map_arg));
    unmap_arg = host_guest_alloc(sizeof(*unmap_arg));
    as(d0);
    return 0;
}

/* What a test leaves behind of a page: nothing. */
static uint64_t refs_before;

static int clean(void **state)
{
    (void)state;
    assert_int_equal(d0->grant_table->nr_mapped, 0);
    for (grant_ref_t ref = 0; ref < du->grant_table->nr_frames * GRANTS_PER_FRAME; ref++) {
        assert_int_equal(grant_pins(du->grant_table, ref)->any, 0);
    }
    assert_int_equal(page->count, refs_before);
    assert_int_equal(host_frame_writable_refs(page), 0);
    return 0;
}

static void grant_to(grant_ref_t ref, domid_t domid, uint16_t flags)
{
    entries[ref] = (struct grant_entry_v1){ .flags = GTF_permit_access | flags,
                                            .domid = domid,
                                            .frame = (uint32_t)frame_mfn(page).n };
    refs_before = page->count;
}

/* The answer stays until some more have been asked for. */
static struct gnttab_map_grant_ref *map(grant_ref_t ref, uint32_t flags, unsigned int slot)
{
    static struct gnttab_map_grant_ref answers[64];
    static unsigned int n;
    struct gnttab_map_grant_ref *answer = &answers[n++ % ARRAY_SIZE(answers)];

    *map_arg = (struct gnttab_map_grant_ref){
        .host_addr = host_gva(&pte[slot]), .flags = flags, .ref = ref, .dom = 1
    };
    assert_int_equal(OP(GNTTABOP_map_grant_ref, map_arg), 0);
    *answer = *map_arg;
    return answer;
}

static int unmap(grant_handle_t handle, unsigned int slot, uint64_t dev)
{
    *unmap_arg = (struct gnttab_unmap_grant_ref){ .host_addr = slot < 64 ? host_gva(&pte[slot]) : 0,
                                                  .dev_bus_addr = dev,
                                                  .handle = handle };
    assert_int_equal(OP(GNTTABOP_unmap_grant_ref, unmap_arg), 0);
    return unmap_arg->status;
}
#define NO_SLOT 64

TEST(a_mapping_holds_the_page_and_tells_the_granter)
{
    struct gnttab_map_grant_ref *m;

    grant_to(8, 0, 0);
    m = map(8, GNTMAP_host_map, 0);
    assert_int_equal(m->status, GNTST_okay);
    assert_int_equal(pte[0], frame_mfn(page).n << PAGE_SHIFT | HOST_PTE_PRESENT | HOST_PTE_WRITE);
    assert_int_equal(m->dev_bus_addr, frame_mfn(page).n << PAGE_SHIFT);
    assert_int_equal(entries[8].flags, GTF_permit_access | GTF_reading | GTF_writing);
    assert_int_equal(page->count, refs_before + 1);
    assert_int_equal(host_frame_writable_refs(page), 1);
    assert_int_equal(unmap(m->handle, 0, 0), GNTST_okay);
    assert_int_equal(pte[0], 0);
    assert_int_equal(entries[8].flags, GTF_permit_access);
    assert_int_equal(unmap(m->handle, 0, 0), GNTST_bad_handle);
}

TEST(reading_and_writing_are_told_apart)
{
    struct gnttab_map_grant_ref *r, *w;

    grant_to(8, 0, 0);
    r = map(8, GNTMAP_host_map | GNTMAP_readonly, 0);
    assert_int_equal(entries[8].flags, GTF_permit_access | GTF_reading);
    assert_int_equal(host_frame_writable_refs(page), 0);
    w = map(8, GNTMAP_host_map, 1);
    assert_int_equal(entries[8].flags, GTF_permit_access | GTF_reading | GTF_writing);
    assert_int_equal(unmap(w->handle, 1, 0), GNTST_okay);
    assert_int_equal(entries[8].flags, GTF_permit_access | GTF_reading);
    assert_int_equal(unmap(r->handle, 0, 0), GNTST_okay);
    assert_int_equal(entries[8].flags, GTF_permit_access);
    grant_to(8, 0, GTF_readonly);
    assert_int_equal(map(8, GNTMAP_host_map, 0)->status, GNTST_general_error);
    assert_int_equal(entries[8].flags, GTF_permit_access | GTF_readonly);
    r = map(8, GNTMAP_host_map | GNTMAP_readonly, 0);
    assert_int_equal(map(8, GNTMAP_host_map, 1)->status,
                     GNTST_general_error); /* nor while it is in use */
    assert_int_equal(unmap(r->handle, 0, 0), GNTST_okay);
}

TEST(host_and_device_are_unmapped_one_by_one)
{
    struct gnttab_map_grant_ref *m;

    grant_to(8, 0, 0);
    m = map(8, GNTMAP_host_map | GNTMAP_device_map, 0);
    assert_int_equal(m->status, GNTST_okay);
    assert_int_equal(page->count, refs_before + 2);
    assert_int_equal(host_frame_writable_refs(page), 2);
    assert_int_equal(unmap(m->handle, NO_SLOT, 0), GNTST_okay); /* nothing asked, nothing done */
    assert_int_equal(page->count, refs_before + 2);
    assert_int_equal(unmap(m->handle, NO_SLOT, m->dev_bus_addr + PAGE_SIZE), GNTST_bad_dev_addr);
    assert_int_equal(unmap(m->handle, 0, 0), GNTST_okay);
    assert_int_equal(page->count, refs_before + 1);
    assert_int_equal(entries[8].flags, GTF_permit_access | GTF_reading | GTF_writing);
    assert_int_equal(unmap(m->handle, NO_SLOT, m->dev_bus_addr), GNTST_okay);
    assert_int_equal(entries[8].flags, GTF_permit_access);
    assert_int_equal(unmap(m->handle, NO_SLOT, m->dev_bus_addr), GNTST_bad_handle);
}

TEST(refusals_leave_everything_as_it_was)
{
    uint64_t *bad = host_guest_alloc(sizeof(*bad));
    struct gnttab_map_grant_ref *m;

    grant_to(8, 0, 0);
    assert_int_equal(map(8, GNTMAP_readonly, 0)->status, GNTST_bad_gntref);
    m = ARG(gnttab_map_grant_ref, .flags = GNTMAP_host_map, .dom = 9);
    assert_int_equal(OP(GNTTABOP_map_grant_ref, m), 0);
    assert_int_equal(m->status, GNTST_bad_domain);
    m = ARG(gnttab_map_grant_ref, .flags = GNTMAP_host_map, .dom = DOMID_SELF);
    assert_int_equal(OP(GNTTABOP_map_grant_ref, m), 0);
    assert_int_equal(m->status, GNTST_bad_domain);
    assert_int_equal(map(512, GNTMAP_host_map, 0)->status, GNTST_bad_gntref);
    assert_int_equal(map(0xffffffff, GNTMAP_host_map, 0)->status, GNTST_bad_gntref);
    assert_int_equal(map(9, GNTMAP_host_map, 0)->status, GNTST_general_error); /* invalid entry */
    grant_to(9, 5, 0);
    assert_int_equal(map(9, GNTMAP_host_map, 0)->status,
                     GNTST_general_error); /* for somebody else */
    grant_to(9, 0, GTF_sub_page);
    assert_int_equal(map(9, GNTMAP_host_map, 0)->status, GNTST_general_error);
    entries[9].flags = GTF_accept_transfer;
    assert_int_equal(map(9, GNTMAP_host_map, 0)->status, GNTST_general_error);
    entries[9].flags = GTF_transitive;
    assert_int_equal(map(9, GNTMAP_host_map, 0)->status, GNTST_general_error);
    grant_to(9, 0, 0);
    entries[9].frame = 0xffffffff;
    assert_int_equal(map(9, GNTMAP_host_map, 0)->status, GNTST_bad_page);
    entries[9].frame = (uint32_t)frame_mfn(frame_of(arch_frame_of(d0->shared))).n;
    assert_int_equal(map(9, GNTMAP_host_map, 0)->status, GNTST_bad_page); /* not the granter's */
    assert_int_equal(entries[9].flags, GTF_permit_access);
    host_frame_set_table(page, true);
    assert_int_equal(map(8, GNTMAP_host_map, 0)->status, GNTST_general_error);
    assert_int_equal(map(8, GNTMAP_host_map | GNTMAP_device_map, 0)->status, GNTST_general_error);
    host_frame_set_table(page, false);
    host_guest_fault(bad, sizeof(*bad), HOST_FAULT_WRITE);
    m = ARG(gnttab_map_grant_ref, .host_addr = host_gva(bad),
            .flags = GNTMAP_host_map | GNTMAP_device_map, .ref = 8, .dom = 1);
    assert_int_equal(OP(GNTTABOP_map_grant_ref, m), 0);
    assert_int_equal(m->status, GNTST_general_error);
    assert_int_equal(entries[8].flags, GTF_permit_access);
}

TEST(an_unmap_that_finds_another_entry_keeps_the_mapping)
{
    struct gnttab_map_grant_ref *m;

    grant_to(8, 0, 0);
    m = map(8, GNTMAP_host_map, 0);
    assert_int_equal(unmap(m->handle, 1, 0), GNTST_general_error);
    assert_int_equal(page->count, refs_before + 1);
    assert_int_equal(unmap(m->handle + 1, 0, 0), GNTST_bad_handle);
    assert_int_equal(unmap(0xffffffff, 0, 0), GNTST_bad_handle);
    assert_int_equal(unmap(m->handle, 0, 0), GNTST_okay);
}

TEST(an_entry_is_used_by_one_domain_at_a_time)
{
    struct domain *other = host_domain(2, 1);
    struct gnttab_map_grant_ref *m, *n;

    grant_to(8, 0, 0);
    m = map(8, GNTMAP_host_map, 0);
    entries[8].domid = 2; /* the guest changes its mind under our feet */
    as(other);
    assert_int_equal(map(8, GNTMAP_host_map, 1)->status, GNTST_general_error);
    as(d0);
    n = map(8, GNTMAP_host_map, 1); /* what was granted first counts until it is given back */
    assert_int_equal(n->status, GNTST_okay);
    entries[8].frame = 0;
    assert_int_equal(unmap(n->handle, 1, 0), GNTST_okay);
    assert_int_equal(unmap(m->handle, 0, 0), GNTST_okay);
    host_domain_end(other);
}

TEST(one_use_of_an_entry_is_limited_to_128)
{
    grant_handle_t handle[128];
    unsigned int i;

    grant_to(8, 0, 0);
    for (i = 0; i < 128; i++) {
        struct gnttab_map_grant_ref *m = map(8, GNTMAP_device_map, 0);

        assert_int_equal(m->status, GNTST_okay);
        handle[i] = m->handle;
    }
    assert_int_equal(map(8, GNTMAP_device_map, 0)->status, GNTST_general_error);
    assert_int_equal(grant_pins(du->grant_table, 8)->count[GRANT_DEV_WRITE], 128);
    for (i = 0; i < 128; i++) {
        assert_int_equal(unmap(handle[i], NO_SLOT, frame_mfn(page).n << PAGE_SHIFT), GNTST_okay);
    }
}

TEST(handles_run_out_and_come_back)
{
    uint32_t limit = 4 * MAPTRACK_PER_FRAME, n = 0;
    grant_handle_t *handle = test_calloc(limit, sizeof(*handle));

    for (grant_ref_t ref = 8; ref < 20; ref++) {
        grant_to(ref, 0, 0);
    }
    for (;; n++) {
        struct gnttab_map_grant_ref *m = map(8 + n / 100, GNTMAP_device_map | GNTMAP_readonly, 0);

        if (m->status) {
            assert_int_equal(m->status, GNTST_no_space);
            break;
        }
        assert_true(n < limit);
        handle[n] = m->handle;
    }
    assert_int_equal(n, limit);
    while (n--) {
        assert_int_equal(unmap(handle[n], NO_SLOT, frame_mfn(page).n << PAGE_SHIFT), GNTST_okay);
    }
    test_free(handle);
}

TEST(a_domain_maps_its_own_grant)
{
    struct gnttab_map_grant_ref *m;

    grant_to(8, 1, 0);
    as(du);
    m = map(8, GNTMAP_host_map, 0);
    assert_int_equal(m->status, GNTST_okay);
    assert_int_equal(unmap(m->handle, 0, 0), GNTST_okay);
}

TEST(a_replaced_mapping_takes_the_other_entry_over)
{
    struct gnttab_map_grant_ref *m;
    struct gnttab_unmap_and_replace *r;

    grant_to(8, 0, 0);
    m = map(8, GNTMAP_host_map, 0);
    pte[1] = 0x1234067;
    r = ARG(gnttab_unmap_and_replace, .host_addr = host_gva(&pte[0]), .new_addr = host_gva(&pte[1]),
            .handle = m->handle);
    assert_int_equal(OP(GNTTABOP_unmap_and_replace, r), 0);
    assert_int_equal(r->status, GNTST_okay);
    assert_int_equal(pte[0], 0x1234067);
    assert_int_equal(pte[1], 0);
}

TEST(tlbs_are_flushed_once_for_32_unmaps_before_the_granter_is_told)
{
    struct gnttab_unmap_grant_ref *u = host_guest_alloc(40 * sizeof(*u));
    unsigned int flushes;

    grant_to(8, 0, 0);
    for (unsigned int i = 0; i < 40; i++) {
        u[i].host_addr = host_gva(&pte[i]);
        u[i].handle = map(8, GNTMAP_host_map, i)->handle;
    }
    flushes = host_grant_flushes;
    assert_int_equal(op_n(GNTTABOP_unmap_grant_ref, u, 40), 0);
    assert_int_equal(host_grant_flushes, flushes + 2);
    for (unsigned int i = 0; i < 40; i++) {
        assert_int_equal(u[i].status, GNTST_okay);
    }
}

TEST(a_batch_stops_when_asked_and_goes_on_where_it_was)
{
    struct gnttab_map_grant_ref *m = host_guest_alloc(3 * sizeof(*m));
    struct vcpu *v = d0->vcpus[0];

    grant_to(8, 0, 0);
    for (unsigned int i = 0; i < 3; i++) {
        m[i] = (struct gnttab_map_grant_ref){
            .host_addr = host_gva(&pte[i]), .flags = GNTMAP_host_map, .ref = 8, .dom = 1
        };
        m[i].status = 1;
    }
    this_cpu(softirq_bits) = 1U << SOFTIRQ_WORK;
    assert_int_equal(op_n(GNTTABOP_map_grant_ref, m, 3), -ERESTART);
    assert_int_equal(m[0].status, GNTST_okay); /* at least one each time */
    assert_int_equal(m[1].status, 1);
    assert_int_equal(v->arch.continue_args[0], GNTTABOP_map_grant_ref);
    assert_int_equal(v->arch.continue_args[1], host_gva(&m[1]));
    assert_int_equal(v->arch.continue_args[2], 2);
    this_cpu(softirq_bits) = 0;
    assert_int_equal(op_n(GNTTABOP_map_grant_ref, &m[1], 2), 0);
    for (unsigned int i = 0; i < 3; i++) {
        assert_int_equal(unmap(m[i].handle, i, 0), GNTST_okay);
    }
}

TEST(a_batch_ends_at_the_first_address_that_faults)
{
    struct gnttab_unmap_grant_ref *u = host_guest_alloc(3 * sizeof(*u));
    grant_handle_t last;

    grant_to(8, 0, 0);
    for (unsigned int i = 0; i < 3; i++) {
        u[i].host_addr = host_gva(&pte[i]);
        u[i].handle = map(8, GNTMAP_host_map, i)->handle;
    }
    last = u[2].handle;
    host_guest_fault(&u[1], sizeof(u[1]), HOST_FAULT_WRITE);
    assert_int_equal(op_n(GNTTABOP_unmap_grant_ref, u, 3), -EFAULT);
    assert_int_equal(page->count, refs_before + 1); /* what was unmapped is complete, told or not */
    assert_int_equal(unmap(last, 2, 0), GNTST_okay);
}

TEST(arguments_are_checked_before_anything_else)
{
    assert_int_equal(op_n(GNTTABOP_map_grant_ref, NULL, 0x80000000), -EINVAL);
    assert_int_equal(op_n(GNTTABOP_map_grant_ref | 1U << 12, NULL, 0), -EINVAL);
    assert_int_equal(op_n(GNTTABOP_map_grant_ref, NULL, 0), 0);
    assert_int_equal(op_n(GNTTABOP_map_grant_ref, NULL, 1), -EFAULT);
    assert_int_equal(hypercall_grant_table_op(GNTTABOP_copy, 0xffff800000000000, 1, 0, 0), -EFAULT);
    assert_int_equal(op_n(GNTTABOP_dump_table, NULL, 1), -ENOSYS);
    assert_int_equal(op_n(99, NULL, 1), -ENOSYS);
    assert_int_equal(op_n(GNTTABOP_transfer, NULL, 1), -EFAULT);
    assert_int_equal(op_n(GNTTABOP_cache_flush, NULL, 1), -EFAULT);
}

TEST(the_table_is_set_up_frame_by_frame)
{
    xen_pfn_t *list = host_guest_alloc(8 * sizeof(*list));
    struct gnttab_setup_table *s = ARG(gnttab_setup_table, .dom = DOMID_SELF, .nr_frames = 2);
    struct gnttab_query_size *q = ARG(gnttab_query_size, .dom = DOMID_SELF);

    s->frame_list.p = list;
    assert_int_equal(op_n(GNTTABOP_setup_table, s, 2), -EINVAL);
    assert_int_equal(OP(GNTTABOP_setup_table, s), 0);
    assert_int_equal(s->status, GNTST_okay);
    assert_ptr_equal(arch_map_frame(MFN(list[0])), d0->grant_table->shared[0]);
    assert_ptr_equal(arch_map_frame(MFN(list[1])), d0->grant_table->shared[1]);
    assert_int_equal(list[2], 0);
    assert_true(frame_get(frame_of(MFN(list[1])), d0));
    frame_put(frame_of(MFN(list[1])));
    s->nr_frames = 5;
    assert_int_equal(OP(GNTTABOP_setup_table, s), 0);
    assert_int_equal(s->status, GNTST_general_error);
    s->nr_frames = 1;
    s->dom = 9;
    assert_int_equal(OP(GNTTABOP_setup_table, s), 0);
    assert_int_equal(s->status, GNTST_bad_domain);
    s->dom = DOMID_SELF;
    host_guest_fault(list, sizeof(*list), HOST_FAULT_WRITE);
    assert_int_equal(OP(GNTTABOP_setup_table, s), 0);
    assert_int_equal(s->status, GNTST_bad_virt_addr);
    s->frame_list.p = (void *)0xffff800000000000;
    assert_int_equal(OP(GNTTABOP_setup_table, s), -EFAULT);
    assert_int_equal(op_n(GNTTABOP_query_size, q, 0), -EINVAL);
    assert_int_equal(OP(GNTTABOP_query_size, q), 0);
    assert_int_equal(q->status, GNTST_okay);
    assert_int_equal(q->nr_frames, 2);
    assert_int_equal(q->max_nr_frames, 4);
    as(du);
    q->dom = s->dom = 0;
    s->frame_list.p = list;
    assert_int_equal(OP(GNTTABOP_query_size, q), 0);
    assert_int_equal(q->status, GNTST_permission_denied);
    assert_int_equal(OP(GNTTABOP_setup_table, s), 0);
    assert_int_equal(s->status, GNTST_permission_denied);
}

TEST(entries_are_swapped_unless_they_are_in_use)
{
    struct gnttab_swap_grant_ref *s = ARG(gnttab_swap_grant_ref, 8, 9, 1);
    struct gnttab_map_grant_ref *m;

    grant_to(8, 0, 0);
    as(du);
    assert_int_equal(OP(GNTTABOP_swap_grant_ref, s), 0);
    assert_int_equal(s->status, GNTST_okay);
    assert_int_equal(entries[8].flags, 0);
    assert_int_equal(entries[9].flags, GTF_permit_access);
    assert_int_equal(entries[9].frame, frame_mfn(page).n);
    s->ref_b = 512;
    assert_int_equal(OP(GNTTABOP_swap_grant_ref, s), 0);
    assert_int_equal(s->status, GNTST_bad_gntref);
    as(d0);
    m = map(9, GNTMAP_host_map, 0);
    as(du);
    s->ref_b = 9;
    assert_int_equal(OP(GNTTABOP_swap_grant_ref, s), 0);
    assert_int_equal(s->status, GNTST_eagain);
    as(d0);
    assert_int_equal(unmap(m->handle, 0, 0), GNTST_okay);
}

/* --- copy --- */

static int copy(struct gnttab_copy c)
{
    struct gnttab_copy *arg = guest_copy_of(&c, sizeof(c));

    assert_int_equal(OP(GNTTABOP_copy, arg), 0);
    return arg->status;
}

TEST(a_copy_goes_both_ways)
{
    struct frame *own = host_domain_page(d0);
    char *mine = guest_frame_map(own), *theirs = guest_frame_map(page);
    struct gnttab_copy c = {
        .source = { .u.ref = 8, .domid = 1, .offset = 100 },
        .dest = { .u.gmfn = frame_mfn(own).n, .domid = DOMID_SELF, .offset = 4000 },
        .len = 96,
        .flags = GNTCOPY_source_gref
    };
    uint64_t own_refs = own->count;

    grant_to(8, 0, GTF_readonly);
    memset(theirs, 'x', PAGE_SIZE);
    assert_int_equal(copy(c), GNTST_okay);
    assert_int_equal(mine[3999], 0);
    assert_int_equal(mine[4000], 'x');
    assert_int_equal(mine[4095], 'x');
    assert_int_equal(entries[8].flags, GTF_permit_access | GTF_readonly);
    c = (struct gnttab_copy){
        .source = c.dest, .dest = c.source, .len = 96, .flags = GNTCOPY_dest_gref
    };
    assert_int_equal(copy(c), GNTST_general_error); /* may only be read */
    entries[8].flags = GTF_permit_access;
    memset(mine, 'y', PAGE_SIZE);
    assert_int_equal(copy(c), GNTST_okay);
    assert_int_equal(theirs[99], 'x');
    assert_int_equal(theirs[100], 'y');
    assert_int_equal(theirs[196], 'x');
    assert_int_equal(own->count, own_refs);
    assert_int_equal(host_frame_writable_refs(own), 0);
}

TEST(a_copy_within_one_page_may_overlap)
{
    char *theirs = guest_frame_map(page);

    grant_to(8, 0, 0);
    grant_to(9, 0, 0);
    memcpy(theirs, "abcdefgh", 8);
    assert_int_equal(copy((struct gnttab_copy){ .source = { .u.ref = 8, .domid = 1 },
                                                .dest = { .u.ref = 9, .domid = 1, .offset = 2 },
                                                .len = 6,
                                                .flags = GNTCOPY_source_gref | GNTCOPY_dest_gref }),
                     GNTST_okay);
    assert_memory_equal(theirs, "ababcdef", 8);
}

TEST(copies_that_are_refused)
{
    struct frame *own = host_domain_page(d0);
    struct gnttab_copy good = { .source = { .u.ref = 8, .domid = 1 },
                                .dest = { .u.gmfn = frame_mfn(own).n, .domid = DOMID_SELF },
                                .len = 16,
                                .flags = GNTCOPY_source_gref };
    struct gnttab_copy c;
    uint64_t own_refs = own->count;

    grant_to(8, 0, 0);
    c = good, c.source.offset = PAGE_SIZE - 15;
    assert_int_equal(copy(c), GNTST_bad_copy_arg);
    c = good, c.dest.offset = 0xffff, c.len = 0xffff;
    assert_int_equal(copy(c), GNTST_bad_copy_arg);
    c = good, c.dest.domid = 1;
    assert_int_equal(copy(c), GNTST_permission_denied);
    c = good, c.dest.domid = 9;
    assert_int_equal(copy(c), GNTST_bad_domain);
    c = good, c.source.domid = 9;
    assert_int_equal(copy(c), GNTST_bad_domain);
    c = good, c.source.u.ref = 512;
    assert_int_equal(copy(c), GNTST_bad_gntref);
    c = good, c.dest.u.gmfn = ~0ULL;
    assert_int_equal(copy(c), GNTST_bad_page);
    c = good, c.dest.u.gmfn = frame_mfn(page).n;
    assert_int_equal(copy(c), GNTST_bad_page); /* not one's own */
    host_frame_set_table(own, true);
    assert_int_equal(copy(good), GNTST_general_error);
    host_frame_set_table(own, false);
    assert_int_equal(copy(good), GNTST_okay);
    assert_int_equal(own->count, own_refs);
}

/* --- death --- */

TEST(a_mapper_that_dies_gives_everything_back)
{
    struct domain *mapper = host_domain(3, 1);
    uint32_t refs;

    grant_to(8, 3, 0);
    refs = du->refs;
    as(mapper);
    assert_int_equal(map(8, GNTMAP_host_map, 0)->status, GNTST_okay);
    assert_int_equal(map(8, GNTMAP_device_map, 1)->status, GNTST_okay);
    as(d0);
    assert_int_equal(du->refs, refs + 2);
    host_domain_end(mapper);
    assert_int_equal(entries[8].flags, GTF_permit_access);
    assert_int_equal(du->refs, refs);
    /* The host mapping's references belong to the page table entry: they go with it. */
    assert_int_equal(page->count, refs_before + 1);
    guest_frame_put_writable(page);
    frame_put(page);
}

TEST(a_granter_that_dies_keeps_what_is_mapped)
{
    struct domain *granter = host_domain(4, 1);
    struct frame *f = host_domain_page(granter);
    struct grant_entry_v1 *entry = granter->grant_table->shared[0];
    struct gnttab_map_grant_ref *m;
    struct gnttab_unmap_grant_ref *u;

    refs_before = page->count;
    entry[8] = (struct grant_entry_v1){ GTF_permit_access, 0, (uint32_t)frame_mfn(f).n };
    m = ARG(gnttab_map_grant_ref, .host_addr = host_gva(pte), .flags = GNTMAP_host_map, .ref = 8,
            .dom = 4);
    assert_int_equal(OP(GNTTABOP_map_grant_ref, m), 0);
    assert_int_equal(m->status, GNTST_okay);
    host_domain_end(granter);
    assert_int_equal(f->owner, 4);
    assert_true((f->count & FRAME_COUNT_MASK) > 0);
    m->host_addr = host_gva(&pte[1]);
    assert_int_equal(OP(GNTTABOP_map_grant_ref, m), 0);
    assert_int_equal(m->status, GNTST_bad_gntref); /* nothing new */
    u = ARG(gnttab_unmap_grant_ref, .host_addr = host_gva(pte), .handle = 0);
    for (u->handle = 0; u->handle < d0->grant_table->nr_handles; u->handle++) {
        if (d0->grant_table->maptrack[0][u->handle].granter) {
            break;
        }
    }
    assert_int_equal(OP(GNTTABOP_unmap_grant_ref, u), 0);
    assert_int_equal(u->status, GNTST_okay);
    assert_int_equal(f->count & FRAME_COUNT_MASK, 0);
}

TEST(limits_are_checked_when_a_table_is_made)
{
    struct domain d = { .id = 77 };

    assert_int_equal(gnttab_init(&d, 0, 1, 2), -EINVAL);
    assert_int_equal(gnttab_init(&d, 65, 1, 2), -EINVAL);
    assert_int_equal(gnttab_init(&d, 1, 1025, 2), -EINVAL);
    assert_int_equal(gnttab_init(&d, 1, 1, 3), -EINVAL);
    assert_null(d.grant_table);
    gnttab_destroy(&d);
    assert_int_equal(gnttab_relinquish(&d), 0);
}

TEST(the_dump_shows_what_is_used)
{
    struct gnttab_map_grant_ref *m;

    grant_to(8, 0, 0);
    m = map(8, GNTMAP_host_map, 0);
    gnttab_dump(du);
    assert_int_equal(unmap(m->handle, 0, 0), GNTST_okay);
}

#define C(name) cmocka_unit_test_setup_teardown(name, fresh, clean)
#define P(name) cmocka_unit_test_setup(name, fresh)
TEST_RUN(start, NULL, C(a_mapping_holds_the_page_and_tells_the_granter),
         C(reading_and_writing_are_told_apart), C(host_and_device_are_unmapped_one_by_one),
         C(refusals_leave_everything_as_it_was),
         C(an_unmap_that_finds_another_entry_keeps_the_mapping),
         C(an_entry_is_used_by_one_domain_at_a_time), C(one_use_of_an_entry_is_limited_to_128),
         C(handles_run_out_and_come_back), C(a_domain_maps_its_own_grant),
         C(a_replaced_mapping_takes_the_other_entry_over),
         C(tlbs_are_flushed_once_for_32_unmaps_before_the_granter_is_told),
         C(a_batch_stops_when_asked_and_goes_on_where_it_was),
         C(a_batch_ends_at_the_first_address_that_faults),
         P(arguments_are_checked_before_anything_else), P(the_table_is_set_up_frame_by_frame),
         C(entries_are_swapped_unless_they_are_in_use),
         C(a_copy_goes_both_ways), C(a_copy_within_one_page_may_overlap),
         C(copies_that_are_refused), C(a_mapper_that_dies_gives_everything_back),
         C(a_granter_that_dies_keeps_what_is_mapped), P(limits_are_checked_when_a_table_is_made),
         C(the_dump_shows_what_is_used))
