/* Multicalls and what they are made of: continuations, the table. */
#include <stdint.h>
#include "core/hypercall.h"
#include <xen/version.h>
#include <errno.h>
#include <string.h>

#include "core/log.h"
#include "core/softirq.h"
#include "hyp/arch/host/host.h"
#include "tests/unit.h"

static struct domain domain;
static struct vcpu vcpu = { .domain = &domain };

/* Handlers of this test, in place of the table's. */
static unsigned int calls;
static uint64_t seen[8][5];
static unsigned int stops; /* the operation stops that many times more */

long hypercall_set_timer_op(uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5)
{
    uint64_t args[5] = { a1, a2, a3, a4, a5 };

    if (calls < ARRAY_SIZE(seen)) {
        memcpy(seen[calls], args, sizeof(args));
    }
    calls++;
    if (stops) {
        stops--;
        return hypercall_continue(2, ARGS(a1 + 1, a2 | 1ULL << 31));
    }
    return (long)a1;
}

long hypercall_iret(uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5)
{
    (void)a2;
    (void)a3;
    (void)a4;
    (void)a5;
    return (long)a1;
}

#define OP  __HYPERVISOR_set_timer_op
#define MC  hypercall_multicall

static struct multicall_entry *list;

static struct multicall_entry *entries(unsigned int n)
{
    host_guest_reset();
    list = host_guest_alloc(n * sizeof(*list));
    for (unsigned int i = 0; i < n; i++) {
        list[i] = (struct multicall_entry){
            .op = OP, .result = 0xdead, .args = { 100 + i, 2, 3, 4, 5, 6 }
        };
    }
    calls = stops = 0;
    memset(&vcpu.arch, 0, sizeof(vcpu.arch));
    return list;
}

static int setup(void **state)
{
    (void)state;
    host_set_current(&vcpu);
    return 0;
}

TEST(each_entry_is_called_and_has_its_own_result)
{
    entries(3);
    list[1].op = 63;
    assert_int_equal(MC(host_gva(list), 3, 0, 0, 0), 0);
    assert_int_equal(list[0].result, 100);
    assert_int_equal((long)list[1].result, -ENOSYS);
    assert_int_equal(list[2].result, 102);
    assert_int_equal(calls, 2);
    assert_int_equal(seen[0][4], 5);
    assert_null(vcpu.multi);
}

TEST(numbers_beyond_the_table_are_absent)
{
    static const uint64_t ops[] = { NR_HYPERCALLS, 1ULL << 32, ~0ULL, 1ULL << 63 };

    for (unsigned int i = 0; i < ARRAY_SIZE(ops); i++) {
        entries(1)->op = ops[i];
        assert_int_equal(MC(host_gva(list), 1, 0, 0, 0), 0);
        assert_int_equal((long)list[0].result, -ENOSYS);
    }
}

TEST(none_is_fine)
{
    assert_int_equal(MC(host_gva(entries(1)), 0, 0, 0, 0), 0);
    assert_int_equal(calls, 0);
}

TEST(a_list_that_cannot_be_read_or_written_ends_in_efault)
{
    entries(3);
    host_guest_fault(&list[1], sizeof(*list), HOST_FAULT_READ);
    assert_int_equal(MC(host_gva(list), 3, 0, 0, 0), -EFAULT);
    assert_int_equal(calls, 1);
    entries(3);
    host_guest_fault(&list[1].result, sizeof(list->result), HOST_FAULT_WRITE);
    assert_int_equal(MC(host_gva(list), 3, 0, 0, 0), -EFAULT);
    assert_int_equal(calls, 2);
    assert_int_equal(list[2].result, 0xdead);
    assert_null(vcpu.multi);
}

