/* Ticket spinlocks and, in debug builds, the rules of lock_rank.h. */
#include "core/lock.h"
#include "core/log.h"
#include "core/percpu.h"

#define FORCE_AFTER_SPINS (1U << 22) /* some tenths of a second: a healthy holder is long done */

static bool checks_off;

#if LODGE_DEBUG

#define MAX_HELD 16

struct held_locks {
    unsigned int n;
    unsigned int first; /* to be compared with: an interrupt's handler begins anew */
    const struct spinlock *locks[MAX_HELD]; /* in the order they were taken */
};

static DEFINE_PER_CPU(struct held_locks, held_locks);

/* Two of one rank may be held where lock_rank.h states an order between them. */
static bool rank_may_repeat(enum lock_rank rank)
{
    return rank == RANK_NONE || rank == RANK_EVTCHN || rank == RANK_GNTTAB || rank == RANK_SCHED ||
           rank == RANK_TIMER;
}

static void check_before_lock(const struct spinlock *l)
{
    const struct held_locks *held = &this_cpu(held_locks);

    if (__atomic_load_n(&checks_off, __ATOMIC_RELAXED)) {
        return;
    }
    if (spin_held(l)) {
        panic("lock of rank %u is taken twice by CPU %u", l->rank, arch_cpu_id());
    }
    if (l->rank == RANK_NONE) {
        return;
    }
    for (unsigned int i = held->first; i < held->n; i++) {
        unsigned int outer = held->locks[i]->rank;

        if (outer > l->rank || (outer == l->rank && !rank_may_repeat(outer))) {
            panic("lock of rank %u is wanted inside one of rank %u", l->rank, outer);
        }
    }
}

/*
 * A lock that no interrupt takes is held with interrupts on: inside one that interrupts take, it could
 * be waited for by a CPU whose holder waits, in an interrupt, for the outer one.
 */
static void check_interrupts(const struct spinlock *l)
{
    const struct held_locks *held = &this_cpu(held_locks);

    if (__atomic_load_n(&checks_off, __ATOMIC_RELAXED)) {
        return;
    }
    if (l->irqsafe && arch_irq_enabled()) {
        panic("lock of rank %u, used by interrupts, is taken with interrupts on", l->rank);
    }
    for (unsigned int i = held->first; !l->irqsafe && i < held->n; i++) {
        if (held->locks[i]->irqsafe && l->rank != RANK_NONE) {
            panic("lock of rank %u, not for interrupts, is taken inside one of rank %u, which is", l->rank,
                  held->locks[i]->rank);
        }
    }
}

/* The holder alone reads and writes irqsafe. */
static void note_locked(struct spinlock *l, bool irqsave)
{
    struct held_locks *held = &this_cpu(held_locks);

    l->irqsafe |= irqsave;
    check_interrupts(l);

    if (held->n < MAX_HELD) {
        held->locks[held->n] = l;
    }
    held->n++;
}

static void note_unlock(const struct spinlock *l)
{
    struct held_locks *held = &this_cpu(held_locks);
    unsigned int n = MIN(held->n, (unsigned int)MAX_HELD);

    for (unsigned int i = n; i-- > 0;) {
        if (held->locks[i] == l) {
            for (; i + 1 < n; i++) {
                held->locks[i] = held->locks[i + 1];
            }
            break;
        }
    }
    if (held->n) {
        held->n--;
    }
}

unsigned int spin_interrupt_enter(void)
{
    struct held_locks *held = &this_cpu(held_locks);
    unsigned int first = held->first;

    held->first = held->n;
    return first;
}

void spin_interrupt_leave(unsigned int first)
{
    this_cpu(held_locks).first = first;
}

void spin_assert_none_held(void)
{
    const struct held_locks *held = &this_cpu(held_locks);

    if (held->n && !__atomic_load_n(&checks_off, __ATOMIC_RELAXED)) {
        panic("CPU %u still holds a lock of rank %u", arch_cpu_id(), held->locks[0]->rank);
    }
}

#else

unsigned int spin_interrupt_enter(void)
{
    return 0;
}

