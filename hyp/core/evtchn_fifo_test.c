/* The FIFO ABI, with an honest guest that consumes its queues, and with guests that are not. */
#include <pthread.h>
#include <stdlib.h>
#include <lodge/errno.h>
#include <lodge/string.h>
#include "core/evtchn_private.h"
#include "core/guest_frame.h"
#include "hyp/arch/host/domains.h"
#include "hyp/arch/host/host.h"
#include "tests/unit.h"

#define PENDING (1U << EVTCHN_FIFO_PENDING)
#define MASKED  (1U << EVTCHN_FIFO_MASKED)
#define LINKED  (1U << EVTCHN_FIFO_LINKED)
#define BUSY    (1U << EVTCHN_FIFO_BUSY)
#define LINK    ((uint32_t)EVTCHN_FIFO_LINK_MASK)

#define WORDS 1024U

static struct domain *d;
static struct frame *control_page, *array_page;
static struct evtchn_fifo_control_block *control[2];
static event_word_t *words;

static long op(uint64_t cmd, const void *arg, size_t n)
{
    void *p = host_guest_alloc(n);
    long rc;

    memcpy(p, arg, n);
    rc = hypercall_event_channel_op(cmd, host_gva(p), 0, 0, 0);
    return rc;
}
#define OP(cmd, type, ...) op(cmd, &(struct type){ __VA_ARGS__ }, sizeof(struct type))

static long init_control(uint32_t vcpu, uint64_t gfn, uint32_t offset)
{
    return OP(EVTCHNOP_init_control, evtchn_init_control, .control_gfn = gfn, .offset = offset,
              .vcpu = vcpu);
}

static long expand(const struct frame *f)
{
    return OP(EVTCHNOP_expand_array, evtchn_expand_array, frame_mfn(f).n);
}

static long reset_self(void)
{
    long rc;

    do {
        rc = OP(EVTCHNOP_reset, evtchn_reset, DOMID_SELF);
    } while (rc == -ERESTART);
    return rc;
}

static int start(void **state)
{
    (void)state;
    d = host_domain(0, 2);
    control_page = host_domain_page(d);
    array_page = host_domain_page(d);
    control[0] = guest_frame_map(control_page);
    control[1] = (void *)((char *)control[0] + 256);
    words = guest_frame_map(array_page);
    return 0;
}

static int fresh(void **state)
{
    struct vcpu *v;
    unsigned int i;

    (void)state;
    assert_int_equal(reset_self(), 0);
    host_guest_reset();
    memset(d->shared->evtchn_pending, 0, sizeof(d->shared->evtchn_pending));
    memset(control[0], 0, PAGE_SIZE);
    memset(words, 0, PAGE_SIZE);
    domain_for_each_vcpu(d, v, i) {
        memset(v->info, 0, sizeof(*v->info));
    }
    return 0;
}

static int fifo(void **state)
{
    (void)fresh(state);
    assert_int_equal(init_control(0, frame_mfn(control_page).n, 0), 0);
    assert_int_equal(init_control(1, frame_mfn(control_page).n, 256), 0);
    assert_int_equal(expand(array_page), 0);
    return 0;
}

static evtchn_port_t bind_ipi(unsigned int vcpu)
{
    evtchn_port_t port;

    spin_lock(&d->evtchn_lock);
    assert_int_equal(evtchn_port_find(d, &port), 0);
    evtchn_port_take(d, port, EVTCHN_IPI, 0, vcpu);
    spin_unlock(&d->evtchn_lock);
    return port;
}

/* An honest guest's part (public/event_channel.h): take the head of a queue. 0: empty. */
static evtchn_port_t consume(unsigned int vcpu, unsigned int priority, uint32_t *head)
{
    event_word_t *word, old;
    evtchn_port_t port;

    if (!*head) {
        *head = __atomic_load_n(&control[vcpu]->head[priority], __ATOMIC_ACQUIRE);
    }
    port = *head;
    if (!port) {
        return 0;
    }
    word = &words[port];
    old = __atomic_load_n(word, __ATOMIC_ACQUIRE);
    while (!__atomic_compare_exchange_n(word, &old, old & ~(LINKED | LINK), false, __ATOMIC_SEQ_CST,
                                        __ATOMIC_ACQUIRE)) {
    }
    *head = old & LINK;
    __atomic_fetch_and(word, ~PENDING, __ATOMIC_SEQ_CST);
    return port;
}

