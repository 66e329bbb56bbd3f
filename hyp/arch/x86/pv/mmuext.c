/* HYPERVISOR_mmuext_op: public/xen.h. Pinning, base pointers, flushes, LDT, page clearing and copying. */
#include <lodge/errno.h>
#include <lodge/string.h>
#include "core/hypercall.h"
#include "core/log.h"
#include "core/softirq.h"
#include "mm/flush.h"
#include "mm/page.h"
#include "pv/descriptor.h"
#include "pv/guest_access.h"
#include "pv/mm_target.h"
#include "pv/pv.h"
#include "pv/pv_mm.h"
#include "pv/type.h"

#define MMU_UPDATE_PREEMPTED (1U << 31)

/* A subtree that was refused halfway has nobody else to finish it. */
static int table_get(struct vcpu *v, struct frame *f, uint64_t type)
{
    int rc = type_get(f, type, true);

    if (rc && rc != -ERESTART && type_word(f) & TYPE_PARTIAL) {
        old_table_leave(v, f);
    }
    return rc;
}

static int root_get(struct vcpu *v, struct frame *f)
{
    int rc = type_get_quick(f, TYPE_L4); /* mostly pinned, so in use */

    if (unlikely(rc && rc != -ERESTART) && type_word(f) & TYPE_PARTIAL) {
        old_table_leave(v, f);
    }
    return rc;
}

/* Both references of a table go. */
static void table_put(struct vcpu *v, struct frame *f)
{
    if (unlikely(type_put_quick(f))) {
        old_table_leave(v, f);
    }
    frame_put(f);
}

static int op_pin(struct vcpu *v, struct domain *d, uint64_t mfn, uint64_t type)
{
    struct frame *f;
    int rc;

    if (!frame_valid(MFN(mfn)) || !frame_get(frame_of(MFN(mfn)), d)) {
        return -EINVAL;
    }
    f = frame_of(MFN(mfn));
    rc = table_get(v, f, type);
    if (rc) {
        frame_put(f);
        return rc;
    }
    if (!type_pin(f)) {
        table_put(v, f);
        return -EINVAL;
    }
    if (d->is_dying && type_unpin(f)) { /* nobody would come to unpin it */
        table_put(v, f);
    }
    return 0;
}

static int op_unpin(struct vcpu *v, struct domain *d, uint64_t mfn)
{
    struct frame *f;
    int rc = -EINVAL;

    if (!frame_valid(MFN(mfn)) || !frame_get(frame_of(MFN(mfn)), d)) {
        return -EINVAL;
    }
    f = frame_of(MFN(mfn));
    if (type_unpin(f)) {
        table_put(v, f);
        rc = 0;
    }
    frame_put(f);
    return rc;
}

int pv_set_kernel_root(struct vcpu *v, mfn_t mfn)
{
    mfn_t old = v->arch.l4_kernel;
    int rc;

    if (!mfn_eq(old, mfn)) {
        if (!frame_valid(mfn) || !frame_get(frame_of(mfn), v->domain)) {
            return -EINVAL;
        }
        rc = root_get(v, frame_of(mfn));
        if (rc) {
            frame_put(frame_of(mfn));
            return rc;
        }
        if (!m2p_is_strict(v->domain)) {
            l4_m2p_show(mfn, true);
        }
        v->arch.l4_kernel = mfn;
        v->arch.cr3_kernel = mfn.n << PAGE_SHIFT;
    }
    if (v == current) {
        if (unlikely(v->arch.ldt_ents)) {
            pv_ldt_drop(v);
        }
        write_cr3_flush(v->arch.cr3_kernel);
    }
    if (!mfn_eq(old, mfn) && !mfn_eq(old, MFN_INVALID)) {
        table_put(v, frame_of(old));
    }
    return 0;
}

int pv_set_user_root(struct vcpu *v, uint64_t mfn)
{
    mfn_t old = v->arch.l4_user, new = mfn ? MFN(mfn) : MFN_INVALID;
    int rc;

    if (mfn_eq(old, new)) {
        return 0;
    }
    if (mfn) {
        if (!frame_valid(new) || !frame_get(frame_of(new), v->domain)) {
            return -EINVAL;
        }
        rc = root_get(v, frame_of(new));
        if (rc) {
            frame_put(frame_of(new));
            return rc;
        }
    }
    if (mfn && m2p_is_strict(v->domain)) {
        l4_m2p_show(new, false);
    }
    v->arch.l4_user = new;
    v->arch.cr3_user = mfn << PAGE_SHIFT;
    if (!mfn_eq(old, MFN_INVALID)) {
        table_put(v, frame_of(old));
    }
    return 0;
}

