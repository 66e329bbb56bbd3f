/* The banks in which CPUs report errors, and what was found there: platform/mca.h. */
#include "platform/mca.h"
#include <lodge/string.h>
#include "core/console.h"
#include "core/cpumap.h"
#include "core/evtchn.h"
#include "core/log.h"
#include "core/percpu.h"
#include "core/timer.h"
#include "cpu/features.h"
#include "cpu/insn.h"
#include "cpu/msr.h"

#define MSR_MCG_STATUS      0x17a
#define MSR_MCG_CTL         0x17b
#define MSR_MC_CTL(bank)    (0x400 + 4 * (bank))
#define MSR_MC_STATUS(bank) (MSR_MC_CTL(bank) + 1)
#define MSR_MC_ADDR(bank)   (MSR_MC_CTL(bank) + 2)
#define MSR_MC_MISC(bank)   (MSR_MC_CTL(bank) + 3)

#define MCG_CAP_COUNT 0xffU
#define MCG_CAP_CTL   0x100U

#define STATUS_VALID         (1ULL << 63)
#define STATUS_OVERFLOW      (1ULL << 62)
#define STATUS_UNCORRECTED   (1ULL << 61)
#define STATUS_MISC_VALID    (1ULL << 59)
#define STATUS_ADDRESS_VALID (1ULL << 58)

/* Where they find no error to correct, banks are left alone this long. */
#define POLL_NS (8 * NS_PER_S)

/* Errors that domain 0 has yet to fetch. One that finds no room is logged, and lost to it. */
#define NR_RECORDS 16

enum { RECORD_FREE, RECORD_BUSY, RECORD_FULL };

static struct record {
    uint32_t state; /* atomic; release to FULL pairs with acquire before reading */
    uint64_t id;
    struct mc_info info;
} records[NR_RECORDS];

static uint64_t last_id; /* atomic; 0 is no error's */

/* Each CPU looks after its own banks. */
struct watch {
    struct timer timer;
    bool enabled;
};
static DEFINE_PER_CPU(struct watch, watches);

static unsigned int nr_banks(void)
{
    return cpu_has(MCE) && cpu_has(MCA) ? rdmsr(MSR_MCG_CAP) & MCG_CAP_COUNT : 0;
}

const struct mc_info *mca_oldest(uint64_t *id)
{
    const struct record *oldest = NULL;

    for (unsigned int i = 0; i < NR_RECORDS; i++) {
        struct record *r = &records[i];

        if (__atomic_load_n(&r->state, __ATOMIC_ACQUIRE) == RECORD_FULL &&
            (!oldest || r->id < oldest->id)) {
            oldest = r;
        }
    }
    if (!oldest) {
        return NULL;
    }
    *id = oldest->id;
    return &oldest->info;
}

void mca_acknowledge(uint64_t id)
{
    for (unsigned int i = 0; i < NR_RECORDS; i++) {
        struct record *r = &records[i];
        uint32_t full = RECORD_FULL;

        if (__atomic_load_n(&r->state, __ATOMIC_ACQUIRE) == RECORD_FULL && r->id == id &&
            __atomic_compare_exchange_n(&r->state, &full, RECORD_FREE, false, __ATOMIC_ACQ_REL,
                                        __ATOMIC_RELAXED)) {
            return;
        }
    }
}

static struct record *record_claim(void)
{
    for (unsigned int i = 0; i < NR_RECORDS; i++) {
        uint32_t unused = RECORD_FREE;

        if (__atomic_compare_exchange_n(&records[i].state, &unused, RECORD_BUSY, false,
                                        __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
            return &records[i];
        }
    }
    return NULL;
}

static struct mcinfo_global global_describe(unsigned int cpu, uint32_t flags)
{
    struct cpu_place place = cpu_place(cpu);

