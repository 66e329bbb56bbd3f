/*
 * What CPUID says: of the machine (raw), of what the hypervisor makes of it (host), and what guests
 * may be told at most and are told if the tools do not say otherwise (pv/policy.c).
 */
#ifndef X86_CPU_POLICY_H
#define X86_CPU_POLICY_H

#include <lodge/cpu_policy.h>
#include "cpu/features.h"

extern struct cpu_policy policy_raw, policy_host;
extern struct cpu_policy policy_pv_max, policy_pv_default;

void policy_read_raw(void); /* boot CPU, first of all: features_init() */
void policy_init(void);     /* boot CPU, when cpu_init() has set it up */
void policy_pv_init(void);  /* after that */

/* The rest of a policy follows its features: XSAVE's areas; and what is repeated, reserved or hidden. */
void policy_fit_xstate(struct cpu_policy *p);
void policy_fit(struct cpu_policy *p); /* both */
enum cpu_vendor policy_vendor(const struct cpu_policy *p);

#endif
