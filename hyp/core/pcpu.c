/*
 * The states of physical CPUs. Whoever asks for a change does not wait for it under a lock or on
 * another's account: the request is repeated until the CPU, which does its part in its own idle
 * loop, has done it.
 */
#include "core/pcpu.h"

#include <lodge/errno.h>
#include <lodge/range.h>
#include "core/domain.h"
#include "core/evtchn.h"
#include "core/lock.h"
#include "core/log.h"
#include "core/sched.h"
#include "core/softirq.h"
#include "core/timer.h"

uint8_t pcpu_states[NR_CPUS] = { [0] = PCPU_ON };

static struct spinlock lock = SPINLOCK_INIT(RANK_CPU_HOTPLUG);
static bool starting; /* one at a time; under lock */
/* Who asked last that a CPU go off, to be told that it has. Compared, never followed. Under lock */
static const struct vcpu *askers[NR_CPUS];
static struct work gone_work[NR_CPUS];

static void state_set(unsigned int cpu, enum pcpu_state state)
{
    assert_held(&lock);
    __atomic_store_n(&pcpu_states[cpu], state, __ATOMIC_RELAXED);
}

/* 0, or as pcpu_online(). *start: the caller is to start it. */
static int online_begin(unsigned int cpu, bool *start)
{
    assert_held(&lock);
    switch (pcpu_states[cpu]) {
    case PCPU_OFF:
        if (starting) {
            return -ERESTART;
        }
        *start = starting = true;
        state_set(cpu, PCPU_STARTING);
        return 0;
    case PCPU_LEAVING:
        sched_cpu_return(cpu);
        state_set(cpu, PCPU_ON);
        return 0;
    case PCPU_ON:
        return -EEXIST;
    default:
        return -ERESTART;
    }
}

int pcpu_online(unsigned int cpu)
{
    bool start = false;
    int rc;

    if (cpu >= arch_nr_cpus()) {
        return -EINVAL;
    }
    cpu = (unsigned int)index_nospec(cpu, NR_CPUS);
    if (!spin_trylock(&lock)) {
        return -ERESTART;
    }
    rc = online_begin(cpu, &start);
    spin_unlock(&lock);
    if (start) {
        rc = arch_cpu_start(cpu);
        spin_lock(&lock);
        starting = false;
        askers[cpu] = NULL;
        state_set(cpu, rc ? PCPU_OFF : PCPU_ON);
        spin_unlock(&lock);
    }
    if (!rc) {
        virq_send_global(VIRQ_PCPU_STATE);
    }
    return rc;
}

static int offline_step(unsigned int cpu)
{
    int rc;

    assert_held(&lock);
    switch (pcpu_states[cpu]) {
    case PCPU_ON:
        rc = sched_cpu_leave(cpu);
        if (rc) {
            return rc;
        }
        askers[cpu] = current;
        state_set(cpu, PCPU_LEAVING);
        sched_ask(cpu); /* its idle loop goes round once more */
        return -ERESTART;
    case PCPU_OFF:
        if (askers[cpu] != current) {
            return -EEXIST;
        }
        askers[cpu] = NULL;
        return 0;
    default:
        return -ERESTART;
    }
}

int pcpu_offline(unsigned int cpu)
{
    int rc;

    if (cpu == 0 || cpu >= arch_nr_cpus()) {
        return -EINVAL;
    }
    cpu = (unsigned int)index_nospec(cpu, NR_CPUS);
    if (!spin_trylock(&lock)) {
        return -ERESTART;
    }
    rc = offline_step(cpu);
    spin_unlock(&lock);
    return rc;
}

/* On CPU 0: the last that the others do for a CPU which has given up all it could by itself. */
static void gone(void *data)
{
    unsigned int cpu = (unsigned int)((const uint8_t *)data - pcpu_states);

    while (!arch_cpu_parked(cpu)) {
        arch_cpu_relax();
    }
    timer_cpu_gone(cpu);
    work_cpu_migrate_all(cpu);
    spin_lock(&lock);
    state_set(cpu, PCPU_OFF);
    spin_unlock(&lock);
    log_info("CPU %u is off", cpu);
    virq_send_global(VIRQ_PCPU_STATE);
}

void pcpu_leave(void)
{
    unsigned int cpu = arch_cpu_id();
    bool going = false;

    if (!arch_cpu_drain() || softirq_pending() || !spin_trylock(&lock)) {
        return; /* the idle loop comes back here */
    }
    if (pcpu_states[cpu] == PCPU_LEAVING) { /* and was not told to stay meanwhile */
        state_set(cpu, PCPU_PARKING);
        going = true;
    }
    spin_unlock(&lock);
    if (going) {
        if (!gone_work[cpu].fn) {
            work_init(&gone_work[cpu], gone, &pcpu_states[cpu]);
        }
        work_schedule_cpu(&gone_work[cpu], 0);
        arch_cpu_park();
    }
}
