/* vcpu.c: per-vCPU state and the start of further vCPUs. */
#include "vcpu.h"
#include "hypercall.h"
#include "memory.h"
#include "pagetable.h"
#include "report.h"

_Static_assert(offsetof(struct vcpu, recover) == VCPU_RECOVER, "entry.S reads it there");

union vcpu_region vcpu_regions[VCPUS_MAX] __attribute__((aligned(VCPU_REGION_SIZE)));

extern const uint8_t event_entry[], failsafe_entry[], syscall_entry[];

void vcpu_init(unsigned int id)
{
    struct vcpu *vcpu = &vcpu_regions[id].vcpu;

    vcpu->id = id;
    vcpu->info = &shared_info->vcpu_info[id];
    guest_need(xen_stack_switch(FLAT_KERNEL_SS, vcpu_entry_stack(vcpu)));
}

static void vcpu_main(struct vcpu *vcpu)
{
    for (;;) {
        vcpu->fn(vcpu->arg);
        vcpu->finished = true;
        /* Returns when vcpu_start() says VCPUOP_up again. */
        guest_need(xen_vcpu_op(VCPUOP_down, vcpu->id, NULL));
    }
}

void vcpu_context(unsigned int id, struct vcpu_guest_context *context)
{
    struct vcpu *vcpu = &vcpu_regions[id].vcpu;
    static struct trap_info table[257];

    memset(context, 0, sizeof(*context));
    trap_table(table);
    memcpy(context->trap_ctxt, table, sizeof(context->trap_ctxt));
    context->flags = VGCF_IN_KERNEL;
    context->user_regs.rip = (unsigned long)vcpu_main;
    context->user_regs.rdi = (unsigned long)vcpu;
    /* As after a call, so that the compiler's idea of alignment holds. */
    context->user_regs.rsp = (unsigned long)vcpu + VCPU_REGION_SIZE - 8;
    context->user_regs.cs = FLAT_KERNEL_CS;
    context->user_regs.ss = FLAT_KERNEL_SS;
    context->user_regs.rflags = 0x202;
    context->kernel_ss = FLAT_KERNEL_SS;
    context->kernel_sp = vcpu_entry_stack(vcpu);
    context->ctrlreg[3] = xen_pfn_to_cr3(va_to_mfn(pt_root()));
    context->event_callback_eip = (unsigned long)event_entry;
    context->failsafe_callback_eip = (unsigned long)failsafe_entry;
    context->syscall_callback_eip = (unsigned long)syscall_entry;
}

void vcpu_start(unsigned int id, void (*fn)(void *), void *arg)
{
    static struct vcpu_guest_context context;
    struct vcpu *vcpu = &vcpu_regions[id].vcpu;
    bool again = vcpu->fn != NULL;

    while (xen_vcpu_op(VCPUOP_is_up, id, NULL) == 1) {
        (void)xen_sched_op(SCHEDOP_yield, NULL);
    }
    vcpu->id = id;
    vcpu->info = &shared_info->vcpu_info[id];
    vcpu->fn = fn;
    vcpu->arg = arg;
    vcpu->finished = false;
    /* A vCPU can be initialised once; after that it only goes down and up. */
    if (!again) {
        vcpu_context(id, &context);
        guest_need(xen_vcpu_op(VCPUOP_initialise, id, &context));
    }
    guest_need(xen_vcpu_op(VCPUOP_up, id, NULL));
}

void vcpu_wait(unsigned int id)
{
    while (!vcpu_regions[id].vcpu.finished) {
        (void)xen_sched_op(SCHEDOP_yield, NULL);
    }
}
