/* mmuext.c: mmuext_op with right and wrong arguments. Pins and base pointers are in pagetables.c.
 */
#include "lib/guest.h"

#define UNMAPPED ((void *)0x7f0000000000)
#define NOT_OURS 0x1000UL

static long ext(unsigned int cmd, unsigned long arg1, unsigned long arg2, unsigned int foreign)
{
    struct mmuext_op op = { .cmd = cmd, .arg1.mfn = arg1, .arg2.src_mfn = arg2 };

    return xen_mmuext_op(&op, 1, NULL, foreign);
}

static void check_arguments(void)
{
    struct mmuext_op ops[3] = {
        { .cmd = MMUEXT_TLB_FLUSH_LOCAL },
        { .cmd = MMUEXT_UNPIN_TABLE, .arg1.mfn = ~0UL },
        { .cmd = MMUEXT_TLB_FLUSH_LOCAL },
    };
    unsigned int done = 99;

    check(xen_mmuext_op(NULL, 0, NULL, DOMID_SELF), 0, "nothing-to-do");
    result(xen_mmuext_op(UNMAPPED, 1, NULL, DOMID_SELF), "ops-unmapped");
    result(xen_mmuext_op((void *)HYPERVISOR_VIRT_START, 1, NULL, DOMID_SELF), "ops-in-m2p");
    result(xen_mmuext_op(ops, 3, &done, DOMID_SELF), "second-of-three-bad");
    result(done, "second-of-three-bad-done");
    check(xen_mmuext_op(ops, 1, &done, DOMID_SELF), 0, "one-good");
    check(done, 1, "one-good-done");
    result(xen_mmuext_op(ops, 1, UNMAPPED, DOMID_SELF), "done-unmapped");
    result(xen_mmuext_op(ops, 1, NULL, 0), "foreign-domain-0");
    result(xen_mmuext_op(ops, 1, NULL, 1), "foreign-domain-1");
    result(xen_mmuext_op(ops, 1, NULL, DOMID_IO), "foreign-domain-io");
    result(xen_mmuext_op(ops, 1, NULL, DOMID_XEN), "foreign-domain-xen");
    result(xen_mmuext_op(ops, 1, NULL, DOMID_INVALID), "foreign-domain-invalid");
    result(ext(14, 0, 0, DOMID_SELF), "command-14");
    result(ext(21, 0, 0, DOMID_SELF), "command-21");
    result(ext(~0U, 0, 0, DOMID_SELF), "command-minus-1");
    result(ext(MMUEXT_MARK_SUPER, va_to_mfn(image_start), 0, DOMID_SELF), "mark-super");
    result(ext(MMUEXT_UNMARK_SUPER, va_to_mfn(image_start), 0, DOMID_SELF), "unmark-super");
}

static void check_flushes(void)
{
    static unsigned long mask[2] = { 3, 0 };

    check(ext(MMUEXT_TLB_FLUSH_LOCAL, 0, 0, DOMID_SELF), 0, "flush-local");
    check(ext(MMUEXT_TLB_FLUSH_ALL, 0, 0, DOMID_SELF), 0, "flush-all");
    check(ext(MMUEXT_INVLPG_LOCAL, (unsigned long)image_start, 0, DOMID_SELF), 0, "invlpg-local");
    check(ext(MMUEXT_INVLPG_ALL, (unsigned long)image_start, 0, DOMID_SELF), 0, "invlpg-all");
    result(ext(MMUEXT_INVLPG_LOCAL, 1UL << 63, 0, DOMID_SELF), "invlpg-non-canonical");
    result(ext(MMUEXT_INVLPG_LOCAL, HYPERVISOR_VIRT_START, 0, DOMID_SELF), "invlpg-hypervisor");
    result(ext(MMUEXT_INVLPG_ALL, 1UL << 63, 0, DOMID_SELF), "invlpg-all-non-canonical");
    check(ext(MMUEXT_TLB_FLUSH_MULTI, 0, (unsigned long)mask, DOMID_SELF), 0, "flush-multi");
    check(ext(MMUEXT_INVLPG_MULTI, (unsigned long)image_start, (unsigned long)mask, DOMID_SELF), 0,
          "invlpg-multi");
    result(ext(MMUEXT_TLB_FLUSH_MULTI, 0, (unsigned long)UNMAPPED, DOMID_SELF),
           "flush-multi-unmapped-mask");
    result(ext(MMUEXT_TLB_FLUSH_MULTI, 0, 0, DOMID_SELF), "flush-multi-null-mask");
    result(ext(MMUEXT_INVLPG_MULTI, 0, (unsigned long)UNMAPPED, DOMID_SELF),
           "invlpg-multi-unmapped-mask");
    mask[0] = ~0UL;
    result(ext(MMUEXT_TLB_FLUSH_MULTI, 0, (unsigned long)mask, DOMID_SELF),
           "flush-multi-absent-vcpus");
    result(ext(MMUEXT_FLUSH_CACHE, 0, 0, DOMID_SELF), "flush-cache");
    result(ext(MMUEXT_FLUSH_CACHE_GLOBAL, 0, 0, DOMID_SELF), "flush-cache-global");
    result(ext(MMUEXT_FLUSH_CACHE, 0, 0, DOMID_IO), "flush-cache-foreign");
}

