/*
 * Physical CPUs come and go while the machine runs. One that goes gives up its vCPUs, device
 * interrupts, timers and work, and halts until it is started again. CPU 0 stays.
 */
#ifndef CORE_PCPU_H
#define CORE_PCPU_H

#include <lodge/compiler.h>
#include "core/arch.h"

enum pcpu_state {
    PCPU_OFF,
    PCPU_STARTING, /* by whoever has set this */
    PCPU_ON,
    PCPU_LEAVING,  /* its vCPUs go; when it has nothing else to do, it goes itself */
    PCPU_PARKING,  /* it hands over what is left and halts */
};

extern uint8_t pcpu_states[NR_CPUS]; /* changed under RANK_CPU_HOTPLUG */

/*
 * Both give -EINVAL for a number that no CPU has; -EEXIST if it is so already; -ERESTART to be
 * called again, soon, until they say something else. A VIRQ_PCPU_STATE follows what they did.
 *
 * pcpu_online: or what arch_cpu_start() said.
 * pcpu_offline: -EINVAL for CPU 0; -EADDRINUSE: a vCPU has SCHEDOP_pin_override in force. What was
 * begun finishes also if nobody asks again.
 */
int pcpu_online(unsigned int cpu) MUST_CHECK;
int pcpu_offline(unsigned int cpu) MUST_CHECK;

/* The idle loop, interrupts off, no softirq pending: is this CPU to go? Then it calls _leave. */
static inline bool pcpu_leaving(void)
{
    return __atomic_load_n(&pcpu_states[arch_cpu_id()], __ATOMIC_RELAXED) == PCPU_LEAVING;
}
void pcpu_leave(void);

#endif
