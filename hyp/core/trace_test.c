/* Trace buffers: their making, records as a tool reads them, loss, and a tool that lies. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/console.h"
#include "core/evtchn_private.h"
#include "core/frame.h"
#include "core/guest_frame.h"
#include "core/log.h"
#include "core/object.h"
#include "core/softirq.h"
#include "core/sysctl.h"
#include "core/trace_private.h"
#include "hyp/arch/host/domains.h"
#include "hyp/arch/host/host.h"
#include "tests/unit.h"

#define PAGES 3U

struct record {
    uint32_t event;
    bool cycles;
    uint64_t stamp;
    unsigned int nr_words;
    uint32_t words[TRACE_EXTRA_MAX];
};

static struct domain *guest;
static const struct t_info *info;

static long tbuf(uint32_t cmd, uint32_t size, uint32_t mask, struct xen_sysctl_tbuf_op *told)
{
    struct xen_sysctl op = { .cmd = XEN_SYSCTL_tbuf_op };
    long rc;

    op.u.tbuf_op = (struct xen_sysctl_tbuf_op){ .cmd = cmd, .size = size, .evt_mask = mask };
    rc = sysctl_tbuf_op(current, &op);
    if (told) {
        *told = op.u.tbuf_op;
    }
    return rc;
}

static struct t_buf *buffer(void)
{
    return arch_map_frame(MFN(((const uint32_t *)info)[info->mfn_offset[0]]));
}

static uint32_t word_at(uint32_t at)
{
    uint32_t byte = at % trace_size + sizeof(struct t_buf);
    const uint32_t *list = (const uint32_t *)info + info->mfn_offset[0];
    const char *page = arch_map_frame(MFN(list[byte / PAGE_SIZE]));
    uint32_t word;

    memcpy(&word, page + byte % PAGE_SIZE, sizeof(word));
    return word;
}

/* The oldest record, taken as xentrace and xenalyze do. False: there is none. */
static bool take(struct record *r)
{
    struct t_buf *b = buffer();
    uint32_t at = b->cons, head, start = at % trace_size;

    if (at == b->prod) {
        return false;
    }
    head = word_at(at);
    *r = (struct record){ .event = TRC_HD_TO_EVENT(head),
                          .cycles = TRC_HD_INCLUDES_CYCLE_COUNT(head),
                          .nr_words = TRC_HD_EXTRA(head) };
    at += 4;
    if (r->cycles) {
        r->stamp = word_at(at) | (uint64_t)word_at(at + 4) << 32;
        at += 8;
    }
    for (unsigned int i = 0; i < r->nr_words; i++, at += 4) {
        r->words[i] = word_at(at);
    }
    assert_true(start + (at - b->cons) <= trace_size); /* it does not go round the end */
    b->cons = at % (2 * trace_size);
    return true;
}

/* The next that is no filling. */
static bool take_record(struct record *r)
{
    while (take(r)) {
        if (r->event != TRC_TRACE_WRAP_BUFFER) {
            return true;
        }
    }
    return false;
}

static void drain(void)
{
    struct record r;

    while (take(&r)) {
    }
}

static uint32_t used(void)
{
    struct t_buf *b = buffer();

    return (b->prod + 2 * trace_size - b->cons) % (2 * trace_size);
}

static int once(void **state)
{
    (void)state;
    dom0 = host_domain(0, 1);
    guest = host_domain(5, 1);
    trace_init();
    return console_add(&host_console);
}

static int each(void **state)
{
    (void)state;
    host_set_current(dom0->vcpus[0]);
    if (info) {
        assert_int_equal(tbuf(XEN_SYSCTL_TBUFOP_set_evt_mask, 0, TRC_ALL, NULL), 0);
        assert_int_equal(tbuf(XEN_SYSCTL_TBUFOP_enable, 0, 0, NULL), 0);
        drain();
    }
    return 0;
}

TEST(before_there_are_buffers_nothing_can_be_switched_on)
{
    struct xen_sysctl_tbuf_op told;

    TRACE(TRC_SCHED_WAKE, 1, 2);
    assert_int_equal(tbuf(XEN_SYSCTL_TBUFOP_enable, 0, 0, NULL), -EINVAL);
    assert_int_equal(tbuf(XEN_SYSCTL_TBUFOP_get_info, 0, 0, &told), 0);
    assert_int_equal(told.buffer_mfn, 0);
    assert_int_equal(told.size, 0);
    assert_int_equal(told.evt_mask, TRC_ALL);
    assert_int_equal(tbuf(XEN_SYSCTL_TBUFOP_set_size, 0, 0, NULL), -EINVAL);
    assert_int_equal(tbuf(6, 0, 0, NULL), -EINVAL);
    assert_false(trace_on);
}

