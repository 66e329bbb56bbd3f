/* hostile.c: what a guest may not survive. test=NAME picks one; the hypervisor must report the
 * guest's crash and stay sane itself. Reaching the end of a test means that the hypervisor let it
 * pass. */
#include "lib/guest.h"

#define NOWHERE 0x7f0000000000UL

void iret_hypercall(const struct iret_context *frame);

PROBE(trap_on_bad_stack, "mov %rdi, %rsp; ud2");
PROBE(overflow_stack, "1: push %rax; jmp 1b");
USER_PROBE(user_trap, "ud2");

static void user_trap_on_stack(unsigned long sp)
{
    struct trap_report report;

    user_init();
    (void)xen_stack_switch(FLAT_KERNEL_SS, sp);
    user_run(user_trap, 0, &report);
}

static void unmapped_stack(void)
{
    trap_on_bad_stack((void *)NOWHERE);
}

static void non_canonical_stack(void)
{
    trap_on_bad_stack((void *)(1UL << 63));
}

static void hypervisor_stack(void)
{
    trap_on_bad_stack((void *)HYPERVISOR_VIRT_END);
}

static void m2p_stack(void)
{
    trap_on_bad_stack((void *)(HYPERVISOR_VIRT_START + 4096));
}

static void page_table_stack(void)
{
    trap_on_bad_stack(pt_root() + 256);
}

static void stack_overflow(void)
{
    uint8_t *two = pages_alloc(2);

    guest_need(page_set(two, 0));
    __asm__ volatile("mov %0, %%rsp; jmp overflow_stack" : : "r"(two + 2 * PAGE_SIZE));
}

static void user_stack_in_hypervisor(void)
{
    user_trap_on_stack(HYPERVISOR_VIRT_START + 4096);
}

static void user_stack_non_canonical(void)
{
    user_trap_on_stack(1UL << 63);
}

static void user_stack_unmapped(void)
{
    user_trap_on_stack(NOWHERE);
}

static void no_trap_table(void)
{
    (void)xen_set_trap_table(NULL);
    __asm__ volatile("ud2");
}

static void handler_unmapped(void)
{
    struct trap_info table[3] = {
        { .vector = VECTOR_UD, .cs = FLAT_KERNEL_CS, .address = NOWHERE },
        { .vector = VECTOR_PF, .cs = FLAT_KERNEL_CS, .address = NOWHERE },
    };

    (void)xen_set_trap_table(table);
    __asm__ volatile("ud2");
}

static void upcall_unmapped(void)
{
    struct callback_register arg = { .type = CALLBACKTYPE_event, .address = NOWHERE };
    struct trap_info table[2] = {
        { .vector = VECTOR_PF, .cs = FLAT_KERNEL_CS, .address = NOWHERE },
    };

    (void)xen_set_trap_table(table);
    (void)xen_callback_op(CALLBACKOP_register, &arg);
    vcpu_this()->info->evtchn_upcall_pending = 1;
    upcalls_on();
}

static void upcall_on_bad_stack(void)
{
    struct vcpu_info *info = vcpu_this()->info;

    info->evtchn_upcall_pending = 1;
    info->evtchn_upcall_mask = 0;
    __asm__ volatile("mov %0, %%rsp; mov %1, %%eax; xor %%edi, %%edi; syscall; ud2"
                     :
                     : "r"(NOWHERE), "i"(__HYPERVISOR_xen_version)
                     : "memory");
}

static void iret_frame_unmapped(void)
{
    iret_hypercall((void *)NOWHERE);
}

static void iret_frame_in_hypervisor(void)
{
    iret_hypercall((void *)(HYPERVISOR_VIRT_END - 4096));
}

static void iret_frame_non_canonical(void)
{
    iret_hypercall((void *)(1UL << 63));
}

static void iret_to_user_without_root(void)
{
    struct iret_context frame = {
        .rip = 0x400000, .cs = FLAT_USER_CS, .rflags = 0x202, .rsp = 0x401000, .ss = FLAT_USER_SS
    };

    iret_hypercall(&frame);
}

static void failsafe_unmapped(void)
{
    struct callback_register arg = { .type = CALLBACKTYPE_failsafe, .address = NOWHERE };
    struct iret_context frame = {
        .rip = 1UL << 63, .cs = FLAT_KERNEL_CS & ~3, .rsp = 1UL << 63, .ss = FLAT_KERNEL_SS
    };

    (void)xen_callback_op(CALLBACKOP_register, &arg);
    iret_hypercall(&frame);
}

static void own_code_unmapped(void)
{
    uint8_t *at;

    /* Every page of the image but the one that this runs on goes; then a trap. */
    for (at = image_start; at < user_start; at += PAGE_SIZE) {
        if (((unsigned long)own_code_unmapped ^ (unsigned long)at) >> PAGE_SHIFT) {
            (void)xen_update_va_mapping(at, 0, UVMF_INVLPG);
        }
    }
    __asm__ volatile("ud2");
}

static void shutdown_crash(void)
{
    struct sched_shutdown arg = { .reason = SHUTDOWN_crash };

    (void)xen_sched_op(SCHEDOP_shutdown, &arg);
}

static const struct {
    const char *name;
    void (*run)(void);
} tests[] = {
    { "unmapped-stack", unmapped_stack },
    { "non-canonical-stack", non_canonical_stack },
    { "hypervisor-stack", hypervisor_stack },
    { "m2p-stack", m2p_stack },
    { "page-table-stack", page_table_stack },
    { "stack-overflow", stack_overflow },
    { "user-stack-in-hypervisor", user_stack_in_hypervisor },
    { "user-stack-non-canonical", user_stack_non_canonical },
    { "user-stack-unmapped", user_stack_unmapped },
    { "no-trap-table", no_trap_table },
    { "handler-unmapped", handler_unmapped },
    { "upcall-unmapped", upcall_unmapped },
    { "upcall-on-bad-stack", upcall_on_bad_stack },
    { "iret-frame-unmapped", iret_frame_unmapped },
    { "iret-frame-in-hypervisor", iret_frame_in_hypervisor },
    { "iret-frame-non-canonical", iret_frame_non_canonical },
    { "iret-to-user-without-root", iret_to_user_without_root },
    { "failsafe-unmapped", failsafe_unmapped },
    { "own-code-unmapped", own_code_unmapped },
    { "shutdown-crash", shutdown_crash },
};

void guest_main(void)
{
    unsigned int i;

    for (i = 0; i < ARRAY_SIZE(tests); i++) {
        if (guest_option_is("test", tests[i].name)) {
            print("result hostile %s\n", tests[i].name);
            tests[i].run();
            print("not ok %s: got survived, expected crash\n", tests[i].name);
            return;
        }
    }
    /* Without a name, say which there are. */
    for (i = 0; i < ARRAY_SIZE(tests); i++) {
        result_text("test %s", tests[i].name);
    }
}
