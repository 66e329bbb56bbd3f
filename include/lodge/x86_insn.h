/*
 * Reading x86 instructions: prefixes, opcode, ModRM, displacement, immediate; what the operands are
 * is the reader's business. Covers one-byte and 0F opcodes; others are "not decoded". Near branches
 * behind an operand-size prefix are as AMD has them. Source: AMD64 APM vol. 3, "Instruction
 * Encoding".
 */
#ifndef LODGE_X86_INSN_H
#define LODGE_X86_INSN_H

#include <lodge/compiler.h>

#define X86_INSN_MAX 15

enum x86_mode { X86_MODE_16 = 2, X86_MODE_32 = 4, X86_MODE_64 = 8 };

struct x86_insn {
    uint8_t length;
    uint8_t map; /* 0: one-byte opcodes; 1: 0F xx */
    uint8_t opcode;
    uint8_t operand_size; /* 2, 4, 8 as prefixes and mode say; byte forms know themselves */
    uint8_t address_size;
    bool lock, rep, repne;
    uint8_t segment; /* X86_NO_REG: none that counts; else 0 ES 1 CS 2 SS 3 DS 4 FS 5 GS */
    bool has_modrm;
    /* reg with its REX bit; rm is a register, with its REX bit, if mod == 3 */
    uint8_t mod, reg, rm;
    uint8_t rex;
    /* memory operand: base + (index << scale) + displacement; 0..15, X86_NO_REG, X86_RIP */
    uint8_t base, index, scale;
    int64_t displacement;
    uint8_t immediate_size;
    int64_t immediate; /* sign-extended */
};

#define X86_NO_REG 0xff
#define X86_RIP    0xfe

/*
 * bytes: as many as could be read; X86_INSN_MAX are enough. False: more would be needed, or it is
 * no instruction that we know of.
 */
bool x86_insn_decode(const uint8_t *bytes, unsigned int n, enum x86_mode mode,
                     struct x86_insn *out) MUST_CHECK;

#endif
