#include "core/lock.h"
#include <pthread.h>
#include <string.h>
#include "core/log.h"
#include "hyp/arch/host/host.h"
#include "tests/unit.h"

#define THREADS 4
#define ROUNDS  20000

static struct spinlock lock = SPINLOCK_INIT(RANK_HEAP);
static unsigned int counter;

static void *count(void *arg)
{
    host_set_cpu((unsigned int)(uintptr_t)arg);
    for (unsigned int i = 0; i < ROUNDS; i++) {
        spin_lock(&lock);
        counter++;
        spin_unlock(&lock);
    }
    return NULL;
}

TEST(only_one_holds_it_at_a_time)
{
    pthread_t threads[THREADS];

    for (uintptr_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, count, (void *)i), 0);
    }
    for (unsigned int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(counter, THREADS * ROUNDS);
    assert_int_equal(lock.serving, lock.next);
}

TEST(the_holder_knows_that_it_holds)
{
    assert_false(spin_held(&lock));
    spin_lock(&lock);
    assert_true(spin_held(&lock));
    host_set_cpu(1);
    assert_false(spin_held(&lock));
    host_set_cpu(0);
    spin_unlock(&lock);
    assert_false(spin_held(&lock));
}

TEST(trylock_takes_a_free_lock_only)
{
    assert_true(spin_trylock(&lock));
    host_set_cpu(1);
    assert_false(spin_trylock(&lock));
    host_set_cpu(0);
    spin_unlock(&lock);
    assert_true(spin_trylock(&lock));
    spin_unlock(&lock);
}

TEST(tickets_wrap)
{
    struct spinlock l = SPINLOCK_INIT(RANK_NONE);

    for (unsigned int i = 0; i < 70000; i++) {
        spin_lock(&l);
        spin_unlock(&l);
        assert_true(spin_trylock(&l));
        spin_unlock(&l);
    }
    assert_int_equal(l.rank, RANK_NONE);
    assert_int_equal(l.owner, 0);
}

TEST(irqsave_gives_back_what_was)
{
    struct spinlock l = SPINLOCK_INIT(RANK_IRQ);
    unsigned long outer, flags = spin_lock_irqsave(&l);

    assert_false(arch_irq_enabled());
    spin_unlock_irqrestore(&l, flags);
    assert_true(arch_irq_enabled());
    outer = arch_irq_save();
    flags = spin_lock_irqsave(&l);
    spin_unlock_irqrestore(&l, flags);
    assert_false(arch_irq_enabled());
    arch_irq_restore(outer);
    spin_lock_irq(&l);
    assert_false(arch_irq_enabled());
    spin_unlock_irq(&l);
    assert_true(arch_irq_enabled());
}

TEST(ranks_must_rise)
{
    struct spinlock outer = SPINLOCK_INIT(RANK_DOMAIN), inner = SPINLOCK_INIT(RANK_HEAP);

    spin_lock(&outer);
    spin_lock(&inner);
    spin_unlock(&outer); /* in any order */
    if (HOST_PANICS()) {
        spin_lock(&outer);
        host_panic_missing();
    }
    assert_non_null(strstr(host_panic_text(), "rank"));
    spin_unlock(&inner);
    spin_lock(&outer);
    spin_unlock(&outer);
    spin_assert_none_held();
}

TEST(a_rank_repeats_only_where_an_order_is_stated)
{
    struct spinlock a = SPINLOCK_INIT(RANK_HEAP), b = SPINLOCK_INIT(RANK_HEAP);
    struct spinlock low = SPINLOCK_INIT(RANK_EVTCHN), high = SPINLOCK_INIT(RANK_EVTCHN);

    spin_lock(&low);
    spin_lock(&high);
    spin_unlock(&high);
    spin_unlock(&low);
    spin_lock(&a);
    if (HOST_PANICS()) {
        spin_lock(&b);
        host_panic_missing();
    }
    spin_unlock(&a);
}

TEST(taking_it_twice_is_noticed)
{
    spin_lock(&lock);
    if (HOST_PANICS()) {
        spin_lock(&lock);
        host_panic_missing();
    }
    assert_non_null(strstr(host_panic_text(), "twice"));
    spin_unlock(&lock);
}

