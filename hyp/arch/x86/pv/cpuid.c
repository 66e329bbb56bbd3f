/*
 * CPUID as PV guests see it: what the CPU has, less what a kernel in ring 3 cannot use or what the
 * hypervisor keeps for itself, and the leaves from 0x40000000 on by which a guest finds Xen
 * (public/arch-x86/cpuid.h).
 */
#include <lodge/string.h>
#include <xen/arch-x86/cpuid.h>
#include "core/domain.h"
#include "core/frame.h"
#include "core/version.h"
#include "cpu/features.h"
#include "cpu/fpu.h"
#include "cpu/insn.h"
#include "cpu/msr.h"
#include "platform/time.h"
#include "pv/cpuid.h"
#include "pv/pv.h"

#define BIT(name) (1U << (XEN_X86_FEATURE_##name % 32))

/*
 * Features that a PV guest may have if the CPU has them, by word of
 * public/arch-x86/cpufeatureset.h. Absent on purpose: large pages and global pages (page tables are
 * the hypervisor's to check), virtualisation, SMEP and SMAP (the guest's kernel is a user to the
 * CPU), PCID, MONITOR, performance counters, timers that are the hypervisor's.
 */
static const uint32_t pv_features[NR_FEATURE_WORDS] = {
    [0] = BIT(FPU) | BIT(DE) | BIT(TSC) | BIT(MSR) | BIT(PAE) | BIT(MCE) | BIT(CX8) | BIT(APIC) |
          BIT(SEP) | BIT(MCA) | BIT(CMOV) | BIT(PAT) | BIT(CLFLUSH) | BIT(ACPI) | BIT(MMX) |
          BIT(FXSR) | BIT(SSE) | BIT(SSE2) | BIT(SS) | BIT(HTT),
    [1] = BIT(SSE3) | BIT(PCLMULQDQ) | BIT(SSSE3) | BIT(FMA) | BIT(CX16) | BIT(SSE4_1) |
          BIT(SSE4_2) | BIT(MOVBE) | BIT(POPCNT) | BIT(AESNI) | BIT(XSAVE) | BIT(AVX) | BIT(F16C) |
          BIT(RDRAND),
    [2] = BIT(SYSCALL) | BIT(NX) | BIT(MMXEXT) | BIT(FFXSR) | BIT(RDTSCP) | BIT(LM) |
          BIT(3DNOWEXT) | BIT(3DNOW),
    [3] = BIT(LAHF_LM) | BIT(CMP_LEGACY) | BIT(ABM) | BIT(SSE4A) | BIT(MISALIGNSSE) |
          BIT(3DNOWPREFETCH) | BIT(XOP) | BIT(FMA4) | BIT(TBM) | BIT(DBEXT),
    [4] = BIT(XSAVEOPT) | BIT(XSAVEC) | BIT(XGETBV1),
    [5] = BIT(FSGSBASE) | BIT(BMI1) | BIT(HLE) | BIT(AVX2) | BIT(BMI2) | BIT(ERMS) | BIT(RTM) |
          BIT(AVX512F) | BIT(AVX512DQ) | BIT(RDSEED) | BIT(ADX) | BIT(AVX512_IFMA) |
          BIT(CLFLUSHOPT) | BIT(CLWB) | BIT(AVX512PF) | BIT(AVX512ER) | BIT(AVX512CD) | BIT(SHA) |
          BIT(AVX512BW) | BIT(AVX512VL),
    [6] = BIT(PREFETCHWT1) | BIT(AVX512_VBMI) | BIT(AVX512_VBMI2) | BIT(GFNI) | BIT(VAES) |
          BIT(VPCLMULQDQ) | BIT(AVX512_VNNI) | BIT(AVX512_BITALG) | BIT(AVX512_VPOPCNTDQ) |
          BIT(RDPID) | BIT(CLDEMOTE) | BIT(MOVDIRI) | BIT(MOVDIR64B),
    [7] = BIT(ITSC),
    [8] = BIT(CLZERO) | BIT(RSTR_FP_ERR_PTRS) | BIT(SSB_NO) | BIT(BTC_NO),
    [9] = BIT(AVX512_4VNNIW) | BIT(AVX512_4FMAPS) | BIT(FSRM) | BIT(MD_CLEAR) | BIT(SERIALIZE) |
          BIT(TSXLDTRK),
    [10] = BIT(AVX_VNNI) | BIT(AVX512_BF16) | BIT(FZRM) | BIT(FSRS) | BIT(FSRCS),
    [11] = BIT(LFENCE_DISPATCH) | BIT(NSCB) | BIT(SRSO_NO),
};

/* What leaf 0x80000001 repeats of word 0 on AMD: AMD64 APM vol. 3, "Function 8000_0001h". */
#define COMMON_1D 0x0183f3ffU

#define TIME_HAS_RDTSCP      (1U << 2) /* public/arch-x86/cpuid.h, leaf 4, sub-leaf 0 */
#define TRAP_UD              6
#define PV_MAX_LEAF          0xdU
#define PV_MAX_EXTENDED_LEAF 0x80000021U
#define XSTATE_AREA_LEGACY   576U

