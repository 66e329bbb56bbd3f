/* probe.h: the same few instructions tried from the kernel and from user mode. */
#ifndef GUEST_PROBE_H
#define GUEST_PROBE_H

#include "trap.h"
#include "types.h"
#include "user.h"

struct probe {
    const char *name;
    void (*kernel)(void *);
    const uint8_t *user;
};

/** PROBE_BOTH - define kernel_NAME and user_NAME; PROBE_ROW - the struct probe for them */
#define PROBE_BOTH(name, instructions)  \
    PROBE(kernel_##name, instructions); \
    USER_PROBE(user_##name, instructions)
#define PROBE_ROW(name)                   \
    {                                     \
#name, kernel_##name, user_##name \
    }

/**
 * probe_run - run both and print a `result` line for each
 * @error_mask: bits of the error code that count
 * rdi is 0 in both.
 */
void probe_run(const struct probe *probe, uint64_t error_mask);

/** probe_run_all - all of a table, every bit counting */
void probe_run_all(const struct probe *probes, unsigned int count);

#endif
