/*
 * Grant tables of version 2: status frames, parts of pages, grants passed on; the change between
 * versions, transfers, and cache flushes.
 */
#include "core/gnttab.h"
#include <lodge/errno.h>
#include <lodge/string.h>
#include "core/gnttab_private.h"
#include "core/guest_frame.h"
#include "core/softirq.h"
#include "hyp/arch/host/domains.h"
#include "hyp/arch/host/grant.h"
#include "hyp/arch/host/host.h"
#include "tests/unit.h"

/* d0 uses what du grants; dt grants to du. All may have 4 grant frames. */
static struct domain *d0, *du, *dt;
static struct frame *page, *other; /* du's, dt's */
static uint64_t *pte;              /* in d0 */
static uint64_t page_refs, other_refs;

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

static void as(struct domain *d)
{
    host_set_current(d->vcpus[0]);
}

static int start(void **state)
{
    (void)state;
    d0 = host_domain(0, 2);
    du = host_domain(1, 1);
    dt = host_domain(2, 1);
    page = host_domain_page(du);
    other = host_domain_page(dt);
    return 0;
}

static long set_version(struct domain *d, uint32_t version)
{
    struct gnttab_set_version *s = ARG(gnttab_set_version, version);
    long rc;

    as(d);
    rc = OP(GNTTABOP_set_version, s);
    assert_int_equal(s->version, d->grant_table->version);
    as(d0);
    return rc;
}

static int fresh(void **state)
{
    (void)state;
    host_guest_reset();
    this_cpu(softirq_bits) = 0;
    pte = host_guest_alloc(8 * sizeof(*pte));
    assert_int_equal(set_version(du, 1), 0);
    assert_int_equal(set_version(dt, 1), 0);
    memset(du->grant_table->shared[0], 0, PAGE_SIZE);
    memset(dt->grant_table->shared[0], 0, PAGE_SIZE);
    memset(guest_frame_map(page), 0, PAGE_SIZE);
    memset(guest_frame_map(other), 0, PAGE_SIZE);
    assert_int_equal(set_version(du, 2), 0);
    assert_int_equal(set_version(dt, 2), 0);
    page_refs = page->count;
    other_refs = other->count;
    return 0;
}

static void check_unused(struct domain *d)
{
    for (grant_ref_t ref = 0; ref < d->grant_table->nr_frames * GRANTS_PER_FRAME; ref++) {
        assert_int_equal(grant_pins(d->grant_table, ref)->any, 0);
    }
}

static int clean(void **state)
{
    (void)state;
    assert_int_equal(d0->grant_table->nr_mapped, 0);
    check_unused(du);
    check_unused(dt);
    assert_int_equal(page->count, page_refs);
    assert_int_equal(other->count, other_refs);
    assert_int_equal(host_frame_writable_refs(page), 0);
    return 0;
}

static union grant_entry_v2 *entry(struct domain *d, grant_ref_t ref)
{
    return grant_entry_v2(d->grant_table, ref);
}

static uint16_t status_of(struct domain *d, grant_ref_t ref)
{
    return *grant_status(d->grant_table, ref);
}

static void grant_page(struct domain *d, grant_ref_t ref, struct frame *f, domid_t to,
                       uint16_t flags)
{
    union grant_entry_v2 *e = entry(d, ref);

    memset(e, 0, sizeof(*e));
    e->full_page.frame = frame_mfn(f).n;
    e->hdr.domid = to;
    e->hdr.flags = GTF_permit_access | flags;
}

static void grant_part(struct domain *d, grant_ref_t ref, struct frame *f, domid_t to,
                       uint16_t start, uint16_t length)
{
    grant_page(d, ref, f, to, GTF_sub_page);
    entry(d, ref)->sub_page.page_off = start;
    entry(d, ref)->sub_page.length = length;
}

