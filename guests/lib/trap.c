/* trap.c: one door for everything that interrupts us. */
#include "trap.h"
#include "console.h"
#include "event.h"
#include "hypercall.h"
#include "report.h"
#include "vcpu.h"

extern const uint8_t trap_stubs[256][16];
extern const uint8_t event_entry[], failsafe_entry[], syscall_entry[], nmi_entry[];
long recover_call(struct recover *rec, void (*fn)(void *), void *arg);

static trap_hook_fn hooks[VECTOR_NMI_CALLBACK + 1];
static struct trap_info boot_table[257];

void trap_table(struct trap_info table[257])
{
    unsigned int vector;

    memset(table, 0, 257 * sizeof(*table));
    for (vector = 0; vector < 256; vector++) {
        table[vector].vector = vector;
        table[vector].cs = FLAT_KERNEL_CS;
        table[vector].address = (unsigned long)trap_stubs[vector];
        /* Events stay away until we have looked at the trap. */
        TI_SET_IF(&table[vector], 1);
        /* As an operating system would: programs may breakpoint, check overflow, and call 0x80. */
        if (vector == VECTOR_BP || vector == VECTOR_OF || vector == 0x80) {
            TI_SET_DPL(&table[vector], 3);
        }
    }
}

static void callback_set(unsigned int type, const void *address)
{
    struct callback_register arg = {
        .type = type,
        .flags = CALLBACKF_mask_events,
        .address = (unsigned long)address,
    };

    guest_need(xen_callback_op(CALLBACKOP_register, &arg));
}

void trap_init(void)
{
    trap_table(boot_table);
    guest_need(xen_set_trap_table(boot_table));
    callback_set(CALLBACKTYPE_event, event_entry);
    callback_set(CALLBACKTYPE_failsafe, failsafe_entry);
    callback_set(CALLBACKTYPE_syscall, syscall_entry);
    callback_set(CALLBACKTYPE_nmi, nmi_entry);
}

void trap_hook(unsigned int vector, trap_hook_fn hook)
{
    hooks[vector] = hook;
}

int trap_try(void (*fn)(void *), void *arg, struct trap_report *report)
{
    struct vcpu *vcpu = vcpu_this();
    struct recover *outer = vcpu->recover;
    struct recover recover = {
        .report = report,
        .upcall_mask = vcpu->info->evtchn_upcall_mask,
    };

    memset(report, 0, sizeof(*report));
    report->vector = VECTOR_NONE;
    vcpu->recover = &recover;
    (void)recover_call(&recover, fn, arg);
    vcpu->recover = outer;
    return report->vector;
}

static const char *relative(char to[24], uint64_t address, uint64_t base)
{
    uint64_t offset = address - base;

    return format_to(to, 24, offset < 65536 ? "+%lu" : "%lx", offset < 65536 ? offset : address);
}

void trap_result(const struct trap_report *report, const void *base, const char *name, ...)
{
    const struct trap_regs *regs = &report->regs;
    char text[96], rip[24], cr2[24];
    va_list args;

    va_start(args, name);
    format_text(text, sizeof(text), name, args);
    va_end(args);
    if (report->vector == VECTOR_NONE) {
        result_text("%s no trap", text);
        return;
    }
    relative(rip, regs->rip, (unsigned long)base);
    if (report->vector == VECTOR_PF) {
        relative(cr2, report->cr2, (unsigned long)base);
    }
    result_text("%s vector %d error %lx rip %s cs %x ss %lx if %u mask %u%s%s", text,
                report->vector, regs->error, rip, regs->cs, regs->ss,
                (unsigned int)(regs->rflags >> 9 & 1), regs->saved_upcall_mask,
                report->vector == VECTOR_PF ? " cr2 " : "", report->vector == VECTOR_PF ? cr2 : "");
}

static void fatal(const struct trap_regs *regs)
{
    print("trap %lu error %lx from %s: rip %lx cs %x rflags %lx rsp %lx ss %lx cr2 %lx\n",
          regs->vector, regs->error, trap_from_user(regs) ? "user" : "kernel", regs->rip, regs->cs,
          regs->rflags, regs->rsp, regs->ss, vcpu_this()->info->arch.cr2);
    guest_fail("a trap that nobody expected");
}

/* Called from entry.S with what it saved; returning resumes what regs says by then. */
void trap_dispatch(struct trap_regs *regs)
{
    struct vcpu *vcpu = vcpu_this();
    struct recover *recover = vcpu->recover;

    if (regs->vector < ARRAY_SIZE(hooks) && hooks[regs->vector] && hooks[regs->vector](regs)) {
        return;
    }
    if (regs->vector == VECTOR_EVENT) {
        event_upcall();
        return;
    }
    if (!recover) {
        fatal(regs);
    }
    recover->report->vector = regs->vector;
    recover->report->regs = *regs;
    recover->report->cr2 = vcpu->info->arch.cr2;
    recover->report->upcall_mask = vcpu->info->evtchn_upcall_mask;
    vcpu->recover = NULL;

    regs->rip = recover->rip;
    regs->rsp = recover->rsp;
    regs->rbx = recover->rbx;
    regs->rbp = recover->rbp;
    regs->r12 = recover->r12;
    regs->r13 = recover->r13;
    regs->r14 = recover->r14;
    regs->r15 = recover->r15;
    regs->rax = 1;
    /* RPL 0 is how the iret hypercall knows that it returns into the kernel. The interrupt flag
     * in the frame is what the upcall mask becomes. */
    regs->cs = FLAT_KERNEL_CS & ~3;
    regs->ss = FLAT_KERNEL_SS;
    regs->rflags = recover->upcall_mask ? 0x2 : 0x202;
}
