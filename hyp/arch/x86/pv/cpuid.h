/* Facts about the CPU that CPUID and MSRs of a guest must agree on. */
#ifndef X86_PV_CPUID_H
#define X86_PV_CPUID_H

#include <lodge/compiler.h>

#define MSR_AMD_DE_CFG          0xc0011029
#define DE_CFG_LFENCE_SERIALISE 2ULL

void pv_cpuid_init(void); /* on every CPU */

/* AMD: LFENCE waits for what precedes it, because the CPU is so or was told to be. */
bool cpu_lfence_serialises(void);

#endif
