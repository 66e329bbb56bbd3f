/* Physical CPUs go off and on: one thread plays them all. */
#include "core/pcpu.h"
#include <lodge/errno.h>
#include <lodge/shared.h>
#include <xen/event_channel.h>
#include "core/evtchn.h"
#include "core/hypercall.h"
#include "core/sched.h"
#include "core/softirq.h"
#include "core/timer.h"
#include "hyp/arch/host/domains.h"
#include "hyp/arch/host/host.h"
#include "tests/unit.h"

#define CPUS 3U

static struct vcpu *on[NR_CPUS]; /* whose context each CPU holds */
static bool parked[NR_CPUS];
static unsigned int drains; /* how often arch_cpu_drain() has something to wait for */
static int start_rc;
static struct domain *d;
static evtchn_port_t port;

static void be_cpu(unsigned int cpu)
{
    on[arch_cpu_id()] = current;
    host_set_cpu(cpu);
    host_set_current(on[cpu]);
}

unsigned int arch_nr_cpus(void)
{
    return CPUS;
}

int arch_cpu_start(unsigned int cpu)
{
    unsigned int me = arch_cpu_id();
    int rc;

    if (start_rc) {
        return start_rc;
    }
    timer_cpu_start(cpu);
    rc = sched_cpu_init(cpu);
    if (rc) {
        return rc;
    }
    on[cpu] = idle_vcpu[cpu];
    parked[cpu] = false;
    be_cpu(cpu);
    sched_cpu_start(cpu);
    be_cpu(me);
    return 0;
}

bool arch_cpu_drain(void)
{
    return drains == 0 || drains-- == 0;
}

void arch_cpu_park(void)
{
    sched_cpu_gone(arch_cpu_id());
    parked[arch_cpu_id()] = true;
}

bool arch_cpu_parked(unsigned int cpu)
{
    return parked[cpu];
}

/* One round of each CPU's idle loop, or of its return to the guest. */
static void go_round(void)
{
    for (unsigned int cpu = 0; cpu < CPUS; cpu++) {
        be_cpu(cpu);
        if (cpu == 0 || cpumap_test(&cpus_online, cpu)) {
            softirq_process();
            arch_irq_disable();
            if (current && current->is_idle && pcpu_leaving()) {
                pcpu_leave();
            }
            arch_irq_enable();
        }
    }
    be_cpu(0);
}

static bool told(void)
{
    return shared_test_and_clear_bit(port, d->shared->evtchn_pending);
}

static int setup(void **state)
{
    struct evtchn_bind_virq *bind;

    (void)state;
    d = host_domain(0, CPUS);
    for (unsigned int i = 0; i < CPUS; i++) {
        d->vcpus[i]->initialised = true;
        d->vcpus[i]->pause_flags = 0;
    }
    on[0] = idle_vcpu[0];
    host_set_current(d->vcpus[0]);
    bind = host_guest_alloc(sizeof(*bind));
    bind->virq = VIRQ_PCPU_STATE;
    assert_int_equal(hypercall_event_channel_op(EVTCHNOP_bind_virq, host_gva(bind), 0, 0, 0), 0);
    port = bind->port;
    host_set_current(idle_vcpu[0]);
    for (unsigned int cpu = 1; cpu < CPUS; cpu++) {
        assert_int_equal(pcpu_online(cpu), 0);
    }
    domain_unpause(d);
    go_round();
    (void)told();
    return 0;
}

/* Until it says something; the guest that asks runs on CPU 0. */
static int offline(unsigned int cpu)
{
    int rc = pcpu_offline(cpu);

    for (unsigned int i = 0; i < 20 && rc == -ERESTART; i++) {
        go_round();
        rc = pcpu_offline(cpu);
    }
    return rc;
}

TEST(what_is_no_cpu_or_the_first_is_refused)
{
    assert_int_equal(pcpu_offline(0), -EINVAL);
    assert_int_equal(pcpu_offline(CPUS), -EINVAL);
    assert_int_equal(pcpu_offline(~0U), -EINVAL);
    assert_int_equal(pcpu_online(CPUS), -EINVAL);
    assert_int_equal(pcpu_online(~0U), -EINVAL);
    assert_int_equal(pcpu_online(0), -EEXIST);
    assert_int_equal(pcpu_online(1), -EEXIST);
    assert_false(told());
}

TEST(a_cpu_goes_and_comes_back_many_times)
{
    for (unsigned int i = 0; i < 50; i++) {
        unsigned int cpu = 1 + i % 2;

        assert_int_equal(offline(cpu), 0);
        assert_true(told());
        assert_int_equal(pcpu_states[cpu], PCPU_OFF);
        assert_false(cpumap_test(&cpus_online, cpu) || cpumap_test(&cpus_active, cpu));
        assert_int_equal(nr_cpus_online, CPUS - 1);
        assert_int_equal(offline(cpu), -EEXIST);
        for (unsigned int n = 0; n < CPUS; n++) {
            assert_int_not_equal(d->vcpus[n]->cpu, cpu);
        }
        assert_int_equal(pcpu_online(cpu), 0);
        assert_true(told());
        go_round();
        assert_int_equal(nr_cpus_online, CPUS);
        assert_false(on[cpu]->is_idle);
    }
}

