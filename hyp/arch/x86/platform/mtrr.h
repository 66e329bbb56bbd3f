/* Memory type range registers. Source: Intel SDM vol. 3A, "Memory Type Range Registers (MTRRs)". */
#ifndef X86_PLATFORM_MTRR_H
#define X86_PLATFORM_MTRR_H

#include <lodge/types.h>

void mtrr_init(void); /* boot CPU: what its registers hold is to hold everywhere */
/* On a CPU that has come, and is online: what they are to hold now. */
void mtrr_init_cpu(void);

/*
 * One variable range: 0, with *nr_frames == 0 for a register out of use; -EINVAL no such register.
 */
int mtrr_read(unsigned int reg, uint64_t *mfn, uint64_t *nr_frames, uint32_t *type) MUST_CHECK;

/**
 * mtrr_add - give a run of frames a memory type, on every CPU
 * Interrupts on, no lock. The run must be a power of two frames, aligned to its size. Within a range
 * that is there already with this type it is counted once more; around one, it takes its place.
 * Returns 0 with the register used; -EINVAL also if it overlaps a range of another type that does
 * not give way; -ENOSPC no register; -EBUSY another change is under way; -ENODEV the CPU has none.
 * Source of the answers: Xen 4.17 xen/arch/x86/cpu/mtrr/main.c mtrr_add_page.
 */
int mtrr_add(uint64_t mfn, uint64_t nr_frames, uint32_t type, unsigned int *reg) MUST_CHECK;
/* one mtrr_add() less. 0; -EINVAL nothing was added there; -EBUSY */
int mtrr_del(unsigned int reg) MUST_CHECK;

#endif
