/*
 * The machine's counters, best first. Sources: IA-PC HPET Specification; ACPI Specification, "Power
 * Management Timer".
 */
#include "platform/clocksource.h"

#include <lodge/string.h>
#include "core/log.h"
#include "core/option.h"
#include "cpu/insn.h"
#include "mm/page.h"
#include "platform/acpi.h"
#include "platform/pit.h"

#define HPET_CAPABILITIES 0x000
#define HPET_PERIOD       0x004 /* femtoseconds: the upper half of the capabilities */
#define HPET_CONFIG       0x010
#define HPET_COUNTER      0x0f0
#define HPET_ENABLE       0x1
#define HPET_LEGACY       0x2
#define HPET_PERIOD_MAX   100000000U /* the specification's slowest: 10 MHz */
#define HPET_PERIOD_MIN   100000U    /* 10 GHz: nonsense beyond */
#define FS_PER_S          1000000000000000ULL

#define PM_TIMER_HZ 3579545

#define COUNTING_TRIES 100000

static char wanted[8];
OPTION_STRING("clocksource", wanted);

static volatile uint32_t *hpet;

static uint64_t hpet_read(void)
{
    return hpet[HPET_COUNTER / 4];
}

static bool counts(const struct clocksource *c)
{
    uint64_t first = c->read();

    for (unsigned int i = 0; i < COUNTING_TRIES; i++) {
        if (((c->read() - first) & c->mask) != 0) {
            return true;
        }
    }
    return false;
}

static bool hpet_init(struct clocksource *c)
{
    uint32_t period;

    if (!acpi.hpet_base) {
        return false;
    }
    hpet = ioremap(acpi.hpet_base, PAGE_SIZE);
    if (!hpet) {
        return false;
    }
    period = hpet[HPET_PERIOD / 4];
    if (period < HPET_PERIOD_MIN || period > HPET_PERIOD_MAX) {
        log_warning("HPET: a period of %u fs makes no sense", period);
        return false;
    }
    hpet[HPET_CONFIG / 4] = (hpet[HPET_CONFIG / 4] & ~HPET_LEGACY) | HPET_ENABLE;
    c->hz = FS_PER_S / period;
    return counts(c);
}

static uint64_t pm_timer_read(void)
{
    return in32(acpi.pm_timer_port);
}

static bool pm_timer_init(struct clocksource *c)
{
    if (!acpi.pm_timer_port) {
        return false;
    }
    c->mask = acpi.pm_timer_32bit ? 0xffffffff : 0xffffff;
    return counts(c);
}

static bool pit_init(struct clocksource *c)
{
    (void)c;
    return pit_clock_init();
}

static struct clocksource sources[] = {
    { "hpet", 0, 0xffffffff, hpet_init, hpet_read },
    { "acpi", PM_TIMER_HZ, 0xffffff, pm_timer_init, pm_timer_read },
    { "pit", PIT_HZ, 0xffff, pit_init, pit_clock_read },
};

struct clocksource *clocksource_choose(void)
{
    for (unsigned int i = 0; wanted[0] && i < ARRAY_SIZE(sources); i++) {
        if (!strcmp(sources[i].name, wanted)) {
            if (sources[i].init(&sources[i])) {
                return &sources[i];
            }
            log_warning("clocksource=%s: not on this machine", wanted);
        }
    }
    for (unsigned int i = 0; i + 1 < ARRAY_SIZE(sources); i++) {
        if (sources[i].init(&sources[i])) {
            return &sources[i];
        }
    }
    (void)pit_init(&sources[ARRAY_SIZE(sources) - 1]);
    return &sources[ARRAY_SIZE(sources) - 1];
}
