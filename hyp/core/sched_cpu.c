/* CPUs begin and cease to take vCPUs. */
#include <lodge/errno.h>
#include <lodge/string.h>
#include "core/log.h"
#include "core/option.h"
#include "core/sched_private.h"

static struct domain *idle_domain;

static char opt_sched[16] = "credit2";
OPTION_STRING("sched", opt_sched);
static unsigned int opt_sched_ratelimit_us = SCHED_RATELIMIT_NS / NS_PER_US;
OPTION_UINT("sched_ratelimit_us", opt_sched_ratelimit_us);

static void timer_fired(void *data)
{
    (void)data;
    softirq_raise(SOFTIRQ_SCHED); /* runs on the timer's CPU, which is the queue's */
}

int sched_cpu_init(unsigned int cpu)
{
    struct sched_cpu *s = &per_cpu(sched_cpus, cpu);
    int rc = 0;

    if (!idle_vcpu[cpu]) {
        spin_init(&s->lock, RANK_SCHED);
        sched_queue_init(&s->q, cpu, opt_sched_ratelimit_us * NS_PER_US);
        timer_init(&s->timer, timer_fired, NULL, cpu);
        rc = vcpu_create(idle_domain, cpu, cpu, &idle_vcpu[cpu]);
    }
    return rc;
}

void sched_cpu_start(unsigned int cpu)
{
    idle_vcpu[cpu]->is_running = true;
    cpumap_set_atomic(&cpus_online, cpu);
    __atomic_fetch_add(&nr_cpus_online, 1, __ATOMIC_SEQ_CST);
    softirq_raise(SOFTIRQ_SCHED); /* look for work */
}

/* All vCPUs leave CPUs that are not online any more; only_ask: could they? */
static bool leave_offline_cpus(bool only_ask)
{
    struct domain *d;
    bool ok = true;

    domain_list_lock();
    for (d = domain_first(); d && ok; d = d->next_in_list) {
        struct vcpu *v;
        unsigned int i;

        domain_for_each_vcpu(d, v, i) {
            if (only_ask) {
                cpumap_t usable;

                cpumap_and(&usable, &v->sched.hard, &cpus_online);
                ok = ok && !cpumap_empty(&usable);
            } else {
                unsigned long flags;
                struct sched_cpu *s = sched_lock(v, &flags);

                sched_place_anew(s, v, flags);
            }
        }
    }
    domain_list_unlock();
    return ok;
}

int sched_cpu_remove(unsigned int cpu)
{
    struct sched_cpu *s = &per_cpu(sched_cpus, cpu);

    assert(cpu != arch_cpu_id());
    cpumap_clear_atomic(&cpus_online, cpu);
    if (!leave_offline_cpus(true)) {
        cpumap_set_atomic(&cpus_online, cpu);
        return -EBUSY;
    }
    __atomic_fetch_sub(&nr_cpus_online, 1, __ATOMIC_SEQ_CST);
    cpumap_clear_atomic(&cpus_idle, cpu);
    (void)leave_offline_cpus(false);
    while (__atomic_load_n(&s->q.runner, __ATOMIC_ACQUIRE)) {
        arch_cpu_relax();
    }
    return 0;
}

void sched_init(void)
{
    struct domain_config config = { .id = DOMID_IDLE, .is_idle = true, .max_vcpus = NR_CPUS };
    int rc;

    if (strcmp(opt_sched, "credit2")) {
        log_warning("sched=%s: there is one scheduler here, credit2; it is used", opt_sched);
    }
    rc = domain_create(&config, &idle_domain);
    if (rc) {
        panic("no memory for the idle domain");
    }
    domain_unpause(idle_domain);
    softirq_register(SOFTIRQ_SCHED, schedule);
}
