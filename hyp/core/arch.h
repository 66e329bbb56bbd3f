/*
 * What core needs of a CPU. Each architecture (x86, later arm64, and host: an ordinary process)
 * supplies every function here, plus the header arch_types.h with the types and inline functions:
 *
 *   struct vcpu_arch, struct domain_arch   embedded as one member `arch` each
 *   NR_CPUS                                most CPUs a build can hold
 *   arch_cpu_id()                          this CPU, 0 .. NR_CPUS-1
 *   arch_current()                         the vCPU whose context this CPU holds
 *   arch_irq_save() / arch_irq_restore(flags) / arch_irq_enable() / arch_irq_disable() / arch_irq_enabled()
 *   arch_cpu_relax()                       pause in a spin loop
 *   arch_map_frame(mfn)                    hypervisor virtual address of a RAM frame (direct map: costs nothing)
 *   arch_cycles()                          a counter for time stamps
 *   arch_frame_of(va)                      mfn_t of an address obtained so
 */
#ifndef CORE_ARCH_H
#define CORE_ARCH_H

#include <lodge/types.h>

struct vcpu;
struct domain;
struct frame;
struct xen_domctl_createdomain;
struct xen_domctl_getdomaininfo;
struct xen_sysctl_physinfo;
struct vcpu_guest_context;

#include "arch_types.h"

/* Time: nanoseconds since boot, monotonic and the same on all CPUs within the clock's error. */
uint64_t arch_time_ns(void);
/* Interrupt this CPU at `deadline_ns` at the latest (TIMER_SOFTIRQ is to be raised); 0 = never. */
void arch_timer_program(uint64_t deadline_ns);

/* Make another CPU notice its pending softirqs soon. Not called for this CPU. */
void arch_cpu_poke(unsigned int cpu);
/* Wait, interrupts on, until an interrupt; returns at once if a softirq became pending. Called with interrupts off. */
void arch_cpu_idle(void);
/* Call fn(arg) on every CPU of `map` but this one, and wait until all have. Interrupts must be on. */
struct arch_cpumap_arg; /* keeps the prototype independent of cpumap.h */
void arch_call_cpus(const uint64_t *map_words, void (*fn)(void *arg), void *arg);

/* CPUs have the numbers [0, arch_nr_cpus()), whether they are there now or not. */
unsigned int arch_nr_cpus(void);
struct cpu_topology {
    uint32_t core, socket; /* cores are counted in each socket */
};
bool arch_cpu_topology(unsigned int cpu, struct cpu_topology *out); /* false: no such CPU */
/* The machine in numbers that core does not know: speed, memory, what CPUs can. The rest is filled in. */
void arch_physinfo(struct xen_sysctl_physinfo *info);
/*
 * A CPU that is off begins: it ends up in idle_loop(), after sched_cpu_start(). Waits for it.
 * 0, -ENOMEM, -EIO: it does not.
 */
int arch_cpu_start(unsigned int cpu) MUST_CHECK;
/*
 * On a CPU about to go, interrupts off: device interrupts find another. False: some had come, or
 * may yet; interrupts are to be on for a moment, then it is to be called again.
 */
bool arch_cpu_drain(void) MUST_CHECK;
/* This CPU goes: sched_cpu_gone(), then it halts for good, or until arch_cpu_start(). */
void arch_cpu_park(void);
bool arch_cpu_parked(unsigned int cpu);

/* vCPU and domain state; init returns 0 or -ENOMEM, fini copes with any stage of init. */
int domain_arch_init(struct domain *d) MUST_CHECK;
void domain_arch_fini(struct domain *d);
/* Give back what the domain's memory needs given back, in steps: 0, or -ERESTART to be called again. */
int domain_arch_relinquish(struct domain *d) MUST_CHECK;
int vcpu_arch_init(struct vcpu *v) MUST_CHECK;
void vcpu_arch_fini(struct vcpu *v);

/*
 * Leave `prev` (its registers are on this CPU's stack) for `next`. Does not return to the caller when
 * next is not prev: continues in next's return path, which calls sched_context_saved(prev) first.
 */
void vcpu_arch_switch(struct vcpu *prev, struct vcpu *next);
/* Make a running vCPU pass its return path soon (so that it sees a new event). */
void vcpu_arch_kick(struct vcpu *v);
/* The vCPU's registers, saved and consistent: v is not running, or is current. */
void vcpu_arch_sync(struct vcpu *v);

/* The context of a vCPU that has one and does not run, as VCPUOP_initialise would take it. *to: zeroed. */
void vcpu_arch_get_context(struct vcpu *v, struct vcpu_guest_context *to);

/*
 * The same the other way: its first context, or another with the same tables, and whether it is up. The domain is
 * paused. -EINVAL: something in it that no guest may have; -EOPNOTSUPP: other tables; -ERESTART: again.
 */
int vcpu_arch_set_context(struct vcpu *v, const struct vcpu_guest_context *c) MUST_CHECK;
/* It goes down and has no context any more. The domain is paused. 0 or -ERESTART. */
int vcpu_arch_reset(struct vcpu *v) MUST_CHECK;

/*
 * VCPUOP_initialise with its argument as the guest gave it. -EFAULT it cannot be read; -EEXIST
 * v->initialised is set; -EINVAL and friends as Xen's arch_set_info_guest.
 */
int vcpu_arch_initialise(struct vcpu *v, uint64_t context_gva) MUST_CHECK;

/* What createdomain asks of the architecture: -EINVAL, -EOPNOTSUPP; and noting it, once there is the domain. */
int domain_arch_check(const struct xen_domctl_createdomain *req) MUST_CHECK;
void domain_arch_options(struct domain *d, const struct xen_domctl_createdomain *req);

/* What getdomaininfo says of the architecture's own. */
void domain_arch_info(const struct domain *d, struct xen_domctl_getdomaininfo *info);

/* A frame changes hands: clear M2P and what else remembers it. */
void arch_frame_assigned(struct frame *f, struct domain *d);
void arch_frame_released(struct frame *f, struct domain *d);

/*
 * A page of heap_alloc_pages() that privileged domains may map from now on, as DOMID_XEN's, for good:
 * its type, of which one reference stays for ever, lets writable mappings in or keeps them out.
 */
void arch_frame_share_with_tools(struct frame *f, bool writable);

/*
 * For the end: the other CPUs stop where they are. Returns when they have or will not; on one of two
 * that call it at the same time, never.
 */
void arch_cpus_stop(void);
/* What follows may keep this CPU for long, until hold is taken back: no watchdog is to bark. */
void arch_watchdog_hold(bool hold);
/* Machine control. reason: why, for the console. */
NORETURN void arch_machine_halt(void);
NORETURN void arch_machine_reboot(void);
NORETURN void arch_machine_power_off(void);
/* Registers and symbolised stack of this CPU (regs == NULL: from here), and of a guest. */
void arch_show_stack(const void *regs);
void vcpu_arch_show(const struct vcpu *v);

#endif
