/*
 * Writable page tables: a guest kernel writes to an L1 entry with an ordinary instruction, through
 * a mapping that is read-only because the frame is a page table. The write is decoded, the new
 * entry validated like any update, and the instruction finished. VMASST_TYPE_writable_pagetables,
 * public/xen.h.
 */
#include <lodge/errno.h>
#include <lodge/x86_rmw.h>
#include "core/guest.h"
#include "core/log.h"
#include "mm/page.h"
#include "pv/bounce.h"
#include "pv/emul.h"
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
    if (insn->has_modrm) {
        return insn->mod != 3 && emul_address(regs, insn) == va;
    }
    return x86_rmw_at_rdi(insn) && regs->rdi == va;
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

bool pv_emulate_pt_write(struct vcpu *v, uint64_t va, struct cpu_user_regs *regs)
{
    struct pt_change change = { .v = v, .pt_owner = v->domain, .pg_owner = v->domain };
    struct x86_insn insn;
    struct frame *map, *table = NULL;
    struct x86_rmw w;
    uint64_t pte, entry, old;
    unsigned int index, shift, bytes;
    bool done = false;
    int rc;

    if (!(__atomic_load_n(&v->domain->vm_assist, __ATOMIC_RELAXED) &
          1ULL << VMASST_TYPE_writable_pagetables)) {
        return false;
    }
    map = pt_find_l1(v, va, &index);
    if (!map) {
        return false;
    }
    pte = __atomic_load_n((uint64_t *)arch_map_frame(frame_mfn(map)) + index, __ATOMIC_RELAXED);
    frame_put(map);
    if ((pte & (PTE_P | PTE_RW)) != PTE_P || !frame_valid(pte_mfn(pte)) ||
        !frame_get(frame_of(pte_mfn(pte)), v->domain)) {
        return false;
    }
    table = frame_of(pte_mfn(pte));
    if ((type_word(table) & (TYPE_MASK | TYPE_VALIDATED)) != (TYPE_L1 | TYPE_VALIDATED) ||
        !emul_fetch(regs, &insn)) {
        goto out;
    }
    index = (va & ~PAGE_MASK) / 8;
    shift = (va & 7) * 8;
    bytes = x86_rmw_size(&insn);
    /* The access must lie inside one entry, and be the one that faulted. */
    if (bytes * 8 + shift > 64 || !names(regs, &insn, va)) {
        goto out;
    }
    for (;;) {
        old =
            __atomic_load_n((uint64_t *)arch_map_frame(frame_mfn(table)) + index, __ATOMIC_RELAXED);
        if (!compute(regs, &insn, old >> shift, &w)) {
            goto out;
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
        done = true;
    } else {
        log_guest_debug("write of %016lx to page-table entry %lx.%u refused (%d)",
                        (unsigned long)entry, (unsigned long)frame_mfn(table).n, index, rc);
    }
out:
    frame_put(table);
    return done;
}
