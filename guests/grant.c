/* grant.c: grant tables, version 1: we grant to ourselves, map, unmap and copy. */
#include "lib/guest.h"

#define UNMAPPED ((void *)0x7f0000000000)
#define SCRATCH  ((uint8_t *)0xffffe00000000000)

static struct grant_entry_v1 *entries;
static uint8_t *page;

static void grant(grant_ref_t ref, unsigned long frame, uint16_t flags)
{
    entries[ref].domid = 0;
    entries[ref].frame = frame;
    barrier();
    WRITE_ONCE(entries[ref].flags, flags);
}

static struct gnttab_map_grant_ref map(grant_ref_t ref, uint64_t address, uint32_t flags,
                                       domid_t dom, const char *name)
{
    struct gnttab_map_grant_ref op = {
        .host_addr = address, .flags = flags, .ref = ref, .dom = dom, .status = 0x5555
    };
    long rc = xen_grant_table_op(GNTTABOP_map_grant_ref, &op, 1);

    result_text("map-%s %ld status %d", name, rc, op.status);
    return op;
}

static int16_t unmap(uint64_t address, grant_handle_t handle, const char *name)
{
    struct gnttab_unmap_grant_ref op = { .host_addr = address, .handle = handle, .status = 0x5555 };
    long rc = xen_grant_table_op(GNTTABOP_unmap_grant_ref, &op, 1);

    result_text("unmap-%s %ld status %d", name, rc, op.status);
    return op.status;
}

static void check_set_up(void)
{
    struct gnttab_query_size size = { .dom = DOMID_SELF };
    struct gnttab_get_version version = { .dom = DOMID_SELF };
    struct gnttab_set_version set = { .version = 2 };
    struct gnttab_setup_table setup = { .dom = DOMID_SELF, .nr_frames = 1 };
    static xen_pfn_t frames[128];
    uint8_t *at = SCRATCH + 16 * PAGE_SIZE;
    long rc;

    check(xen_grant_table_op(GNTTABOP_query_size, &size, 1), 0, "query-size");
    result_text("query-size-answer %u of %u status %d", size.nr_frames, size.max_nr_frames,
                size.status);
    size.dom = 77;
    check(xen_grant_table_op(GNTTABOP_query_size, &size, 1), 0, "query-size-no-domain");
    result(size.status, "query-size-no-domain-status");
    check(xen_grant_table_op(GNTTABOP_get_version, &version, 1), 0, "get-version");
    result(version.version, "get-version-answer");
    /* Version 2 may be had or not, as long as the answer and the state agree. */
    rc = xen_grant_table_op(GNTTABOP_set_version, &set, 1);
    guest_need(xen_grant_table_op(GNTTABOP_get_version, &version, 1));
    check(version.version, rc ? 1 : 2, "set-version-2-honest");
    set.version = 3;
    result(xen_grant_table_op(GNTTABOP_set_version, &set, 1), "set-version-3");
    set.version = 1;
    result(xen_grant_table_op(GNTTABOP_set_version, &set, 1), "set-version-1");
    result(set.version, "set-version-1-answer");

    set_xen_guest_handle(setup.frame_list, frames);
    check(xen_grant_table_op(GNTTABOP_setup_table, &setup, 1), 0, "setup-table");
    check(setup.status, GNTST_okay, "setup-table-status");
    pt_map(pt_root(), at, pte_make(frames[0], PTE_DATA));
    entries = (struct grant_entry_v1 *)at;
    result(entries[0].flags, "reserved-entry-0");
    result(entries[100].flags, "fresh-entry");
    setup.nr_frames = 3;
    check(xen_grant_table_op(GNTTABOP_setup_table, &setup, 1), 0, "setup-table-3");
    result(setup.status, "setup-table-3-status");
    check(frames[1] != 0 && frames[2] != 0 && frames[1] != frames[2], true, "setup-table-3-frames");
    setup.nr_frames = 100000;
    result(xen_grant_table_op(GNTTABOP_setup_table, &setup, 1), "setup-table-too-large");
    result(setup.status, "setup-table-too-large-status");
    setup.nr_frames = 1;
    setup.dom = 77;
    result(xen_grant_table_op(GNTTABOP_setup_table, &setup, 1), "setup-table-no-domain");
    result(setup.status, "setup-table-no-domain-status");
    setup.dom = DOMID_SELF;
    set_xen_guest_handle(setup.frame_list, UNMAPPED);
    result(xen_grant_table_op(GNTTABOP_setup_table, &setup, 1), "setup-table-unmapped-list");
    result(setup.status, "setup-table-unmapped-list-status");
}

