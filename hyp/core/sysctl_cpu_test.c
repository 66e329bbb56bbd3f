/* sysctl: the machine, its CPUs and its memory. The host has 2 threads to a core, 2 cores to a socket. */
#include <errno.h>

#include "core/frame.h"
#include "hyp/arch/host/control.h"
#include "hyp/arch/host/domains.h"
#include "tests/unit.h"

static struct xen_sysctl *op;

static int once(void **state)
{
    (void)state;
    (void)host_domain(0, 1);
    return 0;
}

static int each(void **state)
{
    (void)state;
    host_guest_reset();
    op = host_sysctl_new();
    return 0;
}

TEST(the_machine_is_described)
{
    const struct xen_sysctl_physinfo *info = &op->u.physinfo;

    memset(&op->u, 0xff, sizeof(op->u));
    assert_int_equal(host_sysctl(op, XEN_SYSCTL_physinfo), 0);
    assert_int_equal(info->nr_cpus, 1);
    assert_int_equal(info->threads_per_core, 1); /* that are online */
    assert_int_equal(info->cores_per_socket, 1);
    assert_int_equal(info->max_cpu_id, NR_CPUS - 1);
    assert_int_equal(info->nr_nodes, 1);
    assert_int_equal(info->max_node_id, 0);
    assert_int_equal(info->total_pages, HOST_FRAMES);
    assert_int_equal(info->free_pages, frames_free_count());
    assert_int_equal(info->max_mfn, HOST_FRAMES - 1);
    assert_int_equal(info->pad, 0);
    assert_true(info->capabilities & XEN_SYSCTL_PHYSCAP_gnttab_v1);
}

TEST(idle_time_is_told_of_those_that_are_online)
{
    struct xen_sysctl_cpuinfo *to = host_guest_alloc(NR_CPUS * sizeof(*to));

    memset(to, 0xff, NR_CPUS * sizeof(*to));
    host_time_advance(NS_PER_S);
    op->u.getcpuinfo.max_cpus = ~0U;
    op->u.getcpuinfo.info.p = to;
    assert_int_equal(host_sysctl(op, XEN_SYSCTL_getcpuinfo), 0);
    assert_int_equal(op->u.getcpuinfo.nr_cpus, NR_CPUS);
    assert_true(to[0].idletime >= NS_PER_S);
    assert_int_equal(to[1].idletime, 0);
    op->u.getcpuinfo.info.p = to + 1;
    assert_int_equal(host_sysctl(op, XEN_SYSCTL_getcpuinfo), -EFAULT);
    op->u.getcpuinfo.max_cpus = 0;
    op->u.getcpuinfo.info.p = NULL;
    assert_int_equal(host_sysctl(op, XEN_SYSCTL_getcpuinfo), 0);
}

TEST(topology_is_told_as_far_as_there_is_room)
{
    struct xen_sysctl_cputopo *to = host_guest_alloc(5 * sizeof(*to));

    assert_int_equal(host_sysctl(op, XEN_SYSCTL_cputopoinfo), 0);
    assert_int_equal(op->u.cputopoinfo.num_cpus, NR_CPUS);
    op->u.cputopoinfo.cputopo.p = to;
    op->u.cputopoinfo.num_cpus = 5;
    assert_int_equal(host_sysctl(op, XEN_SYSCTL_cputopoinfo), 0);
    assert_int_equal(op->u.cputopoinfo.num_cpus, 5);
    assert_int_equal(to[3].core, 1);
    assert_int_equal(to[3].socket, 0);
    assert_int_equal(to[4].core, 0);
    assert_int_equal(to[4].socket, 1);
    op->u.cputopoinfo.num_cpus = 6;
    assert_int_equal(host_sysctl(op, XEN_SYSCTL_cputopoinfo), -EFAULT);
}

static long hotplug(uint32_t cpu, uint32_t what)
{
    long rc;

    op->u.cpu_hotplug.cpu = cpu;
    op->u.cpu_hotplug.op = what;
    do { /* the guest's instruction, again and again */
        rc = host_sysctl(op, XEN_SYSCTL_cpu_hotplug);
    } while (rc == -ERESTART);
    return rc;
}

static uint64_t started; /* which CPUs were asked to, and did */

int arch_cpu_start(unsigned int cpu)
{
    if (cpu == 7) {
        return -EIO;
    }
    started |= 1ULL << cpu;
    return 0;
}