static bool ready(unsigned int vcpu, unsigned int priority)
{
    uint32_t bit = 1U << priority;

    return __atomic_fetch_and(&control[vcpu]->ready, ~bit, __ATOMIC_SEQ_CST) & bit;
}

TEST(a_control_block_lies_in_one_page_of_the_domain)
{
    struct evtchn_init_control *arg = host_guest_alloc(sizeof(*arg));
    uint64_t gfn = frame_mfn(control_page).n, count = control_page->count;

    assert_int_equal(init_control(2, gfn, 0), -ENOENT);
    assert_int_equal(init_control(0, gfn, PAGE_SIZE - 64), -EINVAL);
    assert_int_equal(init_control(0, gfn, 0xfffffff8), -EINVAL);
    assert_int_equal(init_control(0, gfn, 4), -EINVAL);
    assert_int_equal(init_control(0, ~0ULL, 0), -EINVAL);
    assert_int_equal(init_control(0, frame_mfn(frame_of(arch_frame_of(host_ram))).n, 0), -EINVAL);
    assert_null(d->fifo);
    assert_int_equal(control_page->count, count);
    *arg = (struct evtchn_init_control){ .control_gfn = gfn, .offset = PAGE_SIZE - 72, .vcpu = 1 };
    assert_int_equal(hypercall_event_channel_op(EVTCHNOP_init_control, host_gva(arg), 0, 0, 0), 0);
    assert_int_equal(arg->link_bits, 17);
    assert_non_null(d->fifo);
    assert_int_equal(init_control(1, gfn, 0), -EINVAL); /* has one already */
    assert_int_equal(control_page->count, count + 1);
    assert_int_equal(reset_self(), 0);
    assert_null(d->fifo);
    assert_int_equal(control_page->count, count);
}

TEST(the_array_grows_to_128_pages_of_the_domain)
{
    uint64_t count = array_page->count;

    assert_int_equal(expand(array_page), -EOPNOTSUPP);
    assert_int_equal(init_control(0, frame_mfn(control_page).n, 0), 0);
    assert_int_equal(OP(EVTCHNOP_expand_array, evtchn_expand_array, ~0ULL), -EINVAL);
    for (unsigned int i = 0; i < EVTCHN_FIFO_NR_CHANNELS / WORDS; i++) {
        assert_int_equal(expand(array_page), 0); /* twice the same page is the guest's affair */
    }
    assert_int_equal(expand(array_page), -ENOSPC);
    assert_int_equal(array_page->count, count + 128);
    assert_int_equal(reset_self(), 0);
    assert_int_equal(array_page->count, count);
}

TEST(events_queue_in_order)
{
    evtchn_port_t a = bind_ipi(0), b = bind_ipi(0), c = bind_ipi(0);
    uint32_t head = 0;

    assert_int_equal(evtchn_send(d, b), 0);
    assert_int_equal(evtchn_send(d, a), 0);
    assert_int_equal(evtchn_send(d, c), 0);
    assert_int_equal(evtchn_send(d, a), 0); /* already there */
    assert_true(evtchn_pending_unmasked_port(d, a));
    assert_int_equal(d->vcpus[0]->info->evtchn_upcall_pending, 1);
    assert_true(ready(0, EVTCHN_FIFO_PRIORITY_DEFAULT));
    assert_int_equal(consume(0, EVTCHN_FIFO_PRIORITY_DEFAULT, &head), b);
    assert_int_equal(consume(0, EVTCHN_FIFO_PRIORITY_DEFAULT, &head), a);
    assert_int_equal(consume(0, EVTCHN_FIFO_PRIORITY_DEFAULT, &head), c);
    assert_int_equal(head, 0);
    assert_false(ready(0, EVTCHN_FIFO_PRIORITY_DEFAULT));
    assert_int_equal(evtchn_send(d, a),
                     0); /* the queue was empty: a new head, and the guest is told */
    assert_true(ready(0, EVTCHN_FIFO_PRIORITY_DEFAULT));
    assert_int_equal(consume(0, EVTCHN_FIFO_PRIORITY_DEFAULT, &head), a);
}

