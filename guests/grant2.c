/* grant2.c: grant tables, version 2: status frames, parts of pages, the change between versions; and
 * what is the same in both: transfers and cache flushes. We grant to ourselves. */
#include "lib/guest.h"

#define UNMAPPED ((void *)0x7f0000000000)
#define SCRATCH  ((uint8_t *)0xffffe00000000000)
#define TABLE    (SCRATCH + 16 * PAGE_SIZE)
#define STATUS   (SCRATCH + 17 * PAGE_SIZE)

static union grant_entry_v2 *entries = (union grant_entry_v2 *)TABLE;
static volatile grant_status_t *status = (volatile grant_status_t *)STATUS;
static uint8_t *page;

static long set_version(uint32_t version, const char *name)
{
    struct gnttab_set_version op = { .version = version };
    long rc = xen_grant_table_op(GNTTABOP_set_version, &op, 1);

    result_text("set-version-%s %ld now %u", name, rc, op.version);
    return rc;
}

static void clear(grant_ref_t ref)
{
    memset(&entries[ref], 0, sizeof(entries[ref]));
}

static void grant(grant_ref_t ref, unsigned long frame, uint16_t flags)
{
    entries[ref].full_page.frame = frame;
    entries[ref].hdr.domid = 0;
    barrier();
    WRITE_ONCE(entries[ref].hdr.flags, flags);
}

static struct gnttab_map_grant_ref map(grant_ref_t ref, uint32_t flags, const char *name)
{
    struct gnttab_map_grant_ref op = { .host_addr = (uint64_t)SCRATCH, .flags = flags, .ref = ref, .status = 0x5555 };
    long rc = xen_grant_table_op(GNTTABOP_map_grant_ref, &op, 1);

    result_text("map-%s %ld status %d", name, rc, op.status);
    return op;
}

static void unmap(struct gnttab_map_grant_ref *mapped)
{
    struct gnttab_unmap_grant_ref op = { .host_addr = mapped->host_addr, .handle = mapped->handle, .status = 0x5555 };

    check(xen_grant_table_op(GNTTABOP_unmap_grant_ref, &op, 1), 0, "unmap");
    result(op.status, "unmap-status");
}

static void set_up(void)
{
    struct gnttab_setup_table setup = { .dom = DOMID_SELF, .nr_frames = 1 };
    static xen_pfn_t frames[4];

    set_xen_guest_handle(setup.frame_list, frames);
    guest_need(xen_grant_table_op(GNTTABOP_setup_table, &setup, 1));
    pt_map(pt_root(), TABLE, pte_make(frames[0], PTE_DATA));
}

static int16_t status_frames(domid_t dom, uint32_t nr, uint64_t *list, const char *name)
{
    struct gnttab_get_status_frames op = { .dom = dom, .nr_frames = nr, .status = 0x5555 };
    long rc;

    set_xen_guest_handle(op.frame_list, list);
    rc = xen_grant_table_op(GNTTABOP_get_status_frames, &op, 1);
    result_text("status-frames-%s %ld status %d", name, rc, op.status);
    return op.status;
}