static void grant_passed_on(struct domain *d, grant_ref_t ref, domid_t to, domid_t from,
                            grant_ref_t from_ref)
{
    union grant_entry_v2 *e = entry(d, ref);

    memset(e, 0, sizeof(*e));
    e->transitive.trans_domid = from;
    e->transitive.gref = from_ref;
    e->hdr.domid = to;
    e->hdr.flags = GTF_transitive;
}

static struct gnttab_map_grant_ref *map(grant_ref_t ref, uint32_t flags)
{
    struct gnttab_map_grant_ref *m = ARG(gnttab_map_grant_ref, .host_addr = host_gva(&pte[0]),
                                         .flags = flags, .ref = ref, .dom = 1);

    assert_int_equal(OP(GNTTABOP_map_grant_ref, m), 0);
    return m;
}

static int unmap(grant_handle_t handle)
{
    struct gnttab_unmap_grant_ref *u =
        ARG(gnttab_unmap_grant_ref, .host_addr = host_gva(&pte[0]), .handle = handle);

    assert_int_equal(OP(GNTTABOP_unmap_grant_ref, u), 0);
    return u->status;
}

/* From du's grant into a page of d0's, or the other way round. */
static struct frame *own_page(void)
{
    static struct frame *f;

    if (!f) {
        f = host_domain_page(d0);
    }
    return f;
}

static int copy_from(grant_ref_t ref, uint16_t offset, uint16_t len)
{
    struct gnttab_copy *c = ARG(gnttab_copy, .flags = GNTCOPY_source_gref, .len = len);

    c->source.u.ref = ref;
    c->source.domid = 1;
    c->source.offset = offset;
    c->dest.u.gmfn = frame_mfn(own_page()).n;
    c->dest.domid = DOMID_SELF;
    assert_int_equal(OP(GNTTABOP_copy, c), 0);
    return c->status;
}

static int copy_to(grant_ref_t ref, uint16_t offset, uint16_t len)
{
    struct gnttab_copy *c = ARG(gnttab_copy, .flags = GNTCOPY_dest_gref, .len = len);

    c->dest.u.ref = ref;
    c->dest.domid = 1;
    c->dest.offset = offset;
    c->source.u.gmfn = frame_mfn(own_page()).n;
    c->source.domid = DOMID_SELF;
    assert_int_equal(OP(GNTTABOP_copy, c), 0);
    return c->status;
}

TEST(a_mapping_is_told_in_the_status_and_not_in_the_entry)
{
    struct gnttab_map_grant_ref *m;

    grant_page(du, 8, page, 0, 0);
    m = map(8, GNTMAP_host_map);
    assert_int_equal(m->status, GNTST_okay);
    assert_int_equal(pte[0] >> PAGE_SHIFT, frame_mfn(page).n);
    assert_int_equal(entry(du, 8)->hdr.flags, GTF_permit_access);
    assert_int_equal(status_of(du, 8), GTF_reading | GTF_writing);
    assert_int_equal(unmap(m->handle), GNTST_okay);
    assert_int_equal(status_of(du, 8), 0);
}

TEST(a_write_is_added_and_taken_away_by_itself)
{
    struct gnttab_map_grant_ref *m;

    grant_page(du, 8, page, 0, 0);
    m = map(8, GNTMAP_host_map | GNTMAP_readonly);
    assert_int_equal(status_of(du, 8), GTF_reading);
    assert_int_equal(copy_to(8, 0, 8), GNTST_okay);
    assert_int_equal(status_of(du, 8), GTF_reading);
    entry(du, 8)->hdr.flags |= GTF_readonly;
    assert_int_equal(copy_to(8, 0, 8), GNTST_general_error);
    assert_int_equal(status_of(du, 8), GTF_reading);
    assert_int_equal(unmap(m->handle), GNTST_okay);
    assert_int_equal(status_of(du, 8), 0);
}

