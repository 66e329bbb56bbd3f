/* vcpu.c: vcpu_op: bringing up a second vCPU, its state, areas that the hypervisor writes. */
#include "lib/guest.h"

#define UNMAPPED ((void *)0x7f0000000000)

static struct vcpu_guest_context context;

static void check_is_up(void)
{
    check(xen_vcpu_op(VCPUOP_is_up, 0, NULL), 1, "vcpu-0-up");
    check(xen_vcpu_op(VCPUOP_is_up, 1, NULL), 0, "vcpu-1-down");
    check(xen_vcpu_op(VCPUOP_is_up, 2, NULL), -XEN_ENOENT, "vcpu-2-absent");
    check(xen_vcpu_op(VCPUOP_is_up, 8191, NULL), -XEN_ENOENT, "vcpu-8191-absent");
    check(xen_vcpu_op(VCPUOP_is_up, ~0U, NULL), -XEN_ENOENT, "vcpu-minus-1-absent");
    result(xen_vcpu_op(VCPUOP_up, 1, NULL), "up-before-initialise");
    result(xen_vcpu_op(VCPUOP_down, 1, NULL), "down-when-down");
}

static long initialise(void)
{
    return xen_vcpu_op(VCPUOP_initialise, 1, &context);
}

/* Contexts that must be refused; each starts from a good one. */
static void check_bad_contexts(void)
{
    result(xen_vcpu_op(VCPUOP_initialise, 1, UNMAPPED), "initialise-unmapped");
    result(xen_vcpu_op(VCPUOP_initialise, 2, &context), "initialise-absent-vcpu");
    result(xen_vcpu_op(VCPUOP_initialise, 0, &context), "initialise-self");
    vcpu_context(1, &context);
    context.ctrlreg[3] = 0;
    result(initialise(), "initialise-no-root");
    vcpu_context(1, &context);
    context.ctrlreg[3] = xen_pfn_to_cr3(0x1000UL);
    result(initialise(), "initialise-root-not-ours");
    vcpu_context(1, &context);
    context.ctrlreg[3] = xen_pfn_to_cr3(va_to_mfn(image_start));
    result(initialise(), "initialise-root-ordinary-page");
    vcpu_context(1, &context);
    context.gdt_ents = 512;
    context.gdt_frames[0] = 0x1000;
    result(initialise(), "initialise-gdt-not-ours");
    vcpu_context(1, &context);
    context.gdt_ents = 8192;
    result(initialise(), "initialise-gdt-too-long");
    vcpu_context(1, &context);
    context.user_regs.rip = 1UL << 63;
    result(initialise(), "initialise-rip-non-canonical");
    vcpu_context(1, &context);
    context.ldt_base = 1;
    context.ldt_ents = 1;
    result(initialise(), "initialise-ldt-unaligned");
    vcpu_context(1, &context);
    context.kernel_sp = 1UL << 63;
    result(initialise(), "initialise-stack-non-canonical");
    vcpu_context(1, &context);
    context.event_callback_eip = 1UL << 63;
    result(initialise(), "initialise-callback-non-canonical");
    check(xen_vcpu_op(VCPUOP_is_up, 1, NULL), 0, "still-down");
}

struct seen {
    uint64_t rflags, kernel_gs;
    unsigned int id;
    uint8_t mask;
};

static void look_around(void *arg)
{
    struct seen *seen = arg;

    seen->id = vcpu_this()->id;
    seen->mask = vcpu_this()->info->evtchn_upcall_mask;
    __asm__ volatile("pushfq; pop %0" : "=r"(seen->rflags));
}

static void check_start(void)
{
    static struct seen seen;
    unsigned int i;

    vcpu_start(1, look_around, &seen);
    vcpu_wait(1);
    check(seen.id, 1, "second-vcpu-ran");
    result(seen.mask, "second-vcpu-upcall-mask");
    result(seen.rflags & 0x3200, "second-vcpu-flags");
    for (i = 0; i < 1000 && xen_vcpu_op(VCPUOP_is_up, 1, NULL) > 0; i++) {
        (void)xen_sched_op(SCHEDOP_yield, NULL);
    }
    check(xen_vcpu_op(VCPUOP_is_up, 1, NULL), 0, "second-vcpu-down-again");
    vcpu_context(1, &context);
    check(initialise(), -XEN_EEXIST, "initialise-twice");
}

