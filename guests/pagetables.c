/* pagetables.c: the rules for page tables, attacked. One frame has one type at a time: writable, or
 * page table of one level, and nothing that a guest writes may make a page table writable to it. */
#include "lib/guest.h"

#define SCRATCH    ((uint8_t *)0xffffe00000000000)
#define NO_RAM_MFN 0x90000UL /* above the machine's memory, below its devices */

static uint64_t *l3, *l2, *l1; /* the tables that cover SCRATCH, read-only to us */

static void build_scratch(void)
{
    pt_map(pt_root(), SCRATCH, 0);
    l3 = mfn_to_va(pte_mfn(*pt_entry(pt_root(), SCRATCH, 4)));
    l2 = mfn_to_va(pte_mfn(*pt_entry(pt_root(), SCRATCH, 3)));
    l1 = mfn_to_va(pte_mfn(*pt_entry(pt_root(), SCRATCH, 2)));
}

/* Try one entry in a table of ours: what the answer is, what is there then, and take it out. */
static void try_entry(uint64_t *table, unsigned int slot, uint64_t value, const char *name)
{
    uint64_t before = table[slot];
    long rc = pte_write(va_to_maddr(&table[slot]), value);

    result(rc, "%s", name);
    if (rc) {
        check(table[slot], before, "%s-unchanged", name);
    } else {
        /* Global and the bits that hardware ignores are the hypervisor's to use. */
        result((table[slot] ^ value) & ~(PTE_A | PTE_D | PTE_G | PTE_IGNORED), "%s-altered-bits",
               name);
        guest_need(pte_write(va_to_maddr(&table[slot]), before));
    }
}

static void check_leaf_entries(void)
{
    uint8_t *page = page_alloc();
    unsigned long mfn = va_to_mfn(page);

    try_entry(l1, 0, pte_make(mfn, PTE_DATA), "l1-own-writable");
    try_entry(l1, 0, pte_make(mfn, PTE_DATA_RO), "l1-own-read-only");
    try_entry(l1, 0, pte_make(mfn, PTE_P | PTE_RW), "l1-without-user");
    try_entry(l1, 0, pte_make(mfn, PTE_DATA | PTE_NX), "l1-no-execute");
    try_entry(l1, 0, pte_make(mfn, PTE_DATA | PTE_G), "l1-global");
    try_entry(l1, 0, pte_make(mfn, PTE_DATA | PTE_AVAIL), "l1-available-bits");
    try_entry(l1, 0, pte_make(mfn, PTE_DATA | PTE_PWT), "l1-pwt");
    try_entry(l1, 0, pte_make(mfn, PTE_DATA | PTE_PCD), "l1-pcd");
    try_entry(l1, 0, pte_make(mfn, PTE_DATA | PTE_PAT), "l1-pat");
    try_entry(l1, 0, pte_make(mfn, PTE_DATA | PTE_PAT | PTE_PWT | PTE_PCD), "l1-pat-pwt-pcd");
    try_entry(l1, 0, pte_make(mfn, PTE_DATA) | 1UL << 52, "l1-bit-52");
    try_entry(l1, 0, pte_make(mfn, PTE_DATA) | 1UL << 58, "l1-bit-58");
    try_entry(l1, 0, pte_make(mfn, PTE_DATA) | 1UL << 62, "l1-bit-62");
    try_entry(l1, 0, pte_make(mfn, PTE_DATA) | 1UL << 51, "l1-frame-bit-51");
    try_entry(l1, 0, pte_make(mfn, PTE_DATA) | 1UL << 41, "l1-frame-bit-41");
    try_entry(l1, 0, 0xdeadbeef0 & ~1UL, "l1-absent-with-garbage");
    try_entry(l1, 0, ~1UL, "l1-absent-all-ones");

    try_entry(l1, 0, pte_make(va_to_mfn(pt_root()), PTE_DATA), "l1-maps-l4-writable");
    try_entry(l1, 0, pte_make(va_to_mfn(l3), PTE_DATA), "l1-maps-l3-writable");
    try_entry(l1, 0, pte_make(va_to_mfn(l2), PTE_DATA), "l1-maps-l2-writable");
    try_entry(l1, 0, pte_make(va_to_mfn(l1), PTE_DATA), "l1-maps-itself-writable");
    try_entry(l1, 0, pte_make(va_to_mfn(l1), PTE_DATA_RO), "l1-maps-itself-read-only");
    try_entry(l1, 0, pte_make(va_to_mfn(pt_root()), PTE_DATA_RO), "l1-maps-l4-read-only");
    page_free(page);
}

