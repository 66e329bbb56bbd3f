/* HYPERVISOR_mmu_update and HYPERVISOR_update_va_mapping: public/xen.h. */
#include <lodge/errno.h>
#include <lodge/shared.h>
#include "core/hypercall.h"
#include "core/log.h"
#include "core/softirq.h"
#include "mm/flush.h"
#include "mm/page.h"
#include "pv/guest_access.h"
#include "pv/mm_target.h"
#include "pv/pt_entry.h"
#include "pv/pt_update.h"
#include "pv/pv.h"
#include "pv/type.h"

#define MMU_UPDATE_PREEMPTED (1U << 31) /* in the count: a continuation; *pdone holds what was done before */
#define CMD_MASK 7ULL

/*
 * Consecutive requests mostly name the same table: it stays referenced from one to the next and, if it is of level 1, locked.
 * Nothing is read from the guest meanwhile.
 */
struct table_cache {
    struct vcpu *v;
    struct frame *f;
    bool locked;
};

static void cache_drop(struct table_cache *cache)
{
    if (!cache->f) {
        return;
    }
    if (cache->locked && unlikely(type_unlock_table(cache->f))) {
        old_table_leave(cache->v, cache->f);
    }
    frame_put(cache->f);
    cache->f = NULL;
    cache->locked = false;
}

static bool cache_load(struct table_cache *cache, mfn_t mfn, struct domain *owner)
{
    cache_drop(cache);
    if (!frame_valid(mfn) || !frame_get(frame_of(mfn), owner)) {
        return false;
    }
    cache->f = frame_of(mfn);
    cache->locked = type_lock_l1(cache->f);
    return true;
}

static int update_other(const struct pt_change *c, struct frame *table, unsigned int index, uint64_t value)
{
    if (TYPE_IS_TABLE(type_word(table))) {
        return pt_update(c, table, index, value);
    }
    /* Not a page table: an ordinary store, if the guest could do it. */
    if (!type_get_writable(table)) {
        return -EINVAL;
    }
    shared_write((uint64_t *)arch_map_frame(frame_mfn(table)) + index, value);
    type_put_writable(table);
    return 0;
}

static ALWAYS_INLINE int update_entry(struct pt_change *c, struct table_cache *cache, uint64_t request, uint64_t value)
{
    unsigned int index = (request & ~PAGE_MASK) / 8;
    mfn_t mfn = maddr_to_mfn(MADDR(request));

    if (unlikely((request & CMD_MASK) > MMU_PT_UPDATE_NO_TRANSLATE)) {
        return -ENOSYS;
    }
    if ((!cache->f || !mfn_eq(frame_mfn(cache->f), mfn)) && !cache_load(cache, mfn, c->pt_owner)) {
        return -EINVAL;
    }
    c->preserve_ad = (request & CMD_MASK) == MMU_PT_UPDATE_PRESERVE_AD;
    if (likely(cache->locked)) {
        return l1e_update((uint64_t *)arch_map_frame(mfn) + index, value, c->pt_owner, c->pg_owner, c->preserve_ad);
    }
    return update_other(c, cache->f, index, value);
}

static int update_m2p(uint64_t address, uint64_t value, struct domain *pg_owner)
{
    mfn_t mfn = maddr_to_mfn(MADDR(address));

    if (pg_owner == &dom_io || pg_owner == &dom_xen || !frame_valid(mfn) || !frame_get(frame_of(mfn), pg_owner)) {
        return -EINVAL;
    }
    m2p_set(mfn, value);
    frame_put(frame_of(mfn));
    return 0;
}

#define CHUNK 16 /* requests read at a time */

/* At most n of them; fewer if only the first can be read, 0 if not even that. */
static unsigned int chunk_read(struct mmu_update *to, uint64_t gva, unsigned int n)
{
    if (n > 1 && !guest_copy_from(to, gva, n * sizeof(*to))) {
        return n;
    }
    return guest_get_u64(gva, &to->ptr) && guest_get_u64(gva + 8, &to->val);
}