TEST(priorities_have_queues_of_their_own)
{
    evtchn_port_t a = bind_ipi(1), b = bind_ipi(1);
    uint32_t head = 0;

    assert_int_equal(OP(EVTCHNOP_set_priority, evtchn_set_priority, a, 16), -EINVAL);
    assert_int_equal(OP(EVTCHNOP_set_priority, evtchn_set_priority, 99999, 0), -EINVAL);
    assert_int_equal(OP(EVTCHNOP_set_priority, evtchn_set_priority, a, 0), 0);
    assert_int_equal(evtchn_send(d, b), 0);
    assert_int_equal(evtchn_send(d, a), 0);
    assert_true(ready(1, 0));
    assert_true(ready(1, EVTCHN_FIFO_PRIORITY_DEFAULT));
    assert_int_equal(consume(1, 0, &head), a);
    assert_int_equal(head, 0);
    assert_int_equal(consume(1, EVTCHN_FIFO_PRIORITY_DEFAULT, &head), b);
}

TEST(a_tail_that_moves_to_another_queue_leaves_nothing_behind)
{
    evtchn_port_t a = bind_ipi(0), b = bind_ipi(0), port;
    uint32_t head = 0;

    assert_int_equal(evtchn_alloc_unbound(d, 0, &port), 0);
    __atomic_store_n(&evtchn_of(d, port)->binding, EVTCHN_IPI,
                     __ATOMIC_RELEASE);        /* movable and sendable */
    assert_int_equal(evtchn_send(d, port), 0); /* tail of vCPU 0's queue */
    assert_int_equal(consume(0, EVTCHN_FIFO_PRIORITY_DEFAULT, &head), port);
    evtchn_of(d, port)->vcpu = 1;
    assert_int_equal(evtchn_send(d, port), 0); /* now linked on vCPU 1 */
    assert_int_equal(evtchn_send(d, a), 0);    /* must not be appended to vCPU 1's queue */
    assert_int_equal(evtchn_send(d, b), 0);
    assert_int_equal(control[1]->head[EVTCHN_FIFO_PRIORITY_DEFAULT], port);
    assert_int_equal(words[port] & LINK, 0);
    head = 0;
    assert_int_equal(consume(0, EVTCHN_FIFO_PRIORITY_DEFAULT, &head), a);
    assert_int_equal(consume(0, EVTCHN_FIFO_PRIORITY_DEFAULT, &head), b);
    evtchn_of(d, port)->binding = EVTCHN_UNBOUND;
}

TEST(a_masked_event_is_linked_when_it_is_unmasked)
{
    evtchn_port_t a = bind_ipi(0);
    uint32_t head = 0;

    words[a] = MASKED;
    assert_int_equal(evtchn_send(d, a), 0);
    assert_int_equal(words[a], MASKED | PENDING);
    assert_false(ready(0, EVTCHN_FIFO_PRIORITY_DEFAULT));
    assert_true(evtchn_pending_unmasked_port(d, a));
    assert_int_equal(OP(EVTCHNOP_unmask, evtchn_unmask, a), 0);
    assert_int_equal(words[a], PENDING | LINKED);
    assert_int_equal(consume(0, EVTCHN_FIFO_PRIORITY_DEFAULT, &head), a);
    words[a] = MASKED;
    assert_int_equal(OP(EVTCHNOP_unmask, evtchn_unmask, a), 0);
    assert_int_equal(words[a], 0);
}

TEST(an_event_whose_word_comes_later_is_raised_then)
{
    evtchn_port_t a = bind_ipi(0);
    uint32_t head = 0;

    assert_int_equal(evtchn_send(d, a), 0); /* 2-level still */
    assert_int_equal(init_control(0, frame_mfn(control_page).n, 0), 0);
    assert_int_equal(init_control(1, frame_mfn(control_page).n, 256), 0);
    assert_int_equal(evtchn_send(d, bind_ipi(1)), 0);
    assert_false(evtchn_pending_unmasked_port(d, a));
    assert_int_equal(control[0]->ready | control[1]->ready, 0);
    assert_int_equal(expand(array_page), 0);
    assert_int_equal(consume(0, EVTCHN_FIFO_PRIORITY_DEFAULT, &head), a);
    assert_int_equal(consume(1, EVTCHN_FIFO_PRIORITY_DEFAULT, &head), a + 1);
}

