/* Softirqs: one word of pending bits per CPU. Deferred work rides on one of them. */
#include "core/softirq.h"
#include "core/lock.h"
#include "core/log.h"

DEFINE_DECLARED_PER_CPU(softirq_bits);

static void (*handlers[NR_SOFTIRQS])(void) READ_MOSTLY;

/*
 * Work is rare (nothing per packet, nothing per fault), so one lock for all queues costs nothing
 * and lets a piece of work change its CPU without a protocol.
 */
static struct spinlock work_lock = SPINLOCK_INIT(RANK_WORK);
static DEFINE_PER_CPU(struct list, work_queues);
static DEFINE_PER_CPU(const struct work *, work_running); /* only its CPU looks */

void softirq_register(enum softirq nr, void (*fn)(void))
{
    assert(nr < NR_SOFTIRQS && !handlers[nr]);
    handlers[nr] = fn;
}

void softirq_raise(enum softirq nr)
{
    /* Atomic: an interrupt here, or another CPU, may raise one in between. */
    __atomic_fetch_or(&this_cpu(softirq_bits), 1U << nr, __ATOMIC_RELEASE);
}

void softirq_raise_cpu(unsigned int cpu, enum softirq nr)
{
    uint32_t bit = 1U << nr;

    /* Whoever sets the bit pokes; release pairs with the acquire in softirq_process(). */
    if (!(__atomic_fetch_or(&per_cpu(softirq_bits, cpu), bit, __ATOMIC_ACQ_REL) & bit) &&
        cpu != arch_cpu_id()) {
        arch_cpu_poke(cpu);
    }
}

void softirq_process(void)
{
    uint32_t sched = 1U << SOFTIRQ_SCHED;

    for (;;) {
        uint32_t pending = __atomic_load_n(&this_cpu(softirq_bits), __ATOMIC_ACQUIRE);
        unsigned int nr;

        if (!pending) {
            return;
        }
        /* The scheduler last: it may take this CPU to another vCPU's path and not come back. */
        nr = (unsigned int)__builtin_ctz(pending & ~sched ? pending & ~sched : pending);
        __atomic_fetch_and(&this_cpu(softirq_bits), ~(1U << nr), __ATOMIC_ACQ_REL);
        if (handlers[nr]) {
            handlers[nr]();
        }
    }
}

/* work_lock held. */
static void work_enqueue(struct work *w)
{
    list_push_back(&per_cpu(work_queues, w->cpu), &w->link);
    softirq_raise_cpu(w->cpu, SOFTIRQ_WORK);
}

/*
 * What is in the queue now; what is queued meanwhile raises the softirq anew, so that others get
 * their turn.
 */
static void work_run(void)
{
    struct list *queue = &this_cpu(work_queues);
    unsigned long flags = spin_lock_irqsave(&work_lock);
    struct work *w;

    if (!list_empty(queue)) {
        w = list_first(queue, struct work, link);
        list_remove(&w->link);
        w->scheduled = false;
        w->running = true;
        this_cpu(work_running) = w;
        spin_unlock_irqrestore(&work_lock, flags);
        w->fn(w->data);
        flags = spin_lock_irqsave(&work_lock);
        if (this_cpu(work_running) == w) { /* otherwise it has killed itself, and may be gone */
            this_cpu(work_running) = NULL;
            w->running = false;
            if (w->scheduled) {
                work_enqueue(w);
            }
        }
    }
    if (!list_empty(queue)) {
        softirq_raise(SOFTIRQ_WORK);
    }
    spin_unlock_irqrestore(&work_lock, flags);
}

void work_init(struct work *w, void (*fn)(void *data), void *data)
{
    *w = (struct work){ .fn = fn, .data = data };
    list_init(&w->link);
}

void work_schedule(struct work *w)
{
    work_schedule_cpu(w, arch_cpu_id());
}

void work_schedule_cpu(struct work *w, unsigned int cpu)
{
    unsigned long flags = spin_lock_irqsave(&work_lock);

    if (!w->dead && !w->scheduled) {
        w->scheduled = true;
        w->cpu = cpu;
        if (!w->running) {
            work_enqueue(w);
        }
    }
    spin_unlock_irqrestore(&work_lock, flags);
}

void work_kill(struct work *w)
{
    unsigned long flags = spin_lock_irqsave(&work_lock);

    w->dead = true;
    w->scheduled = false;
    list_remove(&w->link);
    if (this_cpu(work_running) == w) {
        this_cpu(work_running) = NULL;
        w->running = false;
    }
    while (w->running) {
        spin_unlock_irqrestore(&work_lock, flags);
        arch_cpu_relax();
        flags = spin_lock_irqsave(&work_lock);
    }
    spin_unlock_irqrestore(&work_lock, flags);
}

void work_cpu_migrate_all(unsigned int from)
{
    struct list *queue = &per_cpu(work_queues, from);
    unsigned long flags = spin_lock_irqsave(&work_lock);

    while (!list_empty(queue)) {
        struct work *w = list_first(queue, struct work, link);

        list_remove(&w->link);
        w->cpu = arch_cpu_id();
        work_enqueue(w);
    }
    spin_unlock_irqrestore(&work_lock, flags);
}

void softirq_init(void)
{
    for (unsigned int cpu = 0; cpu < NR_CPUS; cpu++) {
        list_init(&per_cpu(work_queues, cpu));
    }
    softirq_register(SOFTIRQ_WORK, work_run);
}
