/*
 * Who runs next: the scheduler's algorithm, without locks, clocks or CPUs. Time is the numbers it
 * is given, so that a test can let a minute pass in a few milliseconds.
 *
 * Every CPU has a queue. A vCPU's virtual time is the CPU time it has used, scaled by
 * SCHED_WEIGHT_DEFAULT / weight: the waiting vCPU with the least virtual time runs next, for a
 * slice that shrinks as the queue grows. Newcomers are measured by the queue's own virtual time,
 * the least of those present: who slept returns with at most SCHED_CREDIT_NS in hand, which is what
 * makes interactive guests quick and keeps them from hoarding. Virtual times of different queues
 * are comparable as base + vruntime: a CPU with somebody waiting offers the poorest to a CPU that
 * is idle, or whose runner is richer by more than SCHED_PUSH_NS; so shares come out right across
 * CPUs, also when they do not divide evenly.
 *
 * Promises, which sched_algo_test.c holds it to (n vCPUs, W the sum of their weights, all free to
 * run everywhere):
 *   over a minute everyone gets the share of the machine that his weight asks for, within 2 %;
 *   a runnable vCPU of weight w, without a cap, waits at most sched_wait_bound_ns(n, W, w);
 *   one that wakes after sleeping runs within SCHED_RATELIMIT_NS if the others present do not
 *     sleep;
 *   a capped domain gets its cap within 2 %, if its weight gives it as much.
 * With hard affinity it is the same among those that share a CPU, but for moves: who comes with
 * SCHED_LAG_MAX_NS in hand uses them up first.
 */
#ifndef CORE_SCHED_ALGO_H
#define CORE_SCHED_ALGO_H

#include <lodge/list.h>
#include <lodge/types.h>
#include "core/cpumap.h"
#include "core/sched_cap.h"

#define SCHED_WEIGHT_DEFAULT 256U
#define SCHED_WEIGHT_MAX     65535U
#define SCHED_ROUND_NS       (20 * NS_PER_MS)  /* all present should run once in this time... */
#define SCHED_SLICE_MAX_NS   (10 * NS_PER_MS)
/* ...but none for less than this (sched_ratelimit_us=) */
#define SCHED_RATELIMIT_NS   NS_PER_MS
/* CPU time that a sleeper may be behind when it wakes */
#define SCHED_CREDIT_NS      (10 * NS_PER_MS)
/* a newcomer interrupts the runner only if poorer by so much CPU time */
#define SCHED_WAKE_GRAIN_NS  (500 * NS_PER_US)
#define SCHED_PUSH_NS        (3 * NS_PER_MS)   /* CPU time behind the others that is worth a move */
/* virtual time that one queue may be behind another that it competes with */
#define SCHED_LAG_MAX_NS     (250 * NS_PER_MS)

/* A vCPU's place in the scheduler. Under the lock of its queue, which is that of vcpu.cpu. */
struct sched_vcpu {
    struct list link;     /* waiting or parked; else points at itself */
    cpumap_t hard, soft;  /* where it may run, where it would rather run */
    cpumap_t saved_hard;  /* SCHEDOP_pin_override */
    uint32_t weight;      /* 1 .. SCHED_WEIGHT_MAX */
    uint64_t vruntime;    /* relative to its queue's base */
    uint64_t total_ns;    /* CPU time used, for people */
    int64_t cap_budget_ns; /* taken from the cap and not yet used */
    struct sched_cap *cap;
    bool queued;          /* waiting or parked in its queue */
    bool parked;          /* has used up its cap: out of the race until the period ends */
    bool running;         /* the queue's runner */
    bool on_cpu;          /* its context is not saved yet: cannot move */
    bool yielding;        /* lets another go first, once */
    /*
     * between two queues: vruntime is comparable, or if forced, counted from the old queue's time
     */
    bool detached;
    uint8_t move;         /* detached: enum sched_move */
    bool pin_overridden;
};

struct sched_queue {
    unsigned int cpu;
    uint64_t ratelimit_ns;
    struct list waiting;      /* by rising virtual time */
    struct list parked;
    unsigned int nr_waiting;
    uint64_t weight_sum;      /* of waiting and runner */
    struct sched_vcpu *runner; /* NULL: idle */
    uint64_t start_ns;        /* the runner was chosen */
    uint64_t accounted_ns;    /* and charged up to here */
    uint64_t slice_end_ns;
    uint64_t budget_end_ns;   /* 0: no cap */
    uint64_t unpark_ns;       /* valid while somebody is parked */
    uint64_t vtime;           /* least virtual time present; never falls */
    uint64_t base;            /* makes virtual times of queues comparable */
    /*
     * A copy for other CPUs, which read it without the lock: at worst a vCPU moves that need not
     * have.
     */
    struct {
        uint64_t poorest;     /* comparable time of the poorest present, at at_ns */
        uint64_t at_ns;
        uint32_t weight;      /* the runner's; 0: idle */
        uint32_t nr_waiting;
    } hint;
};

