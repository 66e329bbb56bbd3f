/*
 * IOMMUs are not used. Domain 0 must not use them either: it would have them translate what are no
 * machine addresses. So their registers are noted, to be kept from it, and their tables hidden.
 * Source: Intel Virtualization Technology for Directed I/O, "DMA Remapping Reporting Structure"; AMD
 * I/O Virtualization Technology Specification, "I/O Virtualization ACPI Table".
 */
#include <lodge/string.h>
#include "core/log.h"
#include "platform/acpi.h"
#include "platform/acpi_private.h"
#include "platform/acpi_tables.h"

#define DMAR_HEADER 48 /* bytes before the first structure */
#define IVRS_HEADER 48
#define DMAR_DRHD   0
#define IVHD_FIRST  0x10
#define IVHD_MIXED  0x40
#define AMD_BYTES   0x4000

static void note(uint64_t base, uint64_t bytes)
{
    if (!base || acpi.nr_iommus == ACPI_MAX_IOMMUS) {
        return;
    }
    acpi.iommus[acpi.nr_iommus].base = base;
    acpi.iommus[acpi.nr_iommus].bytes = bytes;
    acpi.nr_iommus++;
}

static void dmar_note(const struct dmar_drhd *d)
{
    if (d->type == DMAR_DRHD && d->length >= sizeof(*d)) {
        note(d->base, PAGE_SIZE << (d->size & 0xf));
    }
}

static void ivrs_note(const struct ivrs_block *b)
{
    if ((b->type == IVHD_FIRST || b->type == IVHD_FIRST + 1 || b->type == IVHD_MIXED) &&
        b->length >= sizeof(*b)) {
        note(b->base, AMD_BYTES);
    }
}

/* The name is mixed up, which leaves the checksum right. */
static void hide(struct acpi_header *h)
{
    char first = h->signature[0];

    log_info("ACPI: table %.4s is hidden from domain 0: IOMMUs are not used", h->signature);
    h->signature[0] = h->signature[1];
    h->signature[1] = first;
}

/* Both tables are lists whose entries have their length in the second word. */
static void list_read(const char *signature, unsigned int header, bool is_dmar)
{
    struct acpi_header *h = (struct acpi_header *)acpi_table_find(signature, 0);

    if (!h) {
        return;
    }
    for (uint32_t at = header; at + 4 <= h->length;) {
        const char *entry = (const char *)h + at;
        uint16_t length;

        memcpy(&length, entry + 2, sizeof(length));
        if (length < 4 || length > h->length - at) {
            break;
        }
        if (is_dmar) {
            dmar_note((const struct dmar_drhd *)entry);
        } else {
            ivrs_note((const struct ivrs_block *)entry);
        }
        at += length;
    }
    hide(h);
}

void acpi_iommus_read(void)
{
    list_read("DMAR", DMAR_HEADER, true);
    list_read("IVRS", IVRS_HEADER, false);
}