static void check_map(void)
{
    uint64_t at = (uint64_t)SCRATCH, pte = pt_maddr(pt_root(), SCRATCH, 1);
    struct gnttab_map_grant_ref op, second;

    grant(10, va_to_mfn(page), GTF_permit_access);
    op = map(10, at, GNTMAP_host_map, 0, "host");
    page[5] = 55;
    check(SCRATCH[5], 55, "mapped-shows-page");
    SCRATCH[6] = 66;
    check(page[6], 66, "mapped-is-writable");
    result(entries[10].flags, "flags-while-mapped");
    second = map(10, at + PAGE_SIZE, GNTMAP_host_map | GNTMAP_readonly, 0, "host-read-only");
    check(SCRATCH[PAGE_SIZE + 5], 55, "second-mapping-shows-page");
    result(*pt_entry(pt_root(), SCRATCH + PAGE_SIZE, 1) & PTE_RW, "read-only-entry-writable");
    result(xen_update_va_mapping(SCRATCH, 0, UVMF_INVLPG), "mapped-cleared-by-hand");
    unmap(at + 2 * PAGE_SIZE, op.handle, "wrong-address");
    unmap(at, op.handle, "host");
    unmap(at, op.handle, "twice");
    result(entries[10].flags, "flags-after-first-unmap");
    unmap(at + PAGE_SIZE, second.handle, "second");
    result(entries[10].flags, "flags-after-both");
    unmap(at, ~0U, "handle-minus-1");
    unmap(at, 12345, "handle-never-given");

    op = map(10, pte, GNTMAP_host_map | GNTMAP_contains_pte, 0, "by-entry");
    if (op.status == GNTST_okay) {
        check(SCRATCH[5], 55, "by-entry-shows-page");
        unmap(pte, op.handle, "by-entry");
    }
    op = map(10, at, GNTMAP_device_map, 0, "device");
    if (op.status == GNTST_okay) {
        struct gnttab_unmap_grant_ref undo = { .dev_bus_addr = op.dev_bus_addr,
                                               .handle = op.handle };

        check(op.dev_bus_addr, va_to_maddr(page), "device-address");
        result(xen_grant_table_op(GNTTABOP_unmap_grant_ref, &undo, 1), "unmap-device");
        result(undo.status, "unmap-device-status");
    }
    op = map(10, at, GNTMAP_host_map | 3 << _GNTMAP_guest_avail0, 0, "available-bits");
    if (op.status == GNTST_okay) {
        result(*pt_entry(pt_root(), SCRATCH, 1) & PTE_AVAIL, "available-bits-in-entry");
        unmap(at, op.handle, "available-bits");
    }
    grant(10, 0, 0);
}

static void check_map_refusals(void)
{
    uint64_t at = (uint64_t)SCRATCH;
    struct gnttab_map_grant_ref op;

    map(11, at, GNTMAP_host_map, 0, "not-granted");
    map(99999, at, GNTMAP_host_map, 0, "reference-beyond");
    map(~0U, at, GNTMAP_host_map, 0, "reference-minus-1");
    map(10, at, GNTMAP_host_map, DOMID_SELF, "domid-self");
    map(10, at, GNTMAP_host_map, 77, "no-domain");
    map(10, at, GNTMAP_host_map, DOMID_XEN, "domid-xen");
    grant(12, va_to_mfn(page), GTF_permit_access | GTF_readonly);
    map(12, at, GNTMAP_host_map, 0, "read-only-grant-writable");
    op = map(12, at, GNTMAP_host_map | GNTMAP_readonly, 0, "read-only-grant");
    if (op.status == GNTST_okay) {
        unmap(at, op.handle, "read-only-grant");
    }
    map(12, at, 0, 0, "no-kind");
    map(12, (uint64_t)UNMAPPED, GNTMAP_host_map | GNTMAP_readonly, 0, "no-table");
    map(12, HYPERVISOR_VIRT_START, GNTMAP_host_map | GNTMAP_readonly, 0, "in-m2p");
    map(12, 1UL << 63, GNTMAP_host_map | GNTMAP_readonly, 0, "non-canonical");
    map(12, va_to_maddr(page), GNTMAP_host_map | GNTMAP_readonly | GNTMAP_contains_pte, 0,
        "entry-in-ordinary-page");
    map(12, 0x1000UL << PAGE_SHIFT, GNTMAP_host_map | GNTMAP_readonly | GNTMAP_contains_pte, 0,
        "entry-not-ours");
    grant(13, 0x1000, GTF_permit_access);
    map(13, at, GNTMAP_host_map, 0, "frame-not-ours");
    grant(13, 0xffffffff, GTF_permit_access);
    map(13, at, GNTMAP_host_map, 0, "frame-beyond-memory");
    grant(13, va_to_mfn(pt_root()), GTF_permit_access);
    map(13, at, GNTMAP_host_map, 0, "page-table-writable");
    grant(13, va_to_mfn(page), GTF_accept_transfer);
    map(13, at, GNTMAP_host_map, 0, "transfer-grant");
    grant(13, va_to_mfn(page), GTF_permit_access);
    entries[13].domid = 5;
    map(13, at, GNTMAP_host_map, 0, "granted-to-another");
    grant(12, 0, 0);
    grant(13, 0, 0);
}

