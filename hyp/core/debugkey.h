/* Keys typed at the hypervisor's console (or sysctl debug_keys) that print what it knows. */
#ifndef CORE_DEBUGKEY_H
#define CORE_DEBUGKEY_H

#include <lodge/compiler.h>

struct debugkey {
    const char *what;      /* one line of help */
    void (*fn)(char key);  /* in a softirq: interrupts on, no locks held */
    char key;
};

/*
 * A module places its keys with DEBUGKEY('e', "events of all domains", dump_events). The linker
 * collects them: the section's name is a C identifier, so that it defines __start_debugkeys and
 * __stop_debugkeys by itself; a linker script needs an output section of the same name, `debugkeys
 * : { KEEP(*(debugkeys)) }`.
 */
#define DEBUGKEY(k, text, function)                                                                \
    static const struct debugkey debugkey_##function SECTION("debugkeys") ALIGNED(8) = {           \
        .what = (text), .fn = (function), .key = (k)                                               \
    }

void debugkey_run(char key); /* unknown key: says so */

#endif
