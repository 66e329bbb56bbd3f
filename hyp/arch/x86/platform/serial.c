/*
 * 16550 serial ports. Output goes straight into the chip while it takes it, and what it does not
 * take waits in a ring that the transmit interrupt (or a timer, where the interrupt does not come)
 * empties. Input goes to console_input().
 *
 * Who pushes bytes into a chip holds its `pushing` flag. It is no ranked lock, because write()
 * comes with the console's lock held: nobody waits for it but the flush of a fatal report, which
 * takes it from a CPU that has stopped.
 *
 * Source: National Semiconductor PC16550D data sheet, "Registers".
 */
#include "platform/serial.h"

#include <lodge/errno.h>
#include <lodge/string.h>
#include "core/arch.h"
#include "core/console.h"
#include "core/log.h"
#include "core/option.h"
#include "core/timer.h"
#include "cpu/insn.h"
#include "platform/ioapic.h"
#include "platform/irq.h"

#define REG_DATA 0 /* divisor low while LCR_DLAB is set */
#define REG_IER  1 /* divisor high */
#define REG_FCR  2
#define REG_IIR  2
#define REG_LCR  3
#define REG_MCR  4
#define REG_LSR  5
#define REG_SCR  7
#define NR_REGS  8

#define IER_RX        0x01
#define IER_TX        0x02
#define FCR_ENABLE    0x07 /* and clear both FIFOs */
#define FCR_TRIGGER_8 0x80
#define LCR_DLAB      0x80
#define MCR_DTR       0x01
#define MCR_RTS       0x02
#define MCR_OUT2      0x08 /* gates the interrupt line on a PC */
#define LSR_DATA      0x01
#define LSR_EMPTY     0x20
#define LSR_NO_CHIP   0xff

#define FIFO_SIZE    16 /* where IIR_FIFO says there is one */
#define IIR_FIFO     0xc0
#define RING_SIZE    16384U /* a power of two */
#define CLOCK_HZ     1843200U
#define BAUD_DEFAULT 115200U
#define POLL_NS      (20 * NS_PER_MS)
#define IRQ_PROBE_NS (100 * NS_PER_MS)
/* reads of LSR, some microsecond each, before a dead chip is given up */
#define SPIN_LIMIT 1000000U

struct serial_port {
    struct console_driver driver;
    uint32_t baud;  /* 0: as the firmware left it */
    uint8_t format; /* LCR: data bits, stop bits, parity */
    uint16_t base;
    unsigned int irq; /* ISA line; 0: poll */
    bool enabled, present, background, dead;
    bool irq_seen;
    uint8_t depth; /* bytes that an empty transmitter takes */

    bool pushing;
    uint8_t ier;
    /* free-running; head moves under the console's lock, tail under `pushing` */
    uint32_t head, tail;
    struct timer timer;
    char ring[RING_SIZE];
};

static void port_write(struct console_driver *c, const char *s, size_t n);
static void port_flush(struct console_driver *c);

static struct serial_port ports[2] = {
    { .driver = { "com1", port_write, port_flush },
      .baud = BAUD_DEFAULT,
      .format = 3,
      .base = 0x3f8,
      .irq = 4,
      .enabled = true },
    { .driver = { "com2", port_write, port_flush },
      .baud = BAUD_DEFAULT,
      .format = 3,
      .base = 0x2f8,
      .irq = 3 },
};

/* "8n1" as an LCR value. */
static int parse_format(const char *s, uint8_t *lcr, const char **end)
{
    uint8_t v;

    if (s[0] < '5' || s[0] > '8' || (s[2] != '1' && s[2] != '2')) {
        return -EINVAL;
    }
    v = s[0] - '5' + (s[2] == '2' ? 0x04 : 0);
    switch (s[1]) {
    case 'n':
        break;
    case 'o':
        v |= 0x08;
        break;
    case 'e':
        v |= 0x18;
        break;
    case 'm':
        v |= 0x28;
        break;
    case 's':
        v |= 0x38;
        break;
    default:
        return -EINVAL;
    }
    *lcr = v;
    *end = s + 3;
    return 0;
}

/*
 * BAUD[/CLOCK_HZ][,FORMAT[,IOBASE[,IRQ]]], or auto for the first; an empty field keeps the default.
 */
