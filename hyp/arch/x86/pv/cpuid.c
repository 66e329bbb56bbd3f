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
#include "cpu/policy.h"
#include "cpu/fpu.h"
#include "cpu/insn.h"
#include "cpu/msr.h"
#include "platform/time.h"
#include "pv/cpuid.h"
#include "pv/pv.h"

#define BIT(name) (1U << (XEN_X86_FEATURE_##name % 32))

#define LEAF_XSTATE          0xdU
#define TIME_HAS_RDTSCP      (1U << 2) /* public/arch-x86/cpuid.h, leaf 4, sub-leaf 0 */
#define TRAP_UD              6

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
static void adjust_1(struct vcpu *v, bool forced, struct cpuid_regs *r)
{
    if (v->arch.cr4_guest & CR4_OSXSAVE || (forced && r->c & BIT(XSAVE))) {
        r->c |= BIT(OSXSAVE);
    }
    if (is_dom0_kernel(v)) {
        r->c |= policy_host.basic[1].c & BIT(EIST);
        r->d |= policy_host.basic[1].d & BIT(MTRR);
    }
}

/* Sizes follow XCR0, as the CPU has it loaded for this guest. */
static void adjust_xstate(uint32_t subleaf, struct cpuid_regs *r)
{
    if ((subleaf == 0 && r->a) || (subleaf == 1 && r->a & BIT(XSAVEC))) {
        r->b = cpuid(LEAF_XSTATE, subleaf).b;
    }
}

/* What the policy cannot know, since it changes. */
static void adjust(struct vcpu *v, uint32_t leaf, uint32_t subleaf, bool forced,
                   struct cpuid_regs *r)
{
    switch (leaf) {
    case 1:
        adjust_1(v, forced, r);
        break;
    case LEAF_XSTATE:
        adjust_xstate(subleaf, r);
        break;
    case 0x80000001:
        if (is_dom0_kernel(v)) {
            r->d |= policy_host.basic[1].d & BIT(MTRR);
        }
        break;
    }
}

/* Of the hypervisor's leaves, the tools may show fewer. */
static uint32_t xen_limit(const struct vcpu *v)
{
    uint32_t limit = v->domain->arch.policy->xen_limit;

    return limit ? MIN(MAX(limit, 2U), XEN_CPUID_MAX_NUM_LEAVES + 0U) : XEN_CPUID_MAX_NUM_LEAVES;
}

static void xen_leaf(struct vcpu *v, uint32_t leaf, uint32_t subleaf, struct cpuid_regs *r)
{
    *r = (struct cpuid_regs){ 0 };
    switch (leaf) {
    case 0:
        *r = (struct cpuid_regs){ XEN_CPUID_FIRST_LEAF + xen_limit(v), XEN_CPUID_SIGNATURE_EBX,
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
    case 3: /* the TSC is the machine's own */
        if (subleaf == 0) {
            r->a = cpu_has(RDTSCP) ? TIME_HAS_RDTSCP : 0;
            r->b = v->domain->arch.tsc_mode;
            r->c = v->domain == dom0 ? 0 : (uint32_t)(tsc_hz / 1000);
            r->d = v->domain->arch.tsc_incarnation;
        } else if (subleaf == 2) {
            r->a = (uint32_t)(tsc_hz / 1000);
        }
        break;
    case 5:
        r->a = 0;
        r->b = 64 - (unsigned int)__builtin_clzll(max_frame << PAGE_SHIFT); /* of all RAM */
        break;
    }
}

void pv_cpuid(struct vcpu *v, struct cpu_user_regs *regs)
{
    uint32_t leaf = regs->eax, subleaf = regs->ecx;
    struct cpuid_regs r = { 0 };

    if (leaf >= XEN_CPUID_FIRST_LEAF && leaf <= XEN_CPUID_FIRST_LEAF + xen_limit(v)) {
        xen_leaf(v, leaf - XEN_CPUID_FIRST_LEAF, subleaf, &r);
    } else {
        r = cpu_policy_cpuid(v->domain->arch.policy, leaf, subleaf);
        adjust(v, leaf, subleaf, regs->entry_vector == TRAP_UD && v->arch.kernel_mode, &r);
    }
    regs->rax = r.a;
    regs->rbx = r.b;
    regs->rcx = r.c;
    regs->rdx = r.d;
}
