/* References of page-table entries: pt_entry.h. Linear tables: an entry may name a table of its own level, read-only. */
#include "pv/pt_entry.h"
#include <lodge/errno.h>
#include "core/log.h"
#include "core/option.h"
#include "mm/cache.h"
#include "platform/mmio.h"
#include "pv/mm_target.h"
#include "pv/type.h"

/*
 * pv-linear-pt: whether guests may build linear page tables. struct frame.arch_half of a table counts: above zero, how many
 * of its entries name tables of its level; below, how many such entries elsewhere name it. Never both: no cycles.
 */
static bool opt_linear_pt = true;
OPTION_BOOL("pv-linear-pt", opt_linear_pt);

static __attribute__((noinline)) int l1e_get_io(uint64_t *pte, struct domain *pt_owner, struct domain *pg_owner)
{
    uint64_t mfn = pte_mfn(*pte).n;
    bool writable = *pte & PTE_RW;

    if (pg_owner == &dom_io) {
        pg_owner = current->domain; /* it is the caller's permission that counts */
    }
    if (mmio_map(pt_owner, pg_owner, mfn, &writable)) {
        if (mfn == PTE_ADDR >> PAGE_SHIFT) {
            return -EINVAL; /* the invalid frame, folded into an entry */
        }
        log_guest_debug("frame %lx is no RAM of d%d, and it may not have the device there", (unsigned long)mfn,
                        pg_owner->id);
        return -EPERM;
    }
    if (!writable) {
        *pte &= ~PTE_RW;
    }
    switch (*pte & PTE_CACHE) { /* devices are not cached unless asked for by a type that says so */
    case 0:
        *pte |= PTE_PWT | PTE_PCD;
        break;
    case PTE_PWT:
    case PTE_PWT | PTE_PAT:
        *pte = (*pte & ~PTE_PAT) | PTE_PCD | PTE_PWT;
        break;
    }
    return 0;
}

static __attribute__((noinline, cold)) int bad_bits(uint64_t entry)
{
    log_guest_debug("L1 entry %016lx has bits that it may not have", (unsigned long)entry);
    return -EINVAL;
}

/* An entry that names RAM, whose references are taken, asks for it uncached, or otherwise cached. */
static __attribute__((noinline)) int cache_attributes_check(struct frame *f, uint64_t entry)
{
    if (frame_shared(f)) {
        if (entry & PTE_RW) {
            type_put_writable(f);
        }
        frame_put(f);
        return -EACCES; /* the hypervisor uses this page cached */
    }
    if ((entry & (PTE_CACHE | PTE_RW)) == (PTE_WC | PTE_RW) && !cache_self_snoops) {
        __atomic_fetch_or(&f->type, TYPE_COMBINED, __ATOMIC_RELAXED);
    }
    return 0;
}

static ALWAYS_INLINE int entry_get(uint64_t *pte, struct domain *pt_owner, struct domain *pg_owner)
{
    uint64_t entry = *pte;
    mfn_t mfn = pte_mfn(entry);
    struct frame *f;

    if (unlikely(entry & ~(PTE_ALLOWED | PTE_G))) {
        if (entry & ~(PTE_ALLOWED | PTE_G | PTE_CACHE) || !pt_owner->arch.may_cache) {
            return bad_bits(entry);
        }
    }
    if (unlikely(!frame_valid(mfn))) {
        return l1e_get_io(pte, pt_owner, pg_owner);
    }
    f = frame_of(mfn);
    if (unlikely(!frame_get(f, pg_owner))) {
        return f->owner == FRAME_OWNER_IO ? l1e_get_io(pte, pt_owner, pg_owner) : -EBUSY;
    }
    if (entry & PTE_RW && unlikely(!type_get_writable(f))) {
        frame_put(f);
        return -EBUSY;
    }
    return unlikely(entry & PTE_CACHE) ? cache_attributes_check(f, entry) : 0;
}

int l1e_get(uint64_t *pte, struct domain *pt_owner, struct domain *pg_owner)
{
    return entry_get(pte, pt_owner, pg_owner);
}

/* The CPU may set A and D in the entry at any moment; everything else in it changes only under the table's lock. */
static ALWAYS_INLINE uint64_t entry_write_inline(uint64_t *at, uint64_t old, uint64_t new, bool preserve_ad)
{
    if (!preserve_ad) {
        return __atomic_exchange_n(at, new, __ATOMIC_SEQ_CST);
    }
    while (!__atomic_compare_exchange_n(at, &old, new | (old & (PTE_A | PTE_D)), false, __ATOMIC_SEQ_CST,
                                        __ATOMIC_RELAXED)) {
    }
    return old;
}

uint64_t entry_write(uint64_t *at, uint64_t old, uint64_t new, bool preserve_ad)
{
    return entry_write_inline(at, old, new, preserve_ad);
}

/* Bits of an entry that change without touching a reference. */
#define L1_SAME_REFERENCES (PTE_A | PTE_D | PTE_AVAIL | PTE_AVAIL_HIGH | PTE_US | PTE_NX | PTE_G)

