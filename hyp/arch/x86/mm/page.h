/* Page-table entries (AMD64 APM vol. 2, "Long-Mode Page Translation"), and the hypervisor's own mappings. */
#ifndef X86_MM_PAGE_H
#define X86_MM_PAGE_H

#include <lodge/types.h>
#include "layout.h"

#define PTE_P      0x001ULL
#define PTE_RW     0x002ULL
#define PTE_US     0x004ULL
#define PTE_PWT    0x008ULL
#define PTE_PCD    0x010ULL
#define PTE_A      0x020ULL
#define PTE_D      0x040ULL
#define PTE_PSE    0x080ULL /* L2, L3; in an L1 entry: PAT */
#define PTE_PAT    0x080ULL
#define PTE_WC     PTE_PAT  /* what the PAT of cpu/cpu.c makes of it: write combining */
#define PTE_G      0x100ULL
#define PTE_AVAIL  0xe00ULL
#define PTE_AVAIL_HIGH 0x7ff0000000000000ULL
#define PTE_NX     0x8000000000000000ULL
#define PTE_ADDR   0x000ffffffffff000ULL

#define ENTRIES 512

static inline mfn_t pte_mfn(uint64_t pte) { return MFN((pte & PTE_ADDR) >> PAGE_SHIFT); }
static inline uint64_t pte_make(mfn_t mfn, uint64_t flags) { return mfn.n << PAGE_SHIFT | flags; }

/* Index of va in the table of a level (1..4). */
static inline unsigned int pt_index(uint64_t va, unsigned int level)
{
    return va >> (PAGE_SHIFT + 9 * (level - 1)) & (ENTRIES - 1);
}

/* Attributes of the hypervisor's own mappings. NX where not executable; writable or executable, never both. */
#define MAP_RW   (PTE_P | PTE_RW | PTE_A | PTE_D | PTE_NX)
#define MAP_RO   (PTE_P | PTE_A | PTE_NX)
#define MAP_RX   (PTE_P | PTE_A)
#define MAP_UC   (PTE_PCD | PTE_PWT)

extern uint64_t *hyp_l4;  /* the hypervisor's own L4, direct-map address; slots 256..271 are copied into every guest L4 */

/* Map [va, va + (1 << order) pages) in hyp_l4's hole. Tables come from the heap (or boot allocator). 0, -ENOMEM. */
int hyp_map(uint64_t va, mfn_t mfn, uint64_t nr_frames, uint64_t flags) MUST_CHECK;
void hyp_unmap(uint64_t va, uint64_t nr_frames);   /* flushes every CPU's TLB */
uint64_t *hyp_pte(uint64_t va);                    /* the L1 entry of va, NULL when no table is there */
void *ioremap(uint64_t paddr, size_t size) MUST_CHECK; /* uncached; NULL */

static inline void *maddr_to_virt(uint64_t maddr) { return (void *)(DIRECTMAP_START + maddr); }
static inline uint64_t virt_to_maddr(const void *va) { return (uint64_t)va - DIRECTMAP_START; } /* direct-map addresses */
uint64_t image_to_maddr(const void *sym);          /* addresses inside the hypervisor image */

/* M2P: what a machine frame is called in its owner's world. ~0 = nobody's. */
#define m2p_rw ((uint64_t *)M2P_RW_START)
#define M2P_INVALID (~0ULL)
static inline void m2p_set(mfn_t mfn, uint64_t pfn) { *(volatile uint64_t *)&m2p_rw[mfn.n] = pfn; }
static inline uint64_t m2p_get(mfn_t mfn) { return *(volatile uint64_t *)&m2p_rw[mfn.n]; }

#endif
