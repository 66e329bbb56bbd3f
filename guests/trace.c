/* trace.c: trace buffers as xentrace uses them: made by sysctl, mapped as the hypervisor's frames, and
 * read while we do what leaves records. As domain 0. */
#include "lib/guest.h"

#include <xen/sysctl.h>
#include <xen/trace.h>

#define PAGES      4U
#define INFO       ((const struct t_info *)0xffffe00000000000)
#define BUFFER     ((struct t_buf *)0xffffe00000010000)
#define SPARE      ((uint8_t *)0xffffe00000020000)
#define DATA_BYTES (PAGES * PAGE_SIZE - sizeof(struct t_buf))
#define UNMAPPED   "0x7f0000001000"

PROBE(read_unmapped, "movabs $" UNMAPPED ", %rax; mov (%rax), %rcx");
PROBE(forced_cpuid, "push %rbx; mov $0x40000000, %eax; xor %ecx, %ecx;" XEN_CPUID "; pop %rbx");
PROBE(undefined, "ud2");
PROBE(read_cr0, "mov %cr0, %rax");
PROBE(use_fpu, "fninit");
PROBE(bad_selector, "mov $0x3b, %eax; mov %eax, %ds");

static long tbuf_op(unsigned int cmd, uint32_t size, uint32_t mask, struct xen_sysctl_tbuf_op *told)
{
    static struct xen_sysctl op;
    long rc;

    op.cmd = XEN_SYSCTL_tbuf_op;
    op.interface_version = XEN_SYSCTL_INTERFACE_VERSION;
    op.u.tbuf_op.cmd = cmd;
    op.u.tbuf_op.size = size;
    op.u.tbuf_op.evt_mask = mask;
    rc = HYPERCALL1(__HYPERVISOR_sysctl, &op);
    if (told) {
        *told = op.u.tbuf_op;
    }
    return rc;
}

static long map(const void *va, unsigned long mfn, uint64_t flags, domid_t owner)
{
    return xen_update_va_mapping_otherdomain(va, pte_make(mfn, flags), UVMF_INVLPG, owner);
}

static void check_making(void)
{
    struct xen_sysctl_tbuf_op told;

    check(tbuf_op(XEN_SYSCTL_TBUFOP_get_info, 0, 0, &told), 0, "info-before");
    result((long)told.buffer_mfn, "info-before-frame");
    result(told.size, "info-before-size");
    result(told.evt_mask, "info-before-mask");
    result(tbuf_op(XEN_SYSCTL_TBUFOP_enable, 0, 0, NULL), "enable-before");
    result(tbuf_op(XEN_SYSCTL_TBUFOP_disable, 0, 0, NULL), "disable-before");
    result(tbuf_op(XEN_SYSCTL_TBUFOP_set_size, 0, 0, NULL), "no-pages");
    result(tbuf_op(6, 0, 0, NULL), "unknown");
    check(tbuf_op(XEN_SYSCTL_TBUFOP_set_evt_mask, 0, 0, NULL), 0, "mask-of-nothing");
    check(tbuf_op(XEN_SYSCTL_TBUFOP_set_size, PAGES, 0, NULL), 0, "make");
    result(tbuf_op(XEN_SYSCTL_TBUFOP_set_size, PAGES, 0, NULL), "make-again");
    result(tbuf_op(XEN_SYSCTL_TBUFOP_set_size, PAGES + 1, 0, NULL), "make-another-size");
    check(tbuf_op(XEN_SYSCTL_TBUFOP_get_info, 0, 0, &told), 0, "info");
    check(told.buffer_mfn != 0, true, "info-frame");
    result(told.size, "info-size");
    result(told.evt_mask, "info-mask");
}

static void check_mapping(void)
{
    struct xen_sysctl_tbuf_op told;
    unsigned long mfn, own = va_to_mfn(page_alloc());
    const uint32_t *list;

    guest_need(tbuf_op(XEN_SYSCTL_TBUFOP_get_info, 0, 0, &told));
    mfn = told.buffer_mfn;
    pt_map(pt_root(), SPARE, 0);
    pt_map(pt_root(), INFO, 0);
    check(map(INFO, mfn, PTE_DATA_RO, DOMID_XEN), 0, "map-info");
    result(map(SPARE, mfn, PTE_DATA, DOMID_XEN), "map-info-writable");
    result(map(SPARE, mfn, PTE_DATA_RO, DOMID_SELF), "map-info-as-own");
    result(map(SPARE, mfn, PTE_DATA_RO, DOMID_IO), "map-info-as-device");
    result(map(SPARE, own, PTE_DATA_RO, DOMID_XEN), "map-own-as-hypervisor's");
    result(map(SPARE, 0x1000, PTE_DATA_RO, DOMID_XEN), "map-hypervisor's-that-is-not-shared");
    check(INFO->tbuf_size, PAGES, "info-pages");
    result(INFO->mfn_offset[0], "info-list-0");
    result(INFO->mfn_offset[1], "info-list-1");
    result(INFO->mfn_offset[2], "info-list-of-no-cpu");

    list = (const uint32_t *)INFO + INFO->mfn_offset[0];
    for (unsigned int i = 0; i < PAGES; i++) {
        check(map((uint8_t *)BUFFER + i * PAGE_SIZE, list[i], PTE_DATA, DOMID_XEN), 0, "map-page-%u", i);
    }
    result(map(SPARE, list[0], PTE_DATA | PTE_PCD, DOMID_XEN), "map-page-uncached");
    result(map(SPARE, list[0], PTE_DATA_RO, DOMID_XEN), "map-page-read-only");
    guest_need(xen_update_va_mapping(SPARE, 0, UVMF_INVLPG));
    check(BUFFER->cons, 0, "consumer-index");
}

