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

    if (idle_vcpu[cpu]) { /* it was here before: its timer went elsewhere when it left */
        timer_stop(&s->timer);
        timer_migrate(&s->timer, cpu);
        return 0;
    }
    spin_init(&s->lock, RANK_SCHED);
    sched_queue_init(&s->q, cpu, opt_sched_ratelimit_us * NS_PER_US);
    timer_init(&s->timer, timer_fired, NULL, cpu);
    return vcpu_create(idle_domain, cpu, cpu, &idle_vcpu[cpu]);
}

void sched_cpu_start(unsigned int cpu)
{
    idle_vcpu[cpu]->is_running = true;
    cpumap_set_atomic(&cpus_online, cpu);
    __atomic_fetch_add(&nr_cpus_online, 1, __ATOMIC_SEQ_CST);
    sched_cpu_return(cpu);
}

/* Is any vCPU where it is because it asked to be, with SCHEDOP_pin_override? It cannot be moved. */
static bool any_overridden(void)
{
    bool found = false;

    for (struct domain *d = domain_first(); d && !found; d = d->next_in_list) {
        struct vcpu *v;
        unsigned int i;

        domain_for_each_vcpu(d, v, i) {
            found |= __atomic_load_n(&v->sched.pin_overridden, __ATOMIC_RELAXED);
        }
    }
    return found;
}

/* Off a CPU that is not active any more. Who was to run there and nowhere else may run everywhere. */
static void vcpu_evict(struct vcpu *v)
{
    unsigned long flags;
    struct sched_cpu *s = sched_lock(v, &flags);

    if (!sched_affinity_usable(&v->sched.hard)) {
        log_debug("d%uv%u: no CPU of its affinity is left, so it may run on any", v->domain->id,
                  v->id);
        memset(&v->sched.hard, 0xff, sizeof(v->sched.hard));
    }
    sched_place_anew(s, v, flags);
}

int sched_cpu_leave(unsigned int cpu)
{
    struct domain *d;
    int rc = 0;

    domain_list_lock();
    /* First the map, then each vCPU under its lock: whoever comes later finds the CPU closed. */
    cpumap_clear_atomic(&cpus_active, cpu);
    cpumap_clear_atomic(&cpus_idle, cpu);
    if (any_overridden()) {
        cpumap_set_atomic(&cpus_active, cpu);
        rc = -EADDRINUSE;
    }
    for (d = rc ? NULL : domain_first(); d; d = d->next_in_list) {
        struct vcpu *v;
        unsigned int i;

        domain_for_each_vcpu(d, v, i) {
            vcpu_evict(v);
        }
    }
    domain_list_unlock();
    sched_ask(cpu);
    return rc;
}

void sched_cpu_gone(unsigned int cpu)
{
    cpumap_clear_atomic(&cpus_idle, cpu);
    __atomic_fetch_sub(&nr_cpus_online, 1, __ATOMIC_SEQ_CST);
    cpumap_clear_atomic(&cpus_online, cpu);
}

void sched_cpu_return(unsigned int cpu)
{
    cpumap_set_atomic(&cpus_active, cpu);
    sched_ask(cpu); /* to look for work */
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
