/*
 * A CPU made ready for PV guests. GS is the guest's, so SYSCALL finds the CPU's stack by having an entry of its own: a stub
 * of straight code that knows the address.
 */
#include <lodge/string.h>
#include "core/domain.h"
#include "core/log.h"
#include "core/softirq.h"
#include "cpu/features.h"
#include "cpu/insn.h"
#include "cpu/msr.h"
#include "entry.h"
#include "mm/page.h"
#include "pv/bounce.h"
#include "pv/cpuid.h"
#include "pv/pv.h"

#define STUB_SIZE 64
#define SYSCALL_LENGTH 2
#define SEL_NULL_RPL3 3
#define TRAP_UD 6
#define TRAP_GP 13
/* What SYSCALL clears in rflags: interrupts stay off until the stack is ours. */
#define SYSCALL_FLAGS_MASK (RFLAGS_TF | RFLAGS_IF | RFLAGS_DF | RFLAGS_IOPL | RFLAGS_NT | RFLAGS_RF | RFLAGS_VM | RFLAGS_AC)

void syscall_entry(void);
void compat_syscall_entry(void);
void sysenter_entry(void);

static uint8_t stubs[NR_CPUS][2][STUB_SIZE] __attribute__((section(".text.stubs"), aligned(STUB_SIZE)));

static uint8_t *emit(uint8_t *at, uint64_t v, unsigned int bytes)
{
    memcpy(at, &v, bytes);
    return at + bytes;
}

/*
 *   movabs %rax, regs.rax
 *   mov    %rsp, %rax
 *   movabs $regs, %rsp
 *   jmp    target
 */
static void stub_write(uint8_t *stub, struct cpu_info *info, void (*target)(void))
{
    uint8_t *alias = maddr_to_virt(image_to_maddr(stub)); /* text is not writable where it runs */
    uint8_t *at = alias;

    at = emit(at, 0xa348, 2);
    at = emit(at, (uint64_t)&info->regs.rax, 8);
    at = emit(at, 0xe08948, 3);
    at = emit(at, 0xbc48, 2);
    at = emit(at, (uint64_t)&info->regs, 8);
    at = emit(at, 0xe9, 1);
    at = emit(at, (uint64_t)target - ((uint64_t)stub + (uint64_t)(at + 4 - alias)), 4);
    assert(at - alias <= STUB_SIZE);
}

void pv_cpu_init(unsigned int cpu)
{
    struct cpu_info *info = cpu_info();

    pv_cpuid_init();
    pv_msrs_init_cpu();
    info->softirq_bits = &per_cpu(softirq_bits, cpu);
    stub_write(stubs[cpu][0], info, syscall_entry);
    stub_write(stubs[cpu][1], info, compat_syscall_entry);
    wrmsr(MSR_STAR, (uint64_t)SEL_HYP_CODE << 32 | (uint64_t)SEL_GUEST_CODE32 << 48);
    wrmsr(MSR_LSTAR, (uint64_t)stubs[cpu][0]);
    wrmsr(MSR_CSTAR, (uint64_t)stubs[cpu][1]);
    wrmsr(MSR_SYSCALL_MASK, SYSCALL_FLAGS_MASK);
    if (cpu_host.vendor != VENDOR_AMD && cpu_has(SEP)) { /* AMD: not in long mode */
        wrmsr(MSR_SYSENTER_CS, SEL_HYP_CODE);
        wrmsr(MSR_SYSENTER_ESP, (uint64_t)&info->regs.es);
        wrmsr(MSR_SYSENTER_EIP, (uint64_t)sysenter_entry);
    }
}

/*
 * A 32-bit user's fast system call. The kernel that did not register the callback gets what a CPU without the instruction
 * would give: #UD, or #GP for SYSENTER.
 */
void pv_compat_syscall(void)
{
    struct vcpu *v = current;

    if (v->arch.syscall32_callback) {
        pv_inject_callback(v->arch.syscall32_callback, v->arch.callback_flags & CALLBACK_MASKS_SYSCALL32,
                           "32-bit system call");
    } else {
        guest_regs()->rip -= SYSCALL_LENGTH;
        pv_inject_trap(TRAP_UD, 0);
    }
}

void pv_sysenter(void)
{
    struct vcpu *v = current;

    guest_regs()->cs = SEL_NULL_RPL3; /* nobody knows which it was; Xen's kernels see this one */
    if (v->arch.sysenter_callback) {
        pv_inject_callback(v->arch.sysenter_callback, v->arch.callback_flags & CALLBACK_MASKS_SYSENTER, "SYSENTER");
    } else {
        pv_inject_trap(TRAP_GP, 0);
    }
}