static void check_version(void)
{
    struct gnttab_get_version version = { .dom = DOMID_SELF };
    struct grant_entry_v1 *v1 = (struct grant_entry_v1 *)TABLE;
    static uint64_t frames[4];

    status_frames(DOMID_SELF, 0, frames, "none-of-version-1");
    status_frames(DOMID_SELF, 1, frames, "of-version-1");
    v1[3].domid = 0;
    v1[3].frame = va_to_mfn(page);
    v1[3].flags = GTF_permit_access;
    v1[4].flags = GTF_accept_transfer;
    v1[20].flags = 0x55;
    set_version(2, "2");
    check(xen_grant_table_op(GNTTABOP_get_version, &version, 1), 0, "get-version");
    result(version.version, "get-version-answer");
    result(entries[3].hdr.flags, "reserved-entry-flags");
    check(entries[3].full_page.frame, va_to_mfn(page), "reserved-entry-frame");
    result(entries[4].hdr.flags, "reserved-entry-of-another-kind");
    result(entries[20].hdr.flags | v1[20].flags | v1[40].flags, "other-entries");
    check(status_frames(DOMID_SELF, 1, frames, "one"), GNTST_okay, "status-frame");
    status_frames(DOMID_SELF, 2, frames, "two");
    status_frames(77, 1, frames, "no-domain");
    status_frames(DOMID_SELF, 1, UNMAPPED, "unmapped-list");
    status_frames(DOMID_SELF, 1, (uint64_t *)HYPERVISOR_VIRT_START, "list-in-m2p");
    set_version(2, "2-again");
    pt_map(pt_root(), STATUS, pte_make(frames[0], PTE_DATA));
    result(status[3], "fresh-status");
    set_version(1, "1-while-a-status-frame-is-mapped");
    check(entries[3].hdr.flags, GTF_permit_access, "nothing-changed");
    clear(3);
    clear(4);
}

static void check_map(void)
{
    struct gnttab_map_grant_ref op;

    grant(10, va_to_mfn(page), GTF_permit_access);
    op = map(10, GNTMAP_host_map, "whole-page");
    page[5] = 55;
    check(SCRATCH[5], 55, "mapped-shows-page");
    result(entries[10].hdr.flags, "flags-while-mapped");
    result(status[10], "status-while-mapped");
    set_version(1, "1-while-in-use");
    unmap(&op);
    result(status[10], "status-afterwards");
    op = map(10, GNTMAP_host_map | GNTMAP_readonly, "read-only");
    result(status[10], "status-read-only");
    unmap(&op);
    grant(10, va_to_mfn(page), GTF_permit_access | GTF_readonly);
    map(10, GNTMAP_host_map, "read-only-grant-writable");
    grant(10, va_to_mfn(page), GTF_permit_access | GTF_sub_page);
    map(10, GNTMAP_host_map | GNTMAP_readonly, "part");
    grant(10, va_to_mfn(page), GTF_transitive);
    map(10, GNTMAP_host_map | GNTMAP_readonly, "transitive");
    grant(10, 1UL << 40, GTF_permit_access);
    map(10, GNTMAP_host_map, "frame-beyond-memory");
    grant(10, va_to_mfn(page), GTF_permit_access);
    entries[10].hdr.domid = 5;
    map(10, GNTMAP_host_map, "granted-to-another");
    map(255, GNTMAP_host_map, "last-reference");
    map(100000, GNTMAP_host_map, "reference-beyond");
    result(status[10], "status-after-refusals");
    clear(10);
}

static void copy(grant_ref_t ref, uint16_t offset, uint16_t len, bool to_grant, const char *name)
{
    static uint8_t *mine;
    struct gnttab_copy op = { .len = len, .status = 0x5555 };
    struct gnttab_copy_ptr *granted = to_grant ? &op.dest : &op.source, *own = to_grant ? &op.source : &op.dest;
    long rc;

    if (!mine) {
        mine = page_alloc();
    }
    op.flags = to_grant ? GNTCOPY_dest_gref : GNTCOPY_source_gref;
    granted->u.ref = ref;
    granted->domid = 0;
    granted->offset = offset;
    own->u.gmfn = va_to_mfn(mine);
    own->domid = DOMID_SELF;
    mine[0] = 0;
    rc = xen_grant_table_op(GNTTABOP_copy, &op, 1);
    result_text("copy-%s %ld status %d first byte %u", name, rc, op.status, mine[0]);
}

