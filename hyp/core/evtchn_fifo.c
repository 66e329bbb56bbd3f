/*
 * The FIFO ABI: an array of event words in guest pages, and for each vCPU a control block with the
 * heads of 16 queues, one for each priority. We link a pending port behind the tail, which only we
 * know; the guest unlinks at the head. Source: public/event_channel.h, "FIFO ABI"; its protocol is
 * that of the "FIFO-based event channel ABI" design.
 *
 * Array and control blocks belong to the guest, who may write anything there at any time. So: no
 * link is ever followed by us; tails are ours; a word is changed by compare-and-exchange, a bounded
 * number of times. The worst a guest can do is to lose its own events.
 *
 * Locks: evtchn_fifo_vcpu.lock of a vCPU guards its queues, interrupts off, any context; never two
 * of them. A port belongs to the queue it was linked to last (evtchn.last_queue), and only the
 * holder of that vCPU's lock links it or moves it on. Holding any of these locks with `enabled`
 * seen set keeps every guest page of the domain mapped: evtchn_fifo_disable() clears it under each
 * lock in turn before it lets the pages go. Pages come and go in evtchn_fifo_setup.c.
 */
#include "core/evtchn_fifo_private.h"

#define PENDING (1U << EVTCHN_FIFO_PENDING)
#define MASKED  (1U << EVTCHN_FIFO_MASKED)
#define LINKED  (1U << EVTCHN_FIFO_LINKED)
#define BUSY    (1U << EVTCHN_FIFO_BUSY)
#define LINK    ((uint32_t)EVTCHN_FIFO_LINK_MASK)

/*
 * The guest may change a linked word four times at most while BUSY keeps it from unmasking
 * (public/event_channel.h).
 */
#define LINK_TRIES 5
/*
 * A port moves between queues only when the guest asks; that it does so again and again just now
 * means it plays.
 */
#define MOVE_TRIES 8

static event_word_t *word_of(const struct evtchn_fifo *fifo, evtchn_port_t port)
{
    uint32_t limit = __atomic_load_n(&fifo->nr_words, __ATOMIC_ACQUIRE);

    if (unlikely(port >= limit)) {
        return NULL;
    }
    port = (evtchn_port_t)index_nospec(port, limit);
    return &fifo->pages[port / WORDS_PER_PAGE][port % WORDS_PER_PAGE];
}

/* evtchn.last_queue: which queue a port was linked to last. */
static uint32_t queue_id(const struct vcpu *v, unsigned int priority)
{
    return v->id << 4 | priority;
}

static void word_set(event_word_t *word, uint32_t bits)
{
    __atomic_fetch_or(word, bits, __ATOMIC_SEQ_CST);
}

static void word_clear(event_word_t *word, uint32_t bits)
{
    __atomic_fetch_and(word, ~bits, __ATOMIC_SEQ_CST);
}

/*
 * Make the tail's word point at port, if it is still in a queue. False: the guest has taken it, so
 * its queue is empty.
 */
static bool link_behind(event_word_t *tail, evtchn_port_t port)
{
    event_word_t old = shared_read(tail);

    for (unsigned int i = 0; i < LINK_TRIES; i++) {
        if (!(old & LINKED)) {
            if (i > 0) {
                word_clear(tail, BUSY);
            }
            return false;
        }
        if (__atomic_compare_exchange_n(tail, &old, (old & ~(BUSY | LINK)) | port, false,
                                        __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)) {
            return true;
        }
        if (i == 0) {
            word_set(tail, BUSY); /* keeps an honest guest from unmasking it */
            old = shared_read(tail);
        }
    }
    /* No honest guest gets here. Its queue is as it made it; ours stays consistent. */
    word_clear(tail, BUSY);
    return true;
}

/*
 * v's queues locked; the word has just become LINKED by us. True: the guest is to be told that the
 * queue has something.
 */
