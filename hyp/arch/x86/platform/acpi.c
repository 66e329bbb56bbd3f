/*
 * Finds the ACPI tables, checks them, and takes from FADT, HPET and MCFG what the hypervisor uses.
 * The MADT is read in madt.c, sleeping and resetting are in acpi_sleep.c.
 */
#include "platform/acpi.h"

#include <lodge/string.h>
#include "boot/bootinfo.h"
#include "core/log.h"
#include "mm/page.h"
#include "platform/acpi_private.h"
#include "platform/acpi_tables.h"
#include "platform/firmware.h"
#include "platform/platform.h"

#define BIOS_START      0xe0000
#define BIOS_END        0x100000
#define EBDA_SEGMENT    0x40e /* BIOS data area: where the extended one is */
#define EBDA_SEARCH     1024
#define MAX_TABLES      64
#define MAX_TABLE_BYTES MIB(1)

struct acpi_info acpi;

static const struct acpi_header *tables[MAX_TABLES];
static unsigned int nr_tables;

void *platform_map(uint64_t maddr, size_t size)
{
    for (unsigned int i = 0; i < boot_info.nr_map; i++) {
        const struct boot_range *r = &boot_info.map[i];
        uint64_t start = ROUND_UP(r->start, PAGE_SIZE);
        uint64_t end = ROUND_DOWN(r->start + r->size, PAGE_SIZE);

        if ((r->type == RANGE_RAM || r->type == RANGE_ACPI) && maddr >= start && maddr < end &&
            size <= end - maddr) {
            return maddr_to_virt(maddr);
        }
    }
    return ioremap(maddr, size);
}

static bool checksum_ok(const void *p, size_t n)
{
    const uint8_t *b = p;
    uint8_t sum = 0;

    while (n--) {
        sum += *b++;
    }
    return sum == 0;
}

static bool rsdp_ok(const struct acpi_rsdp *r)
{
    return !memcmp(r->signature, "RSD PTR ", sizeof(r->signature)) &&
           checksum_ok(r, ACPI_RSDP_V1_SIZE);
}

static uint64_t rsdp_scan(uint64_t start, size_t size)
{
    const char *area = platform_map(start, size);

    /* The signature stands on a 16-byte boundary; the structure may be 36 bytes long. */
    for (size_t at = 0; area && at + sizeof(struct acpi_rsdp) <= size; at += 16) {
        if (rsdp_ok((const struct acpi_rsdp *)(area + at))) {
            return start + at;
        }
    }
    return 0;
}

/* ACPI Specification, "Finding the RSDP on IA-PC Systems". */
static uint64_t rsdp_search(void)
{
    const uint8_t *bda = platform_map(0, PAGE_SIZE);
    uint64_t ebda = bda ? (uint64_t)(bda[EBDA_SEGMENT] | bda[EBDA_SEGMENT + 1] << 8) << 4 : 0;
    uint64_t at = 0;

    if (ebda >= 0x400 && ebda < 0xa0000) {
        at = rsdp_scan(ebda, EBDA_SEARCH);
    }
    return at ? at : rsdp_scan(BIOS_START, BIOS_END - BIOS_START);
}

/*
 * A whole table, whose size is known only once its header is mapped. NULL: unreachable, absurd or
 * corrupt.
 */
static const struct acpi_header *table_map(uint64_t maddr)
{
    const struct acpi_header *h = platform_map(maddr, sizeof(*h));

    if (!h || h->length < sizeof(*h) || h->length > MAX_TABLE_BYTES) {
        return NULL;
    }
    h = platform_map(maddr, h->length);
    if (h && !checksum_ok(h, h->length)) {
        log_warning("ACPI: table %.4s at %#llx has a bad checksum, ignored", h->signature,
                    (unsigned long long)maddr);
        return NULL;
    }
    return h;
}

static void root_read(const struct acpi_header *root, size_t entry_size)
{
    const char *entries = (const char *)(root + 1);
    size_t nr = (root->length - sizeof(*root)) / entry_size;

    for (size_t i = 0; i < nr && nr_tables < MAX_TABLES; i++) {
        uint64_t maddr = 0;
        const struct acpi_header *h;

        memcpy(&maddr, entries + i * entry_size, entry_size);
        h = maddr ? table_map(maddr) : NULL;
        if (h) {
            tables[nr_tables++] = h;
        }
    }
}

const void *acpi_table_find(const char *signature, unsigned int nth)
{
    for (unsigned int i = 0; i < nr_tables; i++) {
        if (!memcmp(tables[i]->signature, signature, 4) && nth-- == 0) {
            return tables[i];
        }
    }
    return NULL;
}

static void tables_find(void)
{
    const struct acpi_header *root = NULL;
    const struct acpi_rsdp *rsdp;

    acpi.rsdp = boot_info.rsdp ? boot_info.rsdp : rsdp_search();
    rsdp = acpi.rsdp ? platform_map(acpi.rsdp, sizeof(*rsdp)) : NULL;
    if (!rsdp || !rsdp_ok(rsdp)) {
        stop(
            "ACPI: no RSDP found (looked at %#llx); this machine has no ACPI tables, which are needed to find its CPUs and interrupt controllers",
            (unsigned long long)acpi.rsdp);
    }
    if (rsdp->revision >= 2 && rsdp->xsdt &&
        checksum_ok(rsdp, MIN(rsdp->length, (uint32_t)sizeof(*rsdp)))) {
        root = table_map(rsdp->xsdt);
    }
    if (root) {
        root_read(root, sizeof(uint64_t));
        return;
    }
    root = table_map(rsdp->rsdt);
    if (!root) {
        stop("ACPI: neither XSDT (%#llx) nor RSDT (%#x) is readable",
             (unsigned long long)rsdp->xsdt, rsdp->rsdt);
    }
    root_read(root, sizeof(uint32_t));
}

