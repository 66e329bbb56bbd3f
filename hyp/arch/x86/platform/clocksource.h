/* Counters of a known rate: HPET, ACPI PM timer, PIT. */
#ifndef X86_PLATFORM_CLOCKSOURCE_H
#define X86_PLATFORM_CLOCKSOURCE_H

#include <lodge/types.h>

struct clocksource {
    const char *name; /* as in clocksource= */
    uint64_t hz;
    uint64_t mask;                       /* counter bits */
    bool (*init)(struct clocksource *c); /* true: present and counting */
    uint64_t (*read)(void);
};

/* The best one that works, or the one that clocksource= names. Never NULL: every PC has a PIT. */
struct clocksource *clocksource_choose(void);

#endif