static bool enqueue(struct evtchn_fifo *fifo, evtchn_port_t port, struct evtchn *e, struct vcpu *v)
{
    unsigned int priority = __atomic_load_n(&e->priority, __ATOMIC_RELAXED);
    unsigned int old_priority = e->last_queue & (EVTCHN_FIFO_MAX_QUEUES - 1);
    uint32_t *tail = &v->fifo->tail[priority];
    bool linked = false;

    /*
     * It was not linked, so a queue whose tail it was is empty; nothing may be appended behind it
     * there.
     */
    if (v->fifo->tail[old_priority] == port) {
        v->fifo->tail[old_priority] = 0;
    }
    __atomic_store_n(&e->last_queue, queue_id(v, priority), __ATOMIC_RELAXED);
    if (*tail) {
        linked = link_behind(word_of(fifo, *tail), port);
    }
    if (!linked) {
        shared_write(&v->fifo->control->head[priority], port);
    }
    *tail = port;
    if (linked) {
        return false; /* the queue was not empty, so the guest is reading it or has been told */
    }
    return !(__atomic_fetch_or(&v->fifo->control->ready, 1U << priority, __ATOMIC_SEQ_CST) &
             1U << priority);
}

/* What came of raising a port: whom to tell, once no lock is held. */
struct raised {
    bool tell;    /* the vCPU: a queue has become non-empty */
    bool pollers; /* the port was not pending before */
};

/* v's queues locked, and the port was linked to one of them last. */
static void deliver(struct evtchn_fifo *fifo, evtchn_port_t port, struct evtchn *e, struct vcpu *v,
                    struct raised *raised)
{
    event_word_t *word;

    if (unlikely(!v->fifo->enabled)) {
        return; /* back to the 2-level ABI since the caller looked */
    }
    word = word_of(fifo, port);
    if (unlikely(!word)) {
        /*
         * The page that holds its word comes later: evtchn_fifo_expand_array() raises it then. It
         * may just have come: it is published before `pending` is looked at there, and looked for
         * again here after `pending` is set.
         */
        __atomic_store_n(&e->pending, true, __ATOMIC_SEQ_CST);
        word = word_of(fifo, port);
        if (likely(!word) || !__atomic_exchange_n(&e->pending, false, __ATOMIC_SEQ_CST)) {
            return;
        }
    }
    if (unlikely(!v->fifo->control)) {
        return; /* the guest may not unmask ports of a vCPU without a control block */
    }
    raised->pollers |= !(__atomic_fetch_or(word, PENDING, __ATOMIC_SEQ_CST) & PENDING);
    if (!(shared_read(word) & MASKED) &&
        !(__atomic_fetch_or(word, LINKED, __ATOMIC_SEQ_CST) & LINKED)) {
        raised->tell = enqueue(fifo, port, e, v);
    }
}

/*
 * old's queues locked: the port was linked to one of them last, and is to notify v now. If it is
 * still linked, that is where the guest will find it. Otherwise it leaves that queue for v's.
 * False: nothing more to do.
 */
static bool move(struct evtchn_fifo *fifo, evtchn_port_t port, struct evtchn *e, struct vcpu *old,
                 const struct vcpu *v, struct raised *raised)
{
    uint32_t *tail = &old->fifo->tail[e->last_queue & (EVTCHN_FIFO_MAX_QUEUES - 1)];
    event_word_t *word;

    if (unlikely(!old->fifo->enabled) ||
        unlikely(!__atomic_load_n(&v->fifo->control, __ATOMIC_RELAXED))) {
        return false;
    }
    word = word_of(fifo, port);
    if (word) {
        raised->pollers |= !(__atomic_fetch_or(word, PENDING, __ATOMIC_SEQ_CST) & PENDING);
        /*
         * The guest unlinks first and looks for PENDING then: whoever is late sees the other's
         * change.
         */
        if (shared_read(word) & (MASKED | LINKED)) {
            return false;
        }
    }
    if (*tail == port) {
        *tail = 0;
    }
    __atomic_store_n(&e->last_queue, queue_id(v, 0), __ATOMIC_RELAXED);
    return true;
}

