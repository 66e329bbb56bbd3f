/*
 * Reading x86 instructions: prefixes, opcode, ModRM, displacement, immediate; what the operands are is the reader's business.
 * Covers one-byte and 0F opcodes; others are "not decoded". Source: AMD64 APM vol. 3, "Instruction Encoding".
 */
#ifndef LODGE_X86_INSN_H
#define LODGE_X86_INSN_H

#include <lodge/compiler.h>

#define X86_INSN_MAX 15

enum x86_mode { X86_MODE_16 = 2, X86_MODE_32 = 4, X86_MODE_64 = 8 };

struct x86_insn {
    uint8_t length;
    uint8_t map;            /* 0: one-byte opcodes; 1: 0F xx */
    uint8_t opcode;
    uint8_t operand_size;   /* 2, 4, 8 as prefixes and mode say; byte instructions know themselves */
    uint8_t address_size;
    bool lock, rep, repne;
    uint8_t segment;        /* 0xff none, else 0 ES 1 CS 2 SS 3 DS 4 FS 5 GS */
    bool has_modrm;
    uint8_t mod, reg, rm;   /* reg and rm with their REX bits; rm is a register number if mod == 3 */
    uint8_t rex;
    /* memory operand: base + (index << scale) + displacement; registers 0..15, X86_NO_REG, X86_RIP */
    uint8_t base, index, scale;
    int64_t displacement;
    uint8_t immediate_size;
    int64_t immediate;      /* sign-extended */
};

#define X86_NO_REG 0xff
#define X86_RIP    0xfe

/* bytes: as many as could be read, up to X86_INSN_MAX. false: more would be needed, or it is no instruction we know of. */
bool x86_insn_decode(const uint8_t *bytes, unsigned int n, enum x86_mode mode, struct x86_insn *out) MUST_CHECK;

#endif