TEST(a_vcpu_without_a_control_block_gets_nothing_and_harms_nobody)
{
    assert_int_equal(init_control(0, frame_mfn(control_page).n, 0), 0);
    assert_int_equal(expand(array_page), 0);
    assert_int_equal(evtchn_send(d, bind_ipi(1)), 0);
    assert_int_equal(words[1], 0);
}

TEST(a_port_that_the_guest_still_has_linked_is_not_reused)
{
    evtchn_port_t a = bind_ipi(0);
    uint32_t head = 0;

    assert_int_equal(evtchn_send(d, a), 0);
    assert_int_equal(evtchn_close(d, a), 0);
    assert_int_equal(words[a] & (PENDING | LINKED), LINKED);
    assert_int_equal(bind_ipi(0), a + 1);
    assert_int_equal(consume(0, EVTCHN_FIFO_PRIORITY_DEFAULT, &head), a);
    assert_int_equal(bind_ipi(0), a);
}

TEST(a_guest_that_never_unlinks_runs_out_of_ports_in_bounded_time)
{
    struct evtchn_bind_ipi *arg = host_guest_alloc(sizeof(*arg));

    memset(words, 0xff, PAGE_SIZE);
    for (unsigned int i = 1; i < EVTCHN_FIFO_NR_CHANNELS / WORDS; i++) {
        assert_int_equal(expand(array_page), 0);
    }
    assert_int_equal(hypercall_event_channel_op(EVTCHNOP_bind_ipi, host_gva(arg), 0, 0, 0),
                     -ENOSPC);
    assert_true(d->nr_evtchns < 4096);
    words[1] = 0;
    assert_int_equal(bind_ipi(0), 1);
}

TEST(reset_goes_back_to_the_2_level_abi)
{
    evtchn_port_t a = bind_ipi(0);

    assert_int_equal(evtchn_send(d, a), 0);
    assert_int_equal(reset_self(), 0);
    assert_null(d->fifo);
    memset(words, 0, PAGE_SIZE);
    assert_int_equal(bind_ipi(0), a);
    assert_int_equal(evtchn_send(d, a), 0);
    assert_int_equal(words[a], 0);
    assert_true(shared_test_bit(a, d->shared->evtchn_pending));
}

TEST(a_late_event_on_a_port_beyond_the_2_level_abi_goes_nowhere)
{
    evtchn_2l_set_pending(d, 100000, d->vcpus[0]);
    evtchn_2l_unmask(d, 100000, d->vcpus[0]);
    evtchn_2l_clear_pending(d, 100000);
    assert_false(evtchn_2l_is_pending(d, 100000));
    assert_true(evtchn_2l_is_masked(d, 100000));
}

/* --- guests that play --- */

TEST(links_out_of_range_and_circles_are_never_followed)
{
    static const uint32_t junk[] = { LINKED | LINK,         LINKED | 1,    LINKED | 2, 0xffffffff,
                                     LINKED | BUSY | 99999, PENDING | LINK };
    evtchn_port_t port[8];

    for (unsigned int i = 0; i < ARRAY_SIZE(port); i++) {
        port[i] = bind_ipi(i % 2);
    }
    for (unsigned int round = 0; round < 1000; round++) {
        for (unsigned int i = 0; i < ARRAY_SIZE(port); i++) {
            words[port[i]] = junk[(round + i) % ARRAY_SIZE(junk)];
            control[i % 2]->head[EVTCHN_FIFO_PRIORITY_DEFAULT] = junk[round % ARRAY_SIZE(junk)];
            if (round % 7 == 0) {
                words[port[i]] = 0;
            }
        }
        for (unsigned int i = 0; i < ARRAY_SIZE(port); i++) {
            assert_int_equal(evtchn_send(d, port[i]), 0);
            assert_int_equal(evtchn_unmask(d, port[i]), 0);
        }
    }
    /* And when the guest comes to its senses, events flow again. */
    memset(words, 0, PAGE_SIZE);
    memset(control[0], 0, PAGE_SIZE);
    assert_int_equal(evtchn_send(d, port[0]), 0);
    assert_true(ready(0, EVTCHN_FIFO_PRIORITY_DEFAULT));
    assert_int_equal(control[0]->head[EVTCHN_FIFO_PRIORITY_DEFAULT], port[0]);
}

