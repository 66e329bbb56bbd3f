/* mmio.c: device memory: which frames a guest may map, how they may be cached, and stores to those
 * that are read-only to it. The test gives the machine QEMU's "edu" device. */
#include "lib/guest.h"
#include "lib/pci.h"

#define IOAPIC           0xfec00000UL
#define HPET             0xfed00000UL
#define IOMMU            0xfed90000UL /* QEMU intel-iommu, if the machine has it */
#define LOCAL_APIC       0xfee00000UL
#define MESSAGES_LAST    0xfeeff000UL
#define MESSAGES_END     0xfef00000UL
#define HYPERTRANSPORT   0xfd00000000UL
#define EDU_VENDOR       0x1234
#define EDU_DEVICE       0x11e8
#define EDU_LIVENESS     4
#define CACHE            (PTE_PWT | PTE_PCD | PTE_PAT)

PROBE(store_1, "movb $0xff, (%rdi)");
PROBE(store_4, "movl $0x11223344, (%rdi)");
PROBE(store_8, "movq $0x11223344, (%rdi)");
PROBE(increment, "incl (%rdi)");

static uint64_t edu_memory;

static uint64_t flags_of(const void *va)
{
    return *pt_entry(pt_root(), va, 1) & (PTE_P | PTE_RW | CACHE);
}

static uint64_t cache_flags(unsigned int i)
{
    return (i & 1 ? PTE_PWT : 0) | (i & 2 ? PTE_PCD : 0) | (i & 4 ? PTE_PAT : 0);
}

static void try_map(const char *name, uint64_t maddr)
{
    long rc = mmio_map(0, maddr, MMIO_DATA);

    result_text("map-%s %ld flags 0x%lx", name, rc, flags_of(mmio_at(0)));
    guest_need(mmio_map(0, 0, 0));
}

static void check_frames(void)
{
    try_map("device", edu_memory);
    try_map("local-apic", LOCAL_APIC);
    try_map("first-message", LOCAL_APIC + PAGE_SIZE);
    try_map("last-message", MESSAGES_LAST);
    try_map("behind-messages", MESSAGES_END);
    try_map("io-apic", IOAPIC);
    try_map("hpet", HPET);
    try_map("iommu", IOMMU);
    try_map("behind-iommu", IOMMU + PAGE_SIZE);
    try_map("hypertransport", HYPERTRANSPORT);
    try_map("before-hypertransport", HYPERTRANSPORT - PAGE_SIZE);
    try_map("vga", 0xa0000);
    try_map("bios", 0xf0000);
    try_map("beyond-the-machine", 1UL << 40);
    try_map("highest-frame", PTE_FRAME);
}

static int try(void (*probe)(void *), void *at)
{
    struct trap_report report;

    return trap_try(probe, at, &report);
}

static void try_stores(const char *name, uint64_t maddr, unsigned int reg)
{
    uint8_t *at = mmio_at(1);
    uint32_t before;

    guest_need(mmio_map(1, maddr, MMIO_DATA));
    before = mmio_read(at + reg);
    result(try(store_1, at + reg), "%s-store-1", name);
    result(try(store_4, at + reg), "%s-store-4", name);
    check(mmio_read(at + reg), before, "%s-as-before", name);
    result(try(store_8, at + reg), "%s-store-8", name);
    result(try(increment, at + reg), "%s-increment", name);
    check(mmio_read(at + reg), before, "%s-still-as-before", name);
}

static void check_cache_of_device(void)
{
    uint8_t *at = mmio_at(2);
    unsigned int i;

    for (i = 0; i < 8; i++) {
        long rc = mmio_map(2, edu_memory, (MMIO_DATA & ~CACHE) | cache_flags(i));

        result_text("device-cache-%u %ld flags 0x%lx", i, rc, flags_of(at));
        rc = mmio_map(2, IOAPIC, (MMIO_DATA & ~CACHE) | cache_flags(i));
        result_text("read-only-cache-%u %ld flags 0x%lx", i, rc, flags_of(at));
    }
    guest_need(mmio_map(2, edu_memory, MMIO_DATA & ~CACHE));
    mmio_write(at + EDU_LIVENESS, 0x5555aaaa);
    check(mmio_read(at + EDU_LIVENESS), ~0x5555aaaaU, "device-not-cached");
}

/* Memory: the hypervisor uses it too, through a mapping of its own. */
static void check_cache_of_memory(void)
{
    uint32_t *page = page_alloc();
    unsigned int i;

    for (i = 0; i < 8; i++) {
        long rc = page_set(page, PTE_DATA | cache_flags(i));

        result_text("memory-cache-%u %ld flags 0x%lx", i, rc, flags_of(page));
        *page = i;
        rc = page_set(page, PTE_DATA_RO | cache_flags(i));
        result_text("read-only-memory-cache-%u %ld flags 0x%lx", i, rc, flags_of(page));
    }
    /* What was written around the cache is there when the page becomes a page table. */
    guest_need(page_set(page, PTE_DATA | PTE_PAT));
    memset(page, 0, PAGE_SIZE);
    page[0] = pte_make(va_to_mfn(page), PTE_DATA_RO);
    guest_need(page_set(page, PTE_DATA_RO));
    result(mmuext(MMUEXT_PIN_L1_TABLE, va_to_mfn(page)), "pin-combined-page");
    result(page_set(page, PTE_DATA_RO | PTE_PAT), "combine-table");
    result(page_set(page, PTE_DATA_RO | PTE_PCD), "uncache-table");
    result(mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(page)), "unpin-combined-page");
}

static void check_shared_page(void)
{
    const uint64_t maddr = start_info->shared_info;
    unsigned int i;

    for (i = 0; i < 8; i++) {
        long rc = mmio_map(3, maddr, PTE_DATA | cache_flags(i));

        result(rc, "shared-page-cache-%u", i);
    }
}

void guest_main(void)
{
    pci_bdf_t edu;

    io_allow();
    edu = pci_find(EDU_VENDOR, EDU_DEVICE);
    if (edu == PCI_NOWHERE) {
        guest_fail("no edu");
    }
    edu_memory = pci_bar(edu, 0);
    check_frames();
    try_stores("io-apic", IOAPIC, 0);
    try_stores("hpet", HPET, 0x10);
    check_cache_of_device();
    check_cache_of_memory();
    check_shared_page();
}
