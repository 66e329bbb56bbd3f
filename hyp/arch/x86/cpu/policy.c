/*
 * The machine's CPUID, and what of it means anything under a hypervisor. What is hidden from everybody,
 * and how the parts follow from the features: as Xen 4.17 has it (arch/x86/cpu-policy.c).
 */
#include "cpu/policy.h"

#include <lodge/string.h>
#include "cpu/fpu.h"
#include "cpu/insn.h"
#include "pv/cpuid.h"

#define MSR_ARCH_CAPABILITIES 0x10a
#define XSTATE_AREA_LEGACY    576U /* FXSAVE's registers and XSAVE's header */
#define XSTATE_COMPACT_ALIGN  2U

struct cpu_policy policy_raw, policy_host;

enum cpu_vendor policy_vendor(const struct cpu_policy *p)
{
    switch (p->basic[0].b) { /* the first letters */
    case 0x756e6547: /* Genu */
        return VENDOR_INTEL;
    case 0x68747541: /* Auth */
    case 0x6f677948: /* Hygo */
        return VENDOR_AMD;
    default:
        return VENDOR_OTHER;
    }
}

/* --- raw --- */

static void read_subleaves(uint32_t leaf, struct cpuid_regs *to, uint32_t n)
{
    if (leaf <= policy_raw.basic[0].a) {
        for (uint32_t i = 0; i < n; i++) {
            to[i] = cpuid(leaf, i);
        }
    }
}

static uint64_t raw_xstates(void)
{
    return cpu_policy_xcr0(&policy_raw) |
           (uint64_t)policy_raw.xstate[1].d << 32 | policy_raw.xstate[1].c;
}

void policy_read_raw(void)
{
    struct cpu_policy *p = &policy_raw;
    uint32_t extended = cpuid(0x80000000, 0).a;

    p->basic[0] = cpuid(0, 0);
    for (uint32_t i = 1; i <= MIN(p->basic[0].a, CPU_POLICY_MAX_LEAF); i++) {
        if (i != 4 && i != 7 && i != 0xb && i != 0xd) {
            p->basic[i] = cpuid(i, 0);
        }
    }
    read_subleaves(4, p->caches, ARRAY_SIZE(p->caches));
    read_subleaves(7, p->features, 1);
    read_subleaves(7, p->features, MIN(p->features[0].a, CPU_POLICY_MAX_SUBLEAF_7) + 1);
    read_subleaves(0xb, p->topology, ARRAY_SIZE(p->topology));
    read_subleaves(0xd, p->xstate, 2);
    for (uint32_t i = 2; i < CPU_POLICY_XSTATES; i++) {
        if (raw_xstates() >> i & 1) {
            p->xstate[i] = cpuid(0xd, i);
        }
    }
    if (extended >> 16 == 0x8000) {
        for (uint32_t i = 0x80000000; i <= MIN(extended, CPU_POLICY_MAX_EXTENDED_LEAF); i++) {
            p->extended[i & 0xffff] = cpuid(i, 0);
        }
    }
    cpu_policy_trim(p);
}

/* --- what follows from what --- */

static bool has(const struct cpu_policy *p, unsigned int feature)
{
    return *cpu_policy_word((struct cpu_policy *)p, feature / 32) >> (feature % 32) & 1;
}
#define HAS(p, name) has((p), XEN_X86_FEATURE_##name)

/* Components that a guest's kernel may enable: of the features it has. Intel SDM vol. 1, "XSAVE-Supported Features". */
static uint64_t xstates_of(const struct cpu_policy *p)
{
    uint64_t xstates = XCR0_X87 | XCR0_SSE;

    xstates |= HAS(p, AVX) ? XCR0_AVX : 0;
    xstates |= HAS(p, MPX) ? 3ULL << 3 : 0;
    xstates |= HAS(p, AVX512F) ? 7ULL << 5 : 0;
    xstates |= HAS(p, PKU) ? 1ULL << 9 : 0;
    return xstates;
}

void policy_fit_xstate(struct cpu_policy *p)
{
    struct cpuid_regs second = { .a = p->xstate[1].a };
    uint64_t xstates;
    uint32_t size = XSTATE_AREA_LEGACY;

    memset(p->xstate, 0, sizeof(p->xstate));
    if (!HAS(p, XSAVE)) {
        return;
    }
    xstates = xstates_of(p);
    for (unsigned int i = 2; i < CPU_POLICY_XSTATES; i++) {
        const struct cpuid_regs *raw = &policy_raw.xstate[i]; /* a: size, b: where */

        if (xstates >> i & 1) {
            p->xstate[i] = (struct cpuid_regs){ raw->a, raw->b, raw->c & XSTATE_COMPACT_ALIGN, 0 };
            size = MAX(size, raw->a + raw->b);
        }
    }
    p->xstate[0] = (struct cpuid_regs){ .a = (uint32_t)xstates, .c = size, .d = xstates >> 32 };
    p->xstate[1] = second;
}

