/*
 * MSRs of PV guests: few exist, writes of what cannot change are ignored where kernels rely on it, the rest is refused (#GP),
 * which PV kernels survive. RDMSR and WRMSR always fault in ring 3, so nothing passes by here.
 */
#include "core/domain.h"
#include "core/log.h"
#include "cpu/features.h"
#include "cpu/insn.h"
#include "cpu/msr.h"
#include "pv/pv.h"

#define PAT_PV            0x050100070406ULL /* the machine's: mm and cpu code set it so */
#define APIC_BASE_ENABLED 0x800ULL
#define APIC_BASE_BSP     0x100ULL
#define APIC_BASE_ADDRESS 0xfee00000ULL
#define MSR_EFER_GUEST    (EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE)
#define MSR_K8_SYSCFG     0xc0010010
#define MSR_K8_TOP_MEM1   0xc001001a
#define MSR_AMD_PATCH     0xc0010020
#define MSR_MC0_CTL       0x400
#define MSR_MC_END        0x480
#define MSR_MCG_STATUS    0x17a
#define MSR_AMD_OSVW_LEN  0xc0010140
#define MSR_AMD_OSVW_STATUS 0xc0010141
#define MSR_AMD_DE_CFG    0xc0011029
#define MSR_AMD_INT_PENDING 0xc0010055

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
    case MSR_MCG_CAP:
    case MSR_MCG_STATUS:
        return rdmsr_safe(msr, value) && (msr == MSR_UCODE_REV || (*value = 0, true));
    case MSR_PLATFORM_INFO:
    case MSR_MISC_FEATURES:
        return cpu_host.vendor == VENDOR_INTEL;
    case MSR_MISC_ENABLE:
        return cpu_host.vendor == VENDOR_INTEL && rdmsr_safe(msr, value);
    case MSR_AMD_HWCR:
    case MSR_K8_SYSCFG:
    case MSR_AMD_DE_CFG:
    case MSR_AMD_INT_PENDING:
        return cpu_host.vendor == VENDOR_AMD && v->domain->is_privileged && rdmsr_safe(msr, value);
    default:
        if (msr >= MSR_MC0_CTL && msr < MSR_MC_END) {
            return v->domain->is_privileged; /* no bank ever reports anything here: the hypervisor reads them */
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
        if (msr >= MSR_MC0_CTL && msr < MSR_MC_END) {
            return v->domain->is_privileged; /* dropped */
        }
        return false;
    }
}
