/*
 * Each domain's pirqs. A slot's irq is changed under the table's lock and read without: an
 * interrupt, an EOI and a bind see the old or the new one, and irq.c finds out whether the domain
 * is bound there.
 */
#include "platform/pirq.h"

#include <lodge/errno.h>
#include <lodge/range.h>
#include <lodge/rangeset.h>
#include <lodge/shared.h>
#include "core/domain.h"
#include "core/evtchn.h"
#include "core/guest_frame.h"
#include "core/lock.h"
#include "core/log.h"
#include "core/object.h"
#include "platform/irq.h"
#include "platform/msi.h"

#define GSI_ISA_END 16   /* numbers below are for ISA lines, which are asked for by number */
#define MIN_PIRQS   256U /* what a byte can name: PHYSDEVOP_apic_write */

struct pirq {
    uint32_t irq;  /* IRQ_NONE: unmapped */
    bool bound;    /* to an event channel */
    bool reserved; /* PHYSDEVOP_get_free_pirq gave it out */
};

struct pirq_table {
    struct spinlock lock; /* RANK_PIRQ */
    struct frame *eoi_frame;
    unsigned int nr;
    struct pirq slots[];
};

unsigned int pirq_limit(void)
{
    return MAX(nr_irqs, MIN_PIRQS);
}

static struct pirq_table *table_of(const struct domain *d)
{
    return __atomic_load_n(&d->arch.pirqs, __ATOMIC_ACQUIRE);
}

/* Made when the domain first names a physical interrupt: most never do. NULL without memory. */
static struct pirq_table *table_make(struct domain *d)
{
    struct pirq_table *t = table_of(d);
    void *other = NULL;
    unsigned int nr;

    if (t) {
        return t;
    }
    nr = pirq_limit();
    t = object_alloc(sizeof(*t) + nr * sizeof(t->slots[0]));
    if (!t) {
        return NULL;
    }
    spin_init(&t->lock, RANK_PIRQ);
    t->nr = nr;
    for (unsigned int i = 0; i < t->nr; i++) {
        t->slots[i].irq = IRQ_NONE;
    }
    if (!__atomic_compare_exchange_n(&d->arch.pirqs, &other, (void *)t, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_ACQUIRE)) {
        object_free(t); /* another vCPU was faster */
        t = other;
    }
    return t;
}

/* IRQ_NONE: no such pirq, or nothing is mapped there. */
static uint32_t irq_of(const struct domain *d, uint32_t pirq)
{
    struct pirq_table *t = table_of(d);

    if (!t || pirq >= t->nr) {
        return IRQ_NONE;
    }
    return __atomic_load_n(&t->slots[index_nospec(pirq, t->nr)].irq, __ATOMIC_ACQUIRE);
}

/*
 * The page of PHYSDEVOP_pirq_eoi_gmfn says for each pirq whether the guest must call PHYSDEVOP_eoi.
 */
static void eoi_map_update(struct domain *d, uint32_t pirq, bool needed)
{
    uint64_t *map = __atomic_load_n(&d->arch.pirq_eoi_map, __ATOMIC_ACQUIRE);

    if (!map || pirq >= PAGE_SIZE * 8) {
        return;
    }
    if (needed) {
        (void)shared_test_and_set_bit(pirq, map);
    } else {
        (void)shared_test_and_clear_bit(pirq, map);
    }
}

static int free_slot(const struct pirq_table *t, bool gsi)
{
    for (unsigned int i = GSI_ISA_END; gsi && i < nr_gsis; i++) {
        if (t->slots[i].irq == IRQ_NONE && !t->slots[i].reserved) {
            return i;
        }
    }
    for (unsigned int i = t->nr; i-- > nr_gsis;) {
        if (t->slots[i].irq == IRQ_NONE && !t->slots[i].reserved) {
            return i;
        }
    }
    return -ENOSPC;
}

