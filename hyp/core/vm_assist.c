/* What a guest asks the hypervisor to do for it. Source: public/xen.h, VMASST_*. */
#include "core/hypercall.h"

/*
 * The first three mean something to 32-bit guests only, and architectural_iopl is off unless asked
 * for; Xen accepts them all from a 64-bit guest (arch/x86, PV64_VM_ASSIST_MASK), so refusing one
 * would be noticed.
 */
#define PV_TYPES                                                                                   \
    (1UL << VMASST_TYPE_4gb_segments | 1UL << VMASST_TYPE_4gb_segments_notify |                    \
     1UL << VMASST_TYPE_writable_pagetables | 1UL << VMASST_TYPE_pae_extended_cr3 |                \
     1UL << VMASST_TYPE_architectural_iopl | 1UL << VMASST_TYPE_runstate_update_flag |             \
     1UL << VMASST_TYPE_m2p_strict)
#define OTHER_TYPES (1UL << VMASST_TYPE_runstate_update_flag)

bool vm_assist_ok(const struct domain *d, uint64_t types)
{
    return !(types & ~(d->is_pv ? PV_TYPES : OTHER_TYPES));
}

/* public/xen.h, vm_assist. a1: VMASST_CMD_*; a2: VMASST_TYPE_*. */
long hypercall_vm_assist(uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5)
{
    struct domain *d = current->domain;
    uint32_t type = (uint32_t)a2;
    uint64_t bit;

    (void)a3;
    (void)a4;
    (void)a5;
    if (type >= 64) {
        return -EINVAL;
    }
    bit = 1UL << type;
    if (!vm_assist_ok(d, bit)) {
        return -EINVAL;
    }
    switch ((uint32_t)a1) {
    case VMASST_CMD_enable:
        __atomic_fetch_or(&d->vm_assist, bit, __ATOMIC_SEQ_CST);
        return 0;
    case VMASST_CMD_disable:
        __atomic_fetch_and(&d->vm_assist, ~bit, __ATOMIC_SEQ_CST);
        return 0;
    default:
        return -ENOSYS;
    }
}
