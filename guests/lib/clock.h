/* clock.h: time as the hypervisor publishes it. */
#ifndef GUEST_CLOCK_H
#define GUEST_CLOCK_H

#include "types.h"

/** clock_ns - system time of this vCPU in nanoseconds, from struct vcpu_time_info and the TSC */
uint64_t clock_ns(void);

/** clock_wait - spin until at least this much time has passed */
void clock_wait(uint64_t ns);

#endif
