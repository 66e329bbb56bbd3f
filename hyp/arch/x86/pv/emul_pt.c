/*
 * Writable page tables: a guest kernel writes to an L1 entry with an ordinary instruction, through a mapping that is
 * read-only because the frame is a page table. The write is decoded, the new entry validated like any update, and the
 * instruction finished. VMASST_TYPE_writable_pagetables, public/xen.h.
 */
#include <lodge/errno.h>
#include "core/guest.h"
#include "core/log.h"
#include "cpu/msr.h"
#include "mm/page.h"
#include "pv/bounce.h"
#include "pv/emul.h"
#include "pv/pt_update.h"
#include "pv/pv.h"
#include "pv/type.h"

#define FLAG_CF 0x001ULL
#define FLAG_PF 0x004ULL
#define FLAG_AF 0x010ULL
#define FLAG_ZF 0x040ULL
#define FLAG_SF 0x080ULL
#define FLAG_OF 0x800ULL
#define FLAGS_ARITHMETIC (FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF)

enum alu { ALU_ADD, ALU_OR, ALU_ADC, ALU_SBB, ALU_AND, ALU_SUB, ALU_XOR, ALU_CMP };

static uint64_t size_mask(unsigned int bytes)
{
    return bytes == 8 ? ~0ULL : (1ULL << (8 * bytes)) - 1;
}

/* AMD64 APM vol. 1, "Flags Register": what arithmetic and logic leave in rflags. */
static uint64_t alu(enum alu op, uint64_t a, uint64_t b, unsigned int bytes, uint64_t *rflags)
{
    uint64_t mask = size_mask(bytes), sign = (mask >> 1) + 1, r, carry = *rflags & FLAG_CF ? 1 : 0, flags = 0;

    switch (op) {
    case ALU_ADD:
        carry = 0;
        __attribute__((fallthrough));
    case ALU_ADC:
        r = (a + b + carry) & mask;
        flags |= r < a || (carry && r == a) ? FLAG_CF : 0;
        flags |= ~(a ^ b) & (a ^ r) & sign ? FLAG_OF : 0;
        flags |= (a ^ b ^ r) & 0x10 ? FLAG_AF : 0;
        break;
    case ALU_SUB:
    case ALU_CMP:
        carry = 0;
        __attribute__((fallthrough));
    case ALU_SBB:
        r = (a - b - carry) & mask;
        flags |= a < b || (carry && a == b) ? FLAG_CF : 0;
        flags |= (a ^ b) & (a ^ r) & sign ? FLAG_OF : 0;
        flags |= (a ^ b ^ r) & 0x10 ? FLAG_AF : 0;
        break;
    case ALU_OR:
        r = a | b;
        break;
    case ALU_AND:
        r = a & b;
        break;
    default:
        r = a ^ b;
        break;
    }
    flags |= r ? 0 : FLAG_ZF;
    flags |= r & sign ? FLAG_SF : 0;
    flags |= __builtin_parity(r & 0xff) ? 0 : FLAG_PF;
    *rflags = (*rflags & ~FLAGS_ARITHMETIC) | flags;
    return r;
}

/* A read-modify-write on memory, computed from what memory held: new value, and what else the instruction changes. */
struct write {
    unsigned int bytes;
    uint64_t value;
    uint64_t rflags;
    bool stores;                /* CMPXCHG that did not match stores nothing new */
    unsigned int reg;           /* a register that gets the old value, or ~0 */
    uint64_t reg_value;
};

