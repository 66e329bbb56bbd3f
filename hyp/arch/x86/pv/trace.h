/* Trace records of what PV guests do: each a test where it happens, and a function elsewhere. */
#ifndef X86_PV_TRACE_H
#define X86_PV_TRACE_H

#include "core/domain.h"
#include "core/trace.h"

/* For a vCPU that is being made. */
bool trace_arch_routed(void);

/* As injected, whatever trace_on says. */
void trace_pv_page_fault(uint64_t address, uint32_t error_code);

#define TRACE_PV(what, ...)                       \
    do {                                          \
        if (unlikely(trace_on)) {                 \
            trace_pv_##what##_write(__VA_ARGS__); \
        }                                         \
    } while (0)

void trace_pv_trap_write(unsigned int vector, bool has_error_code, uint32_t error_code);
/* The entry that va names, of a table that stays for as long, was written by the instruction at rip. */
void trace_pv_ptwr_write(const struct frame *table, uint64_t va, uint64_t rip);
void trace_pv_address_write(uint32_t event, uint64_t address);

#endif
