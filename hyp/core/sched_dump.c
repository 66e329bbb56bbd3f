/* Debug key 'r': the run queues. */
#include "core/log.h"
#include "core/sched_private.h"

static void dump_vcpu(const struct sched_queue *q, const struct sched_vcpu *sv, const char *what)
{
    const struct vcpu *v = container_of(sv, struct vcpu, sched);

    console_printf("    %s d%uv%u: weight %u, %lld us ahead, used %llu ms%s%s\n", what,
                   v->domain->id, v->id, sv->weight,
                   (long long)(int64_t)(sv->vruntime - q->vtime) / (long long)NS_PER_US,
                   (unsigned long long)(sv->total_ns / NS_PER_MS),
                   sv->on_cpu && !sv->running ? ", not saved" : "",
                   sv->pin_overridden ? ", pinned by itself" : "");
}

static void dump_cpu(unsigned int cpu, uint64_t now_ns)
{
    struct sched_cpu *s = &per_cpu(sched_cpus, cpu);
    const struct sched_vcpu *sv;
    unsigned long flags = arch_irq_save();

    if (!spin_trylock(&s->lock)) {
        arch_irq_restore(flags);
        console_printf("  CPU %u: busy\n", cpu);
        return;
    }
    console_printf("  CPU %u: %u waiting, time %llu ms + %llu ms\n", cpu, s->q.nr_waiting,
                   (unsigned long long)(s->q.vtime / NS_PER_MS),
                   (unsigned long long)(s->q.base / NS_PER_MS));
    if (s->q.runner) {
        dump_vcpu(&s->q, s->q.runner, "runs");
        console_printf("      for %llu us\n",
                       (unsigned long long)((now_ns - s->q.start_ns) / NS_PER_US));
    }
    list_for_each(sv, &s->q.waiting, link) {
        dump_vcpu(&s->q, sv, "waits");
    }
    list_for_each(sv, &s->q.parked, link) {
        dump_vcpu(&s->q, sv, "used its cap");
    }
    spin_unlock_irqrestore(&s->lock, flags);
}

void sched_dump(void)
{
    uint64_t now_ns = arch_time_ns();
    unsigned int cpu;

    cpumap_for_each(cpu, &cpus_online) {
        dump_cpu(cpu, now_ns);
    }
}
