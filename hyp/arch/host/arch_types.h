/*
 * The host's share of core's types: a hypervisor inside an ordinary process, for unit tests and
 * fuzzers. A thread is a CPU (CPU 0 until host_set_cpu()); time, interrupts and pokes are what the
 * test makes of them.
 */
#ifndef HOST_ARCH_TYPES_H
#define HOST_ARCH_TYPES_H

#include <lodge/types.h>
#include <xen/xen.h>

#define NR_CPUS 8

struct vcpu;

struct vcpu_arch {
    unsigned int kicks;               /* vcpu_arch_kick() */
    unsigned int syncs;               /* vcpu_arch_sync() */
    uint64_t context_gva;             /* vcpu_arch_initialise() */
    uint64_t continue_args[6];        /* hypercall_arch_continue() */
    unsigned int continue_nr, continues;
    unsigned int nmis;                /* vcpu_arch_send_nmi() */
    unsigned int time_area_changes;   /* vcpu_arch_time_area_changed() */
    bool initialised;
};

struct domain_arch {
    bool initialised;
    unsigned int frames_assigned, frames_released;
};

struct host_cpu {
    unsigned int id;
    bool irqs_off;
    struct vcpu *vcpu;
};

extern _Thread_local struct host_cpu host_cpu;
extern char *host_ram; /* frame n lies at host_ram + n * PAGE_SIZE */

static inline unsigned int arch_cpu_id(void) { return host_cpu.id; }
static inline struct vcpu *arch_current(void) { return host_cpu.vcpu; }

static inline bool arch_irq_enabled(void) { return !host_cpu.irqs_off; }
static inline void arch_irq_enable(void) { host_cpu.irqs_off = false; }
static inline void arch_irq_disable(void) { host_cpu.irqs_off = true; }
static inline unsigned long arch_irq_save(void)
{
    unsigned long enabled = !host_cpu.irqs_off;

    host_cpu.irqs_off = true;
    return enabled;
}
static inline void arch_irq_restore(unsigned long flags)
{
    host_cpu.irqs_off = !flags;
}

/* gives the thread's time away: there may be fewer real CPUs than threads */
void arch_cpu_relax(void);

extern struct frame *frame_table;

uint64_t arch_time_ns(void);
static inline uint64_t arch_cycles(void) { return arch_time_ns(); }

static inline void *arch_map_frame(mfn_t mfn) { return host_ram + (mfn.n << PAGE_SHIFT); }
static inline mfn_t arch_frame_of(const void *va)
{
    return MFN((uint64_t)((const char *)va - host_ram) >> PAGE_SHIFT);
}

#endif