TEST(refusals_leave_no_status_behind)
{
    grant_page(du, 8, page, 5, 0);
    assert_int_equal(map(8, GNTMAP_host_map)->status, GNTST_general_error);
    grant_page(du, 8, page, 0, GTF_readonly);
    assert_int_equal(map(8, GNTMAP_host_map)->status, GNTST_general_error);
    grant_page(du, 8, page, 0, 0);
    entry(du, 8)->full_page.frame = 1ULL << 40;
    assert_int_equal(map(8, GNTMAP_host_map)->status, GNTST_bad_page);
    entry(du, 8)->hdr.flags = GTF_invalid;
    assert_int_equal(copy_from(8, 0, 1), GNTST_general_error);
    entry(du, 8)->hdr.flags = GTF_accept_transfer;
    assert_int_equal(copy_from(8, 0, 1), GNTST_general_error);
    assert_int_equal(status_of(du, 8), 0);
    assert_int_equal(map(GRANTS_PER_FRAME_V2, GNTMAP_host_map)->status, GNTST_bad_gntref);
    assert_int_equal(copy_from(~0U, 0, 1), GNTST_bad_gntref);
}

TEST(a_part_of_a_page_is_copied_and_never_mapped)
{
    char *bytes = guest_frame_map(page);

    bytes[100] = 'a';
    bytes[149] = 'z';
    grant_part(du, 8, page, 0, 100, 50);
    assert_int_equal(map(8, GNTMAP_host_map | GNTMAP_readonly)->status, GNTST_general_error);
    assert_int_equal(copy_from(8, 100, 50), GNTST_okay);
    assert_memory_equal(guest_frame_map(own_page()), bytes + 100, 50);
    assert_int_equal(copy_from(8, 149, 1), GNTST_okay);
    assert_int_equal(copy_from(8, 150, 0), GNTST_okay); /* nothing, at its end */
    assert_int_equal(copy_from(8, 99, 2), GNTST_general_error);
    assert_int_equal(copy_from(8, 149, 2), GNTST_general_error);
    assert_int_equal(copy_from(8, 4095, 1), GNTST_general_error);
    assert_int_equal(copy_from(8, 4000, 200), GNTST_bad_copy_arg);
    assert_int_equal(copy_to(8, 120, 20), GNTST_okay);
    assert_int_equal(copy_to(8, 140, 20), GNTST_general_error);
    assert_int_equal(status_of(du, 8), 0);
    grant_part(du, 8, page, 0, 4090, 0xffff); /* more than there is: the page's end counts too */
    assert_int_equal(copy_from(8, 4090, 6), GNTST_okay);
    assert_int_equal(copy_from(8, 4090, 7), GNTST_bad_copy_arg);
}

TEST(what_was_granted_first_counts_while_it_is_mapped)
{
    struct gnttab_map_grant_ref *m;

    grant_page(du, 8, page, 0, 0);
    m = map(8, GNTMAP_host_map);
    grant_part(du, 8, page, 0, 100, 50);
    assert_int_equal(copy_from(8, 0, 4096), GNTST_okay);
    grant_passed_on(du, 8, 0, 2, 8);
    assert_int_equal(copy_from(8, 0, 4096), GNTST_okay);
    assert_int_equal(unmap(m->handle), GNTST_okay);
}

TEST(a_grant_passed_on_is_copied_as_the_one_behind_it_allows)
{
    char *bytes = guest_frame_map(other);

    bytes[200] = 'q';
    grant_page(dt, 9, other, 1, 0);
    grant_passed_on(du, 8, 0, 2, 9);
    assert_int_equal(copy_from(8, 200, 100), GNTST_okay);
    assert_int_equal(((char *)guest_frame_map(own_page()))[0], 'q');
    assert_int_equal(copy_to(8, 0, 10), GNTST_okay);
    assert_int_equal(((char *)guest_frame_map(other))[0], 'q');
    assert_int_equal(map(8, GNTMAP_host_map)->status, GNTST_general_error);
    grant_page(dt, 9, other, 1, GTF_readonly);
    assert_int_equal(copy_to(8, 0, 10), GNTST_general_error);
    assert_int_equal(copy_from(8, 0, 10), GNTST_okay);
    grant_part(dt, 9, other, 1, 300, 10);
    assert_int_equal(copy_from(8, 300, 10), GNTST_okay);
    assert_int_equal(copy_from(8, 299, 10), GNTST_general_error);
    assert_int_equal(status_of(du, 8), 0);
    assert_int_equal(status_of(dt, 9), 0);
}

