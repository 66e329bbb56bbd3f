/*
 * Layouts of the ACPI tables that the hypervisor reads. Source: ACPI Specification, chapter "ACPI
 * Software Programming Model".
 */
#ifndef X86_PLATFORM_ACPI_TABLES_H
#define X86_PLATFORM_ACPI_TABLES_H

#include <lodge/compiler.h>

struct acpi_rsdp {
    char signature[8]; /* "RSD PTR " */
    uint8_t checksum;  /* of the first 20 bytes */
    char oem[6];
    uint8_t revision;
    uint32_t rsdt;
    uint32_t length; /* revision 2 and later */
    uint64_t xsdt;
    uint8_t checksum_all;
    uint8_t reserved[3];
} PACKED;
#define ACPI_RSDP_V1_SIZE 20

struct acpi_header {
    char signature[4];
    uint32_t length;
    uint8_t revision;
    uint8_t checksum;
    char oem[6];
    char oem_table[8];
    uint32_t oem_revision;
    char creator[4];
    uint32_t creator_revision;
} PACKED;
BUILD_ASSERT(sizeof(struct acpi_header) == 36);

struct acpi_gas {
    uint8_t space; /* 0 memory, 1 I/O */
    uint8_t width, offset, access;
    uint64_t address;
} PACKED;
BUILD_ASSERT(sizeof(struct acpi_gas) == 12);

struct acpi_fadt {
    struct acpi_header header;
    uint32_t facs, dsdt;
    uint8_t model, profile;
    uint16_t sci_int;
    uint32_t smi_cmd;
    uint8_t acpi_enable, acpi_disable, s4bios_req, pstate_cnt;
    uint32_t pm1a_evt, pm1b_evt, pm1a_cnt, pm1b_cnt, pm2_cnt, pm_tmr, gpe0, gpe1;
    uint8_t pm1_evt_len, pm1_cnt_len, pm2_cnt_len, pm_tmr_len, gpe0_len, gpe1_len, gpe1_base,
        cst_cnt;
    uint16_t lvl2_latency, lvl3_latency, flush_size, flush_stride;
    uint8_t duty_offset, duty_width, day_alarm, month_alarm, century;
    uint16_t boot_arch; /* from revision 2 on */
    uint8_t reserved;
    uint32_t flags;
    struct acpi_gas reset; /* from here on: present if header.length says so */
    uint8_t reset_value;
    uint16_t arm_boot_arch;
    uint8_t minor;
    uint64_t x_facs, x_dsdt;
    struct acpi_gas x_pm1a_evt, x_pm1b_evt, x_pm1a_cnt, x_pm1b_cnt, x_pm2_cnt, x_pm_tmr, x_gpe0,
        x_gpe1;
    struct acpi_gas sleep_control, sleep_status;
} PACKED;
BUILD_ASSERT(offsetof(struct acpi_fadt, reset) == 116);
BUILD_ASSERT(sizeof(struct acpi_fadt) == 268);

#define FADT_BOOT_8042   0x0002
#define FADT_BOOT_NO_VGA 0x0004
#define FADT_TIMER_32    (1U << 8)
#define FADT_RESET       (1U << 10)
#define FADT_HW_REDUCED  (1U << 20)

struct acpi_madt {
    struct acpi_header header;
    uint32_t lapic;
    uint32_t flags;
#define MADT_PCAT 1U /* there are two 8259s */
} PACKED;

struct acpi_madt_entry {
    uint8_t type, length;
} PACKED;

enum madt_type {
    MADT_LAPIC = 0,
    MADT_IOAPIC = 1,
    MADT_OVERRIDE = 2,
    MADT_LAPIC_NMI = 4,
    MADT_LAPIC_BASE = 5,
    MADT_X2APIC = 9,
    MADT_X2APIC_NMI = 10,
};
#define MADT_ENABLED 1U

struct madt_lapic {
    struct acpi_madt_entry entry;
    uint8_t acpi_id, apic_id;
    uint32_t flags;
} PACKED;

struct madt_x2apic {
    struct acpi_madt_entry entry;
    uint16_t reserved;
    uint32_t apic_id, flags, acpi_id;
} PACKED;

struct madt_ioapic {
    struct acpi_madt_entry entry;
    uint8_t id, reserved;
    uint32_t base, gsi_base;
} PACKED;

struct madt_override {
    struct acpi_madt_entry entry;
    uint8_t bus, irq;
    uint32_t gsi;
    uint16_t flags;
} PACKED;

struct madt_lapic_nmi {
    struct acpi_madt_entry entry;
    uint8_t acpi_id; /* 0xff: all */
    uint16_t flags;
    uint8_t lint;
} PACKED;

struct madt_x2apic_nmi {
    struct acpi_madt_entry entry;
    uint16_t flags;
    uint32_t acpi_id; /* 0xffffffff: all */
    uint8_t lint, reserved[3];
} PACKED;

struct madt_lapic_base {
    struct acpi_madt_entry entry;
    uint16_t reserved;
    uint64_t base;
} PACKED;

struct acpi_hpet {
    struct acpi_header header;
    uint32_t id;
    struct acpi_gas address;
    uint8_t number;
    uint16_t min_tick;
    uint8_t protection;
} PACKED;

struct acpi_mcfg {
    struct acpi_header header;
    uint64_t reserved;
} PACKED;

struct mcfg_entry {
    uint64_t base;
    uint16_t segment;
    uint8_t first_bus, last_bus;
    uint32_t reserved;
} PACKED;

struct dmar_drhd {
    uint16_t type, length;
    uint8_t flags, size;
    uint16_t segment;
    uint64_t base;
} PACKED;

struct ivrs_block {
    uint8_t type, flags;
    uint16_t length, device, capability;
    uint64_t base;
} PACKED;

#endif
