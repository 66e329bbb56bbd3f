/*
 * MSRs of PV guests: few exist, writes of what cannot change are ignored where kernels rely on it,
 * the rest is refused (#GP), which PV kernels survive. RDMSR and WRMSR always fault in ring 3, so
 * nothing passes by here. Which ones are ignored: Xen 4.17 guest_rdmsr and guest_wrmsr, and
 * read_msr and write_msr of pv/emul-priv-op.c.
 */
#include "core/domain.h"
#include "core/log.h"
#include "core/percpu.h"
#include "cpu/features.h"
#include "cpu/insn.h"
#include "cpu/msr.h"
#include "pv/cpuid.h"
#include "pv/pv.h"

#define MSR_P5_MC_ADDR           0
#define MSR_P5_MC_TYPE           1
#define MSR_PLATFORM_ID          0x17
#define MSR_PERFCTR_FIRST        0xc1
#define MSR_PERFCTR_LAST         0xc8
#define MSR_MPERF                0xe7
#define MSR_APERF                0xe8
#define MSR_MCG_CTL              0x17b
#define MSR_EVNTSEL_FIRST        0x186
#define MSR_EVNTSEL_LAST         0x18d
#define MSR_PERF_STATUS          0x198
#define MSR_PERF_CTL             0x199
#define MSR_THERM_CONTROL        0x19a
#define MSR_THERM_STATUS         0x19c
#define MSR_ENERGY_BIAS          0x1b0
#define MSR_MC0_CTL2             0x280
#define MSR_FIXED_CTR_FIRST      0x309
#define MSR_FIXED_CTR_LAST       0x30b
#define MSR_PERF_CAPABILITIES    0x345
#define MSR_FIXED_CTR_CTRL       0x38d
#define MSR_PERF_GLOBAL_OVF_CTRL 0x390
#define MSR_MC0_CTL              0x400
#define MSR_HYPERCALL_PAGE       0x40000000
#define MSR_AMD_PERF_FIRST       0xc0010000
#define MSR_AMD_PERF_LAST        0xc0010007
#define MSR_AMD_SYSCFG           0xc0010010
#define MSR_AMD_IORR_FIRST       0xc0010016 /* IORR_BASE0 .. IORR_MASK1 */
#define MSR_AMD_IORR_LAST        0xc0010019
#define MSR_AMD_TOP_MEM          0xc001001a
#define MSR_AMD_TOP_MEM2         0xc001001d
#define MSR_AMD_NB_CFG           0xc001001f
#define MSR_AMD_FIDVID_CTL       0xc0010041
#define MSR_AMD_FIDVID_STATUS    0xc0010042
#define MSR_AMD_PSTATE_LIMIT     0xc0010061
#define MSR_AMD_PSTATE_LAST      0xc001006b
#define MSR_AMD_SMM_ADDR         0xc0010112
#define MSR_AMD_SMM_MASK         0xc0010113
#define MSR_AMD_PERF_EXT_FIRST   0xc0010200
#define MSR_AMD_PERF_EXT_LAST    0xc001020b

#define PAT_PV            0x050100070406ULL /* the machine's: mm and cpu code set it so */
#define APIC_BASE_ENABLED 0x800ULL
#define APIC_BASE_BSP     0x100ULL
#define APIC_BASE_ADDRESS 0xfee00000ULL
#define MSR_EFER_GUEST    (EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE)
/* MtrrFixDramEn, MtrrVarDramEn, MtrrTom2En, Tom2ForceMemTypeWB */
#define SYSCFG_MEMORY_MAP     0x740000ULL
#define NR_VIRTUAL_BANKS      2
/* software recovery, thresholds, an interrupt for corrected errors */
#define MCG_CAP_INTEL         0x1000c00ULL
#define FEATURE_CTL_LOCK      1ULL
#define MISC_PERF_AVAILABLE   (1ULL << 7)
#define MISC_BTS_UNAVAILABLE  (1ULL << 11)
#define MISC_PEBS_UNAVAILABLE (1ULL << 12)
#define MISC_MONITOR          (1ULL << 18)
#define MISC_XTPR_DISABLE     (1ULL << 23)
#define MAX_BANKS             32

/* What this CPU holds of the last vCPU that had it; idle ones leave it alone. */
static DEFINE_PER_CPU(uint64_t, loaded_tsc_aux);