static void check_copy(void)
{
    for (unsigned int i = 0; i < PAGE_SIZE; i++) {
        page[i] = i / 16;
    }
    grant(11, va_to_mfn(page), GTF_permit_access);
    copy(11, 160, 100, false, "whole-page");
    grant(11, va_to_mfn(page), GTF_permit_access | GTF_sub_page);
    entries[11].sub_page.page_off = 1000;
    entries[11].sub_page.length = 100;
    copy(11, 1000, 100, false, "part");
    copy(11, 1050, 50, false, "of-part");
    copy(11, 999, 10, false, "before-part");
    copy(11, 1099, 2, false, "behind-part");
    copy(11, 1100, 0, false, "nothing-at-the-end");
    copy(11, 1101, 0, false, "nothing-behind");
    copy(11, 4000, 97, false, "across-the-page");
    copy(11, 1000, 100, true, "to-part");
    copy(11, 1000, 101, true, "to-more-than-part");
    entries[11].sub_page.page_off = 4000;
    entries[11].sub_page.length = 0xffff;
    copy(11, 4000, 96, false, "part-beyond-the-page");
    copy(11, 4000, 97, false, "part-beyond-the-page-used");
    entries[11].hdr.flags |= GTF_readonly;
    copy(11, 4000, 1, true, "to-read-only-part");
    clear(11);
    entries[11].transitive.gref = 12;
    entries[11].hdr.flags = GTF_transitive;
    copy(11, 0, 10, false, "passed-on-to-itself");
    entries[11].transitive.trans_domid = 77;
    copy(11, 0, 10, false, "passed-on-from-nobody");
    result(status[11], "status-after-copies");
    clear(11);
}

static void transfer(unsigned long mfn, domid_t dom, grant_ref_t ref, const char *name)
{
    struct gnttab_transfer op = { .mfn = mfn, .domid = dom, .ref = ref, .status = 0x5555 };
    long rc = xen_grant_table_op(GNTTABOP_transfer, &op, 1);

    result_text("transfer-%s %ld status %d", name, rc, op.status);
}

/* A page that nothing maps: its machine frame. */
static unsigned long loose_page(uint8_t **at)
{
    uint8_t *p = page_alloc();
    unsigned long mfn = va_to_mfn(p);

    memset(p, 0x5a, PAGE_SIZE);
    guest_need(xen_update_va_mapping(p, 0, UVMF_INVLPG));
    *at = p;
    return mfn;
}

/* Each page that goes is gone for us, too; the domain has no more than it had. */
static void check_transfer(unsigned int version)
{
    struct grant_entry_v1 *v1 = (struct grant_entry_v1 *)TABLE;
    unsigned long mfn, got;
    uint16_t flags;
    uint8_t *at;

    transfer(va_to_mfn(page), 0, 12, "page-in-use");
    transfer(0x1000, 0, 12, "page-not-ours");
    transfer(~0UL, 0, 12, "page-minus-1");
    transfer(start_info->shared_info >> PAGE_SHIFT, 0, 12, "shared-info");
    transfer(loose_page(&at), 77, 12, "to-nobody");
    transfer(loose_page(&at), DOMID_SELF, 12, "to-self");
    transfer(loose_page(&at), 0, 12, "to-no-entry");
    transfer(loose_page(&at), 0, 100000, "to-reference-beyond");
    mfn = loose_page(&at);
    if (version == 1) {
        v1[12].domid = 0;
        v1[12].frame = va_to_pfn(at);
        v1[12].flags = GTF_accept_transfer;
    } else {
        grant(12, va_to_pfn(at), GTF_accept_transfer);
    }
    transfer(mfn, 0, 12, "taken");
    got = version == 1 ? v1[12].frame : entries[12].full_page.frame;
    flags = version == 1 ? v1[12].flags : entries[12].hdr.flags;
    result(flags, "taken-flags");
    check(got, mfn, "taken-frame");
    check(mfn_to_pfn(got), va_to_pfn(at), "taken-name");
    result(xen_update_va_mapping(at, pte_make(got, PTE_DATA), UVMF_INVLPG), "taken-mapped");
    check(at[100], 0x5a, "taken-contents");
    transfer(loose_page(&at), 0, 12, "taken-twice");
    if (version == 1) {
        memset(&v1[12], 0, sizeof(v1[12]));
    } else {
        clear(12);
    }
}

