/* Timers: a pairing heap per CPU, ordered by expiry. */
#include "core/timer.h"
#include "core/cpumap.h"
#include "core/lock.h"
#include "core/log.h"
#include "core/perfc.h"
#include "core/percpu.h"
#include "core/softirq.h"

struct timer_cpu {
    struct spinlock lock;        /* RANK_TIMER */
    struct timer *root;          /* earliest of all */
    const struct timer *running; /* whose fn runs; only this CPU looks */
    bool open;                   /* the CPU is there; under lock */
};

static DEFINE_PER_CPU(struct timer_cpu, timer_cpus);

/* Two heaps become one: the later root becomes the first child of the earlier. */
static struct timer *heap_meld(struct timer *a, struct timer *b)
{
    if (!a || !b) {
        return a ? a : b;
    }
    if (b->expires_ns < a->expires_ns) {
        struct timer *t = a;

        a = b;
        b = t;
    }
    b->prev = a;
    b->next = a->child;
    if (b->next) {
        b->next->prev = b;
    }
    a->child = b;
    a->next = NULL;
    return a;
}

/*
 * Siblings become one heap: meld them in pairs from left to right, then the pairs from right to
 * left.
 */
static struct timer *heap_meld_siblings(struct timer *first)
{
    struct timer *pairs = NULL, *all = NULL;

    while (first) {
        struct timer *second = first->next;
        struct timer *rest = second ? second->next : NULL;
        struct timer *pair = heap_meld(first, second);

        pair->next = pairs;
        pairs = pair;
        first = rest;
    }
    while (pairs) {
        struct timer *rest = pairs->next;

        pairs->next = NULL;
        all = heap_meld(all, pairs);
        pairs = rest;
    }
    return all;
}

static void heap_set_root(struct timer_cpu *tc, struct timer *root)
{
    tc->root = root;
    if (root) {
        root->prev = root;
        root->next = NULL;
    }
}

static void heap_insert(struct timer_cpu *tc, struct timer *t)
{
    t->child = t->next = NULL;
    heap_set_root(tc, heap_meld(tc->root, t));
}

static void heap_remove(struct timer_cpu *tc, struct timer *t)
{
    struct timer *below;

    if (!t->prev) {
        return;
    }
    below = heap_meld_siblings(t->child);
    if (t == tc->root) {
        heap_set_root(tc, below);
    } else {
        if (t->prev->child == t) {
            t->prev->child = t->next;
        } else {
            t->prev->next = t->next;
        }
        if (t->next) {
            t->next->prev = t->prev;
        }
        heap_set_root(tc, heap_meld(tc->root, below));
    }
    t->child = t->next = NULL;
    __atomic_store_n(&t->prev, NULL, __ATOMIC_RELAXED);
}

/* The next in depth-first order, without a stack; NULL after the last. */
static const struct timer *heap_next(const struct timer *t)
{
    if (t->child) {
        return t->child;
    }
    while (!t->next) {
        while (t->prev->child != t) {
            if (t->prev == t) {
                return NULL;
            }
            t = t->prev; /* to the first of these siblings */
        }
        t = t->prev;
    }
    return t->next;
}

/* A timer's CPU may change until its lock is held. */
static struct timer_cpu *timer_lock(struct timer *t, unsigned long *flags)
{
    for (;;) {
        unsigned int cpu = __atomic_load_n(&t->cpu, __ATOMIC_RELAXED);
        struct timer_cpu *tc = &per_cpu(timer_cpus, cpu);

        *flags = spin_lock_irqsave(&tc->lock);
        if (cpu == t->cpu) {
            return tc;
        }
        spin_unlock_irqrestore(&tc->lock, *flags);
    }
}

/* t has become the earliest of its CPU: make sure that it is interrupted in time. Lock held. */
static void timer_announce(const struct timer *t)
{
    if (t->cpu == arch_cpu_id() && t->expires_ns > arch_time_ns()) {
        arch_timer_program(t->expires_ns);
    } else {
        softirq_raise_cpu(t->cpu, SOFTIRQ_TIMER);
    }
}

static void timer_queue(struct timer_cpu *tc, struct timer *t)
{
    heap_insert(tc, t);
    if (tc->root == t) {
        timer_announce(t);
    }
}

static void timers_run(void)
{
    struct timer_cpu *tc = &this_cpu(timer_cpus);
    unsigned long flags = spin_lock_irqsave(&tc->lock);
    uint64_t now = arch_time_ns();

    while (tc->root && tc->root->expires_ns <= now) {
        struct timer *t = tc->root;

        heap_remove(tc, t);
        __atomic_fetch_add(&t->running, 1, __ATOMIC_RELAXED);
        tc->running = t;
        spin_unlock_irqrestore(&tc->lock, flags);
        perfc_incr(timers);
        t->fn(t->data);
        flags = spin_lock_irqsave(&tc->lock);
        if (tc->running == t) { /* otherwise it has killed itself, and may be gone */
            tc->running = NULL;
            /* Pairs with the acquire in timer_kill(), whose caller may free the timer at once. */
            __atomic_fetch_sub(&t->running, 1, __ATOMIC_RELEASE);
        }
        if (!tc->root || tc->root->expires_ns > now) {
            now = arch_time_ns();
        }
    }
    /* Not sooner than a slop from now, so that timers close together share an interrupt. */
    arch_timer_program(tc->root ? MAX(tc->root->expires_ns, now + TIMER_SLOP_NS) : 0);
    spin_unlock_irqrestore(&tc->lock, flags);
}

