/*
 * Interrupt dispatch. Edge-triggered lines and messages are acknowledged at once. A level-triggered line that belongs to
 * guests is masked, acknowledged, and stays masked until every guest that was told has answered: between the two a guest
 * that never answers costs its own device, not the CPU.
 */
#include "platform/irq.h"

#include <lodge/errno.h>
#include <lodge/string.h>
#include "core/cpumap.h"
#include "core/debugkey.h"
#include "core/domain.h"
#include "core/evtchn.h"
#include "core/lock.h"
#include "core/log.h"
#include "core/object.h"
#include "core/percpu.h"
#include "core/timer.h"
#include "entry.h"
#include "platform/apic.h"
#include "platform/ioapic.h"
#include "platform/msi.h"
#include "platform/pic.h"
#include "platform/platform.h"

#define NR_VECTORS     256
#define NR_MSI_IRQS    160
#define DEST_LIMIT     255 /* without interrupt remapping a device can name 8-bit APIC ids only */
#define STORM_WINDOW   (10 * NS_PER_MS)
#define STORM_LIMIT    10000

enum irq_owner { OWNER_NONE, OWNER_HYPERVISOR, OWNER_GUESTS };

struct irq_guest {
    struct domain *d;
    uint32_t pirq;
    bool owes_eoi;
};

struct irq_desc {
    struct spinlock lock;             /* RANK_IRQ; what follows */
    uint8_t vector;                   /* 0: none yet */
    uint8_t owner;                    /* enum irq_owner */
    bool level, low, typed;
    bool share;
    bool stormy;                      /* masked by the storm limit */
    unsigned int cpu;
    void (*fn)(void *data);           /* OWNER_HYPERVISOR */
    void *data;
    struct irq_guest guests[IRQ_MAX_GUESTS]; /* OWNER_GUESTS */
    unsigned int nr_guests;
    unsigned int nr_owing;
    struct msi_entry *msi;            /* irq numbers from nr_gsis on; NULL: not allocated */
    uint64_t window_start_ns;
    uint32_t window_count;
    uint64_t count;

    uint32_t in_handler;              /* atomic: CPUs inside; irq_synchronize() waits for zero */
};

unsigned int nr_gsis, nr_irqs;

static struct irq_desc *descs;
static uint32_t vector_irq[NR_VECTORS]; /* irq + 1; 0: free. Changed under vector_lock */
static struct spinlock vector_lock = SPINLOCK_INIT(RANK_IOAPIC);
static void (*system_vectors[NR_VECTORS - VECTOR_DEV_LAST - 1])(struct cpu_user_regs *regs);
static struct timer storm_timer;
static DEFINE_PER_CPU(uint64_t, spurious);

static struct irq_desc *desc_of(unsigned int irq)
{
    if (irq >= nr_irqs || (irq < nr_gsis && !ioapic_has_gsi(irq)) || (irq >= nr_gsis && !descs[irq].msi)) {
        return NULL;
    }
    return &descs[irq];
}

static unsigned int irq_of(const struct irq_desc *desc)
{
    return desc - descs;
}

static void line_mask(struct irq_desc *desc, bool masked)
{
    if (desc->msi) {
        msi_mask(desc->msi, masked);
    } else if (masked) {
        ioapic_mask(irq_of(desc));
    } else {
        ioapic_unmask(irq_of(desc));
    }
}

static void line_route(struct irq_desc *desc, unsigned int cpu)
{
    if (apic_id_of(cpu) >= DEST_LIMIT) {
        cpu = 0;
    }
    desc->cpu = cpu;
    if (desc->msi) {
        msi_route(desc->msi, desc->vector, apic_id_of(cpu));
    } else {
        ioapic_route(irq_of(desc), desc->vector, desc->level, desc->low, apic_id_of(cpu));
    }
}

