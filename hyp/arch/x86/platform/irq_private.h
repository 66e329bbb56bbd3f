/* What irq.c and irq_guest.c share: the descriptor of an interrupt line. */
#ifndef X86_PLATFORM_IRQ_PRIVATE_H
#define X86_PLATFORM_IRQ_PRIVATE_H

#include "core/lock.h"
#include "platform/irq.h"

enum irq_owner { OWNER_NONE, OWNER_HYPERVISOR, OWNER_GUESTS };

struct irq_guest {
    struct domain *d;
    uint32_t pirq;
    bool owes_eoi;
};

struct irq_desc {
    struct spinlock lock; /* RANK_IRQ; what follows */
    uint8_t vector;       /* 0: none yet */
    uint8_t owner;        /* enum irq_owner */
    bool level, low, typed;
    bool type_fixed; /* PHYSDEVOP_setup_gsi */
    bool share;
    bool stormy;          /* masked by the storm limit */
    unsigned int storms;  /* how often */
    bool unwanted;        /* it came while nobody was bound, and that has been reported */
    unsigned int cpu;     /* where it goes */
    uint64_t moved_ns;    /* since when */
    void (*fn)(void *data); /* OWNER_HYPERVISOR */
    void *data;
    struct irq_guest guests[IRQ_MAX_GUESTS]; /* OWNER_GUESTS */
    unsigned int nr_guests;
    unsigned int nr_owing;
    uint64_t owing_since_ns;
    struct msi_entry *msi; /* irq numbers from nr_gsis on; NULL: not allocated */
    uint64_t window_start_ns;
    uint32_t window_count;
    uint64_t count;

    uint32_t in_handler; /* atomic: CPUs inside; irq_synchronize() waits for zero */
};

/* NULL: no such line, or no message of that number */
struct irq_desc *irq_desc_of(unsigned int irq);
unsigned int irq_desc_number(const struct irq_desc *desc);

/* desc->lock is held. */
void irq_line_mask(struct irq_desc *desc, bool masked);
void irq_line_route(struct irq_desc *desc, unsigned int cpu);
void irq_line_move(struct irq_desc *desc, unsigned int cpu); /* it may interrupt meanwhile */
void irq_line_silence(struct irq_desc *desc); /* masked, and off if it cannot be */
void irq_unwanted(struct irq_desc *desc);     /* it came, and nobody is bound */
int irq_line_prepare(struct irq_desc *desc) MUST_CHECK; /* vector and type: 0, -ENOSPC */

/*
 * This CPU if devices can interrupt it and it is to be interrupted, or else CPU 0. Asked under the
 * lock: a CPU that goes looks at each line afterwards.
 */
unsigned int irq_reachable_cpu(unsigned int cpu);

void irq_guest_init(void);
/* from the interrupt: acknowledges, and tells the guests */
void irq_guest_deliver(struct irq_desc *desc);

#endif
