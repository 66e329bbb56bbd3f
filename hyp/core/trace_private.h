/* What the writer of records and those who make and rule the buffers share. */
#ifndef CORE_TRACE_PRIVATE_H
#define CORE_TRACE_PRIVATE_H

#include "core/cpumap.h"
#include "core/percpu.h"
#include "core/trace.h"

/*
 * One CPU's buffer: pages that need not lie together, of which the first begins with struct t_buf.
 * The pages' numbers stand in the info pages, which tools can read only. prod is ours; the tools
 * have a copy, and cons, which may say anything.
 */
struct trace_cpu {
    const uint32_t *pages; /* machine frame numbers; NULL: this CPU has none. Set once */
    uint32_t prod;         /* from here on by that CPU alone, interrupts off */
    uint64_t nr_lost;      /* records that found no room */
    uint64_t lost_since;   /* cycles, of the first of them */
};
DECLARE_PER_CPU(struct trace_cpu, trace_cpus);

extern uint32_t trace_size;       /* bytes for records in each buffer. Set once */
extern uint32_t trace_event_mask; /* under the control gate, as the next */
extern cpumap_t trace_cpu_mask;

#endif