static void copy(struct gnttab_copy op, const char *name)
{
    long rc;

    op.status = 0x5555;
    rc = xen_grant_table_op(GNTTABOP_copy, &op, 1);
    result_text("copy-%s %ld status %d", name, rc, op.status);
}

/* Which word of refusal it is differs between updates of Xen 4.17. */
static void copy_refused(struct gnttab_copy op, const char *name)
{
    op.status = 0x5555;
    check(xen_grant_table_op(GNTTABOP_copy, &op, 1), 0, "copy-%s", name);
    check(op.status < 0, 1, "copy-%s-refused", name);
}

static void check_copy(void)
{
    uint8_t *from = page_alloc(), *to = page_alloc();
    struct gnttab_copy by_frame = {
        .source = { .u.gmfn = va_to_mfn(from), .domid = DOMID_SELF, .offset = 16 },
        .dest = { .u.gmfn = va_to_mfn(to), .domid = DOMID_SELF, .offset = 32 },
        .len = 100,
    }, op;
    unsigned int i;

    for (i = 0; i < PAGE_SIZE; i++) {
        from[i] = i * 7;
    }
    copy(by_frame, "frames");
    check(memcmp(from + 16, to + 32, 100), 0, "copied");
    check(to[31] | to[132], 0, "copied-no-more");
    grant(20, va_to_mfn(from), GTF_permit_access | GTF_readonly);
    grant(21, va_to_mfn(to), GTF_permit_access);
    op = by_frame;
    op.flags = GNTCOPY_source_gref;
    op.source.u.ref = 20;
    op.source.domid = 0;
    copy(op, "from-grant");
    op = by_frame;
    op.flags = GNTCOPY_dest_gref;
    op.dest.u.ref = 21;
    op.dest.domid = 0;
    op.len = PAGE_SIZE - 32;
    copy(op, "to-grant");
    check(memcmp(from + 16, to + 32, PAGE_SIZE - 32), 0, "copied-to-grant");
    op.dest.u.ref = 20;
    copy(op, "to-read-only-grant");
    op.dest.u.ref = 22;
    copy(op, "to-no-grant");
    op = by_frame;
    op.len = PAGE_SIZE;
    copy(op, "across-source-page");
    op = by_frame;
    op.dest.offset = PAGE_SIZE - 1;
    copy(op, "across-destination-page");
    op = by_frame;
    op.source.offset = PAGE_SIZE;
    copy(op, "offset-beyond");
    op = by_frame;
    op.len = 0;
    copy(op, "nothing");
    op = by_frame;
    op.source.u.gmfn = 0x1000;
    copy(op, "from-not-ours");
    op = by_frame;
    op.dest.u.gmfn = va_to_mfn(pt_root());
    copy(op, "to-page-table");
    op = by_frame;
    op.source.u.gmfn = ~0UL;
    copy(op, "from-minus-1");
    op = by_frame;
    op.dest.domid = 77;
    copy_refused(op, "to-no-domain");
    op = by_frame;
    op.source.domid = 0;
    copy(op, "frames-domain-0");
    grant(20, 0, 0);
    grant(21, 0, 0);
    page_free(from);
    page_free(to);
}

static void check_arguments(void)
{
    struct gnttab_query_size sizes[2] = { { .dom = DOMID_SELF }, { .dom = DOMID_SELF } };
    unsigned int cmd;

    check(xen_grant_table_op(GNTTABOP_map_grant_ref, sizes, 0), 0, "nothing-to-do");
    result(xen_grant_table_op(GNTTABOP_query_size, sizes, 0), "query-size-none");
    result(xen_grant_table_op(GNTTABOP_query_size, sizes, 2), "query-size-two");
    result(xen_grant_table_op(GNTTABOP_query_size, sizes, ~0U), "count-minus-1");
    result(xen_grant_table_op(GNTTABOP_map_grant_ref, UNMAPPED, ~0U), "map-count-minus-1");
    for (cmd = 0; cmd <= 14; cmd++) {
        result(xen_grant_table_op(cmd, UNMAPPED, 1), "command-%u-unmapped", cmd);
        result(xen_grant_table_op(cmd, (void *)HYPERVISOR_VIRT_START, 1), "command-%u-in-m2p", cmd);
    }
}

void guest_main(void)
{
    page = page_alloc();
    pt_map(pt_root(), SCRATCH, 0);
    check_set_up();
    check_map();
    check_map_refusals();
    check_copy();
    check_arguments();
}
