/*
 * The clock of each CPU: nanoseconds from its TSC, measured once against the platform's counter;
 * and the timer that interrupts it. Correcting the rate later is time_sync.c's, telling guests is
 * time_guest.c's.
 */
#include "platform/time.h"

#include "core/arch.h"
#include "core/lock.h"
#include "core/log.h"
#include "core/softirq.h"
#include "cpu/insn.h"
#include "platform/apic.h"
#include "platform/clocksource.h"
#include "platform/time_private.h"

#define CALIBRATE_MS        20
#define SAMPLES             5
#define TICKS_SHIFT         30
#define IO_DELAY_PORT       0x80      /* a write takes about a microsecond on any PC */
#define CPUID_TSC_INVARIANT (1U << 8) /* leaf 0x80000007, edx */

typedef unsigned __int128 u128;

DEFINE_DECLARED_PER_CPU(time_records);
static DEFINE_PER_CPU(uint32_t, record_version); /* odd while the record changes */

uint64_t tsc_hz;
bool tsc_invariant;

/* as time_record.ticks_mul, for the APIC's clock; 0: not measured */
static uint64_t apic_ticks_mul;

/* The platform counter, widened to nanoseconds. */
static struct {
    struct spinlock lock;
    struct clocksource *source;
    uint64_t last; /* counter at the last look */
    uint64_t ns;
    uint64_t rest; /* less than a nanosecond, in units of 1/hz ns */
} platform = { .lock = SPINLOCK_INIT(RANK_TIME) };

uint64_t time_record_ns(const struct time_record *r, uint64_t tsc)
{
    uint64_t delta = tsc - r->tsc;

    if ((int64_t)delta < 0) {
        return r->ns; /* another CPU's TSC is a little ahead */
    }
    delta = r->shift >= 0 ? delta << r->shift : delta >> -r->shift;
    return r->ns + (uint64_t)((u128)delta * r->mul >> 32);
}

struct time_record time_record_make(uint64_t tsc, uint64_t ns, uint64_t hz)
{
    static uint32_t last_id;
    struct time_record r = { .tsc = tsc, .ns = ns, .hz = hz };
    uint64_t scaled = hz;

    /* scaled in (10^9, 2 * 10^9], so that mul uses all of its 32 bits. */
    while (scaled > 2 * NS_PER_S) {
        scaled >>= 1;
        r.shift--;
    }
    while (scaled <= NS_PER_S) {
        scaled <<= 1;
        r.shift++;
    }
    r.mul = (NS_PER_S << 32) / scaled;
    r.ticks_mul = (hz << TICKS_SHIFT) / NS_PER_S;
    r.id = __atomic_add_fetch(&last_id, 1, __ATOMIC_RELAXED);
    return r;
}

void time_record_set(const struct time_record *r)
{
    uint32_t *version = &this_cpu(record_version);

    __atomic_store_n(version, *version + 1, __ATOMIC_RELAXED);
    /* the only other reader is this CPU, in an outer context */
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    this_cpu(time_records) = *r;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    __atomic_store_n(version, *version + 1, __ATOMIC_RELAXED);
}

uint64_t arch_time_ns(void)
{
    const struct time_record *r = &this_cpu(time_records);
    const uint32_t *version = &this_cpu(record_version);
    uint32_t before;
    uint64_t ns;

    do {
        before = __atomic_load_n(version, __ATOMIC_RELAXED);
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
        ns = r->mul ? time_record_ns(r, rdtsc_ordered()) : 0;
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
    } while (unlikely(before != __atomic_load_n(version, __ATOMIC_RELAXED)));
    return ns;
}

void arch_timer_program(uint64_t deadline_ns)
{
    const struct time_record *r = &this_cpu(time_records);
    uint64_t now, delta, ticks;

    if (deadline_ns == 0) {
        if (apic_has_deadline) {
            apic_timer_arm_deadline(0);
        } else {
            apic_timer_arm_count(0);
        }
        return;
    }
    now = arch_time_ns();
    if (deadline_ns <= now) {
        softirq_raise(SOFTIRQ_TIMER);
        return;
    }
    if (apic_has_deadline) {
        delta = deadline_ns - r->ns;
        apic_timer_arm_deadline(r->tsc + (uint64_t)((u128)delta * r->ticks_mul >> TICKS_SHIFT) + 1);
        return;
    }
    delta = deadline_ns - now;
    ticks = (uint64_t)((u128)delta * apic_ticks_mul >> TICKS_SHIFT) + 1;
    /* a far deadline is looked at again on the way */
    apic_timer_arm_count(MIN(ticks, (uint64_t)0xffffffff));
}

/*
 * A raw reading: of several, the one that took least time, so that an interruption between the two
 * clocks does not count.
 */
struct reading {
    uint64_t tsc, counter, width;
    uint32_t apic;
};

static struct reading reading_take(bool apic)
{
    struct reading best = { .width = ~0ULL };

    for (unsigned int i = 0; i < SAMPLES; i++) {
        struct reading s;
        uint64_t start = rdtsc_ordered();

        s.counter = platform.source->read();
        s.width = rdtsc_ordered() - start;
        s.tsc = start + s.width / 2;
        s.apic = apic ? apic_timer_count() : 0;
        if (s.width < best.width) {
            best = s;
        }
    }
    return best;
}

