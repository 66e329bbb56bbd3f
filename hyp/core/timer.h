/*
 * Timers: a heap per CPU; fn runs in SOFTIRQ_TIMER on the timer's CPU, interrupts on, no locks
 * held. Never before its time; late by at most TIMER_SLOP_NS, in which one interrupt serves what
 * falls due together, plus what interrupts are off for. The heap is made of links inside the
 * timers, so that setting one needs no memory and cannot fail.
 */
#ifndef CORE_TIMER_H
#define CORE_TIMER_H

#include <lodge/compiler.h>

#define TIMER_SLOP_NS 50000ULL

struct timer {
    uint64_t expires_ns;
    void (*fn)(void *data);
    void *data;
    struct timer *child, *next;  /* pairing heap: first child, next sibling */
    /* previous sibling, or the parent of a first child; itself at the root; NULL: not queued */
    struct timer *prev;
    unsigned int cpu;
    bool dead;
    /* CPUs in fn: two only if it was moved and set again meanwhile. Atomic */
    uint8_t running;
};

void timer_init(struct timer *t, void (*fn)(void *data), void *data, unsigned int cpu);
/* replaces; a time in the past fires at once. A dead timer: nothing */
void timer_set(struct timer *t, uint64_t expires_ns);
/* not queued any more; may still be running elsewhere */
void timer_stop(struct timer *t);
void timer_migrate(struct timer *t, unsigned int cpu);
/* stopped, finished and refused for ever; its own fn may call it, and may free it then */
void timer_kill(struct timer *t);
static inline bool timer_active(const struct timer *t)
{
    return __atomic_load_n(&t->prev, __ATOMIC_RELAXED) != NULL;
}
void timer_module_init(void);                        /* boot CPU; registers the softirq */
void timer_cpu_start(unsigned int cpu);              /* from now on it may have timers */
/*
 * The opposite, for a CPU that has stopped: its timers move to this one, and so does each that
 * names it and is set later.
 */
void timer_cpu_gone(unsigned int cpu);
void timer_dump(void);                               /* debug key 't' */

#endif
