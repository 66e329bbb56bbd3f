/*
 * What sysctl and domctl share. Both come from the control domain's tools; one of them is at work at
 * a time, whichever CPU asks, so that they need not defend themselves against each other.
 */
#ifndef CORE_CONTROL_H
#define CORE_CONTROL_H

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

#endif