static void cr4_load(const struct vcpu *v)
{
    const uint64_t follow = CR4_TSD | CR4_DE | CR4_FSGSBASE;
    uint64_t now = read_cr4(), want = (now & ~follow) | (v->arch.cr4_guest & follow);

    if (want != now) {
        write_cr4(want);
    }
}

static bool has_tsc_aux(void)
{
    return cpu_has(RDTSCP) || cpu_has(RDPID);
}

void pv_msrs_init_cpu(void)
{
    if (has_tsc_aux()) {
        wrmsr(MSR_TSC_AUX, 0);
    }
    this_cpu(loaded_tsc_aux) = 0;
}

void pv_msrs_load(const struct vcpu *v)
{
    cr4_load(v);
    if (has_tsc_aux() && this_cpu(loaded_tsc_aux) != v->arch.tsc_aux) {
        wrmsr(MSR_TSC_AUX, v->arch.tsc_aux);
        this_cpu(loaded_tsc_aux) = v->arch.tsc_aux;
    }
}

void pv_cr4_choose(struct vcpu *v, uint64_t value)
{
    uint64_t mine = CR4_DE | CR4_TSD | CR4_FSGSBASE | CR4_OSXSAVE;

    value &= ~((cpu_has(XSAVE) ? 0 : CR4_OSXSAVE) | (cpu_has(FSGSBASE) ? 0 : CR4_FSGSBASE));
    v->arch.cr4_guest = (v->arch.cr4_guest & ~mine) | (value & mine);
}

void pv_cr4_set(struct vcpu *v, uint64_t value)
{
    pv_cr4_choose(v, value);
    cr4_load(v);
}

/*
 * Registers that read 0 and take anything: power states and performance counters, which are the
 * hypervisor's, and which kernels touch without asking CPUID.
 */
static bool msr_stands_still(uint32_t msr)
{
    switch (msr) {
    case MSR_AMD_NB_CFG:
        return true;
    case MSR_AMD_HWCR:
    case MSR_AMD_FIDVID_CTL:
    case MSR_AMD_FIDVID_STATUS:
    case MSR_AMD_PSTATE_LIMIT ... MSR_AMD_PSTATE_LAST:
    case MSR_AMD_PERF_FIRST ... MSR_AMD_PERF_LAST:
    case MSR_AMD_PERF_EXT_FIRST ... MSR_AMD_PERF_EXT_LAST:
        return cpu_host.vendor == VENDOR_AMD;
    case MSR_PERFCTR_FIRST ... MSR_PERFCTR_LAST:
    case MSR_EVNTSEL_FIRST ... MSR_EVNTSEL_LAST:
    case MSR_FIXED_CTR_FIRST ... MSR_FIXED_CTR_LAST:
    case MSR_FIXED_CTR_CTRL ... MSR_PERF_GLOBAL_OVF_CTRL:
        return cpu_host.vendor == VENDOR_INTEL;
    default:
        return false;
    }
}

/* Nothing ever happens in a virtual bank: the hypervisor reads the real ones. Writes are dropped.
 */
static bool msr_machine_check(uint32_t msr)
{
    return (msr >= MSR_MCG_CAP && msr <= MSR_MCG_CTL) ||
           (msr >= MSR_MC0_CTL2 && msr < MSR_MC0_CTL2 + MAX_BANKS) ||
           (msr >= MSR_MC0_CTL && msr < MSR_MC0_CTL + 4 * MAX_BANKS);
}

