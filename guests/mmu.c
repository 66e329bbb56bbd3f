/* mmu.c: the calls that change page tables, with right and wrong arguments: mmu_update,
 * update_va_mapping, and plain writes to a read-only table, which the hypervisor can do for us. */
#include "lib/guest.h"

#define SCRATCH  ((uint8_t *)0xffffe00000000000)
#define UNMAPPED ((void *)0x7f0000000000)

static uint64_t *l1;
static uint8_t *page;

static long update(uint64_t ptr, uint64_t val, unsigned int foreign)
{
    struct mmu_update req = { .ptr = ptr, .val = val };

    return xen_mmu_update(&req, 1, NULL, foreign);
}

static void check_mmu_update_arguments(void)
{
    uint64_t slot = va_to_maddr(&l1[0]), good = pte_make(va_to_mfn(page), PTE_DATA);
    struct mmu_update reqs[4];
    unsigned int done = 99;

    check(xen_mmu_update(NULL, 0, NULL, DOMID_SELF), 0, "nothing-to-do");
    check(xen_mmu_update(reqs, 0, &done, DOMID_SELF), 0, "nothing-to-do-counted");
    result(done, "nothing-done");
    result(xen_mmu_update(UNMAPPED, 1, NULL, DOMID_SELF), "requests-unmapped");
    result(xen_mmu_update((void *)HYPERVISOR_VIRT_END - 16, 1, NULL, DOMID_SELF),
           "requests-in-hypervisor");
    reqs[0] = (struct mmu_update){ .ptr = slot, .val = good };
    result(xen_mmu_update(reqs, 1, UNMAPPED, DOMID_SELF), "done-unmapped");
    result(l1[0] & PTE_P, "done-unmapped-entry-written");

    reqs[1] = (struct mmu_update){ .ptr = slot + 8, .val = good };
    reqs[2] = (struct mmu_update){ .ptr = slot + 16, .val = pte_make(va_to_mfn(l1), PTE_DATA) };
    reqs[3] = (struct mmu_update){ .ptr = slot + 24, .val = good };
    result(xen_mmu_update(reqs, 4, &done, DOMID_SELF), "third-of-four-bad");
    check(done, 2, "third-of-four-bad-done");
    check(pte_mfn(l1[1]), va_to_mfn(page), "second-was-written");
    check(l1[3], 0, "fourth-was-not");
    reqs[2].val = 0;
    check(xen_mmu_update(reqs, 4, &done, DOMID_SELF), 0, "four-good");
    check(done, 4, "four-good-done");

    result(update(slot + 4, good, DOMID_SELF), "pointer-unaligned");
    result(update(slot + 7, good, DOMID_SELF), "pointer-odd");
    result(update(~7UL, good, DOMID_SELF), "pointer-beyond-memory");
    result(update(0x1000UL << PAGE_SHIFT, good, DOMID_SELF), "pointer-not-ours");
    result(update(0x90000UL << PAGE_SHIFT, good, DOMID_SELF), "pointer-no-ram");
    result(update(va_to_maddr(image_start), 0, DOMID_SELF), "pointer-to-text");
    result(update(slot, good, 0), "foreign-domain-0-is-self");
    result(update(slot, good, 1), "foreign-domain-1");
    result(update(slot, good, DOMID_IO), "foreign-domain-io");
    result(update(slot, pte_make(0xb8, PTE_DATA), DOMID_IO), "foreign-domain-io-device");
    result(update(slot, good, DOMID_XEN), "foreign-domain-xen");
    result(update(slot, good, DOMID_INVALID), "foreign-domain-invalid");
    result(update(slot, good, DOMID_IDLE), "foreign-domain-idle");
    result(update(slot, good, DOMID_SELF | 1 << 16), "table-domain-0");
    result(update(slot, good, DOMID_SELF | 2 << 16), "table-domain-1");
    result(update(slot, good, DOMID_SELF | 0xffffU << 16), "table-domain-fffe");
    check(update(slot, 0, DOMID_SELF), 0, "entry-cleared");
}