int l1e_update(uint64_t *at, uint64_t new, struct domain *pt_owner, struct domain *pg_owner, bool preserve_ad)
{
    uint64_t old = __atomic_load_n(at, __ATOMIC_RELAXED);
    int rc;

    if (!(new & PTE_P)) {
        l1e_put(entry_write_inline(at, old, new, preserve_ad));
        return 0;
    }
    new = l1e_adjust(new);
    if (old & PTE_P && !((old ^ new) & ~L1_SAME_REFERENCES)) {
        entry_write_inline(at, old, new, preserve_ad);
        return 0;
    }
    if (old & PTE_P && !((old ^ new) & ~(L1_SAME_REFERENCES | PTE_RW)) && !frame_is_io(pte_mfn(new))) {
        /* Only write permission comes or goes: fork, and the first write after it. */
        struct frame *f = frame_of(pte_mfn(new));

        /* A frame that is mapped by another's grace, read-only, does not become writable so. */
        if (new & PTE_RW && (unlikely(f->owner != pg_owner->id) || unlikely(!type_get_writable(f)))) {
            return -EBUSY;
        }
        entry_write_inline(at, old, new, preserve_ad);
        if (old & PTE_RW) {
            type_put_writable(f);
        }
        return 0;
    }
    rc = entry_get(&new, pt_owner, pg_owner);
    if (rc) {
        return rc;
    }
    old = entry_write_inline(at, old, new, preserve_ad);
    if (old & PTE_P) {
        l1e_put(old);
    }
    return 0;
}

/* Counts one linear entry in `table` that names `child`; false if that would allow a chain. */
static bool linear_count(struct frame *table, struct frame *child)
{
    int16_t have = __atomic_load_n(&table->arch_half, __ATOMIC_RELAXED);

    do {
        if (have < 0 || have == INT16_MAX) {
            return false;
        }
    } while (!__atomic_compare_exchange_n(&table->arch_half, &have, (int16_t)(have + 1), false, __ATOMIC_SEQ_CST,
                                          __ATOMIC_RELAXED));
    have = __atomic_load_n(&child->arch_half, __ATOMIC_RELAXED);
    do {
        if (have > 0 || have == INT16_MIN) {
            __atomic_fetch_sub(&table->arch_half, 1, __ATOMIC_SEQ_CST);
            return false;
        }
    } while (!__atomic_compare_exchange_n(&child->arch_half, &have, (int16_t)(have - 1), false, __ATOMIC_SEQ_CST,
                                          __ATOMIC_RELAXED));
    return true;
}

static void linear_uncount(struct frame *table, struct frame *child)
{
    __atomic_fetch_sub(&table->arch_half, 1, __ATOMIC_SEQ_CST);
    __atomic_fetch_add(&child->arch_half, 1, __ATOMIC_SEQ_CST);
}

/* child: referenced, not of the level below. Its references are the entry's afterwards, but for a table naming itself. */
static int linear_get(struct frame *table, unsigned int level, uint64_t entry, struct frame *child)
{
    uint64_t x = type_word(child);

    if (!opt_linear_pt || entry & PTE_RW) {
        return -EINVAL;
    }
    if (child == table) {
        frame_put(child);
        return 0;
    }
    do {
        if (!(x & TYPE_COUNT_MASK) || (x & (TYPE_MASK | TYPE_VALIDATED)) != (TYPE_OF_LEVEL(level) | TYPE_VALIDATED)) {
            return -EINVAL;
        }
    } while (!__atomic_compare_exchange_n(&child->type, &x, x + 1, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
    if (!linear_count(table, child)) {
        if (type_put(child, true)) {
            return -EINVAL; /* partial, if ours was the last: as any child of a refused entry may be */
        }
        return -EINVAL;
    }
    return 0;
}

int table_entry_get(struct frame *table, unsigned int level, uint64_t entry, struct domain *d, bool preemptible)
{
    mfn_t mfn = pte_mfn(entry);
    struct frame *child;
    int rc;

    if (entry & ~PTE_ALLOWED || frame_is_io(mfn)) {
        return -EINVAL;
    }
    child = frame_of(mfn);
    if (!frame_get(child, d)) {
        return -EINVAL;
    }
    rc = type_get(child, TYPE_OF_LEVEL(level - 1), preemptible);
    if (rc == -EINVAL && (type_word(child) & TYPE_MASK) == TYPE_OF_LEVEL(level)) {
        rc = linear_get(table, level, entry, child);
    }
    if (rc) {
        frame_put(child);
    }
    return rc;
}

int table_entry_put(struct frame *table, unsigned int level, uint64_t entry, bool preemptible)
{
    struct frame *child;
    int rc;

    if (!(entry & PTE_P)) {
        return 0;
    }
    child = frame_of(pte_mfn(entry));
    if (child == table) {
        return 0;
    }
    /* Our reference keeps its type as it is: a table of the same level is a linear entry's. */
    if ((type_word(child) & TYPE_MASK) == TYPE_OF_LEVEL(level)) {
        linear_uncount(table, child);
    }
    rc = type_put(child, preemptible);
    frame_put(child);
    return rc;
}