/*
 * Asks the CPU for it where it has the choice. AMD, "Software techniques for managing speculation":
 * DE_CFG bit 1.
 */
static bool lfence_make_serialising(void)
{
    uint64_t cfg;

    if (cpu_host.vendor != VENDOR_AMD) {
        return false;
    }
    if (cpu_has(LFENCE_DISPATCH) || cpu_host.family == 0xf || cpu_host.family == 0x11) {
        return true; /* those families have no other LFENCE, and no such register */
    }
    if (!rdmsr_safe(MSR_AMD_DE_CFG, &cfg)) {
        return false;
    }
    return cfg & DE_CFG_LFENCE_SERIALISE ||
           (wrmsr_safe(MSR_AMD_DE_CFG, cfg | DE_CFG_LFENCE_SERIALISE) &&
            rdmsr_safe(MSR_AMD_DE_CFG, &cfg) && cfg & DE_CFG_LFENCE_SERIALISE);
}

static bool lfence_serialises;

void pv_cpuid_init(void)
{
    lfence_serialises = lfence_make_serialising();
}

bool cpu_lfence_serialises(void)
{
    return lfence_serialises;
}

static uint32_t feature_word(unsigned int word)
{
    return cpu_host.features[word] & pv_features[word];
}

static bool is_dom0_kernel(const struct vcpu *v)
{
    return v->domain == dom0 && v->arch.kernel_mode;
}

/*
 * forced: the guest's kernel asks with the prefix. Then OSXSAVE is the hypervisor's, not the
 * guest's own: kernels look at it to see whether XSAVE is meant seriously. Domain 0's kernel is
 * told what it does for the machine: P-states from ACPI's tables (EIST), memory types (MTRR).
 * Source: Xen 4.17 guest_cpuid, which says which kernels want it so.
 */
static void leaf_1(struct vcpu *v, bool forced, struct cpuid_regs *r)
{
    r->a &= 0x0fff0fff; /* without the processor type */
    r->b &= 0x00ffffff; /* no APIC id: a PV guest has no APICs */
    r->c = feature_word(1) | BIT(HYPERVISOR);
    if (r->c & BIT(XSAVE) && (forced || v->arch.cr4_guest & CR4_OSXSAVE)) {
        r->c |= BIT(OSXSAVE);
    }
    r->d = feature_word(0);
    if (is_dom0_kernel(v)) {
        r->c |= cpu_host.features[1] & BIT(EIST);
        r->d |= cpu_host.features[0] & BIT(MTRR);
    }
    if (cpu_host.vendor == VENDOR_AMD) {
        r->d &= ~BIT(SEP); /* not in long mode */
    }
}

static void leaf_7(uint32_t subleaf, struct cpuid_regs *r)
{
    uint32_t max = cpu_host.max_leaf >= 7 ? MIN(cpuid(7, 0).a, 1U) : 0;

    *r = (struct cpuid_regs){ 0 };
    if (subleaf == 0) {
        r->a = max;
        r->b = feature_word(5);
        r->c = feature_word(6);
        r->d = feature_word(9);
    } else if (subleaf == 1 && max >= 1) {
        r->a = feature_word(10);
    }
}

/* Sizes follow XCR0, as the CPU has it loaded for this guest. */
static void leaf_d(uint32_t subleaf, struct cpuid_regs *r)
{
    struct cpuid_regs host = *r;

    *r = (struct cpuid_regs){ 0 };
    if (!(feature_word(1) & BIT(XSAVE))) {
        return;
    }
    switch (subleaf) {
    case 0:
        r->a = (uint32_t)fpu_host.xcr0;
        r->d = fpu_host.xcr0 >> 32;
        r->b = host.b; /* for the components enabled now */
        r->c = fpu_host.area_size;
        break;
    case 1:
        r->a = feature_word(4);
        r->b = r->a & BIT(XSAVEC) ? host.b : 0;
        break;
    case 2 ... 62:
        if (fpu_host.xcr0 & 1ULL << subleaf) {
            *r = host;
            r->c &= 2; /* alignment; no supervisor components */
        }
        break;
    }
}

/* Intel's processors have nothing in the extended leaves that the basic ones say. */
static void leaf_extended_1(struct vcpu *v, struct cpuid_regs *r)
{
    r->c = feature_word(3);
    r->d = feature_word(2);
    if (cpu_host.vendor == VENDOR_AMD) {
        r->a &= 0x0fff0fff;
        r->b &= 0xff00ffff;
        r->d |= feature_word(0) & COMMON_1D;
    } else {
        r->a = r->b = 0;
    }
    if (is_dom0_kernel(v)) {
        r->d |= cpu_host.features[0] & BIT(MTRR);
    }
}

static void leaf_extended_caches(uint32_t leaf, struct cpuid_regs *r)
{
    if (cpu_host.vendor == VENDOR_INTEL) {
        *r = (struct cpuid_regs){ .c = leaf == 0x80000006 ? r->c : 0 };
    }
}