/* A machine address in an ordinary writable page: the value is simply stored. */
static void check_update_of_ordinary_page(void)
{
    uint64_t *words = page_alloc();

    result(update(va_to_maddr(&words[3]), 0x1122334455667788, DOMID_SELF), "ordinary-page");
    result(words[3], "ordinary-page-value");
    result(update(va_to_maddr(&words[4]) | MMU_PT_UPDATE_PRESERVE_AD, 0x99, DOMID_SELF),
           "ordinary-page-preserve-ad");
    result(words[4], "ordinary-page-preserve-ad-value");
    result(update(start_info->shared_info + 3072, 0, DOMID_SELF), "shared-info-page");
    page_free(words);
}

static void check_update_kinds(void)
{
    uint64_t slot = va_to_maddr(&l1[9]), good = pte_make(va_to_mfn(page), PTE_P | PTE_RW | PTE_US);
    uint64_t ad = PTE_A | PTE_D;

    guest_need(update(slot, good | ad, DOMID_SELF));
    check(update(slot | MMU_PT_UPDATE_PRESERVE_AD, good, DOMID_SELF), 0, "preserve-ad");
    check(l1[9] & ad, ad, "preserve-ad-keeps-them");
    check(update(slot | MMU_NORMAL_PT_UPDATE, good, DOMID_SELF), 0, "normal");
    check(l1[9] & ad, 0, "normal-drops-them");
    check(update(slot | MMU_PT_UPDATE_NO_TRANSLATE, good | ad, DOMID_SELF), 0, "no-translate");
    check(l1[9] & ad, ad, "no-translate-writes-them");
    guest_need(update(slot, 0, DOMID_SELF));
}

static void check_machphys_update(void)
{
    unsigned long mfn = va_to_mfn(page), pfn = va_to_pfn(page);
    uint64_t ptr = va_to_maddr(page) | MMU_MACHPHYS_UPDATE;

    check(update(ptr, 0x1234, DOMID_SELF), 0, "machphys");
    check(mfn_to_pfn(mfn), 0x1234, "machphys-value");
    check(update(ptr + 64, pfn, DOMID_SELF), 0, "machphys-inside-frame");
    check(mfn_to_pfn(mfn), pfn, "machphys-restored");
    result(update((0x1000UL << PAGE_SHIFT) | MMU_MACHPHYS_UPDATE, 1, DOMID_SELF),
           "machphys-not-ours");
    result(update(0xfffffffff001UL, 1, DOMID_SELF), "machphys-beyond-memory");
    result(update(ptr, pfn, DOMID_IO), "machphys-domain-io");
    result(update(ptr, ~0UL, DOMID_SELF), "machphys-minus-1");
    guest_need(update(ptr, pfn, DOMID_SELF));
}

