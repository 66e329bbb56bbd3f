/* probe.c: running a struct probe and saying what happened. */
#include "probe.h"

void probe_run(const struct probe *probe, uint64_t error_mask)
{
    struct trap_report report;

    trap_try(probe->kernel, NULL, &report);
    report.regs.error &= error_mask;
    trap_result(&report, probe->kernel, "kernel-%s", probe->name);
    user_run(probe->user, 0, &report);
    report.regs.error &= error_mask;
    if (report.vector == VECTOR_SYSCALL && report.regs.rax == USER_EXIT) {
        report.vector = VECTOR_NONE;
    }
    trap_result(&report, (void *)USER_ADDRESS(probe->user), "user-%s", probe->name);
}

void probe_run_all(const struct probe *probes, unsigned int count)
{
    unsigned int i;

    for (i = 0; i < count; i++) {
        probe_run(&probes[i], ~0UL);
    }
}