static void check_runstate(void)
{
    static struct vcpu_runstate_info info, area;
    struct vcpu_register_runstate_memory_area arg = { .addr.v = &area };

    check(xen_vcpu_op(VCPUOP_get_runstate_info, 0, &info), 0, "runstate");
    check(info.state, RUNSTATE_running, "runstate-running");
    check(info.time[RUNSTATE_running] > 0, true, "runstate-time");
    check(xen_vcpu_op(VCPUOP_get_runstate_info, 1, &info), 0, "runstate-of-1");
    result(info.state, "runstate-of-1-state");
    result(xen_vcpu_op(VCPUOP_get_runstate_info, 2, &info), "runstate-of-2");
    result(xen_vcpu_op(VCPUOP_get_runstate_info, 0, UNMAPPED), "runstate-unmapped");
    check(xen_vcpu_op(VCPUOP_register_runstate_memory_area, 0, &arg), 0, "runstate-area");
    check(area.state, RUNSTATE_running, "runstate-area-filled-in");
    check(area.state_entry_time > 0, true, "runstate-area-entry-time");
    arg.addr.v = UNMAPPED;
    result(xen_vcpu_op(VCPUOP_register_runstate_memory_area, 0, &arg), "runstate-area-unmapped");
    arg.addr.p = HYPERVISOR_VIRT_START;
    result(xen_vcpu_op(VCPUOP_register_runstate_memory_area, 0, &arg), "runstate-area-in-m2p");
    arg.addr.p = 1UL << 63;
    result(xen_vcpu_op(VCPUOP_register_runstate_memory_area, 0, &arg),
           "runstate-area-non-canonical");
    arg.addr.v = NULL;
    result(xen_vcpu_op(VCPUOP_register_runstate_memory_area, 0, &arg), "runstate-area-null");
}

static void check_time_area(void)
{
    static struct vcpu_time_info time;
    struct vcpu_register_time_memory_area arg = { .addr.v = &time };

    result(xen_vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0, &arg), "time-area");
    result(time.tsc_to_system_mul == vcpu_this()->info->time.tsc_to_system_mul,
           "time-area-filled-in");
    arg.addr.v = UNMAPPED;
    result(xen_vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0, &arg), "time-area-unmapped");
    arg.addr.p = 1UL << 63;
    result(xen_vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0, &arg), "time-area-non-canonical");
}

static void check_physid(void)
{
    struct vcpu_get_physid physid = { 0 };

    result(xen_vcpu_op(VCPUOP_get_physid, 0, &physid), "physid");
    result(xen_vcpu_op(VCPUOP_get_physid, 0, UNMAPPED), "physid-unmapped");
    result(xen_vcpu_op(VCPUOP_get_physid, 2, &physid), "physid-absent-vcpu");
}

static bool nmi_seen;

static bool on_nmi(struct trap_regs *regs)
{
    (void)regs;
    nmi_seen = true;
    return true;
}

static void check_nmi(void)
{
    unsigned int cmd;

    trap_hook(VECTOR_NMI, on_nmi);
    trap_hook(VECTOR_NMI_CALLBACK, on_nmi);
    result(xen_vcpu_op(VCPUOP_send_nmi, 0, NULL), "send-nmi");
    result(nmi_seen, "nmi-seen");
    result(xen_vcpu_op(VCPUOP_send_nmi, 1, NULL), "send-nmi-to-down-vcpu");
    result(xen_vcpu_op(VCPUOP_send_nmi, 2, NULL), "send-nmi-absent-vcpu");
    for (cmd = 0; cmd <= 3; cmd++) {
        result(HYPERCALL2(__HYPERVISOR_nmi_op, cmd, UNMAPPED), "nmi-op-%u-unmapped", cmd);
    }
}

