/* The hypervisor's own page tables: hyp_l4 and what hangs below its hole. */
#include "mm/page.h"
#include "mm/hyp_map.h"
#include <lodge/errno.h>
#include <lodge/range.h>
#include <lodge/shared.h>
#include <lodge/string.h>
#include "boot/boot.h"
#include "core/frame.h"
#include "core/lock.h"
#include "core/log.h"
#include "cpu/features.h"
#include "mm/flush.h"

#define TABLE_FLAGS (PTE_P | PTE_RW | PTE_A | PTE_D) /* the last level decides */

#define M2P_END (M2P_START + GIB(512)) /* the one slot that guests may read */

uint64_t *hyp_l4;

/* All tables below hyp_l4, and ioremap_next. */
static struct spinlock map_lock = SPINLOCK_INIT(RANK_M2P);
static uint64_t ioremap_next = IOREMAP_START;

static uint64_t *table_alloc(void)
{
    uint64_t *table;

    if (!boot_alloc_active()) {
        return heap_alloc_pages(0);
    }
    table = maddr_to_virt(boot_alloc(PAGE_SIZE, PAGE_SIZE, GIB(4)));
    memset(table, 0, PAGE_SIZE);
    return table;
}

/*
 * The entry for va in the table of `level`; tables on the way are made if `make`. NULL: absent, a
 * large page, no memory.
 */
static uint64_t *walk(uint64_t va, unsigned int level, bool make)
{
    uint64_t *table = hyp_l4;

    for (unsigned int l = 4; l > level; l--) {
        uint64_t *e = &table[pt_index(va, l)];

        if (!(*e & PTE_P)) {
            uint64_t *lower = make ? table_alloc() : NULL;

            if (!lower) {
                return NULL;
            }
            shared_write(e, virt_to_maddr(lower) | TABLE_FLAGS | (va < M2P_END ? PTE_US : 0));
        } else if (l < 4 && (*e & PTE_PSE)) {
            return NULL;
        }
        table = maddr_to_virt(*e & PTE_ADDR);
    }
    return &table[pt_index(va, level)];
}

uint64_t *hyp_pte(uint64_t va)
{
    return walk(va, 1, false);
}

INIT_TEXT uint64_t *hyp_pte_make(uint64_t va)
{
    uint64_t *e = walk(va, 1, true);

    assert(e);
    return e;
}

static void unmap_locked(uint64_t va, uint64_t nr_frames)
{
    for (uint64_t i = 0; i < nr_frames; i++) {
        uint64_t *e = hyp_pte(va + (i << PAGE_SHIFT));

        if (e) {
            shared_write(e, 0);
        }
    }
}

int hyp_map(uint64_t va, mfn_t mfn, uint64_t nr_frames, uint64_t flags)
{
    int rc = 0;

    spin_lock(&map_lock);
    for (uint64_t i = 0; i < nr_frames; i++) {
        uint64_t *e = walk(va + (i << PAGE_SHIFT), 1, true);

        if (!e) {
            unmap_locked(va, i);
            rc = -ENOMEM;
            break;
        }
        assert(!(*e & PTE_P));
        shared_write(e, pte_make(mfn_add(mfn, i), flags | PTE_G));
    }
    spin_unlock(&map_lock);
    if (rc) {
        flush_tlb_all(); /* some CPU may have looked ahead at what is gone again */
    }
    return rc;
}

void hyp_unmap(uint64_t va, uint64_t nr_frames)
{
    spin_lock(&map_lock);
    unmap_locked(va, nr_frames);
    spin_unlock(&map_lock);
    flush_tlb_all();
}

INIT_TEXT void hyp_map_boot(uint64_t va, uint64_t maddr, uint64_t size, uint64_t flags)
{
    bool has_1g = cpu_has(PAGE1GB);

    while (size) {
        unsigned int level = 1;
        uint64_t *e, step;

        if (has_1g && size >= GIB(1) && !((va | maddr) & (GIB(1) - 1))) {
            level = 3;
        } else if (size >= MIB(2) && !((va | maddr) & (MIB(2) - 1))) {
            level = 2;
        }
        e = walk(va, level, true);
        assert(e && !(*e & PTE_P));
        *e = maddr | flags | PTE_G | (level > 1 ? PTE_PSE : 0);
        step = PAGE_SIZE << 9 * (level - 1);
        va += step;
        maddr += step;
        size -= step;
    }
}

INIT_TEXT void hyp_map_init(void)
{
    hyp_l4 = table_alloc();
}

void hyp_protect(uint64_t va, uint64_t nr_frames, uint64_t flags)
{
    spin_lock(&map_lock);
    for (uint64_t i = 0; i < nr_frames; i++) {
        uint64_t *e = hyp_pte(va + (i << PAGE_SHIFT));

        assert(e && (*e & PTE_P));
        shared_write(e, pte_make(pte_mfn(*e), flags | PTE_G));
    }
    spin_unlock(&map_lock);
    flush_tlb_all();
}

void *ioremap(uint64_t paddr, size_t size)
{
    uint64_t first = ROUND_DOWN(paddr, PAGE_SIZE), nr_frames, va;

    if (!size || !range_within(paddr, size, PTE_ADDR)) {
        return NULL;
    }
    nr_frames = (ROUND_UP(paddr + size, PAGE_SIZE) - first) >> PAGE_SHIFT;

    spin_lock(&map_lock);
    va = ioremap_next;
    if (nr_frames > (IOREMAP_END - va) >> PAGE_SHIFT) {
        va = 0;
    } else {
        ioremap_next += nr_frames << PAGE_SHIFT;
    }
    spin_unlock(&map_lock);

    if (!va || hyp_map(va, MFN(first >> PAGE_SHIFT), nr_frames, MAP_RW | MAP_UC)) {
        return NULL;
    }
    return (void *)(va + (paddr - first));
}

uint64_t image_to_maddr(const void *sym)
{
    return (uint64_t)sym - IMAGE_START;
}
