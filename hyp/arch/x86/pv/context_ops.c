/* Hypercalls on the registers of the calling vCPU: segment bases, debug registers, CR0.TS. public/xen.h. */
#include <lodge/errno.h>
#include "core/hypercall.h"
#include "cpu/extable.h"
#include "cpu/insn.h"
#include "cpu/msr.h"
#include "pv/context_ops.h"
#include "pv/guest_access.h"
#include "pv/pv.h"

#define DR6_FIXED     0xffff0ff0UL
#define DR6_WRITABLE  0x0000e00fUL
#define DR7_FIXED     0x00000400UL
#define DR7_GD        0x00002000UL
#define DR7_RESERVED  0x0000d800UL /* bits 11, 12, 14, 15 */
#define DR7_ENABLED   0xffUL

/* User GS: the inactive one while the kernel runs. A selector that the CPU refuses is replaced by NUL. */
static void load_user_gs(uint16_t selector)
{
    unsigned long flags = arch_irq_save();

    __asm__ volatile("swapgs\n"
                     "1: mov %[sel], %%gs\n"
                     "2: mfence\n"
                     "swapgs\n"
                     ".pushsection .text.fixup, \"ax\"\n"
                     "3: xor %[sel], %[sel]\n"
                     "   jmp 1b\n"
                     ".popsection\n" EXTABLE("1b", "3b")
                     : [sel] "+r"(*(uint32_t[]){ selector ? selector | 3U : 0U }));
    arch_irq_restore(flags);
}

long hypercall_set_segment_base(uint64_t which, uint64_t base, uint64_t a3, uint64_t a4, uint64_t a5)
{
    (void)a3, (void)a4, (void)a5;
    switch ((unsigned int)which) {
    case SEGBASE_FS:
    case SEGBASE_GS_USER:
    case SEGBASE_GS_KERNEL:
        if (!address_canonical(base)) {
            return -EINVAL;
        }
        wrmsr(which == SEGBASE_FS ? MSR_FS_BASE : which == SEGBASE_GS_USER ? MSR_GS_BASE_SHADOW : MSR_GS_BASE, base);
        return 0;
    case SEGBASE_GS_USER_SEL:
        load_user_gs(base & 0xffff);
        return 0;
    default:
        return -EINVAL;
    }
}

long hypercall_fpu_taskswitch(uint64_t set, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5)
{
    struct vcpu *v = current;

    (void)a2, (void)a3, (void)a4, (void)a5;
    if (set) {
        v->arch.cr0_guest |= CR0_TS;
        write_cr0(read_cr0() | CR0_TS);
    } else {
        v->arch.cr0_guest &= ~CR0_TS;
        __asm__ volatile("clts");
    }
    return 0;
}

void pv_debugregs_load(const struct vcpu *v)
{
    if (!(v->arch.dr[7] & DR7_ENABLED)) {
        return;
    }
    __asm__ volatile("mov %0, %%db0" ::"r"(v->arch.dr[0]));
    __asm__ volatile("mov %0, %%db1" ::"r"(v->arch.dr[1]));
    __asm__ volatile("mov %0, %%db2" ::"r"(v->arch.dr[2]));
    __asm__ volatile("mov %0, %%db3" ::"r"(v->arch.dr[3]));
    __asm__ volatile("mov %0, %%db7" ::"r"(v->arch.dr[7]));
}

void pv_debugregs_unload(const struct vcpu *v)
{
    if (v->arch.dr[7] & DR7_ENABLED) {
        __asm__ volatile("mov %0, %%db7" ::"r"(DR7_FIXED));
    }
}

int pv_debugreg_set(struct vcpu *v, unsigned int reg, uint64_t value)
{
    switch (reg) {
    case 0 ... 3:
        /* A breakpoint on our own addresses would tell a guest when they are used. */
        if (!address_canonical(value) || !guest_address_ok(value)) {
            return -EPERM;
        }
        v->arch.dr[reg] = value;
        break;
    case 4:
        if (v->arch.cr4_guest & CR4_DE) {
            return -ENODEV;
        }
        __attribute__((fallthrough)); /* an old name */
    case 6:
        if (value >> 32) {
            return -EINVAL;
        }
        v->arch.dr[6] = (value & DR6_WRITABLE) | DR6_FIXED;
        return 0;
    case 5:
        if (v->arch.cr4_guest & CR4_DE) {
            return -ENODEV;
        }
        __attribute__((fallthrough));
    case 7:
        if (value >> 32) {
            return -EINVAL;
        }
        value = (value & ~DR7_RESERVED) | DR7_FIXED;
        if (value & DR7_GD) {
            return -EPERM;
        }
        for (unsigned int i = 0; i < 4; i++) {
            unsigned int kind = value >> (16 + 4 * i) & 15; /* length and access */

            if (value >> (2 * i) & 3 && ((kind & 3) == 2 || ((kind & 3) == 0 && kind))) {
                return -EPERM; /* I/O breakpoints; execution breakpoints longer than a byte */
            }
        }
        if (v == current) {
            pv_debugregs_unload(v);
        }
        v->arch.dr[7] = value;
        break;
    default:
        return -ENODEV;
    }
    if (v == current) {
        pv_debugregs_load(v);
    }
    return 0;
}

int pv_debugreg_get(const struct vcpu *v, unsigned int reg, uint64_t *value)
{
    if (reg > 7 || ((reg == 4 || reg == 5) && v->arch.cr4_guest & CR4_DE)) {
        return -ENODEV;
    }
    *value = v->arch.dr[reg == 4 || reg == 5 ? reg + 2 : reg];
    return 0;
}

long hypercall_set_debugreg(uint64_t reg, uint64_t value, uint64_t a3, uint64_t a4, uint64_t a5)
{
    (void)a3, (void)a4, (void)a5;
    return pv_debugreg_set(current, (unsigned int)reg, value);
}

/* The value is the result: an error cannot be told from one. */
long hypercall_get_debugreg(uint64_t reg, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5)
{
    uint64_t value;

    (void)a2, (void)a3, (void)a4, (void)a5;
    return pv_debugreg_get(current, (unsigned int)reg, &value) ? -ENODEV : (long)value;
}
