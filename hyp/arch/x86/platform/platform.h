/*
 * The machine around the CPUs, in the order in which boot brings it up. Each step needs those
 * before it.
 *
 *   serial_early_init()   command line parsed; no memory, no interrupts: output is polled
 *   platform_acpi_init()  ioremap() works: tables found and read; CPUs, I/O APICs, clocks are known
 *   vga_init()            ioremap() works
 *   platform_irq_init()   heap works: 8259s off, I/O APICs masked, interrupt descriptors made
 *   apic_init_cpu(0)      boot CPU; every other CPU calls it for itself
 *   time_init()           boot CPU: TSC and APIC timer measured; arch_time_ns() and
 *                         arch_timer_program() work
 *   time_init_cpu(cpu)    every other CPU, after apic_init_cpu(), before it is scheduled on
 *   time_check_sync()     boot CPU, interrupts on, once all CPUs are up
 *   serial_start()        timers work: input and output by interrupt
 *   vga_release()         before dom0's first instruction: the screen is its, unless vga=keep
 */
#ifndef X86_PLATFORM_H
#define X86_PLATFORM_H

#include <lodge/types.h>

struct domain;

/* Stops with one clear line when the machine has no usable ACPI tables. */
void platform_acpi_init(void);
/* Panics without memory: nothing works without interrupts. */
void platform_irq_init(void);

/**
 * platform_dom0_permissions - let the hardware domain at the machine's devices
 * @d: its d->arch.ports, iomem (frame numbers) and irqs (GSIs) are replaced by fresh sets:
 *     everything but what the hypervisor keeps
 * Returns 0; -ENOMEM, with the sets as far as they got.
 */
int platform_dom0_permissions(struct domain *d) MUST_CHECK;
/* Frees the three sets; "nothing" is fine. */
void platform_permissions_free(struct domain *d);

/*
 * Firmware tables and device registers that may lie outside RAM: the direct map where it reaches,
 * else ioremap(). NULL.
 */
void *platform_map(uint64_t maddr, size_t size) MUST_CHECK;

#endif
