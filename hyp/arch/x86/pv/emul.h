/* What the emulators of pv/emul_*.c share: fetching and decoding at rip, registers by number, effective addresses. */
#ifndef X86_PV_EMUL_H
#define X86_PV_EMUL_H

#include <lodge/x86_insn.h>
#include <lodge/x86_rmw.h>
#include "core/domain.h"

/* The instruction at regs' cs:rip. false: cannot be read, or not decoded. */
bool emul_fetch(const struct cpu_user_regs *regs, struct x86_insn *insn) MUST_CHECK;
/* Just the bytes: how many could be read, up to n. */
unsigned int emul_fetch_bytes(const struct cpu_user_regs *regs, uint8_t *bytes, unsigned int n);

/* Register 0..15 in the encoding's order: rax rcx rdx rbx rsp rbp rsi rdi r8 ... */
uint8_t emul_reg_offset(unsigned int n); /* in struct cpu_user_regs */
uint64_t *emul_reg(struct cpu_user_regs *regs, unsigned int n);
uint64_t emul_reg_read(struct cpu_user_regs *regs, const struct x86_insn *insn, unsigned int n, unsigned int bytes);
void emul_reg_write(struct cpu_user_regs *regs, const struct x86_insn *insn, unsigned int n, unsigned int bytes,
                    uint64_t v);
/* Linear address of a memory operand. */
uint64_t emul_address(struct cpu_user_regs *regs, const struct x86_insn *insn);
/* Base of a segment register (numbers as x86_insn.segment) of the running guest. */
uint64_t emul_segment_base(const struct cpu_user_regs *regs, unsigned int segment);

/*
 * A write to memory that faulted at va: does this instruction write there (another vCPU may have changed the code since)?
 * What does it write, where `old` was? And its effect on the registers, once memory has it.
 */
bool emul_rmw_names(struct cpu_user_regs *regs, const struct x86_insn *insn, uint64_t va) MUST_CHECK;
bool emul_rmw_compute(const struct cpu_user_regs *regs, const struct x86_insn *insn, uint64_t old,
                      struct x86_rmw *w) MUST_CHECK;
void emul_rmw_apply(struct cpu_user_regs *regs, const struct x86_insn *insn, const struct x86_rmw *w);

/* The instruction is done: on to the next one. */
void emul_done(struct cpu_user_regs *regs, const struct x86_insn *insn);

#endif