/* The requests of one chunk; returns how many were done. */
static unsigned int chunk_run(struct vcpu *v, const struct mmu_update *req, unsigned int n, struct pt_change *c, int *rc)
{
    struct table_cache cache = { .v = v };
    unsigned int i;

    for (i = 0; i < n; i++) {
        if (likely((req[i].ptr & CMD_MASK) != MMU_MACHPHYS_UPDATE)) {
            *rc = update_entry(c, &cache, req[i].ptr, req[i].val);
        } else {
            *rc = update_m2p(req[i].ptr & ~CMD_MASK, req[i].val, c->pg_owner);
        }
        if (unlikely(*rc)) {
            break;
        }
        if (unlikely(v->arch.old_tables[0])) {
            i++;
            break;
        }
    }
    cache_drop(&cache);
    return i;
}

/* *todo requests at *gva; both are advanced. */
static int run(struct vcpu *v, uint64_t *gva, unsigned int *todo, struct domain *pt_owner, struct domain *pg_owner)
{
    struct pt_change c = { .v = v, .pt_owner = pt_owner, .pg_owner = pg_owner };
    struct mmu_update req[CHUNK];
    int rc = 0;

    for (;;) {
        unsigned int n = chunk_read(req, *gva, MIN(*todo, (unsigned int)CHUNK)), done;

        if (unlikely(!n)) {
            return -EFAULT;
        }
        done = chunk_run(v, req, n, &c, &rc);
        *todo -= done;
        *gva += done * sizeof(*req);
        if (rc || !*todo) {
            return rc;
        }
        if (unlikely(v->arch.old_tables[0] || preempt_requested())) {
            return -ERESTART;
        }
    }
}

/* What a kernel does most: one entry of an L1 table of its own, without the machinery for more. -EAGAIN: not that. */
static long update_one(struct vcpu *v, uint64_t gva)
{
    uint64_t request, value;

    if (unlikely(!guest_address_ok(gva)) || unlikely(!guest_get_u64(gva, &request)) ||
        unlikely(!guest_get_u64(gva + 8, &value))) {
        return -EFAULT;
    }
    if (unlikely(request & 5)) { /* neither MMU_NORMAL_PT_UPDATE nor MMU_PT_UPDATE_PRESERVE_AD, or not aligned */
        return -EAGAIN;
    }
    return pt_update_own_l1(v, maddr_to_mfn(MADDR(request)), (request & ~PAGE_MASK) / 8, value, v->domain,
                            request & MMU_PT_UPDATE_PRESERVE_AD);
}

static __attribute__((noinline)) long update_many(struct vcpu *v, uint64_t gva, uint64_t count_arg, uint64_t done_gva,
                                                  uint64_t foreign)
{
    unsigned int count = count_arg & ~MMU_UPDATE_PREEMPTED, todo = count, done = 0;
    domid_t pt_id = foreign >> 16 & 0xffff, pg_id = foreign & 0xffff;
    struct domain *pt_owner = NULL, *pg_owner = NULL;
    long rc;

    if (unlikely((uint32_t)count_arg == MMU_UPDATE_PREEMPTED && !gva)) {
        return (int)foreign; /* only the old table was left to do: this is the answer */
    }
    if (unlikely(count_arg & MMU_UPDATE_PREEMPTED && done_gva) && guest_copy_from(&done, done_gva, sizeof(done))) {
        return -EFAULT;
    }
    if (unlikely(!guest_range_ok(gva, (uint64_t)count * sizeof(struct mmu_update)))) {
        return -EFAULT;
    }
    rc = mm_target_get(v, pg_id, &pg_owner);
    if (unlikely(rc)) {
        goto out;
    }
    if (!pt_id || pt_id - 1 == v->domain->id) {
        pt_owner = v->domain;
    } else {
        rc = domain_get_target(v, pt_id - 1, &pt_owner);
    }
    if (unlikely(rc)) {
        goto out;
    }
    if (unlikely(!pt_owner->is_pv)) {
        rc = -EINVAL;
        goto out;
    }
    rc = todo ? run(v, &gva, &todo, pt_owner, pg_owner) : 0;
    done += count - todo;
    perfc_vcpu_add(v, page_updates, count - todo);
    if (unlikely(done_gva) && guest_copy_to(done_gva, &done, sizeof(done)) && rc == -ERESTART) {
        rc = -EFAULT; /* without the count it could not be continued; otherwise its loss is the guest's */
    } else if (unlikely(rc == -ERESTART)) {
        rc = hypercall_continue(4, ARGS(gva, todo | MMU_UPDATE_PREEMPTED, done_gva, foreign));
    } else if (unlikely(old_table_finish(v))) {
        rc = hypercall_continue(4, ARGS(0, MMU_UPDATE_PREEMPTED, done_gva, (uint32_t)rc));
    }
out:
    mm_target_put(v, pt_owner);
    mm_target_put(v, pg_owner);
    return rc;
}

