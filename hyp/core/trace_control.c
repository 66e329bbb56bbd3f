/*
 * The trace buffers are made, once, by the option tbuf_size or the first tool that asks, and stay:
 * tools may have them mapped. Source: public/trace.h, struct t_info; public/sysctl.h, tbuf_op.
 *
 * The info pages hold a table by CPU of where its list of pages begins, in words, and the lists.
 */
#include <lodge/errno.h>
#include "core/domain.h"
#include "core/evtchn.h"
#include "core/frame.h"
#include "core/log.h"
#include "core/option.h"
#include "core/softirq.h"
#include "core/sysctl.h"
#include "core/trace_private.h"

#define LISTS_START \
    DIV_ROUND_UP(offsetof(struct t_info, mfn_offset) + NR_CPUS * sizeof(uint16_t), sizeof(uint32_t))

static unsigned int opt_tbuf_size; /* pages for each CPU */
static unsigned int opt_tevt_mask;
OPTION_UINT("tbuf_size", opt_tbuf_size);
OPTION_UINT("tevt_mask", opt_tevt_mask);

/* Under the control gate. nr_made: buffer pages, CPU by CPU; all of them once info_done. */
static struct t_info *info;
static unsigned int info_order, nr_info_pages, nr_made;
static cpumap_t cpus;
static bool info_done;

static uint32_t *info_words(void)
{
    return (uint32_t *)info;
}

/* At most what the table's fields, and indices that run to twice a buffer's size, can hold. */
static unsigned int pages_limit(unsigned int pages)
{
    unsigned int most = MIN(UINT32_MAX / 2 / PAGE_SIZE, (unsigned int)UINT16_MAX);
    unsigned int nr_cpus = cpumap_weight(&cpus);

    return MIN(pages, MIN(most, (UINT16_MAX - (unsigned int)LISTS_START) / nr_cpus));
}

static int info_make(unsigned int pages)
{
    unsigned int cpu, at = LISTS_START;

    cpus = cpus_online;
    pages = pages_limit(pages);
    nr_info_pages = DIV_ROUND_UP((at + pages * cpumap_weight(&cpus)) * sizeof(uint32_t), PAGE_SIZE);
    info_order = 0;
    while (1U << info_order < nr_info_pages) {
        info_order++;
    }
    info = heap_alloc_pages(info_order);
    if (!info) {
        return -ENOMEM;
    }
    info->tbuf_size = (uint16_t)pages;
    cpumap_for_each(cpu, &cpus)
    {
        info->mfn_offset[cpu] = (uint16_t)at;
        at += pages;
    }
    nr_made = 0;
    return 0;
}

static void unmake(void)
{
    while (nr_made) {
        nr_made--;
        heap_free_pages(arch_map_frame(MFN(info_words()[LISTS_START + nr_made])), 0);
    }
    heap_free_pages(info, info_order);
    info = NULL;
}

/* 0; -ENOMEM: there is nothing any more; -ERESTART: something waits for this CPU. */
static int pages_make(bool preemptible)
{
    unsigned int nr = info->tbuf_size * cpumap_weight(&cpus);

    while (nr_made < nr) {
        void *page = heap_alloc_pages(0);

        if (!page) {
            log_warning("trace buffers: no memory for %u pages on each of %u CPUs", info->tbuf_size,
                        cpumap_weight(&cpus));
            unmake();
            return -ENOMEM;
        }
        info_words()[LISTS_START + nr_made++] = (uint32_t)arch_frame_of(page).n;
        if (preemptible && nr_made % 64 == 0 && preempt_requested()) {
            return -ERESTART;
        }
    }
    return 0;
}