static void check_foreign_frames(void)
{
    static xen_pfn_t list[1];
    struct xen_machphys_mfn_list m2p = { .max_extents = 1 };

    try_entry(l1, 0, pte_make(start_info->shared_info >> PAGE_SHIFT, PTE_DATA), "shared-info");
    try_entry(l1, 0, pte_make(0xb8, PTE_DATA), "display-memory");
    try_entry(l1, 0, pte_make(0xfed00, PTE_DATA), "hpet");
    try_entry(l1, 0, pte_make(0xfee00, PTE_DATA), "local-apic-writable");
    try_entry(l1, 0, pte_make(0xfee00, PTE_DATA_RO), "local-apic-read-only");
    try_entry(l1, 0, pte_make(0xfec00, PTE_DATA), "io-apic-writable");
    try_entry(l1, 0, pte_make(0xfec00, PTE_DATA_RO), "io-apic-read-only");
    try_entry(l1, 0, pte_make(NO_RAM_MFN, PTE_DATA), "no-ram");
    try_entry(l1, 0, pte_make(0x100000, PTE_DATA), "at-4-gib");
    /* 16 MiB belongs to nobody, or to the hypervisor; we start far from there. */
    try_entry(l1, 0, pte_make(0x1000, PTE_DATA), "not-ours-writable");
    try_entry(l1, 0, pte_make(0x1000, PTE_DATA_RO), "not-ours-read-only");

    set_xen_guest_handle(m2p.extent_start, list);
    check(xen_memory_op(XENMEM_machphys_mfn_list, &m2p), 0, "m2p-frames-told");
    try_entry(l1, 0, pte_make(list[0], PTE_DATA_RO), "m2p-as-own-read-only");
    try_entry(l1, 0, pte_make(list[0], PTE_DATA), "m2p-as-own-writable");
    result(xen_update_va_mapping_otherdomain(SCRATCH, pte_make(list[0], PTE_DATA_RO), UVMF_INVLPG,
                                             DOMID_XEN),
           "m2p-of-hypervisor-read-only");
    result(xen_update_va_mapping_otherdomain(SCRATCH, pte_make(list[0], PTE_DATA), UVMF_INVLPG,
                                             DOMID_XEN),
           "m2p-of-hypervisor-writable");
    check(xen_update_va_mapping(SCRATCH, 0, UVMF_INVLPG), 0, "m2p-unmapped");
}

