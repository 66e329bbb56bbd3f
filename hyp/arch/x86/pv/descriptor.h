/*
 * Descriptor tables of PV guests. Each vCPU has a window of hypervisor address space (layout.h): its GDT frames with our
 * reserved page after them, and its LDT pages, mapped when they are first used.
 */
#ifndef X86_PV_DESCRIPTOR_H
#define X86_PV_DESCRIPTOR_H

#include "core/domain.h"

int segdesc_validate(uint64_t *table) MUST_CHECK;      /* a whole page becomes descriptors: 0 or -EINVAL */

int pv_window_init(struct vcpu *v) MUST_CHECK;         /* 0, -ENOMEM */
void pv_window_fini(struct vcpu *v);
/* v is not running, or is current. Frames as the guest names them. 0, -EINVAL: the old table stays. */
int pv_gdt_set(struct vcpu *v, const uint64_t *frames, unsigned int entries) MUST_CHECK;
void pv_gdt_drop(struct vcpu *v);
bool pv_ldt_drop(struct vcpu *v);                      /* unmaps its pages; true if a TLB flush is due */
int pv_ldt_set(struct vcpu *v, uint64_t base, unsigned int entries) MUST_CHECK; /* MMUEXT_SET_LDT: -EINVAL */
void pv_descriptors_load(struct vcpu *v, unsigned int cpu); /* on a context switch: GDT and LDT of v on this CPU */

#endif