static void check_pages(void)
{
    uint64_t *from = page_alloc(), *to = page_alloc();
    uint64_t *table = table_alloc();
    unsigned int i, bad = 0;

    for (i = 0; i < 512; i++) {
        from[i] = i * 0x0101010101;
    }
    check(ext(MMUEXT_COPY_PAGE, va_to_mfn(to), va_to_mfn(from), DOMID_SELF), 0, "copy-page");
    check(memcmp(from, to, PAGE_SIZE), 0, "copy-page-whole");
    check(ext(MMUEXT_CLEAR_PAGE, va_to_mfn(to), 0, DOMID_SELF), 0, "clear-page");
    for (i = 0; i < 512; i++) {
        bad += !!to[i];
    }
    check(bad, 0, "clear-page-whole");
    result(ext(MMUEXT_CLEAR_PAGE, NOT_OURS, 0, DOMID_SELF), "clear-not-ours");
    result(ext(MMUEXT_CLEAR_PAGE, ~0UL, 0, DOMID_SELF), "clear-minus-1");
    result(ext(MMUEXT_COPY_PAGE, va_to_mfn(to), NOT_OURS, DOMID_SELF), "copy-from-not-ours");
    result(ext(MMUEXT_COPY_PAGE, NOT_OURS, va_to_mfn(from), DOMID_SELF), "copy-to-not-ours");
    result(ext(MMUEXT_COPY_PAGE, va_to_mfn(to), va_to_mfn(table), DOMID_SELF), "copy-read-only");
    guest_need(mmuext(MMUEXT_PIN_L1_TABLE, va_to_mfn(table)));
    result(ext(MMUEXT_CLEAR_PAGE, va_to_mfn(table), 0, DOMID_SELF), "clear-page-table");
    result(ext(MMUEXT_COPY_PAGE, va_to_mfn(table), va_to_mfn(from), DOMID_SELF),
           "copy-to-page-table");
    result(ext(MMUEXT_COPY_PAGE, va_to_mfn(to), va_to_mfn(table), DOMID_SELF),
           "copy-from-page-table");
    guest_need(mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(table)));
    page_writable(table);
    page_free(table);
    page_free(to);
    page_free(from);
}

/* Intel SDM vol. 3A, "Segment Descriptors": present, ring 3, data, 4 GiB. */
#define FLAT_DATA 0x00cff3000000ffffUL

PROBE(load_ldt_selector, "mov %fs, %ecx; mov %edi, %fs; mov %ecx, %fs");

static int load_ldt(unsigned int entry)
{
    struct trap_report report;

    trap_try(load_ldt_selector, (void *)(unsigned long)(entry * 8 + 7), &report);
    return report.vector;
}

static void check_ldt(void)
{
    uint64_t *ldt = page_alloc();

    ldt[0] = FLAT_DATA;
    ldt[1] = FLAT_DATA & ~(1UL << 47); /* not present */
    ldt[2] = 0;
    result(ext(MMUEXT_SET_LDT, (unsigned long)ldt + 8, 2, DOMID_SELF), "ldt-unaligned");
    result(ext(MMUEXT_SET_LDT, 1UL << 63, 2, DOMID_SELF), "ldt-non-canonical");
    result(ext(MMUEXT_SET_LDT, HYPERVISOR_VIRT_START, 2, DOMID_SELF), "ldt-in-hypervisor");
    result(ext(MMUEXT_SET_LDT, (unsigned long)ldt, 8193, DOMID_SELF), "ldt-too-long");
    result(ext(MMUEXT_SET_LDT, (unsigned long)ldt, 3, DOMID_IO), "ldt-foreign");
    result(load_ldt(0), "ldt-none-load");
    /* The frame is only looked at when something is loaded from it. */
    result(ext(MMUEXT_SET_LDT, (unsigned long)ldt, 3, DOMID_SELF), "ldt-writable-page");
    result(load_ldt(0), "ldt-writable-page-load");
    page_readonly(ldt);
    result(ext(MMUEXT_SET_LDT, (unsigned long)ldt, 3, DOMID_SELF), "ldt-read-only-page");
    result(load_ldt(0), "ldt-load");
    result(load_ldt(1), "ldt-load-not-present");
    result(load_ldt(2), "ldt-load-null");
    result(load_ldt(3), "ldt-load-beyond");
    result(page_set(ldt, PTE_DATA), "ldt-page-writable-in-use");
    result(ext(MMUEXT_SET_LDT, 0, 0, DOMID_SELF), "ldt-off");
    result(load_ldt(0), "ldt-off-load");
    result(page_set(ldt, PTE_DATA), "ldt-page-writable-afterwards");
    /* A descriptor that would open a gate into the hypervisor. */
    ldt[0] = 0x0000ec00e0080000UL; /* call gate, dpl 3, to selector e008 */
    page_readonly(ldt);
    result(ext(MMUEXT_SET_LDT, (unsigned long)ldt, 1, DOMID_SELF), "ldt-with-gate");
    result(load_ldt(0), "ldt-with-gate-load");
    result(ext(MMUEXT_SET_LDT, 0, 0, DOMID_SELF), "ldt-with-gate-off");
    page_writable(ldt);
    page_free(ldt);
}

void guest_main(void)
{
    check_arguments();
    check_flushes();
    check_pages();
    check_ldt();
}
