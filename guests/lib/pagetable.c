/* pagetable.c: walking and changing page tables by way of the hypervisor. */
#include "pagetable.h"
#include "hypercall.h"
#include "report.h"

uint64_t *pt_root(void)
{
    return (uint64_t *)start_info->pt_base;
}

uint64_t *pt_entry(uint64_t *root, const void *va, unsigned int level)
{
    uint64_t *table = root;
    unsigned int at;

    for (at = 4; at > level; at--) {
        uint64_t entry = table[pt_index(va, at)];

        if (!(entry & PTE_P)) {
            return NULL;
        }
        table = mfn_to_va(pte_mfn(entry));
    }
    return &table[pt_index(va, level)];
}

uint64_t pt_maddr(uint64_t *root, const void *va, unsigned int level)
{
    uint64_t *entry = pt_entry(root, va, level);

    if (!entry) {
        guest_fail("no level %u table for %p", level, va);
    }
    return va_to_maddr(entry);
}

long pte_write(uint64_t pte_maddr, uint64_t value)
{
    struct mmu_update req = { .ptr = pte_maddr | MMU_NORMAL_PT_UPDATE, .val = value };

    return xen_mmu_update(&req, 1, NULL, DOMID_SELF);
}

long page_set(const void *page, uint64_t flags)
{
    return xen_update_va_mapping(page, pte_make(va_to_mfn(page), flags), UVMF_INVLPG | UVMF_ALL);
}

void page_readonly(const void *page)
{
    guest_need(page_set(page, PTE_DATA_RO));
}

void page_writable(const void *page)
{
    guest_need(page_set(page, PTE_DATA));
}

uint64_t *table_alloc(void)
{
    uint64_t *table = page_alloc();

    page_readonly(table);
    return table;
}

void pt_map(uint64_t *root, const void *va, uint64_t pte)
{
    unsigned int level;

    for (level = 4; level > 1; level--) {
        uint64_t *entry = pt_entry(root, va, level);

        if (!(*entry & PTE_P)) {
            uint64_t value = pte_make(va_to_mfn(table_alloc()), PTE_TABLE);

            guest_need(pte_write(va_to_maddr(entry), value));
        }
    }
    guest_need(pte_write(pt_maddr(root, va, 1), pte));
}

long mmuext(unsigned int cmd, unsigned long mfn_or_address)
{
    struct mmuext_op op = { .cmd = cmd, .arg1.mfn = mfn_or_address };

    return xen_mmuext_op(&op, 1, NULL, DOMID_SELF);
}