static int parse_port(struct serial_port *p, const char *s)
{
    uint64_t n;

    p->enabled = strcmp(s, "no") != 0;
    if (!p->enabled) {
        return 0;
    }
    if (!strncmp(s, "auto", 4)) {
        p->baud = 0;
        s += 4;
    } else if (*s && *s != ',') {
        if (parse_uint(s, &n, &s) || n == 0 || n > BAUD_DEFAULT) {
            return -EINVAL;
        }
        p->baud = n;
    }
    if (*s == ',' && s[1] && s[1] != ',') {
        if (parse_format(s + 1, &p->format, &s)) {
            return -EINVAL;
        }
    } else if (*s == ',') {
        s++;
    }
    if (*s == ',' && s[1] && s[1] != ',') {
        if (parse_uint(s + 1, &n, &s) || n == 0 || n > 0x10000 - NR_REGS) {
            return -EINVAL;
        }
        p->base = n;
    } else if (*s == ',') {
        s++;
    }
    if (*s == ',' && s[1]) {
        if (parse_uint(s + 1, &n, &s) || n > 15) {
            return -EINVAL;
        }
        p->irq = n;
    }
    return *s ? -EINVAL : 0;
}

static int parse_com1(const char *value)
{
    return parse_port(&ports[0], value);
}

static int parse_com2(const char *value)
{
    return parse_port(&ports[1], value);
}

OPTION_FN("com1", parse_com1, "BAUD or auto, then ,8n1,IOBASE,IRQ");
OPTION_FN("com2", parse_com2, "BAUD or auto, then ,8n1,IOBASE,IRQ");

static uint8_t reg_read(const struct serial_port *p, unsigned int reg)
{
    return in8(p->base + reg);
}

static void reg_write(const struct serial_port *p, unsigned int reg, uint8_t v)
{
    out8(p->base + reg, v);
}

static bool ring_empty(const struct serial_port *p)
{
    return __atomic_load_n(&p->head, __ATOMIC_SEQ_CST) ==
           __atomic_load_n(&p->tail, __ATOMIC_SEQ_CST);
}

/* Push what the chip takes now. p->pushing is ours. */
static void push(struct serial_port *p)
{
    while (!ring_empty(p) && (reg_read(p, REG_LSR) & LSR_EMPTY)) {
        for (unsigned int i = 0; i < p->depth && !ring_empty(p); i++) {
            reg_write(p, REG_DATA, p->ring[p->tail % RING_SIZE]);
            __atomic_store_n(&p->tail, p->tail + 1, __ATOMIC_SEQ_CST);
        }
    }
    if (p->background) {
        uint8_t ier = IER_RX | (ring_empty(p) ? 0 : IER_TX);

        if (ier != p->ier) {
            p->ier = ier;
            reg_write(p, REG_IER, ier);
        }
    }
}

static void pump(struct serial_port *p)
{
    /*
     * Whoever holds the flag may have looked at the ring before our bytes came: look again after it
     * is free.
     */
    while (!ring_empty(p) || (p->ier & IER_TX)) {
        bool more;

        if (__atomic_exchange_n(&p->pushing, true, __ATOMIC_SEQ_CST)) {
            return; /* its holder looks again */
        }
        push(p);
        __atomic_store_n(&p->pushing, false, __ATOMIC_SEQ_CST);
        /* Bytes that came after the ring was seen empty have no interrupt to wait for. */
        more = !ring_empty(p) && ((reg_read(p, REG_LSR) & LSR_EMPTY) ||
                                  (p->background && !(p->ier & IER_TX)));
        if (!more) {
            return;
        }
    }
}

/* Push until everything is out, or the chip has not moved for so long that it must be dead. */
static void drain(struct serial_port *p)
{
    uint32_t last = p->tail;
    unsigned int spins = 0;

    while (!ring_empty(p) && !p->dead) {
        pump(p);
        if (p->tail != last) {
            last = p->tail;
            spins = 0;
        } else if (++spins == SPIN_LIMIT / 2) {
            /* its holder has stopped for good */
            __atomic_store_n(&p->pushing, false, __ATOMIC_SEQ_CST);
        } else if (spins >= SPIN_LIMIT) {
            p->dead = true;
        }
    }
}

