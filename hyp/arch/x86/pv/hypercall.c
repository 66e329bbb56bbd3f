/* What core's hypercall dispatch needs of a PV guest's registers. */
#include "core/hypercall.h"
#include "mm/page.h"
#include "pv/bounce.h"

#define SYSCALL_LENGTH 2

/* Arguments of a hypercall by place: public/arch-x86/xen-x86_64.h. */
void hypercall_arch_continue(struct vcpu *v, unsigned int n, const uint64_t *args)
{
    struct cpu_user_regs *regs = guest_regs();
    uint64_t *const at[] = { &regs->rdi, &regs->rsi, &regs->rdx, &regs->r10, &regs->r8, &regs->r9 };

    (void)v;
    for (unsigned int i = 0; i < n && i < ARRAY_SIZE(at); i++) {
        *at[i] = args[i];
    }
    regs->rip -= SYSCALL_LENGTH;
}
