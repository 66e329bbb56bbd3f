/*
 * Several hypercalls in one. Each entry is read once and its result written back; an operation that
 * stops leaves its continuation in its entry, and the multicall continues with that entry. Source:
 * public/xen.h, struct multicall_entry.
 */
#include "core/hypercall.h"
#include <lodge/range.h>
#include <lodge/string.h>
#include "core/guest.h"
#include "core/softirq.h"
#include "core/trace.h"

enum outcome {
    GO_ON,
    STOP,    /* with *rc as the multicall's own result */
    LATER,   /* the guest makes this call again, from this entry on */
};

static uint64_t result_gva(uint64_t entry_gva)
{
    return entry_gva + offsetof(struct multicall_entry, result);
}

static long entry_call(const struct multicall_entry *e)
{
    if (e->op >= NR_HYPERCALLS) {
        return -ENOSYS;
    }
    return hypercall_table[index_nospec(e->op, NR_HYPERCALLS)](e->args[0], e->args[1], e->args[2],
                                                               e->args[3], e->args[4]);
}

/* multi is current->multi, and this entry's alone. */
static enum outcome entry_run(uint64_t gva, struct hypercall_multi *multi, long *rc)
{
    struct multicall_entry e;

    *rc = -EFAULT;
    if (guest_copy_from(&e, gva, sizeof(e))) {
        return STOP;
    }
    BUILD_ASSERT(sizeof(multi->args) == sizeof(e.args));
    memcpy(multi->args, e.args, sizeof(multi->args));
    multi->continued = false;
    if (unlikely(trace_on)) {
        trace_hypercall(TRC_PV_HYPERCALL_SUBCALL, (uint32_t)e.op, e.args);
    }
    e.result = (xen_ulong_t)entry_call(&e);
    if (multi->continued) {
        memcpy(e.args, multi->args, sizeof(e.args));
        return guest_copy_to(gva, &e, sizeof(e)) ? STOP : LATER;
    }
    if (e.op == __HYPERVISOR_iret) {
        /*
         * It has replaced the caller's registers: what follows in the list is no longer asked for.
         */
        *rc = (long)e.result;
        return STOP;
    }
    if (guest_copy_to(result_gva(gva), &e.result, sizeof(e.result))) {
        return STOP;
    }
    *rc = 0;
    return GO_ON;
}

/*
 * public/xen.h, multicall. a1: array of struct multicall_entry; a2: how many. 0; -EFAULT; -EINVAL
 * inside another one.
 */
long hypercall_multicall(uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5)
{
    struct vcpu *v = current;
    struct hypercall_multi multi;
    enum outcome outcome = GO_ON;
    uint64_t gva = a1, left = (uint32_t)a2; /* the ABI's type: what is above is not looked at */
    uint64_t done;
    long rc = 0;

    (void)a3;
    (void)a4;
    (void)a5;
    if (v->multi) {
        return -EINVAL;
    }
    if (!guest_range_ok(gva, left * sizeof(struct multicall_entry))) {
        return -EFAULT;
    }
    v->multi = &multi;
    for (done = 0; left && outcome == GO_ON; done++) {
        if (done && preempt_requested()) {
            outcome = LATER;
            break;
        }
        outcome = entry_run(gva, &multi, &rc);
        if (outcome == GO_ON) {
            gva += sizeof(struct multicall_entry);
            left--;
        }
    }
    v->multi = NULL;
    perfc_vcpu_add(v, calls_from_multicall, done);
    return outcome == LATER ? hypercall_continue(2, ARGS(gva, left)) : rc;
}
