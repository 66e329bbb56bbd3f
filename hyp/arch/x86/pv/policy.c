/*
 * What a PV guest may be told about its CPU, and what it is told. The rules are Xen 4.17's
 * (arch/x86/cpu-policy.c).
 */
#include "pv/policy.h"

#include <lodge/errno.h>
#include <lodge/range.h>
#include "core/object.h"
#include "cpu/policy.h"

#define BIT(name) (1U << (XEN_X86_FEATURE_##name % 32))
#define F(name)   XEN_X86_FEATURE_##name

#define MAX_EXTENDED_LEAF_INTEL 0x80000008U
#define LINEAR_ADDRESS_BITS     48U
#define MSR_PLATFORM_INFO       0xceU

/*
 * Features that a PV guest may have if the CPU has them, by word of
 * public/arch-x86/cpufeatureset.h. Absent on purpose: large pages and global pages (page tables are
 * the hypervisor's to check), virtualisation, SMEP and SMAP (the guest's kernel is a user to the
 * CPU), PCID, MONITOR, performance counters, timers that are the hypervisor's; speculation controls
 * and what MSR_ARCH_CAPABILITIES says, which are not passed on.
 */
static const uint32_t may_have[CPU_FEATURE_WORDS] = {
    [0] = BIT(FPU) | BIT(DE) | BIT(TSC) | BIT(MSR) | BIT(PAE) | BIT(MCE) | BIT(CX8) | BIT(APIC) |
          BIT(SEP) | BIT(MCA) | BIT(CMOV) | BIT(PAT) | BIT(CLFLUSH) | BIT(ACPI) | BIT(MMX) |
          BIT(FXSR) | BIT(SSE) | BIT(SSE2) | BIT(SS) | BIT(HTT),
    [1] = BIT(SSE3) | BIT(PCLMULQDQ) | BIT(SSSE3) | BIT(FMA) | BIT(CX16) | BIT(SSE4_1) |
          BIT(SSE4_2) | BIT(MOVBE) | BIT(POPCNT) | BIT(AESNI) | BIT(XSAVE) | BIT(AVX) | BIT(F16C) |
          BIT(RDRAND) | BIT(HYPERVISOR),
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
    [9] = BIT(AVX512_4VNNIW) | BIT(AVX512_4FMAPS) | BIT(FSRM) | BIT(AVX512_VP2INTERSECT) |
          BIT(MD_CLEAR) | BIT(SERIALIZE) | BIT(TSXLDTRK),
    [10] = BIT(AVX_VNNI) | BIT(AVX512_BF16) | BIT(FZRM) | BIT(FSRS) | BIT(FSRCS),
    [11] = BIT(LFENCE_DISPATCH) | BIT(VERW_CLEAR) | BIT(NSCB) | BIT(SRSO_NO),
    [13] = BIT(MCDT_NO),
    [18] = BIT(TSA_SQ_NO) | BIT(TSA_L1_NO),
};

/* Of those, what a guest has only if the tools ask for it: it may not be there after migration. */
static const uint32_t on_request[CPU_FEATURE_WORDS] = {
    [1] = BIT(X2APIC),
    [5] = BIT(HLE) | BIT(RTM),
    [6] = BIT(MOVDIRI) | BIT(MOVDIR64B),
    [7] = BIT(ITSC),
    [9] = BIT(AVX512_VP2INTERSECT) | BIT(RTM_ALWAYS_ABORT) | BIT(TSXLDTRK),
};

/* What the hardware's x87 does, whatever the tools say: Intel SDM vol. 1, "x87 FPU". */
#define X87_WORD (F(FDP_EXCP_ONLY) / 32)
#define X87_FACTS (BIT(FDP_EXCP_ONLY) | BIT(NO_FPU_SEL))

struct cpu_policy policy_pv_max, policy_pv_default;
static struct cpu_policy policy_dom0;

static bool host_has(unsigned int feature)
{
    return *cpu_policy_word(&policy_host, feature / 32) >> (feature % 32) & 1;
}

/*
 * A guest that began elsewhere may have been told of these, and they cost nothing: how many threads
 * there are is what the tools say; VERW is an instruction on every CPU.
 */
static void add_harmless(uint32_t *words)
{
    cpu_feature_put(words, F(HYPERVISOR), true);
    cpu_feature_put(words, F(X2APIC), true);
    cpu_feature_put(words, F(HTT), true);
    cpu_feature_put(words, F(CMP_LEGACY), true);
    if (cpu_host.vendor == VENDOR_INTEL) {
        cpu_feature_put(words, F(MD_CLEAR), true);
        if (cpu_feature_test(words, F(RTM))) {
            cpu_feature_put(words, F(RTM_ALWAYS_ABORT), true);
        }
    } else if (cpu_host.vendor == VENDOR_AMD) {
        cpu_feature_put(words, F(VERW_CLEAR), true);
    }
}

static void init_max(void)
{
    struct cpu_policy *p = &policy_pv_max;
    uint32_t words[CPU_FEATURE_WORDS];

    *p = policy_host;
    p->features[0].a = CPU_POLICY_MAX_SUBLEAF_7;
    cpu_policy_get_features(p, words);
    for (unsigned int i = 0; i < CPU_FEATURE_WORDS; i++) {
        words[i] &= may_have[i];
    }
    add_harmless(words);
    cpu_features_complete(words);
    cpu_policy_set_features(p, words);
    policy_fit_xstate(p);
    p->extended[0xa] = (struct cpuid_regs){ 0 }; /* SVM */
}