/* Vectors are dealt out round robin over the priority classes (the upper four bits), so that none is crowded. */
static uint8_t vector_alloc(unsigned int irq)
{
    unsigned long flags = spin_lock_irqsave(&vector_lock);
    uint8_t found = 0;

    for (unsigned int low = 0; low < 16 && !found; low++) {
        for (unsigned int class = VECTOR_DEV_FIRST; class <= VECTOR_DEV_LAST; class += 16) {
            unsigned int v = class + low;

            if (!vector_irq[v] && v != 0x80 && v != 0x82) {
                vector_irq[v] = irq + 1;
                found = v;
                break;
            }
        }
    }
    spin_unlock_irqrestore(&vector_lock, flags);
    return found;
}

static void vector_free(uint8_t vector)
{
    unsigned long flags = spin_lock_irqsave(&vector_lock);

    vector_irq[vector] = 0;
    spin_unlock_irqrestore(&vector_lock, flags);
}

/* The line gets its vector and its type, if it has none yet. */
static int line_prepare(struct irq_desc *desc)
{
    assert_held(&desc->lock);
    if (!desc->vector) {
        desc->vector = vector_alloc(irq_of(desc));
    }
    if (!desc->vector) {
        return -ENOSPC;
    }
    if (!desc->msi && !desc->typed) {
        if (!ioapic_isa_type(irq_of(desc), &desc->level, &desc->low)) {
            desc->level = desc->low = true; /* what PCI wires have */
        }
        desc->typed = true;
    }
    return 0;
}

int irq_request(unsigned int gsi, void (*fn)(void *data), void *data)
{
    struct irq_desc *desc = gsi < nr_gsis ? desc_of(gsi) : NULL;
    unsigned long flags;
    int rc;

    if (!desc) {
        return -EINVAL;
    }
    flags = spin_lock_irqsave(&desc->lock);
    rc = desc->owner == OWNER_NONE ? line_prepare(desc) : -EBUSY;
    if (!rc) {
        desc->owner = OWNER_HYPERVISOR;
        desc->fn = fn;
        desc->data = data;
        line_route(desc, 0);
        line_mask(desc, false);
    }
    spin_unlock_irqrestore(&desc->lock, flags);
    return rc;
}

void irq_free(unsigned int gsi)
{
    struct irq_desc *desc = desc_of(gsi);
    unsigned long flags;

    if (!desc) {
        return;
    }
    flags = spin_lock_irqsave(&desc->lock);
    if (desc->owner == OWNER_HYPERVISOR) {
        line_mask(desc, true);
        desc->owner = OWNER_NONE; /* fn stays: a CPU may be about to call it */
    }
    spin_unlock_irqrestore(&desc->lock, flags);
    irq_synchronize(gsi);
}

int irq_set_type(unsigned int gsi, bool level, bool low)
{
    struct irq_desc *desc = gsi < nr_gsis ? desc_of(gsi) : NULL;
    unsigned long flags;
    int rc = -EEXIST;

    if (!desc) {
        return -EINVAL;
    }
    flags = spin_lock_irqsave(&desc->lock);
    if (desc->owner == OWNER_NONE && !desc->typed) {
        desc->level = level;
        desc->low = low;
        desc->typed = true;
        rc = 0;
    }
    spin_unlock_irqrestore(&desc->lock, flags);
    return rc;
}

uint8_t irq_vector(unsigned int irq)
{
    struct irq_desc *desc = desc_of(irq);

    return desc ? desc->vector : 0;
}

unsigned int irq_alloc_msi(struct msi_entry *msi)
{
    for (unsigned int irq = nr_gsis; irq < nr_irqs; irq++) {
        struct irq_desc *desc = &descs[irq];
        unsigned long flags = spin_lock_irqsave(&desc->lock);
        bool ok = false;

        if (!desc->msi) {
            desc->msi = msi;
            desc->level = desc->stormy = false;
            ok = line_prepare(desc) == 0;
            if (!ok) {
                desc->msi = NULL;
            }
        }
        spin_unlock_irqrestore(&desc->lock, flags);
        if (ok) {
            return irq;
        }
    }
    return IRQ_NONE;
}

