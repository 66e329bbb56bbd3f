/* Features as a set: where CPUID keeps them, which there are, and which need which. */
#include <lodge/cpu_policy.h>

#include <lodge/string.h>

uint32_t *cpu_policy_word(struct cpu_policy *p, unsigned int word)
{
    uint32_t *const places[CPU_FEATURE_WORDS] = {
        &p->basic[1].d,
        &p->basic[1].c,
        &p->extended[1].d,
        &p->extended[1].c,
        &p->xstate[1].a,
        &p->features[0].b,
        &p->features[0].c,
        &p->extended[7].d,
        &p->extended[8].b,
        &p->features[0].d,
        &p->features[1].a,
        &p->extended[0x21].a,
        &p->features[1].b,
        &p->features[2].d,
        &p->features[1].c,
        &p->features[1].d,
        (uint32_t *)&p->arch_caps, /* low half, high half */
        (uint32_t *)&p->arch_caps + 1,
        &p->extended[0x21].c,
    };

    return places[word];
}

void cpu_policy_get_features(const struct cpu_policy *p, uint32_t *words)
{
    for (unsigned int i = 0; i < CPU_FEATURE_WORDS; i++) {
        words[i] = *cpu_policy_word((struct cpu_policy *)p, i);
    }
}

void cpu_policy_set_features(struct cpu_policy *p, const uint32_t *words)
{
    for (unsigned int i = 0; i < CPU_FEATURE_WORDS; i++) {
        *cpu_policy_word(p, i) = words[i];
    }
}

/* Every feature that the interface has a name for. */
static const uint16_t known[] = {
#define XEN_CPUFEATURE(name, value) (value),
#include <xen/arch-x86/cpufeatureset.h>
#undef XEN_CPUFEATURE
};

/*
 * The second is built on the first, or no CPU has it without. Sources: the chapters on each of them
 * in Intel SDM vol. 1 and AMD64 APM vol. 2 to 4; Xen, tools/gen-cpuid.py, for where they leave it open.
 */
