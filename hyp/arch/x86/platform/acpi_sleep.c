/*
 * Switching the machine off, and resetting it, through ACPI's registers. Source: ACPI
 * Specification, "Waking and Sleeping".
 */
#include "platform/acpi.h"

#include <lodge/errno.h>
#include "core/log.h"
#include "cpu/insn.h"
#include "platform/time.h"

#define SLEEP_ENABLE      0x2000U /* in PM1 control */
#define SLEEP_TYPE_MAX    7U
#define SLEEP_TYPE_NONE   0xffU
#define EXT_SLEEP_ENABLE  0x20U /* in the sleep control register */
#define EXT_SLEEP_TYPE(t) ((t) << 2)
#define S5                5

static void reg_write(const struct acpi_reg *r, uint32_t value)
{
    if (r->space == 1) {
        if (r->bits == 8) {
            out8(r->address, value);
        } else {
            out16(r->address, value);
        }
    } else if (r->bits == 8) {
        *(volatile uint8_t *)r->va = value;
    } else {
        *(volatile uint16_t *)r->va = value;
    }
}

static void power_off(uint32_t a, uint32_t b, bool extended)
{
    if (extended) {
        reg_write(&acpi.sleep_control, EXT_SLEEP_TYPE(a) | EXT_SLEEP_ENABLE);
    } else {
        /* The type must stand in both blocks before either is told to go. */
        reg_write(&acpi.pm1a_cnt, a & ~SLEEP_ENABLE);
        if (acpi.pm1b_cnt.address) {
            reg_write(&acpi.pm1b_cnt, b & ~SLEEP_ENABLE);
        }
        reg_write(&acpi.pm1a_cnt, a | SLEEP_ENABLE);
        if (acpi.pm1b_cnt.address) {
            reg_write(&acpi.pm1b_cnt, b | SLEEP_ENABLE);
        }
    }
    time_udelay(100000);
}

int acpi_sleep(uint32_t state, uint32_t a, uint32_t b, bool extended)
{
    if (extended) {
        if (!acpi.sleep_control.address || !acpi.sleep_status.address) {
            return -EPERM;
        }
        if (a > SLEEP_TYPE_MAX || (b > SLEEP_TYPE_MAX && b != SLEEP_TYPE_NONE)) {
            return -ERANGE;
        }
    } else {
        if (!acpi.pm1a_cnt.address) {
            return -EPERM;
        }
        if (b && ((a ^ b) & SLEEP_ENABLE)) {
            return -EINVAL;
        }
    }
    if (state != S5) {
        return -EOPNOTSUPP;
    }
    log_info("domain 0 switches the machine off");
    power_off(a, b, extended);
    log_warning("ACPI: the machine did not switch off");
    return 0;
}

void acpi_reset(void)
{
    if (!acpi.reset.address) {
        return;
    }
    if (acpi.reset.space == 1) {
        out8(acpi.reset.address, acpi.reset_value);
    } else {
        *(volatile uint8_t *)acpi.reset.va = acpi.reset_value;
    }
    time_udelay(10000);
}
