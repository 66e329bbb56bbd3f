/* What the files of pv/ share. */
#ifndef X86_PV_PV_H
#define X86_PV_PV_H

#include "core/domain.h"

/* Page-fault error code: AMD64 APM vol. 2, "#PF—Page-Fault Exception". */
#define PFEC_PRESENT  0x01U
#define PFEC_WRITE    0x02U
#define PFEC_USER     0x04U
#define PFEC_RESERVED 0x08U
#define PFEC_FETCH    0x10U

static inline bool address_canonical(uint64_t va)
{
    return (uint64_t)((int64_t)va >> 47) + 1 <= 1;
}

/* entry.S calls these. */
void pv_syscall_slow(void);
void pv_frame_fault(void);
void pv_return_fault(void);
void pv_compat_syscall(void);
void pv_sysenter(void);

void vcpu_arch_send_nmi(struct vcpu *v);

/* Privileged instructions of a guest kernel (#GP, #UD): true if done, and rip is past the instruction. emul_priv.c */
bool pv_emulate_privileged(struct cpu_user_regs *regs) MUST_CHECK;
/* ud2 "xen" cpuid, in kernel or user mode. true if it was one. */
bool pv_emulate_forced_cpuid(struct cpu_user_regs *regs) MUST_CHECK;
/* `int n` that faulted: true if the instruction at rip is one and was delivered. */
bool pv_emulate_int(struct cpu_user_regs *regs) MUST_CHECK;
/*
 * A guest kernel's write to its own L1 table, mapped read-only at va: true if validated and applied. emul_pt.c
 * To device memory that pte maps: true if made or dropped. emul_mmio.c
 */
bool pv_emulate_pt_write(struct vcpu *v, uint64_t va, struct cpu_user_regs *regs) MUST_CHECK;
bool pv_emulate_device_write(struct vcpu *v, uint64_t va, uint64_t pte, struct cpu_user_regs *regs) MUST_CHECK;
/* CPUID as the domain sees it; regs' eax and ecx in, eax..edx out. cpuid.c */
void pv_cpuid(struct vcpu *v, struct cpu_user_regs *regs);
/* MSRs: false = #GP. msr.c */
bool pv_rdmsr(struct vcpu *v, uint32_t msr, uint64_t *value) MUST_CHECK;
bool pv_wrmsr(struct vcpu *v, uint32_t msr, uint64_t value) MUST_CHECK;

/* On a context switch: CR4 and the MSRs that v's code sees directly. */
void pv_msrs_init_cpu(void); /* on a CPU that has just begun */
void pv_msrs_load(const struct vcpu *v);
/* The guest writes CR4: bits that are not its own are ignored. */
void pv_cr4_set(struct vcpu *v, uint64_t value);
void pv_cr4_choose(struct vcpu *v, uint64_t value); /* the same for one that does not run */

/* LDT pages are mapped on first use: true if `va`, inside the vCPU's window, is mapped now. descriptor.c */
bool pv_ldt_fault(struct vcpu *v, uint64_t offset) MUST_CHECK;
/* The guest's own stack of a vCPU that does not run, or is current, as far as it can be read. show.c */
void vcpu_stack_show(const struct vcpu *v);
/* v does not run. -EINVAL: something in it that no guest may have; -ERESTART: again. */
int pv_vcpu_set_context(struct vcpu *v, const struct vcpu_guest_context *c) MUST_CHECK;
void pv_set_kernel_stack(struct vcpu *v, uint64_t ss, uint64_t sp);

#endif
