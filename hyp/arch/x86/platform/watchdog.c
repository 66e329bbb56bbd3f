/*
 * The watchdog: a CPU whose timers have not run for watchdog_timeout= seconds is stuck in the
 * hypervisor, since a guest cannot keep them from running. Where it is stuck is asked by NMI, which
 * nothing masks: by the CPU's own performance counter, which interrupts it while it executes, or,
 * where CPUs have none that counts, by any other CPU that notices. Sources: Intel SDM vol. 3B,
 * "Architectural Performance Monitoring"; AMD64 APM vol. 2, "Performance Monitoring Counters".
 */
#include "platform/watchdog.h"

#include <lodge/string.h>
#include "core/arch.h"
#include "core/console.h"
#include "core/cpumap.h"
#include "core/log.h"
#include "core/option.h"
#include "core/timer.h"
#include "cpu/dump.h"
#include "cpu/features.h"
#include "cpu/insn.h"
#include "platform/apic.h"
#include "platform/time.h"

#define MSR_INTEL_COUNTER     0x0c1
#define MSR_INTEL_SELECT      0x186
#define MSR_INTEL_GLOBAL_CTRL 0x38f
#define MSR_INTEL_GLOBAL_ACK  0x390
#define MSR_AMD_SELECT        0xc0010000
#define MSR_AMD_COUNTER       0xc0010004
#define INTEL_NOT_HALTED      0x3cU
#define AMD_NOT_HALTED        0x76U
#define SELECT_ALWAYS         0x530000U   /* in user and system mode, interrupt, enabled */
#define PERIOD                0x7fffffffU /* less than a second; what every counter takes */
#define AMD_COUNTER_BITS      48

#define BEAT_NS    NS_PER_S
#define ANSWER_NS  (2 * NS_PER_S) /* who does not answer an NMI for so long is lost */
#define TRY_ROUNDS 100000U

static bool opt_watchdog;
static unsigned int opt_timeout_s = 5;

static int parse_watchdog(const char *value)
{
    if (!strcmp(value, "force")) { /* Xen then also heeds NMIs of other origin: always done here */
        opt_watchdog = true;
        return 0;
    }
    return parse_bool(value, &opt_watchdog);
}
OPTION_FN("watchdog", parse_watchdog, "a truth value, or force");

static int parse_timeout(const char *value)
{
    uint64_t seconds;
    int rc = parse_uint(value, &seconds, NULL);

    if (!rc) {
        opt_timeout_s = (unsigned int)MIN(seconds, 3600UL);
        opt_watchdog = seconds != 0;
    }
    return rc;
}
OPTION_FN("watchdog_timeout", parse_timeout, "seconds");

/* What counts the cycles in which a CPU is not halted; the same on all CPUs. */
static struct {
    uint32_t select, counter, event; /* MSRs; select 0: there is none that counts */
    uint64_t sign; /* the counter's highest bit: set until it overflows */
    bool global;
} pmc READ_MOSTLY;

/* When each CPU's timers last ran, by its own hand. */
static struct {
    struct timer timer;
    uint64_t ns, tsc;
} ALIGNED(64) beats[NR_CPUS];

static bool started;
static uint32_t held; /* atomic */

static uint32_t accused; /* the CPU that another found stuck, + 1; atomic */
static uint64_t accused_ns, accused_beat_ns;

static uint64_t timeout_ns(void)
{
    return opt_timeout_s * NS_PER_S;
}

static void counter_arm(void)
{
    if (pmc.global) {
        wrmsr(MSR_INTEL_GLOBAL_ACK, 1);
    }
    wrmsr(pmc.counter, -(uint64_t)PERIOD);
    apic_perf_nmi(true); /* an Intel CPU has masked it */
}

static void counter_start(void)
{
    wrmsr(pmc.select, 0);
    if (pmc.global) {
        wrmsr(MSR_INTEL_GLOBAL_CTRL, rdmsr(MSR_INTEL_GLOBAL_CTRL) | 1);
    }
    counter_arm();
    wrmsr(pmc.select, SELECT_ALWAYS | pmc.event);
}

/* Emulators take the settings and do not count. */
static bool counter_counts(void)
{
    uint64_t before, after;

    if (!wrmsr_safe(pmc.select, 0) || !wrmsr_safe(pmc.counter, 0)) {
        return false;
    }
    if (pmc.global) {
        wrmsr(MSR_INTEL_GLOBAL_CTRL, rdmsr(MSR_INTEL_GLOBAL_CTRL) | 1);
    }
    before = rdmsr(pmc.counter);
    wrmsr(pmc.select, SELECT_ALWAYS | pmc.event);
    for (unsigned int i = 0; i < TRY_ROUNDS; i++) {
        arch_cpu_relax();
    }
    wrmsr(pmc.select, 0);
    after = rdmsr(pmc.counter);
    return before == 0 && after > TRY_ROUNDS / 2;
}

static void counter_choose(void)
{
    if (cpu_host.vendor == VENDOR_INTEL && cpu_host.max_leaf >= 0xa) {
        struct cpuid_regs r = cpuid(0xa, 0);
        unsigned int version = r.a & 0xff, counters = r.a >> 8 & 0xff, bits = r.a >> 16 & 0xff;

        if (!version || !counters || bits < 32 || bits > 63 || (r.b & 1)) {
            return;
        }
        pmc.select = MSR_INTEL_SELECT;
        pmc.counter = MSR_INTEL_COUNTER;
        pmc.event = INTEL_NOT_HALTED;
        pmc.sign = 1ULL << (bits - 1);
        pmc.global = version >= 2;
    } else if (cpu_host.vendor == VENDOR_AMD) {
        pmc.select = MSR_AMD_SELECT;
        pmc.counter = MSR_AMD_COUNTER;
        pmc.event = AMD_NOT_HALTED;
        pmc.sign = 1ULL << (AMD_COUNTER_BITS - 1);
    }
    if (pmc.select && !counter_counts()) {
        pmc.select = 0;
    }
}