static bool compute_one_byte(struct cpu_user_regs *regs, const struct x86_insn *insn, uint64_t old, struct write *w)
{
    unsigned int op = insn->opcode;

    switch (op) {
    case 0x00 ... 0x3f: /* ALU r/m, reg: the forms with memory as destination */
        if ((op & 7) > 1 || op >> 3 == ALU_CMP) {
            return false;
        }
        w->value = alu(op >> 3, old, emul_reg_read(regs, insn, insn->reg, w->bytes), w->bytes, &w->rflags);
        return true;
    case 0x80: /* ALU r/m, immediate */
    case 0x81:
    case 0x83:
        if ((insn->reg & 7) == ALU_CMP) {
            return false;
        }
        w->value = alu(insn->reg & 7, old, (uint64_t)insn->immediate & size_mask(w->bytes), w->bytes, &w->rflags);
        return true;
    case 0x86: /* XCHG */
    case 0x87:
        w->value = emul_reg_read(regs, insn, insn->reg, w->bytes);
        w->reg = insn->reg;
        w->reg_value = old;
        return true;
    case 0x88: /* MOV r/m, reg */
    case 0x89:
        w->value = emul_reg_read(regs, insn, insn->reg, w->bytes);
        return true;
    case 0xaa: /* STOS, without repetition */
    case 0xab:
        if (insn->rep || insn->repne || insn->address_size != 8) {
            return false;
        }
        w->value = emul_reg_read(regs, insn, 0, w->bytes);
        w->reg = 7;
        w->reg_value = regs->rdi + (regs->rflags & RFLAGS_DF ? -(uint64_t)w->bytes : w->bytes);
        return true;
    case 0xc6: /* MOV r/m, immediate */
    case 0xc7:
        w->value = (uint64_t)insn->immediate & size_mask(w->bytes);
        return (insn->reg & 7) == 0;
    default:
        return false;
    }
}

/* BTS, BTR, BTC with the bit inside the operand. */
static bool compute_bit(const struct x86_insn *insn, unsigned int kind, uint64_t bit, uint64_t old, struct write *w)
{
    uint64_t mask;

    if (w->bytes < 2 || kind == 0) {
        return false;
    }
    (void)insn;
    mask = 1ULL << (bit % (8 * w->bytes));
    w->rflags = (w->rflags & ~FLAG_CF) | (old & mask ? FLAG_CF : 0);
    w->value = kind == 1 ? old | mask : kind == 2 ? old & ~mask : old ^ mask;
    return true;
}

static bool compute_two_byte(struct cpu_user_regs *regs, const struct x86_insn *insn, uint64_t old, struct write *w)
{
    uint64_t expected, flags;

    switch (insn->opcode) {
    case 0xb0: /* CMPXCHG */
    case 0xb1:
        expected = emul_reg_read(regs, insn, 0, w->bytes);
        (void)alu(ALU_CMP, expected, old, w->bytes, &w->rflags);
        if (expected == old) {
            w->value = emul_reg_read(regs, insn, insn->reg, w->bytes);
        } else {
            w->stores = false;
            w->reg = 0;
            w->reg_value = old;
        }
        return true;
    case 0xc0: /* XADD */
    case 0xc1:
        w->value = alu(ALU_ADD, old, emul_reg_read(regs, insn, insn->reg, w->bytes), w->bytes, &w->rflags);
        w->reg = insn->reg;
        w->reg_value = old;
        return true;
    case 0xba:
        return (insn->reg & 7) >= 5 && compute_bit(insn, (insn->reg & 7) - 4, (uint64_t)insn->immediate, old, w);
    case 0xab: /* BTS, BTR, BTC by register: only within the operand, where the address is what it seems */
    case 0xb3:
    case 0xbb:
        flags = emul_reg_read(regs, insn, insn->reg, w->bytes);
        return flags < 8ULL * w->bytes &&
               compute_bit(insn, insn->opcode == 0xab ? 1 : insn->opcode == 0xb3 ? 2 : 3, flags, old, w);
    default:
        return false;
    }
}

static bool compute(struct cpu_user_regs *regs, const struct x86_insn *insn, uint64_t old, struct write *w)
{
    return insn->map ? compute_two_byte(regs, insn, old, w) : compute_one_byte(regs, insn, old, w);
}

/* Byte forms have even opcodes, but for the bit instructions and 83. */
static unsigned int write_size(const struct x86_insn *insn)
{
    bool byte = !(insn->opcode & 1) && !(insn->map == 1 && insn->opcode == 0xba);

    return byte ? 1 : insn->operand_size;
}

/* CMPXCHG8B and CMPXCHG16B: the first is an 8-byte compare and exchange. */
static bool is_cmpxchg8b(const struct x86_insn *insn)
{
    return insn->map == 1 && insn->opcode == 0xc7 && (insn->reg & 7) == 1 && !(insn->rex & 8);
}