TEST(cpus_are_switched_on)
{
    assert_int_equal(hotplug(0, XEN_SYSCTL_CPU_HOTPLUG_OFFLINE), -EINVAL);
    assert_int_equal(hotplug(0, XEN_SYSCTL_CPU_HOTPLUG_ONLINE), -EEXIST);
    assert_int_equal(hotplug(NR_CPUS, XEN_SYSCTL_CPU_HOTPLUG_ONLINE), -EINVAL);
    assert_int_equal(hotplug(~0U, XEN_SYSCTL_CPU_HOTPLUG_OFFLINE), -EINVAL);
    assert_int_equal(hotplug(2, XEN_SYSCTL_CPU_HOTPLUG_OFFLINE), -EEXIST);
    assert_int_equal(hotplug(2, 4), -EOPNOTSUPP);
    assert_int_equal(started, 0);
    assert_int_equal(hotplug(2, XEN_SYSCTL_CPU_HOTPLUG_ONLINE), 0);
    assert_int_equal(hotplug(2, XEN_SYSCTL_CPU_HOTPLUG_ONLINE), -EEXIST);
    assert_int_equal(started, 1U << 2);
    assert_int_equal(hotplug(7, XEN_SYSCTL_CPU_HOTPLUG_ONLINE), -EIO);
}

/* The second of each core, until one fails. */
TEST(threads_are_switched_on)
{
    assert_int_equal(hotplug(0, XEN_SYSCTL_CPU_HOTPLUG_SMT_DISABLE), 0); /* none is on */
    started = 0;
    assert_int_equal(hotplug(0, XEN_SYSCTL_CPU_HOTPLUG_SMT_ENABLE), -EIO);
    assert_int_equal(started, 1U << 1 | 1U << 3 | 1U << 5);
}

TEST(there_is_one_node_with_all_memory)
{
    struct xen_sysctl_meminfo *memory = host_guest_alloc(sizeof(*memory));
    uint32_t *distance = host_guest_alloc(sizeof(*distance));

    op->u.numainfo.num_nodes = 77;
    assert_int_equal(host_sysctl(op, XEN_SYSCTL_numainfo), 0);
    assert_int_equal(op->u.numainfo.num_nodes, 1);
    op->u.numainfo.num_nodes = ~0U;
    op->u.numainfo.meminfo.p = memory;
    op->u.numainfo.distance.p = distance;
    assert_int_equal(host_sysctl(op, XEN_SYSCTL_numainfo), 0);
    assert_int_equal(op->u.numainfo.num_nodes, 1);
    assert_int_equal(memory->memsize, (uint64_t)HOST_FRAMES << PAGE_SHIFT);
    assert_int_equal(memory->memfree, frames_free_count() << PAGE_SHIFT);
    assert_int_equal(*distance, 10);
    op->u.numainfo.distance.p = (uint32_t *)8;
    assert_int_equal(host_sysctl(op, XEN_SYSCTL_numainfo), -EFAULT);
    op->u.numainfo.num_nodes = 0;
    assert_int_equal(host_sysctl(op, XEN_SYSCTL_numainfo), 0);
}

static uint64_t available(uint32_t low, uint32_t high, int32_t node)
{
    op->u.availheap.min_bitwidth = low;
    op->u.availheap.max_bitwidth = high;
    op->u.availheap.node = node;
    assert_int_equal(host_sysctl(op, XEN_SYSCTL_availheap), 0);
    return op->u.availheap.avail_bytes;
}

TEST(free_memory_is_told_by_width_and_node)
{
    uint64_t all = frames_free_count() << PAGE_SHIFT;

    assert_int_equal(available(0, 0, -1), all);
    assert_int_equal(available(0, 0, 0), all);
    assert_int_equal(available(0, 0, 1), 0);
    assert_int_equal(available(0, 24, -1) + available(25, 0, -1), all);
    assert_int_equal(available(0, 24, -1), frames_free_below(24) << PAGE_SHIFT);
    assert_int_equal(available(~0U, 0, -1), 0);
    assert_int_equal(available(30, 20, -1), 0);
    assert_int_equal(available(0, ~0U, -1), all);
}

TEST_RUN(once, NULL, cmocka_unit_test_setup(the_machine_is_described, each),
         cmocka_unit_test_setup(idle_time_is_told_of_those_that_are_online, each),
         cmocka_unit_test_setup(topology_is_told_as_far_as_there_is_room, each),
         cmocka_unit_test_setup(cpus_are_switched_on, each),
         cmocka_unit_test_setup(threads_are_switched_on, each),
         cmocka_unit_test_setup(there_is_one_node_with_all_memory, each),
         cmocka_unit_test_setup(free_memory_is_told_by_width_and_node, each))