#define F(name) XEN_X86_FEATURE_##name
static const uint16_t needs[][2] = {
    { F(FPU), F(MMX) }, { F(FPU), F(RSTR_FP_ERR_PTRS) },
    { F(MMX), F(MMXEXT) }, { F(MMX), F(3DNOW) }, { F(3DNOW), F(3DNOWEXT) },
    { F(PSE), F(PSE36) }, { F(PAE), F(LM) }, { F(PAE), F(NX) }, { F(NX), F(SMAP) },
    { F(TSC), F(TSC_DEADLINE) }, { F(TSC), F(RDTSCP) }, { F(TSC), F(TSC_ADJUST) }, { F(TSC), F(ITSC) },
    { F(APIC), F(X2APIC) }, { F(APIC), F(TSC_DEADLINE) }, { F(APIC), F(EXTAPIC) },
    { F(FXSR), F(FFXSR) }, { F(FXSR), F(SSE) }, { F(SSE), F(SSE2) }, { F(SSE), F(MISALIGNSSE) },
    { F(SSE2), F(SSE3) }, { F(SSE2), F(LM) }, { F(SSE2), F(AESNI) }, { F(SSE2), F(PCLMULQDQ) },
    { F(SSE2), F(SHA) }, { F(SSE2), F(GFNI) },
    { F(SSE3), F(SSSE3) }, { F(SSE3), F(SSE4A) }, { F(SSSE3), F(SSE4_1) }, { F(SSE4_1), F(SSE4_2) },
    { F(LM), F(CX16) }, { F(LM), F(PCID) }, { F(LM), F(LAHF_LM) }, { F(LM), F(PAGE1GB) },
    { F(LM), F(PKU) }, { F(LM), F(NO_LMSL) },
    { F(XSAVE), F(XSAVEOPT) }, { F(XSAVE), F(XSAVEC) }, { F(XSAVE), F(XGETBV1) },
    { F(XSAVE), F(XSAVES) }, { F(XSAVE), F(AVX) }, { F(XSAVE), F(MPX) }, { F(XSAVE), F(PKU) },
    { F(XSAVE), F(LWP) },
    { F(AVX), F(FMA) }, { F(AVX), F(FMA4) }, { F(AVX), F(F16C) }, { F(AVX), F(AVX2) },
    { F(AVX), F(XOP) },
    { F(AVX2), F(AVX512F) }, { F(AVX2), F(VAES) }, { F(AVX2), F(VPCLMULQDQ) }, { F(AVX2), F(AVX_VNNI) },
    { F(PCLMULQDQ), F(VPCLMULQDQ) }, { F(AESNI), F(VAES) },
    { F(AVX512F), F(AVX512DQ) }, { F(AVX512F), F(AVX512_IFMA) }, { F(AVX512F), F(AVX512PF) },
    { F(AVX512F), F(AVX512ER) }, { F(AVX512F), F(AVX512CD) }, { F(AVX512F), F(AVX512BW) },
    { F(AVX512F), F(AVX512VL) }, { F(AVX512F), F(AVX512_4VNNIW) }, { F(AVX512F), F(AVX512_4FMAPS) },
    { F(AVX512F), F(AVX512_VNNI) }, { F(AVX512F), F(AVX512_VPOPCNTDQ) },
    { F(AVX512F), F(AVX512_VP2INTERSECT) },
    { F(AVX512BW), F(AVX512_VBMI) }, { F(AVX512BW), F(AVX512_VBMI2) }, { F(AVX512BW), F(AVX512_BITALG) },
    { F(AVX512BW), F(AVX512_BF16) }, { F(AVX512BW), F(AVX512_FP16) },
    { F(IBRSB), F(STIBP) }, { F(IBRSB), F(SSBD) }, { F(IBRSB), F(INTEL_PSFD) }, { F(IBRSB), F(EIBRS) },
    { F(IBRSB), F(IPRED_CTRL) }, { F(IBRSB), F(RRSBA_CTRL) }, { F(IBRSB), F(BHI_CTRL) },
    { F(IBRS), F(AMD_STIBP) }, { F(IBRS), F(AMD_SSBD) }, { F(IBRS), F(PSFD) },
    { F(IBRS), F(IBRS_ALWAYS) }, { F(IBRS), F(IBRS_FAST) }, { F(IBRS), F(IBRS_SAME_MODE) },
    { F(IBPB), F(IBPB_RET) }, { F(IBPB), F(SBPB) }, { F(IBPB), F(IBPB_BRTYPE) },
    { F(AMD_STIBP), F(STIBP_ALWAYS) }, { F(RTM), F(TSXLDTRK) }, { F(EIBRS), F(RRSBA) },
};

static bool take_unfounded(uint32_t *words)
{
    bool taken = false;

    for (unsigned int i = 0; i < ARRAY_SIZE(needs); i++) {
        if (!cpu_feature_test(words, needs[i][0]) && cpu_feature_test(words, needs[i][1])) {
            cpu_feature_put(words, needs[i][1], false);
            taken = true;
        }
    }
    return taken;
}

void cpu_features_complete(uint32_t *words)
{
    uint32_t mask[CPU_FEATURE_WORDS] = { 0 };

    for (unsigned int i = 0; i < ARRAY_SIZE(known); i++) {
        mask[known[i] / 32] |= 1U << known[i] % 32;
    }
    for (unsigned int i = 0; i < CPU_FEATURE_WORDS; i++) {
        words[i] &= mask[i];
    }
    if (!cpu_feature_test(words, F(ARCH_CAPS))) {
        words[F(RDCL_NO) / 32] = words[F(RDCL_NO) / 32 + 1] = 0; /* there is no such register */
    }
    while (take_unfounded(words)) {
    }
}
