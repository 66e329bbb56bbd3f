/*
 * Device memory has become read-only that guests may have mapped writable before: every page table of
 * level 1 is looked through, and what names such a frame loses its permission to write. Meanwhile no
 * new writable entry comes, so that each table is looked at once (platform/mmio.h).
 */
#include <lodge/rangeset.h>
#include "core/domain.h"
#include "core/frame.h"
#include "core/log.h"
#include "core/softirq.h"
#include "mm/flush.h"
#include "platform/mmio.h"
#include "pv/pt_entry.h"
#include "pv/type.h"

#define BATCH 4096 /* frames between two looks at the clock; most are no tables */

static bool busy; /* one CPU at a time works on it; whoever comes meanwhile asks again */
static uint64_t next;       /* frames before it are done */
static uint32_t generation; /* of what is read-only: mmio_generation() */

static void sweep_entry(uint64_t *at)
{
    uint64_t e = __atomic_load_n(at, __ATOMIC_RELAXED);
    uint64_t mfn = pte_mfn(e).n;

    if ((e & (PTE_P | PTE_RW)) != (PTE_P | PTE_RW) || likely(!frame_is_io(MFN(mfn)))) {
        return;
    }
    if (mmio_read_only(mfn)) {
        __atomic_fetch_and(at, ~PTE_RW, __ATOMIC_SEQ_CST);
    } else {
        mmio_still_written(mfn);
    }
}

/* A table that is just becoming one has looked at its entries already: it is done in a moment. */
static bool is_l1(const struct frame *f)
{
    uint64_t x = type_word(f);

    while ((x & (TYPE_MASK | TYPE_VALIDATED)) == TYPE_L1 && x & TYPE_COUNT_MASK) {
        arch_cpu_relax();
        x = type_word(f);
    }
    return (x & (TYPE_MASK | TYPE_VALIDATED)) == (TYPE_L1 | TYPE_VALIDATED);
}

static void sweep_frame(struct frame *f)
{
    struct domain *d;

    if (likely((type_word(f) & TYPE_MASK) != TYPE_L1) || !is_l1(f)) {
        return;
    }
    d = domain_get((domid_t)f->owner);
    if (d && !rangeset_empty(d->arch.iomem) && frame_get(f, d)) {
        if (type_lock_l1(f)) {
            uint64_t *table = arch_map_frame(frame_mfn(f));

            for (unsigned int i = 0; i < ENTRIES; i++) {
                sweep_entry(&table[i]);
            }
            if (type_unlock_table(f)) {
                old_table_leave(current, f);
            }
        }
        frame_put(f);
    }
    domain_put(d);
}

/* True: all done. */
static bool sweep_on(void)
{
    while (next < max_frame) {
        uint64_t end = MIN(next + BATCH, max_frame);

        while (next < end) {
            mfn_t mfn = MFN(next++);

            if (frame_valid(mfn)) {
                sweep_frame(frame_of(mfn));
            }
            if (unlikely(current->arch.old_tables[0])) {
                return false;
            }
        }
        if (preempt_requested()) {
            return false;
        }
    }
    return true;
}

void mmio_sweep(void)
{
    uint32_t now;

    if (old_table_finish(current) || __atomic_exchange_n(&busy, true, __ATOMIC_ACQUIRE)) {
        return;
    }
    now = mmio_generation();
    if (now != generation || !next) { /* more has become read-only: from the beginning */
        generation = now;
        next = 0;
        mmio_sweep_begin();
    }
    if (sweep_on()) {
        flush_tlb_all();
        if (mmio_sweep_end(generation)) {
            log_debug("device memory: page tables were looked through for %u", generation);
        }
        next = 0;
    }
    __atomic_store_n(&busy, false, __ATOMIC_RELEASE);
}