static void init_default(void)
{
    static const unsigned int as_host[] = { F(HTT), F(CMP_LEGACY), F(MD_CLEAR), F(VERW_CLEAR) };
    struct cpu_policy *p = &policy_pv_default;
    uint32_t words[CPU_FEATURE_WORDS];

    *p = policy_pv_max;
    p->features[0].a = policy_host.features[0].a;
    cpu_policy_get_features(p, words);
    for (unsigned int i = 0; i < CPU_FEATURE_WORDS; i++) {
        words[i] &= ~on_request[i];
    }
    for (unsigned int i = 0; i < ARRAY_SIZE(as_host); i++) {
        if (!host_has(as_host[i])) {
            cpu_feature_put(words, as_host[i], false);
        }
    }
    cpu_features_complete(words);
    cpu_policy_set_features(p, words);
    policy_fit_xstate(p);
}

static void limit_leaves(struct cpu_policy *p)
{
    uint32_t extended = policy_vendor(p) == VENDOR_AMD ? CPU_POLICY_MAX_EXTENDED_LEAF
                                                       : MAX_EXTENDED_LEAF_INTEL;

    p->basic[0].a = MIN(p->basic[0].a, policy_pv_max.basic[0].a);
    p->features[0].a = MIN(p->features[0].a, policy_pv_max.features[0].a);
    p->extended[0].a = MIN(0x80000000 | (p->extended[0].a & 0xffff), extended);
}

static void limit_features(struct cpu_policy *p)
{
    uint32_t words[CPU_FEATURE_WORDS], max[CPU_FEATURE_WORDS];

    cpu_policy_get_features(p, words);
    cpu_policy_get_features(&policy_pv_max, max);
    for (unsigned int i = 0; i < CPU_FEATURE_WORDS; i++) {
        words[i] &= max[i];
    }
    if (p->basic[0].a < 0xd) {
        cpu_feature_put(words, F(XSAVE), false);
    }
    cpu_features_complete(words);
    words[X87_WORD] &= ~X87_FACTS;
    words[X87_WORD] |= *cpu_policy_word(&policy_host, X87_WORD) & X87_FACTS;
    cpu_policy_set_features(p, words);
}

static void limit_caches(struct cpu_policy *p)
{
    unsigned int i = 0;

    for (; i < ARRAY_SIZE(p->caches) && (p->caches[i].a & 0x1f) - 1 < 3; i++) {
        p->caches[i].a &= 0xffffc3ff; /* without which CPUs share it */
        p->caches[i].d &= 7;
    }
    for (; i < ARRAY_SIZE(p->caches); i++) {
        p->caches[i] = (struct cpuid_regs){ 0 };
    }
}

/* Makes any policy one that a PV guest can live with. */
static void limit(struct cpu_policy *p)
{
    uint32_t width;

    limit_leaves(p);
    limit_features(p);
    /* A cache line is the hardware's; widths of addresses are what can be. */
    p->basic[1].b = (p->basic[1].b & ~0xff00U) | (policy_pv_max.basic[1].b & 0xff00);
    width = MIN(p->extended[8].a & 0xff, policy_pv_max.extended[8].a & 0xff);
    width = MAX(MIN(width, (uint32_t)cpu_host.address_bits), p->basic[1].d & BIT(PAE) ? 36U : 32U);
    p->extended[8].a = (p->extended[8].a & ~0xffffU) | width |
                       (p->extended[1].d & BIT(LM) ? LINEAR_ADDRESS_BITS : 32) << 8;
    policy_fit(p);
    limit_caches(p);
    p->extended[0xa] = p->extended[0x19] = (struct cpuid_regs){ 0 }; /* SVM, TLBs of 1 GiB pages */
}

void policy_pv_init(void)
{
    init_max();
    init_default();
    policy_dom0 = policy_pv_default;
    if (host_has(F(ITSC))) { /* domain 0 stays where it is */
        policy_dom0.extended[7].d |= BIT(ITSC);
    }
    limit(&policy_dom0);
}

void pv_policy_init(struct domain *d)
{
    d->arch.policy = d->id == 0 ? &policy_dom0 : &policy_pv_default;
}

void pv_policy_fini(struct domain *d)
{
    if (d->arch.policy_is_own) {
        object_free((void *)d->arch.policy);
    }
    d->arch.policy = NULL;
    d->arch.policy_is_own = false;
}

/* Source: Xen, lib/x86/policy.c. */
static bool within_limits(const struct cpu_policy *p, struct policy_fault *fault)
{
    *fault = (struct policy_fault){ ~0U, ~0U, ~0U };
    if (p->basic[0].a > policy_pv_max.basic[0].a) {
        fault->leaf = 0;
    } else if (p->features[0].a > policy_pv_max.features[0].a) {
        fault->leaf = 7;
        fault->subleaf = 0;
    } else if (p->extended[0].a > policy_pv_max.extended[0].a) {
        fault->leaf = 0x80000000;
    } else if (p->platform_info & ~policy_pv_max.platform_info) {
        fault->msr = MSR_PLATFORM_INFO;
    } else {
        return true;
    }
    return false;
}

int pv_policy_set(struct domain *d, const struct cpu_policy *wanted, struct policy_fault *fault)
{
    struct cpu_policy *own;

    if (!within_limits(wanted, fault)) {
        return -EINVAL;
    }
    own = object_alloc(sizeof(*own));
    if (!own) {
        return -ENOMEM;
    }
    *own = *wanted;
    limit(own);
    pv_policy_fini(d);
    d->arch.policy = own;
    d->arch.policy_is_own = true;
    return 0;
}
