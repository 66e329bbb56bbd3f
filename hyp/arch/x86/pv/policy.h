/* The CPU policy of PV domains: what their CPUID says. */
#ifndef X86_PV_POLICY_H
#define X86_PV_POLICY_H

#include <lodge/cpu_policy.h>
#include "core/domain.h"

/* Where a policy was refused; ~0 what does not matter. */
struct policy_fault {
    uint32_t leaf, subleaf, msr;
};

/*
 * What the tools want a domain to see. Returns 0; -EINVAL: its limits are beyond what any domain may
 * have, *fault says where; -ENOMEM. What it asks for beyond what there is, is left out in silence. The
 * domain does not run.
 */
int pv_policy_set(struct domain *d, const struct cpu_policy *wanted,
                  struct policy_fault *fault) MUST_CHECK;
void pv_policy_init(struct domain *d); /* as by default */
void pv_policy_fini(struct domain *d);

#endif
