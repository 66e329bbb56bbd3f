/* segments.c: descriptor tables, the iret hypercall, the kernel stack. */
#include "lib/guest.h"

/* Intel SDM vol. 3A, "Segment Descriptors". */
#define DATA_DPL3         0x00cff3000000ffffUL
#define DATA_DPL0         0x00cf93000000ffffUL
#define CODE64_DPL3       0x00affb000000ffffUL
#define NOT_PRESENT(d)    ((d) & ~(1UL << 47))
#define CALL_GATE         0x0000ec00e0080000UL
#define TSS_AVAILABLE     0x0000e90000000067UL
#define LDT_DESCRIPTOR    0x0000e20000000fffUL
#define CODE64_CONFORMING 0x00affe000000ffffUL
#define CODE_LONG_AND_DB  0x00effb000000ffffUL

PROBE(load_fs, "mov %fs, %ecx; mov %edi, %fs; mov %ecx, %fs");
PROBE(load_ss, "mov %ss, %ecx; mov %edi, %ss; mov %ecx, %ss");
PROBE(far_return, "push %rdi; lea 1f(%rip), %rax; push %rax; lretq; 1: push $0xe033;"
                  "lea 2f(%rip), %rax; push %rax; lretq; 2:");

static uint64_t *gdt;

static void try_selector(void (*fn)(void *), unsigned int selector, const char *name)
{
    struct trap_report report;

    trap_try(fn, (void *)(unsigned long)selector, &report);
    if (report.vector == VECTOR_NONE) {
        result_text("%s no trap", name);
    } else {
        result_text("%s vector %d error %lx", name, report.vector, report.regs.error);
    }
}

static void check_set_gdt(void)
{
    xen_pfn_t frames[17];
    uint64_t *bad = page_alloc();
    unsigned int i;

    gdt = page_alloc();
    gdt[1] = DATA_DPL3;
    gdt[2] = NOT_PRESENT(DATA_DPL3);
    gdt[3] = CODE64_DPL3;
    gdt[4] = NOT_PRESENT(CODE64_DPL3);
    frames[0] = va_to_mfn(gdt);
    result(xen_set_gdt(frames, 512), "gdt-writable-frame");
    page_readonly(gdt);
    result(xen_set_gdt(frames, 14 * 512 + 1), "gdt-too-many-entries");
    result(xen_set_gdt(frames, ~0U), "gdt-minus-1-entries");
    result(xen_set_gdt((void *)0x7f0000000000, 512), "gdt-list-unmapped");
    frames[0] = 0x1000;
    result(xen_set_gdt(frames, 512), "gdt-not-ours");
    frames[0] = ~0UL;
    result(xen_set_gdt(frames, 512), "gdt-frame-minus-1");
    frames[0] = va_to_mfn(pt_root());
    result(xen_set_gdt(frames, 512), "gdt-is-page-table");
    bad[0] = 0;
    bad[5] = CALL_GATE;
    page_readonly(bad);
    frames[0] = va_to_mfn(bad);
    result(xen_set_gdt(frames, 512), "gdt-with-call-gate");
    page_writable(bad);
    bad[5] = DATA_DPL0;
    page_readonly(bad);
    result(xen_set_gdt(frames, 512), "gdt-with-ring-0-data");
    result(xen_set_gdt(frames, 1), "gdt-with-ring-0-data-beyond-limit");

    frames[0] = va_to_mfn(gdt);
    check(xen_set_gdt(frames, 512), 0, "gdt");
    page_writable(bad);
    page_free(bad);
    try_selector(load_fs, 0x0b, "gdt-data");
    try_selector(load_fs, 0x13, "gdt-data-not-present");
    try_selector(load_ss, 0x13, "gdt-stack-not-present");
    try_selector(load_ss, 0x1b, "gdt-stack-is-code");
    try_selector(load_ss, 0x00, "gdt-stack-null");
    try_selector(load_fs, 0x2b, "gdt-empty-entry");
    try_selector(load_fs, 0x100b, "gdt-beyond-limit");
    try_selector(far_return, 0x1b, "gdt-code");
    try_selector(far_return, 0x23, "gdt-code-not-present");
    try_selector(far_return, 0x0b, "gdt-code-is-data");
    try_selector(far_return, 0xe033, "gdt-flat-code");
    result(page_set(gdt, PTE_DATA), "gdt-frame-writable");
    result(mmuext(MMUEXT_PIN_L1_TABLE, va_to_mfn(gdt)), "gdt-frame-as-page-table");
    /* Several frames, and the same frame in each place. */
    for (i = 0; i < ARRAY_SIZE(frames); i++) {
        frames[i] = va_to_mfn(gdt);
    }
    check(xen_set_gdt(frames, 14 * 512), 0, "gdt-largest");
    try_selector(load_fs, 0xd00b, "gdt-last-frame-data");
    check(xen_set_gdt(frames, 512), 0, "gdt-small-again");
}