TEST(a_list_in_the_hypervisors_hole_or_around_the_end_is_refused)
{
    entries(1);
    assert_int_equal(MC(0xffff800000000000ULL, 1, 0, 0, 0), -EFAULT);
    assert_int_equal(MC(0xffff800000000000ULL - 32, 1, 0, 0, 0), -EFAULT);
    assert_int_equal(MC(0xffff800000000000ULL - 64, ~0ULL, 0, 0, 0), -EFAULT);
    assert_int_equal(MC(host_gva(list), 1ULL << 32, 0, 0, 0), 0); /* a count has 32 bits */
    assert_int_equal(MC(~0ULL - 63, 2, 0, 0, 0), -EFAULT);
    assert_int_equal(calls, 0);
}

TEST(one_inside_another_is_refused)
{
    entries(2);
    list[0].op = __HYPERVISOR_multicall;
    list[0].args[0] = host_gva(&list[1]);
    list[0].args[1] = 1;
    assert_int_equal(MC(host_gva(list), 2, 0, 0, 0), 0);
    assert_int_equal((long)list[0].result, -EINVAL);
    assert_int_equal(list[1].result, 101);
}

TEST(an_operation_that_stops_is_continued_with_its_own_arguments)
{
    entries(3);
    stops = 1;
    assert_int_equal(MC(host_gva(list), 3, 0, 0, 0), -ERESTART);
    assert_int_equal(calls, 1);
    assert_int_equal(list[0].args[0], 101);
    assert_int_equal(list[0].args[1], 2 | 1ULL << 31);
    assert_int_equal(list[0].args[2], 3);
    assert_int_equal(vcpu.arch.continues, 1);
    assert_int_equal(vcpu.arch.continue_nr, 2);
    assert_true(vcpu.arch.continue_args[0] == host_gva(list));
    assert_int_equal(vcpu.arch.continue_args[1], 3);
    assert_null(vcpu.multi);
    assert_int_equal(MC(vcpu.arch.continue_args[0], vcpu.arch.continue_args[1], 0, 0, 0), 0);
    assert_int_equal(list[0].result, 101);
    assert_int_equal(list[2].result, 102);
    assert_int_equal(seen[1][1], 2 | 1ULL << 31);
}

TEST(a_continuation_that_cannot_be_written_ends_in_efault)
{
    entries(1);
    stops = 1;
    host_guest_fault(list, sizeof(*list), HOST_FAULT_WRITE);
    assert_int_equal(MC(host_gva(list), 1, 0, 0, 0), -EFAULT);
    assert_int_equal(vcpu.arch.continues, 0);
}

TEST(it_makes_way_between_entries_but_always_gets_on)
{
    entries(3);
    softirq_raise(SOFTIRQ_ARCH);
    assert_int_equal(MC(host_gva(list), 3, 0, 0, 0), -ERESTART);
    assert_int_equal(calls, 1);
    assert_true(vcpu.arch.continue_args[0] == host_gva(&list[1]));
    assert_int_equal(vcpu.arch.continue_args[1], 2);
    softirq_process();
    assert_int_equal(MC(vcpu.arch.continue_args[0], vcpu.arch.continue_args[1], 0, 0, 0), 0);
    assert_int_equal(calls, 3);
}

TEST(iret_ends_the_list_with_its_own_answer)
{
    entries(3);
    list[1].op = __HYPERVISOR_iret;
    assert_int_equal(MC(host_gva(list), 3, 0, 0, 0), 101);
    assert_int_equal(calls, 1);
}

TEST(outside_a_multicall_the_registers_are_continued)
{
    entries(1);
    stops = 1;
    assert_int_equal(hypercall_table[OP](7, 8, 9, 0, 0), -ERESTART);
    assert_int_equal(vcpu.arch.continues, 1);
    assert_int_equal(vcpu.arch.continue_args[0], 8);
}

TEST(every_number_answers)
{
    for (unsigned int i = 0; i < NR_HYPERCALLS; i++) {
        assert_non_null(hypercall_table[i]);
    }
    assert_int_equal(hypercall_table[11](0, 0, 0, 0, 0), -ENOSYS);
    assert_int_equal(hypercall_table[__HYPERVISOR_tmem_op](0, 0, 0, 0, 0), -ENOSYS);
    assert_int_equal(hypercall_table[40](0, 0, 0, 0, 0), -EOPNOTSUPP);
    assert_int_equal(hypercall_table[NR_HYPERCALLS - 1](0, 0, 0, 0, 0), -ENOSYS);
    assert_int_equal(hypercall_table[__HYPERVISOR_xen_version](XENVER_version, 0, 0, 0, 0),
                     4 << 16 | 17);
}

