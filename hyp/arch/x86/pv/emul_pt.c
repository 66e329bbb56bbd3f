/*
 * Writable page tables: a guest kernel writes to an L1 entry with an ordinary instruction, through
 * a mapping that is read-only because the frame is a page table. The write is decoded, the new
 * entry validated like any update, and the instruction finished. Guests may rely on it whether or
 * not they asked for it by VMASST_TYPE_writable_pagetables (public/xen.h).
 */
#include <lodge/errno.h>
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
#include "pv/trace.h"
#include "pv/type.h"

static uint64_t size_mask(unsigned int bytes)
{
    return bytes == 8 ? ~0ULL : (1ULL << (8 * bytes)) - 1;
}

/*
 * The hot ones, read at a glance: what Linux writes its page tables with.
 *   [rex.w] 89 /r     mov %reg, (mem)         set
 *   [rex.w] 87 /r     xchg %reg, (mem)        take out
 *   lock [rex] 80 /4  lock andb $imm8, (mem)  take permission away
 * The address: registers and a short displacement. The same bytes mean the same again: what was read last is kept.
 */
enum { FORM_OTHER, FORM_SET, FORM_EXCHANGE, FORM_AND };
#define NO_INDEX 0xff

#define FLAGS_OF_LOGIC 0x8d5ULL /* OF SF ZF AF PF CF */

static ALWAYS_INLINE uint64_t *reg_at(struct cpu_user_regs *regs, uint8_t offset)
{
    return (uint64_t *)((char *)regs + offset);
}

static __attribute__((noinline)) void form_decode(struct pt_write_form *f, uint64_t bytes)
{
    unsigned int at = 0, rex = 0, modrm, op;
    uint64_t tail = bytes;
    bool lock = false;

    *f = (struct pt_write_form){ .bytes = bytes, .index = NO_INDEX };
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
        return;
    }
    tail >>= 16;
    at += 2;
    if ((modrm & 7) == 4) { /* SIB */
        unsigned int index = (tail >> 3 & 7) | (rex & 2) << 2;

        if ((tail & 7) == 5 && !(modrm & 0x40)) {
            return;
        }
        f->base = emul_reg_offset((tail & 7) | (rex & 1) << 3);
        if (index != 4) {
            f->index = emul_reg_offset(index);
            f->scale = tail >> 6 & 3;
        }
        tail >>= 8;
        at++;
    } else {
        f->base = emul_reg_offset((modrm & 7) | (rex & 1) << 3);
    }
    if (modrm & 0x40) {
        f->displacement = (int8_t)tail;
        tail >>= 8;
        at++;
    }
    if (rex & 8 && ((op == 0x89 && !lock) || op == 0x87)) {
        f->reg = emul_reg_offset((modrm >> 3 & 7) | (rex & 4) << 1);
        f->kind = op == 0x87 ? FORM_EXCHANGE : FORM_SET;
    } else if (op == 0x80 && (modrm >> 3 & 7) == 4) {
        f->imm = tail;
        f->kind = FORM_AND;
        at++;
    }
    f->length = at;
}

/* The instruction at rip, if it is one of these and writes to va. */
static ALWAYS_INLINE bool form_fetch(struct pt_write_form *f, struct cpu_user_regs *regs, uint64_t va)
{
    uint64_t bytes, address;

    if ((regs->cs | 3) != SEL_GUEST_CODE64 || !guest_address_ok(regs->rip) || !guest_get_u64(regs->rip, &bytes)) {
        return false;
    }
    if (unlikely(bytes != f->bytes)) {
        form_decode(f, bytes);
    }
    address = *reg_at(regs, f->base) + (uint64_t)(int64_t)f->displacement;
    if (f->index != NO_INDEX) {
        address += *reg_at(regs, f->index) << f->scale;
    }
    return f->kind != FORM_OTHER && address == va;
}

/* 0 done; -EAGAIN not like this; else refused. The table is locked, and of level 1; va names the entry `at`. */
static ALWAYS_INLINE int form_write(struct vcpu *v, struct cpu_user_regs *regs, const struct pt_write_form *f,
                                    uint64_t va, uint64_t *at)
{
    unsigned int shift = (va & 7) * 8;
    uint64_t old, new;
    uint8_t byte;
    int rc;

    switch (f->kind) {
    case FORM_EXCHANGE:
        new = *reg_at(regs, f->reg);
        /* Only A and D can change under us: what was really there must be returned, so it is left to the CPU. */
        if (shift || new & PTE_P) {
            return -EAGAIN;
        }
        old = __atomic_exchange_n(at, new, __ATOMIC_SEQ_CST);
        l1e_put(old);
        *reg_at(regs, f->reg) = old;
        return 0;
    case FORM_SET:
        return shift ? -EAGAIN : l1e_update(at, *reg_at(regs, f->reg), v->domain, v->domain, false);
    default:
        if (!shift && ~f->imm & (PTE_A | PTE_D)) {
            return -EAGAIN; /* bits that the CPU sets meanwhile: not without comparing */
        }
        new = __atomic_load_n(at, __ATOMIC_RELAXED) & ~((uint64_t)(uint8_t)~f->imm << shift);
        rc = l1e_update(at, new, v->domain, v->domain, true);
        if (!rc) {
            byte = new >> shift;
            regs->rflags = (regs->rflags & ~FLAGS_OF_LOGIC) | (byte ? 0 : 0x40) | (byte & 0x80) |
                           (__builtin_parity(byte) ? 0 : 4);
        }
        return rc;
    }
}

static bool quick_emulate(struct vcpu *v, uint64_t va, struct cpu_user_regs *regs, struct frame *table)
{
    struct pt_write_form *f = &v->arch.pt_write_form;
    int rc;

    if (regs->rflags & RFLAGS_TF || !form_fetch(f, regs, va) || !type_lock_l1(table)) {
        return false;
    }
    rc = form_write(v, regs, f, va, (uint64_t *)arch_map_frame(frame_mfn(table)) + (va & ~PAGE_MASK) / 8);
    if (unlikely(type_unlock_table(table))) {
        old_table_leave(v, table);
    }
    if (rc) {
        return false;
    }
    TRACE_PV(ptwr, table, va, regs->rip);
    regs->rip += f->length;
    regs->rflags &= ~RFLAGS_RF;
    return true;
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
    if (bytes * 8 + shift > 64 || !emul_rmw_names(regs, &insn, va)) {
        return false;
    }
    for (;;) {
        old =
            __atomic_load_n((uint64_t *)arch_map_frame(frame_mfn(table)) + index, __ATOMIC_RELAXED);
        if (!emul_rmw_compute(regs, &insn, old >> shift, &w)) {
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
        TRACE_PV(ptwr, table, va, regs->rip);
        emul_rmw_apply(regs, &insn, &w);
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

    if (!pt_read_l1e(v, va, &pte) || (pte & (PTE_P | PTE_RW)) != PTE_P) {
        return false;
    }
    if (unlikely(frame_is_io(pte_mfn(pte)))) {
        return pv_emulate_device_write(v, va, pte, regs);
    }
    table = frame_of(pte_mfn(pte));
    if (!frame_get(table, v->domain)) {
        return false;
    }
    done = quick_emulate(v, va, regs, table) || full_emulate(v, va, regs, table);
    frame_put(table);
    perfc_vcpu_add(v, ptwr_emulations, done);
    return done;
}