/* Source of the answers: Xen 4.17 xen/arch/x86/irq.c allocate_pirq, map_domain_pirq. */
static int map_locked(struct pirq_table *t, unsigned int irq, int *pirq)
{
    int have = -1;

    assert_held(&t->lock);
    for (unsigned int i = 0; i < t->nr; i++) {
        if (t->slots[i].irq == irq) {
            have = i;
            break;
        }
    }
    if (*pirq < 0) {
        *pirq = have >= 0 ? have : free_slot(t, irq < nr_gsis);
    } else if (have >= 0 && have != *pirq) {
        return -EEXIST;
    }
    if (*pirq < 0) {
        return *pirq;
    }
    if (*pirq == 0 || (unsigned int)*pirq >= t->nr) {
        return -EINVAL;
    }
    if (t->slots[*pirq].irq == IRQ_NONE) {
        t->slots[*pirq].reserved = false;
        __atomic_store_n(&t->slots[*pirq].irq, irq, __ATOMIC_RELEASE);
    }
    return t->slots[*pirq].irq != irq;
}

int pirq_map_irq(struct domain *d, unsigned int irq, int *pirq)
{
    struct pirq_table *t;
    int rc;

    if (irq == 0 || irq >= nr_irqs) {
        return -EINVAL;
    }
    t = table_make(d);
    if (!t) {
        return -ENOMEM;
    }
    spin_lock(&t->lock);
    rc = map_locked(t, irq, pirq);
    spin_unlock(&t->lock);
    return rc;
}

int pirq_map_gsi(struct domain *d, unsigned int gsi, int *pirq)
{
    if (gsi >= nr_gsis) {
        return -EINVAL;
    }
    if (gsi && !rangeset_contains(d->arch.irqs, gsi, (uint64_t)gsi + 1)) {
        return -EPERM;
    }
    return MIN(pirq_map_irq(d, gsi, pirq), 0);
}

/* Takes a slot's irq away; the caller ends what hangs on it once the lock is released. */
static uint32_t slot_clear(struct pirq_table *t, uint32_t pirq)
{
    uint32_t irq = t->slots[pirq].irq;

    assert_held(&t->lock);
    t->slots[pirq].bound = t->slots[pirq].reserved = false;
    __atomic_store_n(&t->slots[pirq].irq, IRQ_NONE, __ATOMIC_RELEASE);
    return irq;
}

static void irq_let_go(struct domain *d, uint32_t irq)
{
    if (irq == IRQ_NONE) {
        return;
    }
    irq_guest_unbind(irq, d);
    irq_synchronize(irq);
    if (irq >= nr_gsis) {
        msi_release(irq);
    }
}

/*
 * An event channel that is still bound to it stays, and never fires again: as in Xen 4.17
 * unmap_domain_pirq.
 */
int pirq_unmap(struct domain *d, uint32_t pirq)
{
    struct pirq_table *t = table_of(d);
    uint32_t irq;

    if (!t || pirq >= t->nr) {
        return -EINVAL;
    }
    spin_lock(&t->lock);
    irq = slot_clear(t, (uint32_t)index_nospec(pirq, t->nr));
    spin_unlock(&t->lock);
    irq_let_go(d, irq);
    return irq == IRQ_NONE ? -EINVAL : 0;
}

int pirq_reserve(struct domain *d, bool gsi, uint32_t *pirq)
{
    struct pirq_table *t = table_make(d);
    int slot;

    if (!t) {
        return -ENOMEM;
    }
    spin_lock(&t->lock);
    slot = free_slot(t, gsi);
    if (slot >= 0) {
        t->slots[slot].reserved = true;
        *pirq = slot;
    }
    spin_unlock(&t->lock);
    return slot < 0 ? slot : 0;
}

bool pirq_shared(struct domain *d, uint32_t pirq)
{
    uint32_t irq = irq_of(d, pirq);

    return irq != IRQ_NONE && irq_guest_shared(irq);
}

static bool is_reserved(const struct domain *d, uint32_t pirq)
{
    struct pirq_table *t = table_of(d);

    return t && pirq < t->nr && t->slots[index_nospec(pirq, t->nr)].reserved;
}

int pirq_eoi(struct domain *d, uint32_t pirq)
{
    uint32_t irq = irq_of(d, pirq);

    if (irq == IRQ_NONE) {
        return is_reserved(d, pirq) ? 0 : -EINVAL;
    }
    if (d->arch.auto_unmask) {
        evtchn_port_t port = pirq_port(d, pirq);

        if (port && evtchn_unmask(d, port)) {
            return -EINVAL;
        }
    }
    irq_guest_eoi(irq, d);
    return 0;
}