static void check_update_va_mapping(void)
{
    static const unsigned long all_flags[] = {
        UVMF_NONE,
        UVMF_TLB_FLUSH,
        UVMF_INVLPG,
        UVMF_TLB_FLUSH | UVMF_ALL,
        UVMF_INVLPG | UVMF_ALL,
        UVMF_ALL,
        3,
        3 | UVMF_ALL,
    };
    uint64_t good = pte_make(va_to_mfn(page), PTE_DATA);
    unsigned long mask[1] __attribute__((aligned(16))) = { 3 };
    unsigned int i;

    for (i = 0; i < ARRAY_SIZE(all_flags); i++) {
        result(xen_update_va_mapping(SCRATCH, good, all_flags[i]), "va-flags-%lx", all_flags[i]);
    }
    result(xen_update_va_mapping(SCRATCH, good, UVMF_TLB_FLUSH | (unsigned long)mask),
           "va-flush-vcpu-mask");
    result(xen_update_va_mapping(SCRATCH, good, UVMF_INVLPG | (unsigned long)mask),
           "va-invlpg-vcpu-mask");
    result(xen_update_va_mapping(SCRATCH, 0, UVMF_TLB_FLUSH | (unsigned long)UNMAPPED),
           "va-mask-unmapped");
    result(l1[0] & PTE_P, "va-mask-unmapped-entry");
    result(xen_update_va_mapping(SCRATCH, pte_make(va_to_mfn(l1), PTE_DATA), UVMF_INVLPG),
           "va-table-writable");
    result(xen_update_va_mapping(UNMAPPED, good, UVMF_INVLPG), "va-without-table");
    result(xen_update_va_mapping(UNMAPPED, 0, UVMF_INVLPG), "va-without-table-clear");
    result(xen_update_va_mapping((void *)HYPERVISOR_VIRT_START, good, UVMF_INVLPG), "va-m2p");
    result(xen_update_va_mapping((void *)HYPERVISOR_VIRT_END - 4096, good, UVMF_INVLPG),
           "va-hypervisor");
    result(xen_update_va_mapping((void *)0x8000000000000000, good, UVMF_INVLPG),
           "va-non-canonical");
    result(xen_update_va_mapping(SCRATCH + 0x123, good, UVMF_INVLPG), "va-inside-page");
    check(pte_mfn(l1[0]), va_to_mfn(page), "va-inside-page-entry");
    result(xen_update_va_mapping_otherdomain(SCRATCH, good, UVMF_INVLPG, DOMID_SELF),
           "va-domain-self");
    result(xen_update_va_mapping_otherdomain(SCRATCH, good, UVMF_INVLPG, 0), "va-domain-0");
    result(xen_update_va_mapping_otherdomain(SCRATCH, good, UVMF_INVLPG, 1), "va-domain-1");
    result(xen_update_va_mapping_otherdomain(SCRATCH, good, UVMF_INVLPG, DOMID_IO),
           "va-domain-io-own-page");
    result(
        xen_update_va_mapping_otherdomain(SCRATCH, pte_make(0xb8, PTE_DATA), UVMF_INVLPG, DOMID_IO),
        "va-domain-io-device");
    result(xen_update_va_mapping_otherdomain(SCRATCH, good, UVMF_INVLPG, DOMID_INVALID),
           "va-domain-invalid");
    check(xen_update_va_mapping(SCRATCH, 0, UVMF_INVLPG), 0, "va-cleared");
}

/* A stale translation is gone after each kind of flush. */
static void check_flushes(void)
{
    static const unsigned long flushes[] = {
        UVMF_TLB_FLUSH | UVMF_LOCAL,
        UVMF_INVLPG | UVMF_LOCAL,
        UVMF_TLB_FLUSH | UVMF_ALL,
        UVMF_INVLPG | UVMF_ALL,
    };
    uint8_t *other = page_alloc();
    volatile uint8_t *at = SCRATCH;
    unsigned int i;

    page[0] = 1;
    other[0] = 2;
    for (i = 0; i < ARRAY_SIZE(flushes); i++) {
        guest_need(xen_update_va_mapping(SCRATCH, pte_make(va_to_mfn(page), PTE_DATA), flushes[i]));
        check(*at, 1, "flush-%lx-first", flushes[i]);
        guest_need(
            xen_update_va_mapping(SCRATCH, pte_make(va_to_mfn(other), PTE_DATA), flushes[i]));
        check(*at, 2, "flush-%lx-second", flushes[i]);
    }
    guest_need(xen_update_va_mapping(SCRATCH, 0, UVMF_INVLPG));
    page_free(other);
}

/* rdi -> { address, value, compare }; what the instruction left in rax goes to the third word. */
#define STORE(name, instruction)                                                               \
    PROBE(store_##name, "mov (%rdi), %rcx; mov 8(%rdi), %rdx; mov 16(%rdi), %rax;" instruction \
                        "; mov %rax, 16(%rdi)")
