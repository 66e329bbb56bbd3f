/*
 * Interrupt dispatch, and the lines that are the hypervisor's own. What guests are bound to is
 * irq_guest.c's.
 */
#include "platform/irq.h"

#include <lodge/errno.h>
#include "core/cpumap.h"
#include "core/debugkey.h"
#include "core/domain.h"
#include "core/lock.h"
#include "core/log.h"
#include "core/object.h"
#include "core/percpu.h"
#include "core/trace.h"
#include "entry.h"
#include "platform/apic.h"
#include "platform/ioapic.h"
#include "platform/msi.h"
#include "platform/irq_private.h"
#include "platform/pic.h"
#include "platform/platform.h"

#define NR_VECTORS  256
#define NR_MSI_IRQS 160
#define DEST_LIMIT  255 /* without interrupt remapping a device can name 8-bit APIC ids only */

unsigned int nr_gsis, nr_irqs;

static struct irq_desc *descs;
static uint32_t vector_irq[NR_VECTORS]; /* irq + 1; 0: free. Changed under vector_lock */
static struct spinlock vector_lock = SPINLOCK_INIT(RANK_IOAPIC);
static void (*system_vectors[NR_VECTORS - VECTOR_DEV_LAST - 1])(struct cpu_user_regs *regs);
static DEFINE_PER_CPU(uint64_t, spurious);

struct irq_desc *irq_desc_of(unsigned int irq)
{
    if (irq >= nr_irqs || (irq < nr_gsis && !ioapic_has_gsi(irq)) ||
        (irq >= nr_gsis && !descs[irq].msi)) {
        return NULL;
    }
    return &descs[irq];
}

unsigned int irq_desc_number(const struct irq_desc *desc)
{
    return desc - descs;
}

void irq_line_mask(struct irq_desc *desc, bool masked)
{
    if (desc->msi) {
        msi_mask(desc->msi, masked);
    } else if (masked) {
        ioapic_mask(irq_desc_number(desc));
    } else {
        ioapic_unmask(irq_desc_number(desc));
    }
}

void irq_line_silence(struct irq_desc *desc)
{
    irq_line_mask(desc, true);
    if (desc->msi) {
        msi_silence(desc->msi);
    }
}

/*
 * It was on its way when the line was masked, or belongs to a device that knows no mask. The line
 * is quiet until somebody binds it.
 */
void irq_unwanted(struct irq_desc *desc)
{
    assert_held(&desc->lock);
    irq_line_silence(desc);
    if (!desc->unwanted) {
        desc->unwanted = true;
        log_info("irq %u came on CPU %u, and nobody is bound to it: masked", irq_desc_number(desc),
                 arch_cpu_id());
    }
}

unsigned int irq_reachable_cpu(unsigned int cpu)
{
    return apic_id_of(cpu) < DEST_LIMIT && cpumap_test(&cpus_active, cpu) ? cpu : 0;
}

void irq_line_route(struct irq_desc *desc, unsigned int cpu)
{
    desc->cpu = irq_reachable_cpu(cpu);
    if (desc->msi) {
        msi_route(desc->msi, desc->vector, apic_id_of(desc->cpu));
    } else {
        ioapic_route(irq_desc_number(desc), desc->vector, desc->level, desc->low,
                     apic_id_of(desc->cpu));
    }
}

/*
 * The vector is the same on all CPUs, so that nothing is lost: what was sent before arrives at the
 * old CPU, what is sent after at the new one, and each word of a message or of an I/O APIC's entry
 * is written at once.
 */
void irq_line_move(struct irq_desc *desc, unsigned int cpu)
{
    assert_held(&desc->lock);
    desc->cpu = cpu;
    if (desc->owner == OWNER_NONE && !desc->msi) {
        return; /* written when it is bound */
    }
    if (desc->msi) {
        msi_route(desc->msi, desc->vector, apic_id_of(cpu));
    } else {
        ioapic_set_dest(irq_desc_number(desc), apic_id_of(cpu));
    }
}

static void trace_vector(uint32_t event, unsigned int irq, uint8_t vector)
{
    const uint64_t *cpus = cpus_online.bits; /* it means the same on all of them */

    TRACE(event, TRACE_U16(irq, vector), TRACE_U64(cpus[0]), TRACE_U64(cpus[1]), TRACE_U64(cpus[2]));
}