TEST(a_grant_is_passed_on_once_by_whom_it_was_given_to)
{
    grant_page(dt, 9, other, 0, 0); /* to d0, not to du */
    grant_passed_on(du, 8, 0, 2, 9);
    assert_int_equal(copy_from(8, 0, 1), GNTST_general_error);
    grant_page(dt, 9, other, 1, 0);
    grant_passed_on(du, 8, 5, 2, 9);
    assert_int_equal(copy_from(8, 0, 1), GNTST_general_error);
    grant_passed_on(du, 8, 0, 2, GRANTS_PER_FRAME_V2);
    assert_int_equal(copy_from(8, 0, 1), GNTST_bad_gntref);
    grant_passed_on(du, 8, 0, 77, 9);
    assert_int_equal(copy_from(8, 0, 1), GNTST_general_error);
    grant_passed_on(du, 8, 0, 1, 9); /* itself */
    assert_int_equal(copy_from(8, 0, 1), GNTST_general_error);
    grant_passed_on(dt, 9, 1, 0, 0); /* a second step */
    grant_passed_on(du, 8, 0, 2, 9);
    assert_int_equal(copy_from(8, 0, 1), GNTST_general_error);
    assert_int_equal(status_of(du, 8), 0);
    assert_int_equal(status_of(dt, 9), 0);
    grant_page(dt, 9, other, 1, 0);
    opt_transitive_grants = false;
    assert_int_equal(copy_from(8, 0, 1), GNTST_general_error);
    opt_transitive_grants = true;
    assert_int_equal(copy_from(8, 0, 1), GNTST_okay);
}

TEST(status_frames_follow_the_shared_ones)
{
    struct gnttab_get_status_frames *g =
        ARG(gnttab_get_status_frames, .dom = DOMID_SELF, .nr_frames = 1);
    uint64_t *list = host_guest_alloc(8 * sizeof(*list));
    mfn_t mfn;

    g->frame_list.p = list;
    as(du);
    assert_int_equal(du->grant_table->nr_status_frames, 1); /* for 8 shared frames */
    assert_int_equal(OP(GNTTABOP_get_status_frames, g), 0);
    assert_int_equal(g->status, GNTST_okay);
    assert_ptr_equal(arch_map_frame(MFN(list[0])), du->grant_table->status[0]);
    assert_true(frame_get(frame_of(MFN(list[0])), du));
    frame_put(frame_of(MFN(list[0])));
    g->nr_frames = 2;
    assert_int_equal(OP(GNTTABOP_get_status_frames, g), 0);
    assert_int_equal(g->status, GNTST_general_error);
    assert_int_equal(op_n(GNTTABOP_get_status_frames, g, 2), -EINVAL);
    host_guest_fault(list, 8, HOST_FAULT_WRITE);
    g->nr_frames = 1;
    assert_int_equal(OP(GNTTABOP_get_status_frames, g), 0);
    assert_int_equal(g->status, GNTST_bad_virt_addr);
    g->dom = 0;
    assert_int_equal(OP(GNTTABOP_get_status_frames, g), 0);
    assert_int_equal(g->status, GNTST_permission_denied);
    assert_int_equal(gnttab_status_frame(du, 0, &mfn), 0);
    assert_int_equal(gnttab_status_frame(du, 1, &mfn), -EINVAL);
    assert_int_equal(gnttab_max_resource_frames(du, true), 1);
    assert_int_equal(gnttab_max_resource_frames(du, false), 4);
    assert_int_equal(set_version(du, 1), 0);
    assert_int_equal(du->grant_table->nr_status_frames, 0);
    assert_int_equal(gnttab_status_frame(du, 0, &mfn), -EINVAL);
}

