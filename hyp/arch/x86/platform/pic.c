/*
 * The 8259s may be wired to a CPU's LINT0 and deliver even masked (a spurious IRQ 7 or 15): their
 * vectors move to VECTOR_PIC.
 */
#include "platform/pic.h"

#include "cpu/insn.h"
#include "platform/acpi.h"
#include "platform/irq.h"

#define MASTER        0x20
#define SLAVE         0xa0
#define IO_DELAY_PORT 0x80 /* a POST display: harmless, and slow enough */

static void command(unsigned int port, uint8_t v)
{
    out8(port, v);
    out8(IO_DELAY_PORT, 0);
}

void pic_disable(void)
{
    if (!acpi.has_8259) {
        return;
    }
    /* Intel 8259A data sheet, "Initialization Command Words": edge, cascade, 8086 mode. */
    out8(MASTER + 1, 0xff);
    out8(SLAVE + 1, 0xff);
    command(MASTER, 0x11);
    command(MASTER + 1, VECTOR_PIC);
    command(MASTER + 1, 1U << 2);
    command(MASTER + 1, 0x01);
    command(SLAVE, 0x11);
    command(SLAVE + 1, VECTOR_PIC + 8);
    command(SLAVE + 1, 2);
    command(SLAVE + 1, 0x01);
    out8(MASTER + 1, 0xff);
    out8(SLAVE + 1, 0xff);
}
