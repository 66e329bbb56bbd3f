/*
 * The 8254: channel 0 of the chip as a clock for calibration, and channel 2 as a model that only
 * system time drives.
 */
#include "platform/pit.h"

#include "core/arch.h"
#include "core/lock.h"
#include "cpu/insn.h"

#define PIT_CHANNEL0 0x40
#define PIT_CHANNEL2 0x42
#define PIT_COMMAND  0x43
/* bit 0: gate of channel 2, 1: speaker, 4: refresh toggle, 5: output of channel 2 */
#define PORT_B 0x61

#define CMD_CHANNEL(v) ((v) >> 6)
#define CMD_ACCESS(v)  ((v) >> 4 & 3) /* 0: latch, 1: low byte, 2: high byte, 3: low then high */
#define CMD_MODE(v)    ((v) >> 1 & 7)
#define CMD_LATCH0     0x00
#define CMD_RATE0      0x34 /* channel 0, low then high, mode 2 */

#define B_GATE    0x01
#define B_SPEAKER 0x02
#define B_REFRESH 0x10
#define B_OUT     0x20

bool pit_clock_init(void)
{
    out8(PIT_COMMAND, CMD_RATE0);
    out8(PIT_CHANNEL0, 0); /* 65536 */
    out8(PIT_CHANNEL0, 0);
    return true;
}

uint64_t pit_clock_read(void)
{
    uint16_t v;

    out8(PIT_COMMAND, CMD_LATCH0);
    v = in8(PIT_CHANNEL0);
    v |= in8(PIT_CHANNEL0) << 8;
    return (uint16_t)-v;
}

/* The hardware domain's channel 2. */
static struct {
    struct spinlock lock;
    uint64_t start_ns; /* when the count was loaded, or the gate rose */
    uint32_t reload;   /* 1 .. 65536 */
    uint16_t latch;
    uint8_t access, mode, low;
    bool gate, speaker, latched, high_next_read, high_next_write;
} model = { .lock = SPINLOCK_INIT(RANK_TIME), .reload = 0x10000, .access = 3, .mode = 3 };

static uint64_t model_ticks(void)
{
    /* ns * PIT_HZ / 10^9 in 64 bits: seconds and the rest apart. */
    uint64_t ns = arch_time_ns() - model.start_ns;

    return ns / NS_PER_S * PIT_HZ + ns % NS_PER_S * PIT_HZ / NS_PER_S;
}

static bool model_periodic(void)
{
    return (model.mode & 3) >= 2; /* modes 2 and 3, also written 6 and 7 */
}

static uint16_t model_count(void)
{
    uint64_t t = model.gate ? model_ticks() : 0;

    if (!model_periodic()) {
        return model.reload - t; /* wraps, as the chip does */
    }
    if ((model.mode & 3) == 3) {
        return model.reload - 2 * t % model.reload; /* a square wave counts by two */
    }
    return model.reload - t % model.reload;
}

static bool model_out(void)
{
    uint64_t t;

    if (!model.gate) {
        return model_periodic(); /* a closed gate holds a periodic output high, a one-shot low */
    }
    t = model_ticks();
    switch (model.mode & 3) {
    case 2:
        return t % model.reload != model.reload - 1;
    case 3:
        return t % model.reload < (model.reload + 1) / 2;
    default:
        return t >= model.reload;
    }
}

static uint8_t count_read(void)
{
    uint16_t v = model.latched ? model.latch : model_count();
    bool high = model.access == 2 || (model.access == 3 && model.high_next_read);

    if (model.access == 3) {
        model.high_next_read = !model.high_next_read;
    }
    if (model.access != 3 || high) {
        model.latched = false;
    }
    return high ? v >> 8 : v & 0xff;
}

static void count_load(uint16_t v)
{
    model.reload = v ? v : 0x10000;
    model.start_ns = arch_time_ns();
}

static void count_write(uint8_t v)
{
    switch (model.access) {
    case 1:
        count_load(v);
        break;
    case 2:
        count_load(v << 8);
        break;
    default:
        if (model.high_next_write) {
            count_load(v << 8 | model.low);
        } else {
            model.low = v;
        }
        model.high_next_write = !model.high_next_write;
        break;
    }
}

static void command_write(uint8_t v)
{
    if (CMD_CHANNEL(v) != 2) {
        return; /* the other channels are not the guest's; read-back is not modelled */
    }
    if (CMD_ACCESS(v) == 0) {
        if (!model.latched) {
            model.latch = model_count();
            model.latched = true;
        }
        return;
    }
    model.access = CMD_ACCESS(v);
    model.mode = CMD_MODE(v);
    model.latched = model.high_next_read = model.high_next_write = false;
}

uint8_t pit_guest_read(unsigned int port)
{
    unsigned long flags = spin_lock_irqsave(&model.lock);
    uint8_t v;

    if (port == PORT_B) {
        /* Refresh toggles every 15 us. */
        v = (model.gate ? B_GATE : 0) | (model.speaker ? B_SPEAKER : 0) |
            (model_out() ? B_OUT : 0) | (arch_time_ns() / 15085 & 1 ? B_REFRESH : 0);
    } else {
        v = count_read();
    }
    spin_unlock_irqrestore(&model.lock, flags);
    return v;
}

void pit_guest_write(unsigned int port, uint8_t value)
{
    unsigned long flags = spin_lock_irqsave(&model.lock);

    switch (port) {
    case PORT_B:
        if ((value & B_GATE) && !model.gate) {
            model.start_ns = arch_time_ns();
        }
        model.gate = value & B_GATE;
        model.speaker = value & B_SPEAKER;
        break;
    case PIT_CHANNEL2:
        count_write(value);
        break;
    case PIT_COMMAND:
        command_write(value);
        break;
    default:
        break;
    }
    spin_unlock_irqrestore(&model.lock, flags);
}
