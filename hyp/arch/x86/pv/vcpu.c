/* A PV vCPU: its making and end, and its way on and off a CPU. */
#include <lodge/errno.h>
#include <lodge/string.h>
#include "core/domain.h"
#include "core/hypercall.h"
#include "core/object.h"
#include "core/softirq.h"
#include "core/vcpu_op.h"
#include "cpu/cpu.h"
#include "cpu/dump.h"
#include "cpu/extable.h"
#include "cpu/fpu.h"
#include "cpu/insn.h"
#include "cpu/msr.h"
#include "entry.h"
#include "mm/flush.h"
#include "mm/page.h"
#include "platform/time.h"
#include "pv/bounce.h"
#include "pv/context_ops.h"
#include "pv/descriptor.h"
#include "pv/guest_access.h"
#include "pv/pv.h"
#include "pv/pv_mm.h"
#include "pv/trace.h"
#include "pv/type.h"

#define NR_TRAPS    256
#define DR6_DEFAULT 0xffff0ff0UL
#define DR7_DEFAULT 0x400UL
#define TICK_NS     (10 * NS_PER_MS) /* every PV vCPU has VIRQ_TIMER at 100 Hz until it stops that */

static size_t fpu_object_size(void)
{
    size_t size = 512;

    while (size < fpu_area_size()) {
        size *= 2; /* objects of a power of two are aligned to it */
    }
    return size;
}

int vcpu_arch_init(struct vcpu *v)
{
    v->arch.l4_kernel = v->arch.l4_user = MFN_INVALID;
    v->arch.kernel_mode = true;
    v->arch.traced = trace_arch_routed();
    v->arch.dr[6] = DR6_DEFAULT;
    v->arch.dr[7] = DR7_DEFAULT;
    v->arch.cr0_guest = CR0_PE | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_MP | CR0_PG;
    v->arch.cr4_guest = CR4_PAE | CR4_MCE | CR4_OSFXSR | CR4_OSXMMEXCPT;
    v->arch.xcr0 = XCR0_X87 | XCR0_SSE;
    pv_set_kernel_stack(v, SEL_GUEST_DATA, 0);
    v->periodic_period_ns = TICK_NS;
    v->arch.traps = object_alloc_array(NR_TRAPS, sizeof(*v->arch.traps));
    v->arch.fpu = object_alloc(fpu_object_size());
    if (!v->arch.traps || !v->arch.fpu) {
        return -ENOMEM;
    }
    fpu_area_reset(v->arch.fpu);
    return pv_window_init(v);
}

void vcpu_arch_fini(struct vcpu *v)
{
    pv_window_fini(v);
    object_free(v->arch.fpu);
    object_free(v->arch.traps);
    v->arch.fpu = NULL;
    v->arch.traps = NULL;
}

static uint16_t selector_save(unsigned int which)
{
    uint32_t sel;

    switch (which) {
    case 0:
        __asm__ volatile("mov %%ds, %0" : "=r"(sel));
        break;
    case 1:
        __asm__ volatile("mov %%es, %0" : "=r"(sel));
        break;
    case 2:
        __asm__ volatile("mov %%fs, %0" : "=r"(sel));
        break;
    default:
        __asm__ volatile("mov %%gs, %0" : "=r"(sel));
        break;
    }
    return sel;
}

/* A selector that the guest's tables no longer allow becomes NUL: false. */
#define SELECTOR_LOAD(reg, sel)                                                                    \
    ({                                                                                             \
        uint32_t wanted_ = (sel), value_ = wanted_;                                                \
                                                                                                   \
        __asm__ volatile("1: mov %0, %%" reg "\n"                                                  \
                         "2:\n"                                                                    \
                         ".pushsection .text.fixup, \"ax\"\n"                                      \
                         "3: xor %0, %0\n"                                                         \
                         "   jmp 1b\n"                                                             \
                         ".popsection\n" EXTABLE("1b", "3b")                                       \
                         : "+r"(value_));                                                          \
        value_ == wanted_;                                                                         \
    })

