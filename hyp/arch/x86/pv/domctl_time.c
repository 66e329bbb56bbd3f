/*
 * Time as the tools set it for a domain: its wall clock's distance from ours, and how its TSC is to
 * behave. Source: public/domctl.h; tsc modes: Xen's xen-tscmode(7) and arch/x86/time.c.
 */
#include "core/domctl.h"

#include <lodge/errno.h>
#include "cpu/insn.h"
#include "platform/time.h"

/* Which ways there are to give a guest a TSC. */
enum tsc_mode { TSC_DEFAULT, TSC_ALWAYS_EMULATE, TSC_NEVER_EMULATE };

long domctl_settimeoffset(struct vcpu *caller, struct domain *d, struct xen_domctl *op)
{
    (void)caller;
    d->time_offset_s = op->u.settimeoffset.time_offset_seconds;
    time_update_wallclock(d);
    return 0;
}

/*
 * A guest's TSC is always the CPU's, which is what `never` and, for a guest that stays on one machine,
 * `default` mean. What a guest says of the time that it lived elsewhere is not needed for either.
 */
long domctl_settscinfo(struct vcpu *caller, struct domain *d, struct xen_domctl *op)
{
    const struct xen_domctl_tsc_info *req = &op->u.tsc_info;

    if (d == caller->domain) {
        return -EINVAL;
    }
    switch (req->tsc_mode) {
    case TSC_DEFAULT:
    case TSC_NEVER_EMULATE:
        d->arch.tsc_mode = req->tsc_mode;
        d->arch.tsc_incarnation = req->incarnation + 1;
        return 0;
    case TSC_ALWAYS_EMULATE:
        return -EOPNOTSUPP;
    default:
        return -EINVAL;
    }
}

long domctl_gettscinfo(struct vcpu *caller, struct domain *d, struct xen_domctl *op)
{
    struct xen_domctl_tsc_info *info = &op->u.tsc_info;

    if (d == caller->domain) {
        return -EINVAL;
    }
    info->tsc_mode = d->arch.tsc_mode;
    info->incarnation = d->arch.tsc_incarnation;
    info->elapsed_nsec = 0;
    info->gtsc_khz = 0;
    if (d->arch.tsc_mode == TSC_DEFAULT) { /* as old as the CPU's counter is */
        uint64_t tsc = rdtsc();

        info->gtsc_khz = (uint32_t)(tsc_hz / 1000);
        info->elapsed_nsec = tsc / tsc_hz * NS_PER_S + tsc % tsc_hz * NS_PER_S / tsc_hz;
    }
    return 0;
}
