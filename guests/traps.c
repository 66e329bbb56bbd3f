/* traps.c: each exception raised for real, from the kernel and from user mode, and what its frame
 * says: vector, error code, rip, selectors, interrupt flag, saved upcall mask, cr2. */
#include "lib/guest.h"
#include "lib/probe.h"

#define NON_CANONICAL "0x8000000000000000"
#define UNMAPPED      "0x7f0000000000"

PROBE_BOTH(divide, "xor %ecx, %ecx; mov $1, %eax; xor %edx, %edx; div %ecx");
PROBE_BOTH(divide_overflow, "mov $1, %ecx; mov $2, %edx; div %ecx");
PROBE_BOTH(single_step, "pushfq; orl $0x100, (%rsp); popfq; nop; nop");
PROBE_BOTH(icebp, ".byte 0xf1; nop");
PROBE_BOTH(breakpoint, "int3");
PROBE_BOTH(breakpoint_long, ".byte 0xcd, 0x03");
PROBE_BOTH(ud2, "ud2");
PROBE_BOTH(lock_register, ".byte 0xf0, 0x01, 0xc0"); /* lock add %eax, %eax */
PROBE_BOTH(into, ".byte 0xce");
PROBE_BOTH(fpu, "fninit");
PROBE_BOTH(stack_non_canonical,
           "mov %rbp, %rax; movabs $" NON_CANONICAL ", %rbp; mov (%rbp), %rcx; mov %rax, %rbp");
PROBE_BOTH(read_non_canonical, "movabs $" NON_CANONICAL ", %rax; mov (%rax), %rcx");
PROBE_BOTH(jump_non_canonical, "movabs $" NON_CANONICAL ", %rax; jmp *%rax");
PROBE_BOTH(bad_selector, "mov $0x3b, %eax; mov %eax, %ds");
PROBE_BOTH(bad_ldt_selector, "mov $0x27, %eax; mov %eax, %es");
PROBE_BOTH(hypervisor_selector, "mov $0xe008, %eax; mov %eax, %ds");
PROBE_BOTH(system_selector, "mov $0xe043, %eax; mov %eax, %fs");
PROBE_BOTH(read_unmapped, "movabs $" UNMAPPED ", %rax; mov (%rax), %rcx");
PROBE_BOTH(write_unmapped, "movabs $" UNMAPPED " + 0x123, %rax; movb $1, (%rax)");
PROBE_BOTH(fetch_unmapped, "movabs $" UNMAPPED ", %rax; jmp *%rax");
PROBE_BOTH(write_m2p, "movabs $0xffff800000000000, %rax; movb $1, (%rax)");
PROBE_BOTH(read_m2p, "movabs $0xffff800000000000, %rax; mov (%rax), %rcx");
PROBE_BOTH(read_hypervisor, "movabs $0xffff82d040200000, %rax; mov (%rax), %rcx");
PROBE_BOTH(write_hypervisor, "movabs $0xffff82d040200000, %rax; mov %rcx, (%rax)");
PROBE_BOTH(fetch_hypervisor, "movabs $0xffff82d040200000, %rax; jmp *%rax");
PROBE_BOTH(read_hole, "movabs $0xffff87fffffff000, %rax; mov (%rax), %rcx");
PROBE_BOTH(fpu_error, "fninit; fldcw (%rdi); fldz; fld1; fdivp; fwait");
PROBE_BOTH(write_rdi, "movb $1, (%rdi)");
PROBE_BOTH(read_rdi, "mov (%rdi), %eax");
PROBE_BOTH(jump_rdi, "jmp *%rdi");
PROBE_BOTH(alignment,
           "pushfq; orl $0x40000, (%rsp); popfq; lea -64(%rsp), %rax; mov 1(%rax), %ecx");
PROBE_BOTH(long_instruction, ".fill 15, 1, 0x66; nop");
PROBE_BOTH(swapgs, "swapgs");
PROBE_BOTH(int_0x80, "int $0x80; nop");
PROBE_BOTH(registers,
           "mov $0x1111, %eax; mov $0x2222, %ebx; mov $0x3333, %edx; mov $0x4444, %esi;"
           "mov $0x5555, %edi; mov $0x6666, %r8d; mov $0x7777, %r9d; mov $0x8888, %r10d;"
           "mov $0x9999, %r11d; mov $0xaaaa, %r12d; mov $0xbbbb, %r13d; mov $0xcccc, %r14d;"
           "mov $0xdddd, %r15d; mov $0xeeee, %ecx; push %rbp; mov $0xffff, %ebp; ud2");
USER_PROBE(user_syscall, "mov $0x77, %eax; mov $0x12345, %edi; syscall");

static const struct probe faults[] = {
    PROBE_ROW(divide),
    PROBE_ROW(divide_overflow),
    PROBE_ROW(single_step),
    PROBE_ROW(icebp),
    PROBE_ROW(breakpoint),
    PROBE_ROW(ud2),
    PROBE_ROW(lock_register),
    PROBE_ROW(into),
    PROBE_ROW(stack_non_canonical),
    PROBE_ROW(read_non_canonical),
    PROBE_ROW(jump_non_canonical),
    PROBE_ROW(bad_selector),
    PROBE_ROW(bad_ldt_selector),
    PROBE_ROW(hypervisor_selector),
    PROBE_ROW(system_selector),
    PROBE_ROW(read_unmapped),
    PROBE_ROW(write_unmapped),
    PROBE_ROW(fetch_unmapped),
    PROBE_ROW(write_m2p),
    PROBE_ROW(read_m2p),
    PROBE_ROW(read_hole),
    PROBE_ROW(alignment),
    PROBE_ROW(long_instruction),
    PROBE_ROW(swapgs),
};

/* Those that the CPU enters by itself; the other numbers are the affair of softint.c. */
static const struct probe software[] = {
    PROBE_ROW(breakpoint_long),
    PROBE_ROW(int_0x80),
};

/* Whether the hypervisor has something mapped at an address of its own is its secret: both values
 * of the present bit are right. */
static const struct probe secret[] = {
    PROBE_ROW(read_hypervisor),
    PROBE_ROW(write_hypervisor),
    PROBE_ROW(fetch_hypervisor),
};

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
    static const struct probe fpu = PROBE_ROW(fpu);
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
    guest_need(
        pte_write(pt_maddr(user_root(), user_page, 1), pte_make(va_to_mfn(data), PTE_P | PTE_RW)));
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
    probe_run_all(faults, ARRAY_SIZE(faults));
    for (i = 0; i < ARRAY_SIZE(secret); i++) {
        probe_run(&secret[i], ~1UL);
    }
    check_frames();
    check_upcall_mask();
    check_fpu();
    check_fpu_error();
    check_protection();
    check_debug_registers();
    probe_run_all(software, ARRAY_SIZE(software));
}
