/* Keys typed at the hypervisor's console (or sysctl debug_keys) that print what it knows. */
#ifndef CORE_DEBUGKEY_H
#define CORE_DEBUGKEY_H

#include <lodge/compiler.h>

struct debugkey {
    char key;
    const char *what;      /* one line of help */
    void (*fn)(char key);
};

/* A module places its keys with DEBUGKEY('e', "events of all domains", dump_events); collected by the linker (section .debugkeys). */
#define DEBUGKEY(k, text, function)                                                                \
    static const struct debugkey debugkey_##function SECTION(".debugkeys") = { (k), (text), (function) }

void debugkey_run(char key); /* unknown key: says so */

#endif
