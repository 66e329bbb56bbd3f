/* Timers: a heap per CPU; fn runs in SOFTIRQ_TIMER on the timer's CPU, interrupts on, no locks held. */
#ifndef CORE_TIMER_H
#define CORE_TIMER_H

#include <lodge/compiler.h>

struct timer {
    uint64_t expires_ns;
    void (*fn)(void *data);
    void *data;
    unsigned int cpu;
    uint32_t heap_index;  /* 1-based place in the heap, 0 = not queued */
    bool dead, running;
};

void timer_init(struct timer *t, void (*fn)(void *data), void *data, unsigned int cpu);
int timer_set(struct timer *t, uint64_t expires_ns); /* replaces; a time in the past fires at once. 0; -ENOMEM never after timer_reserve */
void timer_stop(struct timer *t);                    /* not queued any more; may still be running elsewhere */
void timer_migrate(struct timer *t, unsigned int cpu);
void timer_kill(struct timer *t);                    /* stopped, finished and refused for ever */
static inline bool timer_active(const struct timer *t) { return t->heap_index != 0; }
int timer_cpu_init(unsigned int cpu) MUST_CHECK;     /* grows the heap as timers are initialised, so timer_set cannot fail */
void timer_cpu_migrate_all(unsigned int from);       /* CPU going offline */
void timer_module_init(void);

#endif