void evtchn_fifo_set_pending(struct domain *d, evtchn_port_t port, struct evtchn *e, struct vcpu *v)
{
    struct evtchn_fifo *fifo = evtchn_table(d)->fifo;
    struct raised raised = { 0 };
    bool again = true;

    for (unsigned int i = 0; again && i < MOVE_TRIES; i++) {
        uint32_t last = __atomic_load_n(&e->last_queue, __ATOMIC_RELAXED);
        struct vcpu *holder = d->vcpus[last >> 4];
        unsigned long flags;

        if (unlikely(!v->fifo)) {
            break;
        }
        if (unlikely(!holder) || unlikely(!holder->fifo)) {
            holder = v; /* never linked: 0 stands for vCPU 0, which need not be there */
        }
        flags = spin_lock_irqsave(&holder->fifo->lock);
        if (likely(__atomic_load_n(&e->last_queue, __ATOMIC_RELAXED) == last)) {
            if (likely(holder == v)) {
                deliver(fifo, port, e, v, &raised);
                again = false;
            } else {
                again = move(fifo, port, e, holder, v, &raised);
            }
        }
        spin_unlock_irqrestore(&holder->fifo->lock, flags);
    }
    if (unlikely(again)) {
        log_print_guest(LOG_WARNING, v, "event on port %u lost: no queue to put it in", port);
    }
    if (raised.tell) {
        vcpu_mark_events_pending(v);
    }
    if (raised.pollers) {
        evtchn_wake_pollers(d, port);
    }
}

void evtchn_fifo_clear_pending(struct domain *d, evtchn_port_t port, struct evtchn *e)
{
    event_word_t *word = word_of(d->fifo, port);

    assert_held(&d->evtchn_lock);
    __atomic_store_n(&e->pending, false, __ATOMIC_RELAXED);
    if (word) {
        word_clear(word,
                   PENDING); /* if linked, the guest finds nothing pending there and unlinks it */
    }
}

/*
 * The port's word, with the lock of v's queues held, so that its page stays. NULL: no such word,
 * nothing is held.
 */
static event_word_t *word_hold(struct domain *d, evtchn_port_t port, struct vcpu *v,
                               unsigned long *flags)
{
    event_word_t *word = NULL;

    if (!v || !v->fifo) {
        return NULL;
    }
    *flags = spin_lock_irqsave(&v->fifo->lock);
    if (v->fifo->enabled) {
        word = word_of(evtchn_table(d)->fifo, port);
    }
    if (!word) {
        spin_unlock_irqrestore(&v->fifo->lock, *flags);
    }
    return word;
}

void evtchn_fifo_unmask(struct domain *d, evtchn_port_t port, struct evtchn *e, struct vcpu *v)
{
    unsigned long flags;
    event_word_t *word = word_hold(d, port, v, &flags);
    bool pending;

    if (!word) {
        return;
    }
    pending = __atomic_fetch_and(word, ~MASKED, __ATOMIC_SEQ_CST) & PENDING;
    spin_unlock_irqrestore(&v->fifo->lock, flags);
    if (pending) {
        evtchn_fifo_set_pending(d, port, e, v); /* links it */
    }
}

bool evtchn_fifo_is_pending(struct domain *d, evtchn_port_t port, struct evtchn *e)
{
    struct vcpu *v = evtchn_vcpu(d, e);
    unsigned long flags;
    event_word_t *word = word_hold(d, port, v, &flags);
    bool pending;

    if (!word) {
        return false;
    }
    pending = shared_read(word) & PENDING;
    spin_unlock_irqrestore(&v->fifo->lock, flags);
    return pending;
}

bool evtchn_fifo_is_masked(struct domain *d, evtchn_port_t port)
{
    const event_word_t *word = word_of(d->fifo, port);

    assert_held(&d->evtchn_lock);
    return !word || shared_read(word) & MASKED;
}

bool evtchn_fifo_is_linked(const struct domain *d, evtchn_port_t port)
{
    const event_word_t *word = word_of(d->fifo, port);

    assert_held(&d->evtchn_lock);
    return word && shared_read(word) & LINKED;
}
