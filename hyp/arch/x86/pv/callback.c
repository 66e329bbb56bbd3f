/* Where a PV guest is entered: trap table, callbacks, kernel stack. public/xen.h, public/callback.h, public/nmi.h. */
#include <lodge/errno.h>
#include <lodge/range.h>
#include <lodge/string.h>
#include "core/hypercall.h"
#include "core/softirq.h"
#include <xen/callback.h>
#include <xen/nmi.h>
#include "core/guest.h"
#include "layout.h"
#include "pv/bounce.h"
#include "pv/guest_access.h"
#include "pv/pv.h"

#define TRAP_NMI 2
/* Surely faults: where a kernel stack in the hole is moved to. Not canonical. */
#define STACK_NOWHERE 0x0000900000000000UL
#define BOUNCE_ROOM   128 /* more than any frame */

void pv_set_kernel_stack(struct vcpu *v, uint64_t ss, uint64_t sp)
{
    uint64_t aligned = sp & ~15ULL;

    v->arch.kernel_ss = ss;
    v->arch.kernel_sp_asked = sp;
    if (!guest_address_ok(aligned - 1) || !guest_address_ok(aligned - BOUNCE_ROOM)) {
        aligned = STACK_NOWHERE;
    }
    v->arch.kernel_sp = aligned;
}

long hypercall_stack_switch(uint64_t ss, uint64_t sp, uint64_t a3, uint64_t a4, uint64_t a5)
{
    (void)a3, (void)a4, (void)a5;
    pv_set_kernel_stack(current, ss | 3, sp);
    return 0;
}

/* Entries are merged into the table; one with address 0 ends the list. A NULL list empties the table. */
long hypercall_set_trap_table(uint64_t gva, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5)
{
    struct vcpu *v = current;
    struct trap_info *table = v->arch.traps;
    struct trap_info ti;

    (void)a2, (void)a3, (void)a4, (void)a5;
    if (!gva) {
        memset(table, 0, 256 * sizeof(*table));
        return 0;
    }
    for (;; gva += sizeof(ti)) {
        if (guest_copy_from(&ti, gva, sizeof(ti))) {
            return -EFAULT;
        }
        if (!ti.address) {
            return 0;
        }
        if (!address_canonical(ti.address)) {
            return -EINVAL;
        }
        ti.cs |= 3;
        table[ti.vector] = ti;
        if (preempt_requested()) {
            return hypercall_continue(1, ARGS(gva + sizeof(ti)));
        }
    }
}

static void flag_set(struct vcpu *v, uint8_t flag, bool on)
{
    v->arch.callback_flags = on ? v->arch.callback_flags | flag : v->arch.callback_flags & ~flag;
}

static long callback_register(struct vcpu *v, const struct callback_register *reg)
{
    bool masks = reg->flags & CALLBACKF_mask_events;

    if (!address_canonical(reg->address)) {
        return -EINVAL;
    }
    switch (reg->type) {
    case CALLBACKTYPE_event:
        v->arch.event_callback = reg->address;
        return 0;
    case CALLBACKTYPE_failsafe:
        v->arch.failsafe_callback = reg->address;
        flag_set(v, CALLBACK_MASKS_FAILSAFE, masks);
        return 0;
    case CALLBACKTYPE_syscall:
        v->arch.syscall_callback = reg->address;
        flag_set(v, CALLBACK_MASKS_SYSCALL, masks);
        return 0;
    case CALLBACKTYPE_syscall32:
        v->arch.syscall32_callback = reg->address;
        flag_set(v, CALLBACK_MASKS_SYSCALL32, masks);
        return 0;
    case CALLBACKTYPE_sysenter:
        v->arch.sysenter_callback = reg->address;
        flag_set(v, CALLBACK_MASKS_SYSENTER, masks);
        return 0;
    case CALLBACKTYPE_nmi:
        v->arch.traps[TRAP_NMI] =
            (struct trap_info){ .vector = TRAP_NMI, .cs = SEL_GUEST_CODE64, .address = reg->address };
        return 0;
    default:
        return -ENOSYS;
    }
}

static long callback_unregister(struct vcpu *v, uint16_t type)
{
    switch (type) {
    case CALLBACKTYPE_event:
    case CALLBACKTYPE_failsafe:
    case CALLBACKTYPE_syscall:
    case CALLBACKTYPE_syscall32:
    case CALLBACKTYPE_sysenter:
        return -EINVAL; /* a guest cannot do without */
    case CALLBACKTYPE_nmi:
        v->arch.traps[TRAP_NMI].address = 0;
        return 0;
    default:
        return -ENOSYS;
    }
}

long hypercall_callback_op(uint64_t cmd, uint64_t gva, uint64_t a3, uint64_t a4, uint64_t a5)
{
    struct callback_unregister unreg;
    struct callback_register reg;

    (void)a3, (void)a4, (void)a5;
    switch ((int)cmd) {
    case CALLBACKOP_register:
        if (guest_copy_from(&reg, gva, sizeof(reg))) {
            return -EFAULT;
        }
        return callback_register(current, &reg);
    case CALLBACKOP_unregister:
        if (guest_copy_from(&unreg, gva, sizeof(unreg))) {
            return -EFAULT;
        }
        return callback_unregister(current, unreg.type);
    default:
        return -ENOSYS;
    }
}

/* The form before callback_op: three addresses at once. One that cannot be is left as it was, without a word. */
long hypercall_set_callbacks(uint64_t event, uint64_t failsafe, uint64_t syscall, uint64_t a4, uint64_t a5)
{
    struct callback_register reg[] = { { .type = CALLBACKTYPE_event, .address = event },
                                       { .type = CALLBACKTYPE_failsafe, .address = failsafe },
                                       { .type = CALLBACKTYPE_syscall, .address = syscall } };

    (void)a4, (void)a5;
    for (unsigned int i = 0; i < ARRAY_SIZE(reg); i++) {
        (void)callback_register(current, &reg[i]);
    }
    return 0;
}

long hypercall_nmi_op(uint64_t cmd, uint64_t gva, uint64_t a3, uint64_t a4, uint64_t a5)
{
    struct vcpu *v = current;
    struct xennmi_callback cb;

    (void)a3, (void)a4, (void)a5;
    switch ((unsigned int)cmd) {
    case XENNMI_register_callback:
        if (guest_copy_from(&cb, gva, sizeof(cb))) {
            return -EFAULT;
        }
        if (!address_canonical(cb.handler_address)) {
            return -EINVAL;
        }
        v->arch.traps[TRAP_NMI] =
            (struct trap_info){ .vector = TRAP_NMI, .cs = SEL_GUEST_CODE64, .address = cb.handler_address };
        return 0;
    case XENNMI_unregister_callback:
        v->arch.traps[TRAP_NMI].address = 0;
        return 0;
    default:
        return -ENOSYS;
    }
}
