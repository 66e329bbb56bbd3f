/* x86's share of core's types: per-CPU stack, vCPU and domain state, and the inline half of core/arch.h. */
#ifndef X86_ARCH_TYPES_H
#define X86_ARCH_TYPES_H

#include <lodge/types.h>
#include <xen/xen.h>
#include "layout.h"

#define NR_CPUS 256

struct vcpu;
struct frame;
struct rangeset;
struct e820_entry;
struct cpu_policy;

/*
 * The top of every CPU's stack. The hardware pushes a guest's frame so that it becomes the end of `regs`; whoever runs
 * on the stack finds this by masking its stack pointer (all of a CPU's stacks share one aligned block).
 */
struct cpu_info {
    struct cpu_user_regs regs;      /* the guest's registers while the hypervisor runs on its behalf */
    struct vcpu *vcpu;              /* whose registers they are */
    uint32_t cpu;
    uint32_t unused;
    uint32_t *softirq_bits;         /* this CPU's pending softirqs: one load on the return path */
    uint32_t fault_vector, fault_error; /* the last exception in the hypervisor that a fixup mended */
};
/* The CPU aligns its frame to 16 bytes: it must end exactly where regs' pushed part does. */
BUILD_ASSERT((sizeof(struct cpu_info) - offsetof(struct cpu_info, regs.es)) % 16 == 0);

static ALWAYS_INLINE struct cpu_info *cpu_info(void)
{
    unsigned long sp;

    __asm__("mov %%rsp, %0" : "=r"(sp));
    return (struct cpu_info *)((sp | (STACK_SIZE - 1)) + 1) - 1;
}

static ALWAYS_INLINE unsigned int arch_cpu_id(void) { return cpu_info()->cpu; }
static ALWAYS_INLINE struct vcpu *arch_current(void) { return cpu_info()->vcpu; }
static ALWAYS_INLINE struct cpu_user_regs *guest_regs(void) { return &cpu_info()->regs; }

static inline void arch_cpu_relax(void) { __asm__ volatile("pause" ::: "memory"); }
static inline void arch_irq_enable(void) { __asm__ volatile("sti" ::: "memory"); }
static inline void arch_irq_disable(void) { __asm__ volatile("cli" ::: "memory"); }
static inline unsigned long arch_irq_flags(void)
{
    unsigned long f;

    __asm__ volatile("pushf; pop %0" : "=r"(f)::"memory");
    return f;
}
static inline bool arch_irq_enabled(void) { return arch_irq_flags() & 0x200; }
static inline unsigned long arch_irq_save(void)
{
    unsigned long f = arch_irq_flags();

    arch_irq_disable();
    return f;
}
static inline void arch_irq_restore(unsigned long f)
{
    if (f & 0x200) {
        arch_irq_enable();
    }
}

/* A counter for time stamps; rates and offsets are the reader's business. */
static inline uint64_t arch_cycles(void)
{
    uint32_t lo, hi;

    __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
    return (uint64_t)hi << 32 | lo;
}

#define frame_table ((struct frame *)FRAMETABLE_START)
static inline void *arch_map_frame(mfn_t mfn) { return (void *)(DIRECTMAP_START + (mfn.n << PAGE_SHIFT)); }
static inline mfn_t arch_frame_of(const void *va) { return MFN(((uint64_t)va - DIRECTMAP_START) >> PAGE_SHIFT); }

/* An instruction that writes a page-table entry, as pv/emul_pt.c read it. Registers by their offset in cpu_user_regs. */
struct pt_write_form {
    uint64_t bytes; /* from rip on, some of them the next instruction's */
    uint8_t kind, length, base, index, scale, reg, imm;
    int8_t displacement;
};

struct vcpu_arch {
    /* Offsets of this first part are used by assembly (asm_offsets.c). */
    struct cpu_user_regs regs;      /* while not running */
    bool kernel_mode;               /* guest kernel or guest user */
    bool traced;                    /* pv/trace.c; assembly looks at it together with either neighbour */
    uint8_t nmi_state;              /* NMI_* in pv/bounce.h, atomic */
    uint8_t iopl;                   /* virtual IOPL << 12 is guest-visible with vm_assist; PHYSDEVOP_set_iopl */
    uint8_t callback_flags;         /* CALLBACK_MASKS_* in pv/bounce.h */
    uint64_t kernel_sp;             /* as the bounce uses it: aligned, outside the hole or certain to fault */
    uint64_t kernel_sp_asked, kernel_ss; /* as the guest said */
    uint64_t event_callback, failsafe_callback, syscall_callback, syscall32_callback, sysenter_callback;
    uint16_t syscall32_cs, sysenter_cs;
    uint64_t cr3_kernel, cr3_user;  /* machine address of the two L4 tables; user 0 = none */
    struct trap_info *traps;        /* 256 */

    mfn_t l4_kernel, l4_user;       /* referenced and typed; MFN_INVALID = none */
    bool fpu_given;                 /* by who set its context: before it has run, there is nothing else */
    struct frame *old_tables[2];    /* pv/type.h: tables to finish giving back; referenced */
    struct pt_write_form pt_write_form; /* the last one */
    uint64_t fs_base, gs_base_kernel, gs_base_user;
    uint64_t cr0_guest;             /* TS as the guest asked; the rest as Xen shows it */
    uint64_t cr4_guest;             /* what the guest reads */
    uint64_t cr2_fault;             /* last address given to the guest */
    uint64_t dr[8];
    uint64_t gdt_frames[16];        /* mfn, referenced and typed */
    unsigned int gdt_ents;
    uint64_t ldt_base;
    unsigned int ldt_ents;
    uint64_t window;                /* hypervisor address of this vCPU's GDT/LDT window (VCPU_WINDOW_SIZE) */
    void *fpu;                      /* XSAVE or FXSAVE area, 64-byte aligned */
    size_t fpu_size;
    uint64_t xcr0, xss;
    uint64_t tsc_aux;
    uint64_t iobmp_gva;             /* PHYSDEVOP_set_iobitmap */
    uint32_t iobmp_limit;
    uint64_t msr_spec_ctrl, msr_misc[4];
    uint32_t time_version;
};

struct domain_arch {
    uint64_t dirty_cpus[NR_CPUS / 64]; /* CPUs whose TLB may hold its translations; atomic */
    uint32_t cf8;                   /* latched PCI configuration address */
    struct rangeset *ports, *iomem, *irqs; /* what it may touch: lib/rangeset */
    bool may_cache;                 /* has devices: may choose cache attributes */
    void *pirqs;                    /* platform/pirq.c */
    uint64_t pirq_eoi_mfn;          /* PHYSDEVOP_pirq_eoi_gmfn */
    uint64_t *pirq_eoi_map;
    bool auto_unmask;
    const struct cpu_policy *policy; /* CPUID: pv/policy.c */
    bool policy_is_own;             /* else shared with others */
    bool msr_relaxed;               /* MSRs that it has not, but the CPU has, read as 0: pv/msr.c */
    uint32_t tsc_mode, tsc_incarnation; /* as the tools set them: pv/domctl_time.c */
    struct e820_entry *e820;        /* memory map set by the toolstack */
    unsigned int nr_e820;
    bool relinquish_started;        /* domain_arch_relinquish */
    uint64_t relinquish_left;       /* frames of the page list not looked at yet */
};

#endif