static void beat_now(unsigned int cpu)
{
    beats[cpu].tsc = rdtsc();
    __atomic_store_n(&beats[cpu].ns, arch_time_ns(), __ATOMIC_RELEASE);
}

/* The report names the CPU, its registers and its calls. */
static NORETURN void stuck(const struct cpu_user_regs *regs)
{
    arch_cpus_stop();
    console_force_sync();
    console_printf("\nWatchdog: CPU %u is stuck: its timers have not run for %u seconds\n",
                   arch_cpu_id(), opt_timeout_s);
    fatal_trap(regs);
}

/* A CPU that looks stuck is asked where it is; one that does not even answer is lost. */
static void accuse(unsigned int cpu, uint64_t now_ns, uint64_t beat_ns)
{
    uint32_t who = __atomic_load_n(&accused, __ATOMIC_ACQUIRE);

    if (!who) {
        accused_ns = now_ns;
    }
    if (!who && __atomic_compare_exchange_n(&accused, &who, cpu + 1, false, __ATOMIC_ACQ_REL,
                                            __ATOMIC_ACQUIRE)) {
        __atomic_store_n(&accused_beat_ns, beat_ns, __ATOMIC_RELEASE);
        apic_send_nmi(cpu);
    } else if (who == cpu + 1 && now_ns > accused_ns + ANSWER_NS) {
        panic("watchdog: CPU %u is lost: its timers do not run, and it does not take an NMI", cpu);
    }
}

static void neighbours_check(void)
{
    uint64_t now_ns = arch_time_ns();
    unsigned int cpu, self = arch_cpu_id();

    cpumap_for_each(cpu, &cpus_online) {
        uint64_t beat_ns = __atomic_load_n(&beats[cpu].ns, __ATOMIC_ACQUIRE);

        if (cpu != self && now_ns > beat_ns + timeout_ns()) {
            accuse(cpu, now_ns, beat_ns);
        }
    }
}

static void beat(void *data)
{
    (void)data;
    beat_now(arch_cpu_id());
    if (!pmc.select && !__atomic_load_n(&held, __ATOMIC_RELAXED)) {
        neighbours_check();
    }
    timer_set(&beats[arch_cpu_id()].timer, arch_time_ns() + BEAT_NS);
}

bool watchdog_nmi(const struct cpu_user_regs *regs)
{
    unsigned int cpu = arch_cpu_id();
    bool hold = __atomic_load_n(&held, __ATOMIC_RELAXED);

    if (__atomic_load_n(&accused, __ATOMIC_ACQUIRE) == cpu + 1) {
        if (!hold && beats[cpu].ns == __atomic_load_n(&accused_beat_ns, __ATOMIC_ACQUIRE)) {
            stuck(regs);
        }
        __atomic_store_n(&accused, 0, __ATOMIC_RELEASE); /* it was only slow */
        return true;
    }
    if (!started || !pmc.select || (rdmsr(pmc.counter) & pmc.sign)) {
        return false;
    }
    /* The clock may be in the midst of a change: the TSC itself. */
    if (!hold && rdtsc() - beats[cpu].tsc > opt_timeout_s * tsc_hz) {
        stuck(regs);
    }
    counter_arm();
    return true;
}

static void start_here(void *arg)
{
    unsigned long flags = arch_irq_save();

    (void)arg;
    beat_now(arch_cpu_id());
    if (pmc.select) {
        counter_start();
    }
    arch_irq_restore(flags);
}

void watchdog_expect_cpu(unsigned int cpu)
{
    __atomic_store_n(&beats[cpu].ns, arch_time_ns(), __ATOMIC_RELEASE);
}

void watchdog_start_cpu(unsigned int cpu)
{
    cpumap_t map = { { 0 } };

    if (!started) {
        return;
    }
    cpumap_set(&map, cpu);
    if (cpu == arch_cpu_id()) {
        start_here(NULL);
    } else {
        arch_call_cpus(map.bits, start_here, NULL);
    }
    timer_init(&beats[cpu].timer, beat, NULL, cpu);
    timer_set(&beats[cpu].timer, arch_time_ns() + BEAT_NS);
}

void watchdog_stop_cpu(void)
{
    timer_stop(&beats[arch_cpu_id()].timer);
    if (started && pmc.select) {
        wrmsr(pmc.select, 0);
        apic_perf_nmi(false);
    }
}

void watchdog_start(void)
{
    unsigned int cpu;

    if (!opt_watchdog) {
        return;
    }
    counter_choose();
    if (!pmc.select && nr_cpus_online == 1) {
        log_warning("watchdog: one CPU, without a performance counter: nothing can watch it");
    }
    cpumap_for_each(cpu, &cpus_online) {
        watchdog_expect_cpu(cpu);
    }
    started = true;
    cpumap_for_each(cpu, &cpus_online) {
        watchdog_start_cpu(cpu);
    }
    log_info("watchdog: %u seconds, by %s", opt_timeout_s,
             pmc.select ? "performance counters" : "the other CPUs");
}

void arch_watchdog_hold(bool hold)
{
    unsigned int cpu;

    if (hold) {
        __atomic_fetch_add(&held, 1, __ATOMIC_SEQ_CST);
        return;
    }
    cpumap_for_each(cpu, &cpus_online) {
        beats[cpu].tsc = rdtsc();
        watchdog_expect_cpu(cpu);
    }
    __atomic_fetch_sub(&held, 1, __ATOMIC_SEQ_CST);
}