void spin_interrupt_leave(unsigned int first)
{
    (void)first;
}

static void check_before_lock(const struct spinlock *l)
{
    (void)l;
}

static void note_locked(struct spinlock *l, bool irqsave)
{
    (void)l;
    (void)irqsave;
}

static void note_unlock(const struct spinlock *l)
{
    (void)l;
}

void spin_assert_none_held(void)
{
}

#endif

static void set_owner(struct spinlock *l, unsigned int owner)
{
    __atomic_store_n(&l->owner, owner, __ATOMIC_RELAXED);
}

static void lock(struct spinlock *l, bool irqsave)
{
    uint16_t mine;

    check_before_lock(l);
    mine = __atomic_fetch_add(&l->next, 1, __ATOMIC_RELAXED);
    /* Pairs with the release in spin_unlock(): what the last holder wrote is seen from here on. */
    while (__atomic_load_n(&l->serving, __ATOMIC_ACQUIRE) != mine) {
        arch_cpu_relax();
    }
    set_owner(l, arch_cpu_id() + 1);
    note_locked(l, irqsave);
}

void spin_init(struct spinlock *l, enum lock_rank rank)
{
    *l = (struct spinlock)SPINLOCK_INIT(rank);
}

void spin_lock(struct spinlock *l)
{
    lock(l, false);
}

/*
 * Waits for nobody, so no order can be broken: only recursion is looked at, and that simply fails.
 */
bool spin_trylock(struct spinlock *l)
{
    struct spinlock seen = { .tickets = __atomic_load_n(&l->tickets, __ATOMIC_RELAXED) };
    struct spinlock want = seen;

    if (seen.serving != seen.next) {
        return false;
    }
    want.next++;
    if (!__atomic_compare_exchange_n(&l->tickets, &seen.tickets, want.tickets, false,
                                     __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
        return false;
    }
    set_owner(l, arch_cpu_id() + 1);
    note_locked(l, false);
    return true;
}

void spin_unlock(struct spinlock *l)
{
    uint16_t serving = __atomic_load_n(&l->serving, __ATOMIC_RELAXED);

    note_unlock(l);
    if (!spin_held(l)) {
        if (!__atomic_load_n(&checks_off, __ATOMIC_RELAXED)) {
            panic("lock of rank %u is released by CPU %u, which does not hold it", l->rank,
                  arch_cpu_id());
        }
        return; /* a report took it away */
    }
    set_owner(l, 0);
    __atomic_store_n(&l->serving, serving + 1, __ATOMIC_RELEASE);
}

unsigned long spin_lock_irqsave(struct spinlock *l)
{
    unsigned long flags = arch_irq_save();

    lock(l, true);
    return flags;
}

void spin_unlock_irqrestore(struct spinlock *l, unsigned long flags)
{
    spin_unlock(l);
    arch_irq_restore(flags);
}

void spin_lock_irq(struct spinlock *l)
{
    assert(arch_irq_enabled());
    arch_irq_disable();
    lock(l, true);
}

void spin_unlock_irq(struct spinlock *l)
{
    spin_unlock(l);
    arch_irq_enable();
}

bool spin_held(const struct spinlock *l)
{
    return __atomic_load_n(&l->owner, __ATOMIC_RELAXED) == arch_cpu_id() + 1;
}

void spin_lock_forced(struct spinlock *l)
{
    spin_checks_off();
    for (unsigned int i = 0; i < FORCE_AFTER_SPINS && !spin_held(l); i++) {
        if (spin_trylock(l)) {
            return;
        }
        arch_cpu_relax();
    }
    /*
     * Draw a ticket and serve it at once. Those who waited keep waiting for a turn that has passed.
     */
    __atomic_store_n(&l->serving, __atomic_fetch_add(&l->next, 1, __ATOMIC_RELAXED),
                     __ATOMIC_SEQ_CST);
    set_owner(l, arch_cpu_id() + 1);
    note_locked(l, false);
}

void spin_checks_off(void)
{
    __atomic_store_n(&checks_off, true, __ATOMIC_RELAXED);
}
