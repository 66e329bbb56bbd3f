/* Grants mapped into a PV guest: the L1 entry that core/gnttab.h leaves to the architecture. */
#include "core/gnttab.h"
#include <lodge/errno.h>
#include "core/frame.h"
#include "cpu/insn.h"
#include "mm/flush.h"
#include "mm/page.h"
#include "pv/mm_target.h"
#include "pv/pt_entry.h"
#include "pv/pt_update.h"
#include "pv/type.h"

#define AVAIL_SHIFT 9
#define GUEST_AVAIL(flags) ((uint64_t)((flags) >> _GNTMAP_guest_avail0 & 7) << AVAIL_SHIFT)

/* The L1 table and slot that host_addr names: a table's reference, or NULL. */
static struct frame *slot_find(struct vcpu *v, uint64_t host_addr, uint32_t flags, unsigned int *index)
{
    mfn_t mfn;

    if (!(flags & GNTMAP_contains_pte)) {
        return pt_find_l1(v, host_addr, index);
    }
    mfn = maddr_to_mfn(MADDR(host_addr));
    if (host_addr & 7 || !frame_valid(mfn) || !frame_get(frame_of(mfn), v->domain)) {
        return NULL;
    }
    *index = (host_addr & ~PAGE_MASK) / 8;
    return frame_of(mfn);
}

static uint64_t *slot(struct frame *table, unsigned int index)
{
    return (uint64_t *)arch_map_frame(frame_mfn(table)) + index;
}

static void l1_unlock(struct vcpu *v, struct frame *table)
{
    if (type_unlock_table(table)) {
        old_table_leave(v, table);
    }
}

int gnttab_arch_map(struct vcpu *v, uint64_t host_addr, struct frame *f, uint32_t flags)
{
    uint64_t entry = PTE_P | PTE_A | PTE_D | PTE_NX | GUEST_AVAIL(flags), old;
    struct frame *table;
    unsigned int index;

    if (!(flags & GNTMAP_readonly)) {
        entry |= PTE_RW;
    }
    if (flags & GNTMAP_application_map) {
        entry |= PTE_US;
    }
    table = slot_find(v, host_addr, flags, &index);
    if (!table) {
        return GNTST_general_error;
    }
    if (!type_lock_l1(table)) {
        frame_put(table);
        return GNTST_general_error;
    }
    old = __atomic_exchange_n(slot(table, index), l1e_adjust(pte_make(frame_mfn(f), entry)), __ATOMIC_SEQ_CST);
    l1_unlock(v, table);
    l1e_put(old);
    frame_put(table);
    return GNTST_okay;
}

/* The entry that GNTTABOP_unmap_and_replace moves: taken out of new_addr, with its references. 0: nothing was there. */
static int replacement_take(struct vcpu *v, uint64_t new_addr, uint64_t *entry)
{
    struct frame *table;
    unsigned int index;

    table = pt_find_l1(v, new_addr, &index);
    if (!table) {
        return GNTST_general_error;
    }
    if (!type_lock_l1(table)) {
        frame_put(table);
        return GNTST_general_error;
    }
    *entry = __atomic_exchange_n(slot(table, index), 0, __ATOMIC_SEQ_CST);
    l1_unlock(v, table);
    frame_put(table);
    return GNTST_okay;
}

int gnttab_arch_unmap(struct vcpu *v, uint64_t host_addr, struct frame *f, uint32_t flags, uint64_t new_addr)
{
    uint64_t entry, replacement = 0;
    struct frame *table;
    unsigned int index;
    int rc = GNTST_okay;

    table = slot_find(v, host_addr, flags, &index);
    if (!table) {
        return GNTST_general_error;
    }
    if (!type_lock_l1(table)) {
        frame_put(table);
        return GNTST_general_error;
    }
    entry = __atomic_load_n(slot(table, index), __ATOMIC_RELAXED);
    if (!(entry & PTE_P) || !mfn_eq(pte_mfn(entry), frame_mfn(f)) || !(entry & PTE_RW) != !!(flags & GNTMAP_readonly)) {
        rc = GNTST_general_error;
    } else {
        (void)__atomic_exchange_n(slot(table, index), 0, __ATOMIC_SEQ_CST);
    }
    l1_unlock(v, table);
    if (rc == GNTST_okay && new_addr && replacement_take(v, new_addr, &replacement) == GNTST_okay) {
        /* Lost to a guest that races with itself: the replacement's references go, as any entry's would. */
        if (type_lock_l1(table)) {
            replacement = __atomic_exchange_n(slot(table, index), replacement, __ATOMIC_SEQ_CST);
            l1_unlock(v, table);
        }
        l1e_put(replacement);
    }
    frame_put(table);
    return rc;
}

/* To forget what was not written back would be to give a guest what the page held before it was its own. */
int gnttab_arch_cache_flush(const void *va, size_t n, bool clean, bool invalidate)
{
    size_t line = (cpuid(1, 0).b >> 8 & 0xff) * 8;
    uint64_t end = (uint64_t)va + n;

    (void)invalidate;
    if (!clean) {
        return -EOPNOTSUPP;
    }
    __asm__ volatile("mfence" ::: "memory");
    for (uint64_t at = ROUND_DOWN((uint64_t)va, line); at < end; at += line) {
        __asm__ volatile("clflush (%0)" ::"r"(at) : "memory");
    }
    __asm__ volatile("mfence" ::: "memory");
    return 0;
}

void gnttab_arch_flush(struct domain *d)
{
    cpumap_t cpus;

    mm_dirty_cpus(d, &cpus);
    flush_tlb_mask(&cpus);
}
