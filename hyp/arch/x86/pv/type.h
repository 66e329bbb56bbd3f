/*
 * One frame, one type. A frame of a PV guest is at any moment at most one of: page table of level 1 to 4, descriptor page,
 * writable. References of a type are counted; the type changes only at count zero. A page table is validated when its
 * first reference is taken and devalidated when the last one goes; both can stop halfway and be continued.
 *
 * The type word (struct frame.type): bits 0-47 the count, 55-59 flags, 60-63 the type.
 *
 *   state                  count  flags      meaning
 *   unused                 0                 anybody may give it another type
 *   being (de)validated    1                 one CPU works on it; others wait
 *   partial                1      PARTIAL    work stopped after struct frame.arch_word entries; the state itself owns the
 *                                            one type reference and one general reference: whoever comes next may
 *                                            continue upwards (type_get) or downwards (type_abandon)
 *   in use                 >= 1   VALIDATED
 *
 * Whoever calls type_get holds a general reference (frame_get), and keeps it at least as long as the type reference.
 * Source: Xen's xen/arch/x86/mm.c describes the rules that guests rely on.
 */
#ifndef X86_PV_TYPE_H
#define X86_PV_TYPE_H

#include "core/domain.h"
#include "core/frame.h"

#define TYPE_COUNT_MASK ((1ULL << 48) - 1)
#define TYPE_COMBINED   (1ULL << 55) /* was writable with write combining: the cache may hold older contents */
#define TYPE_LOCKED     (1ULL << 56) /* a CPU changes entries of this page table */
#define TYPE_PARTIAL    (1ULL << 57)
#define TYPE_PINNED     (1ULL << 58) /* one of the references is the guest's pin */
#define TYPE_VALIDATED  (1ULL << 59)
#define TYPE_MASK       (15ULL << 60)
#define TYPE_NONE       (0ULL << 60)
#define TYPE_L1         (1ULL << 60)
#define TYPE_L2         (2ULL << 60)
#define TYPE_L3         (3ULL << 60)
#define TYPE_L4         (4ULL << 60)
#define TYPE_SEGDESC    (5ULL << 60)
#define TYPE_WRITABLE   (7ULL << 60)

#define TYPE_OF_LEVEL(level)   ((uint64_t)(level) << 60)
#define TYPE_LEVEL(word)       ((unsigned int)((word) >> 60)) /* of page-table types */
#define TYPE_IS_TABLE(word)    (((word) & TYPE_MASK) - TYPE_L1 <= TYPE_L4 - TYPE_L1)

static inline uint64_t type_word(const struct frame *f)
{
    return __atomic_load_n(&f->type, __ATOMIC_ACQUIRE);
}

/*
 * Take a reference of a type. 0; -EINVAL it has another type or its contents are not valid for this one; -ERESTART
 * (only if preemptible) call again later. Levels 3 and 4, and 2 unless small, need preemptible.
 */
int type_get(struct frame *f, uint64_t type, bool preemptible) MUST_CHECK;
/* The commonest one, inline for the frame that is in use as such, or was last. False: -EINVAL. */
static inline MUST_CHECK bool type_get_writable(struct frame *f)
{
    uint64_t x = type_word(f);

    while (likely((x & TYPE_MASK) == TYPE_WRITABLE && (x & TYPE_VALIDATED || !(x & TYPE_COUNT_MASK)))) {
        if (likely(__atomic_compare_exchange_n(&f->type, &x, (x | TYPE_VALIDATED) + 1, false, __ATOMIC_ACQ_REL,
                                               __ATOMIC_ACQUIRE))) {
            return true;
        }
    }
    return type_get(f, TYPE_WRITABLE, false) == 0;
}
/* Drop one. -ERESTART (only if preemptible): the frame is partial now; the reference is gone, type_abandon() finishes it. */
int type_put(struct frame *f, bool preemptible) MUST_CHECK;
void type_put_now(struct frame *f); /* types other than tables, and tables of level 1 */
/* Any type that is in use already, inline; else the general way. */
static inline MUST_CHECK int type_get_quick(struct frame *f, uint64_t type)
{
    uint64_t x = type_word(f);

    while (likely((x & (TYPE_MASK | TYPE_VALIDATED)) == (type | TYPE_VALIDATED) && x & TYPE_COUNT_MASK)) {
        if (likely(__atomic_compare_exchange_n(&f->type, &x, x + 1, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))) {
            return 0;
        }
    }
    return type_get(f, type, true);
}