TEST(releasing_what_is_not_held_is_noticed)
{
    if (HOST_PANICS()) {
        spin_unlock(&lock);
        host_panic_missing();
    }
    assert_non_null(strstr(host_panic_text(), "does not hold"));
}

TEST(a_lock_that_interrupts_use_is_not_taken_with_interrupts_on)
{
    struct spinlock l = SPINLOCK_INIT(RANK_IRQ);
    unsigned long flags = spin_lock_irqsave(&l);

    spin_unlock_irqrestore(&l, flags);
    flags = arch_irq_save();
    spin_lock(&l); /* off anyway: fine */
    spin_unlock(&l);
    arch_irq_restore(flags);
    if (HOST_PANICS()) {
        spin_lock(&l);
        host_panic_missing();
    }
    assert_non_null(strstr(host_panic_text(), "interrupts on"));
    spin_unlock(&l);
}

TEST(holding_a_lock_on_the_way_out_is_noticed)
{
    spin_assert_none_held();
    spin_lock(&lock);
    if (HOST_PANICS()) {
        spin_assert_none_held();
        host_panic_missing();
    }
    spin_unlock(&lock);
}

/* Last: checks are off for good afterwards. */
TEST(an_interrupt_is_not_bound_by_what_it_interrupted)
{
    struct spinlock outer = SPINLOCK_INIT(RANK_HEAP), inner = SPINLOCK_INIT(RANK_EVTCHN_FIFO);
    unsigned int locks;
    unsigned long flags;

    spin_lock(&outer);
    locks = spin_interrupt_enter();
    arch_irq_disable();
    flags = spin_lock_irqsave(&inner);
    spin_unlock_irqrestore(&inner, flags);
    arch_irq_enable();
    spin_interrupt_leave(locks);
    if (HOST_PANICS()) {
        flags = spin_lock_irqsave(&inner);
        host_panic_missing();
    }
    assert_non_null(strstr(host_panic_text(), "is wanted inside"));
    spin_unlock(&outer);
    arch_irq_enable();
}

TEST(inside_a_lock_of_interrupts_all_are)
{
    struct spinlock outer = SPINLOCK_INIT(RANK_EVTCHN_FIFO), inner = SPINLOCK_INIT(RANK_HEAP);
    unsigned long flags = spin_lock_irqsave(&outer);

    if (HOST_PANICS()) {
        spin_lock(&inner);
        host_panic_missing();
    }
    assert_non_null(strstr(host_panic_text(), "not for interrupts"));
    spin_unlock(&inner);
    spin_unlock_irqrestore(&outer, flags);
}

TEST(a_report_takes_it_by_force)
{
    struct spinlock l = SPINLOCK_INIT(RANK_CONSOLE);

    spin_lock_forced(&l);
    assert_true(spin_held(&l));
    spin_unlock(&l);
    host_set_cpu(1);
    spin_lock(&l);
    host_set_cpu(0);
    spin_lock_forced(&l);
    assert_true(spin_held(&l));
    spin_unlock(&l);
    assert_true(spin_trylock(&l));
    spin_unlock(&l);
    host_set_cpu(1);
    spin_unlock(&l); /* the robbed holder */
    host_set_cpu(0);
    assert_true(spin_trylock(&l));
    spin_unlock(&l);
}

TEST_MAIN(T(only_one_holds_it_at_a_time), T(the_holder_knows_that_it_holds),
          T(trylock_takes_a_free_lock_only), T(tickets_wrap), T(irqsave_gives_back_what_was),
          T(ranks_must_rise), T(a_rank_repeats_only_where_an_order_is_stated),
          T(taking_it_twice_is_noticed), T(releasing_what_is_not_held_is_noticed),
          T(a_lock_that_interrupts_use_is_not_taken_with_interrupts_on),
          T(holding_a_lock_on_the_way_out_is_noticed), T(an_interrupt_is_not_bound_by_what_it_interrupted), T(inside_a_lock_of_interrupts_all_are),
          T(a_report_takes_it_by_force))
