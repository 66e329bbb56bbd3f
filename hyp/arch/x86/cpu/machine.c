/*
 * The machine's end: halt, reboot, power off. The other CPUs stop first, so that none goes on with
 * half a machine; each way to reset may do nothing, so that the next one follows.
 */
#include "core/arch.h"
#include "core/log.h"
#include "cpu/insn.h"
#include "platform/acpi.h"
#include "platform/time.h"

#define KEYBOARD_STATUS 0x64
#define KEYBOARD_BUSY   0x02
#define KEYBOARD_RESET  0xfe
#define RESET_PORT      0xcf9 /* "Reset Control Register" of Intel's chipsets and later others */
#define RESET_HARD      0x02
#define RESET_GO        0x06
#define TRIES           1000
#define DELAY_US        50000

NORETURN void arch_machine_halt(void)
{
    arch_cpus_stop();
    for (;;) {
        __asm__ volatile("cli\n\thlt" ::: "memory");
    }
}

static void reset_by_keyboard(void)
{
    if (!acpi.has_8042) {
        return;
    }
    for (unsigned int i = 0; i < TRIES && (in8(KEYBOARD_STATUS) & KEYBOARD_BUSY); i++) {
        time_udelay(10);
    }
    out8(KEYBOARD_STATUS, KEYBOARD_RESET);
    time_udelay(DELAY_US);
}

static void reset_by_chipset(void)
{
    uint8_t other = in8(RESET_PORT) & (uint8_t)~RESET_GO;

    out8(RESET_PORT, other | RESET_HARD);
    time_udelay(50);
    out8(RESET_PORT, other | RESET_GO);
    time_udelay(DELAY_US);
}

NORETURN void arch_machine_reboot(void)
{
    static const struct {
        uint16_t limit;
        uint64_t base;
    } PACKED no_idt = { 0, 0 };

    arch_cpus_stop();
    acpi_reset();
    reset_by_keyboard();
    reset_by_chipset();
    /*
     * An exception that cannot be delivered, nor the one that this is, shuts an x86 down; chipsets
     * answer with a reset.
     */
    __asm__ volatile("lidt %0\n\tint3" ::"m"(no_idt));
    arch_machine_halt();
}

/*
 * The values that switch the machine off stand in AML, which is domain 0's to read: it hands them
 * over with XENPF_enter_acpi_sleep, and does not come here. Who does come has not; so the machine
 * halts, as Xen's does.
 */
NORETURN void arch_machine_power_off(void)
{
    console_printf("The machine is halted; it is safe to switch it off.\n");
    arch_machine_halt();
}
