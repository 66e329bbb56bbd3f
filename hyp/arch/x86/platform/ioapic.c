/* I/O APIC registers: an index and a data window, under one lock for all of them. */
#include "platform/ioapic.h"

#include <lodge/errno.h>
#include "core/lock.h"
#include "core/log.h"
#include "mm/page.h"
#include "platform/acpi.h"
#include "platform/irq.h"
#include "platform/platform.h"

#define IOREGSEL 0x00
#define IOWIN    0x10

#define REG_VERSION 0x01
#define REG_RTE(n)  (0x10 + 2 * (n))

#define RTE_VECTOR        0xffU
#define RTE_DELIVERY(rte) ((rte) >> 8 & 7)
#define RTE_LOW           0x2000U
#define RTE_LEVEL         0x8000U
#define RTE_MASKED        0x10000U
#define RTE_DEST_SHIFT    24
#define DELIVERY_LOWEST   1

#define MAX_PINS 240

struct ioapic {
    volatile uint32_t *registers; /* NULL: not usable */
    unsigned int pins;
};

static struct ioapic ioapics[ACPI_MAX_IOAPICS];
static struct spinlock lock = SPINLOCK_INIT(RANK_IOAPIC);

static uint32_t reg_read(const struct ioapic *a, unsigned int reg)
{
    a->registers[IOREGSEL / 4] = reg;
    return a->registers[IOWIN / 4];
}

static void reg_write(const struct ioapic *a, unsigned int reg, uint32_t v)
{
    a->registers[IOREGSEL / 4] = reg;
    a->registers[IOWIN / 4] = v;
}

static const struct ioapic *find(unsigned int gsi, unsigned int *pin)
{
    for (unsigned int i = 0; i < acpi.nr_ioapics; i++) {
        if (gsi >= acpi.ioapics[i].gsi_base && gsi - acpi.ioapics[i].gsi_base < ioapics[i].pins) {
            *pin = gsi - acpi.ioapics[i].gsi_base;
            return &ioapics[i];
        }
    }
    return NULL;
}

unsigned int ioapic_init(void)
{
    unsigned int nr_gsis = 0;

    for (unsigned int i = 0; i < acpi.nr_ioapics; i++) {
        struct ioapic *a = &ioapics[i];

        a->registers = ioremap(acpi.ioapics[i].base, PAGE_SIZE);
        if (!a->registers || reg_read(a, REG_VERSION) == 0xffffffff) {
            log_warning("I/O APIC at %#llx does not answer",
                        (unsigned long long)acpi.ioapics[i].base);
            a->registers = NULL;
            continue;
        }
        a->pins = MIN((reg_read(a, REG_VERSION) >> 16 & 0xff) + 1, (uint32_t)MAX_PINS);
        for (unsigned int pin = 0; pin < a->pins; pin++) {
            reg_write(a, REG_RTE(pin), RTE_MASKED);
            reg_write(a, REG_RTE(pin) + 1, 0);
        }
        nr_gsis = MAX(nr_gsis, acpi.ioapics[i].gsi_base + a->pins);
        log_info("I/O APIC %u at %#llx: GSI %u to %u", acpi.ioapics[i].id,
                 (unsigned long long)acpi.ioapics[i].base, acpi.ioapics[i].gsi_base,
                 acpi.ioapics[i].gsi_base + a->pins - 1);
    }
    return nr_gsis;
}

bool ioapic_has_gsi(unsigned int gsi)
{
    unsigned int pin;

    return find(gsi, &pin) != NULL;
}

unsigned int ioapic_gsi_of_isa(unsigned int irq)
{
    for (unsigned int i = 0; i < acpi.nr_overrides; i++) {
        if (acpi.overrides[i].isa_irq == irq) {
            return acpi.overrides[i].gsi;
        }
    }
    return irq;
}

bool ioapic_isa_type(unsigned int gsi, bool *level, bool *low)
{
    for (unsigned int i = 0; i < acpi.nr_overrides; i++) {
        if (acpi.overrides[i].gsi == gsi) {
            /*
             * ACPI Specification, "MPS INTI Flags": 3 is low and level; 0 is the bus's own, edge
             * and high.
             */
            *low = (acpi.overrides[i].flags & 3) == 3;
            *level = (acpi.overrides[i].flags >> 2 & 3) == 3;
            return true;
        }
    }
    *level = *low = false;
    return gsi < 16;
}

