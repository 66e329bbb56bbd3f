/*
 * Sending while the other side closes, binds again, or dies: several threads, each a CPU of its
 * own.
 */
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <lodge/errno.h>
#include "core/evtchn_private.h"
#include "hyp/arch/host/domains.h"
#include "hyp/arch/host/host.h"
#include "tests/unit.h"

static struct domain *a, *b;
static bool over;

static int start(void **state)
{
    (void)state;
    a = host_domain(0, 1);
    b = host_domain(1, 1);
    return 0;
}

struct player {
    pthread_t thread;
    void *(*fn)(void *data);
    unsigned int cpu;
    unsigned long rounds, trouble;
};

static void enter(const struct player *p, struct domain *d)
{
    host_set_cpu(p->cpu);
    host_set_current(d->vcpus[0]);
}

static bool going(void)
{
    return !__atomic_load_n(&over, __ATOMIC_RELAXED);
}

/* Sends on every port of a, whatever it is just now. */
static void *sender(void *data)
{
    struct player *p = data;

    enter(p, a);
    while (going()) {
        for (evtchn_port_t port = 0; port < 8; port++) {
            int rc = evtchn_send(a, port);

            p->trouble += rc && rc != -EINVAL;
        }
        p->rounds++;
    }
    return NULL;
}

/* Binds and closes from either side; the two lock orders meet. */
static void *binder(void *data)
{
    struct player *p = data;
    struct domain *mine = p->cpu % 2 ? a : b, *other = p->cpu % 2 ? b : a;
    unsigned int seed = p->cpu;

    enter(p, mine);
    while (going()) {
        evtchn_port_t far, near;
        int rc;

        if (evtchn_alloc_unbound(other, mine->id, &far)) {
            p->trouble++;
            continue;
        }
        rc = evtchn_bind_interdomain(mine, other, far, &near);
        if (rc) {
            p->trouble += evtchn_close(other, far) != 0;
            continue;
        }
        (void)!evtchn_send(mine, near);
        if (rand_r(&seed) % 2) {
            p->trouble += evtchn_close(mine, near) != 0;
            p->trouble += evtchn_close(other, far) != 0;
        } else {
            p->trouble += evtchn_close(other, far) != 0;
            p->trouble += evtchn_close(mine, near) != 0;
        }
        p->rounds++;
    }
    return NULL;
}

static void play(struct player *players, unsigned int n, unsigned int ms)
{
    struct timespec time = { .tv_nsec = ms * 1000000L };

    over = false;
    for (unsigned int i = 0; i < n; i++) {
        players[i].cpu = i + 1;
        assert_int_equal(pthread_create(&players[i].thread, NULL, players[i].fn, &players[i]), 0);
    }
    nanosleep(&time, NULL);
    __atomic_store_n(&over, true, __ATOMIC_RELAXED);
    for (unsigned int i = 0; i < n; i++) {
        pthread_join(players[i].thread, NULL);
        assert_true(players[i].rounds > 0);
        assert_int_equal(players[i].trouble, 0);
    }
}

TEST(closing_and_binding_race_with_sending)
{
    struct player players[] = {
        { .fn = sender }, { .fn = binder }, { .fn = binder }, { .fn = sender }
    };

    play(players, ARRAY_SIZE(players), 400);
    assert_int_equal(a->nr_used_evtchns, 0);
    assert_int_equal(b->nr_used_evtchns, 0);
    for (evtchn_port_t port = 1; port < a->nr_evtchns; port++) {
        assert_int_equal(evtchn_of(a, port)->binding, EVTCHN_FREE);
    }
}

/* Both ends are closed at once: one of the two finds the binding severed. */
static evtchn_port_t end_of[2];

static void *closer(void *data)
{
    struct player *p = data;
    struct domain *mine = p->cpu % 2 ? a : b;

    enter(p, mine);
    p->trouble += evtchn_close(mine, end_of[p->cpu % 2]) != 0;
    p->rounds++;
    return NULL;
}

TEST(both_ends_closed_at_once_are_both_free)
{
    for (unsigned int i = 0; i < 200; i++) {
        struct player players[] = { { .fn = closer }, { .fn = closer } };

        assert_int_equal(evtchn_alloc_unbound(b, 0, &end_of[0]), 0);
        assert_int_equal(evtchn_bind_interdomain(a, b, end_of[0], &end_of[1]), 0);
        play(players, 2, 0);
        assert_int_equal(a->nr_used_evtchns, 0);
        assert_int_equal(b->nr_used_evtchns, 0);
    }
}

static void *send_to_b(void *data)
{
    struct player *p = data;

    enter(p, a);
    while (going()) {
        p->trouble += evtchn_send(a, end_of[1]) != 0;
        p->rounds++;
    }
    return NULL;
}

TEST(a_domain_that_dies_is_not_rung_afterwards)
{
    struct domain *c = host_domain(2, 1);
    struct player p = { .fn = send_to_b, .cpu = 1 };

    assert_int_equal(evtchn_alloc_unbound(c, 0, &end_of[0]), 0);
    assert_int_equal(evtchn_bind_interdomain(a, c, end_of[0], &end_of[1]), 0);
    over = false;
    assert_int_equal(pthread_create(&p.thread, NULL, p.fn, &p), 0);
    while (!__atomic_load_n(&p.rounds, __ATOMIC_RELAXED)) {
        arch_cpu_relax();
    }
    host_domain_end(c); /* frees its shared info page while the other thread sends */
    for (unsigned int i = 0; i < 1000; i++) {
        arch_cpu_relax();
    }
    __atomic_store_n(&over, true, __ATOMIC_RELAXED);
    pthread_join(p.thread, NULL);
    assert_int_equal(p.trouble, 0);
    assert_int_equal(evtchn_close(a, end_of[1]), 0);
}

TEST_RUN(start, NULL, T(closing_and_binding_race_with_sending),
         T(both_ends_closed_at_once_are_both_free), T(a_domain_that_dies_is_not_rung_afterwards))