static struct frame *writable_get(struct domain *d, uint64_t mfn)
{
    struct frame *f;

    if (!frame_valid(MFN(mfn)) || !frame_get(frame_of(MFN(mfn)), d)) {
        return NULL;
    }
    f = frame_of(MFN(mfn));
    if (type_get(f, TYPE_WRITABLE, false)) {
        frame_put(f);
        return NULL;
    }
    return f;
}

static void writable_put(struct frame *f)
{
    type_put_now(f);
    frame_put(f);
}

static int op_clear_page(struct domain *d, uint64_t mfn)
{
    struct frame *f = writable_get(d, mfn);

    if (!f) {
        return -EINVAL;
    }
    memset(arch_map_frame(MFN(mfn)), 0, PAGE_SIZE);
    writable_put(f);
    return 0;
}

static int op_copy_page(struct domain *d, uint64_t to, uint64_t from)
{
    struct frame *f;

    if (!frame_valid(MFN(from)) || !frame_get(frame_of(MFN(from)), d)) {
        return -EINVAL;
    }
    f = writable_get(d, to);
    if (f) {
        memcpy(arch_map_frame(MFN(to)), arch_map_frame(MFN(from)), PAGE_SIZE);
        writable_put(f);
    }
    frame_put(frame_of(MFN(from)));
    return f ? 0 : -EINVAL;
}

static int op_flush_multi(struct domain *d, const struct mmuext_op *op)
{
    cpumap_t cpus;

    if (op->cmd == MMUEXT_TLB_FLUSH_ALL || op->cmd == MMUEXT_INVLPG_ALL) {
        mm_dirty_cpus(d, &cpus);
    } else if (mm_vcpus_to_cpus(d, (uint64_t)op->arg2.vcpumask.p, &cpus)) {
        return -EINVAL;
    }
    if (op->cmd == MMUEXT_TLB_FLUSH_MULTI || op->cmd == MMUEXT_TLB_FLUSH_ALL) {
        flush_tlb_mask(&cpus);
    } else if (guest_address_ok(op->arg1.linear_addr)) {
        flush_tlb_one_mask(&cpus, op->arg1.linear_addr);
    }
    return 0;
}

static void cache_flush_here(void *arg)
{
    (void)arg;
    wbinvd();
}

static void cache_flush_all(void)
{
    wbinvd();
    arch_call_cpus(cpus_online.bits, cache_flush_here, NULL);
}

static int op_flush_cache(struct domain *d, bool everywhere)
{
    if (!d->arch.may_cache) {
        return everywhere ? -EINVAL : -EACCES;
    }
    if (everywhere) {
        cache_flush_all();
    } else {
        wbinvd();
    }
    return 0;
}

/* Operations on the caller's own context; on another domain's behalf they are refused. */
static int run_own(struct vcpu *v, const struct mmuext_op *op)
{
    switch (op->cmd) {
    case MMUEXT_TLB_FLUSH_MULTI:
    case MMUEXT_INVLPG_MULTI:
    case MMUEXT_TLB_FLUSH_ALL:
    case MMUEXT_INVLPG_ALL:
        return op_flush_multi(v->domain, op);
    case MMUEXT_FLUSH_CACHE:
        return op_flush_cache(v->domain, false);
    case MMUEXT_FLUSH_CACHE_GLOBAL:
        return op_flush_cache(v->domain, true);
    case MMUEXT_SET_LDT:
        return pv_ldt_set(v, op->arg1.linear_addr, op->arg2.nr_ents);
    default:
        return -ENOSYS;
    }
}

/* What context switches and changed mappings need, asked for first. -EAGAIN: something else. */
static ALWAYS_INLINE int run_hot(struct vcpu *v, const struct mmuext_op *op)
{
    if (op->cmd == MMUEXT_INVLPG_LOCAL) {
        if (guest_address_ok(op->arg1.linear_addr)) {
            invlpg(op->arg1.linear_addr);
        }
        return 0;
    }
    if (op->cmd == MMUEXT_TLB_FLUSH_LOCAL) {
        flush_tlb_local();
        return 0;
    }
    if (op->cmd == MMUEXT_NEW_BASEPTR) {
        return pv_set_kernel_root(v, MFN(op->arg1.mfn));
    }
    if (op->cmd == MMUEXT_NEW_USER_BASEPTR) {
        return pv_set_user_root(v, op->arg1.mfn);
    }
    return -EAGAIN;
}

