/* What the tools ask and tell of a PV domain that is x86's own. Source: public/domctl.h. */
#include "core/domctl.h"

#include <lodge/errno.h>
#include <lodge/string.h>
#include "cpu/features.h"
#include "cpu/insn.h"
#include "pv/bounce.h"
#include "pv/pv.h"

/* PV: nothing is emulated. The width is what a guest with nested paging could have. */
void domain_arch_info(const struct domain *d, struct xen_domctl_getdomaininfo *info)
{
    (void)d;
    info->gpaddr_bits = cpu_host.guest_address_bits;
}

static uint64_t root_to_cr3(mfn_t root)
{
    return mfn_eq(root, MFN_INVALID) ? 0 : xen_pfn_to_cr3(root.n);
}

static uint32_t context_flags(struct vcpu *v)
{
    struct vcpu_runstate_info runstate;
    uint32_t flags;

    vcpu_runstate_get(v, &runstate);
    flags = v->arch.fpu_given || runstate.time[RUNSTATE_running] ? VGCF_I387_VALID : 0;
    flags |= v->arch.kernel_mode ? VGCF_IN_KERNEL : 0;
    flags |= v->arch.callback_flags & CALLBACK_MASKS_FAILSAFE ? VGCF_failsafe_disables_events : 0;
    flags |= v->arch.callback_flags & CALLBACK_MASKS_SYSCALL ? VGCF_syscall_disables_events : 0;
    flags |= v->pause_flags & 1U << VCPU_DOWN ? 0 : VGCF_online;
    return flags;
}

void vcpu_arch_get_context(struct vcpu *v, struct vcpu_guest_context *to)
{
    to->flags = context_flags(v);
    to->user_regs = v->arch.regs;
    to->user_regs.rflags |= (uint64_t)v->arch.iopl << 12;
    memcpy(&to->fpu_ctxt, v->arch.fpu, sizeof(to->fpu_ctxt));
    memcpy(to->trap_ctxt, v->arch.traps, sizeof(to->trap_ctxt));
    to->ldt_base = v->arch.ldt_ents ? v->arch.ldt_base : 0;
    to->ldt_ents = v->arch.ldt_ents;
    memcpy(to->gdt_frames, v->arch.gdt_frames, sizeof(to->gdt_frames));
    to->gdt_ents = v->arch.gdt_ents;
    to->kernel_ss = v->arch.kernel_ss;
    to->kernel_sp = v->arch.kernel_sp_asked;
    to->ctrlreg[0] = v->arch.cr0_guest;
    to->ctrlreg[1] = root_to_cr3(v->arch.l4_user);
    to->ctrlreg[2] = v->arch.cr2_fault;
    to->ctrlreg[3] = root_to_cr3(v->arch.l4_kernel);
    to->ctrlreg[4] = v->arch.cr4_guest;
    memcpy(to->debugreg, v->arch.dr, sizeof(to->debugreg));
    to->event_callback_eip = v->arch.event_callback;
    to->failsafe_callback_eip = v->arch.failsafe_callback;
    to->syscall_callback_eip = v->arch.syscall_callback;
    to->vm_assist = v->domain->vm_assist;
    to->fs_base = v->arch.fs_base;
    to->gs_base_kernel = v->arch.gs_base_kernel;
    to->gs_base_user = v->arch.gs_base_user;
}

int domain_arch_check(const struct xen_domctl_createdomain *req)
{
    if (req->arch.misc_flags & ~XEN_X86_MSR_RELAXED) {
        return -EINVAL;
    }
    return req->arch.emulation_flags ? -EOPNOTSUPP : 0; /* PV guests have no devices of a PC */
}

void domain_arch_options(struct domain *d, const struct xen_domctl_createdomain *req)
{
    d->arch.msr_relaxed = req->arch.misc_flags & XEN_X86_MSR_RELAXED;
}

long domctl_sendtrigger(struct vcpu *caller, struct domain *d, struct xen_domctl *op)
{
    const struct xen_domctl_sendtrigger *req = &op->u.sendtrigger;
    struct vcpu *v = domain_vcpu(d, req->vcpu);

    (void)caller;
    if (!v) {
        return -ESRCH;
    }
    switch (req->trigger) {
    case XEN_DOMCTL_SENDTRIGGER_NMI:
        vcpu_arch_send_nmi(v);
        return 0;
    case XEN_DOMCTL_SENDTRIGGER_POWER: /* PV guests have no such buttons */
    case XEN_DOMCTL_SENDTRIGGER_SLEEP:
        return -EINVAL;
    default:
        return -ENOSYS;
    }
}

/* 32-bit PV guests are none of ours: as Xen answers where they are switched off (pv=no-32). */
long domctl_set_address_size(struct vcpu *caller, struct domain *d, struct xen_domctl *op)
{
    uint32_t size = op->u.address_size.size;

    (void)caller;
    if (!d->is_pv || size == 32) {
        return -EOPNOTSUPP;
    }
    return size == 64 ? 0 : -EINVAL;
}

long domctl_get_address_size(struct vcpu *caller, struct domain *d, struct xen_domctl *op)
{
    (void)caller;
    if (!d->is_pv) {
        return -EOPNOTSUPP;
    }
    op->u.address_size.size = 64;
    return 0;
}
