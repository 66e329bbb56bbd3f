/* What a CPU does when no vCPU wants it. */
#include "core/domain.h"
#include "core/pcpu.h"
#include "core/softirq.h"

NORETURN void idle_loop(void)
{
    for (;;) {
        softirq_process(); /* SOFTIRQ_SCHED among them: leaves this loop for a vCPU */
        arch_irq_disable();
        if (softirq_pending()) {
            /* raised by an interrupt a moment ago */
        } else if (unlikely(pcpu_leaving())) {
            pcpu_leave();
        } else {
            arch_cpu_idle(); /* an interrupt that comes from here on ends the wait at once */
        }
        arch_irq_enable();
    }
}