void irq_free_msi(unsigned int irq)
{
    struct irq_desc *desc = irq >= nr_gsis ? desc_of(irq) : NULL;
    unsigned long flags;

    if (!desc) {
        return;
    }
    assert(desc->owner == OWNER_NONE);
    irq_synchronize(irq);
    flags = spin_lock_irqsave(&desc->lock);
    vector_free(desc->vector);
    desc->vector = 0;
    desc->msi = NULL;
    spin_unlock_irqrestore(&desc->lock, flags);
}

/* A line that was silenced for interrupting without pause gets another chance. */
static void storm_over(void *data)
{
    (void)data;
    for (unsigned int irq = 0; irq < nr_irqs; irq++) {
        struct irq_desc *desc = &descs[irq];
        unsigned long flags = spin_lock_irqsave(&desc->lock);

        if (desc->stormy) {
            desc->stormy = false;
            desc->window_count = 0;
            if (desc->owner != OWNER_NONE && !desc->nr_owing) {
                line_mask(desc, false);
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
        line_mask(desc, true);
        log_print_guest(LOG_WARNING, domain_vcpu(desc->guests[0].d, 0), "irq %u: more than %u interrupts in 10 ms, held back",
                        irq_of(desc), STORM_LIMIT);
        timer_set(&storm_timer, now + STORM_WINDOW);
    }
}

int irq_guest_bind(unsigned int irq, struct domain *d, uint32_t pirq, bool share, unsigned int cpu)
{
    struct irq_desc *desc = desc_of(irq);
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
    rc = line_prepare(desc);
    if (rc) {
        goto out;
    }
    desc->guests[desc->nr_guests++] = (struct irq_guest){ .d = d, .pirq = pirq };
    if (desc->owner == OWNER_NONE) {
        desc->owner = OWNER_GUESTS;
        desc->share = share;
        desc->window_count = 0;
        line_route(desc, cpu);
        line_mask(desc, false);
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
            line_mask(desc, false);
        }
    }
}

void irq_guest_unbind(unsigned int irq, struct domain *d)
{
    struct irq_desc *desc = desc_of(irq);
    struct irq_guest *g;
    unsigned long flags;

    if (!desc) {
        return;
    }
    flags = spin_lock_irqsave(&desc->lock);
    g = guest_find(desc, d);
    if (g) {
        if (desc->nr_guests == 1) {
            line_mask(desc, true);
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
    struct irq_desc *desc = desc_of(irq);
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
    struct irq_desc *desc = desc_of(irq);

    return desc && desc->level;
}

bool irq_guest_shared(unsigned int irq)
{
    struct irq_desc *desc = desc_of(irq);

    return desc && __atomic_load_n(&desc->nr_guests, __ATOMIC_RELAXED) > 1;
}

void irq_set_affinity(unsigned int irq, unsigned int cpu)
{
    struct irq_desc *desc = desc_of(irq);
    unsigned long flags;

    if (!desc || desc->cpu == cpu) {
        return;
    }
    if (apic_id_of(cpu) >= DEST_LIMIT) {
        cpu = 0;
    }
    flags = spin_lock_irqsave(&desc->lock);
    desc->cpu = cpu;
    if (desc->owner != OWNER_NONE) {
        if (desc->msi) {
            msi_route(desc->msi, desc->vector, apic_id_of(cpu));
        } else {
            ioapic_set_dest(irq, apic_id_of(cpu));
        }
    }
    spin_unlock_irqrestore(&desc->lock, flags);
}

void irq_synchronize(unsigned int irq)
{
    struct irq_desc *desc = desc_of(irq);

    while (desc && __atomic_load_n(&desc->in_handler, __ATOMIC_ACQUIRE)) {
        arch_cpu_relax();
    }
}

void irq_cpu_remove(unsigned int cpu)
{
    for (unsigned int irq = 0; irq < nr_irqs; irq++) {
        if (descs[irq].cpu == cpu) {
            irq_set_affinity(irq, cpumap_next(&cpus_online, 0));
        }
    }
}

/* The domain of a guest in the copy stays: pirq_domain_fini() waits for in_handler to fall to zero. */
static void deliver(struct irq_desc *desc)
{
    struct irq_guest told[IRQ_MAX_GUESTS];
    unsigned int nr;

    spin_lock(&desc->lock);
    nr = desc->nr_guests;
    memcpy(told, desc->guests, sizeof(told));
    if (desc->level) {
        line_mask(desc, true);
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

static void device_interrupt(struct irq_desc *desc)
{
    __atomic_fetch_add(&desc->in_handler, 1, __ATOMIC_ACQUIRE);
    desc->count++;
    switch (__atomic_load_n(&desc->owner, __ATOMIC_ACQUIRE)) {
    case OWNER_HYPERVISOR:
        if (desc->level) {
            desc->fn(desc->data);
            apic_eoi();
        } else {
            apic_eoi();
            desc->fn(desc->data);
        }
        break;
    case OWNER_GUESTS:
        deliver(desc);
        break;
    default:
        /* It was on its way when the line was masked, or a device ignores its mask. */
        spin_lock(&desc->lock);
        line_mask(desc, true);
        spin_unlock(&desc->lock);
        apic_eoi();
        break;
    }
    __atomic_fetch_sub(&desc->in_handler, 1, __ATOMIC_RELEASE);
}

void irq_handle(struct cpu_user_regs *regs)
{
    uint8_t vector = regs->entry_vector;

    if (vector > VECTOR_DEV_LAST) {
        void (*fn)(struct cpu_user_regs *regs) = system_vectors[vector - VECTOR_DEV_LAST - 1];

        if (vector == VECTOR_SPURIOUS) {
            this_cpu(spurious)++; /* the APIC has nothing in service for it */
            return;
        }
        apic_eoi();
        if (fn) {
            fn(regs);
        }
        return;
    }
    if (vector_irq[vector]) {
        device_interrupt(&descs[vector_irq[vector] - 1]);
        return;
    }
    this_cpu(spurious)++;
    if (apic_in_service(vector)) {
        apic_eoi();
    }
}

void irq_vector_register(uint8_t vector, void (*fn)(struct cpu_user_regs *regs))
{
    assert(vector > VECTOR_DEV_LAST);
    system_vectors[vector - VECTOR_DEV_LAST - 1] = fn;
}

void platform_irq_init(void)
{
    pic_disable();
    nr_gsis = ioapic_init();
    nr_irqs = nr_gsis + NR_MSI_IRQS;
    descs = object_alloc_array(nr_irqs, sizeof(*descs));
    if (!descs) {
        panic("no memory for %u interrupt descriptors", nr_irqs);
    }
    for (unsigned int irq = 0; irq < nr_irqs; irq++) {
        spin_init(&descs[irq].lock, RANK_IRQ);
    }
    timer_init(&storm_timer, storm_over, NULL, 0);
    if (!nr_gsis) {
        log_warning("no I/O APIC: devices can interrupt by messages only");
    }
}

static void irq_dump(char key)
{
    unsigned int cpu;

    (void)key;
    for (unsigned int irq = 0; irq < nr_irqs; irq++) {
        const struct irq_desc *desc = &descs[irq];

        if (desc->owner == OWNER_NONE) {
            continue;
        }
        console_printf("irq %3u %s vector %#x cpu %u %s%s count %llu%s:", irq, desc->msi ? "MSI" : "GSI", desc->vector,
                       desc->cpu, desc->level ? "level" : "edge", desc->low ? ",low" : "",
                       (unsigned long long)desc->count, desc->stormy ? " storm" : "");
        for (unsigned int i = 0; i < desc->nr_guests; i++) {
            console_printf(" d%u/%u%s", desc->guests[i].d->id, desc->guests[i].pirq,
                           desc->guests[i].owes_eoi ? " owes EOI" : "");
        }
        console_printf("%s\n", desc->owner == OWNER_HYPERVISOR ? " hypervisor" : "");
    }
    cpumap_for_each(cpu, &cpus_online) {
        if (per_cpu(spurious, cpu)) {
            console_printf("CPU %u: %llu spurious interrupts\n", cpu, (unsigned long long)per_cpu(spurious, cpu));
        }
    }
}

DEBUGKEY('i', "interrupt lines and who owns them", irq_dump);