/* Any reference but the last, inline. */
static inline MUST_CHECK int type_put_quick(struct frame *f)
{
    uint64_t x = type_word(f);

    while (likely((x & TYPE_COUNT_MASK) > 1)) {
        if (likely(__atomic_compare_exchange_n(&f->type, &x, x - 1, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))) {
            return 0;
        }
    }
    return type_put(f, true);
}

static inline void type_put_writable(struct frame *f)
{
    uint64_t x = type_word(f);

    while (likely((x & TYPE_COUNT_MASK) > 1)) {
        if (likely(__atomic_compare_exchange_n(&f->type, &x, x - 1, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))) {
            return;
        }
    }
    type_put_now(f);
}
/* If the frame is partial, devalidate it. 0 or -ERESTART. */
int type_abandon(struct frame *f, bool preemptible) MUST_CHECK;
/*
 * Whether an L4 table shows the M2P to who runs on it. By itself it does not, and does from when it becomes a
 * kernel's base pointer on; with VMASST_TYPE_m2p_strict it does, until it becomes a user's. Source: Xen 4.17
 * arch/x86/mm.c, new_guest_cr3 and MMUEXT_NEW_USER_BASEPTR.
 */
void l4_m2p_show(mfn_t l4, bool show);
static inline bool m2p_is_strict(const struct domain *d)
{
    return __atomic_load_n(&d->vm_assist, __ATOMIC_RELAXED) & 1ULL << VMASST_TYPE_m2p_strict;
}

/* Sets or clears the pin flag; false if it was so already. */
bool type_pin(struct frame *f) MUST_CHECK;
bool type_unpin(struct frame *f) MUST_CHECK;

/*
 * While locked, a validated page table's entries change only by the holder, who has a type reference for as long. False: it
 * is no validated page table. Unlocking may turn out to drop the last reference: 0 or -ERESTART, as type_put.
 */
static inline MUST_CHECK bool type_lock_table(struct frame *f)
{
    uint64_t x = type_word(f);

    do {
        while (unlikely(x & TYPE_LOCKED)) {
            arch_cpu_relax();
            x = type_word(f);
        }
        if (unlikely(!(x & TYPE_VALIDATED) || !TYPE_IS_TABLE(x))) {
            return false;
        }
    } while (unlikely(!__atomic_compare_exchange_n(&f->type, &x, (x | TYPE_LOCKED) + 1, false, __ATOMIC_ACQ_REL,
                                                   __ATOMIC_ACQUIRE)));
    return true;
}

/* The same for a table of level 1 only, which it stays until unlocked. */
static inline MUST_CHECK bool type_lock_l1(struct frame *f)
{
    uint64_t x = type_word(f);

    do {
        while (unlikely(x & TYPE_LOCKED)) {
            arch_cpu_relax();
            x = type_word(f);
        }
        if (unlikely((x & (TYPE_MASK | TYPE_VALIDATED)) != (TYPE_L1 | TYPE_VALIDATED))) {
            return false;
        }
    } while (unlikely(!__atomic_compare_exchange_n(&f->type, &x, (x | TYPE_LOCKED) + 1, false, __ATOMIC_ACQ_REL,
                                                   __ATOMIC_ACQUIRE)));
    return true;
}

int type_unlock_last(struct frame *f) MUST_CHECK; /* ours is the last reference */

static inline MUST_CHECK int type_unlock_table(struct frame *f)
{
    uint64_t x = type_word(f);

    while (likely((x & TYPE_COUNT_MASK) > 1)) {
        if (likely(__atomic_compare_exchange_n(&f->type, &x, (x & ~TYPE_LOCKED) - 1, false, __ATOMIC_ACQ_REL,
                                               __ATOMIC_ACQUIRE))) {
            return 0;
        }
    }
    return type_unlock_last(f);
}

/*
 * A table whose devalidation stopped is left with the vCPU (vcpu_arch.old_tables); it must be finished before the vCPU
 * leaves more than two: each memory-management hypercall begins with old_table_finish(). 0 or -ERESTART.
 */
void old_table_leave(struct vcpu *v, struct frame *f);
int old_table_finish_slow(struct vcpu *v) MUST_CHECK;
static inline MUST_CHECK int old_table_finish(struct vcpu *v)
{
    return likely(!v->arch.old_tables[0]) ? 0 : old_table_finish_slow(v);
}

#endif
