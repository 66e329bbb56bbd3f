/*
 * Interrupts. A vector belongs to one source on all CPUs: the hypervisor's own (inter-processor,
 * timer) at the top, devices below, chosen when a device is first bound. An interrupt line (GSI or
 * message) is the hypervisor's, or up to IRQ_MAX_GUESTS domains' (pirq.h).
 */
#ifndef X86_PLATFORM_IRQ_H
#define X86_PLATFORM_IRQ_H

#include <lodge/types.h>

struct cpu_user_regs;
struct domain;
struct msi_entry;

/* 0x20..0x2f: where the silenced 8259s would deliver a spurious interrupt */
#define VECTOR_PIC       0x20
#define VECTOR_DEV_FIRST 0x30
#define VECTOR_DEV_LAST  0xef /* 0x80 and 0x82 are left to guests' software interrupts */
#define VECTOR_TIMER     0xf8
#define VECTOR_CALL      0xf9 /* run a function: arch_call_cpus() */
#define VECTOR_POKE      0xfa /* notice softirqs and events */
#define VECTOR_TLB       0xfb
#define VECTOR_ERROR     0xfe
#define VECTOR_SPURIOUS  0xff

/*
 * A vector above VECTOR_DEV_LAST gets its handler, which runs after the APIC's EOI, interrupts off.
 * Boot only.
 */
void irq_vector_register(uint8_t vector, void (*fn)(struct cpu_user_regs *regs));

#define IRQ_NONE 0xffffffffU
/* interrupt lines of all I/O APICs; also the first irq number of messages */
extern unsigned int nr_gsis;
extern unsigned int nr_irqs; /* all irq numbers: [0, nr_gsis) are GSIs, then messages */

/**
 * irq_request - have an interrupt line for the hypervisor's own use
 * @fn: called with interrupts off on whatever CPU took it; level-triggered: must silence the device
 * Returns 0; -EINVAL no such line; -EBUSY in use; -ENOSPC no vector left.
 */
int irq_request(unsigned int gsi, void (*fn)(void *data), void *data) MUST_CHECK;
void irq_free(unsigned int gsi);

/*
 * Edge or level, high or low: for an unused line. 0; -EINVAL; -EEXIST it is in use, or has been told
 * for good before.
 */
int irq_set_type(unsigned int gsi, bool level, bool low, bool for_good) MUST_CHECK;
uint8_t irq_vector(unsigned int irq); /* 0: none yet, or no such irq */

/* A message interrupt's number. IRQ_NONE: none left. */
unsigned int irq_alloc_msi(struct msi_entry *msi) MUST_CHECK;
void irq_msi_start(unsigned int irq); /* its message is written: it leads here, and to nobody yet */
struct msi_entry *irq_msi(unsigned int irq); /* NULL: no message has this number */
void irq_free_msi(unsigned int irq); /* nobody is bound to it */

/*
 * Guests' side: called by pirq.c. bind: 0, -EINVAL, -EBUSY (the hypervisor's, exclusive, or too
 * many), -ENOSPC. An interrupt becomes pirq_send(d, pirq) for each guest; a level-triggered line
 * then stays masked until all of them said irq_guest_eoi().
 */
#define IRQ_MAX_GUESTS 4
int irq_guest_bind(unsigned int irq, struct domain *d, uint32_t pirq, bool share,
                   unsigned int cpu) MUST_CHECK;
void irq_guest_unbind(unsigned int irq, struct domain *d);
void irq_guest_eoi(unsigned int irq, struct domain *d); /* d has served it */
bool irq_guest_needs_eoi(unsigned int irq);             /* level-triggered */
bool irq_guest_shared(unsigned int irq);
void irq_set_affinity(unsigned int irq, unsigned int cpu);
/* Wait until no CPU is inside this interrupt's handler. No lock held. */
void irq_synchronize(unsigned int irq);
/* moves what is directed there; the CPU is out of cpus_active */
void irq_cpu_remove(unsigned int cpu);

#endif