static void try_descriptor(unsigned int slot, uint64_t value, const char *name)
{
    long rc = xen_update_descriptor(va_to_maddr(&gdt[slot]), value);

    result(rc, "%s", name);
    if (!rc) {
        result(gdt[slot], "%s-written", name);
    }
}

static void check_update_descriptor(void)
{
    uint64_t *page = page_alloc();

    try_descriptor(8, DATA_DPL3, "descriptor-data");
    try_descriptor(8, 0, "descriptor-zero");
    try_descriptor(8, CODE64_DPL3, "descriptor-code");
    try_descriptor(8, NOT_PRESENT(CALL_GATE), "descriptor-absent-gate");
    try_descriptor(8, DATA_DPL0, "descriptor-data-ring-0");
    try_descriptor(8, CODE64_DPL3 & ~(3UL << 45), "descriptor-code-ring-0");
    try_descriptor(8, DATA_DPL3 & ~(1UL << 45), "descriptor-data-ring-2");
    try_descriptor(8, CALL_GATE, "descriptor-call-gate");
    try_descriptor(8, CALL_GATE & ~(3UL << 45), "descriptor-call-gate-ring-0");
    try_descriptor(8, TSS_AVAILABLE, "descriptor-tss");
    try_descriptor(8, LDT_DESCRIPTOR, "descriptor-ldt");
    try_descriptor(8, CODE64_CONFORMING, "descriptor-conforming-code");
    try_descriptor(8, CODE_LONG_AND_DB, "descriptor-code-long-and-32-bit");
    try_descriptor(8, ~0UL, "descriptor-all-ones");
    try_descriptor(0, DATA_DPL3, "descriptor-slot-0");
    result(xen_update_descriptor(va_to_maddr(&gdt[8]) + 4, DATA_DPL3), "descriptor-unaligned");
    result(xen_update_descriptor(0x1000UL << PAGE_SHIFT, DATA_DPL3), "descriptor-not-ours");
    result(xen_update_descriptor(~7UL, DATA_DPL3), "descriptor-beyond-memory");
    result(xen_update_descriptor(va_to_maddr(pt_root()), DATA_DPL3), "descriptor-in-page-table");
    result(xen_update_descriptor(va_to_maddr(&page[1]), DATA_DPL3), "descriptor-in-ordinary-page");
    result(page[1], "descriptor-in-ordinary-page-written");
    page_free(page);
}

USER_PROBE(user_flags, "pushfq; pop %rbx; mov %cs, %ecx; mov %ecx, %r12d; mov %ss, %ecx;"
                       "mov %ecx, %r13d");

struct crossing {
    struct iret_context frame;
    uint64_t arg;
};

void iret_with_args(const struct iret_context *frame, uint64_t rdi, uint64_t rsi);

static void cross(void *arg)
{
    struct crossing *crossing = arg;

    iret_with_args(&crossing->frame, crossing->arg, 0);
}

static void try_iret(const char *name, struct iret_context frame)
{
    struct crossing crossing = { .frame = frame };
    struct trap_report report;
    const struct trap_regs *r = &report.regs;

    trap_try(cross, &crossing, &report);
    result_text("iret-%s vector %d error %lx cs %x ss %lx flags %lx if-mask %u", name,
                report.vector, r->error, r->cs, r->ss, r->rflags & 0x7f00, r->saved_upcall_mask);
    if (report.vector == VECTOR_SYSCALL) {
        result_text("iret-%s seen flags %lx cs %lx ss %lx", name, r->rbx & 0x7f00, r->r12, r->r13);
    }
}

