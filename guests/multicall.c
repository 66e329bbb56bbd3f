/* multicall.c: several hypercalls in one, each with its own result. */
#include "lib/guest.h"

#define UNMAPPED ((void *)0x7f0000000000)

static struct multicall_entry calls[600];

static void set(unsigned int i, unsigned long op, unsigned long arg0, unsigned long arg1)
{
    calls[i] = (struct multicall_entry){ .op = op, .result = 0x5555, .args = { arg0, arg1 } };
}

static void check_results(void)
{
    static xen_extraversion_t extra;
    unsigned long version = xen_version(XENVER_version, NULL);
    unsigned int i, bad = 0;

    check(xen_multicall(calls, 0), 0, "nothing-to-do");
    check(xen_multicall(NULL, 0), 0, "nothing-to-do-null");
    set(0, __HYPERVISOR_xen_version, XENVER_version, 0);
    set(1, __HYPERVISOR_xen_version, XENVER_extraversion, (unsigned long)extra);
    set(2, __HYPERVISOR_xen_version, XENVER_extraversion, (unsigned long)UNMAPPED);
    set(3, 63, 0, 0);
    set(4, 1000, 0, 0);
    set(5, ~0UL, 0, 0);
    set(6, __HYPERVISOR_xen_version, XENVER_version, 0);
    check(xen_multicall(calls, 7), 0, "mixed");
    check(calls[0].result, version, "good-result");
    check(calls[1].result, 0, "second-result");
    check(extra[0] == '.', true, "second-wrote-its-answer");
    result(calls[2].result, "efault-result");
    result(calls[3].result, "unknown-number-result");
    result(calls[4].result, "number-1000-result");
    result(calls[5].result, "number-minus-1-result");
    check(calls[6].result, version, "after-errors-result");
    check(calls[0].op, __HYPERVISOR_xen_version, "op-kept");
    result(calls[1].args[0], "argument-kept");

    for (i = 0; i < ARRAY_SIZE(calls); i++) {
        set(i, __HYPERVISOR_xen_version, XENVER_version, 0);
    }
    check(xen_multicall(calls, ARRAY_SIZE(calls)), 0, "six-hundred");
    for (i = 0; i < ARRAY_SIZE(calls); i++) {
        bad += calls[i].result != version;
    }
    check(bad, 0, "six-hundred-results");
}

static void check_nesting(void)
{
    static struct multicall_entry inner[2];

    inner[0].op = __HYPERVISOR_xen_version;
    inner[0].args[0] = XENVER_version;
    inner[0].result = 0x5555;
    set(0, __HYPERVISOR_multicall, (unsigned long)inner, 1);
    result(xen_multicall(calls, 1), "nested");
    result(calls[0].result, "nested-result");
    result(inner[0].result == 0x5555, "nested-not-run");
    set(0, __HYPERVISOR_iret, 0, 0);
    /* An iret inside would lose the multicall's own frame. */
    set(1, __HYPERVISOR_xen_version, XENVER_version, 0);
}

/* A list that ends in a hole: what comes before it was done. */
static void check_faulting_list(void)
{
    uint8_t *two = pages_alloc(2);
    struct multicall_entry *list = (struct multicall_entry *)(two + PAGE_SIZE) - 1;

    list[0] = (struct multicall_entry){ .op = __HYPERVISOR_xen_version,
                                        .result = 0x5555,
                                        .args = { XENVER_version } };
    guest_need(page_set(two + PAGE_SIZE, 0));
    result(xen_multicall(list, 2), "list-ends-in-hole");
    check(list[0].result, xen_version(XENVER_version, NULL), "list-ends-in-hole-first");
    list = (struct multicall_entry *)(two + PAGE_SIZE - 32);
    result(xen_multicall(list, 1), "entry-ends-in-hole");
    page_writable(two + PAGE_SIZE);
    result(xen_multicall(UNMAPPED, 1), "list-unmapped");
    result(xen_multicall((void *)HYPERVISOR_VIRT_START, 1), "list-in-m2p");
    result(xen_multicall((void *)(HYPERVISOR_VIRT_END - 64), 1), "list-in-hypervisor");
    result(xen_multicall((void *)(1UL << 63), 1), "list-non-canonical");

    list = (struct multicall_entry *)two;
    list[0] = (struct multicall_entry){ .op = __HYPERVISOR_xen_version,
                                        .result = 0x5555,
                                        .args = { XENVER_version } };
    page_readonly(two);
    result(xen_multicall(list, 1), "list-read-only");
    result(list[0].result == 0x5555, "list-read-only-untouched");
    page_writable(two);
}

/* Page-table work inside a multicall, as kernels batch it. */
static void check_page_table_batch(void)
{
    uint8_t *page = page_alloc(), *other = page_alloc();
    struct mmu_update req = {
        .ptr = pt_maddr(pt_root(), page, 1),
        .val = pte_make(va_to_mfn(other), PTE_DATA),
    };
    struct mmuext_op flush = { .cmd = MMUEXT_INVLPG_LOCAL, .arg1.linear_addr = (uint64_t)page };

    page[0] = 1;
    other[0] = 2;
    calls[0] = (struct multicall_entry){ .op = __HYPERVISOR_mmu_update,
                                         .args = { (uint64_t)&req, 1, 0, DOMID_SELF } };
    calls[1] = (struct multicall_entry){ .op = __HYPERVISOR_mmuext_op,
                                         .args = { (uint64_t)&flush, 1, 0, DOMID_SELF } };
    calls[2] = (struct multicall_entry){
        .op = __HYPERVISOR_update_va_mapping,
        .args = { (uint64_t)other, pte_make(va_to_mfn(pt_root()), PTE_DATA), UVMF_INVLPG }
    };
    calls[3] =
        (struct multicall_entry){ .op = __HYPERVISOR_stack_switch,
                                  .args = { FLAT_KERNEL_SS, vcpu_entry_stack(vcpu_this()) } };
    check(xen_multicall(calls, 4), 0, "batch");
    check(calls[0].result, 0, "batch-mmu-update");
    check(calls[1].result, 0, "batch-flush");
    check((long)calls[2].result, -XEN_EBUSY, "batch-refused-mapping");
    check(calls[3].result, 0, "batch-stack-switch");
    check(*(volatile uint8_t *)page, 2, "batch-mapped");
    page_writable(page);
}

void guest_main(void)
{
    check_results();
    check_nesting();
    check_faulting_list();
    check_page_table_batch();
}