/* Entries of the upper levels: each must lead to a table of exactly one level below. */
static void check_upper_entries(void)
{
    uint64_t *root = pt_root();
    unsigned int free_slot = pt_index(SCRATCH, 4) + 1;
    uint8_t *page = page_alloc();
    uint64_t *empty = table_alloc();

    try_entry(l2, 5, pte_make(va_to_mfn(l1), PTE_TABLE), "l2-to-l1");
    try_entry(l2, 5, pte_make(va_to_mfn(empty), PTE_TABLE), "l2-to-empty-page");
    try_entry(l2, 5, pte_make(va_to_mfn(empty), PTE_DATA_RO), "l2-to-empty-page-read-only");
    try_entry(l2, 5, pte_make(va_to_mfn(empty), PTE_P | PTE_RW), "l2-without-user");
    try_entry(l2, 5, pte_make(va_to_mfn(empty), PTE_TABLE | PTE_NX), "l2-no-execute");
    try_entry(l2, 5, pte_make(va_to_mfn(empty), PTE_TABLE | PTE_AVAIL), "l2-available-bits");
    try_entry(l2, 5, pte_make(va_to_mfn(empty), PTE_TABLE | PTE_G), "l2-global");
    try_entry(l2, 5, pte_make(va_to_mfn(empty), PTE_TABLE) | 1UL << 55, "l2-bit-55");
    try_entry(l2, 5, pte_make(va_to_mfn(empty), PTE_TABLE) | 1UL << 45, "l2-frame-bit-45");
    try_entry(l2, 5, pte_make(va_to_mfn(page), PTE_TABLE), "l2-to-writable-page");
    try_entry(l2, 5, pte_make(va_to_mfn(l2), PTE_TABLE), "l2-to-itself-writable");
    try_entry(l2, 5, pte_make(va_to_mfn(l2), PTE_DATA_RO), "l2-to-itself-read-only");
    try_entry(l2, 5, pte_make(va_to_mfn(l3), PTE_TABLE), "l2-to-l3");
    try_entry(l2, 5, pte_make(va_to_mfn(root), PTE_TABLE), "l2-to-l4");
    try_entry(l2, 5, pte_make(va_to_mfn(image_start) & ~511UL, PTE_TABLE | PTE_PSE), "l2-large");
    try_entry(l2, 5, pte_make(0x1000, PTE_TABLE), "l2-to-not-ours");
    try_entry(l2, 5, pte_make(NO_RAM_MFN, PTE_TABLE), "l2-to-no-ram");
    try_entry(l2, 5, 0xabcdef000, "l2-absent-with-garbage");
    try_entry(l3, 5, pte_make(va_to_mfn(l2), PTE_TABLE), "l3-to-l2");
    try_entry(l3, 5, pte_make(va_to_mfn(l1), PTE_TABLE), "l3-to-l1");
    try_entry(l3, 5, pte_make(va_to_mfn(l3), PTE_TABLE), "l3-to-itself-writable");
    try_entry(l3, 5, pte_make(va_to_mfn(l3), PTE_DATA_RO), "l3-to-itself-read-only");
    try_entry(l3, 5, pte_make(va_to_mfn(root), PTE_TABLE), "l3-to-l4");
    try_entry(l3, 5, pte_make(0, PTE_TABLE | PTE_PSE), "l3-large");
    try_entry(l3, 5, pte_make(va_to_mfn(page), PTE_TABLE), "l3-to-writable-page");
    try_entry(root, free_slot, pte_make(va_to_mfn(l3), PTE_TABLE), "l4-to-l3");
    try_entry(root, free_slot, pte_make(va_to_mfn(l2), PTE_TABLE), "l4-to-l2");
    try_entry(root, free_slot, pte_make(va_to_mfn(l1), PTE_TABLE), "l4-to-l1");
    try_entry(root, free_slot, pte_make(va_to_mfn(root), PTE_TABLE), "l4-to-itself-writable");
    try_entry(root, free_slot, pte_make(va_to_mfn(root), PTE_DATA_RO), "l4-to-itself-read-only");
    try_entry(root, free_slot, pte_make(va_to_mfn(l3), PTE_TABLE | PTE_PSE), "l4-pse");
    try_entry(root, free_slot, pte_make(va_to_mfn(l3), PTE_TABLE | PTE_G), "l4-global");
    try_entry(root, 256, 0, "l4-hypervisor-first-slot-clear");
    try_entry(root, 256, pte_make(va_to_mfn(l3), PTE_TABLE), "l4-hypervisor-first-slot");
    try_entry(root, 271, pte_make(va_to_mfn(l3), PTE_TABLE), "l4-hypervisor-last-slot");
    try_entry(root, 255, pte_make(va_to_mfn(l3), PTE_TABLE), "l4-slot-before-hypervisor");
    try_entry(root, 272, pte_make(va_to_mfn(l3), PTE_TABLE), "l4-slot-after-hypervisor");
    page_writable(empty);
    page_free(empty);
    page_free(page);
}

/* Through a self-referring L4 slot the tables appear as memory; reading works, writing does not. */
static void check_linear_table(void)
{
    unsigned int slot = pt_index(SCRATCH, 4) + 2;
    unsigned long base = 0xffff000000000000 | (unsigned long)slot << 39;
    uint64_t *view = (uint64_t *)(base | ((unsigned long)slot << 30) | ((unsigned long)slot << 21) |
                                  ((unsigned long)slot << 12));
    long rc = pte_write(va_to_maddr(&pt_root()[slot]), pte_make(va_to_mfn(pt_root()), PTE_DATA_RO));

    if (rc) {
        result(rc, "linear-table");
        return;
    }
    check(view[511], pt_root()[511], "linear-table-shows-root");
    check(pte_mfn(view[slot]), va_to_mfn(pt_root()), "linear-table-shows-itself");
    check(pte_write(va_to_maddr(&pt_root()[slot]), 0), 0, "linear-table-removed");
}

