/* References that page-table entries hold: taken when an entry becomes present, dropped when it goes. */
#ifndef X86_PV_PT_ENTRY_H
#define X86_PV_PT_ENTRY_H

#include "core/domain.h"
#include "core/frame.h"
#include "mm/page.h"
#include "pv/type.h"

/* Bits of an entry that a guest may not set. Level 1 allows G, and cache attributes where devices are allowed. */
#define PTE_ALLOWED    (PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D | PTE_AVAIL | PTE_AVAIL_HIGH | PTE_NX | PTE_ADDR)
#define PTE_CACHE      (PTE_PWT | PTE_PCD | PTE_PAT)
#define PTE_GUEST_KERNEL (1ULL << 52) /* the guest asked for a supervisor page; it runs in ring 3, so US is set too */

/*
 * An L1 entry of a table of `pt_owner`, naming a frame of `pg_owner`. *pte may come back less permissive (MMIO).
 * 0, -EINVAL bad bits, -EPERM device not allowed, -EBUSY not the owner's frame or not of a compatible type.
 */
int l1e_get(uint64_t *pte, struct domain *pt_owner, struct domain *pg_owner) MUST_CHECK;

/* Is the frame a device's (or nothing at all) rather than RAM that somebody can own? */
static ALWAYS_INLINE bool frame_is_io(mfn_t mfn)
{
    return !frame_valid(mfn) || frame_of(mfn)->owner == FRAME_OWNER_IO;
}

static inline void l1e_put(uint64_t pte)
{
    mfn_t mfn = pte_mfn(pte);
    struct frame *f;

    if (!(pte & PTE_P) || unlikely(frame_is_io(mfn))) {
        return;
    }
    f = frame_of(mfn);
    if (pte & PTE_RW) {
        type_put_writable(f);
    }
    frame_put(f);
}

/* The whole change of an L1 entry whose table is locked. Errors as l1e_get: nothing has changed then. */
int l1e_update(uint64_t *at, uint64_t new, struct domain *pt_owner, struct domain *pg_owner, bool preserve_ad) MUST_CHECK;
/* Returns what was there. */
uint64_t entry_write(uint64_t *at, uint64_t old, uint64_t new, bool preserve_ad);

/* An entry of a table `table` of level 2..4 owned by d. 0, -EINVAL, -ERESTART. */
int table_entry_get(struct frame *table, unsigned int level, uint64_t entry, struct domain *d, bool preemptible) MUST_CHECK;
/* 0 or -ERESTART: see type_put. */
int table_entry_put(struct frame *table, unsigned int level, uint64_t entry, bool preemptible) MUST_CHECK;

/*
 * What is written for what a guest asked. G is never given to the CPU: a load of CR3 is to forget a guest's translations.
 */
static inline uint64_t l1e_adjust(uint64_t pte)
{
    if (pte & PTE_P) {
        pte &= ~PTE_G;
        if (!(pte & PTE_US)) {
            pte |= PTE_GUEST_KERNEL | PTE_US;
        }
    }
    return pte;
}

static inline uint64_t table_entry_adjust(unsigned int level, uint64_t entry)
{
    if (entry & PTE_P) {
        entry |= PTE_US | (level == 4 ? PTE_A : 0);
    }
    return entry;
}

#endif