static void do_things(void)
{
    static struct multicall_entry calls[2];
    struct trap_report report;
    volatile uint64_t *entry = pt_entry(pt_root(), SPARE, 1);
    void *page = page_alloc();

    xen_version(XENVER_version, NULL);
    calls[0].op = __HYPERVISOR_xen_version;
    calls[1].op = __HYPERVISOR_mmu_update;
    xen_multicall(&calls[0], 1); /* one at a time: between two, it may stop and be called again */
    xen_multicall(&calls[1], 1);
    xen_vcpu_op(VCPUOP_is_up, 1, NULL);
    xen_sched_op(SCHEDOP_yield, NULL);
    xen_grant_table_op(GNTTABOP_map_grant_ref, page, 0);
    HYPERCALL1(63, 1);
    trap_try(read_unmapped, NULL, &report);
    trap_try(forced_cpuid, NULL, &report);
    trap_try(undefined, NULL, &report);
    trap_try(read_cr0, NULL, &report);
    trap_try(bad_selector, NULL, &report);
    xen_fpu_taskswitch(1);
    trap_try(use_fpu, NULL, &report);
    *entry = 0;
    page_free(page);
}

static size_t append(char *to, size_t room, const char *format, ...)
{
    va_list args;
    size_t n;

    va_start(args, format);
    n = format_text(to, room, format, args);
    va_end(args);
    return n;
}

static bool names_frame(uint32_t event, unsigned int word)
{
    return event == (TRC_PV_PTWR_EMULATION | TRC_64_FLAG) && word < 2;
}

static uint32_t word_at(uint32_t at)
{
    return *(const uint32_t *)((const uint8_t *)(BUFFER + 1) + at % DATA_BYTES);
}

static void show_record(unsigned int nr, uint32_t *at)
{
    uint32_t head = word_at(*at), event = TRC_HD_TO_EVENT(head);
    char text[160] = "";
    size_t n = 0;

    *at += 4;
    if (TRC_HD_INCLUDES_CYCLE_COUNT(head)) {
        *at += 8;
    }
    for (unsigned int i = 0; i < TRC_HD_EXTRA(head); i++, *at += 4) {
        n += append(text + n, sizeof(text) - n, " %x", names_frame(event, i) ? 0 : word_at(*at));
    }
    result_text("record-%u %x%s%s", nr, event, TRC_HD_INCLUDES_CYCLE_COUNT(head) ? " stamped" : "", text);
}

static void check_records(void)
{
    uint32_t at;

    guest_need(tbuf_op(XEN_SYSCTL_TBUFOP_disable, 0, 0, NULL));
    BUFFER->cons = BUFFER->prod;
    guest_need(tbuf_op(XEN_SYSCTL_TBUFOP_set_evt_mask, 0, TRC_PV_ENTRY | TRC_PV_SUBCALL, NULL));
    do_things();
    check(BUFFER->cons == BUFFER->prod, true, "switched-off-nothing-is-recorded");
    guest_need(tbuf_op(XEN_SYSCTL_TBUFOP_enable, 0, 0, NULL));
    do_things();
    guest_need(tbuf_op(XEN_SYSCTL_TBUFOP_disable, 0, 0, NULL));
    at = BUFFER->cons;
    check(BUFFER->prod > at && BUFFER->prod < DATA_BYTES, true, "records-there");
    for (unsigned int nr = 0; at < BUFFER->prod && nr < 60; nr++) {
        show_record(nr, &at);
    }
    BUFFER->cons = BUFFER->prod;
}

/* Until it is full, and then with one that tells how many are missing. */
static void check_loss(void)
{
    uint32_t before, head;

    guest_need(tbuf_op(XEN_SYSCTL_TBUFOP_enable, 0, 0, NULL));
    for (unsigned int i = 0; i < 3000; i++) {
        xen_version(XENVER_version, NULL);
    }
    before = BUFFER->prod;
    check(before > DATA_BYTES, true, "full-it-went-round-the-end");
    xen_version(XENVER_version, NULL);
    check(BUFFER->prod, before, "full-nothing-is-added");
    BUFFER->cons = BUFFER->prod;
    xen_version(XENVER_version, NULL);
    head = word_at(before);
    check(TRC_HD_TO_EVENT(head), TRC_LOST_RECORDS, "the-loss-is-told");
    check(TRC_HD_EXTRA(head), 4, "the-loss-in-words");
    check(word_at(before + 12) > 1500, true, "the-loss-counted");
    result(word_at(before + 16), "the-loss-whose");
    BUFFER->cons = BUFFER->prod;
}

static void check_nonsense(void)
{
    static const uint32_t nonsense[] = { 1, 2 * DATA_BYTES, 0xfffffffc };
    uint32_t before;

    for (unsigned int i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++) {
        guest_need(tbuf_op(XEN_SYSCTL_TBUFOP_enable, 0, 0, NULL));
        BUFFER->cons = BUFFER->prod;
        before = BUFFER->prod;
        BUFFER->cons = nonsense[i];
        xen_version(XENVER_version, NULL);
        BUFFER->cons = before;
        xen_version(XENVER_version, NULL);
        check(BUFFER->prod, before, "nonsense-%u-ends-it", i);
    }
    guest_need(tbuf_op(XEN_SYSCTL_TBUFOP_enable, 0, 0, NULL));
    xen_version(XENVER_version, NULL);
    check(BUFFER->prod != before, true, "and-it-can-begin-again");
    guest_need(tbuf_op(XEN_SYSCTL_TBUFOP_disable, 0, 0, NULL));
}

void guest_main(void)
{
    check_making();
    check_mapping();
    check_records();
    check_loss();
    check_nonsense();
}