static void publish(void)
{
    mfn_t first = arch_frame_of(info);
    unsigned int cpu;

    for (unsigned int i = 0; i < nr_made; i++) {
        arch_frame_share_with_tools(frame_of(MFN(info_words()[LISTS_START + i])), true);
    }
    for (unsigned int i = 0; i < nr_info_pages; i++) {
        arch_frame_share_with_tools(frame_of(MFN(first.n + i)), false);
    }
    trace_size = info->tbuf_size * PAGE_SIZE - sizeof(struct t_buf);
    cpumap_for_each(cpu, &cpus)
    {
        per_cpu(trace_cpus, cpu).pages = info_words() + info->mfn_offset[cpu];
    }
    info_done = true;
    log_info("trace buffers: %u pages on each of %u CPUs", info->tbuf_size, cpumap_weight(&cpus));
}

static void route(void)
{
    trace_arch_route(trace_on && (trace_wants(TRC_PV_ENTRY) || trace_wants(TRC_PV_SUBCALL)));
}

static void start(void)
{
    __atomic_store_n(&trace_on, true, __ATOMIC_RELEASE); /* pairs with trace_write() */
    route();
}

/* Records are written with interrupts off: once every CPU has been here, none is any more. */
static void forget_lost(void *arg)
{
    unsigned long flags = arch_irq_save();

    (void)arg;
    this_cpu(trace_cpus).nr_lost = 0;
    arch_irq_restore(flags);
}

static void stop_tracing(void)
{
    __atomic_store_n(&trace_on, false, __ATOMIC_RELAXED);
    route();
    forget_lost(NULL);
    arch_call_cpus(cpus_online.bits, forget_lost, NULL);
}

/* Once, and from then on records are written. */
static int make(unsigned int pages, bool preemptible)
{
    int rc = 0;

    if (info_done) {
        return pages == info->tbuf_size ? -EBUSY : -EINVAL;
    }
    if (!pages || (info && pages_limit(pages) != info->tbuf_size)) {
        return -EINVAL; /* or another size is half made */
    }
    if (!info) {
        rc = info_make(pages);
    }
    if (!rc) {
        rc = pages_make(preemptible);
    }
    if (!rc) {
        publish();
        start();
    }
    return rc;
}

long sysctl_tbuf_op(struct vcpu *caller, struct xen_sysctl *sysctl)
{
    struct xen_sysctl_tbuf_op *op = &sysctl->u.tbuf_op;
    cpumap_t mask;
    long rc = 0;

    (void)caller;
    switch (op->cmd) {
    case XEN_SYSCTL_TBUFOP_get_info:
        op->evt_mask = trace_event_mask;
        op->buffer_mfn = info_done ? arch_frame_of(info).n : 0;
        op->size = info_done ? nr_info_pages * PAGE_SIZE : 0;
        break;
    case XEN_SYSCTL_TBUFOP_set_cpu_mask:
        rc = control_cpumap_get(&mask, &op->cpu_mask);
        if (!rc) {
            trace_cpu_mask = mask;
        }
        break;
    case XEN_SYSCTL_TBUFOP_set_evt_mask:
        __atomic_store_n(&trace_event_mask, op->evt_mask, __ATOMIC_RELAXED);
        route();
        break;
    case XEN_SYSCTL_TBUFOP_set_size:
        rc = make(op->size, true);
        break;
    case XEN_SYSCTL_TBUFOP_enable:
        if (info_done) {
            start();
        } else {
            rc = -EINVAL;
        }
        break;
    case XEN_SYSCTL_TBUFOP_disable:
        stop_tracing();
        break;
    default:
        rc = -EINVAL;
        break;
    }
    return rc;
}

static void notify(void)
{
    virq_send_global(VIRQ_TBUF);
}

void trace_init(void)
{
    softirq_register(SOFTIRQ_TRACE, notify);
    for (unsigned int cpu = 0; cpu < NR_CPUS; cpu++) {
        cpumap_set(&trace_cpu_mask, cpu);
    }
    if (!opt_tbuf_size) {
        return;
    }
    if (opt_tevt_mask) {
        trace_event_mask = opt_tevt_mask;
    }
    if (make(opt_tbuf_size, false)) {
        log_warning("trace buffers: there are none; tools may ask again");
    }
}
