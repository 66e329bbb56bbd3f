/*
 * Stores to device memory that a guest may only read: platform/mmio.h says what becomes of them.
 * Instructions that also read the place, or store in another way than the general registers do,
 * are not made: they fault.
 */
#include <lodge/string.h>
#include "mm/page.h"
#include "platform/mmio.h"
#include "pv/emul.h"
#include "pv/pv.h"

/* A store has the same effect whatever was there before. */
static bool is_store(const struct cpu_user_regs *regs, const struct x86_insn *insn,
                     struct x86_rmw *w)
{
    struct x86_rmw other;

    return emul_rmw_compute(regs, insn, 0, w) && emul_rmw_compute(regs, insn, ~0ULL, &other) &&
           w->stores && !memcmp(w, &other, sizeof(other));
}

bool pv_emulate_device_write(struct vcpu *v, uint64_t va, uint64_t pte, struct cpu_user_regs *regs)
{
    struct x86_insn insn;
    struct x86_rmw w;
    unsigned int bytes;

    if (!mmio_read_only(pte_mfn(pte).n) || !emul_fetch(regs, &insn)) {
        return false;
    }
    bytes = x86_rmw_size(&insn);
    if (!bytes || va & (bytes - 1) || !emul_rmw_names(regs, &insn, va) ||
        !is_store(regs, &insn, &w) ||
        !mmio_guest_write(v->domain, (pte & PTE_ADDR) | (va & ~PAGE_MASK), bytes, w.value)) {
        return false;
    }
    emul_rmw_apply(regs, &insn, &w);
    return true;
}
