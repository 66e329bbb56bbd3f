/* compat.c: 32-bit programs in user mode of a 64-bit guest: their traps and their system calls. */
#include "lib/guest.h"

#define USER32(name, instructions)                                           \
    extern uint8_t name[];                                                   \
    __asm__(".pushsection .user, \"aw\"\n.code32\n" #name ":\n" instructions \
            "\n.code64\n.popsection\n")

USER32(user_undefined, "ud2");
USER32(user_int_0x80, "mov $5, %eax; int $0x80; nop");
USER32(user_breakpoint, "int3");
USER32(user_into, "mov $0x7fffffff, %eax; inc %eax; into; nop");
USER32(user_bound, "sub %eax, %eax; push %eax; push %eax; inc %eax; bound %eax, (%esp)");
USER32(user_read, "mov 0x7f000000, %eax");
USER32(user_high, "mov $0xffffffff, %eax; mov (%eax), %ecx");
USER32(user_syscall, "mov $7, %eax; mov $8, %ebp; syscall; nop");
USER32(user_sysenter, "mov $9, %eax; sysenter; nop");
USER32(user_divide, "xor %ecx, %ecx; div %ecx");
USER32(user_privileged, "cli");
USER32(user_far, "ljmp $0x3b, $0x1234");

void iret_hypercall(const struct iret_context *frame);

static void enter(void *arg)
{
    iret_hypercall(arg);
}

static void try_32(const char *name, const uint8_t *code)
{
    struct iret_context frame = {
        .rip = USER_ADDRESS(code),
        .cs = FLAT_USER_CS32,
        .rflags = 0x202,
        .rsp = user_stack_top(),
        .ss = FLAT_USER_SS32,
    };
    struct trap_report report;

    trap_try(enter, &frame, &report);
    trap_result(&report, (void *)USER_ADDRESS(code), "%s", name);
    result_text("%s eax %lx stack %ld", name, report.regs.rax & 0xff,
                (long)(user_stack_top() - report.regs.rsp));
}

static long callback(uint16_t type, const void *address)
{
    struct callback_register arg = { .type = type, .address = (unsigned long)address };

    return xen_callback_op(CALLBACKOP_register, &arg);
}

void guest_main(void)
{
    extern const uint8_t syscall_entry[], sysenter_entry[];

    user_init();
    try_32("undefined", user_undefined);
    try_32("int-0x80", user_int_0x80);
    try_32("breakpoint", user_breakpoint);
    try_32("into", user_into);
    try_32("bound", user_bound);
    try_32("read-unmapped", user_read);
    try_32("read-top", user_high);
    try_32("divide", user_divide);
    try_32("privileged", user_privileged);
    try_32("far-jump", user_far);
    /* Without a callback of its own kind, and with one. */
    try_32("syscall-unset", user_syscall);
    try_32("sysenter-unset", user_sysenter);
    result(callback(CALLBACKTYPE_syscall32, syscall_entry), "register-syscall32");
    result(callback(CALLBACKTYPE_sysenter, sysenter_entry), "register-sysenter");
    try_32("syscall", user_syscall);
    try_32("sysenter", user_sysenter);
}
