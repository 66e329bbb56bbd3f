/* A vCPU waits of its own will: blocks until an event, or lets others go first. */
#include <lodge/shared.h>
#include "core/evtchn.h"
#include "core/sched_private.h"
#include "core/trace.h"

void vcpu_block(void)
{
    struct vcpu *v = current;

    shared_write(&v->info->evtchn_upcall_mask, 0);
    /*
     * Blocked first, then look: an event that comes in between finds the flag and clears it. The
     * atomic operation is a full barrier; it pairs with the one that sets evtchn_upcall_pending
     * before vcpu_unblock().
     */
    __atomic_fetch_or(&v->pause_flags, 1U << VCPU_BLOCKED, __ATOMIC_SEQ_CST);
    if (vcpu_event_pending(v)) {
        __atomic_fetch_and(&v->pause_flags, ~(1U << VCPU_BLOCKED), __ATOMIC_SEQ_CST);
    } else {
        TRACE(TRC_SCHED_BLOCK, v->domain->id, v->id);
        softirq_raise(SOFTIRQ_SCHED);
    }
}

void vcpu_unblock(struct vcpu *v)
{
    uint32_t old = __atomic_fetch_and(&v->pause_flags, ~(1U << VCPU_BLOCKED), __ATOMIC_SEQ_CST);
    uint64_t bit = 1ULL << (v->id % 64);

    if (!(old & 1U << VCPU_BLOCKED)) {
        return;
    }
    if (unlikely(v->poll_evtchn)) {
        /*
         * SCHEDOP_poll ends with any wake-up. It may have ended by now, and another have begun:
         * who takes the bit by which that would be found wakes it up too.
         */
        __atomic_store_n(&v->poll_evtchn, 0, __ATOMIC_RELAXED);
        if (__atomic_fetch_and(&v->domain->poll_mask[v->id / 64], ~bit, __ATOMIC_SEQ_CST) & bit) {
            __atomic_fetch_and(&v->pause_flags, ~(1U << VCPU_BLOCKED), __ATOMIC_SEQ_CST);
        }
    }
    vcpu_wake(v);
}

void vcpu_yield(void)
{
    struct vcpu *v = current;
    unsigned long flags;
    struct sched_cpu *s = sched_lock(v, &flags);

    v->sched.yielding = true;
    perfc_incr(sched_yield);
    TRACE(TRC_SCHED_YIELD, v->domain->id, v->id);
    sched_unlock(s, flags);
    softirq_raise(SOFTIRQ_SCHED);
}
