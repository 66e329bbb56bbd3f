/* Base pointers of a PV vCPU, and giving back what its domain's memory holds. */
#ifndef X86_PV_PV_MM_H
#define X86_PV_PV_MM_H

#include "core/domain.h"

/* v is current, or does not run. 0, -EINVAL, -ERESTART (nothing changed). What fell out may be left in old_tables. */
int pv_set_kernel_root(struct vcpu *v, mfn_t mfn) MUST_CHECK;
int pv_set_user_root(struct vcpu *v, uint64_t mfn) MUST_CHECK; /* 0: none */

#endif
