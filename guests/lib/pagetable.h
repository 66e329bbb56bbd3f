/* pagetable.h: looking at and changing page tables.
 *
 * A PV guest's page tables are the real ones: machine frames in them, and read-only to the guest.
 * A page becomes a page table when a pin, a base pointer or a table above it refers to it, and
 * then no writable mapping of it may exist. Changes go through hypercalls. */
#ifndef GUEST_PAGETABLE_H
#define GUEST_PAGETABLE_H

#include "memory.h"
#include "types.h"

/* Intel SDM vol. 3A, "4-Level Paging and 5-Level Paging": bits of an entry. */
#define PTE_P       0x001UL
#define PTE_RW      0x002UL
#define PTE_US      0x004UL
#define PTE_PWT     0x008UL
#define PTE_PCD     0x010UL
#define PTE_A       0x020UL
#define PTE_D       0x040UL
#define PTE_PAT     0x080UL /* level 1 */
#define PTE_PSE     0x080UL /* levels 2 and 3 */
#define PTE_G       0x100UL
#define PTE_AVAIL   0xe00UL
#define PTE_IGNORED 0x7ff0000000000000UL
#define PTE_NX      (1UL << 63)
#define PTE_FRAME   0x000ffffffffff000UL

#define PTE_DATA    (PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D)
#define PTE_DATA_RO (PTE_P | PTE_US | PTE_A | PTE_D)
#define PTE_TABLE   (PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D)

static inline uint64_t pte_make(unsigned long mfn, uint64_t flags)
{
    return ((uint64_t)mfn << PAGE_SHIFT) | flags;
}

static inline unsigned long pte_mfn(uint64_t pte)
{
    return (pte & PTE_FRAME) >> PAGE_SHIFT;
}

/* Which slot of a level's table covers an address. */
static inline unsigned int pt_index(const void *va, unsigned int level)
{
    return ((unsigned long)va >> (PAGE_SHIFT + 9 * (level - 1))) & 511;
}

/** pt_root - the L4 that we started on */
uint64_t *pt_root(void);

/**
 * pt_entry - the entry of a level (1 to 4) for an address, in the tables below root
 * Returns our read-only view of it, or NULL where a table above is absent.
 */
uint64_t *pt_entry(uint64_t *root, const void *va, unsigned int level);

/** pt_maddr - the machine address of an entry for mmu_update; fails the guest if absent */
uint64_t pt_maddr(uint64_t *root, const void *va, unsigned int level);

/** pte_write - mmu_update of one entry; returns the hypercall's result */
long pte_write(uint64_t pte_maddr, uint64_t value);

/** page_set - remap one of our pages at its own place with other flags; returns the result */
long page_set(const void *page, uint64_t flags);

/** page_readonly, page_writable - the two commonest, which must work */
void page_readonly(const void *page);
void page_writable(const void *page);

/** table_alloc - a page of zeroes with no writable mapping, fit to become a page table */
uint64_t *table_alloc(void);

/** pt_map - put pte at va below root, with new tables where needed */
void pt_map(uint64_t *root, const void *va, uint64_t pte);

/** mmuext - one mmuext_op with one frame or address as its argument */
long mmuext(unsigned int cmd, unsigned long mfn_or_address);

#endif
