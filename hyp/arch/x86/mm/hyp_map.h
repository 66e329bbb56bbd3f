/*
 * Building the hypervisor's page tables; what the rest of the world needs of them is in mm/page.h.
 */
#ifndef X86_MM_HYP_MAP_H
#define X86_MM_HYP_MAP_H

#include <lodge/types.h>

void hyp_map_init(void);
/* Boot: maps with the largest pages that fit; nothing may be mapped there. size: whole pages. */
void hyp_map_boot(uint64_t va, uint64_t maddr, uint64_t size, uint64_t flags);
/* Boot: the L1 entry of va, with the tables that lead to it. */
uint64_t *hyp_pte_make(uint64_t va);
/* Changes the attributes of 4 KiB pages that are mapped; flushes every CPU's TLB. */
void hyp_protect(uint64_t va, uint64_t nr_frames, uint64_t flags);

/*
 * mm/mm_init.c: builds hyp_l4 (direct map, image) and switches to it; then frame table and M2P.
 * Boot CPU, once.
 */
void mm_build_tables(void);
void mm_build_frametable(void);

#endif