void timer_init(struct timer *t, void (*fn)(void *data), void *data, unsigned int cpu)
{
    *t = (struct timer){ .fn = fn, .data = data, .cpu = cpu };
}

void timer_set(struct timer *t, uint64_t expires_ns)
{
    unsigned long flags;
    struct timer_cpu *tc = timer_lock(t, &flags);

    while (unlikely(!tc->open)) {
        /* Its CPU has gone, so it is not queued. The last touch under this lock: now it is here. */
        __atomic_store_n(&t->cpu, arch_cpu_id(), __ATOMIC_RELEASE);
        spin_unlock_irqrestore(&tc->lock, flags);
        tc = timer_lock(t, &flags);
    }
    if (!t->dead) {
        heap_remove(tc, t);
        t->expires_ns = expires_ns;
        timer_queue(tc, t);
    }
    spin_unlock_irqrestore(&tc->lock, flags);
}

void timer_stop(struct timer *t)
{
    unsigned long flags;
    struct timer_cpu *tc = timer_lock(t, &flags);

    heap_remove(tc, t); /* the interrupt, if it was for this one, finds nothing due */
    spin_unlock_irqrestore(&tc->lock, flags);
}

/* Two CPUs' locks are taken in the order of their numbers. */
static unsigned long pair_lock(unsigned int a, unsigned int b)
{
    unsigned long flags = spin_lock_irqsave(&per_cpu(timer_cpus, MIN(a, b)).lock);

    spin_lock(&per_cpu(timer_cpus, MAX(a, b)).lock);
    return flags;
}

static void pair_unlock(unsigned int a, unsigned int b, unsigned long flags)
{
    spin_unlock(&per_cpu(timer_cpus, MAX(a, b)).lock);
    spin_unlock_irqrestore(&per_cpu(timer_cpus, MIN(a, b)).lock, flags);
}

/* Both locks held. */
static void move(struct timer *t, unsigned int from, unsigned int to)
{
    bool queued = timer_active(t);

    heap_remove(&per_cpu(timer_cpus, from), t);
    __atomic_store_n(&t->cpu, to, __ATOMIC_RELAXED);
    if (queued) {
        timer_queue(&per_cpu(timer_cpus, to), t);
    }
}

void timer_migrate(struct timer *t, unsigned int cpu)
{
    for (;;) {
        unsigned int from = __atomic_load_n(&t->cpu, __ATOMIC_RELAXED);
        unsigned long flags;
        bool found;

        if (from == cpu) {
            return;
        }
        flags = pair_lock(from, cpu);
        found = t->cpu == from;
        if (found) {
            move(t, from, cpu);
        }
        pair_unlock(from, cpu, flags);
        if (found) {
            return;
        }
    }
}

void timer_kill(struct timer *t)
{
    unsigned long flags;
    struct timer_cpu *tc = timer_lock(t, &flags);

    heap_remove(tc, t);
    t->dead = true;
    spin_unlock_irqrestore(&tc->lock, flags);
    if (this_cpu(timer_cpus).running == t) {
        this_cpu(timer_cpus).running = NULL;
        __atomic_fetch_sub(&t->running, 1, __ATOMIC_RELEASE);
    }
    while (__atomic_load_n(&t->running, __ATOMIC_ACQUIRE)) {
        arch_cpu_relax();
    }
}

void timer_cpu_start(unsigned int cpu)
{
    struct timer_cpu *tc = &per_cpu(timer_cpus, cpu);
    unsigned long flags = spin_lock_irqsave(&tc->lock);

    tc->open = true;
    spin_unlock_irqrestore(&tc->lock, flags);
}

void timer_cpu_gone(unsigned int cpu)
{
    struct timer_cpu *tc = &per_cpu(timer_cpus, cpu);
    unsigned int here = arch_cpu_id();
    bool more = true;

    while (more) { /* one by one: a heap may be large, and interrupts are off */
        unsigned long flags = pair_lock(cpu, here);

        tc->open = false;
        if (tc->root) {
            move(tc->root, cpu, here);
        }
        more = tc->root != NULL;
        pair_unlock(cpu, here, flags);
    }
}

void timer_module_init(void)
{
    for (unsigned int cpu = 0; cpu < NR_CPUS; cpu++) {
        spin_init(&per_cpu(timer_cpus, cpu).lock, RANK_TIMER);
    }
    softirq_register(SOFTIRQ_TIMER, timers_run);
}

void timer_dump(void)
{
    uint64_t now = arch_time_ns();
    unsigned int cpu;

    cpumap_for_each(cpu, &cpus_online) {
        struct timer_cpu *tc = &per_cpu(timer_cpus, cpu);
        unsigned long flags = spin_lock_irqsave(&tc->lock);

        console_printf("CPU %u:\n", cpu);
        for (const struct timer *t = tc->root; t; t = heap_next(t)) {
            console_printf("  in %10lld us: %pS(%p)\n",
                           (long long)(t->expires_ns - now) / (long long)NS_PER_US,
                           (void *)t->fn, t->data);
        }
        spin_unlock_irqrestore(&tc->lock, flags);
    }
}
