/* The end: off, reset, or nothing more. Every way may fail, so that the next one follows. */
#include "core/arch.h"
#include "core/log.h"
#include "cpu/insn.h"
#include "platform/acpi.h"
#include "platform/time.h"

#define RESET_PORT      0xcf9
#define RESET_HARD      0x02
#define RESET_GO        0x06
#define KEYBOARD_STATUS 0x64
#define KEYBOARD_BUSY   0x02
#define KEYBOARD_RESET  0xfe
#define DELAY_US        50000

NORETURN void arch_machine_halt(void)
{
    for (;;) {
        __asm__ volatile("cli; hlt" ::: "memory");
    }
}

static void reset_by_keyboard(void)
{
    if (!acpi.has_8042) {
        return;
    }
    for (unsigned int i = 0; i < 1000 && (in8(KEYBOARD_STATUS) & KEYBOARD_BUSY); i++) {
        time_udelay(10);
    }
    out8(KEYBOARD_STATUS, KEYBOARD_RESET);
    time_udelay(DELAY_US);
}

static void reset_by_chipset(void)
{
    uint8_t other = in8(RESET_PORT) & ~(RESET_GO | RESET_HARD);

    out8(RESET_PORT, other | RESET_HARD);
    time_udelay(50);
    out8(RESET_PORT, other | RESET_GO);
    time_udelay(DELAY_US);
}

NORETURN void arch_machine_reboot(void)
{
    const struct {
        uint16_t limit;
        uint64_t base;
    } PACKED no_idt = { 0, 0 };

    arch_irq_disable();
    acpi_reset();
    reset_by_keyboard();
    reset_by_chipset();
    /* A fault without a way to handle it, nor the fault of handling it, resets any x86. */
    __asm__ volatile("lidt %0; int3" ::"m"(no_idt));
    arch_machine_halt();
}

NORETURN void arch_machine_power_off(void)
{
    arch_irq_disable();
    acpi_power_off();
    console_printf("The machine does not switch itself off: it is safe to do so by hand.\n");
    arch_machine_halt();
}
