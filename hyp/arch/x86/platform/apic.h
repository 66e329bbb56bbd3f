/*
 * The local APIC of each CPU: interrupts to and from it, and its timer. Registers in memory (xAPIC)
 * or in MSRs (x2APIC). Source: AMD64 APM vol. 2, "Advanced Programmable Interrupt Controller";
 * Intel SDM vol. 3A, same title.
 */
#ifndef X86_PLATFORM_APIC_H
#define X86_PLATFORM_APIC_H

#include <lodge/types.h>
#include "core/cpumap.h"

extern bool apic_x2; /* registers are MSRs; the same on all CPUs once the boot CPU has decided */

void apic_init_cpu(unsigned int cpu); /* on that CPU, interrupts off */
void apic_fini_cpu(void);             /* this CPU's APIC takes nothing more */
uint32_t apic_id(void);               /* of this CPU; valid before apic_init_cpu() too */
uint32_t apic_id_of(unsigned int cpu);

void apic_eoi(void);
bool apic_in_service(uint8_t vector); /* on this CPU */
bool apic_device_pending(void);       /* has this CPU a device's interrupt to take, or in service? */
void apic_send_ipi(unsigned int cpu, uint8_t vector);
void apic_send_ipi_mask(const cpumap_t *map, uint8_t vector); /* this CPU is left out */
void apic_send_nmi(unsigned int cpu);
void apic_perf_nmi(bool on); /* this CPU's performance counters interrupt it by NMI */
void apic_send_init(uint32_t apic_id);
void apic_send_startup(uint32_t apic_id, uint8_t page); /* starts at page << 12 in real mode */

/* Timer: one shot. Counts of the APIC's clock, or the TSC's value where it has a deadline. */
extern bool apic_has_deadline;
void apic_timer_arm_count(uint32_t count);  /* 0 disarms */
void apic_timer_arm_deadline(uint64_t tsc); /* 0 disarms */
uint32_t apic_timer_count(void);            /* what is left */
void apic_timer_mask(bool masked);

#endif
