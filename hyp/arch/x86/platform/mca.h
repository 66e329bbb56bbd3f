/*
 * Machine checks: the CPUs' own reports of broken hardware. Corrected errors are polled for, logged
 * and kept for domain 0, whose logger fetches them; an uncorrectable one ends in the hypervisor's
 * own report. Source: Intel SDM vol. 3B, "Machine-Check Architecture"; public/arch-x86/xen-mca.h.
 */
#ifndef X86_PLATFORM_MCA_H
#define X86_PLATFORM_MCA_H

#include <lodge/types.h>
#include <xen/xen.h>
#include <xen/arch-x86/xen-mca.h>

/* Every bank of the boot CPU reports from now on, and what they held is logged. */
void mca_start(void);
void mca_start_cpu(unsigned int cpu); /* the same for one that has just come */
void mca_stop_cpu(void);              /* this one goes */
/* Part of a report: what this CPU's banks say. Takes no lock. */
void mca_show(void);

/* The oldest error that domain 0 has not acknowledged, valid until it does. NULL: none. */
const struct mc_info *mca_oldest(uint64_t *id);
void mca_acknowledge(uint64_t id); /* of an unknown one: nothing */

/* Where a CPU is, by its APIC id; threads and cores as they are numbered there. */
struct cpu_place {
    uint32_t apic_id, package, core, thread;
    uint32_t cores, threads; /* of a package; of a core */
};
struct cpu_place cpu_place(unsigned int cpu);

#endif
