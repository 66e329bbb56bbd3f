/* traps.c: each exception raised for real, from the kernel and from user mode, and what its frame
 * says: vector, error code, rip, selectors, interrupt flag, saved upcall mask, cr2. */
#include "lib/guest.h"

#define NON_CANONICAL "0x8000000000000000"
#define UNMAPPED "0x7f0000000000"

/* The same instructions for both modes; rdi = an address where one is needed. */
#define BOTH(name, instructions)                                                                  \
    PROBE(kernel_##name, instructions);                                                           \
    USER_PROBE(user_##name, instructions)

BOTH(divide, "xor %ecx, %ecx; mov $1, %eax; xor %edx, %edx; div %ecx");
BOTH(divide_overflow, "mov $1, %ecx; mov $2, %edx; div %ecx");
BOTH(single_step, "pushfq; orl $0x100, (%rsp); popfq; nop; nop");
BOTH(icebp, ".byte 0xf1; nop");
BOTH(breakpoint, "int3");
BOTH(breakpoint_long, ".byte 0xcd, 0x03");
BOTH(ud2, "ud2");
BOTH(lock_register, ".byte 0xf0, 0x01, 0xc0"); /* lock add %eax, %eax */
BOTH(into, ".byte 0xce");
BOTH(fpu, "fninit");
BOTH(stack_non_canonical, "mov %rbp, %rax; movabs $" NON_CANONICAL
                          ", %rbp; mov (%rbp), %rcx; mov %rax, %rbp");
BOTH(read_non_canonical, "movabs $" NON_CANONICAL ", %rax; mov (%rax), %rcx");
BOTH(jump_non_canonical, "movabs $" NON_CANONICAL ", %rax; jmp *%rax");
BOTH(bad_selector, "mov $0x3b, %eax; mov %eax, %ds");
BOTH(bad_ldt_selector, "mov $0x27, %eax; mov %eax, %es");
BOTH(hypervisor_selector, "mov $0xe008, %eax; mov %eax, %ds");
BOTH(system_selector, "mov $0xe043, %eax; mov %eax, %fs");
BOTH(read_unmapped, "movabs $" UNMAPPED ", %rax; mov (%rax), %rcx");
BOTH(write_unmapped, "movabs $" UNMAPPED " + 0x123, %rax; movb $1, (%rax)");
BOTH(fetch_unmapped, "movabs $" UNMAPPED ", %rax; jmp *%rax");
BOTH(write_m2p, "movabs $0xffff800000000000, %rax; movb $1, (%rax)");
BOTH(read_m2p, "movabs $0xffff800000000000, %rax; mov (%rax), %rcx");
BOTH(read_hypervisor, "movabs $0xffff82d040200000, %rax; mov (%rax), %rcx");
BOTH(write_hypervisor, "movabs $0xffff82d040200000, %rax; mov %rcx, (%rax)");
BOTH(fetch_hypervisor, "movabs $0xffff82d040200000, %rax; jmp *%rax");
BOTH(read_hole, "movabs $0xffff87fffffff000, %rax; mov (%rax), %rcx");
BOTH(fpu_error, "fninit; fldcw (%rdi); fldz; fld1; fdivp; fwait");
BOTH(write_rdi, "movb $1, (%rdi)");
BOTH(read_rdi, "mov (%rdi), %eax");
BOTH(jump_rdi, "jmp *%rdi");
BOTH(alignment, "pushfq; orl $0x40000, (%rsp); popfq; lea -64(%rsp), %rax; mov 1(%rax), %ecx");
BOTH(long_instruction, ".fill 15, 1, 0x66; nop");
BOTH(swapgs, "swapgs");
BOTH(int_0x80, "int $0x80; nop");
BOTH(registers, "mov $0x1111, %eax; mov $0x2222, %ebx; mov $0x3333, %edx; mov $0x4444, %esi;"
                "mov $0x5555, %edi; mov $0x6666, %r8d; mov $0x7777, %r9d; mov $0x8888, %r10d;"
                "mov $0x9999, %r11d; mov $0xaaaa, %r12d; mov $0xbbbb, %r13d; mov $0xcccc, %r14d;"
                "mov $0xdddd, %r15d; mov $0xeeee, %ecx; push %rbp; mov $0xffff, %ebp; ud2");
USER_PROBE(user_syscall, "mov $0x77, %eax; mov $0x12345, %edi; syscall");

struct both {
    const char *name;
    void (*kernel)(void *);
    const uint8_t *user;
};

#define ROW(name) { #name, kernel_##name, user_##name }

static const struct both faults[] = {
    ROW(divide), ROW(divide_overflow), ROW(single_step), ROW(icebp), ROW(breakpoint),
    ROW(ud2), ROW(lock_register), ROW(into), ROW(stack_non_canonical),
    ROW(read_non_canonical), ROW(jump_non_canonical), ROW(bad_selector), ROW(bad_ldt_selector),
    ROW(hypervisor_selector), ROW(system_selector), ROW(read_unmapped), ROW(write_unmapped),
    ROW(fetch_unmapped), ROW(write_m2p), ROW(read_m2p), ROW(read_hole), ROW(alignment),
    ROW(long_instruction), ROW(swapgs),
};

/* Those that the CPU enters by itself; the other numbers are the affair of softint.c. */
static const struct both software[] = {
    ROW(breakpoint_long), ROW(int_0x80),
};

/* Whether the hypervisor has something mapped at an address of its own is its secret: both values
 * of the present bit are right. */
static const struct both secret[] = {
    ROW(read_hypervisor), ROW(write_hypervisor), ROW(fetch_hypervisor),
};

static void run_both(const struct both *row, uint64_t error_mask)
{
    struct trap_report report;

    trap_try(row->kernel, NULL, &report);
    report.regs.error &= error_mask;
    trap_result(&report, row->kernel, "kernel-%s", row->name);
    user_run(row->user, 0, &report);
    report.regs.error &= error_mask;
    trap_result(&report, (void *)USER_ADDRESS(row->user), "user-%s", row->name);
}

static void check_frames(void)
{
    struct trap_report report;
    const struct trap_regs *r = &report.regs;
    unsigned int mode;

    for (mode = 0; mode < 2; mode++) {
        const char *who = mode ? "user" : "kernel";

        if (mode) {
            user_run(user_registers, 0, &report);
        } else {
            trap_try(kernel_registers, NULL, &report);
        }
        check(r->rax == 0x1111 && r->rbx == 0x2222 && r->rdx == 0x3333 && r->rsi == 0x4444 &&
                  r->rdi == 0x5555 && r->rcx == 0xeeee && r->rbp == 0xffff,
              true, "%s-registers", who);
        check(r->r8 == 0x6666 && r->r9 == 0x7777 && r->r10 == 0x8888 && r->r11 == 0x9999 &&
                  r->r12 == 0xaaaa && r->r13 == 0xbbbb && r->r14 == 0xcccc && r->r15 == 0xdddd,
              true, "%s-registers-8-15", who);
        if (mode) {
            check(r->rsp, user_stack_top() - 8, "user-rsp");
        }
        result(r->rflags, "%s-rflags", who);
    }
    user_run(user_syscall, 0, &report);
    check(report.vector, VECTOR_SYSCALL, "syscall-vector");
    check(r->rax, 0x77, "syscall-rax");
    check(r->rdi, 0x12345, "syscall-rdi");
    check(r->rsp, user_stack_top(), "syscall-rsp");
    trap_result(&report, (void *)USER_ADDRESS(user_syscall), "syscall");
    /* The instruction leaves its return address in rcx and the flags in r11. */
    check(r->rcx - USER_ADDRESS(user_syscall), r->rip - USER_ADDRESS(user_syscall), "syscall-rcx");
    result(r->r11, "syscall-r11");
}

/* The upcall mask on the way in and in the frame, with and without "mask events" in the entry. */
static void check_upcall_mask(void)
{
    struct trap_info table[2] = {
        { .vector = VECTOR_UD, .cs = FLAT_KERNEL_CS },
        { .vector = 0 },
    };
    struct trap_info all[257];
    struct trap_report report;

    upcalls_on();
    trap_try(kernel_ud2, NULL, &report);
    check(report.regs.saved_upcall_mask, 0, "unmasked-saved-mask");
    check(report.regs.rflags & 0x200, 0x200, "unmasked-if");
    check(report.upcall_mask, 1, "entry-masks-events");
    check(vcpu_this()->info->evtchn_upcall_mask, 0, "return-unmasks");
    upcalls_off();
    trap_try(kernel_ud2, NULL, &report);
    check(report.regs.saved_upcall_mask, 1, "masked-saved-mask");
    check(report.regs.rflags & 0x200, 0, "masked-if");
    check(vcpu_this()->info->evtchn_upcall_mask, 1, "return-masks");

    trap_table(all);
    table[0].address = all[VECTOR_UD].address;
    check(xen_set_trap_table(table), 0, "one-entry-table");
    upcalls_on();
    trap_try(kernel_ud2, NULL, &report);
    check(report.upcall_mask, 0, "entry-leaves-events");
    trap_try(kernel_divide, NULL, &report);
    check(report.vector, VECTOR_DE, "other-entries-stay");
    upcalls_off();
    check(xen_set_trap_table(all), 0, "table-restored");
}

static void check_fpu(void)
{
    static const struct both fpu = ROW(fpu);
    struct trap_report report;

    guest_need(xen_fpu_taskswitch(1));
    trap_try(fpu.kernel, NULL, &report);
    trap_result(&report, fpu.kernel, "kernel-fpu-ts-set");
    trap_try(fpu.kernel, NULL, &report);
    trap_result(&report, fpu.kernel, "kernel-fpu-after-nm");
    guest_need(xen_fpu_taskswitch(1));
    user_run(fpu.user, 0, &report);
    trap_result(&report, (void *)USER_ADDRESS(fpu.user), "user-fpu-ts-set");
    guest_need(xen_fpu_taskswitch(0));
    trap_try(fpu.kernel, NULL, &report);
    trap_result(&report, fpu.kernel, "kernel-fpu-ts-clear");
}

static USER_DATA uint16_t fpu_control = 0x37b; /* division by zero is not masked */
PROBE(fpu_clear, "fninit");

static void check_fpu_error(void)
{
    struct trap_report report;

    trap_try(kernel_fpu_error, &fpu_control, &report);
    trap_result(&report, kernel_fpu_error, "kernel-fpu-error");
    fpu_clear(NULL);
    user_run(user_fpu_error, USER_ADDRESS(&fpu_control), &report);
    trap_result(&report, (void *)USER_ADDRESS(user_fpu_error), "user-fpu-error");
    fpu_clear(NULL);
}

/* Accesses that the tables refuse: read-only, no-execute, and another mode's. */
static void check_protection(void)
{
    static USER_DATA uint8_t data[PAGE_SIZE] __attribute__((aligned(4096)));
    uint8_t *page = page_alloc();
    struct trap_report report;
    void *user_page = (void *)USER_ADDRESS(data);

    page[0] = 0xc3; /* ret */
    trap_try(kernel_jump_rdi, page, &report);
    check(report.vector, VECTOR_NONE, "execute-ordinary-page");
    page_readonly(page);
    trap_try(kernel_write_rdi, page, &report);
    trap_result(&report, page, "kernel-write-read-only");
    guest_need(page_set(page, PTE_DATA | PTE_NX));
    trap_try(kernel_jump_rdi, page, &report);
    trap_result(&report, page, "kernel-execute-nx");
    guest_need(page_set(page, 0));
    trap_try(kernel_read_rdi, page, &report);
    trap_result(&report, page, "kernel-read-absent");
    page_writable(page);
    page_free(page);

    user_run(user_read_rdi, (unsigned long)image_start, &report);
    trap_result(&report, image_start, "user-read-kernel");
    user_run(user_write_rdi, (unsigned long)image_start, &report);
    trap_result(&report, image_start, "user-write-kernel");
    user_run(user_jump_rdi, (unsigned long)image_start, &report);
    trap_result(&report, image_start, "user-execute-kernel");
    guest_need(pte_write(pt_maddr(user_root(), user_page, 1),
                         pte_make(va_to_mfn(data), PTE_DATA_RO | PTE_NX)));
    user_run(user_write_rdi, (unsigned long)user_page, &report);
    trap_result(&report, user_page, "user-write-read-only");
    user_run(user_jump_rdi, (unsigned long)user_page, &report);
    trap_result(&report, user_page, "user-execute-nx");
    trap_try(kernel_read_rdi, user_page, &report);
    check(report.vector, VECTOR_NONE, "kernel-reads-user-page");
    trap_try(kernel_write_rdi, user_page, &report);
    trap_result(&report, user_page, "kernel-write-user-read-only");
    /* Without the user bit a page is the kernel's, though both run at CPL 3. */
    guest_need(pte_write(pt_maddr(user_root(), user_page, 1),
                         pte_make(va_to_mfn(data), PTE_P | PTE_RW)));
    result(*pt_entry(user_root(), user_page, 1) & (PTE_P | PTE_RW | PTE_US | PTE_AVAIL),
           "pte-written-without-user-bit");
}

PROBE(kernel_breakpoint_target, "nop; nop; nop");

static void check_debug_registers(void)
{
    struct trap_report report;

    check(xen_set_debugreg(0, (unsigned long)kernel_breakpoint_target + 1), 0, "dr0-set");
    check(xen_set_debugreg(7, 0x401), 0, "dr7-set");
    trap_try(kernel_breakpoint_target, NULL, &report);
    trap_result(&report, kernel_breakpoint_target, "hardware-breakpoint");
    result(xen_get_debugreg(6), "dr6-after-breakpoint");
    result(xen_get_debugreg(7), "dr7-after-breakpoint");
    guest_need(xen_set_debugreg(7, 0));
    check(xen_get_debugreg(0) - (unsigned long)kernel_breakpoint_target, 1, "dr0-get");
    trap_try(kernel_breakpoint_target, NULL, &report);
    check(report.vector, VECTOR_NONE, "no-breakpoint-when-off");
    trap_try(kernel_single_step, NULL, &report);
    result(xen_get_debugreg(6), "dr6-after-single-step");
}

void guest_main(void)
{
    unsigned int i;

    user_init();
    for (i = 0; i < ARRAY_SIZE(faults); i++) {
        run_both(&faults[i], ~0UL);
    }
    for (i = 0; i < ARRAY_SIZE(secret); i++) {
        run_both(&secret[i], ~1UL);
    }
    check_frames();
    check_upcall_mask();
    check_fpu();
    check_fpu_error();
    check_protection();
    check_debug_registers();
    for (i = 0; i < ARRAY_SIZE(software); i++) {
        run_both(&software[i], ~0UL);
    }
}
