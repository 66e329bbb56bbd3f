/* trap.h: exceptions, as the hypervisor passes them to us, and code that expects one. */
#ifndef GUEST_TRAP_H
#define GUEST_TRAP_H

#include "types.h"

#include <xen/xen.h>

#include "layout.h"

/* Intel SDM vol. 3A, "Exception and Interrupt Reference". */
enum vector {
    VECTOR_NONE = -1,
    VECTOR_DE = 0,
    VECTOR_DB = 1,
    VECTOR_NMI = 2,
    VECTOR_BP = 3,
    VECTOR_OF = 4,
    VECTOR_BR = 5,
    VECTOR_UD = 6,
    VECTOR_NM = 7,
    VECTOR_DF = 8,
    VECTOR_TS = 10,
    VECTOR_NP = 11,
    VECTOR_SS = 12,
    VECTOR_GP = 13,
    VECTOR_PF = 14,
    VECTOR_MF = 16,
    VECTOR_AC = 17,
    VECTOR_XM = 19,
};

/* What entry.S leaves on the stack. */
struct trap_regs {
    uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
    uint64_t vector, error;
    uint64_t rip;
    uint16_t cs, pad0;
    uint8_t saved_upcall_mask, pad1[3];
    uint64_t rflags, rsp, ss;
};

/* Where recover_call() returns to when a trap ends it early; entry.S knows the layout. */
struct recover {
    uint64_t rip, rsp, rbx, rbp, r12, r13, r14, r15;
    struct trap_report *report;
    uint8_t upcall_mask; /* as it was before the call */
};

struct trap_report {
    int vector; /* VECTOR_NONE: it came back by itself */
    struct trap_regs regs;
    uint64_t cr2;        /* as the hypervisor told us */
    uint8_t upcall_mask; /* on entry to our handler */
};

static inline bool trap_from_user(const struct trap_regs *regs)
{
    return (regs->cs & 3) == 3;
}

/** trap_init - install a handler for every vector */
void trap_init(void);

/** trap_table - fill in the table that trap_init() installs: 256 entries and the end marker */
void trap_table(struct trap_info table[257]);

/**
 * trap_try - run fn(arg) and tell what trap it ended in
 * Returns report->vector. An event upcall is not a trap: it is handled and fn goes on.
 */
int trap_try(void (*fn)(void *), void *arg, struct trap_report *report);

/**
 * trap_result - print what a report says, as a `result` line
 * rip and, for #PF, cr2 are given relative to base where they are near it: code moves.
 */
void trap_result(const struct trap_report *report, const void *base, const char *name, ...)
    __attribute__((format(printf, 3, 4)));

/** trap_hook - handler called first for one vector; true: handled, go on at regs->rip */
typedef bool (*trap_hook_fn)(struct trap_regs *regs);
void trap_hook(unsigned int vector, trap_hook_fn hook);

/**
 * PROBE - define a function made of exactly these instructions and a ret
 * arg is in rdi. The function's address is its first instruction's, so that a report's rip can be
 * compared with it.
 */
#define PROBE(name, instructions) \
    extern void name(void *arg);  \
    __asm__(".pushsection .text\n" #name ":\n" instructions "\nret\n.popsection\n")

#endif