/* foreign: low half whose frames entries may name; high half, if not 0, whose tables they are, plus one. */
long hypercall_mmu_update(uint64_t gva, uint64_t count_arg, uint64_t done_gva, uint64_t foreign, uint64_t a5)
{
    struct vcpu *v = current;

    (void)a5;
    if (unlikely(old_table_finish(v))) {
        return hypercall_continue(4, ARGS(gva, count_arg, done_gva, foreign));
    }
    if (likely((uint32_t)count_arg == 1 && !done_gva && (uint32_t)foreign == DOMID_SELF)) {
        long rc = update_one(v, gva);

        if (likely(rc != -EAGAIN)) {
            perfc_vcpu_incr(v, page_updates);
            return rc;
        }
    }
    return update_many(v, gva, count_arg, done_gva, foreign);
}

/* UVMF_*: what to flush after the change. */
static int flush_after(struct vcpu *v, uint64_t va, uint64_t flags)
{
    uint64_t where = flags & ~(uint64_t)UVMF_FLUSHTYPE_MASK;
    unsigned int type = flags & UVMF_FLUSHTYPE_MASK;
    cpumap_t cpus;

    if (type == UVMF_NONE) {
        return 0;
    }
    if (where == UVMF_LOCAL) {
        if (type == UVMF_TLB_FLUSH) {
            flush_tlb_local();
        } else if (type == UVMF_INVLPG) {
            invlpg(va);
        }
        return 0;
    }
    if (where == UVMF_ALL) {
        mm_dirty_cpus(v->domain, &cpus);
    } else if (mm_vcpus_to_cpus(v->domain, where, &cpus)) {
        return -EFAULT;
    }
    if (type == UVMF_TLB_FLUSH) {
        flush_tlb_mask(&cpus);
    } else if (type == UVMF_INVLPG) {
        flush_tlb_one_mask(&cpus, va);
    }
    return 0;
}

static long va_mapping(struct vcpu *v, uint64_t va, uint64_t value, uint64_t flags, struct domain *pg_owner)
{
    mfn_t table;
    long rc;

    if (unlikely(old_table_finish(v))) {
        return hypercall_continue(0, NULL);
    }
    if (unlikely(!pt_find_l1_mfn(v, va, &table))) {
        return -EINVAL;
    }
    /* What was found may be a table no more, or one of another level by now: then nothing happens. */
    rc = pt_update_own_l1(v, table, pt_index(va, 1), value, pg_owner, false);
    if (unlikely(rc)) {
        return rc == -EAGAIN ? -EINVAL : rc;
    }
    return flags ? flush_after(v, va, flags) : 0;
}

long hypercall_update_va_mapping(uint64_t va, uint64_t value, uint64_t flags, uint64_t a4, uint64_t a5)
{
    struct vcpu *v = current;

    (void)a4, (void)a5;
    return va_mapping(v, va, value, flags, v->domain);
}

long hypercall_update_va_mapping_otherdomain(uint64_t va, uint64_t value, uint64_t flags, uint64_t domid, uint64_t a5)
{
    struct vcpu *v = current;
    struct domain *pg_owner = NULL;
    long rc;

    (void)a5;
    rc = mm_target_get(v, (domid_t)domid, &pg_owner);
    if (!rc) {
        rc = va_mapping(v, va, value, flags, pg_owner);
    }
    mm_target_put(v, pg_owner);
    return rc;
}
