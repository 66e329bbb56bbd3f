/*
 * The handler of what is not there. Where no module of a build defines one (the host has no page
 * tables to update), the call is absent: these definitions are weak, so that any other wins. In an
 * archive this file must be the last.
 */
#include "core/hypercall.h"

long hypercall_absent(uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5)
{
    (void)a1;
    (void)a2;
    (void)a3;
    (void)a4;
    (void)a5;
    return -ENOSYS;
}

#define HYPERCALL(nr, name, status, note)                                                          \
    long hypercall_##name(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t)                        \
        __attribute__((weak, alias("hypercall_absent")));
#define HYPERCALL_NONE(nr, name, answer, note)
#include "ops/hypercall.def"
#undef HYPERCALL
#undef HYPERCALL_NONE