/* Till the end, as the gate does it. */
static long set_size(uint32_t pages)
{
    long rc;

    do {
        rc = tbuf(XEN_SYSCTL_TBUFOP_set_size, pages, 0, NULL);
    } while (rc == -ERESTART);
    return rc;
}

TEST(buffers_that_memory_does_not_suffice_for_leave_nothing_behind)
{
    uint64_t before = frames_free_count();

    assert_int_equal(set_size(UINT32_MAX), -ENOMEM);
    assert_int_equal(frames_free_count(), before);
    assert_false(trace_on);
}

TEST(making_them_can_be_interrupted)
{
    uint64_t before = frames_free_count();

    softirq_raise(SOFTIRQ_WORK);
    assert_int_equal(tbuf(XEN_SYSCTL_TBUFOP_set_size, 10 * HOST_FRAMES, 0, NULL), -ERESTART);
    assert_int_equal(tbuf(XEN_SYSCTL_TBUFOP_set_size, 7, 0, NULL), -EINVAL);
    assert_false(trace_on);
    assert_int_equal(set_size(10 * HOST_FRAMES), -ENOMEM);
    assert_int_equal(frames_free_count(), before);
}

TEST(they_are_made_once_and_shared_with_tools)
{
    struct xen_sysctl_tbuf_op told;
    const uint32_t *list;
    struct frame *f;

    assert_int_equal(tbuf(XEN_SYSCTL_TBUFOP_set_size, PAGES, 0, NULL), 0);
    assert_true(trace_on);
    assert_true(host_trace_routed);
    assert_int_equal(tbuf(XEN_SYSCTL_TBUFOP_set_size, PAGES, 0, NULL), -EBUSY);
    assert_int_equal(tbuf(XEN_SYSCTL_TBUFOP_set_size, PAGES + 1, 0, NULL), -EINVAL);

    assert_int_equal(tbuf(XEN_SYSCTL_TBUFOP_get_info, 0, 0, &told), 0);
    assert_int_equal(told.size % PAGE_SIZE, 0);
    info = arch_map_frame(MFN(told.buffer_mfn));
    f = frame_of(MFN(told.buffer_mfn));
    assert_int_equal(f->owner, FRAME_OWNER_XEN);
    assert_false(guest_frame_get_writable(f));
    assert_int_equal(info->tbuf_size, PAGES);
    assert_int_equal(info->mfn_offset[1], 0); /* a CPU that is not online */
    list = (const uint32_t *)info + info->mfn_offset[0];
    assert_true((char *)(list + PAGES) <= (char *)info + told.size);
    for (unsigned int i = 0; i < PAGES; i++) {
        f = frame_of(MFN(list[i]));
        assert_int_equal(f->owner, FRAME_OWNER_XEN);
        assert_true(guest_frame_get_writable(f));
        guest_frame_put_writable(f);
    }
    assert_int_equal(trace_size, PAGES * PAGE_SIZE - sizeof(struct t_buf));
}

TEST(a_record_is_header_stamp_and_words)
{
    struct record r;

    host_time_advance(1234);
    TRACE(TRC_SCHED_SWITCH, 1, 2, 3, 0xffffffff);
    TRACE(TRC_PV_MATH_STATE_RESTORE);
    assert_true(take(&r));
    assert_int_equal(r.event, TRC_SCHED_SWITCH);
    assert_true(r.cycles);
    assert_int_equal(r.stamp, arch_cycles());
    assert_int_equal(r.nr_words, 4);
    assert_int_equal(r.words[3], 0xffffffff);
    assert_true(take(&r));
    assert_int_equal(r.event, TRC_PV_MATH_STATE_RESTORE);
    assert_int_equal(r.nr_words, 0);
    assert_false(take(&r));
    trace_write(TRC_MEM_DECREASE_RESERVATION, false, 1, (const uint32_t[]){ 7 });
    assert_true(take(&r));
    assert_false(r.cycles);
    assert_int_equal(r.words[0], 7);
}

TEST(only_events_asked_for_are_recorded)
{
    struct record r;

    assert_int_equal(tbuf(XEN_SYSCTL_TBUFOP_set_evt_mask, 0, TRC_SCHED_VERBOSE, NULL), 0);
    assert_false(host_trace_routed); /* guests go their quick ways */
    TRACE(TRC_PV_TRAP, 1);
    TRACE(TRC_SCHED_RUNSTATE_CHANGE, 2);
    TRACE(TRC_SCHED_WAKE, 3);
    assert_true(take(&r));
    assert_int_equal(r.event, TRC_SCHED_WAKE);
    assert_false(take(&r));
    assert_int_equal(tbuf(XEN_SYSCTL_TBUFOP_set_evt_mask, 0, TRC_PV_SUBCALL, NULL), 0);
    assert_true(host_trace_routed);
    assert_int_equal(tbuf(XEN_SYSCTL_TBUFOP_set_evt_mask, 0, 0, NULL), 0);
    TRACE(TRC_SCHED_WAKE, 3);
    assert_false(take(&r));
}