static bool compute_cmpxchg8b(struct cpu_user_regs *regs, uint64_t old, struct write *w)
{
    uint64_t expected = (uint64_t)regs->edx << 32 | regs->eax;

    w->rflags &= ~FLAG_ZF;
    if (expected == old) {
        w->rflags |= FLAG_ZF;
        w->value = (uint64_t)regs->ecx << 32 | regs->ebx;
    } else {
        w->stores = false;
        w->reg_value = old;
    }
    return true;
}

static void apply(struct cpu_user_regs *regs, const struct x86_insn *insn, const struct write *w)
{
    regs->rflags = w->rflags;
    if (is_cmpxchg8b(insn)) {
        if (!w->stores) {
            regs->rax = (uint32_t)w->reg_value;
            regs->rdx = w->reg_value >> 32;
        }
    } else if (w->reg != ~0U) {
        /* STOS: all of rdi; the others: as wide as the operand. */
        emul_reg_write(regs, insn, w->reg, insn->map == 0 && (insn->opcode & 0xfe) == 0xaa ? 8 : w->bytes, w->reg_value);
    }
    emul_done(regs, insn);
}

bool pv_emulate_pt_write(struct vcpu *v, uint64_t va, struct cpu_user_regs *regs)
{
    struct pt_change change = { .v = v, .pt_owner = v->domain, .pg_owner = v->domain };
    struct x86_insn insn;
    struct frame *map, *table = NULL;
    struct write w;
    uint64_t pte, entry, old;
    unsigned int index, shift;
    bool done = false;
    int rc;

    if (!(__atomic_load_n(&v->domain->vm_assist, __ATOMIC_RELAXED) & 1ULL << VMASST_TYPE_writable_pagetables)) {
        return false;
    }
    map = pt_find_l1(v, va, &index);
    if (!map) {
        return false;
    }
    pte = __atomic_load_n((uint64_t *)arch_map_frame(frame_mfn(map)) + index, __ATOMIC_RELAXED);
    frame_put(map);
    if ((pte & (PTE_P | PTE_RW)) != PTE_P || !frame_valid(pte_mfn(pte)) || !frame_get(frame_of(pte_mfn(pte)), v->domain)) {
        return false;
    }
    table = frame_of(pte_mfn(pte));
    if ((type_word(table) & (TYPE_MASK | TYPE_VALIDATED)) != (TYPE_L1 | TYPE_VALIDATED) || !emul_fetch(regs, &insn)) {
        goto out;
    }
    index = (va & ~PAGE_MASK) / 8;
    shift = (va & 7) * 8;
    for (;;) {
        old = __atomic_load_n((uint64_t *)arch_map_frame(frame_mfn(table)) + index, __ATOMIC_RELAXED);
        w = (struct write){ .bytes = is_cmpxchg8b(&insn) ? 8 : write_size(&insn), .rflags = regs->rflags, .stores = true,
                            .reg = ~0U };
        /* The access must lie inside one entry, and be the one that faulted. */
        if (w.bytes * 8 + shift > 64 || (insn.has_modrm && (insn.mod == 3 || emul_address(regs, &insn) != va)) ||
            !(is_cmpxchg8b(&insn) ? compute_cmpxchg8b(regs, old, &w)
                                  : compute(regs, &insn, old >> shift & size_mask(w.bytes), &w))) {
            goto out;
        }
        if (!w.stores) {
            rc = 0;
            break;
        }
        entry = (old & ~(size_mask(w.bytes) << shift)) | w.value << shift;
        rc = pt_update_l1_cmpxchg(&change, table, index, &old, entry);
        if (rc != 1) {
            break;
        }
    }
    if (!rc) {
        apply(regs, &insn, &w);
        done = true;
    } else {
        log_guest_debug("write of %016lx to page-table entry %lx.%u refused (%d)", (unsigned long)entry,
                        (unsigned long)frame_mfn(table).n, index, rc);
    }
out:
    frame_put(table);
    return done;
}
