/* Debug keys: the table is the linker's, and those that belong to no single module are here. */
#include "core/debugkey.h"
#include "core/domain.h"
#include "core/evtchn.h"
#include "core/frame.h"
#include "core/log.h"
#include "core/timer.h"

/* Weak: a program without keys has no such section. */
extern const struct debugkey __start_debugkeys[] __attribute__((weak));
extern const struct debugkey __stop_debugkeys[] __attribute__((weak));

/* Run queues: in place of this, whatever scheduler is linked in and has something to show. */
void sched_dump(void);
__attribute__((weak)) void sched_dump(void)
{
    console_printf("  the scheduler keeps it to itself\n");
}

void debugkey_run(char key)
{
    bool found = false;

    for (const struct debugkey *k = __start_debugkeys; k < __stop_debugkeys; k++) {
        if (k->key == key) {
            found = true;
            console_printf("'%c': %s\n", key, k->what);
            arch_watchdog_hold(true);
            k->fn(key);
            arch_watchdog_hold(false);
        }
    }
    if (!found && key > ' ' && key <= '~') {
        console_printf("'%c': no such key; h for help\n", key);
    }
}

static void key_help(char key)
{
    (void)key;
    for (const struct debugkey *k = __start_debugkeys; k < __stop_debugkeys; k++) {
        console_printf("  %c  %s\n", k->key, k->what);
    }
}
DEBUGKEY('h', "this list", key_help);

static void key_reboot(char key)
{
    (void)key;
    console_printf("Reboots.\n");
    arch_machine_reboot();
}
DEBUGKEY('R', "reboot the machine at once", key_reboot);

static void dump_vcpu(const struct vcpu *v)
{
    console_printf("    vCPU %u: CPU %u%s%s, pause flags %x count %u, event %s, polls %d\n", v->id,
                   v->cpu, v->is_running ? ", running" : "", v->initialised ? "" : ", no context",
                   __atomic_load_n(&v->pause_flags, __ATOMIC_RELAXED),
                   __atomic_load_n(&v->pause_count, __ATOMIC_RELAXED),
                   vcpu_event_pending(v) ? "pending" : "none", v->poll_evtchn);
}

static void dump_domain(struct domain *d)
{
    struct vcpu *v;
    unsigned int i;

    console_printf("  Domain %u%s%s%s: %u references, paused %u times\n", d->id,
                   d->is_privileged ? ", privileged" : "", d->is_dying ? ", dying" : "",
                   d->is_shut_down ? ", shut down" : "",
                   __atomic_load_n(&d->refs, __ATOMIC_RELAXED),
                   __atomic_load_n(&d->pause_count, __ATOMIC_RELAXED));
    console_printf("    %llu frames of at most %llu, %llu special; assist %llx\n",
                   (unsigned long long)d->nr_pages, (unsigned long long)d->max_pages,
                   (unsigned long long)d->nr_extra_pages, (unsigned long long)d->vm_assist);
    domain_for_each_vcpu(d, v, i) {
        dump_vcpu(v);
    }
}

static void for_each_domain(void (*fn)(struct domain *d))
{
    domain_list_lock();
    for (struct domain *d = domain_first(); d; d = d->next_in_list) {
        fn(d);
    }
    domain_list_unlock();
}

static void key_domains(char key)
{
    (void)key;
    console_printf("%llu ms since boot\n", (unsigned long long)(arch_time_ns() / NS_PER_MS));
    for_each_domain(dump_domain);
}
DEBUGKEY('q', "domains and vCPUs", key_domains);

static void key_run_queues(char key)
{
    (void)key;
    sched_dump();
}
DEBUGKEY('r', "run queues", key_run_queues);

static void show_cpu(void *arg)
{
    (void)arg;
    console_printf("CPU %u:\n", arch_cpu_id());
    arch_show_stack(NULL);
}

static void key_registers(char key)
{
    (void)key;
    show_cpu(NULL);
    arch_call_cpus(cpus_online.bits, show_cpu, NULL);
}
DEBUGKEY('d', "registers and stack of every CPU", key_registers);

static void dump_memory(struct domain *d)
{
    console_printf("  domain %u: %llu KiB\n", d->id,
                   (unsigned long long)(d->nr_pages + d->nr_extra_pages) << (PAGE_SHIFT - 10));
}

static void key_memory(char key)
{
    (void)key;
    heap_dump();
    for_each_domain(dump_memory);
}
DEBUGKEY('m', "memory", key_memory);

static void key_timers(char key)
{
    (void)key;
    console_printf("It is %llu ns since boot.\n", (unsigned long long)arch_time_ns());
    timer_dump();
}
DEBUGKEY('t', "timers", key_timers);

/*
 * A vCPU is stopped while it is looked at; the one this CPU interrupted is not running just now
 * anyway.
 */
static void key_dom0(char key)
{
    struct vcpu *v;
    unsigned int i;

    (void)key;
    if (!dom0) {
        console_printf("  there is no domain 0\n");
        return;
    }
    domain_for_each_vcpu(dom0, v, i) {
        bool pause = v != current;

        console_printf("Domain 0, vCPU %u:\n", v->id);
        if (pause) {
            vcpu_pause(v);
        }
        vcpu_arch_sync(v);
        vcpu_arch_show(v);
        if (pause) {
            vcpu_unpause(v);
        }
    }
}
DEBUGKEY('0', "registers of domain 0", key_dom0);