/* A second address space built by hand: two roots that show each other, and bad ones. */
static void check_roots(void)
{
    uint64_t *other = page_alloc(), *third = page_alloc();
    uint64_t *bad = page_alloc();
    unsigned int slot = pt_index(SCRATCH, 4) + 3;
    unsigned int i;

    for (i = 0; i < 512; i++) {
        other[i] = i < 256 || i > 271 ? pt_root()[i] : 0;
    }
    result(mmuext(MMUEXT_PIN_L4_TABLE, va_to_mfn(other)), "pin-l4-still-writable");
    page_readonly(other);
    check(mmuext(MMUEXT_PIN_L4_TABLE, va_to_mfn(other)), 0, "pin-l4");
    /* public/xen.h, VMASST_TYPE_m2p_strict: without it the slot is filled in on use as a kernel
     * root. */
    result(other[256] == pt_root()[256], "pinned-l4-has-m2p-slot");
    try_entry(other, slot, pte_make(va_to_mfn(pt_root()), PTE_DATA_RO), "l4-shows-other-root");
    page_readonly(third);
    guest_need(mmuext(MMUEXT_PIN_L4_TABLE, va_to_mfn(third)));
    result(pte_write(va_to_maddr(&other[slot]), pte_make(va_to_mfn(third), PTE_DATA_RO)),
           "l4-shows-third");
    result(pte_write(va_to_maddr(&third[slot]), pte_make(va_to_mfn(other), PTE_DATA_RO)),
           "l4-shows-back");
    result(pte_write(va_to_maddr(&third[slot]), 0), "l4-show-removed");
    result(mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(third)), "unpin-shown-l4");
    result(page_set(third, PTE_DATA), "shown-l4-writable");
    result(pte_write(va_to_maddr(&other[slot]), 0), "l4-show-removed-from-other");
    check(page_set(third, PTE_DATA), 0, "free-l4-writable");

    check(mmuext(MMUEXT_NEW_BASEPTR, va_to_mfn(other)), 0, "new-root");
    check(pt_entry(other, image_start, 1) != NULL, true, "new-root-has-image");
    check(other[256] == pt_root()[256], true, "new-root-has-m2p-slot");
    check(mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(other)), 0, "unpin-current-root");
    result(page_set(other, PTE_DATA), "current-root-writable");
    check(mmuext(MMUEXT_NEW_BASEPTR, va_to_mfn(pt_root())), 0, "old-root");
    check(page_set(other, PTE_DATA), 0, "left-root-writable");

    bad[0] = pte_make(va_to_mfn(bad), PTE_TABLE);
    page_readonly(bad);
    result(mmuext(MMUEXT_PIN_L4_TABLE, va_to_mfn(bad)), "pin-l4-with-writable-loop");
    result(mmuext(MMUEXT_NEW_BASEPTR, va_to_mfn(bad)), "new-root-with-writable-loop");
    result(mmuext(MMUEXT_PIN_L1_TABLE, va_to_mfn(bad)), "pin-l1-that-maps-itself-writable");
    result(mmuext(MMUEXT_PIN_L2_TABLE, va_to_mfn(bad)), "pin-l2-with-writable-loop");
    check(page_set(bad, PTE_DATA), 0, "refused-table-writable-again");
    memset(bad, 0, PAGE_SIZE);
    bad[3] = pte_make(0x1000, PTE_DATA);
    page_readonly(bad);
    result(mmuext(MMUEXT_PIN_L1_TABLE, va_to_mfn(bad)), "pin-l1-with-foreign-frame");
    check(page_set(bad, PTE_DATA), 0, "refused-l1-writable-again");
    memset(bad, 0xff, PAGE_SIZE);
    page_readonly(bad);
    result(mmuext(MMUEXT_PIN_L1_TABLE, va_to_mfn(bad)), "pin-l1-of-ones");
    result(mmuext(MMUEXT_PIN_L2_TABLE, va_to_mfn(bad)), "pin-l2-of-ones");
    result(mmuext(MMUEXT_PIN_L3_TABLE, va_to_mfn(bad)), "pin-l3-of-ones");
    result(mmuext(MMUEXT_PIN_L4_TABLE, va_to_mfn(bad)), "pin-l4-of-ones");
    check(page_set(bad, PTE_DATA), 0, "page-of-ones-writable-again");
}

static bool shows_m2p(const uint64_t *root)
{
    return root[pt_index((void *)MACH2PHYS_VIRT_START, 4)] != 0;
}

/* public/xen.h, VMASST_TYPE_m2p_strict: a root that a user runs on does not show the M2P. */
static void check_strict_m2p(void)
{
    uint64_t *root = page_alloc();
    unsigned int i;

    for (i = 0; i < 512; i++) {
        root[i] = i < 256 || i > 271 ? pt_root()[i] : 0;
    }
    page_readonly(root);
    guest_need(xen_vm_assist(VMASST_CMD_enable, VMASST_TYPE_m2p_strict));
    check(mmuext(MMUEXT_PIN_L4_TABLE, va_to_mfn(root)), 0, "strict-pin");
    result(shows_m2p(root), "strict-pinned-shows-m2p");
    check(mmuext(MMUEXT_NEW_USER_BASEPTR, va_to_mfn(root)), 0, "strict-user-root");
    result(shows_m2p(root), "strict-user-root-shows-m2p");
    check(mmuext(MMUEXT_NEW_BASEPTR, va_to_mfn(root)), 0, "strict-kernel-root");
    result(shows_m2p(root), "strict-kernel-root-shows-m2p");
    guest_need(xen_vm_assist(VMASST_CMD_disable, VMASST_TYPE_m2p_strict));
    guest_need(mmuext(MMUEXT_NEW_BASEPTR, va_to_mfn(pt_root())));
    check(mmuext(MMUEXT_NEW_BASEPTR, va_to_mfn(root)), 0, "kernel-root-again");
    result(shows_m2p(root), "kernel-root-shows-m2p");
    guest_need(mmuext(MMUEXT_NEW_BASEPTR, va_to_mfn(pt_root())));
    check(mmuext(MMUEXT_NEW_USER_BASEPTR, 0), 0, "no-user-root");
    check(mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(root)), 0, "strict-unpin");
    check(page_set(root, PTE_DATA), 0, "strict-root-writable-again");
    page_free(root);
}

