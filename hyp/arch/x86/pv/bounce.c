/*
 * Entering a PV guest's kernel. The frame, from the stack pointer up: rcx r11 [error code] rip cs rflags rsp ss; the byte
 * above cs holds the event mask as it was, and rflags.IF its inverse (public/arch-x86/xen-x86_64.h, struct cpu_user_regs).
 * cs has RPL 0 when the kernel was interrupted and 3 when its user was.
 */
#include "pv/bounce.h"
#include "core/domain.h"
#include "core/hypercall.h"
#include "core/log.h"
#include "cpu/dump.h"
#include "cpu/insn.h"
#include "cpu/msr.h"
#include "entry.h"
#include "pv/guest_access.h"
#include "pv/pv.h"
#include "pv/trace.h"

#define TRAP_NMI 2
#define TRAP_PF  14
#define UPCALL_MASK_SHIFT 32 /* saved_upcall_mask's place in the cs word */

void pv_toggle_mode(struct vcpu *v)
{
    v->arch.kernel_mode = !v->arch.kernel_mode;
    __asm__ volatile("swapgs");
    write_cr3(v->arch.kernel_mode ? v->arch.cr3_kernel : v->arch.cr3_user);
}

/* Words above rip that differ between the kinds of frame; extra[0] is pushed first. */
static void bounce(struct vcpu *v, uint64_t rip, bool mask_events, unsigned int nr_extra, const uint64_t *extra,
                   const char *what)
{
    struct cpu_user_regs *regs = guest_regs();
    uint64_t mask = v->info->evtchn_upcall_mask;
    uint64_t cs = regs->cs, rsp = regs->rsp, sp, at;
    uint64_t rflags = (regs->rflags & ~RFLAGS_IF) | (mask ? 0 : RFLAGS_IF);
    bool ok;

    if (unlikely(!rip)) {
        domain_crash(v->domain, "vCPU %u: %s, and the guest has no handler for it", v->id, what);
        return;
    }
    if (v->arch.kernel_mode) {
        cs &= ~3ULL;
        sp = rsp & ~15ULL;
    } else {
        pv_toggle_mode(v);
        sp = v->arch.kernel_sp;
    }
    at = sp - 8 * (7 + nr_extra);
    if (unlikely(!guest_address_ok(at) || !guest_address_ok(sp - 8))) {
        goto bad_stack;
    }
    ok = guest_put_u64(sp - 8, regs->ss) && guest_put_u64(sp - 16, rsp) && guest_put_u64(sp - 24, rflags) &&
         guest_put_u64(sp - 32, cs | mask << UPCALL_MASK_SHIFT) && guest_put_u64(sp - 40, regs->rip);
    sp -= 40;
    for (unsigned int i = 0; ok && i < nr_extra; i++) {
        sp -= 8;
        ok = guest_put_u64(sp, extra[i]);
    }
    if (unlikely(!ok || !guest_put_u64(sp - 8, regs->r11) || !guest_put_u64(sp - 16, regs->rcx))) {
        goto bad_stack;
    }
    if (mask_events) {
        v->info->evtchn_upcall_mask = 1;
    }
    regs->rip = rip;
    regs->cs = SEL_GUEST_CODE64;
    regs->ss = SEL_GUEST_DATA;
    regs->rsp = at;
    regs->rflags &= ~(RFLAGS_TF | RFLAGS_NT | RFLAGS_RF | RFLAGS_VM | RFLAGS_AC);
    regs->entry_vector = ENTRY_SYSCALL; /* the handler finds rcx and r11 in its frame: SYSRET may spoil them */
    return;

bad_stack:
    domain_crash(v->domain, "vCPU %u: %s, and its kernel stack at %016lx cannot take the frame", v->id, what,
                 (unsigned long)at);
}

static bool has_error_code(unsigned int vector)
{
    return vector == 8 || (vector >= 10 && vector <= 14) || vector == 17;
}

void pv_inject_trap(unsigned int vector, uint32_t error_code)
{
    struct vcpu *v = current;
    const struct trap_info *ti = &v->arch.traps[vector];
    uint64_t extra = error_code;

    TRACE_PV(trap, vector, has_error_code(vector), error_code);
    bounce(v, ti->address, TI_GET_IF(ti), has_error_code(vector), &extra, trap_name(vector));
}

static ALWAYS_INLINE void inject_page_fault(uint64_t address, uint32_t error_code)
{
    struct vcpu *v = current;
    const struct trap_info *ti = &v->arch.traps[TRAP_PF];
    /* To the CPU the guest's kernel is a user too. */
    uint64_t extra = v->arch.kernel_mode ? error_code & ~PFEC_USER : error_code | PFEC_USER;

    v->arch.cr2_fault = address;
    v->info->arch.cr2 = address;
    bounce(v, ti->address, TI_GET_IF(ti), 1, &extra, "page fault");
}

static __attribute__((noinline, cold)) void inject_page_fault_traced(uint64_t address, uint32_t error_code)
{
    trace_pv_page_fault(address, error_code);
    inject_page_fault(address, error_code);
}

/* The commonest by far: a record must not cost the others a register. */
void pv_inject_page_fault(uint64_t address, uint32_t error_code)
{
    if (unlikely(trace_on)) {
        inject_page_fault_traced(address, error_code);
    } else {
        inject_page_fault(address, error_code);
    }
}