bool pv_rdmsr(struct vcpu *v, uint32_t msr, uint64_t *value)
{
    uint64_t there;

    *value = 0;
    switch (msr) {
    case MSR_FS_BASE:
    case MSR_GS_BASE:
    case MSR_GS_BASE_SHADOW:
        *value = rdmsr(msr);
        return true;
    case MSR_TSC:
        *value = rdtsc();
        return true;
    case MSR_EFER:
        *value = rdmsr(msr) & MSR_EFER_GUEST;
        return true;
    case MSR_APIC_BASE:
        *value = APIC_BASE_ADDRESS | APIC_BASE_ENABLED | (v->id ? 0 : APIC_BASE_BSP);
        return true;
    case MSR_PAT:
        *value = PAT_PV;
        return true;
    case MSR_TSC_AUX:
        *value = v->arch.tsc_aux;
        return has_tsc_aux();
    case MSR_UCODE_REV:
        return rdmsr_safe(msr, value);
    case MSR_MCG_CAP:
        *value = NR_VIRTUAL_BANKS | (cpu_host.vendor == VENDOR_INTEL ? MCG_CAP_INTEL : 0);
        return true;
    case MSR_P5_MC_ADDR:
    case MSR_P5_MC_TYPE:
    case MSR_HYPERCALL_PAGE:
    case MSR_PLATFORM_INFO: /* no CPUID faulting for guests */
    case MSR_MISC_FEATURES:
    case MSR_PERF_CAPABILITIES: /* no performance counters */
        return true;
    case MSR_PLATFORM_ID:
        return cpu_host.vendor == VENDOR_INTEL && rdmsr_safe(msr, value);
    case MSR_FEATURE_CTL:
        *value = FEATURE_CTL_LOCK; /* and nothing is enabled */
        return cpu_host.vendor == VENDOR_INTEL;
    case MSR_PERF_STATUS:
    case MSR_PERF_CTL:
    case MSR_THERM_STATUS:
        return cpu_host.vendor == VENDOR_INTEL;
    case MSR_MISC_ENABLE:
        if (!rdmsr_safe(msr, value)) {
            return false;
        }
        *value = (*value & ~(MISC_PERF_AVAILABLE | MISC_MONITOR)) | MISC_BTS_UNAVAILABLE |
                 MISC_PEBS_UNAVAILABLE | MISC_XTPR_DISABLE;
        return true;
    case MSR_AMD_SYSCFG: /* where memory is: the hardware domain compares it with the memory map */
    case MSR_AMD_IORR_FIRST ... MSR_AMD_IORR_LAST:
    case MSR_AMD_TOP_MEM:
    case MSR_AMD_TOP_MEM2:
    case MSR_AMD_SMM_ADDR:
    case MSR_AMD_SMM_MASK:
        if (cpu_host.vendor != VENDOR_AMD || v->domain != dom0 || !rdmsr_safe(msr, value)) {
            return false;
        }
        if (msr == MSR_AMD_SYSCFG) {
            *value &= SYSCFG_MEMORY_MAP;
        }
        return true;
    case MSR_AMD_DE_CFG: /* a guest can rely on it: where LFENCE could not be made so, CPUID says it
                          */
        *value = DE_CFG_LFENCE_SERIALISE;
        return cpu_host.vendor == VENDOR_AMD;
    default:
        if (msr >= MSR_MC0_CTL && msr < MSR_MC0_CTL + 4 * NR_VIRTUAL_BANKS && msr % 4 == 0) {
            *value = ~0ULL; /* every kind of error is reported */
        }
        return msr_stands_still(msr) || msr_machine_check(msr) ||
               (v->domain->arch.msr_relaxed && rdmsr_safe(msr, &there));
    }
}

bool pv_wrmsr(struct vcpu *v, uint32_t msr, uint64_t value)
{
    uint64_t now;

    switch (msr) {
    case MSR_FS_BASE:
    case MSR_GS_BASE:
    case MSR_GS_BASE_SHADOW:
        if (!address_canonical(value)) {
            return false;
        }
        wrmsr(msr, value);
        return true;
    case MSR_TSC_AUX:
        if (value >> 32 || !has_tsc_aux()) {
            return false;
        }
        v->arch.tsc_aux = value;
        pv_msrs_load(v);
        return true;
    case MSR_EFER: /* what a kernel read it may write back */
        return pv_rdmsr(v, msr, &now) && now == value;
    case MSR_MISC_ENABLE: /* as if each bit were read-only */
        return pv_rdmsr(v, msr, &now);
    case MSR_AMD_DE_CFG:
        return cpu_host.vendor == VENDOR_AMD;
    case MSR_MPERF:
    case MSR_APERF:
        return cpu_host.vendor != VENDOR_OTHER;
    case MSR_PERF_CTL:
    case MSR_THERM_CONTROL:
    case MSR_ENERGY_BIAS:
        return cpu_host.vendor == VENDOR_INTEL;
    case MSR_UCODE_REV:
        return value == 0 && cpu_host.vendor == VENDOR_INTEL;
    default:
        return msr_stands_still(msr) || msr_machine_check(msr) ||
               (v->domain->arch.msr_relaxed && rdmsr_safe(msr, &now));
    }
}
