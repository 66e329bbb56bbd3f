/*
 * What this machine's CPUs can do: the boot CPU's CPUID, by the names of
 * public/arch-x86/cpufeatureset.h.
 */
#ifndef X86_CPU_FEATURES_H
#define X86_CPU_FEATURES_H

#include <lodge/compiler.h>
#include <lodge/cpu_policy.h>


enum cpu_vendor { VENDOR_OTHER, VENDOR_INTEL, VENDOR_AMD };

struct cpu_host {
    uint32_t features[CPU_FEATURE_WORDS]; /* word n of the feature set */
    uint32_t max_leaf, max_extended_leaf;
    enum cpu_vendor vendor; /* Hygon counts as AMD */
    char vendor_name[13], brand[49];
    uint8_t family, model, stepping;
    uint8_t address_bits; /* physical */
    uint8_t guest_address_bits; /* of a guest with nested paging */
};

extern struct cpu_host cpu_host;

/* cpu_has(XSAVE) */
#define cpu_has(name) cpu_has_feature(XEN_X86_FEATURE_##name)

static inline bool cpu_has_feature(unsigned int bit)
{
    return cpu_host.features[bit / 32] >> (bit % 32) & 1;
}

void topology_init(void); /* topology.c; boot CPU */
void features_init(void); /* boot CPU, before all else that asks */

#endif
