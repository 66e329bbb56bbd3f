/*
 * Are the CPUs' TSCs one clock, and does it keep its rate? The first is tried out once, by pairs of
 * CPUs that hand a time stamp to and fro; the second is what a CPU promises (invariant TSC), or is
 * enforced by correcting each second: never by a jump back, but by a rate that makes up for the
 * error until the next look.
 */
#include "platform/time_private.h"

#include "core/cpumap.h"
#include "core/log.h"
#include "core/softirq.h"
#include "core/timer.h"
#include "platform/clocksource.h"
#include "platform/time.h"

#define PERIOD_NS    NS_PER_S
#define TOLERATED_NS 20000 /* an error that small is as likely the reading's */
#define MAX_SLEW_PPM 500
/* beyond: the TSC stood still, slewing would take minutes */
#define JUMP_NS   (100 * (int64_t)NS_PER_MS)
#define ROUNDS    1000
#define ARRIVE_NS NS_PER_S

bool tsc_synced;

static struct timer sync_timer;

/*
 * The error of this CPU's clock now, and a record that ends it within one period. False: it is good
 * enough.
 */
static bool record_correct(struct time_record *r)
{
    struct time_sample s = time_sample_take();
    uint64_t here = time_record_ns(r, s.tsc);
    uint64_t width_ns = s.width * NS_PER_S / r->hz;
    int64_t ahead = (int64_t)(here - s.ns);
    int64_t size = ahead < 0 ? -ahead : ahead;
    int64_t ppm;

    if (size < (int64_t)(TOLERATED_NS + width_ns)) {
        if (r->hz == tsc_hz) {
            return false;
        }
        *r = time_record_make(s.tsc, here, tsc_hz); /* made up for: back to the measured rate */
        return true;
    }
    if (ahead < -JUMP_NS) {
        *r = time_record_make(s.tsc, s.ns, tsc_hz);
        return true;
    }
    /* More ticks to the nanosecond make a slower clock. */
    ppm = MIN(size * 1000000 / (int64_t)PERIOD_NS + 1, (int64_t)MAX_SLEW_PPM);
    *r = time_record_make(s.tsc, here,
                          tsc_hz + (ahead > 0 ? ppm : -ppm) * (int64_t)(tsc_hz / 1000000));
    return true;
}

static void record_adopt(void *arg)
{
    unsigned long flags = arch_irq_save();

    time_record_set(arg);
    arch_irq_restore(flags);
}

static void correct_here(void *arg)
{
    unsigned long flags = arch_irq_save();
    struct time_record r = this_cpu(time_records);

    (void)arg;
    if (record_correct(&r)) {
        time_record_set(&r);
    }
    arch_irq_restore(flags);
}

/* One that has just come may have copied the record before the last. */
static bool record_is_everyones(const struct time_record *r)
{
    unsigned int cpu;

    cpumap_for_each(cpu, &cpus_online) {
        if (__atomic_load_n(&per_cpu(time_records, cpu).id, __ATOMIC_RELAXED) != r->id) {
            return false;
        }
    }
    return true;
}

/*
 * CPUs that share a record change to the next one while both still agree; the others correct
 * themselves, each alone.
 */
static void sync_tick(void *data)
{
    (void)data;
    if (tsc_synced) {
        struct time_record r = this_cpu(time_records);

        if (record_correct(&r) || !record_is_everyones(&r)) {
            record_adopt(&r);
            arch_call_cpus(cpus_online.bits, record_adopt, &r);
        }
    } else {
        correct_here(NULL);
        arch_call_cpus(cpus_online.bits, correct_here, NULL);
    }
    timer_set(&sync_timer, arch_time_ns() + PERIOD_NS);
}

void time_sync_start(void)
{
    timer_init(&sync_timer, sync_tick, NULL, 0);
}

/* One pair of CPUs: whoever reads an earlier TSC than the other has published is behind it. */
enum { PAIR_WAITING, PAIR_MET, PAIR_GIVEN_UP, PAIR_DONE };
static struct {
    uint32_t state;
    uint64_t latest;
    bool behind;
} pair ALIGNED(64);

static void pair_run(void)
{
    for (unsigned int i = 0; i < ROUNDS; i++) {
        uint64_t seen = __atomic_load_n(&pair.latest, __ATOMIC_ACQUIRE);
        uint64_t now = rdtsc_ordered();

        if (now < seen) {
            __atomic_store_n(&pair.behind, true, __ATOMIC_RELAXED);
        } else {
            (void)__atomic_compare_exchange_n(&pair.latest, &seen, now, false, __ATOMIC_ACQ_REL,
                                              __ATOMIC_RELAXED);
        }
    }
}