static void check_iret(void)
{
    struct iret_context user = {
        .rip = USER_ADDRESS(user_flags),
        .cs = FLAT_USER_CS,
        .rflags = 0x202,
        .rsp = user_stack_top(),
        .ss = FLAT_USER_SS,
    }, frame;

    try_iret("user", user);
    frame = user;
    frame.flags = VGCF_in_syscall;
    try_iret("user-in-syscall", frame);
    frame = user;
    frame.rflags = 0x2;
    try_iret("user-events-masked", frame);
    frame = user;
    frame.rflags = 0x3202;
    try_iret("user-iopl-3", frame);
    frame = user;
    frame.rflags = 0x202 | 1 << 14;
    try_iret("user-nested-task", frame);
    frame = user;
    frame.rflags = 0x202 | 1 << 17;
    try_iret("user-vm86", frame);
    frame = user;
    frame.rflags = 0x202 | 1 << 8;
    try_iret("user-single-step", frame);
    frame = user;
    frame.cs = 0x1b; /* our own table's code segment */
    try_iret("user-own-code-segment", frame);
    frame = user;
    frame.ss = 0x0b;
    try_iret("user-own-stack-segment", frame);
    frame = user;
    frame.rip = 0x7f0000000000;
    try_iret("user-rip-unmapped", frame);
    frame = user;
    frame.rip = 1UL << 63;
    try_iret("user-rip-non-canonical", frame);
    frame = user;
    frame.cs = 0x23;
    try_iret("user-code-not-present", frame);
    frame = user;
    frame.cs = 0x4b;
    try_iret("user-code-empty-entry", frame);
    frame = user;
    frame.ss = 0x13;
    try_iret("user-stack-not-present", frame);
}

USER_PROBE(user_trap, "ud2");

static void *seen_frame;

static bool note_frame(struct trap_regs *regs)
{
    if (trap_from_user(regs)) {
        seen_frame = regs;
    }
    return false;
}

static void check_stack_switch(void)
{
    struct trap_report report;
    unsigned long top = vcpu_entry_stack(vcpu_this());

    trap_hook(VECTOR_UD, note_frame);
    user_run(user_trap, 0, &report);
    check(top - (unsigned long)seen_frame <= sizeof(struct trap_regs) + 16, true,
          "user-trap-on-kernel-stack");
    check(xen_stack_switch(FLAT_KERNEL_SS, top - 1024), 0, "stack-switch");
    user_run(user_trap, 0, &report);
    check(top - 1024 - (unsigned long)seen_frame <= sizeof(struct trap_regs) + 16, true,
          "user-trap-on-new-stack");
    check(xen_stack_switch(FLAT_KERNEL_SS, top - 1024 - 5), 0, "stack-switch-unaligned");
    user_run(user_trap, 0, &report);
    check((unsigned long)seen_frame & 7, 0, "user-trap-stack-aligned");
    result(xen_stack_switch(FLAT_KERNEL_SS, 1UL << 63), "stack-switch-non-canonical");
    result(xen_stack_switch(FLAT_KERNEL_SS, HYPERVISOR_VIRT_START), "stack-switch-hypervisor");
    result(xen_stack_switch(0, top), "stack-switch-null-selector");
    result(xen_stack_switch(0x10, top), "stack-switch-ring-0-selector");
    result(xen_stack_switch(0xe008, top), "stack-switch-hypervisor-selector");
    result(xen_stack_switch(0xfff3, top), "stack-switch-far-selector");
    result(xen_stack_switch(0x12345, top), "stack-switch-wide-selector");
    check(xen_stack_switch(FLAT_KERNEL_SS, top), 0, "stack-switch-back");
    trap_hook(VECTOR_UD, NULL);
}

void guest_main(void)
{
    user_init();
    check_set_gdt();
    check_update_descriptor();
    check_iret();
    check_stack_switch();
}
