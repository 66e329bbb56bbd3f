/* The table that EX() and EXTABLE() fill: pairs of offsets, each relative to its own field. */
#include "cpu/extable.h"
#include "cpu/insn.h"
#include "core/log.h"

struct extable_entry {
    int32_t at, fixup;
};

extern struct extable_entry __start_extable[], __stop_extable[];

static uint64_t entry_at(const struct extable_entry *e)
{
    return (uint64_t)&e->at + (uint64_t)(int64_t)e->at;
}

uint64_t extable_search(uint64_t rip)
{
    const struct extable_entry *e;

    /* A few dozen entries, and a fault costs far more than this walk: no need to sort. */
    for (e = __start_extable; e < __stop_extable; e++) {
        if (entry_at(e) == rip) {
            return (uint64_t)&e->fixup + (uint64_t)(int64_t)e->fixup;
        }
    }
    return 0;
}

void extable_init(void)
{
    for (const struct extable_entry *e = __start_extable; e < __stop_extable; e++) {
        assert(extable_search(entry_at(e)));
    }
}

bool rdmsr_safe(uint32_t msr, uint64_t *v)
{
    uint32_t lo = 0, hi = 0, ok = 1;

    __asm__ volatile("1: rdmsr\n"
                     "2:\n"
                     ".pushsection .text.fixup, \"ax\"\n"
                     "3: xor %[ok], %[ok]\n"
                     "   jmp 2b\n"
                     ".popsection\n" EXTABLE("1b", "3b")
                     : "+a"(lo), "+d"(hi), [ok] "+r"(ok)
                     : "c"(msr));
    *v = (uint64_t)hi << 32 | lo;
    return ok;
}

bool wrmsr_safe(uint32_t msr, uint64_t v)
{
    uint32_t ok = 1;

    __asm__ volatile("1: wrmsr\n"
                     "2:\n"
                     ".pushsection .text.fixup, \"ax\"\n"
                     "3: xor %[ok], %[ok]\n"
                     "   jmp 2b\n"
                     ".popsection\n" EXTABLE("1b", "3b")
                     : [ok] "+r"(ok)
                     : "c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32))
                     : "memory");
    return ok;
}
