/* The timers a guest can set: see guest_timer.h. */
#include "core/guest_timer.h"

#include <lodge/errno.h>
#include "core/domain.h"
#include "core/evtchn.h"
#include "core/hypercall.h"
#include "core/sched_op.h"

/*
 * Further away than this is an overflow in the guest's arithmetic: Xen's do_set_timer_op and its
 * "Linux workaround".
 */
#define DEADLINE_SANE_NS    (1ULL << 50)
#define DEADLINE_INSTEAD_NS (100 * NS_PER_MS)
#define PERIOD_MAX_NS       (1ULL << 56)

static void singleshot_fired(void *data)
{
    virq_send_vcpu(data, VIRQ_TIMER);
}

/* Delivers the tick if it is due, and sets the timer for the next. */
static void periodic_work(struct vcpu *v)
{
    uint64_t period_ns = __atomic_load_n(&v->periodic_period_ns, __ATOMIC_RELAXED);
    uint64_t now_ns = arch_time_ns();

    if (!period_ns) {
        return;
    }
    if (now_ns >= v->periodic_last_ns + period_ns) {
        v->periodic_last_ns = now_ns; /* missed ticks are not made up for */
        virq_send_vcpu(v, VIRQ_TIMER);
    }
    timer_set(&v->periodic_timer, v->periodic_last_ns + period_ns);
}

static void periodic_fired(void *data)
{
    periodic_work(data);
}

void vcpu_timers_init(struct vcpu *v)
{
    timer_init(&v->singleshot_timer, singleshot_fired, v, v->cpu);
    timer_init(&v->periodic_timer, periodic_fired, v, v->cpu);
    timer_init(&v->poll_timer, sched_poll_expired, v, v->cpu);
}

void vcpu_timers_fini(struct vcpu *v)
{
    if (!v->is_idle) {
        timer_kill(&v->singleshot_timer);
        timer_kill(&v->periodic_timer);
        timer_kill(&v->poll_timer);
    }
}

void vcpu_singleshot_set(struct vcpu *v, uint64_t deadline_ns)
{
    timer_set(&v->singleshot_timer, (int64_t)deadline_ns < 0 ? 0 : deadline_ns);
}

void vcpu_singleshot_stop(struct vcpu *v)
{
    timer_stop(&v->singleshot_timer);
}

int vcpu_periodic_set(struct vcpu *v, uint64_t period_ns)
{
    if (period_ns && (period_ns < PERIODIC_TIMER_MIN_NS || period_ns > PERIOD_MAX_NS)) {
        return -EINVAL;
    }
    timer_stop(&v->periodic_timer);
    v->periodic_last_ns = arch_time_ns();
    __atomic_store_n(&v->periodic_period_ns, period_ns, __ATOMIC_RELAXED);
    periodic_work(v);
    return 0;
}

void vcpu_timers_leave(struct vcpu *v)
{
    if (unlikely(v->periodic_period_ns)) {
        timer_stop(&v->periodic_timer);
    }
}

void vcpu_timers_arrive(struct vcpu *v)
{
    unsigned int cpu = v->cpu;

    if (v->is_idle) {
        return;
    }
    if (unlikely(v->singleshot_timer.cpu != cpu)) {
        timer_migrate(&v->singleshot_timer, cpu);
        timer_migrate(&v->periodic_timer, cpu);
        timer_migrate(&v->poll_timer, cpu);
    }
    if (unlikely(v->periodic_period_ns)) {
        periodic_work(v);
    }
}

/* set_timer_op(uint64_t timeout): absolute, 0 stops. */
long hypercall_set_timer_op(uint64_t timeout, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5)
{
    struct vcpu *v = current;
    uint64_t now_ns;

    (void)a2;
    (void)a3;
    (void)a4;
    (void)a5;
    if (!timeout) {
        vcpu_singleshot_stop(v);
        return 0;
    }
    now_ns = arch_time_ns();
    if ((int64_t)timeout < 0 || (timeout > now_ns && timeout - now_ns > DEADLINE_SANE_NS)) {
        timeout = now_ns + DEADLINE_INSTEAD_NS;
    }
    vcpu_singleshot_set(v, timeout);
    return 0;
}
