/*
 * I/O APICs: from an interrupt line (GSI) to a vector on a CPU. Source: Intel 82093AA data sheet,
 * "Register Description". Callers of the gsi_ functions hold the line's descriptor lock; the
 * registers have their own.
 */
#ifndef X86_PLATFORM_IOAPIC_H
#define X86_PLATFORM_IOAPIC_H

#include <lodge/types.h>

/* maps and masks all; returns the number of GSIs */
unsigned int ioapic_init(void);
bool ioapic_has_gsi(unsigned int gsi);
unsigned int ioapic_gsi_of_isa(unsigned int irq);
/* Does an ISA line or MADT override state this line's type? Then *level and *low receive it. */
bool ioapic_isa_type(unsigned int gsi, bool *level, bool *low);
/* Route, masked. */
void ioapic_route(unsigned int gsi, uint8_t vector, bool level, bool low, uint32_t apic_id);
void ioapic_set_dest(unsigned int gsi, uint32_t apic_id);
void ioapic_mask(unsigned int gsi);
void ioapic_unmask(unsigned int gsi);
bool ioapic_is_page(uint64_t mfn); /* the page of some I/O APIC's registers */

/* PHYSDEVOP_apic_read: 0; -EINVAL no I/O APIC there. */
int ioapic_guest_read(uint64_t physbase, uint32_t reg, uint32_t *value) MUST_CHECK;

/*
 * PHYSDEVOP_apic_write: what a guest means by it. 0; -EINVAL no I/O APIC there, no such entry, or a
 * mode that is not to be given.
 */
struct ioapic_write {
    unsigned int gsi; /* IRQ_NONE: a register that does not count */
    bool level, low, masked;
    uint8_t vector;
};
int ioapic_guest_write(uint64_t physbase, uint32_t reg, uint32_t value,
                       struct ioapic_write *w) MUST_CHECK;

#endif
