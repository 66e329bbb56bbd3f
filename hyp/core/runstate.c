/*
 * What a vCPU spends its life with: running, waiting for a CPU, blocked, offline. The four times
 * add up to the time since the vCPU was made. Source: public/vcpu.h, struct vcpu_runstate_info.
 */
#include <lodge/shared.h>
#include "core/domain.h"
#include "core/guest.h"
#include "core/sched_private.h"
#include "core/trace.h"

void vcpu_runstate_init(struct vcpu *v, uint64_t now_ns)
{
    v->runstate.state = v->is_idle ? RUNSTATE_running : RUNSTATE_offline;
    v->runstate.state_entry_time = now_ns;
}

void vcpu_runstate_change(struct vcpu *v, int state, uint64_t now_ns)
{
    struct vcpu_runstate_info *rs = &v->runstate;

    if (unlikely(trace_on) && state != rs->state) {
        TRACE(TRC_SCHED_RUNSTATE_CHANGE | (uint32_t)rs->state << 8 | (uint32_t)state << 4,
              TRACE_U16(v->id, v->domain->id));
    }
    /*
     * Clocks of two CPUs agree only within their error: time that seems to run backwards is not
     * charged.
     */
    if (now_ns > rs->state_entry_time) {
        rs->time[rs->state] += now_ns - rs->state_entry_time;
        rs->state_entry_time = now_ns;
    }
    rs->state = state;
}

void vcpu_runstate_get(struct vcpu *v, struct vcpu_runstate_info *out)
{
    unsigned long flags;
    struct sched_cpu *s = sched_lock(v, &flags);
    uint64_t now_ns;

    *out = v->runstate;
    sched_unlock(s, flags);
    now_ns = arch_time_ns();
    if (now_ns > out->state_entry_time) {
        out->time[out->state] += now_ns - out->state_entry_time;
    }
}

bool vcpu_runstate_copy_to_guest(struct vcpu *v)
{
    uint64_t gva = v->runstate_gva;
    uint64_t entry_gva = gva + offsetof(struct vcpu_runstate_info, state_entry_time);
    struct vcpu_runstate_info copy = v->runstate; /* v runs: only this CPU changes it */
    bool flagged;
    int rc;

    if (!gva) {
        return true;
    }
    flagged = __atomic_load_n(&v->domain->vm_assist, __ATOMIC_RELAXED) &
              1ULL << VMASST_TYPE_runstate_update_flag;
    if (flagged) {
        /*
         * A reader on another vCPU sees the flag before anything else changes, and until everything
         * has.
         */
        copy.state_entry_time |= XEN_RUNSTATE_UPDATE;
        rc = guest_copy_to(entry_gva, &copy.state_entry_time, sizeof(copy.state_entry_time));
        if (rc) {
            return false;
        }
        shared_wmb();
    }
    rc = guest_copy_to(gva, &copy, sizeof(copy));
    if (!rc && flagged) {
        copy.state_entry_time &= ~XEN_RUNSTATE_UPDATE;
        shared_wmb();
        rc = guest_copy_to(entry_gva, &copy.state_entry_time, sizeof(copy.state_entry_time));
    }
    return !rc;
}