static void check_timers(void)
{
    result(xen_vcpu_op(VCPUOP_set_periodic_timer, 0, UNMAPPED), "set-periodic-unmapped");
    result(xen_vcpu_op(VCPUOP_set_singleshot_timer, 0, UNMAPPED), "set-singleshot-unmapped");
    result(xen_vcpu_op(VCPUOP_stop_periodic_timer, 1, NULL), "stop-periodic-other");
    result(xen_vcpu_op(VCPUOP_stop_singleshot_timer, 1, NULL), "stop-singleshot-other");
    result(xen_vcpu_op(VCPUOP_stop_singleshot_timer, 2, NULL), "stop-singleshot-absent");
}

/* Last, since the registered place of vcpu_info cannot be changed again. */
static void check_vcpu_info(void)
{
    uint8_t *page = page_alloc();
    uint64_t *table = table_alloc();
    struct vcpu_register_vcpu_info arg = { .mfn = va_to_mfn(page), .offset = PAGE_SIZE - 32 };
    struct vcpu_info *place = (struct vcpu_info *)(page + 128);

    result(xen_vcpu_op(VCPUOP_register_vcpu_info, 0, &arg), "vcpu-info-crosses-page");
    arg.offset = PAGE_SIZE;
    result(xen_vcpu_op(VCPUOP_register_vcpu_info, 0, &arg), "vcpu-info-beyond-page");
    arg.offset = 128;
    arg.mfn = 0x1000;
    result(xen_vcpu_op(VCPUOP_register_vcpu_info, 0, &arg), "vcpu-info-not-ours");
    arg.mfn = ~0UL;
    result(xen_vcpu_op(VCPUOP_register_vcpu_info, 0, &arg), "vcpu-info-minus-1");
    guest_need(mmuext(MMUEXT_PIN_L1_TABLE, va_to_mfn(table)));
    arg.mfn = va_to_mfn(table);
    result(xen_vcpu_op(VCPUOP_register_vcpu_info, 0, &arg), "vcpu-info-in-page-table");
    arg.mfn = va_to_mfn(page);
    result(xen_vcpu_op(VCPUOP_register_vcpu_info, 2, &arg), "vcpu-info-absent-vcpu");
    result(xen_vcpu_op(VCPUOP_register_vcpu_info, 0, UNMAPPED), "vcpu-info-unmapped");
    shared_info->vcpu_info[0].evtchn_upcall_pending = 0;
    shared_info->vcpu_info[0].arch.cr2 = 0x4321;
    check(xen_vcpu_op(VCPUOP_register_vcpu_info, 0, &arg), 0, "vcpu-info");
    vcpu_this()->info = place;
    check(place->evtchn_upcall_mask, 1, "vcpu-info-mask-copied");
    check(place->evtchn_upcall_pending, 1, "vcpu-info-pending-set");
    check(place->evtchn_pending_sel, ~0UL, "vcpu-info-selector-all");
    check(place->arch.cr2, 0x4321, "vcpu-info-cr2-copied");
    check(place->time.tsc_to_system_mul != 0, true, "vcpu-info-time");
    result(xen_vcpu_op(VCPUOP_register_vcpu_info, 0, &arg), "vcpu-info-twice");
    result(page_set(page, PTE_DATA_RO), "vcpu-info-page-read-only");
    result(mmuext(MMUEXT_PIN_L1_TABLE, va_to_mfn(page)), "vcpu-info-page-as-page-table");
    page_writable(page);
    result(xen_vcpu_op(14, 0, NULL), "command-14");
    result(xen_vcpu_op(-1, 0, NULL), "command-minus-1");
}

void guest_main(void)
{
    check_is_up();
    check_bad_contexts();
    check_start();
    check_runstate();
    check_time_area();
    check_physid();
    check_nmi();
    check_timers();
    check_vcpu_info();
}
