/*
 * The Multiple APIC Description Table: CPUs, I/O APICs, and how ISA interrupts and NMIs are wired.
 */
#include "platform/acpi_private.h"

#include "core/log.h"
#include "core/vcpu_op.h"
#include "platform/acpi.h"
#include "platform/acpi_tables.h"
#include "platform/apic.h"

#define LAPIC_BASE_DEFAULT 0xfee00000ULL
#define GSI_BASE_MAX       (ACPI_MAX_IOAPICS * 240U) /* no I/O APIC has more lines */

unsigned int acpi_cpu_of_apic_id(uint32_t id)
{
    for (unsigned int i = 0; i < acpi.nr_cpus; i++) {
        if (acpi.cpus[i].apic_id == id) {
            return i;
        }
    }
    return NR_CPUS;
}

static void cpu_add(uint32_t id, uint32_t acpi_id, uint32_t flags, uint32_t boot_id)
{
    if (!(flags & MADT_ENABLED)) {
        return;
    }
    if (id == boot_id) {
        acpi.cpus[0].acpi_id = acpi_id;
        return;
    }
    if (acpi_cpu_of_apic_id(id) != NR_CPUS) {
        return; /* firmware lists a CPU both as local APIC and as x2APIC */
    }
    if (acpi.nr_cpus == NR_CPUS) {
        acpi.nr_cpus_dropped++;
        return;
    }
    acpi.cpus[acpi.nr_cpus].apic_id = id;
    acpi.cpus[acpi.nr_cpus].acpi_id = acpi_id;
    acpi.nr_cpus++;
}

static void ioapic_add(const struct madt_ioapic *e)
{
    if (acpi.nr_ioapics == ACPI_MAX_IOAPICS) {
        log_warning("ACPI: I/O APIC at %#x ignored: there are more than %u", e->base,
                    ACPI_MAX_IOAPICS);
        return;
    }
    if (e->gsi_base > GSI_BASE_MAX) {
        log_warning("ACPI: I/O APIC at %#x ignored: it claims GSIs from %u on", e->base,
                    e->gsi_base);
        return;
    }
    acpi.ioapics[acpi.nr_ioapics].base = e->base;
    acpi.ioapics[acpi.nr_ioapics].id = e->id;
    acpi.ioapics[acpi.nr_ioapics].gsi_base = e->gsi_base;
    acpi.nr_ioapics++;
}

static void override_add(const struct madt_override *e)
{
    if (e->bus != 0 || e->irq > 15 || acpi.nr_overrides == ACPI_MAX_OVERRIDES) {
        return; /* 0 is the only bus that the specification knows: ISA */
    }
    acpi.overrides[acpi.nr_overrides].isa_irq = e->irq;
    acpi.overrides[acpi.nr_overrides].gsi = e->gsi;
    acpi.overrides[acpi.nr_overrides].flags = e->flags;
    acpi.nr_overrides++;
}

static void nmi_add(uint32_t acpi_id, uint16_t flags, uint8_t lint)
{
    if (lint > 1 || acpi.nr_nmis == ARRAY_SIZE(acpi.nmis)) {
        return;
    }
    acpi.nmis[acpi.nr_nmis].acpi_id = acpi_id;
    acpi.nmis[acpi.nr_nmis].flags = flags;
    acpi.nmis[acpi.nr_nmis].lint = lint;
    acpi.nr_nmis++;
}

static void entry_read(const struct acpi_madt_entry *entry, uint32_t boot_id)
{
    switch (entry->type) {
    case MADT_LAPIC:
        if (entry->length >= sizeof(struct madt_lapic)) {
            const struct madt_lapic *e = (const void *)entry;

            if (e->apic_id != 0xff) {
                cpu_add(e->apic_id, e->acpi_id, e->flags, boot_id);
            }
        }
        break;
    case MADT_X2APIC:
        if (entry->length >= sizeof(struct madt_x2apic)) {
            const struct madt_x2apic *e = (const void *)entry;

            cpu_add(e->apic_id, e->acpi_id, e->flags, boot_id);
        }
        break;
    case MADT_IOAPIC:
        if (entry->length >= sizeof(struct madt_ioapic)) {
            ioapic_add((const void *)entry);
        }
        break;
    case MADT_OVERRIDE:
        if (entry->length >= sizeof(struct madt_override)) {
            override_add((const void *)entry);
        }
        break;
    case MADT_LAPIC_NMI:
        if (entry->length >= sizeof(struct madt_lapic_nmi)) {
            const struct madt_lapic_nmi *e = (const void *)entry;

            nmi_add(e->acpi_id == 0xff ? ACPI_NO_ID : e->acpi_id, e->flags, e->lint);
        }
        break;
    case MADT_X2APIC_NMI:
        if (entry->length >= sizeof(struct madt_x2apic_nmi)) {
            const struct madt_x2apic_nmi *e = (const void *)entry;

            nmi_add(e->acpi_id, e->flags, e->lint);
        }
        break;
    case MADT_LAPIC_BASE:
        if (entry->length >= sizeof(struct madt_lapic_base)) {
            const struct madt_lapic_base *e = (const void *)entry;

            acpi.lapic_base = e->base;
        }
        break;
    default:
        break; /* of no use to us */
    }
}

void madt_read(const struct acpi_madt *madt)
{
    const char *p = (const char *)(madt + 1);
    const char *end = (const char *)madt + madt->header.length;
    uint32_t boot_id = apic_id();

    acpi.lapic_base = madt->lapic ? madt->lapic : LAPIC_BASE_DEFAULT;
    acpi.has_8259 = madt->flags & MADT_PCAT;
    acpi.cpus[0].apic_id = boot_id;
    acpi.cpus[0].acpi_id = ACPI_NO_ID;
    acpi.nr_cpus = 1;

    while (end - p >= (long)sizeof(struct acpi_madt_entry)) {
        const struct acpi_madt_entry *e = (const void *)p;

        if (e->length < sizeof(*e) || e->length > end - p) {
            log_warning("ACPI: MADT entry of type %u has impossible length %u; the rest is ignored",
                        e->type, e->length);
            return;
        }
        entry_read(e, boot_id);
        p += e->length;
    }
}

uint64_t cpu_arch_physid(unsigned int cpu)
{
    return (uint64_t)acpi.cpus[cpu].acpi_id << 32 | acpi.cpus[cpu].apic_id;
}
