/* Doors between assembly and C. */
#ifndef X86_ENTRY_H
#define X86_ENTRY_H

#include <lodge/compiler.h>
#include <xen/xen.h>

/* One stub of 16 bytes for each vector: gate i of every IDT points at entry_stubs + 16 * i. */
extern const char entry_stubs[256][16];

/* C side: exceptions (vectors 0..31) and interrupts (32..255), interrupts off. cpu/traps.c, platform/irq.c */
void traps_init(void); /* once, after softirq_init() */
void trap_handle(struct cpu_user_regs *regs);
void irq_handle(struct cpu_user_regs *regs);

/* Return to the guest in this CPU's cpu_info: softirqs, events, bounce, then iret/sysret. Never returns to its caller. */
NORETURN void guest_return(void);
/* Load `sp` of this CPU's stack top and jump: abandons everything on the stack. */
NORETURN void stack_reset_and_jump(NORETURN void (*fn)(void));

/* STAR, LSTAR, CSTAR, SYSENTER of this CPU, and its entry stub. pv/cpu.c; called once on every CPU after its stack is set */
void pv_cpu_init(unsigned int cpu);

/* Trap frame from the guest (as opposed to a fault inside the hypervisor)? */
static inline bool regs_from_guest(const struct cpu_user_regs *regs) { return regs->cs & 3; }

#endif
