/* Each CPU's page on device memory. */
#include "mm/io_page.h"

#include <lodge/shared.h>
#include "core/arch.h"
#include "cpu/insn.h"
#include "mm/hyp_map.h"
#include "mm/page.h"

static uint64_t *entries; /* of the CPUs' pages, in one table */

BUILD_ASSERT(IO_PAGES_START / MIB(2) == (IO_PAGES_START + NR_CPUS * PAGE_SIZE - 1) / MIB(2));

INIT_TEXT void io_page_init(void)
{
    entries = hyp_pte_make(IO_PAGES_START);
}

static void *open(uint64_t maddr, unsigned long *flags)
{
    unsigned int cpu;

    *flags = arch_irq_save();
    cpu = arch_cpu_id();
    shared_write(&entries[cpu], pte_make(MFN(maddr >> PAGE_SHIFT), MAP_RW | MAP_UC));
    return (void *)(IO_PAGES_START + cpu * PAGE_SIZE + (maddr & (PAGE_SIZE - 1)));
}

static void close(unsigned long flags)
{
    unsigned int cpu = arch_cpu_id();

    shared_write(&entries[cpu], 0);
    invlpg(IO_PAGES_START + cpu * PAGE_SIZE);
    arch_irq_restore(flags);
}

uint64_t io_page_read(uint64_t maddr, unsigned int bytes)
{
    unsigned long flags;
    void *at = open(maddr, &flags);
    uint64_t v;

    switch (bytes) {
    case 1:
        v = *(volatile uint8_t *)at;
        break;
    case 2:
        v = *(volatile uint16_t *)at;
        break;
    case 4:
        v = *(volatile uint32_t *)at;
        break;
    default:
        v = *(volatile uint64_t *)at;
        break;
    }
    close(flags);
    return v;
}

void io_page_write(uint64_t maddr, unsigned int bytes, uint64_t value)
{
    unsigned long flags;
    void *at = open(maddr, &flags);

    switch (bytes) {
    case 1:
        *(volatile uint8_t *)at = value;
        break;
    case 2:
        *(volatile uint16_t *)at = value;
        break;
    case 4:
        *(volatile uint32_t *)at = value;
        break;
    default:
        *(volatile uint64_t *)at = value;
        break;
    }
    close(flags);
}
