/*
 * The scheduler's mechanics: locks, timers, context switches and the moves between CPUs. Who runs
 * next is decided in sched_algo.c; affinity and parameters are in sched_params.c.
 *
 * A vCPU is in one of these states, all under the lock of the queue of vcpu.cpu:
 *   asleep    neither queued nor running; vcpu.cpu is where it ran last
 *   queued    waits (or is parked for its cap) in the queue of vcpu.cpu
 *   running   is that queue's runner
 * and independently on_cpu, from being chosen until the architecture has saved its context: such a
 * vCPU stays with its CPU. detached means asleep between two queues. vcpu_settle() is the only way
 * from asleep to queued.
 */
#include "core/sched.h"

#include <lodge/string.h>
#include "core/guest_timer.h"
#include "core/log.h"
#include "core/sched_private.h"
#include "core/softirq.h"
#include "core/trace.h"

cpumap_t cpus_online, cpus_active;
unsigned int nr_cpus_online;
struct vcpu *idle_vcpu[NR_CPUS];

DEFINE_DECLARED_PER_CPU(sched_cpus);
/*
 * CPUs with nothing to do; atomic. Whoever sends one a vCPU clears its bit, so that the next sender
 * chooses another.
 */
cpumap_t cpus_idle;

static struct sched_queue *queue_of(unsigned int cpu)
{
    return &per_cpu(sched_cpus, cpu).q;
}

static struct vcpu *vcpu_of(struct sched_vcpu *sv)
{
    return container_of(sv, struct vcpu, sched);
}

struct sched_cpu *sched_lock(struct vcpu *v, unsigned long *flags)
{
    for (;;) {
        unsigned int cpu = __atomic_load_n(&v->cpu, __ATOMIC_RELAXED);
        struct sched_cpu *s = &per_cpu(sched_cpus, cpu);

        *flags = spin_lock_irqsave(&s->lock);
        /* Acquire: it may come from a CPU whose lock is another; pairs with send_to(). */
        if (likely(cpu == __atomic_load_n(&v->cpu, __ATOMIC_ACQUIRE))) {
            return s;
        }
        spin_unlock_irqrestore(&s->lock, *flags);
    }
}

static bool may_run_on(const struct vcpu *v, unsigned int cpu)
{
    return cpumap_test(&v->sched.hard, cpu) && cpumap_test(&cpus_active, cpu);
}

void sched_ask(unsigned int cpu)
{
    if (cpu == arch_cpu_id()) {
        softirq_raise(SOFTIRQ_SCHED);
    } else {
        softirq_raise_cpu(cpu, SOFTIRQ_SCHED);
    }
}

/* An idle CPU gets something to do. */
static void cpu_taken(unsigned int cpu)
{
    if (cpumap_test(&cpus_idle, cpu)) {
        cpumap_clear_atomic(&cpus_idle, cpu);
    }
}

/* Takes a vCPU that is asleep away from its queue. The caller unlocks and settles it. */
static void send_to(struct sched_cpu *from, struct vcpu *v, unsigned int to, enum sched_move why)
{
    perfc_incr(sched_migrated);
    cpu_taken(to);
    if (!v->sched.detached) {
        sched_vcpu_detach(&from->q, &v->sched, why);
    }
    /* The last touch: from here on it is under the other's lock. */
    __atomic_store_n(&v->cpu, to, __ATOMIC_RELEASE);
}

/*
 * Queues a vCPU that is asleep and runnable, where it is best placed; does nothing in any other
 * state. May be called by several at once, in any context that may take a queue's lock.
 */
