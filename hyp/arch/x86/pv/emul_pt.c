/*
 * Writable page tables: a guest kernel writes to an L1 entry with an ordinary instruction, through
 * a mapping that is read-only because the frame is a page table. The write is decoded, the new
 * entry validated like any update, and the instruction finished. Guests may rely on it whether or
 * not they asked for it by VMASST_TYPE_writable_pagetables (public/xen.h).
 */
#include <lodge/errno.h>
#include <lodge/x86_rmw.h>
#include "core/guest.h"
#include "core/log.h"
#include "cpu/msr.h"
#include "mm/page.h"
#include "pv/bounce.h"
#include "pv/emul.h"
#include "pv/guest_access.h"
#include "pv/pt_entry.h"
#include "pv/pt_update.h"
#include "pv/pv.h"
#include "pv/type.h"

static uint64_t size_mask(unsigned int bytes)
{
    return bytes == 8 ? ~0ULL : (1ULL << (8 * bytes)) - 1;
}

static bool compute(const struct cpu_user_regs *regs, const struct x86_insn *insn, uint64_t old,
                    struct x86_rmw *w)
{
    const uint64_t gprs[X86_NR_REGS] = {
        regs->rax, regs->rcx, regs->rdx, regs->rbx, regs->rsp, regs->rbp, regs->rsi, regs->rdi,
        regs->r8,  regs->r9,  regs->r10, regs->r11, regs->r12, regs->r13, regs->r14, regs->r15,
    };

    return x86_rmw_compute(insn, gprs, regs->rflags, old, w);
}

/* Is va what the operand names? Another vCPU may have changed the code since it faulted. */
static bool names(struct cpu_user_regs *regs, const struct x86_insn *insn, uint64_t va)
{
    switch (x86_rmw_place(insn)) {
    case X86_RMW_MODRM:
        return emul_address(regs, insn) == va;
    case X86_RMW_RDI:
        return regs->rdi == va;
    case X86_RMW_BELOW_RSP:
        return regs->rsp - x86_rmw_size(insn) == va;
    default:
        return false;
    }
}

static void apply(struct cpu_user_regs *regs, const struct x86_insn *insn, const struct x86_rmw *w)
{
    uint64_t rip = regs->rip;

    regs->rflags = w->rflags;
    for (unsigned int i = 0; i < w->nr_regs; i++) {
        *emul_reg(regs, w->regs[i].number) = w->regs[i].value;
    }
    emul_done(regs, insn);
    if (w->again) {
        regs->rip = rip;
    }
}

/*
 * The hot ones, read at a glance: what Linux writes its page tables with.
 *   [rex.w] 89 /r     mov %reg, (mem)         set
 *   [rex.w] 87 /r     xchg %reg, (mem)        take out
 *   lock [rex] 80 /4  lock andb $imm8, (mem)  take permission away
 * The address: registers and a short displacement.
 */
struct quick {
    uint64_t value, mask; /* bits of the entry that change, and what they become */
    uint64_t *old_to;     /* where xchg puts what was there */
    unsigned int length, shift;
    uint8_t imm;
};

#define FLAGS_OF_LOGIC 0x8d5ULL /* OF SF ZF AF PF CF */

static bool quick_decode(struct cpu_user_regs *regs, uint64_t va, struct quick *q)
{
    uint64_t word, tail, address;
    unsigned int at = 0, rex = 0, modrm, op;
    bool lock = false;

    if ((regs->cs | 3) != SEL_GUEST_CODE64 || !guest_address_ok(regs->rip) || !guest_get_u64(regs->rip, &word)) {
        return false;
    }
    tail = word;
    if ((tail & 0xff) == 0xf0 || (tail & 0xff) == 0x3e) { /* on one CPU, lock is patched to a prefix of no effect */
        lock = (tail & 0xff) == 0xf0;
        tail >>= 8;
        at++;
    }
    if ((tail & 0xf0) == 0x40) {
        rex = tail & 0xff;
        tail >>= 8;
        at++;
    }
    op = tail & 0xff;
    modrm = tail >> 8 & 0xff;
    if (modrm >= 0x80 || (modrm & 0xc7) == 5) { /* long displacement, RIP-relative, register */
        return false;
    }
    tail >>= 16;
    at += 2;
    if ((modrm & 7) == 4) { /* SIB */
        unsigned int index = (tail >> 3 & 7) | (rex & 2) << 2;

        if ((tail & 7) == 5 && !(modrm & 0x40)) {
            return false;
        }
        address = *emul_reg(regs, (tail & 7) | (rex & 1) << 3);
        if (index != 4) {
            address += *emul_reg(regs, index) << (tail >> 6 & 3);
        }
        tail >>= 8;
        at++;
    } else {
        address = *emul_reg(regs, (modrm & 7) | (rex & 1) << 3);
    }
    if (modrm & 0x40) {
        address += (uint64_t)(int64_t)(int8_t)tail;
        tail >>= 8;
        at++;
    }
    if (address != va) {
        return false;
    }
    q->shift = 0;
    q->mask = ~0ULL;
    q->old_to = NULL;
    if ((op == 0x89 && !lock) || op == 0x87) {
        uint64_t *reg = emul_reg(regs, (modrm >> 3 & 7) | (rex & 4) << 1);

        if (!(rex & 8) || va & 7) {
            return false;
        }
        q->value = *reg;
        q->old_to = op == 0x87 ? reg : NULL;
    } else if (op == 0x80 && (modrm >> 3 & 7) == 4) {
        q->shift = (va & 7) * 8;
        q->imm = tail;
        q->mask = 0;
        at++;
        if (!q->shift && ~q->imm & (PTE_A | PTE_D)) {
            return false; /* bits that the CPU sets meanwhile: not without comparing */
        }
    } else {
        return false;
    }
    q->length = at;
    return true;
}