#define PORTS 16

struct player {
    pthread_t thread;
    unsigned int cpu;
    bool *stop;
    unsigned long rounds;
};

static evtchn_port_t race_port[PORTS];

/* Scribbles over array and control blocks, moves ports and changes priorities. */
static void *scribble(void *data)
{
    struct player *p = data;
    unsigned int seed = p->cpu;

    host_set_cpu(p->cpu);
    host_set_current(d->vcpus[0]);
    while (!__atomic_load_n(p->stop, __ATOMIC_RELAXED)) {
        unsigned int r = (unsigned int)rand_r(&seed);
        struct evtchn *e = evtchn_of(d, race_port[r % PORTS]);

        shared_write(&words[r % WORDS], r * 2654435761U);
        __atomic_store_n(&e->vcpu, (uint16_t)(r >> 8) % 2, __ATOMIC_RELAXED);
        __atomic_store_n(&e->priority, (uint8_t)((r >> 9) % 16), __ATOMIC_RELAXED);
        shared_write(&control[r % 2]->head[r % 16], r);
        shared_write(&control[r % 2]->ready, r);
        p->rounds++;
    }
    return NULL;
}

static void *ring(void *data)
{
    struct player *p = data;
    unsigned int seed = p->cpu;

    host_set_cpu(p->cpu);
    host_set_current(d->vcpus[0]);
    while (!__atomic_load_n(p->stop, __ATOMIC_RELAXED)) {
        assert_int_equal(evtchn_send(d, race_port[(unsigned int)rand_r(&seed) % PORTS]), 0);
        assert_int_equal(evtchn_unmask(d, race_port[(unsigned int)rand_r(&seed) % PORTS]), 0);
        p->rounds++;
    }
    return NULL;
}

/* Takes the pages away and gives them back, over and over: nobody may touch them in between. */
static void *flip(void *data)
{
    struct player *p = data;

    host_set_cpu(p->cpu);
    host_set_current(d->vcpus[0]);
    for (unsigned int i = 0; i < 200; i++) {
        assert_int_equal(evtchn_fifo_init_control(d, d->vcpus[0], frame_mfn(control_page).n, 0), 0);
        assert_int_equal(evtchn_fifo_init_control(d, d->vcpus[1], frame_mfn(control_page).n, 256),
                         0);
        assert_int_equal(evtchn_fifo_expand_array(d, frame_mfn(array_page).n), 0);
        for (unsigned int j = 0; j < 20; j++) {
            arch_cpu_relax();
        }
        spin_lock(&d->evtchn_lock);
        evtchn_fifo_disable(d);
        spin_unlock(&d->evtchn_lock);
        /* Ours again: what is written now must stay. */
        memset(words, 0x5a, PAGE_SIZE);
        memset(control[0], 0xa5, PAGE_SIZE);
        arch_cpu_relax();
        for (unsigned int j = 0; j < WORDS; j++) {
            assert_int_equal(words[j], 0x5a5a5a5a);
            assert_int_equal(((uint32_t *)control[0])[j], 0xa5a5a5a5);
        }
        memset(words, 0, PAGE_SIZE);
        memset(control[0], 0, PAGE_SIZE);
        p->rounds++;
    }
    __atomic_store_n(p->stop, true, __ATOMIC_RELAXED);
    return NULL;
}

static void play(unsigned int n, void *(*const fn[])(void *data), unsigned int ms)
{
    static bool stop;
    struct player players[6];
    struct timespec time = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };

    stop = false;
    for (unsigned int i = 0; i < n; i++) {
        players[i] = (struct player){ .cpu = i + 1, .stop = &stop };
        assert_int_equal(pthread_create(&players[i].thread, NULL, fn[i], &players[i]), 0);
    }
    if (ms) {
        nanosleep(&time, NULL);
        __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    }
    for (unsigned int i = 0; i < n; i++) {
        pthread_join(players[i].thread, NULL);
        assert_true(players[i].rounds > 0);
    }
}

TEST(senders_and_a_scribbling_guest_get_along)
{
    for (unsigned int i = 0; i < PORTS; i++) {
        race_port[i] = bind_ipi(i % 2);
    }
    play(4, (void *(*const[])(void *)){ ring, ring, scribble, scribble }, 300);
}