static void vcpu_settle(struct vcpu *v, bool woken)
{
    struct sched_vcpu *sv = &v->sched;

    for (;;) {
        unsigned long flags;
        struct sched_cpu *s = sched_lock(v, &flags);
        unsigned int cpu = s->q.cpu;
        unsigned int to = cpu;
        uint64_t now_ns;
        bool ask;

        if (sv->queued || sv->running || !vcpu_runnable(v)) {
            sched_unlock(s, flags);
            return;
        }
        now_ns = arch_time_ns();
        vcpu_runstate_change(v, RUNSTATE_runnable, now_ns);
        if (sv->on_cpu) {
            if (!may_run_on(v, cpu)) {
                sched_unlock(s, flags); /* sched_context_saved() settles it */
                return;
            }
        } else if (!sv->detached || !may_run_on(v, cpu)) {
            to = sched_vcpu_place(sv, cpu, &cpus_active, &cpus_idle);
        }
        if (to != cpu) {
            send_to(s, v, to,
                    !may_run_on(v, cpu) ? SCHED_MOVE_FORCED
                    : woken             ? SCHED_MOVE_WAKE
                                        : SCHED_MOVE_BALANCE);
            sched_unlock(s, flags);
            continue;
        }
        cpu_taken(cpu);
        sched_queue_account(&s->q, now_ns);
        if (sv->detached) {
            sched_vcpu_attach(&s->q, sv);
        }
        ask = sched_queue_add(&s->q, sv, woken);
        sched_unlock(s, flags);
        if (ask) {
            sched_ask(cpu);
        }
        return;
    }
}

/* An idle CPU looks for work that waits elsewhere. Interrupts off, no lock held. */
static bool steal(unsigned int thief)
{
    unsigned int cpu;

    cpumap_for_each(cpu, &cpus_active) {
        struct sched_cpu *s = &per_cpu(sched_cpus, cpu);
        struct sched_vcpu *sv;

        if (cpu == thief || !__atomic_load_n(&s->q.hint.nr_waiting, __ATOMIC_RELAXED)) {
            continue;
        }
        spin_lock(&s->lock);
        sv = sched_queue_steal(&s->q, thief);
        if (sv) {
            sched_queue_remove(&s->q, sv);
            send_to(s, vcpu_of(sv), thief, SCHED_MOVE_BALANCE);
        }
        spin_unlock(&s->lock);
        if (sv) {
            vcpu_settle(vcpu_of(sv), false);
            return true;
        }
    }
    return false;
}

/*
 * A CPU with somebody waiting offers the poorest to a CPU that is idle or whose runner is richer;
 * and lifts those queues that fell far behind, so that what a guest did not use long ago does not
 * give it a CPU for itself now.
 */
static void balance(struct sched_cpu *s)
{
    unsigned long flags;
    struct sched_vcpu *sv;
    unsigned int to, cpu;
    uint64_t time, now_ns;
    bool to_idle;

    do {
        flags = spin_lock_irqsave(&s->lock);
        now_ns = arch_time_ns();
        sv = sched_queue_offer(&s->q, queue_of, &cpus_active, &cpus_idle, now_ns, &to);
        to_idle = sv && cpumap_test(&cpus_idle, to);
        if (sv) {
            sched_queue_remove(&s->q, sv);
            send_to(s, vcpu_of(sv), to, SCHED_MOVE_BALANCE);
        }
        time = sched_queue_time(&s->q);
        sched_unlock(s, flags);
        if (sv) {
            vcpu_settle(vcpu_of(sv), false);
        }
    } while (to_idle); /* there may be more of both */
    if (sv) {
        return;
    }
    cpumap_for_each(cpu, &cpus_active) {
        struct sched_cpu *other = &per_cpu(sched_cpus, cpu);

        if (other != s && sched_queue_lags(&other->q, now_ns, time)) {
            flags = spin_lock_irqsave(&other->lock);
            sched_queue_account(&other->q, now_ns);
            sched_queue_catch_up(&other->q, time);
            sched_unlock(other, flags);
        }
    }
}

static bool vcpu_is_blocked(const struct vcpu *v)
{
    return __atomic_load_n(&v->pause_flags, __ATOMIC_RELAXED) & 1U << VCPU_BLOCKED;
}

