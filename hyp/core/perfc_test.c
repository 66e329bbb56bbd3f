/* Counters: what is counted, by whom, and what the tools are told. */
#include "core/perfc_private.h"
#include <stdio.h>
#include <string.h>
#include <lodge/errno.h>
#include "core/console.h"
#include "core/debugkey.h"
#include "core/domain.h"
#include "core/hypercall.h"
#include "core/softirq.h"
#include "core/sysctl.h"
#include "hyp/arch/host/domains.h"
#include "hyp/arch/host/host.h"
#include "tests/unit.h"

#define MOST_VALUES 1024

static struct domain *guest;
static struct xen_sysctl_perfc_desc *descs;
static xen_sysctl_perfc_val_t *values;

static int setup(void **state)
{
    (void)state;
    dom0 = host_domain(0, 2);
    guest = host_domain(5, 1);
    descs = host_guest_alloc(NR_PERFC_ROWS * sizeof(*descs));
    values = host_guest_alloc(MOST_VALUES * sizeof(*values));
    perfc_dump(); /* else an archive's linker would leave the keys out */
    return console_add(&host_console);
}

/* Which lets the scheduler choose. */
static void run_softirqs(void)
{
    softirq_process();
    host_set_current(dom0->vcpus[0]);
}

static long control(uint32_t cmd, bool copy, struct xen_sysctl_perfc_op *told)
{
    struct xen_sysctl op = { .cmd = XEN_SYSCTL_perfc_op, .u.perfc_op.cmd = cmd };
    long rc;

    if (copy) {
        set_xen_guest_handle(op.u.perfc_op.desc, descs);
        set_xen_guest_handle(op.u.perfc_op.val, values);
    }
    rc = sysctl_perfc_op(current, &op);
    *told = op.u.perfc_op;
    return rc;
}

/* Value i of the row, as a tool would find it. */
static uint32_t value(const char *name, unsigned int i)
{
    struct xen_sysctl_perfc_op op;
    unsigned int at = 0;

    assert_int_equal(control(XEN_SYSCTL_PERFCOP_query, true, &op), 0);
    for (unsigned int row = 0; row < op.nr_counters; row++) {
        if (strcmp(descs[row].name, name) == 0) {
            assert_true(i < descs[row].nr_vals);
            return values[at + i];
        }
        at += descs[row].nr_vals;
    }
    fail_msg("no counter \"%s\"", name);
    return 0;
}

TEST(sizes_are_told_without_buffers)
{
    struct xen_sysctl_perfc_op op;

    memset(descs, 0xee, sizeof(*descs));
    assert_int_equal(control(XEN_SYSCTL_PERFCOP_query, false, &op), 0);
    assert_int_equal(op.nr_counters, NR_PERFC_ROWS);
    assert_int_equal(op.nr_vals, NR_PERFC_VCPU + NR_PERFC_CPU * nr_cpus_online);
    assert_int_equal(((uint8_t *)descs)[0], 0xee);
}

TEST(each_row_has_its_name_and_its_values)
{
    struct xen_sysctl_perfc_op op;
    unsigned int sum = 0;

    assert_int_equal(control(XEN_SYSCTL_PERFCOP_query, true, &op), 0);
    for (unsigned int i = 0; i < op.nr_counters; i++) {
        assert_int_equal(strnlen(descs[i].name, sizeof(descs[i].name)), strlen(perfc_rows[i].text));
        sum += descs[i].nr_vals;
    }
    assert_int_equal(sum, op.nr_vals);
    assert_string_equal(descs[0].name, "hypercalls");
    assert_int_equal(descs[0].nr_vals, NR_HYPERCALLS);
}

TEST(vcpus_of_all_domains_add_up)
{
    uint32_t before = value("exceptions", 14);

    perfc_vcpu_incr_at(dom0->vcpus[1], exceptions, 14);
    perfc_vcpu_incr_at(guest->vcpus[0], exceptions, 14);
    assert_int_equal(value("exceptions", 14), before + 2);
    assert_int_equal(value("exceptions", 13), 0);
    perfc_vcpu_add(guest->vcpus[0], page_updates, 7);
    assert_int_equal(value("page updates", 0), 7);
}