TEST(only_on_cpus_asked_for)
{
    struct xen_sysctl op = { .cmd = XEN_SYSCTL_tbuf_op };
    uint8_t *map = host_guest_alloc(1);
    struct record r;

    op.u.tbuf_op.cmd = XEN_SYSCTL_TBUFOP_set_cpu_mask;
    op.u.tbuf_op.cpu_mask.nr_bits = 8;
    set_xen_guest_handle(op.u.tbuf_op.cpu_mask.bitmap, map);
    *map = 2;
    assert_int_equal(sysctl_tbuf_op(current, &op), 0);
    TRACE(TRC_SCHED_WAKE, 1, 2);
    assert_false(take(&r));
    *map = 1;
    assert_int_equal(sysctl_tbuf_op(current, &op), 0);
    *map = 2;
    host_guest_fault(map, 1, HOST_FAULT_READ);
    assert_int_equal(sysctl_tbuf_op(current, &op), -EFAULT); /* and nothing changed */
    TRACE(TRC_SCHED_WAKE, 1, 2);
    assert_true(take(&r));
}

TEST(records_fill_the_buffer_to_its_end_and_begin_anew)
{
    uint32_t words[TRACE_EXTRA_MAX], seq = 0, seen = 0, rounds = 0, last = 0;
    struct record r;

    srandom(7);
    while (rounds < 40) {
        unsigned int burst = (unsigned int)random() % 40;

        for (unsigned int i = 0; i < burst; i++) {
            unsigned int n = 1 + (unsigned int)random() % TRACE_EXTRA_MAX;

            for (unsigned int k = 0; k < n; k++) {
                words[k] = seq * 8 + k;
            }
            trace_write(TRC_MEM + 1, random() & 1, n, words);
            seq++;
        }
        while (take_record(&r)) {
            assert_int_equal(r.event, TRC_MEM + 1);
            for (unsigned int k = 0; k < r.nr_words; k++) {
                assert_int_equal(r.words[k], seen * 8 + k);
            }
            seen++;
        }
        assert_int_equal(seen, seq);
        rounds += buffer()->prod < last;
        last = buffer()->prod;
    }
}

TEST(what_finds_no_room_is_counted_and_told)
{
    unsigned int written = 0, lost = 0, told = 0, taken = 0;
    struct record r;

    while (used() + 100 < trace_size) {
        TRACE(TRC_SCHED_WAKE, written++);
    }
    host_time_advance(500);
    for (unsigned int i = 0; i < 50; i++) {
        uint32_t before = buffer()->prod;

        TRACE(TRC_SCHED_WAKE, written);
        if (buffer()->prod == before) {
            lost++;
        } else {
            written++;
        }
        assert_true(used() <= trace_size);
    }
    assert_true(lost > 40);
    for (unsigned int i = 0; i < 30; i++) { /* room for both: what is lost is told first */
        assert_true(take(&r));
        assert_int_equal(r.words[0], taken++);
    }
    host_set_current(guest->vcpus[0]);
    TRACE(TRC_SCHED_BLOCK, 77);
    while (take_record(&r)) {
        if (r.event == TRC_LOST_RECORDS) {
            told = r.words[0];
            assert_int_equal(r.words[1], 5 | 0 << 16);
            assert_int_equal(r.words[2] | (uint64_t)r.words[3] << 32, arch_cycles());
            assert_true(take_record(&r));
            assert_int_equal(r.event, TRC_SCHED_BLOCK);
        }
    }
    assert_int_equal(told, lost);
}

TEST(switched_off_what_was_lost_is_forgotten)
{
    struct record r;

    for (unsigned int i = 0; i < 2000; i++) {
        TRACE(TRC_SCHED_WAKE, 1);
    }
    assert_int_equal(tbuf(XEN_SYSCTL_TBUFOP_disable, 0, 0, NULL), 0);
    assert_false(host_trace_routed);
    drain();
    TRACE(TRC_SCHED_WAKE, 1);
    assert_false(take(&r));
    assert_int_equal(tbuf(XEN_SYSCTL_TBUFOP_enable, 0, 0, NULL), 0);
    TRACE(TRC_SCHED_WAKE, 1);
    assert_true(take(&r));
    assert_int_equal(r.event, TRC_SCHED_WAKE);
}