void pv_inject_software(unsigned int vector)
{
    struct vcpu *v = current;
    const struct trap_info *ti = &v->arch.traps[vector];

    TRACE_PV(trap, vector, false, 0);
    bounce(v, ti->address, TI_GET_IF(ti), 0, NULL, trap_name(vector));
}

void pv_inject_callback(uint64_t rip, bool mask_events, const char *what)
{
    bounce(current, rip, mask_events, 0, NULL, what);
}

/* The frame holds the selectors, so that the kernel can tell which of them the CPU refused. */
void pv_inject_failsafe(void)
{
    struct vcpu *v = current;
    struct cpu_user_regs *regs = guest_regs();
    uint64_t selectors[4] = { regs->gs, regs->fs, regs->es, regs->ds };

    bounce(v, v->arch.failsafe_callback, v->arch.callback_flags & CALLBACK_MASKS_FAILSAFE, 4, selectors,
           "a bad selector or return address");
}

void pv_deliver_pending(struct vcpu *v)
{
    if (__atomic_load_n(&v->arch.nmi_state, __ATOMIC_ACQUIRE) & NMI_PENDING) {
        __atomic_store_n(&v->arch.nmi_state, NMI_IN_SERVICE, __ATOMIC_RELEASE);
        if (v->arch.traps[TRAP_NMI].address) {
            pv_inject_trap(TRAP_NMI, 0);
        } else {
            __atomic_store_n(&v->arch.nmi_state, 0, __ATOMIC_RELEASE); /* nobody asked for it */
        }
        return;
    }
    perfc_vcpu_incr(v, upcalls);
    bounce(v, v->arch.event_callback, true, 0, NULL, "event");
}

void vcpu_arch_send_nmi(struct vcpu *v)
{
    uint8_t old = __atomic_load_n(&v->arch.nmi_state, __ATOMIC_RELAXED), new;

    do {
        new = old | (old & NMI_IN_SERVICE ? NMI_LATER : NMI_PENDING);
    } while (!__atomic_compare_exchange_n(&v->arch.nmi_state, &old, new, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
    vcpu_unblock(v);
    vcpu_arch_kick(v);
}

static void nmi_done(struct vcpu *v)
{
    uint8_t old = __atomic_load_n(&v->arch.nmi_state, __ATOMIC_RELAXED), new;

    do {
        new = old & NMI_LATER ? NMI_PENDING : old & NMI_PENDING;
    } while (!__atomic_compare_exchange_n(&v->arch.nmi_state, &old, new, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
}

/* A system call from user mode that entry.S does not take itself. */
void pv_syscall_slow(void)
{
    struct vcpu *v = current;

    perfc_vcpu_incr(v, syscalls);
    bounce(v, v->arch.syscall_callback, v->arch.callback_flags & CALLBACK_MASKS_SYSCALL, 0, NULL, "system call");
}

void pv_frame_fault(void)
{
    domain_crash(current->domain, "vCPU %u: %s of its user, and its kernel stack at %016lx cannot take the frame",
                 current->id, guest_regs()->entry_vector == ENTRY_SYSCALL ? "system call" : "page fault",
                 (unsigned long)current->arch.kernel_sp);
}

void pv_return_fault(void)
{
    /* The mode is already that of the frame: as if the instruction there had faulted. */
    pv_inject_trap(cpu_info()->fault_vector, cpu_info()->fault_error);
}

/* public/arch-x86/xen-x86_64.h, struct iret_context: the general form of entry.S's hypercall_iret_fast. */
long hypercall_iret(uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5)
{
    struct cpu_user_regs *regs = guest_regs();
    struct vcpu *v = current;
    struct iret_context frame;

    (void)a1, (void)a2, (void)a3, (void)a4, (void)a5;
    if (guest_copy_from(&frame, regs->rsp, sizeof(frame))) {
        domain_crash(v->domain, "vCPU %u: iret, and its frame at %016lx cannot be read", v->id,
                     (unsigned long)regs->rsp);
        return -ERESTART;
    }
    arch_irq_disable(); /* the mode and what the CPU holds for it change together */
    if ((frame.cs & 3) == 3) {
        if (!v->arch.cr3_user) {
            arch_irq_enable();
            domain_crash(v->domain, "vCPU %u: iret to user mode, and it has no user page table", v->id);
            return -ERESTART;
        }
        pv_toggle_mode(v);
    }
    regs->rip = frame.rip;
    regs->cs = frame.cs | 3;
    regs->rflags = (frame.rflags & ~(RFLAGS_IOPL | RFLAGS_VM)) | RFLAGS_IF | 2;
    regs->rsp = frame.rsp;
    regs->ss = frame.ss | 3;
    regs->rax = frame.rax;
    if (frame.flags & VGCF_in_syscall) {
        regs->cs = SEL_GUEST_CODE64;
        regs->ss = SEL_GUEST_DATA;
    } else {
        regs->entry_vector = 0;
        regs->r11 = frame.r11;
        regs->rcx = frame.rcx;
    }
    if (v->arch.nmi_state) {
        nmi_done(v);
    }
    v->info->evtchn_upcall_mask = !(frame.rflags & RFLAGS_IF);
    return -ERESTART; /* the frame is complete, rax included: entry.S must leave it alone */
}
