/*
 * Work that an interrupt or another CPU leaves for a better moment: before returning to a guest, or
 * in the idle loop.
 */
#ifndef CORE_SOFTIRQ_H
#define CORE_SOFTIRQ_H

#include <lodge/list.h>
#include "core/percpu.h"

enum softirq {
    SOFTIRQ_TIMER,
    SOFTIRQ_SCHED,      /* last thing a CPU does with the old vCPU: may not return */
    SOFTIRQ_WORK,
    SOFTIRQ_CONSOLE,    /* debug keys, and dom0's notice of new lines in the ring */
    SOFTIRQ_ARCH,       /* x86: an NMI to pass on */
    SOFTIRQ_TRACE,      /* a trace buffer is half full */
    NR_SOFTIRQS,
};

/* tested by the assembly return path: keep it first and 32-bit */
DECLARE_PER_CPU(uint32_t, softirq_bits);

void softirq_register(enum softirq nr, void (*fn)(void));
void softirq_raise(enum softirq nr);                        /* on this CPU; any context */
void softirq_raise_cpu(unsigned int cpu, enum softirq nr);  /* pokes it; any context */
/* until none is pending; interrupts on. SCHED last */
void softirq_process(void);
static inline bool softirq_pending(void)
{
    return __atomic_load_n(&this_cpu(softirq_bits), __ATOMIC_ACQUIRE) != 0;
}

/* True when a long operation must stop and be continued (something waits for this CPU). Cheap. */
static inline bool preempt_requested(void) { return softirq_pending(); }

/*
 * Deferred work: runs once on the CPU it was scheduled on, interrupts on, no locks held; may
 * reschedule itself. Never on two CPUs at once: scheduled for another CPU while it runs, it starts
 * there after it has finished here.
 */
struct work {
    struct list link;       /* a CPU's queue; under the lock of softirq.c, as is the rest */
    void (*fn)(void *data);
    void *data;
    unsigned int cpu;       /* where it is to run, or runs */
    bool scheduled, running, dead;
};

void work_init(struct work *w, void (*fn)(void *data), void *data);
void work_schedule(struct work *w); /* on this CPU; nothing if it is scheduled already, or dead */
void work_schedule_cpu(struct work *w, unsigned int cpu);
/* waits until it does not run and never will; its own fn may call it, and may free it then */
void work_kill(struct work *w);
void work_cpu_migrate_all(unsigned int from); /* CPU gone offline: its queue moves to this CPU */
void softirq_init(void);        /* boot CPU, before the first work_schedule() */

#endif
