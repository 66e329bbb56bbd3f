/*
 * The FIFO ABI's pages: control blocks and event array come from the guest, one by one, and all go
 * back when the domain is reset or dies. Changes are made under the domain's evtchn_lock; senders
 * do not take it, so what they look at is changed under each vCPU's own lock as well (evtchn_fifo.c
 * says why that is enough).
 */
#include <lodge/errno.h>
#include <lodge/string.h>
#include "core/evtchn_fifo_private.h"
#include "core/guest_frame.h"
#include "core/object.h"

/*
 * What the ABI needs of ours, for every vCPU. Kept when the ABI is left: a sender may still look at
 * it.
 */
static int fifo_alloc(struct domain *d)
{
    struct evtchn_table *table = evtchn_table(d);
    struct vcpu *v;
    unsigned int i;

    if (!table->fifo) {
        table->fifo = object_alloc(sizeof(*table->fifo));
        if (!table->fifo) {
            return -ENOMEM;
        }
    }
    domain_for_each_vcpu(d, v, i) {
        struct evtchn_fifo_vcpu *fv = v->fifo;

        if (fv) {
            continue;
        }
        fv = object_alloc(sizeof(*fv));
        if (!fv) {
            return -ENOMEM;
        }
        spin_init(&fv->lock, RANK_EVTCHN_FIFO);
        __atomic_store_n(&v->fifo, fv, __ATOMIC_RELEASE);
    }
    return 0;
}

/*
 * From now on the domain's events go the FIFO way. What is pending is remembered until its word
 * exists.
 */
static void fifo_enable(struct domain *d)
{
    struct evtchn_table *table = evtchn_table(d);
    unsigned long flags;
    struct vcpu *v;
    unsigned int i;

    for (evtchn_port_t port = 1; port < d->nr_evtchns && port < EVTCHN_2L_NR_CHANNELS; port++) {
        struct evtchn *e = evtchn_of(d, port);

        __atomic_store_n(&e->priority, EVTCHN_FIFO_PRIORITY_DEFAULT, __ATOMIC_RELAXED);
        if (evtchn_2l_is_pending(d, port)) {
            __atomic_store_n(&e->pending, true, __ATOMIC_RELAXED);
        }
    }
    domain_for_each_vcpu(d, v, i) {
        flags = spin_lock_irqsave(&v->fifo->lock);
        v->fifo->enabled = true;
        spin_unlock_irqrestore(&v->fifo->lock, flags);
    }
    __atomic_store_n(&d->fifo, table->fifo, __ATOMIC_RELEASE);
}

int evtchn_fifo_init_control(struct domain *d, struct vcpu *v, uint64_t gfn, uint32_t offset)
{
    struct frame *frame;
    unsigned long flags;
    int rc = 0;

    if (offset > PAGE_SIZE - sizeof(struct evtchn_fifo_control_block) || offset % 8) {
        return -EINVAL;
    }
    offset =
        (uint32_t)index_nospec(offset, PAGE_SIZE - sizeof(struct evtchn_fifo_control_block) + 1);
    frame = guest_frame_get(d, gfn, true);
    if (!frame) {
        return -EINVAL;
    }
    spin_lock(&d->evtchn_lock);
    if (d->is_dying || (d->fifo && v->fifo && v->fifo->control)) {
        rc = -EINVAL;
        goto out;
    }
    rc = fifo_alloc(d);
    if (rc) {
        goto out;
    }
    flags = spin_lock_irqsave(&v->fifo->lock);
    v->fifo->control_frame = frame;
    __atomic_store_n(&v->fifo->control, (void *)((char *)guest_frame_map(frame) + offset),
                     __ATOMIC_RELEASE);
    v->fifo->enabled = d->fifo != NULL;
    spin_unlock_irqrestore(&v->fifo->lock, flags);
    frame = NULL;
    if (!d->fifo) {
        fifo_enable(d);
    }
out:
    spin_unlock(&d->evtchn_lock);
    guest_frame_put(frame, true);
    return rc;
}

int evtchn_fifo_expand_array(struct domain *d, uint64_t gfn)
{
    struct frame *frame = guest_frame_get(d, gfn, true);
    struct evtchn_fifo *fifo;
    evtchn_port_t port, end;
    int rc = 0;

    spin_lock(&d->evtchn_lock);
    fifo = d->fifo;
    if (!fifo) {
        rc = -EOPNOTSUPP;
        goto out;
    }
    port = fifo->nr_words;
    end = port + WORDS_PER_PAGE;
    if (end > EVTCHN_FIFO_NR_CHANNELS) {
        rc = -ENOSPC;
        goto out;
    }
    if (!frame) {
        rc = -EINVAL;
        goto out;
    }
    fifo->pages[port / WORDS_PER_PAGE] = guest_frame_map(frame);
    fifo->frames[port / WORDS_PER_PAGE] = frame;
    frame = NULL;
    __atomic_store_n(&fifo->nr_words, end, __ATOMIC_SEQ_CST); /* pairs with word_of() */
    for (; port < end && port < d->nr_evtchns; port++) {
        struct evtchn *e = evtchn_of(d, port);

        if (__atomic_exchange_n(&e->pending, false, __ATOMIC_SEQ_CST)) {
            evtchn_set_pending(d, port, e);
        }
    }
out:
    spin_unlock(&d->evtchn_lock);
    guest_frame_put(frame, true);
    return rc;
}

void evtchn_fifo_disable(struct domain *d)
{
    struct evtchn_fifo *fifo = d->fifo;
    unsigned long flags;
    struct vcpu *v;
    unsigned int i;

    assert_held(&d->evtchn_lock);
    if (!fifo) {
        return;
    }
    __atomic_store_n(&d->fifo, NULL, __ATOMIC_RELEASE);
    domain_for_each_vcpu(d, v, i) {
        if (!v->fifo) {
            continue;
        }
        flags = spin_lock_irqsave(&v->fifo->lock);
        v->fifo->enabled = false;
        __atomic_store_n(&v->fifo->control, NULL, __ATOMIC_RELAXED);
        memset(v->fifo->tail, 0, sizeof(v->fifo->tail));
        spin_unlock_irqrestore(&v->fifo->lock, flags);
    }
    /* Nobody is inside any more, and nobody comes in. */
    domain_for_each_vcpu(d, v, i) {
        if (v->fifo) {
            guest_frame_put(v->fifo->control_frame, true);
            v->fifo->control_frame = NULL;
        }
    }
    fifo->nr_words = 0;
    for (i = 0; i < ARRAY_PAGES; i++) {
        guest_frame_put(fifo->frames[i], true);
        fifo->frames[i] = NULL;
        fifo->pages[i] = NULL;
    }
}