static void context_save(struct vcpu *v)
{
    struct cpu_user_regs *regs = &v->arch.regs;
    uint64_t gs = rdmsr(MSR_GS_BASE), gs_shadow = rdmsr(MSR_GS_BASE_SHADOW);

    *regs = *guest_regs();
    regs->ds = selector_save(0);
    regs->es = selector_save(1);
    regs->fs = selector_save(2);
    regs->gs = selector_save(3);
    v->arch.fs_base = rdmsr(MSR_FS_BASE);
    v->arch.gs_base_kernel = v->arch.kernel_mode ? gs : gs_shadow;
    v->arch.gs_base_user = v->arch.kernel_mode ? gs_shadow : gs;
    pv_debugregs_unload(v);
    __asm__ volatile("clts");
    fpu_save(v->arch.fpu);
}

/* Loading a selector sets the base from the table: bases follow. false: not all could be loaded. */
static bool segments_load(struct vcpu *v)
{
    const struct cpu_user_regs *regs = &v->arch.regs;
    bool ok = SELECTOR_LOAD("ds", regs->ds);

    ok &= SELECTOR_LOAD("es", regs->es);
    ok &= SELECTOR_LOAD("fs", regs->fs);
    ok &= SELECTOR_LOAD("gs", regs->gs);
    wrmsr(MSR_FS_BASE, v->arch.fs_base);
    wrmsr(MSR_GS_BASE, v->arch.kernel_mode ? v->arch.gs_base_kernel : v->arch.gs_base_user);
    wrmsr(MSR_GS_BASE_SHADOW, v->arch.kernel_mode ? v->arch.gs_base_user : v->arch.gs_base_kernel);
    return ok;
}

/* false: the guest's failsafe callback is to be told that a selector was lost. */
static bool context_load(struct vcpu *v, unsigned int cpu)
{
    bool ok;

    *guest_regs() = v->arch.regs;
    pv_descriptors_load(v, cpu);
    /* The kernel's tables: what we write for the guest below lies in its kernel's memory. */
    write_cr3_flush(v->arch.cr3_kernel);
    ok = segments_load(v);
    if (fpu_host.has_xsave) {
        fpu_set_xcr0(v->arch.xcr0);
    }
    fpu_restore(v->arch.fpu);
    if (v->arch.cr0_guest & CR0_TS) {
        write_cr0(read_cr0() | CR0_TS);
    }
    pv_debugregs_load(v);
    pv_msrs_load(v);
    time_update_guest(v);
    (void)vcpu_runstate_copy_to_guest(v);
    if (!v->arch.kernel_mode) {
        write_cr3(v->arch.cr3_user);
    }
    return ok;
}

void vcpu_arch_switch(struct vcpu *prev, struct vcpu *next)
{
    unsigned int cpu = arch_cpu_id();
    struct domain *from = prev->domain, *to = next->domain;
    bool ok = true;

    if (!prev->is_idle) {
        context_save(prev);
    }
    cpu_info()->vcpu = next;
    if (next->is_idle) {
        cpu_load_own_gdt();
        __asm__ volatile("lldt %w0" ::"r"(0));
        write_cr3_flush(virt_to_maddr(hyp_l4));
    } else {
        __atomic_fetch_or(&to->arch.dirty_cpus[cpu / 64], 1ULL << (cpu % 64), __ATOMIC_SEQ_CST);
        ok = context_load(next, cpu);
    }
    if (!prev->is_idle && from != to) { /* nothing of its translations is left in this CPU */
        __atomic_fetch_and(&from->arch.dirty_cpus[cpu / 64], ~(1ULL << (cpu % 64)), __ATOMIC_SEQ_CST);
    }
    sched_context_saved(prev);
    if (unlikely(!ok)) {
        pv_inject_failsafe();
    }
    stack_reset_and_jump(next->is_idle ? idle_loop : guest_return);
}

void vcpu_arch_kick(struct vcpu *v)
{
    unsigned int cpu;

    if (__atomic_load_n(&v->is_running, __ATOMIC_ACQUIRE)) {
        cpu = __atomic_load_n(&v->cpu, __ATOMIC_RELAXED);
        if (cpu != arch_cpu_id()) {
            arch_cpu_poke(cpu);
        }
    }
}

