/*
 * What sysctl and domctl share. Both come from the control domain's tools; one of them is at work at
 * a time, whichever CPU asks, so that they need not defend themselves against each other.
 */
#ifndef CORE_CONTROL_H
#define CORE_CONTROL_H

#include "core/cpumap.h"
#include "core/hypercall.h"

/*
 * The gate is not a lock that anybody waits for: who finds it closed repeats the hypercall, and may
 * be interrupted or paused meanwhile. So a handler behind it may wait until a vCPU does not run, and
 * touch guest memory.
 */
bool control_try_enter(void) MUST_CHECK;
void control_leave(void);
bool control_entered(void); /* by somebody; for assertions */

/* An operation stopped halfway (-ERESTART), or the gate was closed: once more, from the beginning. */
long control_again(uint64_t arg_gva);

/*
 * Sets of CPUs as tools pass them, of any length: what is beyond our CPUs is not looked at, and
 * cleared. -EFAULT; put: -E2BIG for more bits than any machine has a use for.
 */
struct xenctl_bitmap;
int control_cpumap_get(cpumap_t *to, const struct xenctl_bitmap *from) MUST_CHECK;
int control_cpumap_put(const struct xenctl_bitmap *to, const cpumap_t *from) MUST_CHECK;
/* The same for any set of nr_bits. */
int control_bitmap_get(uint64_t *to, unsigned int nr_bits, const struct xenctl_bitmap *from) MUST_CHECK;
int control_bitmap_put(const struct xenctl_bitmap *to, const uint64_t *from,
                       unsigned int nr_bits) MUST_CHECK;

#endif
