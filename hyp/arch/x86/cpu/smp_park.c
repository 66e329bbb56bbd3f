/*
 * A CPU goes off: what devices had sent it is taken, nobody counts on it any more, it halts. The
 * way back is that of booting (smp_boot.c): INIT and start-up messages reach a halted CPU, and its
 * stacks and tables are kept for it, also for an NMI or machine check meanwhile.
 */
#include "core/arch.h"
#include "core/percpu.h"
#include "cpu/insn.h"
#include "cpu/smp.h"
#include "cpu/smp_private.h"
#include "platform/apic.h"
#include "platform/irq.h"
#include "platform/mca.h"
#include "platform/time.h"
#include "platform/watchdog.h"

#define ON_THE_WAY_US 1000U /* how long a message may be under way after its source was redirected */

static DEFINE_PER_CPU(bool, parked); /* release by that CPU, acquire by others */

bool arch_cpu_drain(void)
{
    irq_cpu_remove(arch_cpu_id());
    arch_irq_enable();
    time_udelay(ON_THE_WAY_US);
    arch_irq_disable();
    return !apic_device_pending();
}

void arch_cpu_park(void)
{
    mca_stop_cpu();
    watchdog_stop_cpu();
    smp_leave();
    apic_fini_cpu();
    wbinvd();
    __atomic_store_n(&this_cpu(parked), true, __ATOMIC_RELEASE);
    for (;;) {
        __asm__ volatile("cli\n\thlt" ::: "memory");
    }
}

bool arch_cpu_parked(unsigned int cpu)
{
    return __atomic_load_n(&per_cpu(parked, cpu), __ATOMIC_ACQUIRE);
}

void smp_unpark(unsigned int cpu)
{
    per_cpu(parked, cpu) = false;
}
