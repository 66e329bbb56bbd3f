/*
 * Trace records for `xentrace`: what happened when, on each CPU, in buffers that tools in domain 0
 * map. Source: public/trace.h; what the words of a record are, xenalyze and Xen's own calls tell.
 *
 * Off, a record costs one test. On, it is written by its CPU alone, with interrupts off: in any
 * context but that of an NMI, whatever locks are held.
 */
#ifndef CORE_TRACE_H
#define CORE_TRACE_H

#include <lodge/compiler.h>
#include <xen/xen.h>
#include <xen/trace.h>

struct domain;

extern bool trace_on;

/* TRACE(event, word...): with a time stamp. At most TRACE_EXTRA_MAX words. */
#define TRACE(event, ...)                                           \
    do {                                                            \
        if (unlikely(trace_on)) {                                   \
            const uint32_t words_[] = { __VA_ARGS__ };              \
            trace_write((event), true, sizeof(words_) / 4, words_); \
        }                                                           \
    } while (0)
#define TRACE_U64(x)         (uint32_t)(x), (uint32_t)((uint64_t)(x) >> 32)
#define TRACE_U16(low, high) ((uint32_t)(uint16_t)(low) | (uint32_t)(high) << 16)

/* Callers look at trace_on first. cycles: with a time stamp. */
void trace_write(uint32_t event, bool cycles, unsigned int nr_words, const uint32_t *words);
/* TRC_PV_HYPERCALL_V2 and _SUBCALL: the number, and of the arguments those that tell most. */
void trace_hypercall(uint32_t event, uint32_t nr, const uint64_t *args);
/* Is it among those asked for? */
bool trace_wants(uint32_t event);

void trace_init(void); /* after softirqs and the heap: the options */

/*
 * Supplied by the architecture. What a guest does goes where records are written, or not any more,
 * since the ways that it takes otherwise have no place for them.
 */
void trace_arch_route(bool on);

#endif
