/* Single words of guest memory, for the hot paths; core/guest.h has the general copies. */
#ifndef X86_PV_GUEST_ACCESS_H
#define X86_PV_GUEST_ACCESS_H

#include "core/guest.h"
#include "cpu/extable.h"
#include "layout.h"

/*
 * A guest may name any address outside the hole. Non-canonical ones fault by themselves, so one comparison is enough;
 * n bytes from below the hole run into non-canonical space first.
 */
static ALWAYS_INLINE bool guest_address_ok(uint64_t va)
{
    return (va >> 43) != HOLE_TOP_BITS;
}

/* false: it faulted. The address was checked. */
static ALWAYS_INLINE MUST_CHECK bool guest_put_u64(uint64_t va, uint64_t v)
{
    __asm__ goto("1: movq %0, (%1)\n" EXTABLE("1b", "%l[fault]") ::"er"(v), "r"(va) : "memory" : fault);
    return true;
fault:
    return false;
}

static ALWAYS_INLINE MUST_CHECK bool guest_get_u64(uint64_t va, uint64_t *v)
{
    uint64_t value;

    __asm__ goto("1: movq (%1), %0\n" EXTABLE("1b", "%l[fault]") : "=r"(value) : "r"(va) : "memory" : fault);
    *v = value;
    return true;
fault:
    return false;
}

#endif