static uint64_t platform_advance(uint64_t counter)
{
    const struct clocksource *c = platform.source;
    uint64_t delta = (counter - platform.last) & c->mask;
    u128 units = (u128)delta * NS_PER_S + platform.rest;

    assert_held(&platform.lock);
    platform.last = counter;
    /*
     * Counters have at most 32 bits and are read every second, so that units fit 64 bits: no wide
     * division here.
     */
    platform.ns += (uint64_t)units / c->hz;
    platform.rest = (uint64_t)units % c->hz;
    return platform.ns;
}

bool time_can_sample(void)
{
    return platform.source->mask > 0xffff;
}

struct time_sample time_sample_take(void)
{
    struct time_sample out;
    struct reading r;
    unsigned long flags = spin_lock_irqsave(&platform.lock);

    r = reading_take(false);
    out.tsc = r.tsc;
    out.width = r.width;
    out.ns = platform_advance(r.counter);
    spin_unlock_irqrestore(&platform.lock, flags);
    return out;
}

/* Waste time without reading a clock whose reading disturbs another. */
static void spin(unsigned int rounds)
{
    while (rounds--) {
        __asm__ volatile("" ::: "memory");
    }
}

static void calibrate(void)
{
    const struct clocksource *c = platform.source;
    uint64_t window = c->hz * CALIBRATE_MS / 1000;
    bool apic = !apic_has_deadline;
    struct reading first, last;
    uint64_t ticks;

    if (apic) {
        apic_timer_mask(true);
        apic_timer_arm_count(0xffffffff);
    }
    first = reading_take(apic);
    do {
        spin(10000);
    } while (((c->read() - first.counter) & c->mask) < window);
    last = reading_take(apic);
    ticks = (last.counter - first.counter) & c->mask;

    tsc_hz = (uint64_t)((last.tsc - first.tsc) * c->hz / ticks);
    if (apic) {
        uint64_t apic_hz = (uint64_t)(first.apic - last.apic) * c->hz / ticks;

        apic_timer_arm_count(0);
        apic_timer_mask(false);
        apic_ticks_mul = (apic_hz << TICKS_SHIFT) / NS_PER_S;
        log_info("APIC timer: %llu.%03llu MHz", (unsigned long long)apic_hz / 1000000,
                 (unsigned long long)apic_hz / 1000 % 1000);
    }
    platform.last = last.counter;
}

void time_init(void)
{
    struct time_record r;
    unsigned long flags;
    struct reading now;

    platform.source = clocksource_choose();
    tsc_invariant =
        cpuid(0x80000000, 0).a >= 0x80000007 && (cpuid(0x80000007, 0).d & CPUID_TSC_INVARIANT);
    calibrate();
    if (tsc_hz < 1000000) {
        panic("the TSC does not count: %llu ticks a second by %s", (unsigned long long)tsc_hz,
              platform.source->name);
    }

    flags = spin_lock_irqsave(&platform.lock);
    now = reading_take(false);
    platform.last = now.counter;
    r = time_record_make(now.tsc, 0, tsc_hz);
    time_record_set(&r);
    spin_unlock_irqrestore(&platform.lock, flags);
    log_info("TSC: %llu.%03llu MHz by %s%s", (unsigned long long)tsc_hz / 1000000,
             (unsigned long long)tsc_hz / 1000 % 1000, platform.source->name,
             tsc_invariant ? ", constant" : "");
    if (!tsc_invariant && !time_can_sample()) {
        log_warning("time: %s cannot correct a TSC of varying rate", platform.source->name);
    }
    time_sync_start();
}

/* Another CPU's, whole. x86 keeps the order of loads, and that of the other's stores. */
static struct time_record record_of(unsigned int cpu)
{
    const uint32_t *version = &per_cpu(record_version, cpu);
    struct time_record r;
    uint32_t before;

    do {
        before = __atomic_load_n(version, __ATOMIC_ACQUIRE);
        r = per_cpu(time_records, cpu);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
    } while ((before & 1) || before != __atomic_load_n(version, __ATOMIC_RELAXED));
    return r;
}

void time_init_cpu(unsigned int cpu)
{
    struct time_record r = record_of(0);

    (void)cpu;
    time_record_set(&r);
    /* Once the TSCs are one clock it is that which counts; time_join_cpu() will look. */
    if (time_can_sample() && !tsc_synced) {
        struct time_sample s = time_sample_take();
        uint64_t here = time_record_ns(&r, s.tsc);
        int64_t off = (int64_t)(here - s.ns);

        /*
         * TSCs that were not started together are far apart; what is less is the clocks' drift
         * since boot.
         */
        if (off > (int64_t)NS_PER_MS || off < -(int64_t)NS_PER_MS) {
            r = time_record_make(s.tsc, s.ns, tsc_hz);
            time_record_set(&r);
        }
    }
}

void time_udelay(unsigned int us)
{
    uint64_t start = rdtsc_ordered();
    uint64_t ticks = tsc_hz / 1000000 * us;

    if (!tsc_hz) {
        while (us--) {
            out8(IO_DELAY_PORT, 0);
        }
        return;
    }
    while (rdtsc_ordered() - start < ticks) {
        arch_cpu_relax();
    }
}
