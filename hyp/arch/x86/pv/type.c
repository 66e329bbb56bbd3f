/* Counting, validating and devalidating the types of frames; type.h has the states. pt_entry.c knows the entries. */
#include "pv/type.h"
#include <lodge/errno.h>
#include <lodge/string.h>
#include "core/domain.h"
#include "core/log.h"
#include "core/softirq.h"
#include "mm/cache.h"
#include "mm/flush.h"
#include "mm/page.h"
#include "pv/descriptor.h"
#include "pv/pt_entry.h"

/* arch_word of a partial table: how many entries from 0 on hold references, and what is with the next one. */
#define PROGRESS_MASK  0x3ffU
#define PROGRESS_CHILD 0x10000U /* the table that entry [progress] names may be partial on our account */

static bool cmpxchg_type(struct frame *f, uint64_t *old, uint64_t new)
{
    return __atomic_compare_exchange_n(&f->type, old, new, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

static void clear_and_set(struct frame *f, uint64_t clear, uint64_t set)
{
    uint64_t x = type_word(f);

    while (!cmpxchg_type(f, &x, (x & ~clear) | set)) {
    }
}

static uint64_t *table_of(const struct frame *f)
{
    return arch_map_frame(frame_mfn(f));
}

/* The frame was something else: nobody may still reach it through an old translation. */
static __attribute__((noinline)) void flush_stale(struct frame *f, uint32_t stamp)
{
    struct domain *d = domain_by_id(f->owner);
    cpumap_t mask;

    if (!d) {
        return;
    }
    memcpy(&mask, d->arch.dirty_cpus, sizeof(mask));
    tlb_filter(&mask, stamp);
    if (!cpumap_empty(&mask)) {
        flush_tlb_mask(&mask);
    }
}

/* Most tables are mostly empty: eight entries at a time are passed over, from i upwards or from below i downwards. */
static ALWAYS_INLINE bool eight_empty(const uint64_t *e)
{
    return !(e[0] | e[1] | e[2] | e[3] | e[4] | e[5] | e[6] | e[7]);
}

static ALWAYS_INLINE unsigned int skip_up(const uint64_t *table, unsigned int i)
{
    while (i % 8 == 0 && i < ENTRIES && eight_empty(&table[i])) {
        i += 8;
    }
    return i;
}

static ALWAYS_INLINE unsigned int skip_down(const uint64_t *table, unsigned int i)
{
    while (i % 8 == 0 && i > 0 && eight_empty(&table[i - 8])) {
        i -= 8;
    }
    return i;
}

/* Level 1: at most 512 short steps, all or nothing. */
static int l1_validate(struct frame *f, struct domain *d)
{
    uint64_t *table = table_of(f);
    unsigned int i;
    int rc = 0;

    for (i = skip_up(table, 0); i < ENTRIES; i = skip_up(table, i + 1)) {
        uint64_t entry = table[i];

        if (!(entry & PTE_P)) {
            continue;
        }
        rc = l1e_get(&entry, d, d);
        if (rc) {
            goto undo;
        }
        table[i] = l1e_adjust(entry);
    }
    return 0;

undo:
    log_guest_debug("L1 table %lx refused: entry %u is %016lx (%d)", (unsigned long)frame_mfn(f).n, i,
                    (unsigned long)table[i], rc);
    while (i-- > 0) {
        l1e_put(table[i]);
    }
    return rc;
}

static void l1_devalidate(struct frame *f)
{
    const uint64_t *table = table_of(f);

    for (unsigned int i = skip_up(table, 0); i < ENTRIES; i = skip_up(table, i + 1)) {
        l1e_put(table[i]);
    }
}

static bool slot_is_ours(unsigned int level, unsigned int i)
{
    return level == 4 && i >= HOLE_SLOT_FIRST && i < HOLE_SLOT_END;
}

void arch_frame_share_with_tools(struct frame *f, bool writable)
{
    f->owner = FRAME_OWNER_XEN;
    f->type = (writable ? TYPE_WRITABLE : TYPE_NONE) | TYPE_VALIDATED | 1;
    __atomic_store_n(&f->count, FRAME_RESERVED | FRAME_EXTRA | 1, __ATOMIC_RELEASE);
}

void l4_m2p_show(mfn_t l4, bool show)
{
    uint64_t *slot = (uint64_t *)arch_map_frame(l4) + pt_index(M2P_START, 4);

    __atomic_store_n(slot, show ? hyp_l4[pt_index(M2P_START, 4)] : 0, __ATOMIC_RELAXED);
}

/* Levels 2 to 4, from arch_word on. -ERESTART and errors leave in arch_word how far it came. */
static int table_validate(struct frame *f, unsigned int level, struct domain *d, bool preemptible)
{
    uint64_t *table = table_of(f);
    unsigned int start = f->arch_word & PROGRESS_MASK, i;
    int rc;

    for (i = skip_up(table, start); i < ENTRIES; i = skip_up(table, i + 1)) {
        uint64_t entry = table[i];

        if (!(entry & PTE_P) || slot_is_ours(level, i)) {
            continue;
        }
        if (preemptible && i > start && preempt_requested()) {
            f->arch_word = i;
            return -ERESTART;
        }
        rc = table_entry_get(f, level, entry, d, preemptible);
        if (rc) {
            f->arch_word = i | PROGRESS_CHILD;
            if (rc != -ERESTART) {
                log_guest_debug("L%u table %lx refused: entry %u is %016lx (%d)", level,
                                (unsigned long)frame_mfn(f).n, i, (unsigned long)entry, rc);
            }
            return rc;
        }
        table[i] = table_entry_adjust(level, entry);
    }
    if (level == 4) {
        memcpy(table + HOLE_SLOT_FIRST, hyp_l4 + HOLE_SLOT_FIRST, (HOLE_SLOT_END - HOLE_SLOT_FIRST) * sizeof(*table));
        l4_m2p_show(frame_mfn(f), m2p_is_strict(d));
    }
    return 0;
}

/* The table that an entry names, if it can be one that this table's validation left partial. */
static struct frame *entry_child(const struct frame *f, uint64_t entry)
{
    struct frame *child;

    if (!(entry & PTE_P) || !frame_valid(pte_mfn(entry))) {
        return NULL;
    }
    child = frame_of(pte_mfn(entry));
    return child->owner == f->owner && child != f ? child : NULL;
}

/* Levels 2 to 4, downwards from arch_word. 0, or -ERESTART with arch_word brought up to date. */
static int table_devalidate(struct frame *f, unsigned int level, bool preemptible)
{
    const uint64_t *table = table_of(f);
    unsigned int i = f->arch_word & PROGRESS_MASK;
    bool first = true;

    if (f->arch_word & PROGRESS_CHILD) {
        struct frame *child = entry_child(f, table[i]);

        if (child && type_abandon(child, preemptible)) {
            return -ERESTART;
        }
        f->arch_word = i;
    }
    while ((i = skip_down(table, i)) > 0) {
        uint64_t entry = table[i - 1];

        if (!(entry & PTE_P) || slot_is_ours(level, i - 1)) {
            i--;
            continue;
        }
        if (preemptible && !first && preempt_requested()) {
            f->arch_word = i;
            return -ERESTART;
        }
        first = false;
        i--;
        if (table_entry_put(f, level, entry, preemptible)) {
            f->arch_word = i | PROGRESS_CHILD;
            return -ERESTART;
        }
    }
    return 0;
}

/* The work on a table stops here: the state takes over the type reference, and a general one. */
static void become_partial(struct frame *f, bool has_general_reference)
{
    if (!has_general_reference) {
        bool ok = frame_get_any(f);

        assert(ok); /* whoever works on a table holds a reference */
        (void)ok;
    }
    clear_and_set(f, 0, TYPE_PARTIAL);
}

/* The table has no valid entry any more: count zero. */
static void become_unused(struct frame *f)
{
    f->arch_word = tlb_stamp_now();
    clear_and_set(f, TYPE_COUNT_MASK | TYPE_VALIDATED | TYPE_PARTIAL | TYPE_PINNED, 0);
}

/* The caller has count 1, neither VALIDATED nor PARTIAL. owned: the state's general reference came along. */
static int devalidate(struct frame *f, bool owned, bool preemptible)
{
    uint64_t x = type_word(f);
    int rc = 0;

    if ((x & TYPE_MASK) == TYPE_L1) {
        l1_devalidate(f);
    } else {
        rc = table_devalidate(f, TYPE_LEVEL(x), preemptible);
    }
    if (rc) {
        become_partial(f, owned);
        return rc;
    }
    become_unused(f);
    if (owned) {
        frame_put(f);
    }
    return 0;
}

static int validate(struct frame *f, uint64_t type, bool resumed, bool preemptible)
{
    struct domain *d = domain_by_id(f->owner);
    int rc;

    if (type == TYPE_SEGDESC) {
        rc = segdesc_validate(table_of(f));
    } else if (type == TYPE_L1) {
        rc = l1_validate(f, d);
    } else {
        rc = table_validate(f, TYPE_LEVEL(type), d, preemptible);
        if (rc && (rc == -ERESTART || f->arch_word)) {
            become_partial(f, resumed);
            return rc;
        }
    }
    if (rc) {
        become_unused(f);
    } else {
        clear_and_set(f, 0, TYPE_VALIDATED);
    }
    if (resumed) {
        frame_put(f);
    }
    return rc;
}

int type_get(struct frame *f, uint64_t type, bool preemptible)
{
    uint64_t x = type_word(f), new;
    uint32_t stamp;

    for (;;) {
        stamp = f->arch_word; /* means something only if the count is 0: then nobody changes it but who wins below */
        if (!(x & TYPE_COUNT_MASK)) {
            new = type | 1 | (x & TYPE_COMBINED);
            if (type == TYPE_WRITABLE && ((x & TYPE_MASK) == TYPE_WRITABLE || (x & TYPE_MASK) == TYPE_NONE)) {
                new |= TYPE_VALIDATED; /* it was writable or nothing before: no translation to flush */
            }
        } else if (unlikely((x & TYPE_MASK) != type)) {
            return -EINVAL;
        } else if (likely(x & TYPE_VALIDATED)) {
            new = x + 1;
        } else if (x & TYPE_PARTIAL) {
            new = x & ~TYPE_PARTIAL;
        } else {
            /* Another CPU works on it: at most until its next chance to stop. */
            if (preemptible && preempt_requested()) {
                return -ERESTART;
            }
            arch_cpu_relax();
            x = type_word(f);
            continue;
        }
        if (likely(cmpxchg_type(f, &x, new))) {
            break;
        }
    }
    if (new & TYPE_VALIDATED) {
        return 0;
    }
    if (x & TYPE_COUNT_MASK) {
        return validate(f, type, true, preemptible);
    }
    if ((x & TYPE_MASK) != type && (x & TYPE_MASK) != TYPE_NONE) {
        flush_stale(f, stamp);
    }
    if (type == TYPE_WRITABLE) {
        clear_and_set(f, 0, TYPE_VALIDATED);
        return 0;
    }
    if (unlikely(new & TYPE_COMBINED)) { /* what is validated is what the CPU will read */
        cache_flush(table_of(f), PAGE_SIZE);
        clear_and_set(f, TYPE_COMBINED, 0);
    }
    f->arch_word = 0;
    f->arch_half = 0;
    return validate(f, type, false, preemptible);
}

int type_put(struct frame *f, bool preemptible)
{
    uint64_t x = type_word(f), new;

    do {
        assert(x & TYPE_COUNT_MASK);
        new = x - 1;
        if (!(new & TYPE_COUNT_MASK)) {
            if (TYPE_IS_TABLE(x)) {
                new = x & ~TYPE_VALIDATED; /* count stays 1 while the entries are given back */
            } else {
                new &= ~TYPE_VALIDATED;
                f->arch_word = tlb_stamp_now();
            }
        }
    } while (unlikely(!cmpxchg_type(f, &x, new)));
    if ((x & TYPE_COUNT_MASK) == 1 && TYPE_IS_TABLE(x)) {
        f->arch_word = ENTRIES;
        return devalidate(f, false, preemptible);
    }
    return 0;
}

void type_put_now(struct frame *f)
{
    int rc = type_put(f, false);

    assert(!rc);
    (void)rc;
}

int type_abandon(struct frame *f, bool preemptible)
{
    uint64_t x = type_word(f);

    do {
        if (!(x & TYPE_PARTIAL)) {
            return 0;
        }
    } while (!cmpxchg_type(f, &x, x & ~TYPE_PARTIAL));
    return devalidate(f, true, preemptible);
}

bool type_pin(struct frame *f)
{
    return !(__atomic_fetch_or(&f->type, TYPE_PINNED, __ATOMIC_ACQ_REL) & TYPE_PINNED);
}

bool type_unpin(struct frame *f)
{
    return __atomic_fetch_and(&f->type, ~TYPE_PINNED, __ATOMIC_ACQ_REL) & TYPE_PINNED;
}

int type_unlock_last(struct frame *f)
{
    uint64_t x = type_word(f), new;

    do {
        new = (x & ~TYPE_LOCKED) - 1;
        if (!(new & TYPE_COUNT_MASK)) {
            new = x & ~(TYPE_LOCKED | TYPE_VALIDATED);
        }
    } while (!cmpxchg_type(f, &x, new));
    if (new & TYPE_VALIDATED) {
        return 0;
    }
    f->arch_word = ENTRIES;
    return devalidate(f, false, true);
}

void old_table_leave(struct vcpu *v, struct frame *f)
{
    unsigned int i = v->arch.old_tables[0] ? 1 : 0;
    bool ok = frame_get_any(f);

    assert(ok && !v->arch.old_tables[i]);
    (void)ok;
    v->arch.old_tables[i] = f;
}

int old_table_finish_slow(struct vcpu *v)
{
    for (unsigned int i = ARRAY_SIZE(v->arch.old_tables); i-- > 0;) { /* the first place is empty only if all are */
        struct frame *f = v->arch.old_tables[i];

        if (likely(!f)) {
            continue;
        }
        if (type_abandon(f, true)) {
            return -ERESTART;
        }
        v->arch.old_tables[i] = NULL;
        frame_put(f);
    }
    return 0;
}