/* Sub-operations */

struct question {
    uint32_t in, out;
};

static long answer_op(struct vcpu *caller, void *arg)
{
    struct question *q = arg;

    assert_ptr_equal(caller, &vcpu);
    calls++;
    q->out = q->in + 1;
    return q->in == 13 ? -EINVAL : 0;
}

static const struct subop subops[] = {
    [0] = { answer_op, sizeof(struct question), ANSWERS },
    [1] = { answer_op, sizeof(struct question), SILENT },
    [3] = { answer_op, sizeof(struct question), ANSWERS },
};

static struct question *question(uint32_t in)
{
    struct question *q;

    host_guest_reset();
    q = host_guest_alloc(sizeof(*q));
    q->in = in;
    calls = 0;
    return q;
}

TEST(an_answer_is_written_back_on_success_only)
{
    struct question *q = question(1);

    assert_int_equal(subop_dispatch(subops, ARRAY_SIZE(subops), 0, host_gva(q)), 0);
    assert_int_equal(q->out, 2);
    q = question(13);
    assert_int_equal(subop_dispatch(subops, ARRAY_SIZE(subops), 0, host_gva(q)), -EINVAL);
    assert_int_equal(q->out, 0);
    q = question(1);
    assert_int_equal(subop_dispatch(subops, ARRAY_SIZE(subops), 1, host_gva(q)), 0);
    assert_int_equal(q->out, 0);
}

TEST(absent_rows_answer_enosys)
{
    struct question *q = question(1);

    assert_int_equal(subop_dispatch(subops, ARRAY_SIZE(subops), 2, host_gva(q)), -ENOSYS);
    assert_int_equal(subop_dispatch(subops, ARRAY_SIZE(subops), 4, host_gva(q)), -ENOSYS);
    assert_int_equal(subop_dispatch(subops, ARRAY_SIZE(subops), 0xffffffffU, host_gva(q)), -ENOSYS);
    assert_int_equal(calls, 0);
    assert_int_equal(subop_dispatch(subops, ARRAY_SIZE(subops), 1ULL << 32, host_gva(q)), 0);
}

TEST(an_answer_that_cannot_be_given_prevents_the_deed)
{
    struct question *q = question(1);

    host_guest_fault(q, sizeof(*q), HOST_FAULT_WRITE);
    assert_int_equal(subop_dispatch(subops, ARRAY_SIZE(subops), 0, host_gva(q)), -EFAULT);
    assert_int_equal(calls, 0);
    assert_int_equal(subop_dispatch(subops, ARRAY_SIZE(subops), 1, host_gva(q)), 0);
    host_guest_fault(q, 1, HOST_FAULT_READ);
    assert_int_equal(subop_dispatch(subops, ARRAY_SIZE(subops), 1, host_gva(q)), -EFAULT);
    assert_int_equal(calls, 1);
}

TEST_RUN(setup, NULL, T(each_entry_is_called_and_has_its_own_result),
         T(numbers_beyond_the_table_are_absent), T(none_is_fine),
         T(a_list_that_cannot_be_read_or_written_ends_in_efault),
         T(a_list_in_the_hypervisors_hole_or_around_the_end_is_refused),
         T(one_inside_another_is_refused),
         T(an_operation_that_stops_is_continued_with_its_own_arguments),
         T(a_continuation_that_cannot_be_written_ends_in_efault),
         T(it_makes_way_between_entries_but_always_gets_on),
         T(iret_ends_the_list_with_its_own_answer),
         T(outside_a_multicall_the_registers_are_continued), T(every_number_answers),
         T(an_answer_is_written_back_on_success_only), T(absent_rows_answer_enosys),
         T(an_answer_that_cannot_be_given_prevents_the_deed))