/* What is the vCPU whose turn is over? Lock held. */
static int runstate_off_cpu(const struct vcpu *v)
{
    if (vcpu_runnable(v)) {
        return RUNSTATE_runnable;
    }
    return vcpu_is_blocked(v) ? RUNSTATE_blocked : RUNSTATE_offline;
}

/* Who runs next on this CPU; lock held, released for a moment when there is nobody here. */
static struct vcpu *next_vcpu(struct sched_cpu *s, const struct vcpu *prev, uint64_t *now_ns,
                              uint64_t *until_ns)
{
    unsigned int cpu = s->q.cpu;
    bool ready = !prev->is_idle && vcpu_runnable(prev) && may_run_on(prev, cpu);
    struct sched_vcpu *sv;

    *now_ns = arch_time_ns();
    sched_queue_account(&s->q, *now_ns);
    sv = sched_queue_pick(&s->q, ready, *now_ns, until_ns);
    if (!sv && cpumap_test(&cpus_active, cpu)) {
        /* First say so, then look: whoever queues a vCPU elsewhere from now on sees this CPU. */
        cpumap_set_atomic(&cpus_idle, cpu);
        spin_unlock(&s->lock);
        (void)steal(cpu);
        spin_lock(&s->lock);
        if (s->q.nr_waiting) {
            *now_ns = arch_time_ns();
            sched_queue_account(&s->q, *now_ns);
            sv = sched_queue_pick(&s->q, false, *now_ns, until_ns);
        }
    }
    if (sv) {
        cpu_taken(cpu);
    }
    return sv ? vcpu_of(sv) : idle_vcpu[cpu];
}

/* Before the runstates change, for what they say of the time until now. */
static void trace_switch(const struct vcpu *prev, const struct vcpu *next, uint64_t now_ns,
                         uint64_t until_ns)
{
    uint32_t ran_ns = (uint32_t)(now_ns - prev->runstate.state_entry_time);
    uint32_t slice_ns = until_ns ? (uint32_t)(until_ns - now_ns) : ~0U;
    bool waited = next->runstate.state == RUNSTATE_runnable;

    if (prev == next) {
        TRACE(TRC_SCHED_SWITCH_INFCONT, next->domain->id, next->id, ran_ns, slice_ns);
        TRACE(TRC_SCHED_CONTINUE_RUNNING, TRACE_U16(next->id, next->domain->id));
        return;
    }
    TRACE(TRC_SCHED_SWITCH_INFPREV, prev->domain->id, prev->id, ran_ns);
    TRACE(TRC_SCHED_SWITCH_INFNEXT, next->domain->id, next->id,
          waited ? (uint32_t)(now_ns - next->runstate.state_entry_time) : 0, slice_ns);
    TRACE(TRC_SCHED_SWITCH, prev->domain->id, prev->id, next->domain->id, next->id);
}

void schedule(void)
{
    struct sched_cpu *s = &this_cpu(sched_cpus);
    struct vcpu *prev = current;
    uint64_t now_ns, until_ns;
    struct vcpu *next;
    unsigned long flags;
    bool waiting;

    perfc_incr(sched_run);
    flags = spin_lock_irqsave(&s->lock);
    next = next_vcpu(s, prev, &now_ns, &until_ns);
    waiting = s->q.nr_waiting != 0;
    if (unlikely(trace_on)) {
        trace_switch(prev, next, now_ns, until_ns);
    }
    if (next != prev) {
        vcpu_runstate_change(prev, runstate_off_cpu(prev), now_ns);
    }
    if (next->runstate.state != RUNSTATE_running) {
        vcpu_runstate_change(next, RUNSTATE_running, now_ns);
    }
    next->is_running = true; /* stable until this CPU says otherwise in sched_context_saved() */
    spin_unlock(&s->lock);
    if (until_ns) {
        timer_set(&s->timer, until_ns);
    }
    if (next == prev) {
        arch_irq_restore(flags);
        if (waiting) {
            balance(s);
        }
        return;
    }
    perfc_incr(sched_ctx);
    vcpu_timers_leave(prev);
    vcpu_timers_arrive(next);
    vcpu_arch_switch(prev, next);
    arch_irq_restore(flags); /* reached where a switch leaves the stack alone: hyp/arch/host */
}

