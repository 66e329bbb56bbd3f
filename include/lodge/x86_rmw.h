/*
 * Instructions that write one memory operand, as pure arithmetic: from the registers and what
 * memory held, what memory gets and which registers change. Who reads and writes memory, and how,
 * is the caller's business. Source: AMD64 APM vol. 3, "General-Purpose Instruction Reference".
 */
#ifndef LODGE_X86_RMW_H
#define LODGE_X86_RMW_H

#include <lodge/x86_insn.h>

#define X86_NR_REGS 16 /* in the encoding's order: rax rcx rdx rbx rsp rbp rsi rdi r8 ... r15 */

#define X86_RAX 0
#define X86_RCX 1
#define X86_RDX 2
#define X86_RBX 3
#define X86_RSP 4
#define X86_RDI 7

struct x86_rmw {
    bool stores;     /* false: CMPXCHG that did not match leaves memory as it is */
    bool again;      /* a repeated instruction that is not at its end: rip stays */
    uint64_t value;  /* what memory gets, as wide as x86_rmw_size() */
    uint64_t rflags; /* all of them */
    unsigned int nr_regs;
    struct {
        uint8_t number;
        uint64_t value; /* of the whole register */
    } regs[2];
};

/* Bytes of the memory operand: 1, 2, 4, 8; 0: it has none that x86_rmw_compute() could write. */
unsigned int x86_rmw_size(const struct x86_insn *insn);
/* What names that operand. */
enum x86_rmw_place {
    X86_RMW_NOWHERE,
    X86_RMW_MODRM,
    X86_RMW_RDI,       /* STOS */
    X86_RMW_BELOW_RSP, /* PUSH */
};
enum x86_rmw_place x86_rmw_place(const struct x86_insn *insn);
/* old: what memory holds. False: an instruction, or a form of it, that is not covered. */
bool x86_rmw_compute(const struct x86_insn *insn, const uint64_t regs[X86_NR_REGS], uint64_t rflags,
                     uint64_t old, struct x86_rmw *out) MUST_CHECK;

#endif