TEST(versions_change_when_nothing_is_in_use)
{
    uint64_t before;
    struct gnttab_map_grant_ref *m;
    mfn_t mfn;

    assert_int_equal(set_version(du, 1), 0);
    before = frames_free_count();
    assert_int_equal(set_version(du, 0), -EINVAL);
    assert_int_equal(set_version(du, 3), -EINVAL);
    assert_int_equal(set_version(du, 2), 0);
    assert_int_equal(set_version(du, 2), 0);
    grant_page(du, 8, page, 0, 0);
    m = map(8, GNTMAP_host_map);
    assert_int_equal(set_version(du, 1), -EBUSY);
    assert_int_equal(unmap(m->handle), GNTST_okay);
    assert_int_equal(gnttab_status_frame(du, 0, &mfn), 0);
    assert_true(frame_get(frame_of(mfn), du)); /* the guest has it mapped */
    assert_int_equal(set_version(du, 1), -EBUSY);
    assert_int_equal(entry(du, 8)->hdr.flags, GTF_permit_access);
    assert_true(frame_shared(frame_of(mfn)));
    frame_put(frame_of(mfn));
    assert_int_equal(set_version(du, 1), 0);
    assert_int_equal(grant_entry_v1(du->grant_table, 8)->flags, 0);
    assert_int_equal(frames_free_count(), before);
    du->grant_table->max_version = 1;
    assert_int_equal(set_version(du, 2), -ENOSYS);
    du->grant_table->max_version = 2;
}

TEST(what_the_tools_granted_survives_the_change)
{
    struct grant_entry_v1 *v1;
    struct gnttab_map_grant_ref *m;

    grant_page(du, 1, page, 0, 0);
    m = map(1, GNTMAP_host_map); /* as xenstored has it all the time */
    assert_int_equal(set_version(du, 1), 0);
    v1 = grant_entry_v1(du->grant_table, 1);
    assert_int_equal(v1->flags, GTF_permit_access | GTF_reading | GTF_writing);
    assert_int_equal(v1->domid, 0);
    assert_int_equal(v1->frame, frame_mfn(page).n);
    assert_int_equal(set_version(du, 2), 0);
    assert_int_equal(entry(du, 1)->hdr.flags, GTF_permit_access);
    assert_int_equal(entry(du, 1)->full_page.frame, frame_mfn(page).n);
    assert_int_equal(status_of(du, 1), GTF_reading | GTF_writing);
    assert_int_equal(unmap(m->handle), GNTST_okay);
    assert_int_equal(status_of(du, 1), 0);
    entry(du, 2)->full_page.frame = 1ULL << 32;
    entry(du, 2)->hdr.flags = GTF_permit_access;
    assert_int_equal(set_version(du, 1), -ERANGE);
    grant_passed_on(du, 2, 0, 2, 9);
    assert_int_equal(set_version(du, 1), -ERANGE);
    entry(du, 2)->hdr.flags = GTF_accept_transfer;
    assert_int_equal(set_version(du, 1), 0);
    assert_int_equal(grant_entry_v1(du->grant_table, 2)->flags, 0); /* no other kind does */
}

TEST(entries_are_swapped_with_their_status)
{
    struct gnttab_swap_grant_ref *s = ARG(gnttab_swap_grant_ref, 8, 9, 1);

    grant_part(du, 8, page, 0, 10, 20);
    *grant_status(du->grant_table, 9) = 7;
    as(du);
    assert_int_equal(OP(GNTTABOP_swap_grant_ref, s), 0);
    assert_int_equal(s->status, GNTST_okay);
    assert_int_equal(entry(du, 9)->sub_page.length, 20);
    assert_int_equal(entry(du, 9)->sub_page.frame, frame_mfn(page).n);
    assert_int_equal(entry(du, 8)->hdr.flags, 0);
    assert_int_equal(status_of(du, 8), 7);
    *grant_status(du->grant_table, 8) = 0;
    s->ref_b = GRANTS_PER_FRAME_V2;
    assert_int_equal(OP(GNTTABOP_swap_grant_ref, s), 0);
    assert_int_equal(s->status, GNTST_bad_gntref);
}

