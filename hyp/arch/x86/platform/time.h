/*
 * Time. arch_time_ns() scales the TSC; a platform counter (HPET, ACPI PM timer, PIT) tells its rate
 * at boot and, where the TSC is not known to be constant, corrects it every second. Guests scale
 * the TSC themselves, with the same numbers (struct vcpu_time_info, public/xen.h).
 */
#ifndef X86_PLATFORM_TIME_H
#define X86_PLATFORM_TIME_H

#include <lodge/types.h>

struct vcpu;
struct domain;

void time_init(void);                 /* boot CPU; its local APIC works */
void time_init_cpu(unsigned int cpu); /* on that CPU, interrupts off */
/* all CPUs are up, interrupts on: may guests rely on one TSC for all? */
void time_check_sync(void);
/* A CPU has come since, and is idle yet: does that still hold? On another one, interrupts on. */
void time_join_cpu(unsigned int cpu);

extern uint64_t tsc_hz; /* measured */

/*
 * v runs on this CPU from now on: give it this CPU's numbers. Costs a compare when it has them. v
 * == current, and its kernel's page tables are loaded.
 */
void time_update_guest(struct vcpu *v);
/*
 * v's vcpu_info or time_gva is new: write at the next time_update_guest(), which follows at once if
 * v == current.
 */
void time_guest_moved(struct vcpu *v);

/* Wall clock: public/xen.h, shared_info.wc_*. */
void time_update_wallclock(struct domain *d);
/* dom0 says that it was secs.nsecs of UTC at system_time_ns. 0, -EINVAL. */
int time_set_wallclock(uint64_t secs, uint32_t nsecs, uint64_t system_time_ns) MUST_CHECK;
uint64_t time_wallclock_ns(uint64_t system_time_ns); /* UTC in ns since 1970 */

/* A delay that needs no interrupt; works once time_init() has measured the TSC. */
void time_udelay(unsigned int us);

#endif