void pirq_eoi_unmasked(struct domain *d)
{
    struct pirq_table *t = table_of(d);

    for (unsigned int i = 0; t && i < t->nr; i++) {
        uint32_t irq = irq_of(d, i);

        if (irq != IRQ_NONE && irq_guest_needs_eoi(irq) && pirq_unmasked(d, i)) {
            irq_guest_eoi(irq, d);
        }
    }
}

int pirq_eoi_map_register(struct domain *d, uint64_t gmfn, bool auto_unmask)
{
    struct pirq_table *t = table_make(d);
    struct frame *f;
    bool taken;

    if (!t) {
        return -ENOMEM;
    }
    f = guest_frame_get(d, gmfn, true);
    if (!f) {
        return -EINVAL;
    }
    spin_lock(&t->lock);
    taken = t->eoi_frame != NULL;
    if (!taken) {
        t->eoi_frame = f;
        d->arch.auto_unmask = auto_unmask;
        d->arch.pirq_eoi_mfn = frame_mfn(f).n;
        __atomic_store_n(&d->arch.pirq_eoi_map, guest_frame_map(f), __ATOMIC_RELEASE);
        for (unsigned int i = 0; i < t->nr; i++) {
            if (t->slots[i].bound) {
                eoi_map_update(d, i, irq_guest_needs_eoi(t->slots[i].irq));
            }
        }
    }
    spin_unlock(&t->lock);
    if (taken) {
        guest_frame_put(f, true);
        return -EBUSY;
    }
    return 0;
}

void pirq_domain_fini(struct domain *d)
{
    struct pirq_table *t = table_of(d);

    if (!t) {
        return;
    }
    for (unsigned int i = 0; i < t->nr; i++) {
        uint32_t irq;

        spin_lock(&t->lock);
        irq = slot_clear(t, i);
        spin_unlock(&t->lock);
        irq_let_go(d, irq);
    }
    d->arch.pirq_eoi_map = NULL;
    d->arch.pirq_eoi_mfn = 0;
    guest_frame_put(t->eoi_frame, true);
    d->arch.pirqs = NULL;
    object_free(t);
}

int pirq_arch_bind(struct vcpu *v, uint32_t pirq, bool share, evtchn_port_t port)
{
    struct domain *d = v->domain;
    struct pirq_table *t = table_of(d);
    struct pirq *p;
    int rc;

    (void)port; /* pirq_send() finds it */
    if (pirq >= pirq_limit()) {
        return -EINVAL;
    }
    if (!t) {
        return -EPERM;
    }
    p = &t->slots[index_nospec(pirq, t->nr)];
    spin_lock(&t->lock);
    if (p->irq == IRQ_NONE) {
        /* nothing was given to the domain under this number: Xen 4.17 pirq_access_permitted */
        rc = -EPERM;
    } else if (p->bound) {
        rc = -EBUSY;
    } else {
        rc = irq_guest_bind(p->irq, d, pirq, share, v->cpu);
    }
    if (!rc) {
        p->bound = true;
        eoi_map_update(d, pirq, irq_guest_needs_eoi(p->irq));
    }
    spin_unlock(&t->lock);
    return rc;
}

void pirq_arch_unbind(struct domain *d, uint32_t pirq)
{
    struct pirq_table *t = table_of(d);
    struct pirq *p;

    if (!t || pirq >= t->nr) {
        return;
    }
    p = &t->slots[index_nospec(pirq, t->nr)];
    spin_lock(&t->lock);
    if (p->bound) {
        irq_guest_unbind(p->irq, d);
        p->bound = false;
    }
    spin_unlock(&t->lock);
}

void pirq_arch_set_affinity(struct domain *d, uint32_t pirq, struct vcpu *v)
{
    uint32_t irq = irq_of(d, pirq);

    if (irq != IRQ_NONE) {
        irq_set_affinity(irq, v->cpu);
    }
}

/*
 * A masked port keeps its event, and the line waits for the guest's EOI, not for the port: nothing
 * follows from it.
 */
void pirq_arch_unmasked(struct domain *d, uint32_t pirq)
{
    (void)d;
    (void)pirq;
}
