/* What the files of memory_op share. */
#ifndef CORE_MEMORY_PRIVATE_H
#define CORE_MEMORY_PRIVATE_H

#include "core/domain.h"
#include "core/frame.h"

/*
 * The command's low bits are the operation; above them, in a continuation, the extent to begin
 * with.
 */
#define MEMOP_CMD_BITS 6
#define MEMOP_CMD_MASK ((1U << MEMOP_CMD_BITS) - 1)

/* Each row of ops/memory_op.def; the value is the ABI's. */
typedef long (*memory_op_fn)(struct vcpu *caller, uint64_t cmd, uint64_t arg_gva);
long memory_increase_reservation(struct vcpu *caller, uint64_t cmd, uint64_t arg_gva);
long memory_decrease_reservation(struct vcpu *caller, uint64_t cmd, uint64_t arg_gva);
long memory_populate_physmap(struct vcpu *caller, uint64_t cmd, uint64_t arg_gva);
long memory_claim_pages(struct vcpu *caller, uint64_t cmd, uint64_t arg_gva);
long memory_exchange(struct vcpu *caller, uint64_t cmd, uint64_t arg_gva);
long memory_acquire_resource(struct vcpu *caller, uint64_t cmd, uint64_t arg_gva);

/* The largest extent that the caller may ask for. */
unsigned int memory_max_order(const struct vcpu *caller);
/* struct xen_memory_reservation.mem_flags: frames below 1 << this. */
unsigned int memory_address_bits(unsigned int mem_flags);
/* May the caller ask for memory of the node that they name? */
bool memory_node_ok(const struct vcpu *caller, unsigned int mem_flags);

#endif
