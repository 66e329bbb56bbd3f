/* Domain 0's first page tables. They are built as a guest would build them, and validated like any other afterwards. */
#include <lodge/string.h>
#include "core/log.h"
#include "mm/page.h"
#include "pv/dom0.h"
#include "pv/pt_entry.h"

#define TABLE_FLAGS (PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D)
#define PAGE_FLAGS  (PTE_P | PTE_US | PTE_A | PTE_GUEST_KERNEL)

static uint64_t *table_new(struct dom0_tables *t, mfn_t *mfn)
{
    uint64_t *table;

    assert(t->next_pfn < t->end_pfn);
    *mfn = dom0_memory_mfn(t->next_pfn);
    table = dom0_memory_page(t->next_pfn++);
    memset(table, 0, PAGE_SIZE);
    return table;
}

void dom0_tables_start(struct dom0_tables *t, uint64_t first_pfn, uint64_t nr)
{
    mfn_t mfn;

    t->next_pfn = first_pfn;
    t->end_pfn = first_pfn + nr;
    t->l4 = table_new(t, &mfn);
}

void dom0_tables_map(struct dom0_tables *t, uint64_t va, uint64_t pfn, uint64_t nr, bool writable)
{
    uint64_t *table = NULL;

    for (; nr; nr--, pfn++, va += PAGE_SIZE) {
        if (!table || pt_index(va, 1) == 0) {
            table = t->l4;
            for (unsigned int level = 4; level > 1; level--) {
                uint64_t *entry = &table[pt_index(va, level)];
                mfn_t mfn;

                if (!(*entry & PTE_P)) {
                    table = table_new(t, &mfn);
                    *entry = pte_make(mfn, TABLE_FLAGS);
                } else {
                    table = arch_map_frame(pte_mfn(*entry));
                }
            }
        }
        table[pt_index(va, 1)] = pte_make(dom0_memory_mfn(pfn), PAGE_FLAGS | (writable ? PTE_RW | PTE_D : 0));
    }
}

static uint64_t spanned(uint64_t start, uint64_t end, unsigned int shift)
{
    return ((end - 1) >> shift) - (start >> shift) + 1;
}

uint64_t dom0_tables_count(uint64_t start, uint64_t end)
{
    return spanned(start, end, 39) + spanned(start, end, 30) + spanned(start, end, 21);
}