/* 0 done; -EAGAIN not one of these; else refused. The table is locked, and of level 1. */
static int quick_write(struct vcpu *v, struct cpu_user_regs *regs, const struct quick *q, uint64_t *at)
{
    uint64_t old = __atomic_load_n(at, __ATOMIC_RELAXED), new = q->value;
    int rc;

    if (!q->mask) {
        new = old & ~((uint64_t)(uint8_t)~q->imm << q->shift);
    }
    /* Only A and D can change under us: an exchange must return what was really there, so it is left to the CPU. */
    if (q->old_to && !(new & PTE_P)) {
        old = __atomic_exchange_n(at, new, __ATOMIC_SEQ_CST);
        l1e_put(old);
        rc = 0;
    } else if (q->old_to) {
        return -EAGAIN;
    } else {
        rc = l1e_update(at, new, v->domain, v->domain, !q->mask);
    }
    if (rc) {
        return rc;
    }
    if (q->old_to) {
        *q->old_to = old;
    }
    if (!q->mask) {
        uint8_t byte = new >> q->shift;

        regs->rflags = (regs->rflags & ~FLAGS_OF_LOGIC) | (byte ? 0 : 0x40) | (byte & 0x80) |
                       (__builtin_parity(byte) ? 0 : 4);
    }
    regs->rip += q->length;
    regs->rflags &= ~RFLAGS_RF;
    return 0;
}

static bool quick_emulate(struct vcpu *v, uint64_t va, struct cpu_user_regs *regs, struct frame *table)
{
    struct quick q;
    int rc = -EAGAIN;

    if (regs->rflags & RFLAGS_TF || !quick_decode(regs, va, &q) || !type_lock_table(table)) {
        return false;
    }
    if ((type_word(table) & TYPE_MASK) == TYPE_L1) {
        rc = quick_write(v, regs, &q, (uint64_t *)arch_map_frame(frame_mfn(table)) + (va & ~PAGE_MASK) / 8);
    }
    if (unlikely(type_unlock_table(table))) {
        old_table_leave(v, table);
    }
    return rc == 0;
}

/* Every other instruction that writes memory. */
static __attribute__((noinline)) bool full_emulate(struct vcpu *v, uint64_t va, struct cpu_user_regs *regs,
                                                   struct frame *table)
{
    struct pt_change change = { .v = v, .pt_owner = v->domain, .pg_owner = v->domain };
    struct x86_insn insn;
    struct x86_rmw w;
    uint64_t entry, old;
    unsigned int index, shift, bytes;
    int rc;

    if ((type_word(table) & (TYPE_MASK | TYPE_VALIDATED)) != (TYPE_L1 | TYPE_VALIDATED) ||
        !emul_fetch(regs, &insn)) {
        return false;
    }
    index = (va & ~PAGE_MASK) / 8;
    shift = (va & 7) * 8;
    bytes = x86_rmw_size(&insn);
    /* The access must lie inside one entry, and be the one that faulted. */
    if (bytes * 8 + shift > 64 || !names(regs, &insn, va)) {
        return false;
    }
    for (;;) {
        old =
            __atomic_load_n((uint64_t *)arch_map_frame(frame_mfn(table)) + index, __ATOMIC_RELAXED);
        if (!compute(regs, &insn, old >> shift, &w)) {
            return false;
        }
        if (!w.stores) {
            rc = 0;
            break;
        }
        entry = (old & ~(size_mask(bytes) << shift)) | w.value << shift;
        rc = pt_update_l1_cmpxchg(&change, table, index, &old, entry);
        if (rc != 1) {
            break;
        }
    }
    if (!rc) {
        apply(regs, &insn, &w);
        return true;
    }
    log_guest_debug("write of %016lx to page-table entry %lx.%u refused (%d)", (unsigned long)entry,
                    (unsigned long)frame_mfn(table).n, index, rc);
    return false;
}

bool pv_emulate_pt_write(struct vcpu *v, uint64_t va, struct cpu_user_regs *regs)
{
    struct frame *table;
    uint64_t pte;
    bool done;

    if (!pt_read_l1e(v, va, &pte) || (pte & (PTE_P | PTE_RW)) != PTE_P || !frame_valid(pte_mfn(pte)) ||
        !frame_get(frame_of(pte_mfn(pte)), v->domain)) {
        return false;
    }
    table = frame_of(pte_mfn(pte));
    done = quick_emulate(v, va, regs, table) || full_emulate(v, va, regs, table);
    frame_put(table);
    perfc_vcpu_add(v, ptwr_emulations, done);
    return done;
}
