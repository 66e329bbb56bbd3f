/* Offsets that assembly needs: compiled to assembly, never linked. mk/hyp.mk turns the lines into a header. */
#include "core/domain.h"
#include "core/softirq.h"
#include <lodge/errno.h>
#include "pv/bounce.h"

#define OFFSET(name, type, member) __asm__ volatile("\n->" #name " %0" ::"i"(offsetof(type, member)))
#define VALUE(name, v)             __asm__ volatile("\n->" #name " %0" ::"i"(v))

void asm_offsets(void);
void asm_offsets(void)
{
    OFFSET(UREGS_r15, struct cpu_user_regs, r15);
    OFFSET(UREGS_r14, struct cpu_user_regs, r14);
    OFFSET(UREGS_r13, struct cpu_user_regs, r13);
    OFFSET(UREGS_r12, struct cpu_user_regs, r12);
    OFFSET(UREGS_rbp, struct cpu_user_regs, rbp);
    OFFSET(UREGS_rbx, struct cpu_user_regs, rbx);
    OFFSET(UREGS_r11, struct cpu_user_regs, r11);
    OFFSET(UREGS_r10, struct cpu_user_regs, r10);
    OFFSET(UREGS_r9, struct cpu_user_regs, r9);
    OFFSET(UREGS_r8, struct cpu_user_regs, r8);
    OFFSET(UREGS_rax, struct cpu_user_regs, rax);
    OFFSET(UREGS_rcx, struct cpu_user_regs, rcx);
    OFFSET(UREGS_rdx, struct cpu_user_regs, rdx);
    OFFSET(UREGS_rsi, struct cpu_user_regs, rsi);
    OFFSET(UREGS_rdi, struct cpu_user_regs, rdi);
    OFFSET(UREGS_error_code, struct cpu_user_regs, error_code);
    OFFSET(UREGS_entry_vector, struct cpu_user_regs, entry_vector);
    OFFSET(UREGS_rip, struct cpu_user_regs, rip);
    OFFSET(UREGS_cs, struct cpu_user_regs, cs);
    OFFSET(UREGS_rflags, struct cpu_user_regs, rflags);
    OFFSET(UREGS_rsp, struct cpu_user_regs, rsp);
    OFFSET(UREGS_ss, struct cpu_user_regs, ss);
    OFFSET(UREGS_es, struct cpu_user_regs, es);

    OFFSET(CPUINFO_vcpu, struct cpu_info, vcpu);
    OFFSET(CPUINFO_softirq_bits, struct cpu_info, softirq_bits);
    VALUE(CPUINFO_size, sizeof(struct cpu_info));

    OFFSET(VCPU_info, struct vcpu, info);
    OFFSET(VCPU_hypercalls, struct vcpu, perfc[PERFC_hypercalls]);
    OFFSET(VCPU_exceptions, struct vcpu, perfc[PERFC_exceptions]);
    OFFSET(VCPU_syscalls, struct vcpu, perfc[PERFC_syscalls]);
    OFFSET(VCPU_kernel_mode, struct vcpu, arch.kernel_mode);
    OFFSET(VCPU_traced, struct vcpu, arch.traced);
    OFFSET(VCPU_callback_flags, struct vcpu, arch.callback_flags);
    OFFSET(VCPU_nmi_state, struct vcpu, arch.nmi_state);
    OFFSET(VCPU_kernel_sp, struct vcpu, arch.kernel_sp);
    OFFSET(VCPU_traps, struct vcpu, arch.traps);
    OFFSET(VCPU_cr2_fault, struct vcpu, arch.cr2_fault);
    OFFSET(VCPU_syscall_callback, struct vcpu, arch.syscall_callback);
    OFFSET(VCPU_cr3_kernel, struct vcpu, arch.cr3_kernel);
    OFFSET(VCPU_cr3_user, struct vcpu, arch.cr3_user);

    OFFSET(INFO_pending, struct vcpu_info, evtchn_upcall_pending);
    OFFSET(INFO_cr2, struct vcpu_info, arch.cr2);
    VALUE(TRAP_size, sizeof(struct trap_info));
    OFFSET(TRAP_flags, struct trap_info, flags);
    OFFSET(TRAP_address, struct trap_info, address);
    OFFSET(INFO_mask, struct vcpu_info, evtchn_upcall_mask);

    VALUE(NEG_ERESTART, -ERESTART);
    VALUE(NEG_ENOSYS, -ENOSYS);
}
