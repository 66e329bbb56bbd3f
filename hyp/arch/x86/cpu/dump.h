/* Reports of registers and stacks. */
#ifndef X86_CPU_DUMP_H
#define X86_CPU_DUMP_H

#include <lodge/compiler.h>
#include <xen/xen.h>

void regs_show(const struct cpu_user_regs *regs);

/*
 * An exception that the hypervisor cannot have: reports it, the registers, the stack and what ran,
 * and ends as noreboot asks.
 */
NORETURN void fatal_trap(const struct cpu_user_regs *regs);

/* "page fault" for 14; never NULL */
const char *trap_name(unsigned int vector);

#endif