static void pair_guest_side(void *data)
{
    uint32_t expected = PAIR_WAITING;
    unsigned long flags;

    (void)data;
    if (!__atomic_compare_exchange_n(&pair.state, &expected, PAIR_MET, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_ACQUIRE)) {
        return; /* too late */
    }
    flags = arch_irq_save();
    pair_run();
    arch_irq_restore(flags);
    __atomic_store_n(&pair.state, PAIR_DONE, __ATOMIC_RELEASE);
}

static bool pair_agrees(unsigned int cpu)
{
    static struct work work;
    uint64_t start = rdtsc_ordered();
    uint32_t expected = PAIR_WAITING;

    pair.latest = 0;
    pair.behind = false;
    __atomic_store_n(&pair.state, PAIR_WAITING, __ATOMIC_RELEASE);
    work_init(&work, pair_guest_side, NULL);
    work_schedule_cpu(&work, cpu);
    while (__atomic_load_n(&pair.state, __ATOMIC_ACQUIRE) == PAIR_WAITING) {
        if (rdtsc_ordered() - start > tsc_hz / 1000 * (ARRIVE_NS / NS_PER_MS) &&
            __atomic_compare_exchange_n(&pair.state, &expected, PAIR_GIVEN_UP, false,
                                        __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
            work_kill(&work);
            return false;
        }
        expected = PAIR_WAITING;
        arch_cpu_relax();
    }
    pair_run();
    while (__atomic_load_n(&pair.state, __ATOMIC_ACQUIRE) != PAIR_DONE) {
        arch_cpu_relax();
    }
    work_kill(&work);
    return !pair.behind;
}

void time_check_sync(void)
{
    unsigned int cpu, self = arch_cpu_id();
    bool ok = true;

    cpumap_for_each(cpu, &cpus_online) {
        if (cpu != self && ok) {
            ok = pair_agrees(cpu);
        }
    }
    if (ok) {
        struct time_record r = this_cpu(time_records);

        arch_call_cpus(cpus_online.bits, record_adopt, &r);
    }
    tsc_synced = ok;
    log_info("time: the CPUs' TSCs are %s%s", ok ? "one clock" : "different clocks",
             tsc_invariant || !time_can_sample() ? "" : ", whose rate is checked every second");
    if ((!tsc_invariant || !ok) && time_can_sample()) {
        timer_set(&sync_timer, arch_time_ns() + PERIOD_NS);
    }
}

/* How far this CPU's clock is ahead of the platform's, which drifts from it with the days. */
static int64_t platform_lag(void)
{
    const struct time_record *r = &this_cpu(time_records);
    struct time_sample s = time_sample_take();

    return (int64_t)(time_record_ns(r, s.tsc) - s.ns);
}

/* This CPU's clock shows what another's does, which is *arg ahead of the platform's. */
static void record_align(void *arg)
{
    unsigned long flags = arch_irq_save();
    struct time_sample s = time_sample_take();
    struct time_record r = time_record_make(s.tsc, s.ns + (uint64_t)*(const int64_t *)arg, tsc_hz);

    time_record_set(&r);
    arch_irq_restore(flags);
}

/* The same under a new id, so that guests are told anew. */
static void record_renew(void *arg)
{
    unsigned long flags = arch_irq_save();
    struct time_record r = this_cpu(time_records);

    (void)arg;
    r = time_record_make(r.tsc, r.ns, r.hz);
    time_record_set(&r);
    arch_irq_restore(flags);
}

void time_join_cpu(unsigned int cpu)
{
    cpumap_t newcomer = { { 0 } };
    unsigned long flags;
    int64_t lag;

    if (!tsc_synced || pair_agrees(cpu)) {
        return;
    }
    log_warning("time: the TSC of CPU %u is not that of the others: from now on each CPU has its "
                "own clock, checked every second", cpu);
    tsc_synced = false;
    cpumap_set(&newcomer, cpu);
    if (time_can_sample()) {
        flags = arch_irq_save();
        lag = platform_lag();
        arch_irq_restore(flags);
        arch_call_cpus(newcomer.bits, record_align, &lag);
        timer_set(&sync_timer, arch_time_ns() + PERIOD_NS);
    }
    record_renew(NULL);
    arch_call_cpus(cpus_online.bits, record_renew, NULL);
}
