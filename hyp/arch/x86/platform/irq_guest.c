/*
 * Interrupt lines that belong to guests. Edge-triggered lines and messages are acknowledged at
 * once. A level-triggered line is masked, acknowledged, and stays masked until every guest that was
 * told has answered: between the two a guest that never answers costs its own device, not the CPU.
 */
#include "platform/irq_private.h"

#include <lodge/errno.h>
#include <lodge/string.h>
#include "core/arch.h"
#include "core/domain.h"
#include "core/evtchn.h"
#include "core/log.h"
#include "core/timer.h"
#include "platform/apic.h"

#define STORM_WINDOW (10 * NS_PER_MS)
#define STORM_LIMIT  10000

static struct timer storm_timer;

/* A line that was silenced for interrupting without pause gets another chance. */
static void storm_over(void *data)
{
    (void)data;
    for (unsigned int irq = 0; irq < nr_irqs; irq++) {
        struct irq_desc *desc = irq_desc_of(irq);
        unsigned long flags;

        if (!desc) {
            continue;
        }
        flags = spin_lock_irqsave(&desc->lock);
        if (desc->stormy) {
            desc->stormy = false;
            desc->window_count = 0;
            if (desc->owner != OWNER_NONE && !desc->nr_owing) {
                irq_line_mask(desc, false);
            }
        }
        spin_unlock_irqrestore(&desc->lock, flags);
    }
}

static void storm_check(struct irq_desc *desc)
{
    uint64_t now = arch_time_ns();

    if (now - desc->window_start_ns > STORM_WINDOW) {
        desc->window_start_ns = now;
        desc->window_count = 0;
    }
    if (++desc->window_count > STORM_LIMIT && !desc->stormy) {
        desc->stormy = true;
        irq_line_mask(desc, true);
        log_print_guest(LOG_WARNING, domain_vcpu(desc->guests[0].d, 0),
                        "irq %u: more than %u interrupts in 10 ms, held back",
                        irq_desc_number(desc), STORM_LIMIT);
        timer_set(&storm_timer, now + STORM_WINDOW);
    }
}

int irq_guest_bind(unsigned int irq, struct domain *d, uint32_t pirq, bool share, unsigned int cpu)
{
    struct irq_desc *desc = irq_desc_of(irq);
    unsigned long flags;
    int rc = 0;

    if (!desc) {
        return -EINVAL;
    }
    flags = spin_lock_irqsave(&desc->lock);
    if (desc->owner == OWNER_HYPERVISOR || desc->nr_guests == IRQ_MAX_GUESTS ||
        (desc->owner == OWNER_GUESTS && !(share && desc->share))) {
        rc = -EBUSY;
        goto out;
    }
    rc = irq_line_prepare(desc);
    if (rc) {
        goto out;
    }
    desc->guests[desc->nr_guests++] = (struct irq_guest){ .d = d, .pirq = pirq };
    if (desc->owner == OWNER_NONE) {
        desc->owner = OWNER_GUESTS;
        desc->share = share;
        desc->window_count = 0;
        irq_line_route(desc, cpu);
        irq_line_mask(desc, false);
    }
out:
    spin_unlock_irqrestore(&desc->lock, flags);
    return rc;
}

static struct irq_guest *guest_find(struct irq_desc *desc, const struct domain *d)
{
    for (unsigned int i = 0; i < desc->nr_guests; i++) {
        if (desc->guests[i].d == d) {
            return &desc->guests[i];
        }
    }
    return NULL;
}

static void eoi_locked(struct irq_desc *desc, struct irq_guest *g)
{
    if (g->owes_eoi) {
        g->owes_eoi = false;
        if (--desc->nr_owing == 0 && !desc->stormy) {
            irq_line_mask(desc, false);
        }
    }
}

void irq_guest_unbind(unsigned int irq, struct domain *d)
{
    struct irq_desc *desc = irq_desc_of(irq);
    struct irq_guest *g;
    unsigned long flags;

    if (!desc) {
        return;
    }
    flags = spin_lock_irqsave(&desc->lock);
    g = guest_find(desc, d);
    if (g) {
        if (desc->nr_guests == 1) {
            irq_line_mask(desc, true);
            g->owes_eoi = false;
            desc->nr_owing = 0;
            desc->owner = OWNER_NONE;
        } else {
            eoi_locked(desc, g);
        }
        *g = desc->guests[--desc->nr_guests];
    }
    spin_unlock_irqrestore(&desc->lock, flags);
}

void irq_guest_eoi(unsigned int irq, struct domain *d)
{
    struct irq_desc *desc = irq_desc_of(irq);
    struct irq_guest *g;
    unsigned long flags;

    if (!desc || !desc->level) {
        return;
    }
    flags = spin_lock_irqsave(&desc->lock);
    g = guest_find(desc, d);
    if (g) {
        eoi_locked(desc, g);
    }
    spin_unlock_irqrestore(&desc->lock, flags);
}

bool irq_guest_needs_eoi(unsigned int irq)
{
    struct irq_desc *desc = irq_desc_of(irq);

    return desc && desc->level;
}

bool irq_guest_shared(unsigned int irq)
{
    struct irq_desc *desc = irq_desc_of(irq);

    return desc && __atomic_load_n(&desc->nr_guests, __ATOMIC_RELAXED) > 1;
}

/*
 * The domain of a guest in the copy stays: pirq_domain_fini() waits for in_handler to fall to zero.
 */
void irq_guest_deliver(struct irq_desc *desc)
{
    struct irq_guest told[IRQ_MAX_GUESTS];
    unsigned int nr;

    spin_lock(&desc->lock);
    nr = desc->nr_guests;
    memcpy(told, desc->guests, sizeof(told));
    if (desc->level) {
        irq_line_mask(desc, true);
        for (unsigned int i = 0; i < nr; i++) {
            if (!desc->guests[i].owes_eoi) {
                desc->guests[i].owes_eoi = true;
                desc->nr_owing++;
            }
        }
    }
    apic_eoi();
    if (nr) {
        storm_check(desc);
    }
    spin_unlock(&desc->lock);

    for (unsigned int i = 0; i < nr; i++) {
        pirq_send(told[i].d, told[i].pirq);
    }
}

void irq_guest_init(void)
{
    timer_init(&storm_timer, storm_over, NULL, 0);
}
