/*
 * A CPU policy: what CPUID says, to the hypervisor or to a guest, as data. Tools and hypervisor pass
 * it as a list of leaves (public/arch-x86/xen.h, struct xen_cpuid_leaf); features are also looked at
 * as a set of bits (public/arch-x86/cpufeatureset.h).
 */
#ifndef LODGE_CPU_POLICY_H
#define LODGE_CPU_POLICY_H

#include <lodge/compiler.h>
#include <xen/xen.h>
#include <xen/arch-x86/cpufeatureset.h>

struct cpuid_regs {
    uint32_t a, b, c, d;
};

#define CPU_POLICY_MAX_LEAF          0xdU
#define CPU_POLICY_MAX_EXTENDED_LEAF 0x80000021U
#define CPU_POLICY_MAX_SUBLEAF_7     2U
#define CPU_POLICY_XSTATES           63U

struct cpu_policy {
    struct cpuid_regs basic[CPU_POLICY_MAX_LEAF + 1]; /* but those that have sub-leaves: */
    struct cpuid_regs caches[6];                           /* 4 */
    struct cpuid_regs features[CPU_POLICY_MAX_SUBLEAF_7 + 1]; /* 7 */
    struct cpuid_regs topology[2];                         /* 0xb */
    struct cpuid_regs xstate[CPU_POLICY_XSTATES];          /* 0xd */
    struct cpuid_regs extended[(CPU_POLICY_MAX_EXTENDED_LEAF & 0xffff) + 1];
    uint32_t xen_limit, second_limit; /* leaves 0x40000000 and 0x40000100, EAX */
    uint64_t platform_info, arch_caps; /* MSRs 0xce and 0x10a */
};

/* Most leaves that a policy can be listed with: tools ask for so much room. */
#define CPU_POLICY_MAX_LEAVES 120U
#define CPU_POLICY_MAX_MSRS 2U

/*
 * Where a leaf is kept; subleaf as listed: XEN_CPUID_NO_SUBLEAF for a leaf that has none. NULL: not
 * in a policy, whatever its limits say.
 */
struct cpuid_regs *cpu_policy_leaf(struct cpu_policy *p, uint32_t leaf, uint32_t subleaf);

/* What the CPUID instruction answers by this policy; zeroes beyond its limits. */
struct cpuid_regs cpu_policy_cpuid(const struct cpu_policy *p, uint32_t leaf, uint32_t subleaf);

/* Calls put with each leaf in order, until it returns an error; returns that. */
int cpu_policy_list(const struct cpu_policy *p,
                    int (*put)(void *data, const struct xen_cpuid_leaf *leaf), void *data) MUST_CHECK;

/* Leaves that the limits of the policy make unreachable become 0. */
void cpu_policy_trim(struct cpu_policy *p);

/* Components of XSAVE's area that a guest may enable by this policy. */
static inline uint64_t cpu_policy_xcr0(const struct cpu_policy *p)
{
    return (uint64_t)p->xstate[0].d << 32 | p->xstate[0].a;
}

/* The set of features. */
#define CPU_FEATURE_WORDS 19

/* What leaf 0x80000001 repeats of leaf 1 on AMD: AMD64 APM vol. 3, "Function 8000_0001h". */
#define CPU_FEATURES_COMMON_1D 0x0183f3ffU

uint32_t *cpu_policy_word(struct cpu_policy *p, unsigned int word);
void cpu_policy_get_features(const struct cpu_policy *p, uint32_t *words);
void cpu_policy_set_features(struct cpu_policy *p, const uint32_t *words);

static inline bool cpu_feature_test(const uint32_t *words, unsigned int feature)
{
    return words[feature / 32] >> (feature % 32) & 1;
}
static inline void cpu_feature_put(uint32_t *words, unsigned int feature, bool on)
{
    words[feature / 32] = (words[feature / 32] & ~(1U << feature % 32)) | (uint32_t)on << feature % 32;
}
/* Takes away what nobody knows, and what cannot be there without something that is not. */
void cpu_features_complete(uint32_t *words);

#endif
