/*
 * Trace records are written here. A record never crosses the end of the buffer: what is left there
 * is filled with one that says nothing. Who finds no room is counted, and the next record that does
 * find some is preceded by one that tells how many are missing. Source: public/trace.h.
 */
#include "core/trace.h"

#include <lodge/range.h>
#include <lodge/shared.h>
#include "core/domain.h"
#include "core/log.h"
#include "core/softirq.h"
#include "core/trace_private.h"

#define WORD          4U
#define STAMP_WORDS   2U
#define LOST_WORDS    4U /* of TRC_LOST_RECORDS, besides header and stamp */
#define EVENT_MASK    0x0fffffffU
#define SUBCLASS_MASK 0xfU

bool trace_on READ_MOSTLY;
uint32_t trace_size READ_MOSTLY;
uint32_t trace_event_mask READ_MOSTLY = TRC_ALL;
cpumap_t trace_cpu_mask;
DEFINE_DECLARED_PER_CPU(trace_cpus);

/* Position within the buffer, and how far a record that is put there leads: prod runs to twice the
 * size. */
static uint32_t place(uint32_t prod)
{
    return prod < trace_size ? prod : prod - trace_size;
}

static uint32_t advance(uint32_t prod, uint32_t bytes)
{
    prod += bytes;
    return prod < 2 * trace_size ? prod : prod - 2 * trace_size;
}

static struct t_buf *head_of(const struct trace_cpu *tc)
{
    return arch_map_frame(MFN(tc->pages[0]));
}

static void put_word(const struct trace_cpu *tc, uint32_t prod, uint32_t word)
{
    uint32_t at = place(prod) + sizeof(struct t_buf);
    uint32_t *page = arch_map_frame(MFN(tc->pages[at >> PAGE_SHIFT]));

    shared_write(&page[(at & ~PAGE_MASK) / WORD], word);
}

static uint32_t header(uint32_t event, bool cycles, unsigned int nr_words)
{
    return (event & EVENT_MASK) | nr_words << TRACE_EXTRA_SHIFT |
           (cycles ? (uint32_t)TRC_HD_CYCLE_FLAG : 0);
}

static uint32_t record_bytes(bool cycles, unsigned int nr_words)
{
    return (1 + (cycles ? STAMP_WORDS : 0) + nr_words) * WORD;
}

/* At the buffer's end, what a record of so many bytes would not fit into. */
static uint32_t pad_before(uint32_t prod, uint32_t bytes)
{
    uint32_t left = trace_size - place(prod);

    return bytes > left ? left : 0;
}

static void put_pad(struct trace_cpu *tc, uint32_t bytes)
{
    unsigned int words = bytes / WORD - 1;
    bool cycles = words > TRACE_EXTRA_MAX;

    put_word(tc, tc->prod,
             header(TRC_TRACE_WRAP_BUFFER, cycles, words - (cycles ? STAMP_WORDS : 0)));
    for (unsigned int i = 1; i <= words; i++) {
        put_word(tc, tc->prod + i * WORD, 0);
    }
    tc->prod = advance(tc->prod, bytes);
}

static void put_record(struct trace_cpu *tc, uint32_t event, bool cycles, unsigned int nr_words,
                       const uint32_t *words)
{
    uint32_t bytes = record_bytes(cycles, nr_words);
    uint32_t pad = pad_before(tc->prod, bytes);
    uint32_t at;

    if (pad) {
        put_pad(tc, pad);
    }
    at = tc->prod;
    put_word(tc, at, header(event, cycles, nr_words));
    if (cycles) {
        uint64_t now = arch_cycles();

        put_word(tc, at += WORD, (uint32_t)now);
        put_word(tc, at += WORD, (uint32_t)(now >> 32));
    }
    for (unsigned int i = 0; i < nr_words; i++) {
        put_word(tc, at += WORD, words[i]);
    }
    tc->prod = advance(tc->prod, bytes);
}

static void put_lost(struct trace_cpu *tc)
{
    const struct vcpu *v = current;
    uint64_t nr = MIN(tc->nr_lost, (uint64_t)UINT32_MAX);
    const uint32_t words[LOST_WORDS] = { (uint32_t)nr, TRACE_U16(v->domain->id, v->id),
                                         TRACE_U64(tc->lost_since) };

    put_record(tc, TRC_LOST_RECORDS, true, LOST_WORDS, words);
    tc->nr_lost = 0;
}