static int run_one(struct vcpu *v, struct domain *d, const struct mmuext_op *op)
{
    switch (op->cmd) {
    case MMUEXT_PIN_L1_TABLE:
    case MMUEXT_PIN_L2_TABLE:
    case MMUEXT_PIN_L3_TABLE:
    case MMUEXT_PIN_L4_TABLE:
        return op_pin(v, d, op->arg1.mfn, TYPE_OF_LEVEL(op->cmd - MMUEXT_PIN_L1_TABLE + 1));
    case MMUEXT_UNPIN_TABLE:
        return op_unpin(v, d, op->arg1.mfn);
    case MMUEXT_CLEAR_PAGE:
        return op_clear_page(d, op->arg1.mfn);
    case MMUEXT_COPY_PAGE:
        return op_copy_page(d, op->arg1.mfn, op->arg2.src_mfn);
    case MMUEXT_MARK_SUPER:
    case MMUEXT_UNMARK_SUPER:
        return -EOPNOTSUPP;
    default:
        if (op->cmd > MMUEXT_UNMARK_SUPER) {
            return -ENOSYS;
        }
        return d == v->domain ? run_own(v, op) : -EPERM;
    }
}

static ALWAYS_INLINE bool op_read(struct mmuext_op *op, uint64_t gva)
{
    uint64_t words[sizeof(*op) / sizeof(uint64_t)];

    BUILD_ASSERT(sizeof(*op) == 24);
    if (!guest_address_ok(gva) || !guest_get_u64(gva, &words[0]) || !guest_get_u64(gva + 8, &words[1]) || !guest_get_u64(gva + 16, &words[2])) {
        return false;
    }
    __builtin_memcpy(op, words, sizeof(*op));
    return true;
}

static __attribute__((noinline)) long run_many(struct vcpu *v, uint64_t gva, uint64_t count_arg, uint64_t done_gva,
                                               uint64_t foreign)
{
    unsigned int count = count_arg & ~MMU_UPDATE_PREEMPTED, todo = count, done = 0;
    struct domain *d = NULL;
    struct mmuext_op op;
    long rc;

    if (unlikely((uint32_t)count_arg == MMU_UPDATE_PREEMPTED && !gva)) {
        return (int)foreign;
    }
    if (unlikely(count_arg & MMU_UPDATE_PREEMPTED && done_gva) && guest_copy_from(&done, done_gva, sizeof(done))) {
        return -EFAULT;
    }
    rc = mm_target_get(v, (domid_t)foreign, &d);
    if (rc) {
        goto out;
    }
    if (!d->is_pv && d != &dom_io && d != &dom_xen) {
        rc = -EINVAL;
        goto out;
    }
    for (; todo; todo--, gva += sizeof(op)) {
        if (unlikely(v->arch.old_tables[0]) || (todo != count && preempt_requested())) {
            rc = -ERESTART;
            break;
        }
        if (unlikely(!op_read(&op, gva))) {
            rc = -EFAULT;
            break;
        }
        rc = d == v->domain ? run_hot(v, &op) : -EAGAIN;
        if (rc == -EAGAIN) {
            rc = run_one(v, d, &op);
        }
        if (rc) {
            break;
        }
    }
    done += count - todo;
    perfc_vcpu_add(v, mmuext_ops, count - todo);
    if (unlikely(done_gva) && guest_copy_to(done_gva, &done, sizeof(done)) && rc == -ERESTART) {
        rc = -EFAULT; /* without the count it could not be continued; otherwise its loss is the guest's */
    } else if (rc == -ERESTART) {
        rc = hypercall_continue(4, ARGS(gva, todo | MMU_UPDATE_PREEMPTED, done_gva, foreign));
    } else if (unlikely(old_table_finish(v))) {
        rc = hypercall_continue(4, ARGS(0, MMU_UPDATE_PREEMPTED, done_gva, (uint32_t)rc));
    }
out:
    mm_target_put(v, d);
    return rc;
}

/* A few for the caller itself, all of the hot kinds, are done without the machinery for more; it takes over at any doubt. */
#define HOT_OPS 8

long hypercall_mmuext_op(uint64_t gva, uint64_t count_arg, uint64_t done_gva, uint64_t foreign, uint64_t a5)
{
    struct vcpu *v = current;
    struct mmuext_op op;

    (void)a5;
    if (unlikely(old_table_finish(v))) {
        return hypercall_continue(4, ARGS(gva, count_arg, done_gva, foreign));
    }
    if (likely((uint32_t)foreign == DOMID_SELF && !done_gva && (uint32_t)count_arg <= HOT_OPS)) {
        while (count_arg && !v->arch.old_tables[0] && op_read(&op, gva) && !run_hot(v, &op)) {
            perfc_vcpu_incr(v, mmuext_ops);
            gva += sizeof(op);
            count_arg--;
        }
        if (likely(!count_arg && !v->arch.old_tables[0])) {
            return 0;
        }
    }
    return run_many(v, gva, count_arg, done_gva, foreign);
}