/* Descriptions of caches as Intel has them: leaf 2, and leaf 4 without which CPUs share them. */
static void leaf_caches(uint32_t leaf, struct cpuid_regs *r)
{
    if (cpu_host.vendor == VENDOR_AMD) {
        *r = (struct cpuid_regs){ 0 };
    } else if (leaf == 2) {
        r->a = (r->a & ~0xffU) | 1; /* asking once is enough */
    } else {
        r->a &= r->a & 0x1f ? 0xffffc3ff : 0;
        r->d &= 7;
    }
}

static void leaf_extended_8(struct cpuid_regs *r)
{
    r->b = feature_word(8);
    r->a = (r->a & 0xff) | 48 << 8;
    r->c &= cpu_host.vendor == VENDOR_AMD ? 0x3f0ff : 0;
    r->d = 0;
}

/* AMD: at least up to the leaf that says that LFENCE serialises, which cpu_init() saw to. */
static uint32_t max_extended_leaf(void)
{
    if (cpu_lfence_serialises()) {
        return PV_MAX_EXTENDED_LEAF;
    }
    return MIN(cpu_host.max_extended_leaf, PV_MAX_EXTENDED_LEAF);
}

static void native(struct vcpu *v, uint32_t leaf, uint32_t subleaf, bool forced,
                   struct cpuid_regs *r)
{
    *r = cpuid(leaf, subleaf);
    switch (leaf) {
    case 0:
        r->a = MIN(r->a, PV_MAX_LEAF);
        break;
    case 1:
        leaf_1(v, forced, r);
        break;
    case 2:
    case 4:
        leaf_caches(leaf, r);
        break;
    case 7:
        leaf_7(subleaf, r);
        break;
    case 0xd:
        leaf_d(subleaf, r);
        break;
    case 0x80000000:
        r->a = max_extended_leaf();
        if (cpu_host.vendor == VENDOR_INTEL) {
            r->b = r->c = r->d = 0;
        }
        break;
    case 0x80000001:
        leaf_extended_1(v, r);
        break;
    case 0x80000002 ... 0x80000004: /* name */
        break;
    case 0x80000005:
    case 0x80000006:
        leaf_extended_caches(leaf, r);
        break;
    case 0x80000007:
        *r = (struct cpuid_regs){ .d = feature_word(7) };
        break;
    case 0x80000008:
        leaf_extended_8(r);
        break;
    case 0x80000021:
        *r = (struct cpuid_regs){ .a = feature_word(11) |
                                       (cpu_lfence_serialises() ? BIT(LFENCE_DISPATCH) : 0) };
        break;
    default: /* monitor, power, counters, topology, SVM, ... */
        *r = (struct cpuid_regs){ 0 };
        break;
    }
}

static void xen_leaf(struct vcpu *v, uint32_t leaf, uint32_t subleaf, struct cpuid_regs *r)
{
    *r = (struct cpuid_regs){ 0 };
    switch (leaf) {
    case 0:
        *r = (struct cpuid_regs){ XEN_CPUID_FIRST_LEAF + 5, XEN_CPUID_SIGNATURE_EBX,
                                  XEN_CPUID_SIGNATURE_ECX, XEN_CPUID_SIGNATURE_EDX };
        break;
    case 1:
        r->a = XEN_MAJOR << 16 | XEN_MINOR;
        break;
    case 2:
        r->a = 1;
        r->b = XEN_CPUID_FIRST_LEAF;
        r->c = XEN_CPUID_FEAT1_MMU_PT_UPDATE_PRESERVE_AD;
        break;
    case 3: /* the TSC is the machine's own; what a toolstack would have set is not there */
        if (subleaf == 0) {
            r->a = cpu_has(RDTSCP) ? TIME_HAS_RDTSCP : 0;
        } else if (subleaf == 2) {
            r->a = (uint32_t)(tsc_hz / 1000);
        }
        break;
    case 5:
        r->a = 0;
        r->b = 64 - (unsigned int)__builtin_clzll(max_frame << PAGE_SHIFT); /* of all RAM */
        break;
    }
    (void)v;
}

void pv_cpuid(struct vcpu *v, struct cpu_user_regs *regs)
{
    uint32_t leaf = regs->eax, subleaf = regs->ecx;
    struct cpuid_regs r = { 0 };

    if (leaf >= XEN_CPUID_FIRST_LEAF && leaf <= XEN_CPUID_FIRST_LEAF + 5) {
        xen_leaf(v, leaf - XEN_CPUID_FIRST_LEAF, subleaf, &r);
    } else if (leaf <= MIN(cpu_host.max_leaf, PV_MAX_LEAF) ||
               (leaf >= 0x80000000 && leaf <= max_extended_leaf())) {
        native(v, leaf, subleaf, regs->entry_vector == TRAP_UD && v->arch.kernel_mode, &r);
    }
    regs->rax = r.a;
    regs->rbx = r.b;
    regs->rcx = r.c;
    regs->rdx = r.d;
}
