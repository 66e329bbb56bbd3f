/* The watchdog: watchdog=, watchdog_timeout=. A CPU that is stuck is named, with where it is. */
#ifndef X86_PLATFORM_WATCHDOG_H
#define X86_PLATFORM_WATCHDOG_H

#include <lodge/types.h>

struct cpu_user_regs;

void watchdog_start(void);                 /* boot CPU, when nothing takes long any more */
void watchdog_expect_cpu(unsigned int cpu); /* it is about to come: give it time */
void watchdog_start_cpu(unsigned int cpu); /* it has come; interrupts on */
void watchdog_stop_cpu(void);              /* this one goes */
/* On every NMI: was it ours? Does not return on a CPU that is stuck. */
bool watchdog_nmi(const struct cpu_user_regs *regs);

#endif
