/* Changing one entry of a validated page table on a guest's behalf. */
#ifndef X86_PV_PT_UPDATE_H
#define X86_PV_PT_UPDATE_H

#include "core/domain.h"
#include "core/frame.h"

struct pt_change {
    struct vcpu *v;            /* the caller */
    struct domain *pt_owner;   /* whose table it is */
    struct domain *pg_owner;   /* whose frames an L1 entry may name */
    bool preserve_ad;          /* A and D bits that the CPU set meanwhile stay set */
    bool no_translate;         /* MMU_PT_UPDATE_NO_TRANSLATE */
};

/**
 * pt_update - write one entry
 * @table: the page table, a general reference held; if it is not validated nothing happens
 * @index: 0..511
 * Returns 0; -EINVAL bad bits or frame, or not a page table (now); -EPERM, -EBUSY; -ERESTART nothing was done yet.
 * A table that fell out and could not be given back at once is left with v (old_table_leave).
 */
int pt_update(const struct pt_change *c, struct frame *table, unsigned int index, uint64_t entry) MUST_CHECK;

/* The commonest update, of one L1 entry of the caller's own. -EAGAIN: the frame is no L1 table of the caller's. */
int pt_update_own_l1(struct vcpu *v, mfn_t table, unsigned int index, uint64_t entry, struct domain *pg_owner,
                     bool preserve_ad) MUST_CHECK;

/* Compare and exchange on an L1 entry, for emulated writes. *old: expected in, found out. 1 if it was not as expected. */
int pt_update_l1_cmpxchg(const struct pt_change *c, struct frame *table, unsigned int index, uint64_t *old,
                         uint64_t entry) MUST_CHECK;

/*
 * The L1 entry that maps va (outside the hole) for the running guest's kernel, read without any reference: what it says may
 * be past when it is looked at. False: none.
 */
bool pt_read_l1e(const struct vcpu *v, uint64_t va, uint64_t *entry) MUST_CHECK;

/* The frame of the L1 table for va, found in the same way. False: none. */
bool pt_find_l1_mfn(const struct vcpu *v, uint64_t va, mfn_t *table) MUST_CHECK;

/* The L1 table and index that map va in the vCPU's current guest page tables: NULL if there is none. Referenced. */
struct frame *pt_find_l1(struct vcpu *v, uint64_t va, unsigned int *index) MUST_CHECK;

#endif