STORE(mov, "mov %rdx, (%rcx)");
STORE(mov_low_half, "mov %edx, (%rcx)");
STORE(mov_high_half, "shr $32, %rdx; mov %edx, 4(%rcx)");
STORE(mov_byte, "mov %dl, (%rcx)");
STORE(mov_word, "mov %dx, (%rcx)");
STORE(mov_across, "mov %rdx, 4(%rcx)");
STORE(mov_immediate, "movq $0, (%rcx)");
STORE(xchg, "xchg %rdx, (%rcx); mov %rdx, %rax");
STORE(cmpxchg, "lock cmpxchg %rdx, (%rcx)");
STORE(or_bit, "lock orq $0x40, (%rcx)");
STORE(and_bit, "lock andq $~2, (%rcx)");
STORE(and_plain, "andq $~2, (%rcx)");
STORE(btr, "lock btrq $1, (%rcx)");
STORE(bts, "lock btsq $6, (%rcx)");
STORE(add, "addq $0x1000, (%rcx)");
STORE(xadd, "lock xadd %rax, (%rcx)");
STORE(stos, "mov %rdi, %r8; mov %rcx, %rdi; mov %rdx, %rax; stosq; mov %r8, %rdi");
STORE(cmpxchg16, "mov %rbx, %r8; mov 8(%rcx), %rdx; mov %rax, %rbx; lock cmpxchg16b (%rcx);"
                 "mov %r8, %rbx");
STORE(push, "mov %rsp, %r8; lea 8(%rcx), %rsp; push %rdx; mov %r8, %rsp");

struct store {
    uint64_t address, value, compare;
};

static void try_store(const char *name, void (*fn)(void *), uint64_t before, uint64_t value,
                      uint64_t compare)
{
    struct store store = { .address = (uint64_t)&l1[7], .value = value, .compare = compare };
    struct trap_report report;
    uint64_t frame = pte_make(va_to_mfn(page), 0);

    guest_need(update(va_to_maddr(&l1[7]), before, DOMID_SELF));
    guest_need(update(va_to_maddr(&l1[8]), 0, DOMID_SELF));
    trap_try(fn, &store, &report);
    if (report.vector == VECTOR_PF) {
        result_text("store-%s page fault error %lx, address %s", name, report.regs.error,
                    report.cr2 >= store.address && report.cr2 < store.address + 16 ? "right"
                                                                                   : "wrong");
    } else if (report.vector != VECTOR_NONE) {
        trap_result(&report, fn, "store-%s", name);
    }
    /* Frame numbers differ from machine to machine: say how they lie to the page that we used. */
    result_text("store-%s frame %s flags %lx rax %s", name,
                pte_mfn(l1[7]) == pte_mfn(frame) ? "same"
                : pte_mfn(l1[7])                 ? "other"
                                                 : "none",
                l1[7] & ~(PTE_FRAME | PTE_G | PTE_IGNORED),
                store.compare == compare ? "kept" : "changed");
    guest_need(update(va_to_maddr(&l1[7]), 0, DOMID_SELF));
}

static void try_stores(const char *when)
{
    uint64_t good = pte_make(va_to_mfn(page), PTE_DATA), bad = pte_make(va_to_mfn(l1), PTE_DATA);

    result_text("stores %s", when);
    try_store("mov", store_mov, 0, good, 0);
    try_store("mov-bad", store_mov, 0, bad, 0);
    try_store("mov-over", store_mov, good, 0, 0);
    try_store("mov-low-half", store_mov_low_half, 0, good, 0);
    try_store("mov-high-half", store_mov_high_half, good, good | PTE_NX, 0);
    try_store("mov-byte", store_mov_byte, good, PTE_DATA_RO, 0);
    try_store("mov-word", store_mov_word, good, (good & 0xf000) | PTE_DATA_RO, 0);
    try_store("mov-across", store_mov_across, 0, 0, 0);
    try_store("mov-immediate", store_mov_immediate, good, 0, 0);
    try_store("xchg", store_xchg, 0, good, 5);
    try_store("xchg-out", store_xchg, good, 0, 0);
    try_store("xchg-bad", store_xchg, good, bad, 5);
    try_store("cmpxchg-hit", store_cmpxchg, 0, good, 0);
    try_store("cmpxchg-miss", store_cmpxchg, 0, good, 77);
    try_store("cmpxchg-bad", store_cmpxchg, 0, bad, 0);
    try_store("or", store_or_bit, good & ~PTE_D, 0, 0);
    try_store("or-absent", store_or_bit, 0, 0, 0);
    try_store("and", store_and_bit, good, 0, 0);
    try_store("and-plain", store_and_plain, good, 0, 0);
    try_store("btr", store_btr, good, 0, 0);
    try_store("bts", store_bts, good & ~PTE_D, 0, 0);
    try_store("add-absent", store_add, 0, 0, 0);
    try_store("xadd", store_xadd, 0, 0, 0x1000);
    try_store("stos", store_stos, 0, good, good);
    try_store("cmpxchg16", store_cmpxchg16, 0, 0, 0);
}

