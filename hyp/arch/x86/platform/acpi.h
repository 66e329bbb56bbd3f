/*
 * ACPI: what the firmware's tables say of CPUs, interrupt controllers and clocks. The interpreted
 * half (AML) is domain 0's; it hands back the few values that the hypervisor needs (sleep). Source:
 * ACPI Specification, "ACPI Software Programming Model".
 */
#ifndef X86_PLATFORM_ACPI_H
#define X86_PLATFORM_ACPI_H

#include <lodge/types.h>
#include "core/arch.h"

#define ACPI_MAX_IOAPICS   16
#define ACPI_MAX_OVERRIDES 32
#define ACPI_MAX_MCFG      8
#define ACPI_MAX_IOMMUS    32
#define ACPI_NO_ID         0xffffffffU

struct acpi_cpu {
    uint32_t apic_id;
    uint32_t acpi_id; /* "processor UID": how AML and dom0 name it */
};

/* Registers in I/O or memory space: the Generic Address Structure, as far as it is used. */
struct acpi_reg {
    uint8_t space; /* 0 memory, 1 I/O */
    uint8_t bits;
    uint64_t address; /* 0: absent */
    void *va;         /* mapped, when in memory */
};

struct acpi_info {
    /*
     * CPUs by their number here: 0 is the boot CPU, then in the MADT's order; disabled entries are
     * left out
     */
    struct acpi_cpu cpus[NR_CPUS];
    unsigned int nr_cpus;
    unsigned int nr_cpus_dropped; /* enabled, but beyond NR_CPUS */

    uint64_t lapic_base;
    struct {
        uint64_t base;
        uint32_t id, gsi_base;
    } ioapics[ACPI_MAX_IOAPICS];
    unsigned int nr_ioapics;
    struct {
        uint8_t isa_irq;
        uint16_t flags; /* polarity in bits 1:0, trigger in 3:2 */
        uint32_t gsi;
    } overrides[ACPI_MAX_OVERRIDES];
    unsigned int nr_overrides;
    bool has_8259;
    struct {
        uint32_t acpi_id; /* ACPI_NO_ID: all CPUs */
        uint16_t flags;
        uint8_t lint; /* 0 or 1 */
    } nmis[8];        /* local APIC NMI lines */
    unsigned int nr_nmis;

    uint64_t hpet_base;     /* 0: none */
    uint32_t pm_timer_port; /* 0: none */
    bool pm_timer_32bit;
    struct acpi_reg pm1a_cnt, pm1b_cnt, reset;
    uint8_t reset_value;
    bool hw_reduced;
    struct acpi_reg sleep_control, sleep_status;
    uint32_t sci_gsi;
    uint8_t century;        /* CMOS index of the century, 0: none */
    bool has_vga, has_8042; /* IAPC_BOOT_ARCH; true when the table is silent */

    struct {
        uint64_t base;
        uint16_t segment;
        uint8_t first_bus, last_bus;
        /* dom0 found it reserved in AML or E820: extended space may be trusted */
        bool reserved;
    } mcfg[ACPI_MAX_MCFG];
    unsigned int nr_mcfg;

    struct {
        uint64_t base, bytes;
    } iommus[ACPI_MAX_IOMMUS]; /* their registers */
    unsigned int nr_iommus;

    uint64_t rsdp;
};

extern struct acpi_info acpi;

/* CPU number of a local APIC id; NR_CPUS if there is none. */
unsigned int acpi_cpu_of_apic_id(uint32_t apic_id);

/**
 * acpi_table_find - a table by signature
 * @signature: four characters
 * @nth:       0 for the first of that name
 * Returns the table, mapped and with a good checksum; NULL if there is none.
 */
const void *acpi_table_find(const char *signature, unsigned int nth);

/**
 * acpi_sleep - enter a sleep state with the values that domain 0's AML gave
 * @state:    1 to 5; only 5 (off) is entered
 * @a, @b:    PM1 control words, or with @extended the sleep types
 * Returns 0 if the machine did not go; -EPERM no such register; -EINVAL; -ERANGE; -EOPNOTSUPP
 * another state than 5. Source: public/platform.h, XENPF_enter_acpi_sleep; Xen 4.17
 * xen/arch/x86/acpi/power.c acpi_enter_sleep.
 */
int acpi_sleep(uint32_t state, uint32_t a, uint32_t b, bool extended) MUST_CHECK;
void acpi_reset(void); /* returns if there is no reset register, or it did nothing */

#endif
