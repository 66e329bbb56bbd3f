/* hypercall.h: calling the hypervisor.
 *
 * public/arch-x86/xen-x86_64.h: number in rax, arguments in rdi, rsi, rdx, r10, r8, result in rax.
 * What the hypercall page holds is a `syscall`; it may as well stand here. The instruction itself
 * destroys rcx and r11. */
#ifndef GUEST_HYPERCALL_H
#define GUEST_HYPERCALL_H

#include "types.h"

#include <xen/xen.h>
#include <xen/callback.h>
#include <xen/errno.h>
#include <xen/event_channel.h>
#include <xen/grant_table.h>
#include <xen/memory.h>
#include <xen/physdev.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/version.h>

static inline long hypercall(unsigned long nr, unsigned long a1, unsigned long a2, unsigned long a3,
                             unsigned long a4, unsigned long a5)
{
    register unsigned long r10 __asm__("r10") = a4;
    register unsigned long r8 __asm__("r8") = a5;
    long rc;

    __asm__ volatile("syscall"
                     : "=a"(rc), "+D"(a1), "+S"(a2), "+d"(a3), "+r"(r10), "+r"(r8)
                     : "0"(nr)
                     : "rcx", "r11", "memory", "cc");
    return rc;
}

#define HYPERCALL_ARG_(x) ((unsigned long)(x))
#define HYPERCALL5(nr, a, b, c, d, e)                                                         \
    hypercall(nr, HYPERCALL_ARG_(a), HYPERCALL_ARG_(b), HYPERCALL_ARG_(c), HYPERCALL_ARG_(d), \
              HYPERCALL_ARG_(e))
#define HYPERCALL4(nr, a, b, c, d) HYPERCALL5(nr, a, b, c, d, 0)
#define HYPERCALL3(nr, a, b, c)    HYPERCALL5(nr, a, b, c, 0, 0)
#define HYPERCALL2(nr, a, b)       HYPERCALL5(nr, a, b, 0, 0, 0)
#define HYPERCALL1(nr, a)          HYPERCALL5(nr, a, 0, 0, 0, 0)

static inline long xen_set_trap_table(const struct trap_info *traps)
{
    return HYPERCALL1(__HYPERVISOR_set_trap_table, traps);
}

static inline long xen_mmu_update(const struct mmu_update *reqs, unsigned int count,
                                  unsigned int *done, unsigned int foreign)
{
    return HYPERCALL4(__HYPERVISOR_mmu_update, reqs, count, done, foreign);
}

static inline long xen_set_gdt(const xen_pfn_t *frames, unsigned int entries)
{
    return HYPERCALL2(__HYPERVISOR_set_gdt, frames, entries);
}

static inline long xen_stack_switch(unsigned long ss, unsigned long sp)
{
    return HYPERCALL2(__HYPERVISOR_stack_switch, ss, sp);
}

static inline long xen_fpu_taskswitch(int set)
{
    return HYPERCALL1(__HYPERVISOR_fpu_taskswitch, (long)set);
}

static inline long xen_set_debugreg(int reg, unsigned long value)
{
    return HYPERCALL2(__HYPERVISOR_set_debugreg, (long)reg, value);
}

static inline unsigned long xen_get_debugreg(int reg)
{
    return HYPERCALL1(__HYPERVISOR_get_debugreg, (long)reg);
}

static inline long xen_update_descriptor(uint64_t maddr, uint64_t descriptor)
{
    return HYPERCALL2(__HYPERVISOR_update_descriptor, maddr, descriptor);
}

static inline long xen_memory_op(unsigned int cmd, void *arg)
{
    return HYPERCALL2(__HYPERVISOR_memory_op, cmd, arg);
}

static inline long xen_multicall(struct multicall_entry *calls, unsigned int count)
{
    return HYPERCALL2(__HYPERVISOR_multicall, calls, count);
}

static inline long xen_update_va_mapping(const void *va, uint64_t pte, unsigned long flags)
{
    return HYPERCALL3(__HYPERVISOR_update_va_mapping, va, pte, flags);
}

static inline long xen_update_va_mapping_otherdomain(const void *va, uint64_t pte,
                                                     unsigned long flags, domid_t domid)
{
    return HYPERCALL4(__HYPERVISOR_update_va_mapping_otherdomain, va, pte, flags, domid);
}

static inline long xen_set_timer_op(uint64_t deadline_ns)
{
    return HYPERCALL1(__HYPERVISOR_set_timer_op, deadline_ns);
}

static inline long xen_version(int cmd, void *arg)
{
    return HYPERCALL2(__HYPERVISOR_xen_version, (long)cmd, arg);
}

static inline long xen_console_io(int cmd, int count, const char *text)
{
    return HYPERCALL3(__HYPERVISOR_console_io, (long)cmd, (long)count, text);
}

static inline long xen_physdev_op(int cmd, void *arg)
{
    return HYPERCALL2(__HYPERVISOR_physdev_op, (long)cmd, arg);
}

static inline long xen_grant_table_op(unsigned int cmd, void *ops, unsigned int count)
{
    return HYPERCALL3(__HYPERVISOR_grant_table_op, cmd, ops, count);
}

static inline long xen_vm_assist(unsigned int cmd, unsigned int type)
{
    return HYPERCALL2(__HYPERVISOR_vm_assist, cmd, type);
}

static inline long xen_vcpu_op(int cmd, unsigned int vcpu, void *arg)
{
    return HYPERCALL3(__HYPERVISOR_vcpu_op, (long)cmd, vcpu, arg);
}

static inline long xen_set_segment_base(unsigned int which, unsigned long base)
{
    return HYPERCALL2(__HYPERVISOR_set_segment_base, which, base);
}

static inline long xen_mmuext_op(struct mmuext_op *ops, unsigned int count, unsigned int *done,
                                 unsigned int foreign)
{
    return HYPERCALL4(__HYPERVISOR_mmuext_op, ops, count, done, foreign);
}

static inline long xen_sched_op(int cmd, void *arg)
{
    return HYPERCALL2(__HYPERVISOR_sched_op, (long)cmd, arg);
}

static inline long xen_callback_op(int cmd, void *arg)
{
    return HYPERCALL2(__HYPERVISOR_callback_op, (long)cmd, arg);
}

static inline long xen_event_channel_op(int cmd, void *arg)
{
    return HYPERCALL2(__HYPERVISOR_event_channel_op, (long)cmd, arg);
}

#endif