/* What records to come will take, with what they leave unused at the end. */
static uint32_t bytes_needed(const struct trace_cpu *tc, uint32_t bytes)
{
    uint32_t lost_bytes = record_bytes(true, LOST_WORDS), needed = 0, pad;

    if (tc->nr_lost) {
        needed = pad_before(tc->prod, lost_bytes) + lost_bytes;
    }
    pad = pad_before(advance(tc->prod, needed), bytes);
    return needed + pad + bytes;
}

/* Bytes that the tool has not taken yet. False: what it says makes no sense. */
static bool bytes_used(const struct trace_cpu *tc, uint32_t *used)
{
    uint32_t cons = shared_read(&head_of(tc)->cons);

    if (cons % WORD || cons >= 2 * trace_size) {
        return false;
    }
    *used = tc->prod >= cons ? tc->prod - cons : tc->prod + 2 * trace_size - cons;
    return *used <= trace_size;
}

static void write_here(struct trace_cpu *tc, uint32_t event, bool cycles, unsigned int nr_words,
                       const uint32_t *words)
{
    uint32_t used, needed;

    if (!bytes_used(tc, &used)) {
        __atomic_store_n(&trace_on, false, __ATOMIC_RELAXED);
        log_guest_warning("CPU %u: a trace buffer of %u bytes has consumer index %u: tracing ends",
                          arch_cpu_id(), trace_size, shared_read(&head_of(tc)->cons));
        return;
    }
    needed = bytes_needed(tc, record_bytes(cycles, nr_words));
    if (needed > trace_size - used) {
        if (!tc->nr_lost++) {
            tc->lost_since = arch_cycles();
        }
        return;
    }
    if (tc->nr_lost) {
        put_lost(tc);
    }
    put_record(tc, event, cycles, nr_words, words);
    shared_wmb(); /* a record is there before it is told of */
    shared_write(&head_of(tc)->prod, tc->prod);
    if (used < trace_size / 2 && used + needed >= trace_size / 2) {
        softirq_raise(SOFTIRQ_TRACE);
    }
}

bool trace_wants(uint32_t event)
{
    uint32_t mask = __atomic_load_n(&trace_event_mask, __ATOMIC_RELAXED);

    return event & mask && event >> TRC_CLS_SHIFT & mask >> TRC_CLS_SHIFT &&
           event >> TRC_SUBCLS_SHIFT & mask >> TRC_SUBCLS_SHIFT & SUBCLASS_MASK;
}

void trace_write(uint32_t event, bool cycles, unsigned int nr_words, const uint32_t *words)
{
    struct trace_cpu *tc = &this_cpu(trace_cpus);
    unsigned long flags;

    assert(nr_words <= TRACE_EXTRA_MAX);
    if (!trace_wants(event)) {
        return;
    }
    flags = arch_irq_save();
    /* Acquire pairs with the release that switched tracing on: the buffers are there. */
    if (__atomic_load_n(&trace_on, __ATOMIC_ACQUIRE) && tc->pages &&
        cpumap_test(&trace_cpu_mask, arch_cpu_id())) {
        write_here(tc, event, cycles, nr_words, words);
    }
    arch_irq_restore(flags);
}

/* Which arguments are recorded of a hypercall: bits. Source: Xen 4.17 common/trace.c. */
static unsigned int args_of(uint32_t nr)
{
    switch (nr) {
    case __HYPERVISOR_mmu_update:
    case __HYPERVISOR_multicall:
    case __HYPERVISOR_mmuext_op:
        return 1U << 1; /* how many */
    case __HYPERVISOR_grant_table_op:
        return 1U << 0 | 1U << 2; /* what, and how many */
    case __HYPERVISOR_vcpu_op:
        return 1U << 0 | 1U << 1; /* what, to whom */
    case __HYPERVISOR_sched_op:
        return 1U << 0;
    default:
        return 0;
    }
}

void trace_hypercall(uint32_t event, uint32_t nr, const uint64_t *args)
{
    uint32_t words[3] = { nr & ~TRC_PV_HYPERCALL_V2_ARG_MASK };
    unsigned int n = 1;

    for (unsigned int left = args_of(nr), i; left; left &= left - 1) {
        i = (unsigned int)__builtin_ctz(left);
        words[0] |= TRC_PV_HYPERCALL_V2_ARG_32(i);
        words[n++] = (uint32_t)args[i];
    }
    trace_write(event, true, n, words);
}
