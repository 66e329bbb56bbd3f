/* How a test drives the host architecture. */
#ifndef HOST_HOST_H
#define HOST_HOST_H

#include <setjmp.h>
#include "core/arch.h"
#include "core/hypercall.h"

/* RAM: frames [0, HOST_FRAMES) are valid; 64 MiB of address space, touched as used */
#define HOST_FRAMES 16384U

/* This thread's CPU, and whose context it holds. */
void host_set_cpu(unsigned int cpu);
void host_set_current(struct vcpu *v);

/* Simulated time stands still unless a test moves it. */
void host_time_set(uint64_t ns);
void host_time_advance(uint64_t ns);
uint64_t host_timer_deadline(unsigned int cpu); /* last arch_timer_program() of that CPU */
unsigned int host_pokes(unsigned int cpu);      /* times it was poked since the last call */

extern bool host_trace_routed; /* trace_arch_route() */

/* What memory_op last named a frame (M2P). */
uint64_t host_frame_name(mfn_t mfn);

/* Give all RAM but frame 0 (or a part) to the heap; once in a program. */
void host_heap_init(void);
void host_heap_init_range(uint64_t start, uint64_t end);

/*
 * Guest memory: addresses that guest_copy_* accept are those of blocks from host_guest_alloc(), as
 * plain pointers; around and after each block is memory that faults. host_guest_fault: from now on
 * [p, p + n) faults too, for reads, writes or both.
 */
#define HOST_FAULT_READ  1U
#define HOST_FAULT_WRITE 2U
void *host_guest_alloc(size_t n);
void host_guest_fault(const void *p, size_t n, unsigned int how);
void host_guest_reset(void); /* forgets all blocks and faults */
static inline uint64_t host_gva(const void *p) { return (uint64_t)(uintptr_t)p; }

/*
 * Expect the hypervisor to stop: a panic (stop, machine_*) inside the statement ends it,
 * host_panic_text() says what it said; without HOST_PANICS a panic ends the program.
 *     if (HOST_PANICS()) { spin_lock(&l); spin_lock(&l); host_panic_missing(); }
 */
extern _Thread_local jmp_buf *host_panic_jump;
extern _Thread_local jmp_buf host_panic_here;
#define HOST_PANICS() (host_panic_jump = &host_panic_here, setjmp(host_panic_here) == 0)
NORETURN void host_panic_missing(void); /* reached only if nothing panicked: fails the program */
const char *host_panic_text(void);

/* Lines that the console's drivers were given, if a test added host_console with console_add(). */
struct console_driver;
extern struct console_driver host_console; /* called "com1" */
const char *host_console_text(void);
void host_console_clear(void);

#endif