/*
 * Vectors are dealt out round robin over the priority classes (the upper four bits), so that none
 * is crowded.
 */
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
    trace_vector(TRC_HW_IRQ_ASSIGN_VECTOR, irq, found);
    return found;
}

static void vector_free(uint8_t vector)
{
    unsigned long flags = spin_lock_irqsave(&vector_lock);

    trace_vector(TRC_HW_IRQ_CLEAR_VECTOR, vector_irq[vector] - 1, vector);
    vector_irq[vector] = 0;
    spin_unlock_irqrestore(&vector_lock, flags);
}

/* The line gets its vector and its type, if it has none yet. */
int irq_line_prepare(struct irq_desc *desc)
{
    assert_held(&desc->lock);
    if (!desc->vector) {
        desc->vector = vector_alloc(irq_desc_number(desc));
    }
    if (!desc->vector) {
        return -ENOSPC;
    }
    if (!desc->msi && !desc->typed) {
        if (!ioapic_isa_type(irq_desc_number(desc), &desc->level, &desc->low)) {
            desc->level = desc->low = true; /* what PCI wires have */
        }
        desc->typed = true;
    }
    return 0;
}

int irq_request(unsigned int gsi, void (*fn)(void *data), void *data)
{
    struct irq_desc *desc = gsi < nr_gsis ? irq_desc_of(gsi) : NULL;
    unsigned long flags;
    int rc;

    if (!desc) {
        return -EINVAL;
    }
    flags = spin_lock_irqsave(&desc->lock);
    rc = desc->owner == OWNER_NONE ? irq_line_prepare(desc) : -EBUSY;
    if (!rc) {
        desc->owner = OWNER_HYPERVISOR;
        desc->fn = fn;
        desc->data = data;
        irq_line_route(desc, 0);
        irq_line_mask(desc, false);
    }
    spin_unlock_irqrestore(&desc->lock, flags);
    return rc;
}

void irq_free(unsigned int gsi)
{
    struct irq_desc *desc = irq_desc_of(gsi);
    unsigned long flags;

    if (!desc) {
        return;
    }
    flags = spin_lock_irqsave(&desc->lock);
    if (desc->owner == OWNER_HYPERVISOR) {
        irq_line_mask(desc, true);
        desc->owner = OWNER_NONE; /* fn stays: a CPU may be about to call it */
    }
    spin_unlock_irqrestore(&desc->lock, flags);
    irq_synchronize(gsi);
}

int irq_set_type(unsigned int gsi, bool level, bool low, bool for_good)
{
    struct irq_desc *desc = gsi < nr_gsis ? irq_desc_of(gsi) : NULL;
    unsigned long flags;
    int rc = -EEXIST;

    if (!desc) {
        return -EINVAL;
    }
    flags = spin_lock_irqsave(&desc->lock);
    /* Line 0 is the interval timer's: no guest gets it. */
    if (gsi && desc->owner == OWNER_NONE && !(for_good && desc->type_fixed)) {
        desc->level = level;
        desc->low = low;
        desc->typed = true;
        desc->type_fixed |= for_good;
        rc = 0;
    }
    spin_unlock_irqrestore(&desc->lock, flags);
    return rc;
}

uint8_t irq_vector(unsigned int irq)
{
    struct irq_desc *desc = irq_desc_of(irq);

    return desc ? desc->vector : 0;
}

struct msi_entry *irq_msi(unsigned int irq)
{
    return irq >= nr_gsis && irq < nr_irqs ? descs[irq].msi : NULL;
}

void irq_msi_start(unsigned int irq)
{
    struct irq_desc *desc = &descs[irq];
    unsigned long flags = spin_lock_irqsave(&desc->lock);

    irq_line_route(desc, arch_cpu_id());
    spin_unlock_irqrestore(&desc->lock, flags);
}