static void flush(unsigned long mfn, uint16_t offset, uint16_t length, uint32_t op, const char *name)
{
    struct gnttab_cache_flush flush = { .offset = offset, .length = length, .op = op };

    flush.a.dev_bus_addr = (uint64_t)mfn << PAGE_SHIFT;
    result(xen_grant_table_op(GNTTABOP_cache_flush, &flush, 1), "flush-%s", name);
}

static void check_flush(void)
{
    struct gnttab_cache_flush none = { .length = 0 };
    unsigned long own = va_to_mfn(page);

    flush(own, 0, PAGE_SIZE, GNTTAB_CACHE_CLEAN, "clean");
    flush(own, 100, 100, GNTTAB_CACHE_CLEAN | GNTTAB_CACHE_INVAL, "clean-and-forget");
    flush(own, 0, PAGE_SIZE, GNTTAB_CACHE_INVAL, "forget");
    flush(own, 0, 0, GNTTAB_CACHE_CLEAN, "nothing");
    flush(own, 0, 10, 0, "no-operation");
    flush(own, 1, PAGE_SIZE, GNTTAB_CACHE_CLEAN, "across-the-page");
    flush(own, PAGE_SIZE, 0, GNTTAB_CACHE_CLEAN, "behind-the-page");
    flush(own, 0, 1, 4, "unknown-operation");
    flush(own, 0, 1, GNTTAB_CACHE_CLEAN | GNTTAB_CACHE_SOURCE_GREF, "by-grant");
    flush(~0UL, 0, 1, GNTTAB_CACHE_CLEAN, "frame-minus-1");
    flush(0x1000, 0, 1, GNTTAB_CACHE_CLEAN, "not-ours");
    result(xen_grant_table_op(GNTTABOP_cache_flush | 1 << 12, &none, 1), "flush-nothing-continued");
    result(xen_grant_table_op(GNTTABOP_swap_grant_ref | 1 << 12, &none, 0), "swap-continued");
}

static void swap(grant_ref_t a, grant_ref_t b, const char *name)
{
    struct gnttab_swap_grant_ref op = { .ref_a = a, .ref_b = b, .status = 0x5555 };
    long rc = xen_grant_table_op(GNTTABOP_swap_grant_ref, &op, 1);

    result_text("swap-%s %ld status %d", name, rc, op.status);
}

static void check_swap(void)
{
    grant(13, 1234, GTF_permit_access | GTF_sub_page);
    entries[13].sub_page.page_off = 99;
    status[14] = 0x77;
    swap(13, 14, "two");
    result(entries[13].hdr.flags, "swapped-first");
    result(entries[14].sub_page.page_off, "swapped-second");
    result(status[13], "swapped-status");
    status[13] = 0;
    swap(14, 14, "with-itself");
    swap(14, 100000, "beyond");
    swap(100000, 14, "from-beyond");
    clear(14);
}

static void check_way_back(void)
{
    struct grant_entry_v1 *v1 = (struct grant_entry_v1 *)TABLE;

    guest_need(xen_update_va_mapping(STATUS, 0, UVMF_INVLPG));
    grant(2, 1UL << 32, GTF_permit_access);
    set_version(1, "1-frame-too-large");
    grant(2, 5, GTF_transitive);
    set_version(1, "1-transitive");
    grant(2, va_to_mfn(page), GTF_permit_access | GTF_readonly);
    grant(3, 7, GTF_accept_transfer);
    grant(30, 7, GTF_permit_access);
    set_version(1, "1");
    result(v1[2].flags, "back-flags");
    check(v1[2].frame, va_to_mfn(page), "back-frame");
    result(v1[3].flags, "back-another-kind");
    result(v1[60].flags | v1[30].flags, "back-others");
    memset(&v1[2], 0, sizeof(v1[2]));
}

void guest_main(void)
{
    page = page_alloc();
    pt_map(pt_root(), SCRATCH, 0);
    set_up();
    check_transfer(1);
    check_version();
    check_map();
    check_copy();
    check_transfer(2);
    check_flush();
    check_swap();
    check_way_back();
}