TEST(cpus_count_for_themselves)
{
    uint32_t before = value("#IPIs", 0);

    perfc_incr(ipis);
    perfc_incr(ipis);
    assert_int_equal(value("#IPIs", 0), before + 2);
}

TEST(multicalls_and_timers_are_counted)
{
    struct multicall_entry *list = host_guest_alloc(3 * sizeof(*list));
    uint32_t before = value("calls from multicall", 0), expired = value("timers expired", 0);
    struct timer t;

    list[0].op = list[1].op = list[2].op = __HYPERVISOR_xen_version;
    run_softirqs(); /* nothing waits: the list is done in one go */
    assert_int_equal(hypercall_multicall(host_gva(list), 3, 0, 0, 0), 0);
    assert_int_equal(value("calls from multicall", 0), before + 3);

    timer_init(&t, (void (*)(void *))host_set_current, current, 0);
    timer_set(&t, arch_time_ns() + 1);
    host_time_advance(NS_PER_MS);
    softirq_raise(SOFTIRQ_TIMER);
    run_softirqs();
    assert_int_equal(value("timers expired", 0), expired + 1);
}

TEST(what_a_dead_domain_counted_is_not_lost)
{
    struct domain *d = host_domain(9, 1);
    uint32_t before = value("exceptions", 3);

    perfc_vcpu_incr_at(d->vcpus[0], exceptions, 3);
    assert_int_equal(value("exceptions", 3), before + 1);
    host_domain_end(d);
    run_softirqs();
    assert_null(domain_get(9));
    assert_int_equal(value("exceptions", 3), before + 1);
}

TEST(a_reset_tells_what_was_and_counts_from_zero)
{
    struct xen_sysctl_perfc_op op;
    uint64_t own[NR_PERFC_VCPU] = { 0 };

    perfc_vcpu_add(guest->vcpus[0], upcalls, 5);
    perfc_incr(irqs);
    assert_true(value("#interrupts", 0) > 0);
    assert_int_equal(control(XEN_SYSCTL_PERFCOP_reset, true, &op), 0);
    assert_int_equal(op.nr_counters, NR_PERFC_ROWS);
    assert_int_equal(value("event upcalls", 0), 0);
    assert_int_equal(value("#interrupts", 0), 0);
    perfc_vcpu_incr(guest->vcpus[0], upcalls);
    assert_int_equal(value("event upcalls", 0), 1);
    perfc_domain_add(guest, own); /* a domain's own are not reset */
    assert_int_equal(own[PERFC_upcalls], 6);
}

TEST(bad_commands_and_pointers_are_refused)
{
    struct xen_sysctl_perfc_op op;

    assert_int_equal(control(0, true, &op), -EINVAL);
    assert_int_equal(control(3, true, &op), -EINVAL);
    host_guest_fault(&values[5], 4, HOST_FAULT_WRITE);
    assert_int_equal(control(XEN_SYSCTL_PERFCOP_query, true, &op), -EFAULT);
    host_guest_fault(&descs[1], 1, HOST_FAULT_WRITE);
    assert_int_equal(control(XEN_SYSCTL_PERFCOP_query, true, &op), -EFAULT);
}

static bool said(const char *text)
{
    return strstr(host_console_text(), text) != NULL;
}

TEST(keys_show_all_and_by_domain_and_reset)
{
    host_console_clear();
    perfc_vcpu_incr_at(guest->vcpus[0], hypercalls, __HYPERVISOR_memory_op);
    debugkey_run('p');
    assert_true(said("#interrupts"));
    assert_true(said("domain 0, since it began"));
    assert_true(said("domain 5, since it began"));
    assert_true(said("memory_op "));
    debugkey_run('P');
    host_console_clear();
    debugkey_run('p');
    assert_true(said("memory_op "));
    assert_true(strstr(host_console_text(), "memory_op ") >
                strstr(host_console_text(), "domain 5"));
}

TEST_RUN(setup, NULL, T(sizes_are_told_without_buffers), T(each_row_has_its_name_and_its_values),
         T(vcpus_of_all_domains_add_up), T(cpus_count_for_themselves),
         T(multicalls_and_timers_are_counted), T(what_a_dead_domain_counted_is_not_lost),
         T(a_reset_tells_what_was_and_counts_from_zero), T(keys_show_all_and_by_domain_and_reset),
         T(bad_commands_and_pointers_are_refused))