PROBE(write_root, "mov (%rdi), %rcx; movq $0, 8(%rcx)");

static void check_emulated_writes(void)
{
    struct store store = { .address = (uint64_t)pt_root() };
    struct trap_report report;

    try_stores("as booted");
    check(xen_vm_assist(VMASST_CMD_disable, VMASST_TYPE_writable_pagetables), 0, "assist-off");
    try_stores("without assistance");
    check(xen_vm_assist(VMASST_CMD_enable, VMASST_TYPE_writable_pagetables), 0, "assist");
    try_stores("with assistance");
    trap_try(write_root, &store, &report);
    trap_result(&report, (void *)store.address, "store-to-l4");
    store.address = (uint64_t)pt_entry(pt_root(), SCRATCH, 3);
    trap_try(write_root, &store, &report);
    trap_result(&report, (void *)store.address, "store-to-l3");
    store.address = (uint64_t)pt_entry(pt_root(), SCRATCH, 2);
    trap_try(write_root, &store, &report);
    trap_result(&report, (void *)store.address, "store-to-l2");
}

/* The stores above leave rip where it was only if they trapped; here the next instruction counts.
 */
static void check_emulated_write_continues(void)
{
    struct store store = { .address = (uint64_t)&l1[7], .value = 0xabc0, .compare = 42 };

    guest_need(xen_vm_assist(VMASST_CMD_enable, VMASST_TYPE_writable_pagetables));
    store_xchg(&store);
    check(store.compare, 0, "xchg-gives-old-value");
    check(l1[7], 0xabc0, "xchg-stores-new-value");
    store.compare = 1;
    store_cmpxchg(&store);
    check(store.compare, 0xabc0, "cmpxchg-miss-gives-value");
    check(l1[7], 0xabc0, "cmpxchg-miss-stores-nothing");
    guest_need(xen_vm_assist(VMASST_CMD_disable, VMASST_TYPE_writable_pagetables));
    guest_need(update(va_to_maddr(&l1[7]), 0, DOMID_SELF));
}

static void check_vm_assist(void)
{
    static const unsigned int types[] = {
        VMASST_TYPE_4gb_segments,
        VMASST_TYPE_4gb_segments_notify,
        VMASST_TYPE_pae_extended_cr3,
        VMASST_TYPE_architectural_iopl,
        VMASST_TYPE_runstate_update_flag,
        6,
        31,
        63,
        64,
        ~0U,
    };
    unsigned int i;

    for (i = 0; i < ARRAY_SIZE(types); i++) {
        result(xen_vm_assist(VMASST_CMD_enable, types[i]), "assist-enable-%u", types[i]);
        result(xen_vm_assist(VMASST_CMD_disable, types[i]), "assist-disable-%u", types[i]);
    }
    result(xen_vm_assist(2, 2), "assist-command-2");
}

void guest_main(void)
{
    pt_map(pt_root(), SCRATCH, 0);
    l1 = mfn_to_va(pte_mfn(*pt_entry(pt_root(), SCRATCH, 2)));
    page = page_alloc();
    check_mmu_update_arguments();
    check_update_of_ordinary_page();
    check_update_kinds();
    check_machphys_update();
    check_update_va_mapping();
    check_flushes();
    check_vm_assist();
    check_emulated_writes();
    check_emulated_write_continues();
    /* Last: a push that is not done for us faults on the very stack that it used, which is our end.
     */
    try_store("push", store_push, 0, pte_make(va_to_mfn(page), PTE_DATA), 0);
}
