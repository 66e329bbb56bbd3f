/*
 * Interrupt lines that belong to guests. Edge-triggered lines and messages are acknowledged at
 * once. A level-triggered line is masked, acknowledged, and stays masked until every guest that was
 * told has answered: between the two a guest that never answers costs its own device, not the CPU,
 * and those that share the line with it a millisecond.
 */
#include "platform/irq_private.h"

#include <lodge/errno.h>
#include <lodge/string.h>
#include "core/arch.h"
#include "core/domain.h"
#include "core/evtchn.h"
#include "core/log.h"
#include "core/option.h"
#include "core/timer.h"
#include "platform/apic.h"

#define STORM_WINDOW (10 * NS_PER_MS)
#define MOVE_PAUSE   (10 * NS_PER_MS)

/* As many interrupts of a line in 10 ms are too many; 0: none are. */
static unsigned int opt_irq_ratelimit = 10000;
OPTION_UINT("irq_ratelimit", opt_irq_ratelimit);

/* So long a guest may keep others waiting that share a level-triggered line with it. */
#define ANSWER_LIMIT (1 * NS_PER_MS)

static struct timer storm_timer, answer_timer;

/* From a copy of desc->guests, made under the lock. What keeps their domains is desc->in_handler. */
static void tell(const struct irq_guest *guests, unsigned int nr)
{
    for (unsigned int i = 0; i < nr; i++) {
        pirq_send(guests[i].d, guests[i].pirq);
    }
}

static void storm_end(struct irq_desc *desc)
{
    struct irq_guest told[IRQ_MAX_GUESTS];
    unsigned long flags = spin_lock_irqsave(&desc->lock);
    unsigned int nr = 0;

    if (desc->stormy) {
        desc->stormy = false;
        desc->window_count = 0;
        if (desc->owner != OWNER_NONE && !desc->nr_owing) {
            irq_line_mask(desc, false);
            nr = desc->nr_guests;
            memcpy(told, desc->guests, sizeof(told));
            __atomic_fetch_add(&desc->in_handler, 1, __ATOMIC_ACQUIRE);
        }
    }
    spin_unlock_irqrestore(&desc->lock, flags);
    if (nr) {
        tell(told, nr);
        __atomic_fetch_sub(&desc->in_handler, 1, __ATOMIC_RELEASE);
    }
}

/*
 * Lines that were silenced for interrupting without pause get another chance. What an edge
 * announced meanwhile is lost to the I/O APIC, and to a device without mask bits: the drivers are
 * told to look.
 */
static void storm_over(void *data)
{
    (void)data;
    for (unsigned int irq = 0; irq < nr_irqs; irq++) {
        struct irq_desc *desc = irq_desc_of(irq);

        if (desc && desc->stormy) {
            storm_end(desc);
        }
    }
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

/* A line that several guests share is not one guest's to keep masked. True: look again. */
static bool answer_for_guests(struct irq_desc *desc, uint64_t now)
{
    unsigned long flags = spin_lock_irqsave(&desc->lock);
    bool waits = desc->nr_guests > 1 && desc->nr_owing;

    if (waits && now - desc->owing_since_ns >= ANSWER_LIMIT) {
        for (unsigned int i = 0; i < desc->nr_guests; i++) {
            eoi_locked(desc, &desc->guests[i]);
        }
        waits = false;
    }
    spin_unlock_irqrestore(&desc->lock, flags);
    return waits;
}

static void answers_due(void *data)
{
    uint64_t now = arch_time_ns();
    bool more = false;

    (void)data;
    for (unsigned int irq = 0; irq < nr_gsis; irq++) {
        struct irq_desc *desc = irq_desc_of(irq);

        more |= desc && desc->nr_owing && answer_for_guests(desc, now);
    }
    if (more) {
        timer_set(&answer_timer, now + ANSWER_LIMIT);
    }
}

static void storm_check(struct irq_desc *desc)
{
    uint64_t now = arch_time_ns();

    if (now - desc->window_start_ns > STORM_WINDOW) {
        desc->window_start_ns = now;
        desc->window_count = 0;
    }
    if (!opt_irq_ratelimit || ++desc->window_count <= opt_irq_ratelimit || desc->stormy) {
        return;
    }
    desc->stormy = true;
    desc->storms++;
    irq_line_silence(desc);
    if (desc->storms == 1) { /* the debug key tells of more */
        log_warning("irq %u (domain %u): more than %u interrupts in 10 ms, held back",
                    irq_desc_number(desc), desc->guests[0].d->id, opt_irq_ratelimit);
    }
    timer_set(&storm_timer, now + STORM_WINDOW);
}

/*
 * The interrupt goes to where the vCPU runs that is to hear of it. It is changed while it is being
 * handled, and not with every step of a vCPU that wanders.
 */
static void follow_vcpu(struct irq_desc *desc)
{
    const struct vcpu *v = pirq_vcpu(desc->guests[0].d, desc->guests[0].pirq);
    unsigned int cpu = v ? irq_reachable_cpu(__atomic_load_n(&v->cpu, __ATOMIC_RELAXED)) : desc->cpu;
    uint64_t now;

    if (unlikely(cpu != desc->cpu)) {
        now = arch_time_ns();
        if (now - desc->moved_ns > MOVE_PAUSE) {
            desc->moved_ns = now;
            irq_line_move(desc, cpu);
        }
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
    if (unlikely(!nr)) { /* unbound since the caller looked */
        if (desc->owner == OWNER_NONE) {
            irq_unwanted(desc);
        }
        apic_eoi();
        spin_unlock(&desc->lock);
        return;
    }
    memcpy(told, desc->guests, sizeof(told));
    if (desc->level) {
        irq_line_mask(desc, true);
        for (unsigned int i = 0; i < nr; i++) {
            if (!desc->guests[i].owes_eoi) {
                desc->guests[i].owes_eoi = true;
                desc->nr_owing++;
            }
        }
        desc->owing_since_ns = arch_time_ns();
        if (nr > 1 && !timer_active(&answer_timer)) {
            timer_set(&answer_timer, desc->owing_since_ns + ANSWER_LIMIT);
        }
    }
    follow_vcpu(desc);
    apic_eoi();
    storm_check(desc);
    spin_unlock(&desc->lock);

    tell(told, nr);
}

void irq_guest_init(void)
{
    timer_init(&storm_timer, storm_over, NULL, 0);
    timer_init(&answer_timer, answers_due, NULL, 0);
}