static int transfer(uint64_t mfn, domid_t to, grant_ref_t ref)
{
    struct gnttab_transfer *t = ARG(gnttab_transfer, .mfn = mfn, .domid = to, .ref = ref);

    as(d0);
    assert_int_equal(OP(GNTTABOP_transfer, t), 0);
    return t->status;
}

TEST(a_page_is_transferred_with_what_it_holds)
{
    for (uint32_t version = 1; version <= 2; version++) {
        struct frame *f = host_domain_page(d0);
        uint64_t had = du->nr_pages, gave = d0->nr_pages;
        uint16_t *flags;

        strcpy(guest_frame_map(f), "parcel");
        assert_int_equal(set_version(du, version), 0);
        if (version == 1) {
            *grant_entry_v1(du->grant_table, 8) =
                (struct grant_entry_v1){ GTF_accept_transfer, 0, 55 };
        } else {
            entry(du, 8)->full_page.frame = 55;
            entry(du, 8)->hdr.flags = GTF_accept_transfer;
        }
        assert_int_equal(transfer(frame_mfn(f).n, 1, 8), GNTST_okay);
        assert_int_equal(f->owner, 1);
        assert_int_equal(f->count, FRAME_ALLOCATED | 1);
        assert_int_equal(du->nr_pages, had + 1);
        assert_int_equal(d0->nr_pages, gave - 1);
        assert_int_equal(host_frame_name(frame_mfn(f)), 55);
        assert_string_equal(guest_frame_map(f), "parcel");
        flags = (uint16_t *)grant_head_at(du->grant_table, 8);
        assert_int_equal(*flags,
                         GTF_accept_transfer | GTF_transfer_committed | GTF_transfer_completed);
        assert_int_equal(version == 1 ? grant_entry_v1(du->grant_table, 8)->frame
                                      : entry(du, 8)->full_page.frame,
                         frame_mfn(f).n);
        assert_int_equal(transfer(frame_mfn(f).n, 1, 8), GNTST_bad_page); /* it is no longer ours */
        assert_true(frame_drop_allocation(f));
    }
}

TEST(a_page_in_use_is_not_transferred_and_stays)
{
    struct frame *f = host_domain_page(d0);
    uint64_t pages = d0->nr_pages;

    assert_true(frame_get(f, d0));
    assert_int_equal(transfer(frame_mfn(f).n, 1, 8), GNTST_bad_page);
    frame_put(f);
    assert_int_equal(f->owner, 0);
    assert_int_equal(transfer(frame_mfn(page).n, 1, 8), GNTST_bad_page);
    assert_int_equal(transfer(~0ULL, 1, 8), GNTST_bad_page);
    assert_int_equal(transfer(arch_frame_of(d0->shared).n, 1, 8), GNTST_bad_page);
    assert_int_equal(d0->nr_pages, pages);
    assert_true(frame_drop_allocation(f));
}

