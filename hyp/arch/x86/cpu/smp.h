/* The other CPUs: started one by one by the boot CPU, asked to do things by interrupt. */
#ifndef X86_CPU_SMP_H
#define X86_CPU_SMP_H

#include "core/cpumap.h"

void smp_prepare(void); /* boot allocator: memory below 1 MiB and 4 GiB that the start needs */
uint64_t smp_trampoline_maddr(void); /* the page that CPUs start in, below 1 MiB; 0: none */
void smp_init(void);    /* interrupt vectors can be registered: arch_call_cpus() works from now */
/* Every CPU that ACPI lists, up to maxcpus=. Time and scheduler work; interrupts are on. */
void smp_start_all(void);

/*
 * One step of waiting for another CPU: does what is asked of this one meanwhile, so that two that
 * wait do not wait for ever.
 */
void smp_serve(void);

/* Called on every NMI, first of all: does not return if arch_cpus_stop() sent it. */
void smp_stop_check(void);

#endif