/* A table that is refused half way leaves no reference behind on what stood before the bad entry.
 */
static void check_refusal_leaves_no_trace(void)
{
    uint8_t *page = page_alloc();
    uint64_t *table = page_alloc();

    table[0] = pte_make(va_to_mfn(page), PTE_DATA);
    table[511] = pte_make(0x1000, PTE_DATA);
    page_readonly(table);
    result(mmuext(MMUEXT_PIN_L1_TABLE, va_to_mfn(table)), "pin-l1-bad-at-the-end");
    page_readonly(page);
    check(mmuext(MMUEXT_PIN_L1_TABLE, va_to_mfn(page)), 0, "page-before-bad-entry-is-free");
    check(mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(page)), 0, "page-before-bad-entry-unpinned");
    page_writable(page);
    page_writable(table);
    page_free(page);
    page_free(table);
}

static void check_pins(void)
{
    uint64_t *table = table_alloc();
    unsigned long mfn = va_to_mfn(table);

    check(mmuext(MMUEXT_UNPIN_TABLE, mfn), -XEN_EINVAL, "unpin-unpinned");
    check(mmuext(MMUEXT_PIN_L1_TABLE, mfn), 0, "pin-l1");
    check(mmuext(MMUEXT_PIN_L1_TABLE, mfn), -XEN_EINVAL, "pin-l1-twice");
    check(mmuext(MMUEXT_PIN_L2_TABLE, mfn), -XEN_EINVAL, "pin-l1-as-l2");
    check(page_set(table, PTE_DATA), -XEN_EBUSY, "pinned-writable");
    check(mmuext(MMUEXT_UNPIN_TABLE, mfn), 0, "unpin-l1");
    check(mmuext(MMUEXT_PIN_L2_TABLE, mfn), 0, "pin-l2-now");
    check(mmuext(MMUEXT_UNPIN_TABLE, mfn), 0, "unpin-l2");
    check(mmuext(MMUEXT_PIN_L3_TABLE, mfn), 0, "pin-l3-now");
    check(mmuext(MMUEXT_UNPIN_TABLE, mfn), 0, "unpin-l3");
    result(mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(l1)), "unpin-table-in-use");
    result(mmuext(MMUEXT_PIN_L1_TABLE, va_to_mfn(l1)), "pin-table-in-use");
    result(mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(l1)), "unpin-it-again");
    result(mmuext(MMUEXT_PIN_L1_TABLE, 0x1000), "pin-not-ours");
    result(mmuext(MMUEXT_PIN_L1_TABLE, NO_RAM_MFN), "pin-no-ram");
    result(mmuext(MMUEXT_PIN_L1_TABLE, ~0UL), "pin-frame-minus-1");
    result(mmuext(MMUEXT_UNPIN_TABLE, ~0UL), "unpin-frame-minus-1");
    result(mmuext(MMUEXT_UNPIN_TABLE, 0x1000), "unpin-not-ours");
    result(mmuext(MMUEXT_NEW_BASEPTR, 0x1000), "new-root-not-ours");
    result(mmuext(MMUEXT_NEW_BASEPTR, ~0UL), "new-root-frame-minus-1");
    result(mmuext(MMUEXT_NEW_BASEPTR, va_to_mfn(l1)), "new-root-is-l1");
    result(mmuext(MMUEXT_NEW_USER_BASEPTR, va_to_mfn(l1)), "new-user-root-is-l1");
    check(mmuext(MMUEXT_NEW_USER_BASEPTR, 0), 0, "new-user-root-none");
    page_writable(table);
    page_free(table);
}

void guest_main(void)
{
    build_scratch();
    check_leaf_entries();
    check_foreign_frames();
    check_upper_entries();
    check_linear_table();
    check_roots();
    check_strict_m2p();
    check_refusal_leaves_no_trace();
    check_pins();
}
