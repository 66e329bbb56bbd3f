/* Memory type range registers. Source: Intel SDM vol. 3A, "Memory Type Range Registers (MTRRs)". */
#ifndef X86_PLATFORM_MTRR_H
#define X86_PLATFORM_MTRR_H

#include <lodge/types.h>

/*
 * One variable range: 0, with *nr_frames == 0 for a register out of use; -EINVAL no such register.
 */
int mtrr_read(unsigned int reg, uint64_t *mfn, uint64_t *nr_frames, uint32_t *type) MUST_CHECK;

/**
 * mtrr_add - give a run of frames a memory type, on every CPU
 * Interrupts on, no lock. The run must be a power of two frames, aligned to its size.
 * Returns 0 with the register used (a range that is there already with this type is counted once
 * more); -EINVAL; -EPERM it overlaps one of another type that does not give way; -ENOSPC no
 * register; -EBUSY another change is under way; -ENODEV the CPU has none.
 */
int mtrr_add(uint64_t mfn, uint64_t nr_frames, uint32_t type, unsigned int *reg) MUST_CHECK;
/* one mtrr_add() less. 0; -EINVAL nothing was added there; -EBUSY */
int mtrr_del(unsigned int reg) MUST_CHECK;
/* On a CPU that was off, and is online again: what was changed meanwhile. */
void mtrr_init_cpu(void);

#endif