TEST(a_page_that_nobody_takes_is_freed)
{
    uint64_t had = du->nr_pages, max = du->max_pages, before;

    host_set_current(d0->vcpus[0]);
    before = frames_free_count();
    assert_int_equal(transfer(frame_mfn(host_domain_page(d0)).n, 77, 8), GNTST_bad_domain);
    assert_int_equal(transfer(frame_mfn(host_domain_page(d0)).n, DOMID_SELF, 8), GNTST_bad_domain);
    assert_int_equal(transfer(frame_mfn(host_domain_page(d0)).n, 1, 8), GNTST_general_error);
    assert_int_equal(transfer(frame_mfn(host_domain_page(d0)).n, 1, ~0U), GNTST_general_error);
    entry(du, 8)->hdr.flags = GTF_accept_transfer;
    entry(du, 8)->hdr.domid = 5;
    assert_int_equal(transfer(frame_mfn(host_domain_page(d0)).n, 1, 8), GNTST_general_error);
    entry(du, 8)->hdr.domid = 0;
    du->max_pages = du->nr_pages;
    assert_int_equal(transfer(frame_mfn(host_domain_page(d0)).n, 1, 8), GNTST_general_error);
    assert_int_equal(entry(du, 8)->hdr.flags, GTF_accept_transfer);
    du->max_pages = max;
    assert_int_equal(du->nr_pages, had);
    assert_int_equal(frames_free_count(), before);
    opt_grant_transfer = false;
    assert_int_equal(OP(GNTTABOP_transfer, ARG(gnttab_transfer, .mfn = 1)), -EOPNOTSUPP);
    opt_grant_transfer = true;
}

static long cache_flush(uint64_t cmd, struct frame *f, uint16_t offset, uint16_t length,
                        uint32_t op)
{
    struct gnttab_cache_flush *c =
        ARG(gnttab_cache_flush, .offset = offset, .length = length, .op = op);

    c->a.dev_bus_addr = f ? frame_mfn(f).n << PAGE_SHIFT : ~0ULL << PAGE_SHIFT;
    return OP(GNTTABOP_cache_flush | cmd, c);
}

TEST(caches_are_flushed_of_ones_own_and_granted_pages)
{
    struct gnttab_map_grant_ref *m;

    as(d0);
    assert_int_equal(cache_flush(0, own_page(), 16, 100, GNTTAB_CACHE_CLEAN), 0);
    assert_ptr_equal(host_cache_flushed, (char *)guest_frame_map(own_page()) + 16);
    assert_int_equal(host_cache_flushed_bytes, 100);
    assert_int_equal(cache_flush(0, own_page(), 0, PAGE_SIZE, GNTTAB_CACHE_INVAL), -EOPNOTSUPP);
    assert_int_equal(cache_flush(0, page, 0, 1, GNTTAB_CACHE_CLEAN), -EINVAL);
    grant_page(du, 200, page, 0, 0);
    m = map(200, GNTMAP_device_map);
    assert_int_equal(cache_flush(0, page, 0, 1, GNTTAB_CACHE_CLEAN | GNTTAB_CACHE_INVAL), 0);
    m = ARG(gnttab_map_grant_ref, .handle = m->handle, .dev_bus_addr = m->dev_bus_addr);
    {
        struct gnttab_unmap_grant_ref *u =
            ARG(gnttab_unmap_grant_ref, .dev_bus_addr = m->dev_bus_addr, .handle = m->handle);

        assert_int_equal(OP(GNTTABOP_unmap_grant_ref, u), 0);
        assert_int_equal(u->status, GNTST_okay);
    }
    assert_int_equal(cache_flush(0, page, 0, 1, GNTTAB_CACHE_CLEAN), -EINVAL);
}

TEST(flushes_that_make_no_sense_are_refused)
{
    as(d0);
    assert_int_equal(cache_flush(0, own_page(), 4096, 0, 0), -EINVAL);
    assert_int_equal(cache_flush(0, own_page(), 1, 4096, 0), -EINVAL);
    assert_int_equal(cache_flush(0, own_page(), 0, 1, 4), -EINVAL);
    assert_int_equal(cache_flush(0, own_page(), 0, 1, GNTTAB_CACHE_SOURCE_GREF), -EINVAL);
    assert_int_equal(cache_flush(0, own_page(), 0, 0, 1), 0);
    assert_int_equal(cache_flush(1U << 12, own_page(), 0, 0, 1), -EILSEQ);
    assert_int_equal(cache_flush(0, NULL, 0, 1, 1), -EINVAL);
    assert_int_equal(cache_flush(0, frame_of(arch_frame_of(d0->grant_table)), 0, 1, 1), -EPERM);
    assert_int_equal(cache_flush(~0xfffULL & 0xffffffff, page, 0, 1, 1), -EINVAL);
    assert_int_equal(op_n(GNTTABOP_map_grant_ref | 1U << 12, NULL, 0), -EINVAL);
}

