/* Changing entries of validated page tables: new references first, then the entry, then the old references. */
#include "pv/pt_update.h"
#include <lodge/errno.h>
#include "core/log.h"
#include "mm/page.h"
#include "pv/guest_access.h"
#include "pv/pt_entry.h"
#include "pv/type.h"

/* Bits of an entry that change without touching a reference. */
#define TABLE_SAME_REFERENCES (PTE_A | PTE_D | PTE_AVAIL | PTE_AVAIL_HIGH | PTE_US | PTE_NX)

/* Levels 2 to 4. *dropped: the entry whose references the caller gives back once the table is unlocked. */
static int update_table(const struct pt_change *c, struct frame *table, unsigned int level, uint64_t *at, uint64_t new,
                        uint64_t *dropped)
{
    uint64_t old = __atomic_load_n(at, __ATOMIC_RELAXED);
    int rc;

    if (new & PTE_P) {
        if (new & ~PTE_ALLOWED) {
            return -EINVAL;
        }
        new = table_entry_adjust(level, new);
        if (old & PTE_P && !((old ^ new) & ~TABLE_SAME_REFERENCES)) {
            entry_write(at, old, new, c->preserve_ad);
            return 0;
        }
        rc = table_entry_get(table, level, new, c->pt_owner, level > 2);
        if (rc) {
            return rc;
        }
    }
    *dropped = entry_write(at, old, new, c->preserve_ad);
    return 0;
}

int pt_update(const struct pt_change *c, struct frame *table, unsigned int index, uint64_t entry)
{
    uint64_t *at = (uint64_t *)arch_map_frame(frame_mfn(table)) + index;
    uint64_t dropped = 0;
    unsigned int level;
    int rc;

    if (unlikely(!type_lock_table(table))) {
        return -EINVAL;
    }
    level = TYPE_LEVEL(type_word(table));
    if (likely(level == 1)) {
        rc = l1e_update(at, entry, c->pt_owner, c->pg_owner, c->preserve_ad);
    } else if (level == 4 && index >= HOLE_SLOT_FIRST && index < HOLE_SLOT_END) {
        rc = -EINVAL;
    } else {
        rc = update_table(c, table, level, at, entry, &dropped);
    }
    if (unlikely(type_unlock_table(table))) {
        old_table_leave(c->v, table);
    }
    if (dropped & PTE_P) {
        struct frame *child = frame_of(pte_mfn(dropped));

        if (table_entry_put(table, level, dropped, true)) {
            old_table_leave(c->v, child); /* still referenced: a partial table owns itself */
        }
    } else if (unlikely(rc && rc != -ERESTART && level > 1 && entry & PTE_P)) {
        /* A subtree that was refused halfway is partial: nobody else will finish it. */
        mfn_t mfn = pte_mfn(entry);

        if (frame_valid(mfn) && frame_get(frame_of(mfn), c->pt_owner)) {
            if (type_word(frame_of(mfn)) & TYPE_PARTIAL) {
                old_table_leave(c->v, frame_of(mfn));
            }
            frame_put(frame_of(mfn));
        }
    }
    return rc;
}

int pt_update_l1_cmpxchg(const struct pt_change *c, struct frame *table, unsigned int index, uint64_t *old,
                         uint64_t entry)
{
    uint64_t *at = (uint64_t *)arch_map_frame(frame_mfn(table)) + index;
    uint64_t found;
    int rc;

    if (!type_lock_l1(table)) {
        return -EINVAL;
    }
    found = __atomic_load_n(at, __ATOMIC_RELAXED);
    if (found != *old) {
        *old = found;
        rc = 1;
    } else {
        rc = l1e_update(at, entry, c->pt_owner, c->pg_owner, c->preserve_ad);
    }
    if (type_unlock_table(table)) {
        old_table_leave(c->v, table);
    }
    return rc;
}

/*
 * From a table's entry *e to the one for va in the table that it names. A table may be freed and become anything while it
 * is read: so it is read as a guest's memory is.
 */
static ALWAYS_INLINE bool step(uint64_t *e, uint64_t va, unsigned int level)
{
    uint64_t offset = va >> (PAGE_SHIFT + 9 * (level - 1) - 3) & ((ENTRIES - 1) * sizeof(*e));

    return guest_get_u64(DIRECTMAP_START + (*e & PTE_ADDR) + offset, e) && *e & PTE_P;
}

bool pt_read_l1e(const struct vcpu *v, uint64_t va, uint64_t *entry)
{
    *entry = v->arch.cr3_kernel;
    return step(entry, va, 4) && step(entry, va, 3) && step(entry, va, 2) && step(entry, va, 1);
}

bool pt_find_l1_mfn(const struct vcpu *v, uint64_t va, mfn_t *table)
{
    uint64_t entry = v->arch.cr3_kernel;

    if (unlikely(!guest_address_ok(va)) || !step(&entry, va, 4) || !step(&entry, va, 3) || !step(&entry, va, 2)) {
        return false;
    }
    *table = pte_mfn(entry);
    return true;
}

int pt_update_own_l1(struct vcpu *v, mfn_t table, unsigned int index, uint64_t entry, struct domain *pg_owner,
                     bool preserve_ad)
{
    struct frame *f;
    int rc = -EAGAIN;

    if (unlikely(!frame_valid(table)) || unlikely(!frame_get(frame_of(table), v->domain))) {
        return -EAGAIN;
    }
    f = frame_of(table);
    if (likely(type_lock_l1(f))) {
        rc = l1e_update((uint64_t *)arch_map_frame(table) + index, entry, v->domain, pg_owner, preserve_ad);
        if (unlikely(type_unlock_table(f))) {
            old_table_leave(v, f);
        }
    }
    frame_put(f);
    return rc;
}

struct frame *pt_find_l1(struct vcpu *v, uint64_t va, unsigned int *index)
{
    mfn_t mfn = v->arch.kernel_mode ? v->arch.l4_kernel : v->arch.l4_user;
    unsigned int level;

    if ((va >> 43) == HOLE_TOP_BITS) {
        return NULL;
    }
    /*
     * Read without a lock: what an entry names was a table of this domain when it was read. It may have changed since; the
     * reference below and the type check under the table's lock decide.
     */
    for (level = 4; level > 1; level--) {
        const uint64_t *table = arch_map_frame(mfn);
        uint64_t entry = __atomic_load_n(&table[pt_index(va, level)], __ATOMIC_RELAXED);

        if (!(entry & PTE_P) || !frame_valid(pte_mfn(entry))) {
            return NULL;
        }
        mfn = pte_mfn(entry);
    }
    if (!frame_get(frame_of(mfn), v->domain)) {
        return NULL;
    }
    *index = pt_index(va, 1);
    return frame_of(mfn);
}
