/*
 * Nothing here may fault or wait for a lock: it runs when something already went wrong, perhaps on
 * the stack of a double fault. Stacks are walked by frame pointers and never left.
 */
#include "cpu/dump.h"
#include "core/arch.h"
#include "core/console.h"
#include "core/domain.h"
#include "core/log.h"
#include "cpu/cpu.h"
#include "cpu/insn.h"
#include "entry.h"
#include "platform/mca.h"

#define MAX_CALLS 32
#define VECTOR_MC 18

const char *trap_name(unsigned int vector)
{
    /* clang-format off */
    static const char *const names[] = {
        "divide error", "debug", "NMI", "breakpoint", "overflow", "bound range",
        "invalid opcode", "device not available", "double fault", "coprocessor overrun",
        "invalid TSS", "segment not present", "stack fault", "general protection", "page fault",
        "reserved", "x87 floating point", "alignment check", "machine check",
        "SIMD floating point", "virtualization", "control protection",
    };
    /* clang-format on */

    return vector < ARRAY_SIZE(names) ? names[vector] : "interrupt";
}

void regs_show(const struct cpu_user_regs *regs)
{
    console_printf("rip %04x:%016lx rsp %04x:%016lx rflags %016lx\n", regs->cs, regs->rip, regs->ss,
                   regs->rsp, regs->rflags);
    console_printf("rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", regs->rax, regs->rbx, regs->rcx,
                   regs->rdx);
    console_printf("rsi %016lx rdi %016lx rbp %016lx r8  %016lx\n", regs->rsi, regs->rdi, regs->rbp,
                   regs->r8);
    console_printf("r9  %016lx r10 %016lx r11 %016lx r12 %016lx\n", regs->r9, regs->r10, regs->r11,
                   regs->r12);
    console_printf("r13 %016lx r14 %016lx r15 %016lx\n", regs->r13, regs->r14, regs->r15);
    console_printf("cr0 %016lx cr2 %016lx cr3 %016lx cr4 %016lx\n", read_cr0(), read_cr2(),
                   read_cr3(), read_cr4());
}

static void show_address(const char *what, uint64_t address)
{
    uint64_t offset;
    const char *name = symbol_name(address, &offset);

    if (name) {
        console_printf("  %s [%016lx] %s+%#lx\n", what, address, name, offset);
    } else {
        console_printf("  %s [%016lx]\n", what, address);
    }
}

/* Two words at `at` lie in this CPU's block, and not in the page that is not there. */
static bool on_stack(uint64_t at)
{
    uint64_t block = (uint64_t)cpu_info() & ~(STACK_SIZE - 1);
    uint64_t end = block + STACK_SIZE - sizeof(struct cpu_info);

    return at % 8 == 0 && at >= block && at + 16 <= end &&
           (at - block) / PAGE_SIZE != STACK_GUARD_PAGE &&
           (at + 15 - block) / PAGE_SIZE != STACK_GUARD_PAGE;
}

static void show_calls(uint64_t frame)
{
    for (unsigned int i = 0; i < MAX_CALLS && on_stack(frame); i++) {
        const uint64_t *words = (const uint64_t *)frame;

        if (!words[1]) {
            break;
        }
        show_address("called by", words[1]);
        if (words[0] <= frame) {
            break; /* callers are further up */
        }
        frame = words[0];
    }
}

void arch_show_stack(const void *regs)
{
    const struct cpu_user_regs *r = regs;

    console_printf("Stack of CPU %u:\n", arch_cpu_id());
    if (!r) {
        show_calls((uint64_t)__builtin_frame_address(0));
        return;
    }
    if (regs_from_guest(r)) {
        console_printf("  in the guest, nothing on the hypervisor's stack\n");
        return;
    }
    show_address("at", r->rip);
    show_calls(r->rbp);
}

NORETURN void fatal_trap(const struct cpu_user_regs *regs)
{
    static bool inside[NR_CPUS];
    const struct vcpu *v = current;

    arch_irq_disable();
    arch_cpus_stop();
    if (inside[arch_cpu_id()]) {
        arch_machine_halt(); /* the report itself faults */
    }
    inside[arch_cpu_id()] = true;
    console_force_sync();
    console_printf("\nFatal trap on CPU %u: vector %u (%s), error code %#x\n", arch_cpu_id(),
                   regs->entry_vector, trap_name(regs->entry_vector), regs->error_code);
    if ((regs->entry_vector & 0xff) == VECTOR_MC) {
        mca_show();
    }
    regs_show(regs);
    if (v && v->domain) {
        console_printf("current: d%uv%u%s\n", v->domain->id, v->id, v->is_idle ? " (idle)" : "");
    }
    arch_show_stack(regs);
    report_end();
}