TEST(a_half_full_buffer_is_announced_once)
{
    evtchn_port_t port;
    unsigned int crossed = 0;

    assert_int_equal(virq_bind(dom0, VIRQ_TBUF, 0, &port), 0);
    for (unsigned int i = 0; i < 1500; i++) {
        uint32_t before = used();

        per_cpu(softirq_bits, 0) = 0;
        TRACE(TRC_SCHED_WAKE, 1);
        crossed += before < trace_size / 2 && used() >= trace_size / 2;
        assert_int_equal(!!(per_cpu(softirq_bits, 0) & 1U << SOFTIRQ_TRACE),
                         before < trace_size / 2 && used() >= trace_size / 2);
    }
    assert_int_equal(crossed, 1);
    softirq_raise(SOFTIRQ_TRACE);
    softirq_process();
    assert_true(dom0->shared->evtchn_pending[0] & 1UL << port);
}

TEST(a_tool_that_writes_nonsense_ends_tracing_and_nothing_else)
{
    static const uint32_t step[] = { 1, 2, 3 };

    for (unsigned int i = 0; i < 5; i++) {
        uint32_t cons = i < ARRAY_SIZE(step) ? step[i]
                        : i == 3             ? 2 * trace_size
                                             : (buffer()->prod + 4) % (2 * trace_size);

        drain();
        buffer()->cons = cons;
        TRACE(TRC_SCHED_WAKE, 1);
        assert_false(trace_on);
        TRACE(TRC_SCHED_WAKE, 1);
        buffer()->cons = buffer()->prod; /* mended */
        assert_int_equal(tbuf(XEN_SYSCTL_TBUFOP_enable, 0, 0, NULL), 0);
        TRACE(TRC_SCHED_WAKE, 1);
        assert_true(trace_on);
    }
    /* What it writes where we tell is not looked at. */
    drain();
    buffer()->prod = 1;
    TRACE(TRC_SCHED_WAKE, 1);
    assert_true(trace_on);
    assert_int_equal(used(), 16);
}

TEST(of_a_hypercall_the_telling_arguments_are_kept)
{
    static const uint64_t args[5] = { 10, 11, 12, 13, 14 };
    struct record r;

    trace_hypercall(TRC_PV_HYPERCALL_V2, __HYPERVISOR_grant_table_op, args);
    assert_true(take(&r));
    assert_int_equal(r.event, TRC_PV_HYPERCALL_V2);
    assert_int_equal(r.nr_words, 3);
    assert_int_equal(r.words[0], __HYPERVISOR_grant_table_op | TRC_PV_HYPERCALL_V2_ARG_32(0) |
                                     TRC_PV_HYPERCALL_V2_ARG_32(2));
    assert_int_equal(r.words[1], 10);
    assert_int_equal(r.words[2], 12);
    trace_hypercall(TRC_PV_HYPERCALL_SUBCALL, 0xffffffff, args);
    assert_true(take(&r));
    assert_int_equal(r.nr_words, 1);
    assert_int_equal(r.words[0], 0xfffff);
}

TEST(what_vcpus_do_is_recorded)
{
    struct vcpu *v = guest->vcpus[0];
    struct record r;
    bool wake = false, runstate = false;

    __atomic_store_n(&v->pause_flags, 1U << VCPU_BLOCKED, __ATOMIC_SEQ_CST);
    __atomic_store_n(&guest->pause_count, 0, __ATOMIC_SEQ_CST);
    vcpu_unblock(v);
    while (take_record(&r)) {
        wake |= r.event == TRC_SCHED_WAKE && r.words[0] == 5 && r.words[1] == 0;
        runstate |= r.event == (TRC_SCHED_RUNSTATE_CHANGE | RUNSTATE_offline << 8 |
                                RUNSTATE_runnable << 4) &&
                    r.words[0] == 5 << 16;
    }
    assert_true(wake);
    assert_true(runstate);
}

#define TE(name) cmocka_unit_test_setup(name, each)
TEST_RUN(once, NULL, TE(before_there_are_buffers_nothing_can_be_switched_on),
         TE(buffers_that_memory_does_not_suffice_for_leave_nothing_behind),
         TE(making_them_can_be_interrupted), TE(they_are_made_once_and_shared_with_tools),
         TE(a_record_is_header_stamp_and_words), TE(only_events_asked_for_are_recorded),
         TE(only_on_cpus_asked_for), TE(records_fill_the_buffer_to_its_end_and_begin_anew),
         TE(what_finds_no_room_is_counted_and_told), TE(switched_off_what_was_lost_is_forgotten),
         TE(a_half_full_buffer_is_announced_once),
         TE(a_tool_that_writes_nonsense_ends_tracing_and_nothing_else),
         TE(of_a_hypercall_the_telling_arguments_are_kept), TE(what_vcpus_do_is_recorded))