static struct acpi_reg reg_from_gas(const struct acpi_gas *gas)
{
    struct acpi_reg r = { .space = gas->space, .bits = gas->width, .address = gas->address };

    if (r.address && r.space == 0) {
        r.va = platform_map(r.address, 4);
    }
    if (r.space > 1 || (r.space == 0 && !r.va) || (r.space == 1 && r.address > 0xffff)) {
        r.address = 0; /* out of our reach */
    }
    return r;
}

/* A block that the FADT may give twice: extended, or as a 32-bit port number. */
static struct acpi_reg reg_choose(const struct acpi_gas *gas, uint32_t port, unsigned int bytes)
{
    struct acpi_reg r = reg_from_gas(gas);

    if (!r.address && port) {
        r = (struct acpi_reg){ .space = 1, .bits = bytes * 8, .address = port };
    }
    return r;
}

static void fadt_read(void)
{
    const struct acpi_header *h = acpi_table_find("FACP", 0);
    struct acpi_fadt f;
    struct acpi_reg timer;

    acpi.has_vga = acpi.has_8042 = true;
    if (!h) {
        log_warning("ACPI: no FADT: no PM timer, no power-off");
        return;
    }
    memset(&f, 0, sizeof(f)); /* an old table is shorter: what it lacks is absent */
    memcpy(&f, h, MIN((size_t)h->length, sizeof(f)));

    acpi.sci_gsi = f.sci_int;
    acpi.century = f.century;
    acpi.hw_reduced = f.flags & FADT_HW_REDUCED;
    acpi.pm1a_cnt = reg_choose(&f.x_pm1a_cnt, f.pm1a_cnt, f.pm1_cnt_len);
    acpi.pm1b_cnt = reg_choose(&f.x_pm1b_cnt, f.pm1b_cnt, f.pm1_cnt_len);
    timer = reg_choose(&f.x_pm_tmr, f.pm_tmr, f.pm_tmr_len);
    if (timer.address && timer.space == 1) {
        acpi.pm_timer_port = timer.address;
        acpi.pm_timer_32bit = f.flags & FADT_TIMER_32;
    }
    if (f.flags & FADT_RESET) {
        acpi.reset = reg_from_gas(&f.reset);
        acpi.reset_value = f.reset_value;
    }
    if (acpi.hw_reduced) {
        acpi.sleep_control = reg_from_gas(&f.sleep_control);
        acpi.sleep_status = reg_from_gas(&f.sleep_status);
    }
    acpi.has_vga = !(f.boot_arch & FADT_BOOT_NO_VGA);
    acpi.has_8042 = h->revision < 3 || (f.boot_arch & FADT_BOOT_8042);
}

static void hpet_read(void)
{
    const struct acpi_hpet *t = acpi_table_find("HPET", 0);

    if (t && t->header.length >= sizeof(*t) && t->address.space == 0) {
        acpi.hpet_base = t->address.address;
    }
}

static void mcfg_read(void)
{
    const struct acpi_mcfg *t = acpi_table_find("MCFG", 0);
    const struct mcfg_entry *e;
    size_t nr;

    if (!t || t->header.length < sizeof(*t)) {
        return;
    }
    e = (const struct mcfg_entry *)(t + 1);
    nr = (t->header.length - sizeof(*t)) / sizeof(*e);
    for (size_t i = 0; i < nr && acpi.nr_mcfg < ACPI_MAX_MCFG; i++) {
        if (e[i].base && e[i].first_bus <= e[i].last_bus) {
            acpi.mcfg[acpi.nr_mcfg].base = e[i].base;
            acpi.mcfg[acpi.nr_mcfg].segment = e[i].segment;
            acpi.mcfg[acpi.nr_mcfg].first_bus = e[i].first_bus;
            acpi.mcfg[acpi.nr_mcfg].last_bus = e[i].last_bus;
            acpi.nr_mcfg++;
        }
    }
}

void platform_acpi_init(void)
{
    const struct acpi_madt *madt;

    firmware_init();
    tables_find();
    fadt_read();
    hpet_read();
    mcfg_read();
    acpi_iommus_read();
    madt = acpi_table_find("APIC", 0);
    if (!madt || madt->header.length < sizeof(*madt)) {
        stop(
            "ACPI: no MADT (table APIC), which is needed to find the machine's CPUs and interrupt controllers");
    }
    madt_read(madt);
    log_info("ACPI: RSDP %#llx, %u tables; %u CPUs, %u I/O APICs; HPET %#llx, PM timer port %#x",
             (unsigned long long)acpi.rsdp, nr_tables, acpi.nr_cpus, acpi.nr_ioapics,
             (unsigned long long)acpi.hpet_base, acpi.pm_timer_port);
    if (acpi.nr_cpus_dropped) {
        log_warning("ACPI: %u CPUs beyond the %u that this build can hold stay off",
                    acpi.nr_cpus_dropped, NR_CPUS);
    }
}