static void clear(struct cpuid_regs *table, unsigned int first, unsigned int last)
{
    memset(&table[first], 0, (last - first + 1) * sizeof(*table));
}

/* Intel's CPUs have nothing in the extended leaves that the basic ones say. */
static void fit_intel(struct cpu_policy *p)
{
    p->basic[2].a = (p->basic[2].a & ~0xffU) | 1; /* asking once is enough */
    clear(p->basic, 3, 3);                        /* serial number */
    clear(p->basic, 9, 9);                        /* direct cache access */
    p->extended[0].b = p->extended[0].c = p->extended[0].d = 0;
    p->extended[1].a = p->extended[1].b = 0;
    clear(p->extended, 5, 5);
    p->extended[6].a = p->extended[6].b = p->extended[6].d = 0;
    p->extended[8].a &= 0xffff;
    p->extended[8].c = 0;
}

static void fit_amd(struct cpu_policy *p)
{
    clear(p->basic, 2, 3);
    memset(p->caches, 0, sizeof(p->caches));
    clear(p->basic, 9, 0xa);
    p->extended[0].b = p->basic[0].b;
    p->extended[0].c = p->basic[0].c;
    p->extended[0].d = p->basic[0].d;
    p->extended[1].a = p->basic[1].a;
    p->extended[1].b &= 0xff00ffff;
    p->extended[1].d |= p->basic[1].d & CPU_FEATURES_COMMON_1D;
    p->extended[8].a &= 0xffff; /* without the width of a guest's addresses */
    p->extended[8].c &= 0x0003f0ff;
    clear(p->extended, 9, 9);
    clear(p->extended, 0xb, 0x18);
    clear(p->extended, 0x1b, 0x20); /* sampling, profiling, topology, encrypted memory, quality of service */
    p->extended[0x21].b = p->extended[0x21].d = 0;
}

void policy_fit(struct cpu_policy *p)
{
    policy_fit_xstate(p);
    p->basic[1].a &= 0x0fff0fff; /* without the processor type */
    p->basic[1].b &= 0x00ffffff; /* APIC id: the vCPU's, if any */
    clear(p->basic, 5, 6);       /* MONITOR, power */
    clear(p->basic, 8, 8);
    clear(p->basic, 0xa, 0xa);   /* performance counters */
    clear(p->basic, 0xc, 0xc);
    memset(p->topology, 0, sizeof(p->topology));
    p->extended[1].d &= ~CPU_FEATURES_COMMON_1D;
    p->extended[7].a = p->extended[7].b = p->extended[7].c = 0;
    p->extended[8].d = 0;
    switch (policy_vendor(p)) {
    case VENDOR_INTEL:
        fit_intel(p);
        break;
    case VENDOR_AMD:
        fit_amd(p);
        break;
    default:
        break;
    }
}

/* --- host --- */

void policy_init(void)
{
    struct cpu_policy *p = &policy_host;
    uint32_t words[CPU_FEATURE_WORDS], extended;

    policy_read_raw(); /* once more: CR4, which shows in it, is now as it stays */
    if (HAS(&policy_raw, ARCH_CAPS) && !rdmsr_safe(MSR_ARCH_CAPABILITIES, &policy_raw.arch_caps)) {
        policy_raw.arch_caps = 0;
    }
    *p = policy_raw;
    p->basic[0].a = MIN(p->basic[0].a, CPU_POLICY_MAX_LEAF);
    p->features[0].a = MIN(p->features[0].a, CPU_POLICY_MAX_SUBLEAF_7);
    extended = p->extended[0].a;
    if (cpu_lfence_serialises()) { /* which the last leaf says */
        extended = MAX(extended, CPU_POLICY_MAX_EXTENDED_LEAF);
    }
    p->extended[0].a = MIN(extended, CPU_POLICY_MAX_EXTENDED_LEAF);

    cpu_policy_get_features(p, words);
    cpu_feature_put(words, XEN_X86_FEATURE_OSXSAVE, false); /* show CR4, which is everybody's own */
    cpu_feature_put(words, XEN_X86_FEATURE_OSPKE, false);
    cpu_feature_put(words, XEN_X86_FEATURE_LFENCE_DISPATCH, cpu_lfence_serialises());
    if (cpu_host.vendor == VENDOR_AMD) {
        cpu_feature_put(words, XEN_X86_FEATURE_SEP, false); /* not in long mode */
    }
    cpu_features_complete(words);
    cpu_policy_set_features(p, words);
    policy_fit(p);
    p->extended[0xa].d = 0; /* no use is made of SVM */
}
