/*
 * Spinlocks: fair (ticket), ranked. Nothing that faults, waits or touches guest memory runs under
 * one. A lock is either always taken with interrupts off (irqsave) or never from an interrupt;
 * debug builds check.
 */
#ifndef CORE_LOCK_H
#define CORE_LOCK_H

#include <lodge/compiler.h>
#include "core/lock_rank.h"

struct spinlock {
    union {
        uint32_t tickets;
        struct {
            uint16_t serving; /* whose turn it is */
            uint16_t next;    /* what the next to come draws */
        };
    };
    uint8_t rank;             /* enum lock_rank */
    /* was taken with irqsave once: interrupts must be off always (debug builds) */
    bool irqsafe;
    /* CPU + 1 of the holder, 0 when free; only the holder's own reading of it means anything */
    uint16_t owner;
};

#define SPINLOCK_INIT(r) { .rank = (r) }

void spin_init(struct spinlock *l, enum lock_rank rank);
void spin_lock(struct spinlock *l);
bool spin_trylock(struct spinlock *l) MUST_CHECK;
void spin_unlock(struct spinlock *l);
unsigned long spin_lock_irqsave(struct spinlock *l) MUST_CHECK; /* returns the flags to restore */
void spin_unlock_irqrestore(struct spinlock *l, unsigned long flags);
void spin_lock_irq(struct spinlock *l); /* interrupts are known to be on */
void spin_unlock_irq(struct spinlock *l);
bool spin_held(const struct spinlock *l); /* by this CPU */

/*
 * For a fatal report: takes the lock by force after a bounded wait, from whoever does not give it
 * back. It is released with spin_unlock(); a holder that was robbed finds its own release without
 * effect.
 */
void spin_lock_forced(struct spinlock *l);
/*
 * No rank, recursion or interrupt check from now on: a report must get through whatever was held.
 */
void spin_checks_off(void);
/*
 * Debug builds: stops unless this CPU holds nothing (it is about to return to a guest or to idle).
 */
void spin_assert_none_held(void);

/*
 * Around the handler of an interrupt. What the interrupted code holds, no interrupt ever takes (it was
 * taken with interrupts on), nor anybody who holds what interrupts take: so the handler's locks need
 * not rank above it.
 */
unsigned int spin_interrupt_enter(void);
void spin_interrupt_leave(unsigned int first);

#define assert_held(l) assert(spin_held(l))

#endif