TEST(no_sender_touches_a_page_that_was_given_back)
{
    for (unsigned int i = 0; i < PORTS; i++) {
        race_port[i] = bind_ipi(i % 2);
    }
    play(3, (void *(*const[])(void *)){ ring, ring, flip }, 0);
}

/* Several senders, one honest consumer: whatever was sent last is seen. */
static unsigned long sent[PORTS], seen[PORTS];
static unsigned int senders;

static void *send_counted(void *data)
{
    struct player *p = data;
    unsigned int mine = (p->cpu - 1) * (PORTS / 2);

    host_set_cpu(p->cpu);
    host_set_current(d->vcpus[0]);
    for (unsigned int i = 0; i < 20000; i++) {
        unsigned int n = mine + i % (PORTS / 2);

        __atomic_fetch_add(&sent[n], 1, __ATOMIC_SEQ_CST);
        assert_int_equal(evtchn_send(d, race_port[n]), 0);
        p->rounds++;
    }
    __atomic_fetch_sub(&senders, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

static unsigned int number_of(evtchn_port_t port)
{
    unsigned int n = 0;

    while (race_port[n] != port) {
        n++;
        assert_true(n < PORTS);
    }
    return n;
}

static void *consume_all(void *data)
{
    struct player *p = data;
    bool last_look = false;
    uint32_t head = 0;

    host_set_cpu(p->cpu);
    for (;;) {
        evtchn_port_t port;
        event_word_t old;
        unsigned int n;

        if (!head) {
            bool done = !__atomic_load_n(&senders, __ATOMIC_SEQ_CST);

            if (!ready(0, EVTCHN_FIFO_PRIORITY_DEFAULT)) {
                if (last_look) {
                    return NULL;
                }
                last_look = done;
                sched_yield();
                continue;
            }
            head =
                __atomic_load_n(&control[0]->head[EVTCHN_FIFO_PRIORITY_DEFAULT], __ATOMIC_ACQUIRE);
        }
        port = head;
        old = __atomic_load_n(&words[port], __ATOMIC_ACQUIRE);
        while (!__atomic_compare_exchange_n(&words[port], &old, old & ~(LINKED | LINK), false,
                                            __ATOMIC_SEQ_CST, __ATOMIC_ACQUIRE)) {
        }
        head = old & LINK;
        __atomic_fetch_and(&words[port], ~PENDING, __ATOMIC_SEQ_CST);
        n = number_of(port);
        seen[n] = __atomic_load_n(&sent[n], __ATOMIC_SEQ_CST);
        p->rounds++;
    }
}

TEST(nothing_that_was_sent_is_lost)
{
    for (unsigned int i = 0; i < PORTS; i++) {
        race_port[i] = bind_ipi(0);
        sent[i] = seen[i] = 0;
    }
    senders = 2;
    play(3, (void *(*const[])(void *)){ send_counted, send_counted, consume_all }, 0);
    for (unsigned int i = 0; i < PORTS; i++) {
        assert_int_equal(seen[i], sent[i]);
    }
}

#define C(name) cmocka_unit_test_setup(name, fresh)
#define F(name) cmocka_unit_test_setup(name, fifo)
TEST_RUN(start, NULL, C(a_control_block_lies_in_one_page_of_the_domain),
         C(the_array_grows_to_128_pages_of_the_domain), F(events_queue_in_order),
         F(priorities_have_queues_of_their_own),
         F(a_tail_that_moves_to_another_queue_leaves_nothing_behind),
         F(a_masked_event_is_linked_when_it_is_unmasked),
         C(an_event_whose_word_comes_later_is_raised_then),
         C(a_vcpu_without_a_control_block_gets_nothing_and_harms_nobody),
         F(a_port_that_the_guest_still_has_linked_is_not_reused),
         F(a_guest_that_never_unlinks_runs_out_of_ports_in_bounded_time),
         F(reset_goes_back_to_the_2_level_abi),
         C(a_late_event_on_a_port_beyond_the_2_level_abi_goes_nowhere),
         F(links_out_of_range_and_circles_are_never_followed),
         F(senders_and_a_scribbling_guest_get_along),
         C(no_sender_touches_a_page_that_was_given_back), F(nothing_that_was_sent_is_lost))