    return (struct mcinfo_global){
        .common = { MC_TYPE_GLOBAL, sizeof(struct mcinfo_global) },
        .mc_domid = DOMID_INVALID, /* nobody's: found by looking */
        .mc_vcpuid = XEN_MC_VCPUID_INVALID,
        .mc_socketid = place.package,
        .mc_coreid = (uint16_t)place.core,
        .mc_core_threadid = (uint16_t)place.thread,
        .mc_apicid = place.apic_id,
        .mc_flags = flags,
        .mc_gstatus = rdmsr(MSR_MCG_STATUS),
    };
}

static struct mcinfo_bank bank_read(unsigned int bank, uint64_t status)
{
    return (struct mcinfo_bank){
        .common = { MC_TYPE_BANK, sizeof(struct mcinfo_bank) },
        .mc_bank = (uint16_t)bank,
        .mc_domid = DOMID_INVALID,
        .mc_status = status,
        .mc_addr = status & STATUS_ADDRESS_VALID ? rdmsr(MSR_MC_ADDR(bank)) : 0,
        .mc_misc = status & STATUS_MISC_VALID ? rdmsr(MSR_MC_MISC(bank)) : 0,
        .mc_tsc = rdtsc(),
    };
}

static void record_fill(struct record *r, unsigned int cpu, const struct mcinfo_bank *b,
                        uint32_t flags)
{
    struct mcinfo_global g = global_describe(cpu, flags);

    BUILD_ASSERT(sizeof(g) + sizeof(*b) <= sizeof(r->info.mi_data));
    memset(&r->info, 0, sizeof(r->info));
    memcpy(r->info.mi_data, &g, sizeof(g));
    memcpy((uint8_t *)r->info.mi_data + sizeof(g), b, sizeof(*b));
    r->info.mi_nentries = 2;
    r->id = __atomic_add_fetch(&last_id, 1, __ATOMIC_RELAXED);
    __atomic_store_n(&r->state, RECORD_FULL, __ATOMIC_RELEASE);
}

static const char *severity(uint64_t status)
{
    return status & STATUS_UNCORRECTED ? "uncorrected" : "corrected";
}

static void report(unsigned int cpu, const struct mcinfo_bank *b, uint32_t flags)
{
    struct record *r = record_claim();

    log_warning("machine check: CPU %u bank %u%s: %s error%s, status %016lx address %016lx "
                "misc %016lx",
                cpu, b->mc_bank, flags & MC_FLAG_RESET ? ", from before the last reset" : "",
                severity(b->mc_status), b->mc_status & STATUS_OVERFLOW ? " (and others)" : "",
                (unsigned long)b->mc_status, (unsigned long)b->mc_addr, (unsigned long)b->mc_misc);
    if (r) {
        record_fill(r, cpu, b, flags);
        virq_send_global(VIRQ_MCA);
    }
}

/* This CPU's banks. Uncorrected errors are the exception handler's, but for those of another life.
 */
static void banks_read(uint32_t flags)
{
    unsigned int n = nr_banks();

    for (unsigned int bank = 0; bank < n; bank++) {
        uint64_t status = rdmsr(MSR_MC_STATUS(bank));
        struct mcinfo_bank b;

        if (!(status & STATUS_VALID) || (status & STATUS_UNCORRECTED && !(flags & MC_FLAG_RESET))) {
            continue;
        }
        b = bank_read(bank, status);
        wrmsr(MSR_MC_STATUS(bank), 0); /* free for the next one */
        report(arch_cpu_id(), &b,
               flags | (status & STATUS_UNCORRECTED ? MC_FLAG_UNCORRECTABLE : MC_FLAG_CORRECTABLE));
    }
}

/* What a bank is to report. */
static uint64_t bank_control(unsigned int bank)
{
    if (cpu_host.vendor == VENDOR_AMD && cpu_host.family >= 0xf && cpu_host.family <= 0x11 &&
        bank == 4) {
        return ~(1ULL << 10); /* the GART's table walks fail as a matter of course */
    }
    return ~0ULL;
}

static void banks_enable(void)
{
    unsigned int n = nr_banks();
    /* On early ones the firmware alone may write the control of bank 0. */
    bool keep_first =
        cpu_host.vendor == VENDOR_INTEL && cpu_host.family == 6 && cpu_host.model < 0x1a;

    banks_read(MC_FLAG_RESET);
    if (n && rdmsr(MSR_MCG_CAP) & MCG_CAP_CTL) {
        wrmsr(MSR_MCG_CTL, ~0ULL);
    }
    for (unsigned int bank = keep_first; bank < n; bank++) {
        wrmsr(MSR_MC_CTL(bank), bank_control(bank));
    }
}

static void poll(void *data)
{
    struct watch *w = data;

    if (w->enabled) {
        banks_read(MC_FLAG_POLLED);
    } else {
        banks_enable();
        w->enabled = true;
    }
    timer_set(&w->timer, arch_time_ns() + POLL_NS);
}

void mca_start_cpu(unsigned int cpu)
{
    struct watch *w = &per_cpu(watches, cpu);

    if (nr_banks()) {
        w->enabled = false;
        timer_init(&w->timer, poll, w, cpu);
        timer_set(&w->timer, 0);
    }
}

void mca_stop_cpu(void)
{
    timer_stop(&this_cpu(watches).timer);
}

void mca_start(void)
{
    if (!nr_banks()) {
        log_info("machine check: this CPU reports none");
        return;
    }
    mca_start_cpu(0);
    log_info("machine check: %u banks on each CPU", nr_banks());
}

void mca_show(void)
{
    unsigned int n = nr_banks();

    if (n) {
        console_printf("machine check: global status %016lx\n",
                       (unsigned long)rdmsr(MSR_MCG_STATUS));
    }
    for (unsigned int bank = 0; bank < n; bank++) {
        uint64_t status = rdmsr(MSR_MC_STATUS(bank));

        if (status & STATUS_VALID) {
            struct mcinfo_bank b = bank_read(bank, status);

            console_printf("  bank %u: %s error, status %016lx address %016lx misc %016lx\n", bank,
                           severity(status), (unsigned long)status, (unsigned long)b.mc_addr,
                           (unsigned long)b.mc_misc);
        }
    }
}