static void port_write(struct console_driver *c, const char *s, size_t n)
{
    struct serial_port *p = container_of(c, struct serial_port, driver);

    for (size_t i = 0; i < n && !p->dead; i++) {
        if (p->head - p->tail >= RING_SIZE - 1) {
            drain(p);
        }
        if (s[i] == '\n') {
            p->ring[p->head % RING_SIZE] = '\r';
            __atomic_store_n(&p->head, p->head + 1, __ATOMIC_SEQ_CST);
        }
        if (p->head - p->tail >= RING_SIZE) {
            drain(p);
        }
        p->ring[p->head % RING_SIZE] = s[i];
        __atomic_store_n(&p->head, p->head + 1, __ATOMIC_SEQ_CST);
    }
    if (p->background) {
        pump(p);
    } else {
        drain(p);
    }
}

static void port_flush(struct console_driver *c)
{
    drain(container_of(c, struct serial_port, driver));
}

static void receive(struct serial_port *p)
{
    /* A chip that claims data for ever is not there any more. */
    for (unsigned int n = 0; n < 256; n++) {
        uint8_t lsr = reg_read(p, REG_LSR);

        if (lsr == LSR_NO_CHIP || !(lsr & LSR_DATA)) {
            return;
        }
        console_input(reg_read(p, REG_DATA));
    }
}

static void port_interrupt(void *data)
{
    struct serial_port *p = data;

    p->irq_seen = true;
    (void)reg_read(p, REG_IIR); /* reading it takes back the transmit interrupt */
    receive(p);
    pump(p);
}

/*
 * Its first run decides: the interrupt that serial_start() provoked has come, or the port is polled
 * from now on.
 */
static void port_timer(void *data)
{
    struct serial_port *p = data;

    if (p->irq_seen) {
        return;
    }
    receive(p);
    pump(p);
    timer_set(&p->timer, arch_time_ns() + POLL_NS);
}

/*
 * A chip that is absent reads as all ones; a present one keeps what is written to its scratch
 * register.
 */
static bool chip_present(const struct serial_port *p)
{
    reg_write(p, REG_SCR, 0x5a);
    if (reg_read(p, REG_SCR) != 0x5a) {
        return false;
    }
    reg_write(p, REG_SCR, 0xa5);
    return reg_read(p, REG_SCR) == 0xa5;
}

static void chip_init(struct serial_port *p)
{
    reg_write(p, REG_IER, 0);
    if (p->baud) {
        unsigned int divisor = CLOCK_HZ / 16 / p->baud;

        reg_write(p, REG_LCR, p->format | LCR_DLAB);
        reg_write(p, REG_DATA, divisor & 0xff);
        reg_write(p, REG_IER, divisor >> 8);
    }
    reg_write(p, REG_LCR, p->format);
    reg_write(p, REG_FCR, FCR_ENABLE | FCR_TRIGGER_8);
    p->depth = (reg_read(p, REG_IIR) & IIR_FIFO) == IIR_FIFO ? FIFO_SIZE : 1;
    reg_write(p, REG_MCR, MCR_DTR | MCR_RTS | MCR_OUT2);
}

void serial_early_init(void)
{
    for (unsigned int i = 0; i < ARRAY_SIZE(ports); i++) {
        struct serial_port *p = &ports[i];

        if (p->enabled && chip_present(p)) {
            chip_init(p);
            p->present = console_add(&p->driver) == 0;
        }
    }
}

void serial_start(void)
{
    for (unsigned int i = 0; i < ARRAY_SIZE(ports); i++) {
        struct serial_port *p = &ports[i];
        int rc = -EINVAL;

        if (!p->present) {
            continue;
        }
        if (p->irq) {
            rc = irq_request(ioapic_gsi_of_isa(p->irq), port_interrupt, p);
        }
        if (rc) {
            log_info("%s: no interrupt (irq %u: error %d), polled", p->driver.name, p->irq, rc);
        }
        timer_init(&p->timer, port_timer, p, 0);
        /* An empty transmitter interrupts at once where interrupts work. */
        p->background = true;
        p->ier = IER_RX | IER_TX;
        reg_write(p, REG_IER, p->ier);
        timer_set(&p->timer, arch_time_ns() + IRQ_PROBE_NS);
    }
}

bool serial_owns_port(unsigned int port)
{
    for (unsigned int i = 0; i < ARRAY_SIZE(ports); i++) {
        if (ports[i].present && port - ports[i].base < NR_REGS) {
            return true;
        }
    }
    return false;
}