void sched_context_saved(struct vcpu *prev)
{
    struct sched_cpu *s = &this_cpu(sched_cpus);

    if (prev->is_idle) {
        prev->is_running = false;
    } else {
        unsigned long flags = spin_lock_irqsave(&s->lock);
        bool astray;

        prev->sched.on_cpu = false;
        /* Pairs with the acquire in vcpu_sleep_sync(): who sees false sees the saved context. */
        __atomic_store_n(&prev->is_running, false, __ATOMIC_RELEASE);
        astray = !prev->sched.queued && vcpu_runnable(prev);
        sched_unlock(s, flags);
        if (astray) {
            vcpu_settle(prev, false);
        }
    }
    if (__atomic_load_n(&s->q.hint.nr_waiting, __ATOMIC_RELAXED)) {
        balance(s);
    }
}

void vcpu_wake(struct vcpu *v)
{
    TRACE(TRC_SCHED_WAKE, v->domain->id, v->id);
    if (likely(vcpu_runnable(v))) {
        perfc_incr(sched_wake);
        vcpu_settle(v, true);
    } else if (!vcpu_is_blocked(v)) {
        unsigned long flags;
        struct sched_cpu *s = sched_lock(v, &flags);

        if (v->runstate.state == RUNSTATE_blocked) {
            vcpu_runstate_change(v, RUNSTATE_offline, arch_time_ns());
        }
        sched_unlock(s, flags);
    }
}

void vcpu_sleep_nosync(struct vcpu *v)
{
    unsigned long flags;
    struct sched_cpu *s = sched_lock(v, &flags);
    bool ask = false;

    TRACE(TRC_SCHED_SLEEP, v->domain->id, v->id);
    if (!vcpu_runnable(v)) {
        if (v->runstate.state == RUNSTATE_runnable) {
            vcpu_runstate_change(v, RUNSTATE_offline, arch_time_ns());
        }
        sched_queue_remove(&s->q, &v->sched);
        ask = v->sched.running;
    }
    sched_unlock(s, flags);
    if (ask) {
        sched_ask(s->q.cpu);
    }
}

void vcpu_sleep_sync(struct vcpu *v)
{
    vcpu_sleep_nosync(v);
    /* Interrupts stay on meanwhile, so that another CPU waiting for this one gets its answer. */
    while (!vcpu_runnable(v) && __atomic_load_n(&v->is_running, __ATOMIC_ACQUIRE)) {
        arch_cpu_relax();
    }
    vcpu_arch_sync(v);
}

void sched_place_anew(struct sched_cpu *s, struct vcpu *v, unsigned long flags)
{
    bool running = v->sched.running;

    sched_queue_remove(&s->q, &v->sched); /* a better place may be open to it now */
    sched_unlock(s, flags);
    if (running) {
        sched_ask(s->q.cpu);
    } else {
        vcpu_settle(v, false);
    }
}

int sched_vcpu_init(struct vcpu *v, unsigned int cpu)
{
    cpumap_t all;

    memset(&all, 0xff, sizeof(all));
    sched_vcpu_setup(&v->sched, &all);
    v->sched.weight = v->domain->sched.weight;
    v->sched.cap = &v->domain->sched.cap;
    v->cpu = cpu;
    return 0;
}

void sched_vcpu_fini(struct vcpu *v)
{
    unsigned long flags;
    struct sched_cpu *s = sched_lock(v, &flags);

    /* Paused for good by domain_kill(), or never runnable. */
    assert(!v->sched.queued && !v->sched.running && !v->sched.on_cpu);
    sched_unlock(s, flags);
}
