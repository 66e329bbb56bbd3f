/* What memory_op.c leaves to the architecture: names of frames, and maps of the machine. */
#ifndef CORE_MEMORY_ARCH_H
#define CORE_MEMORY_ARCH_H

#include <lodge/types.h>
#include <xen/xen.h>
#include <xen/memory.h>
#include "core/domain.h"
#include "core/frame.h"

/* The domain's frame that it calls gfn (a PV guest: the machine frame), referenced. NULL. */
struct frame *memory_arch_frame_get(struct domain *d, uint64_t gfn) MUST_CHECK;
/*
 * 1 << order frames of d from mfn on are called gfn from now on. 0; -EINVAL: no frame can be called
 * so.
 */
int memory_arch_name(struct domain *d, uint64_t gfn, mfn_t mfn, unsigned int order) MUST_CHECK;
/*
 * The frame gets no name any more, and gives up what pins it. 0; -ERESTART: again. The caller holds
 * a reference.
 */
int memory_arch_unname(struct domain *d, struct frame *f) MUST_CHECK;
/* Nobody but its owner's allocation, and the caller, has it, and it is no page table. */
bool memory_arch_unused(const struct frame *f);

/* XENMEM_maximum_gpfn. */
uint64_t memory_arch_max_gfn(const struct domain *d);
/* XENMEM_machphys_mapping, _mfn_list: the i-th 2 MiB extent of the M2P; false: there is none. */
void memory_arch_m2p_mapping(struct xen_machphys_mapping *m);
bool memory_arch_m2p_extent(unsigned int i, mfn_t *mfn);

/*
 * XENMEM_memory_map, machine_memory_map, set_memory_map. arg_gva: the structure. 0 or -errno, as
 * the ABI has it.
 */
long memory_arch_map(struct vcpu *caller, uint64_t arg_gva);
long memory_arch_machine_map(struct vcpu *caller, uint64_t arg_gva);
long memory_arch_set_map(struct vcpu *caller, uint64_t arg_gva);

#endif
