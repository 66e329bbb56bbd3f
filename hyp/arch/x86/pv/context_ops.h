/* Debug registers of PV vCPUs: shared by hypercalls, emulated MOV DR and context switches. */
#ifndef X86_PV_CONTEXT_OPS_H
#define X86_PV_CONTEXT_OPS_H

#include "core/domain.h"

/* v is current or not running. 0; -EPERM an address or condition that a guest may not watch; -ENODEV no such register;
 * -EINVAL bits above 31 of DR6 or DR7. */
int pv_debugreg_set(struct vcpu *v, unsigned int reg, uint64_t value) MUST_CHECK;
int pv_debugreg_get(const struct vcpu *v, unsigned int reg, uint64_t *value) MUST_CHECK;
void pv_debugregs_load(const struct vcpu *v);   /* into this CPU, if any breakpoint is on */
void pv_debugregs_unload(const struct vcpu *v);

#endif
