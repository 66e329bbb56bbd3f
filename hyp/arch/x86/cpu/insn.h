/* One function per privileged instruction. */
#ifndef X86_CPU_INSN_H
#define X86_CPU_INSN_H

#include <lodge/compiler.h>
#include <lodge/cpu_policy.h>

#define READ_CR(n)                                                                                 \
    static inline uint64_t read_cr##n(void)                                                        \
    {                                                                                              \
        uint64_t v;                                                                                \
        __asm__ volatile("mov %%cr" #n ", %0" : "=r"(v));                                          \
        return v;                                                                                  \
    }
#define WRITE_CR(n)                                                                                \
    static inline void write_cr##n(uint64_t v)                                                     \
    {                                                                                              \
        __asm__ volatile("mov %0, %%cr" #n ::"r"(v) : "memory");                                   \
    }
READ_CR(0)
READ_CR(2)
READ_CR(3)
READ_CR(4)
WRITE_CR(0)
WRITE_CR(3)
WRITE_CR(4)
#undef READ_CR
#undef WRITE_CR
static inline void write_cr2(uint64_t v) { __asm__ volatile("mov %0, %%cr2" ::"r"(v)); }

static inline uint64_t rdmsr(uint32_t msr)
{
    uint32_t lo, hi;

    __asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
    return (uint64_t)hi << 32 | lo;
}

static inline void wrmsr(uint32_t msr, uint64_t v)
{
    __asm__ volatile("wrmsr" ::"c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)) : "memory");
}

/* Return false when the CPU refuses (#GP); extable.c turns the fault into the flag. */
bool rdmsr_safe(uint32_t msr, uint64_t *v) MUST_CHECK;
bool wrmsr_safe(uint32_t msr, uint64_t v) MUST_CHECK;

static inline uint64_t rdtsc(void)
{
    uint32_t lo, hi;

    __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
    return (uint64_t)hi << 32 | lo;
}

static inline struct cpuid_regs cpuid(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_regs r;

    __asm__ volatile("cpuid" : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d) : "a"(leaf), "c"(subleaf));
    return r;
}

#define PORT_IO(width, type, suffix)                                                               \
    static inline type in##width(uint16_t port)                                                    \
    {                                                                                              \
        type v;                                                                                    \
        __asm__ volatile("in" #suffix " %w1, %0" : "=a"(v) : "Nd"(port));                          \
        return v;                                                                                  \
    }                                                                                              \
    static inline void out##width(uint16_t port, type v)                                           \
    {                                                                                              \
        __asm__ volatile("out" #suffix " %0, %w1" ::"a"(v), "Nd"(port));                           \
    }
PORT_IO(8, uint8_t, b)
PORT_IO(16, uint16_t, w)
PORT_IO(32, uint32_t, l)
#undef PORT_IO

static inline void invlpg(uint64_t va) { __asm__ volatile("invlpg (%0)" ::"r"(va) : "memory"); }
static inline void wbinvd(void) { __asm__ volatile("wbinvd" ::: "memory"); }

#endif
