/*
 * MSRs of PV guests: few exist, writes of what cannot change are ignored where kernels rely on it, the rest is refused (#GP),
 * which PV kernels survive. RDMSR and WRMSR always fault in ring 3, so nothing passes by here.
 */
#include "core/domain.h"
#include "core/log.h"
#include "cpu/features.h"
#include "cpu/insn.h"
#include "cpu/msr.h"
#include "pv/cpuid.h"
#include "pv/pv.h"

#define PAT_PV            0x050100070406ULL /* the machine's: mm and cpu code set it so */
#define APIC_BASE_ENABLED 0x800ULL
#define APIC_BASE_BSP     0x100ULL
#define APIC_BASE_ADDRESS 0xfee00000ULL
#define MSR_EFER_GUEST    (EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE)
#define MSR_K8_SYSCFG     0xc0010010
#define MSR_K8_TOP_MEM1   0xc001001a
#define MSR_MC0_CTL       0x400
#define NR_VIRTUAL_BANKS  2
#define MSR_PERF_CAPABILITIES 0x345
#define MSR_HYPERCALL_PAGE    0x40000000
#define MISC_PERF_AVAILABLE   (1ULL << 7)
#define MISC_BTS_UNAVAILABLE  (1ULL << 11)
#define MISC_PEBS_UNAVAILABLE (1ULL << 12)
#define MISC_MONITOR          (1ULL << 18)
#define MISC_XTPR_DISABLE     (1ULL << 23)
#define MSR_AMD_PERF_FIRST    0xc0010000
#define MSR_AMD_PERF_LAST     0xc0010007
#define MSR_AMD_NB_CFG        0xc001001f
#define MSR_AMD_PSTATE_LIMIT  0xc0010061
#define MSR_AMD_PSTATE_FIRST  0xc0010064
#define MSR_AMD_PSTATE_LAST   0xc001006b
#define MSR_MCG_STATUS    0x17a

void pv_cr4_set(struct vcpu *v, uint64_t value)
{
    uint64_t mine = CR4_DE | CR4_TSD | CR4_FSGSBASE | CR4_OSXSAVE;
    uint64_t real = read_cr4();

    if (!cpu_has(XSAVE)) {
        mine &= ~CR4_OSXSAVE;
    }
    v->arch.cr4_guest = (v->arch.cr4_guest & ~mine) | (value & mine);
    real = (real & ~CR4_TSD) | (v->arch.cr4_guest & CR4_TSD);
    real = (real & ~CR4_DE) | (v->arch.cr4_guest & CR4_DE);
    write_cr4(real);
}

bool pv_rdmsr(struct vcpu *v, uint32_t msr, uint64_t *value)
{
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
        return cpu_has(RDTSCP) || cpu_has(RDPID);
    case MSR_UCODE_REV:
        return rdmsr_safe(msr, value);
    case MSR_MCG_CAP:
        *value = NR_VIRTUAL_BANKS;
        return true;
    case MSR_MCG_STATUS: /* nothing ever happens in a virtual bank: the hypervisor reads the real ones */
    case MSR_HYPERCALL_PAGE:
    case MSR_PLATFORM_INFO: /* no CPUID faulting for guests */
    case MSR_MISC_FEATURES:
    case MSR_PERF_CAPABILITIES: /* no performance counters */
        return true;
    case MSR_MISC_ENABLE:
        if (!rdmsr_safe(msr, value)) {
            return false;
        }
        *value = (*value & ~(MISC_PERF_AVAILABLE | MISC_MONITOR)) | MISC_BTS_UNAVAILABLE | MISC_PEBS_UNAVAILABLE |
                 MISC_XTPR_DISABLE;
        return true;
    case MSR_AMD_HWCR:
    case MSR_K8_SYSCFG:
    case MSR_K8_TOP_MEM1:
    case MSR_AMD_NB_CFG:
    case MSR_AMD_PSTATE_LIMIT:
    case MSR_AMD_PSTATE_FIRST ... MSR_AMD_PSTATE_LAST:
        if (cpu_host.vendor != VENDOR_AMD) {
            return false;
        }
        return rdmsr_safe(msr, value) || (*value = 0, true);
    case MSR_AMD_PERF_FIRST ... MSR_AMD_PERF_LAST:
        return cpu_host.vendor == VENDOR_AMD; /* no performance counters: they stand still */
    case MSR_AMD_DE_CFG:
        *value = cpu_lfence_serialises() ? DE_CFG_LFENCE_SERIALISE : 0;
        return cpu_host.vendor == VENDOR_AMD;
    default:
        if (msr >= MSR_MC0_CTL && msr < MSR_MC0_CTL + 4 * NR_VIRTUAL_BANKS) {
            *value = msr % 4 ? 0 : ~0ULL;
            return true;
        }
        return false;
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
        if (value >> 32 || !(cpu_has(RDTSCP) || cpu_has(RDPID))) {
            return false;
        }
        v->arch.tsc_aux = value;
        wrmsr(msr, value);
        return true;
    case MSR_EFER:
        return pv_rdmsr(v, msr, &now) && !((now ^ value) & ~EFER_SCE);
    case MSR_PAT:
        return value == PAT_PV;
    case MSR_APIC_BASE:
    case MSR_MISC_ENABLE:
    case MSR_AMD_HWCR:
    case MSR_K8_SYSCFG:
        /* What a kernel read it may write back. */
        return pv_rdmsr(v, msr, &now) && now == value;
    case MSR_UCODE_REV:
        return value == 0 && cpu_host.vendor == VENDOR_INTEL;
    default:
        if (msr >= MSR_MC0_CTL && msr < MSR_MC0_CTL + 4 * NR_VIRTUAL_BANKS) {
            return true; /* dropped */
        }
        return false;
    }
}