TEST(it_does_not_go_before_its_interrupts_have_been_taken)
{
    int rc = pcpu_offline(2);

    drains = 3;
    for (unsigned int i = 0; i < 3; i++) {
        assert_int_equal(rc, -ERESTART);
        go_round();
        assert_false(parked[2]);
        rc = pcpu_offline(2);
    }
    assert_int_equal(offline(2), 0);
    assert_int_equal(pcpu_online(2), 0);
    go_round();
}

TEST(it_goes_also_if_nobody_asks_again)
{
    assert_int_equal(pcpu_offline(1), -ERESTART);
    go_round();
    go_round();
    go_round();
    assert_int_equal(pcpu_states[1], PCPU_OFF);
    assert_true(told());
    assert_int_equal(pcpu_online(1), 0);
    go_round();
}

TEST(one_that_is_told_to_stay_stays)
{
    drains = 2;
    assert_int_equal(pcpu_offline(1), -ERESTART);
    go_round();
    assert_int_equal(pcpu_states[1], PCPU_LEAVING);
    assert_int_equal(pcpu_online(1), 0);
    drains = 0;
    for (unsigned int i = 0; i < 5; i++) {
        go_round();
    }
    assert_int_equal(pcpu_states[1], PCPU_ON);
    assert_false(on[1]->is_idle);
    assert_int_equal(nr_cpus_online, CPUS);
    (void)told();
}

TEST(a_pin_override_keeps_every_cpu)
{
    struct vcpu *v = d->vcpus[0];

    be_cpu(v->cpu);
    assert_int_equal(vcpu_pin_override(v, 1), 0);
    go_round();
    assert_int_equal(offline(1), -EADDRINUSE);
    assert_int_equal(offline(2), -EADDRINUSE);
    assert_int_equal(pcpu_states[2], PCPU_ON);
    assert_true(cpumap_test(&cpus_active, 2));
    be_cpu(v->cpu);
    assert_int_equal(vcpu_pin_override(v, -1), 0);
    go_round();
    assert_int_equal(offline(1), 0);
    be_cpu(v->cpu);
    assert_int_equal(vcpu_pin_override(v, 1), -EINVAL);
    be_cpu(0);
    assert_int_equal(pcpu_online(1), 0);
    go_round();
    (void)told();
}

static unsigned int fired_on;

static void fire(void *data)
{
    (void)data;
    fired_on = arch_cpu_id();
}

TEST(its_timers_and_work_are_the_others)
{
    static struct work w;
    struct timer t;

    timer_init(&t, fire, NULL, 2);
    timer_set(&t, arch_time_ns() + NS_PER_S);
    assert_int_equal(offline(2), 0);
    assert_int_equal(t.cpu, 0);
    host_time_advance(2 * NS_PER_S);
    fired_on = ~0U;
    softirq_raise(SOFTIRQ_TIMER);
    go_round();
    assert_int_equal(fired_on, 0);
    assert_int_equal(pcpu_online(2), 0);
    go_round();

    assert_int_equal(pcpu_offline(2), -ERESTART);
    go_round();
    work_init(&w, fire, NULL);
    work_schedule_cpu(&w, 2); /* after it has looked for the last time */
    fired_on = ~0U;
    assert_int_equal(offline(2), 0);
    go_round();
    assert_int_equal(fired_on, 0);
    assert_int_equal(pcpu_online(2), 0);
    go_round();
    (void)told();
}

TEST(one_that_does_not_start_stays_off)
{
    assert_int_equal(offline(2), 0);
    (void)told();
    start_rc = -EIO;
    assert_int_equal(pcpu_online(2), -EIO);
    assert_false(told());
    assert_int_equal(pcpu_states[2], PCPU_OFF);
    assert_int_equal(offline(2), -EEXIST);
    start_rc = 0;
    assert_int_equal(pcpu_online(2), 0);
    assert_true(told());
    go_round();
}

TEST_RUN(setup, NULL, T(what_is_no_cpu_or_the_first_is_refused),
         T(a_cpu_goes_and_comes_back_many_times),
         T(it_does_not_go_before_its_interrupts_have_been_taken),
         T(it_goes_also_if_nobody_asks_again), T(one_that_is_told_to_stay_stays),
         T(a_pin_override_keeps_every_cpu), T(its_timers_and_work_are_the_others),
         T(one_that_does_not_start_stays_off))
