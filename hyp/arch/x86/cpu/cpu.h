/* A CPU's own tables: descriptors, task state, control registers. */
#ifndef X86_CPU_CPU_H
#define X86_CPU_CPU_H

#include <lodge/types.h>
#include "core/arch.h"

/*
 * The block of each CPU's stacks: pages for IST 1 to 4, a page that is not there, then the stack
 * proper.
 */
#define IST_DOUBLE_FAULT  1
#define IST_NMI           2
#define IST_MACHINE_CHECK 3
#define IST_DEBUG         4
#define NR_IST            4
#define STACK_GUARD_PAGE  4

/*
 * Reserved part of the GDT (page GDT_RESERVED_PAGE of every vCPU's window): one per CPU, since it
 * names the CPU's TSS.
 */
extern uint64_t cpu_gdt_page_maddr[NR_CPUS];

/*
 * lgdt for a table whose first entry would be at `base`: a vCPU's window. TR need not be loaded
 * again.
 */
void cpu_load_gdt(uint64_t base);
/* The CPU's own: only the reserved page is there. For the time when no guest's window is in use. */
void cpu_load_own_gdt(void);

/*
 * Descriptors and IDT of the boot CPU, from its static memory: from now on a fault is reported. The
 * first thing in C.
 */
void cpu_early_init(void);
/* Memory for another CPU's tables. 0, -ENOMEM. Once a CPU has them they stay. */
int cpu_tables_alloc(unsigned int cpu) MUST_CHECK;
/*
 * On the CPU itself: control registers, MSRs, FPU, system call entry; APs: descriptor tables as
 * well.
 */
void cpu_init(unsigned int cpu);

#endif