TEST(a_search_for_a_grant_stops_when_asked_and_goes_on)
{
    struct gnttab_cache_flush *c = ARG(gnttab_cache_flush, .length = 1, .op = GNTTAB_CACHE_CLEAN);
    struct vcpu *v = d0->vcpus[0];
    struct domain *big;
    struct domain_config config = { .id = 3,
                                    .is_pv = true,
                                    .max_vcpus = 1,
                                    .max_pages = 64,
                                    .max_evtchn_port = ~0U,
                                    .max_grant_frames = 20,
                                    .max_maptrack_frames = 1 };
    struct frame *f;

    assert_int_equal(domain_create(&config, &big), 0);
    assert_int_equal(gnttab_grow(big, 20), 0);
    f = host_domain_page(big);
    c->a.dev_bus_addr = frame_mfn(f).n << PAGE_SHIFT;
    as(d0);
    this_cpu(softirq_bits) = 1U << SOFTIRQ_WORK;
    assert_int_equal(OP(GNTTABOP_cache_flush, c), -ERESTART);
    assert_int_equal(v->arch.continue_args[0], GNTTABOP_cache_flush | 4096);
    assert_int_equal(v->arch.continue_args[1], host_gva(c));
    assert_int_equal(v->arch.continue_args[2], 1);
    assert_int_equal(OP(v->arch.continue_args[0], c), -ERESTART);
    assert_int_equal(v->arch.continue_args[0], GNTTABOP_cache_flush | 8192);
    assert_int_equal(OP(v->arch.continue_args[0], c), -EINVAL);
    this_cpu(softirq_bits) = 0;
    host_domain_end(big);
    softirq_process();
}

TEST(a_dying_granter_gives_its_status_frames_back)
{
    struct domain *d = host_domain(4, 1);
    uint64_t before;
    mfn_t mfn;

    assert_int_equal(set_version(d, 2), 0);
    before = frames_free_count();
    assert_int_equal(gnttab_status_frame(d, 0, &mfn), 0);
    assert_true(frame_get(frame_of(mfn), d));
    host_domain_end(d);
    softirq_process();
    assert_non_null(domain_by_id(4)); /* somebody has one mapped */
    frame_put(frame_of(mfn));
    softirq_process();
    assert_null(domain_by_id(4));
    assert_true(frames_free_count() > before);
    as(d0);
}

#define C(name) cmocka_unit_test_setup_teardown(name, fresh, clean)
TEST_RUN(start, NULL, C(a_mapping_is_told_in_the_status_and_not_in_the_entry),
         C(a_write_is_added_and_taken_away_by_itself), C(refusals_leave_no_status_behind),
         C(a_part_of_a_page_is_copied_and_never_mapped),
         C(what_was_granted_first_counts_while_it_is_mapped),
         C(a_grant_passed_on_is_copied_as_the_one_behind_it_allows),
         C(a_grant_is_passed_on_once_by_whom_it_was_given_to),
         C(status_frames_follow_the_shared_ones), C(versions_change_when_nothing_is_in_use),
         C(what_the_tools_granted_survives_the_change), C(entries_are_swapped_with_their_status),
         C(a_page_is_transferred_with_what_it_holds), C(a_page_in_use_is_not_transferred_and_stays),
         C(a_page_that_nobody_takes_is_freed), C(caches_are_flushed_of_ones_own_and_granted_pages),
         C(flushes_that_make_no_sense_are_refused),
         C(a_search_for_a_grant_stops_when_asked_and_goes_on),
         C(a_dying_granter_gives_its_status_frames_back))