void ioapic_route(unsigned int gsi, uint8_t vector, bool level, bool low, uint32_t apic_id)
{
    unsigned int pin = 0;
    const struct ioapic *a = find(gsi, &pin);
    unsigned long flags;

    if (!a) {
        return;
    }
    flags = spin_lock_irqsave(&lock);
    reg_write(a, REG_RTE(pin), RTE_MASKED);
    reg_write(a, REG_RTE(pin) + 1, apic_id << RTE_DEST_SHIFT);
    reg_write(a, REG_RTE(pin), RTE_MASKED | (level ? RTE_LEVEL : 0) | (low ? RTE_LOW : 0) | vector);
    spin_unlock_irqrestore(&lock, flags);
}

void ioapic_set_dest(unsigned int gsi, uint32_t apic_id)
{
    unsigned int pin = 0;
    const struct ioapic *a = find(gsi, &pin);
    unsigned long flags;

    if (!a) {
        return;
    }
    flags = spin_lock_irqsave(&lock);
    reg_write(a, REG_RTE(pin) + 1, apic_id << RTE_DEST_SHIFT);
    spin_unlock_irqrestore(&lock, flags);
}

static void rte_change(unsigned int gsi, uint32_t clear, uint32_t set)
{
    unsigned int pin = 0;
    const struct ioapic *a = find(gsi, &pin);
    unsigned long flags;

    if (!a) {
        return;
    }
    flags = spin_lock_irqsave(&lock);
    reg_write(a, REG_RTE(pin), (reg_read(a, REG_RTE(pin)) & ~clear) | set);
    (void)reg_read(a, REG_RTE(pin)); /* the write has arrived before the caller acknowledges */
    spin_unlock_irqrestore(&lock, flags);
}

void ioapic_mask(unsigned int gsi)
{
    rte_change(gsi, 0, RTE_MASKED);
}

void ioapic_unmask(unsigned int gsi)
{
    rte_change(gsi, RTE_MASKED, 0);
}

bool ioapic_is_page(uint64_t mfn)
{
    for (unsigned int i = 0; i < acpi.nr_ioapics; i++) {
        if (acpi.ioapics[i].base >> PAGE_SHIFT == mfn) {
            return true;
        }
    }
    return false;
}

static const struct ioapic *find_physbase(uint64_t physbase, unsigned int *index)
{
    for (unsigned int i = 0; i < acpi.nr_ioapics; i++) {
        if (acpi.ioapics[i].base == physbase && ioapics[i].registers) {
            *index = i;
            return &ioapics[i];
        }
    }
    return NULL;
}

int ioapic_guest_read(uint64_t physbase, uint32_t reg, uint32_t *value)
{
    unsigned int i = 0;
    const struct ioapic *a = find_physbase(physbase, &i);
    unsigned long flags;

    if (!a) {
        return -EINVAL;
    }
    flags = spin_lock_irqsave(&lock);
    /* the index has eight bits; what is not there reads as something */
    *value = reg_read(a, reg & 0xff);
    spin_unlock_irqrestore(&lock, flags);
    return 0;
}

/*
 * The hypervisor programs redirection entries itself when a line is bound; of what the guest
 * writes, only which line it means and how is of interest. Xen 4.17 xen/arch/x86/io_apic.c
 * ioapic_guest_write: other registers are ignored.
 */
int ioapic_guest_write(uint64_t physbase, uint32_t reg, uint32_t value, struct ioapic_write *w)
{
    unsigned int i = 0;
    const struct ioapic *a = find_physbase(physbase, &i);

    *w = (struct ioapic_write){ .gsi = IRQ_NONE };
    if (!a) {
        return -EINVAL;
    }
    if (reg < REG_RTE(0) || (reg & 1)) {
        return 0;
    }
    if (reg >= REG_RTE(a->pins) || RTE_DELIVERY(value) > DELIVERY_LOWEST) {
        return -EINVAL;
    }
    *w = (struct ioapic_write){
        .gsi = acpi.ioapics[i].gsi_base + (reg - REG_RTE(0)) / 2,
        .level = value & RTE_LEVEL,
        .low = value & RTE_LOW,
        .masked = value & RTE_MASKED,
        .vector = value & RTE_VECTOR,
    };
    return 0;
}
