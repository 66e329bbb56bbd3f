/* The machine and its CPUs. Source: public/sysctl.h. */
#include "core/sysctl.h"

#include <lodge/errno.h>
#include <lodge/string.h>
#include "core/frame.h"
#include "core/gnttab.h"
#include "core/guest.h"
#include "core/pcpu.h"

/* How many online CPUs are like the first: on its core, and on its socket. */
static void count_like_first(uint32_t *on_core, uint32_t *on_socket)
{
    struct cpu_topology first, other;
    unsigned int cpu;

    *on_core = *on_socket = 0;
    if (!arch_cpu_topology(0, &first)) {
        return;
    }
    cpumap_for_each(cpu, &cpus_online) {
        if (arch_cpu_topology(cpu, &other) && other.socket == first.socket) {
            *on_socket += 1;
            *on_core += other.core == first.core;
        }
    }
}

long sysctl_physinfo(struct vcpu *caller, struct xen_sysctl *op)
{
    struct xen_sysctl_physinfo *info = &op->u.physinfo;
    uint32_t on_socket;

    (void)caller;
    memset(info, 0, sizeof(*info));
    count_like_first(&info->threads_per_core, &on_socket);
    info->cores_per_socket = on_socket / MAX(info->threads_per_core, 1U);
    info->nr_cpus = __atomic_load_n(&nr_cpus_online, __ATOMIC_RELAXED);
    info->max_cpu_id = arch_nr_cpus() - 1;
    info->nr_nodes = 1;
    info->free_pages = frames_free_count();
    info->outstanding_pages = frames_claimed_count();
    info->max_mfn = max_frame - 1;
    info->capabilities = XEN_SYSCTL_PHYSCAP_gnttab_v1;
    if (opt_gnttab_max_version >= 2) {
        info->capabilities |= XEN_SYSCTL_PHYSCAP_gnttab_v2;
    }
    arch_physinfo(info);
    return 0;
}

long sysctl_getcpuinfo(struct vcpu *caller, struct xen_sysctl *op)
{
    struct xen_sysctl_getcpuinfo *req = &op->u.getcpuinfo;
    uint32_t nr = MIN(req->max_cpus, arch_nr_cpus());

    (void)caller;
    for (uint32_t cpu = 0; cpu < nr; cpu++) {
        struct xen_sysctl_cpuinfo info = { 0 };
        struct vcpu_runstate_info runstate;

        if (cpumap_test(&cpus_online, cpu)) {
            vcpu_runstate_get(idle_vcpu[cpu], &runstate);
            info.idletime = runstate.time[RUNSTATE_running];
        }
        if (guest_write_at(req->info, cpu, &info)) {
            return -EFAULT;
        }
    }
    req->nr_cpus = nr;
    return 0;
}

long sysctl_cputopoinfo(struct vcpu *caller, struct xen_sysctl *op)
{
    struct xen_sysctl_cputopoinfo *req = &op->u.cputopoinfo;
    uint32_t nr = arch_nr_cpus();

    (void)caller;
    if (guest_null(req->cputopo)) {
        req->num_cpus = nr;
        return 0;
    }
    nr = MIN(nr, req->num_cpus);
    for (uint32_t cpu = 0; cpu < nr; cpu++) {
        struct xen_sysctl_cputopo answer = { XEN_INVALID_CORE_ID, XEN_INVALID_SOCKET_ID,
                                             XEN_INVALID_NODE_ID };
        struct cpu_topology topology;

        if (arch_cpu_topology(cpu, &topology)) {
            answer = (struct xen_sysctl_cputopo){ topology.core, topology.socket, 0 };
        }
        if (guest_write_at(req->cputopo, cpu, &answer)) {
            return -EFAULT;
        }
    }
    req->num_cpus = nr;
    return 0;
}

/* Is there a CPU before it that shares its core? */
static bool is_second_thread(unsigned int cpu)
{
    struct cpu_topology mine, other;

    for (unsigned int i = 0; i < cpu && arch_cpu_topology(cpu, &mine); i++) {
        if (arch_cpu_topology(i, &other) && other.core == mine.core &&
            other.socket == mine.socket) {
            return true;
        }
    }
    return false;
}

/* All threads of a core, or the first of each. One by one: -ERESTART leads to the next. */
static long threads_switch(bool on)
{
    bool any = false;

    for (unsigned int cpu = 0; cpu < arch_nr_cpus(); cpu++) {
        long rc = -EEXIST;

        if (is_second_thread(cpu)) {
            any = true;
            rc = on ? pcpu_online(cpu) : pcpu_offline(cpu);
        }
        if (rc != -EEXIST) {
            return rc ? rc : -ERESTART;
        }
    }
    return any ? 0 : -EOPNOTSUPP;
}

long sysctl_cpu_hotplug(struct vcpu *caller, struct xen_sysctl *op)
{
    const struct xen_sysctl_cpu_hotplug *req = &op->u.cpu_hotplug;

    (void)caller;
    switch (req->op) {
    case XEN_SYSCTL_CPU_HOTPLUG_ONLINE:
        return pcpu_online(req->cpu);
    case XEN_SYSCTL_CPU_HOTPLUG_OFFLINE:
        return pcpu_offline(req->cpu);
    case XEN_SYSCTL_CPU_HOTPLUG_SMT_ENABLE:
    case XEN_SYSCTL_CPU_HOTPLUG_SMT_DISABLE:
        return threads_switch(req->op == XEN_SYSCTL_CPU_HOTPLUG_SMT_ENABLE);
    default:
        return -EOPNOTSUPP;
    }
}