void sched_queue_init(struct sched_queue *q, unsigned int cpu, uint64_t ratelimit_ns);
void sched_vcpu_setup(struct sched_vcpu *sv, const cpumap_t *all);

/* Charges the runner up to now_ns; before any other question about the queue. */
void sched_queue_account(struct sched_queue *q, uint64_t now_ns);

/**
 * sched_queue_add - a vCPU that is neither queued nor running becomes ready
 * @woken: it slept (or was never here), so what it may be behind is limited; else it merely moved
 * Returns true when the CPU should choose again now.
 */
bool sched_queue_add(struct sched_queue *q, struct sched_vcpu *sv, bool woken);

/*
 * It stops being ready; harmless when it is not queued. The runner is not removed but refused in
 * sched_queue_pick.
 */
void sched_queue_remove(struct sched_queue *q, struct sched_vcpu *sv);

/**
 * sched_queue_pick - decide who runs from now_ns on
 * @ready:    the runner may go on (it is runnable and allowed here)
 * @until_ns: when to ask again; 0 = nobody waits, no need
 * Returns the new runner, whose slice begins if it is not the old one, or NULL for idle. The old
 * runner, when ready and not chosen, waits in the queue.
 */
struct sched_vcpu *sched_queue_pick(struct sched_queue *q, bool ready, uint64_t now_ns,
                                    uint64_t *until_ns);

/*
 * Moving: detach from the old queue (not queued, not running), attach to the new. In between it
 * belongs to no queue, so no two queues are ever looked at together.
 */
enum sched_move {
    /* it waits, and was found to be poorer than those elsewhere: keeps comparable time */
    SCHED_MOVE_BALANCE,
    /* it slept, and will be better off there: the same, with the credit of a sleeper */
    SCHED_MOVE_WAKE,
    SCHED_MOVE_FORCED,  /* it may not stay: keeps the distance to its queue's time */
};
void sched_vcpu_detach(struct sched_queue *from, struct sched_vcpu *sv, enum sched_move why);
void sched_vcpu_attach(struct sched_queue *to, struct sched_vcpu *sv);

/**
 * sched_queue_offer - is there someone waiting in q who would be better off elsewhere
 * @queue_of: queue of a CPU (its hint is read only)
 * @online:   CPUs that take vCPUs; @idle: those of them with nothing to do
 * @to:       where to
 * Returns the vCPU (still in the queue), or NULL.
 */
struct sched_vcpu *sched_queue_offer(struct sched_queue *q,
                                     struct sched_queue *(*queue_of)(unsigned int cpu),
                                     const cpumap_t *online, const cpumap_t *idle, uint64_t now_ns,
                                     unsigned int *to);

/* The first waiting vCPU of a busy queue that an idle CPU may take, or NULL. */
struct sched_vcpu *sched_queue_steal(struct sched_queue *q, unsigned int thief);

/* Where a vCPU that becomes ready should go. last: where it was. idle, online: as above. */
unsigned int sched_vcpu_place(const struct sched_vcpu *sv, unsigned int last,
                              const cpumap_t *online, const cpumap_t *idle);

/*
 * A queue that never has anybody waiting for long may fall behind the others without end (its
 * runner's weight asks for more than one CPU). Called by a competing queue: it may be behind
 * `vtime` by SCHED_LAG_MAX_NS, not more.
 */
void sched_queue_catch_up(struct sched_queue *q, uint64_t vtime); /* accounted */
/* by its hint: worth calling that */
bool sched_queue_lags(const struct sched_queue *q, uint64_t now_ns, uint64_t vtime);
static inline uint64_t sched_queue_time(const struct sched_queue *q) { return q->base + q->vtime; }

/* q: its queue, accounted */
void sched_vcpu_set_weight(struct sched_queue *q, struct sched_vcpu *sv, uint32_t weight);

/* The promise above. */
static inline uint64_t sched_wait_bound_ns(unsigned int n, uint64_t weight_sum, uint32_t weight)
{
    uint64_t round_ns = SCHED_ROUND_NS + n * SCHED_RATELIMIT_NS;
    uint64_t turn_ns = SCHED_RATELIMIT_NS * weight_sum / weight;

    return 5 * (round_ns + turn_ns);
}

#endif