unsigned int irq_alloc_msi(struct msi_entry *msi)
{
    for (unsigned int irq = nr_gsis; irq < nr_irqs; irq++) {
        struct irq_desc *desc = &descs[irq];
        unsigned long flags = spin_lock_irqsave(&desc->lock);
        bool ok = false;

        if (!desc->msi) {
            desc->msi = msi;
            desc->level = desc->stormy = desc->unwanted = false;
            desc->storms = 0;
            ok = irq_line_prepare(desc) == 0;
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
    struct irq_desc *desc = irq >= nr_gsis ? irq_desc_of(irq) : NULL;
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

void irq_set_affinity(unsigned int irq, unsigned int cpu)
{
    struct irq_desc *desc = irq_desc_of(irq);
    unsigned long flags;

    if (!desc) {
        return;
    }
    flags = spin_lock_irqsave(&desc->lock);
    cpu = irq_reachable_cpu(cpu);
    if (desc->cpu != cpu) {
        irq_line_move(desc, cpu);
    }
    spin_unlock_irqrestore(&desc->lock, flags);
}

void irq_synchronize(unsigned int irq)
{
    struct irq_desc *desc = irq_desc_of(irq);

    while (desc && __atomic_load_n(&desc->in_handler, __ATOMIC_ACQUIRE)) {
        arch_cpu_relax();
    }
}

void irq_cpu_remove(unsigned int cpu)
{
    for (unsigned int irq = 0; irq < nr_irqs; irq++) {
        if (descs[irq].cpu == cpu) {
            irq_set_affinity(irq, 0);
        }
    }
}

static void device_interrupt(struct irq_desc *desc)
{
    uint64_t start = unlikely(trace_on) ? arch_cycles() : 0;
    unsigned int owner;

    __atomic_fetch_add(&desc->in_handler, 1, __ATOMIC_ACQUIRE);
    desc->count++;
    owner = __atomic_load_n(&desc->owner, __ATOMIC_ACQUIRE);
    if (unlikely(owner == OWNER_NONE)) {
        spin_lock(&desc->lock);
        owner = desc->owner;
        if (owner == OWNER_NONE) {
            irq_unwanted(desc);
            apic_eoi();
        }
        spin_unlock(&desc->lock);
    }
    if (likely(owner == OWNER_GUESTS)) {
        irq_guest_deliver(desc);
    } else if (owner == OWNER_HYPERVISOR && desc->level) {
        desc->fn(desc->data); /* silences the device first */
        apic_eoi();
    } else if (owner == OWNER_HYPERVISOR) {
        apic_eoi();
        desc->fn(desc->data);
    }
    __atomic_fetch_sub(&desc->in_handler, 1, __ATOMIC_RELEASE);
    TRACE(TRC_HW_IRQ_HANDLED, irq_desc_number(desc), (uint32_t)start, (uint32_t)arch_cycles());
}

/* A message that was still on its way when its vector was given back; an 8259 that is silenced. */
static void vector_spurious(uint8_t vector)
{
    static DECLARE_BITMAP(reported, NR_VECTORS);

    this_cpu(spurious)++;
    if (apic_in_service(vector)) {
        apic_eoi();
    }
    if (vector >= VECTOR_DEV_FIRST && !bitmap_test(reported, vector)) {
        bitmap_set(reported, vector);
        log_info("vector %#x came on CPU %u, and is no interrupt's", vector, arch_cpu_id());
    }
}

static void handle(struct cpu_user_regs *regs)
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
    TRACE(TRC_HW_IRQ_UNMAPPED_VECTOR, vector);
    vector_spurious(vector);
}

void irq_handle(struct cpu_user_regs *regs)
{
    unsigned int locks = spin_interrupt_enter();

    perfc_incr(irqs);
    if (regs_from_guest(regs)) {
        perfc_vcpu_incr(current, guest_irqs);
    }
    handle(regs);
    spin_interrupt_leave(locks);
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
    irq_guest_init();
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
        console_printf("irq %3u %s vector %#x cpu %u %s%s count %llu%s:", irq,
                       desc->msi ? "MSI" : "GSI", desc->vector, desc->cpu,
                       desc->level ? "level" : "edge", desc->low ? ",low" : "",
                       (unsigned long long)desc->count, desc->stormy ? " storm" : "");
        if (desc->storms) {
            console_printf(" (held back %u times)", desc->storms);
        }
        for (unsigned int i = 0; i < desc->nr_guests; i++) {
            console_printf(" d%u/%u%s", desc->guests[i].d->id, desc->guests[i].pirq,
                           desc->guests[i].owes_eoi ? " owes EOI" : "");
        }
        console_printf("%s\n", desc->owner == OWNER_HYPERVISOR ? " hypervisor" : "");
    }
    cpumap_for_each(cpu, &cpus_online) {
        if (per_cpu(spurious, cpu)) {
            console_printf("CPU %u: %llu spurious interrupts\n", cpu,
                           (unsigned long long)per_cpu(spurious, cpu));
        }
    }
}

DEBUGKEY('i', "interrupt lines and who owns them", irq_dump);
