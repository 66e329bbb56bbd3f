/* memory.c: frame numbers and a page allocator over an arena inside the image. */
#include "memory.h"
#include "hypercall.h"
#include "pagetable.h"
#include "report.h"

#define ARENA_PAGES 1024

struct start_info *start_info;
struct shared_info *shared_info;

static uint8_t arena[ARENA_PAGES][PAGE_SIZE] __attribute__((aligned(4096)));
static uint8_t shared_info_page[PAGE_SIZE] __attribute__((aligned(4096)));
static unsigned int arena_used;
static void *free_list; /* each free page's first word leads to the next */

void memory_init(struct start_info *si)
{
    start_info = si;
    /* shared_info is the one address here that comes as a machine address. */
    guest_need(xen_update_va_mapping(shared_info_page, si->shared_info | PTE_P | PTE_RW,
                                     UVMF_INVLPG | UVMF_LOCAL));
    shared_info = (struct shared_info *)shared_info_page;
}

unsigned long va_to_pfn(const void *va)
{
    return ((unsigned long)va - VIRT_BASE) >> PAGE_SHIFT;
}

unsigned long pfn_to_mfn(unsigned long pfn)
{
    return ((unsigned long *)start_info->mfn_list)[pfn];
}

unsigned long va_to_mfn(const void *va)
{
    return pfn_to_mfn(va_to_pfn(va));
}

uint64_t va_to_maddr(const void *va)
{
    return ((uint64_t)va_to_mfn(va) << PAGE_SHIFT) | ((unsigned long)va & (PAGE_SIZE - 1));
}

void *pfn_to_va(unsigned long pfn)
{
    return (void *)(VIRT_BASE + (pfn << PAGE_SHIFT));
}

unsigned long mfn_to_pfn(unsigned long mfn)
{
    return machine_to_phys_mapping[mfn];
}

void *mfn_to_va(unsigned long mfn)
{
    return pfn_to_va(mfn_to_pfn(mfn));
}

void *pages_alloc(unsigned int count)
{
    void *page;

    if (count > ARENA_PAGES - arena_used) {
        guest_fail("out of memory: %u pages wanted, %u left", count, ARENA_PAGES - arena_used);
    }
    page = arena[arena_used];
    arena_used += count;
    return page;
}

void *page_alloc(void)
{
    void *page = free_list;

    if (!page) {
        return pages_alloc(1);
    }
    free_list = *(void **)page;
    memset(page, 0, PAGE_SIZE);
    return page;
}

void page_free(void *page)
{
    *(void **)page = free_list;
    free_list = page;
}