void vcpu_arch_sync(struct vcpu *v)
{
    if (v == current) {
        v->arch.regs = *guest_regs();
    }
}

void vcpu_arch_time_area_changed(struct vcpu *v)
{
    time_guest_moved(v);
}

void vcpu_arch_show(const struct vcpu *v)
{
    regs_show(v == current ? guest_regs() : &v->arch.regs);
    vcpu_stack_show(v);
}

/* The checks that Xen's arch_set_info_guest makes for a 64-bit guest. */
static bool context_ok(const struct vcpu_guest_context *c)
{
    const uint64_t *addresses[] = { &c->user_regs.rip, &c->event_callback_eip, &c->failsafe_callback_eip,
                                    &c->syscall_callback_eip, &c->kernel_sp, &c->fs_base, &c->gs_base_kernel,
                                    &c->gs_base_user };

    for (unsigned int i = 0; i < ARRAY_SIZE(addresses); i++) {
        if (!address_canonical(*addresses[i])) {
            return false;
        }
    }
    for (unsigned int i = 0; i < NR_TRAPS; i++) {
        if (!address_canonical(c->trap_ctxt[i].address)) {
            return false;
        }
    }
    return c->ldt_ents <= 8192 && (!c->ldt_ents || (guest_range_ok(c->ldt_base, c->ldt_ents * 8) &&
                                                    address_canonical(c->ldt_base) && !(c->ldt_base & ~PAGE_MASK)));
}

static void context_apply(struct vcpu *v, const struct vcpu_guest_context *c)
{
    struct cpu_user_regs *regs = &v->arch.regs;

    *regs = c->user_regs;
    v->arch.iopl = regs->rflags >> 12 & 3;
    regs->rflags = (regs->rflags & ~(RFLAGS_IOPL | RFLAGS_VM | RFLAGS_NT)) | RFLAGS_IF | 2;
    regs->cs |= 3;
    regs->ss |= 3;
    regs->entry_vector = regs->error_code = 0;
    v->arch.kernel_mode = c->flags & VGCF_IN_KERNEL;
    v->arch.cr0_guest = (v->arch.cr0_guest & ~CR0_TS) | (c->ctrlreg[0] & CR0_TS);
    pv_cr4_choose(v, c->ctrlreg[4]);
    memcpy(v->arch.traps, c->trap_ctxt, sizeof(c->trap_ctxt));
    for (unsigned int i = 0; i < NR_TRAPS; i++) {
        v->arch.traps[i].vector = i;
        v->arch.traps[i].cs |= 3;
    }
    pv_set_kernel_stack(v, c->kernel_ss | 3, c->kernel_sp);
    v->arch.event_callback = c->event_callback_eip;
    v->arch.failsafe_callback = c->failsafe_callback_eip;
    v->arch.syscall_callback = c->syscall_callback_eip;
    v->arch.callback_flags = (c->flags & VGCF_failsafe_disables_events ? CALLBACK_MASKS_FAILSAFE : 0) |
                             (c->flags & VGCF_syscall_disables_events ? CALLBACK_MASKS_SYSCALL : 0);
    v->arch.fs_base = c->fs_base;
    v->arch.gs_base_kernel = c->gs_base_kernel;
    v->arch.gs_base_user = c->gs_base_user;
    v->arch.ldt_base = c->ldt_base;
    v->arch.ldt_ents = c->ldt_ents;
    v->arch.fpu_given = c->flags & VGCF_I387_VALID;
    if (v->arch.fpu_given) {
        memcpy(v->arch.fpu, &c->fpu_ctxt, sizeof(c->fpu_ctxt));
        fpu_area_sanitise(v->arch.fpu, v->arch.xcr0);
    }
    for (unsigned int i = 0; i < 8; i++) {
        if (pv_debugreg_set(v, i, c->debugreg[i])) {
            v->arch.dr[i] = i == 7 ? DR7_DEFAULT : 0; /* as if it had not been asked for */
        }
    }
}

int pv_vcpu_set_context(struct vcpu *v, const struct vcpu_guest_context *c)
{
    uint64_t user = c->ctrlreg[1] >> PAGE_SHIFT;
    uint64_t frames[GDT_RESERVED_PAGE];
    int rc;

    if (!context_ok(c) || c->gdt_ents > GDT_RESERVED_PAGE * 512 || (!(c->flags & VGCF_IN_KERNEL) && !user)) {
        return -EINVAL;
    }
    memcpy(frames, c->gdt_frames, sizeof(frames));
    rc = pv_set_kernel_root(v, MFN(xen_cr3_to_pfn(c->ctrlreg[3])));
    if (!rc) {
        rc = pv_set_user_root(v, user);
    }
    if (!rc) {
        rc = pv_gdt_set(v, frames, c->gdt_ents);
    }
    if (rc) {
        return rc;
    }
    context_apply(v, c);
    return 0;
}

/* Page tables and descriptor tables stay: a context for a vCPU that has one must name the same. */
static bool context_tables_same(const struct vcpu *v, const struct vcpu_guest_context *c)
{
    uint64_t user = mfn_eq(v->arch.l4_user, MFN_INVALID) ? 0 : xen_pfn_to_cr3(v->arch.l4_user.n);
    size_t gdt_bytes = DIV_ROUND_UP(c->gdt_ents, 512) * sizeof(c->gdt_frames[0]);

    return c->ctrlreg[3] == xen_pfn_to_cr3(v->arch.l4_kernel.n) && c->ctrlreg[1] == user &&
           (user || c->flags & VGCF_IN_KERNEL) && c->gdt_ents == v->arch.gdt_ents &&
           !memcmp(c->gdt_frames, v->arch.gdt_frames, gdt_bytes) && c->ldt_ents == v->arch.ldt_ents &&
           (!c->ldt_ents || c->ldt_base == v->arch.ldt_base);
}

/* Behind the control gate, with the domain paused. */
static int context_first(struct vcpu *v, const struct vcpu_guest_context *c)
{
    struct domain *d = v->domain;
    int rc = old_table_finish(v);

    if (rc) {
        return rc;
    }
    if (v->id == 0) {
        d->vm_assist = c->vm_assist;
    }
    rc = pv_vcpu_set_context(v, c);
    if (rc) {
        return rc;
    }
    if (v->id == 0) { /* the table may have been pinned before it was known what the guest wants to see in it */
        l4_m2p_show(v->arch.l4_kernel, true);
        time_update_wallclock(d);
    }
    v->initialised = true;
    return 0;
}

int vcpu_arch_set_context(struct vcpu *v, const struct vcpu_guest_context *c)
{
    int rc = 0;

    if (v->id == 0 && !vm_assist_ok(v->domain, c->vm_assist)) {
        return -EINVAL;
    }
    if (!v->initialised) {
        rc = context_first(v, c);
    } else if (!context_ok(c) || c->gdt_ents > GDT_RESERVED_PAGE * 512) {
        rc = -EINVAL;
    } else if (!context_tables_same(v, c)) {
        rc = -EOPNOTSUPP;
    } else {
        context_apply(v, c);
    }
    if (rc) {
        return rc;
    }
    if (c->flags & VGCF_online) {
        __atomic_fetch_and(&v->pause_flags, ~(1U << VCPU_DOWN), __ATOMIC_SEQ_CST);
    } else {
        __atomic_fetch_or(&v->pause_flags, 1U << VCPU_DOWN, __ATOMIC_SEQ_CST);
    }
    return 0;
}

int vcpu_arch_initialise(struct vcpu *v, uint64_t context_gva)
{
    struct vcpu_guest_context *c;
    int rc = -ENOMEM;

    if (old_table_finish(v)) {
        return (int)hypercall_continue(0, NULL);
    }
    c = object_alloc(sizeof(*c));
    if (!c) {
        return -ENOMEM;
    }
    rc = guest_copy_from(c, context_gva, sizeof(*c));
    if (!rc) {
        rc = v->initialised ? -EEXIST : pv_vcpu_set_context(v, c);
    }
    object_free(c);
    return rc == -ERESTART ? (int)hypercall_continue(0, NULL) : rc;
}
