/*
 * The end of the road: the report of a broken guarantee, or one line for the administrator; then
 * reboot or halt.
 */
#include "core/log.h"
#include "core/console.h"
#include "core/domain.h"
#include "core/option.h"

#define READ_TIME_NS (5 * NS_PER_S)
#define STUCK_SPINS  (1U << 20) /* the clock may be what is broken, or not be there yet */

bool opt_noreboot;
OPTION_BOOL("noreboot", opt_noreboot);

static bool reporting;

/*
 * Nothing else happens from here on, and nobody else prints. False: a fault in the report itself has
 * led here again.
 */
static bool report_begin(void)
{
    bool first;

    arch_irq_disable();
    arch_cpus_stop();
    first = !__atomic_exchange_n(&reporting, true, __ATOMIC_SEQ_CST);
    console_force_sync();
    return first;
}

static void wait_for_reader(void)
{
    uint64_t start = arch_time_ns(), last = start;
    unsigned int stuck = 0;

    while (last - start < READ_TIME_NS && stuck < STUCK_SPINS) {
        uint64_t now = arch_time_ns();

        stuck = now == last ? stuck + 1 : 0;
        last = now;
        arch_cpu_relax();
    }
}

NORETURN void report_end(void)
{
    if (opt_noreboot) {
        console_printf("Halted, as noreboot asks.\n");
        console_force_sync();
        arch_machine_halt();
    }
    console_printf("Reboots in %llu seconds (noreboot on the command line prevents it).\n",
                   (unsigned long long)(READ_TIME_NS / NS_PER_S));
    console_force_sync();
    wait_for_reader();
    arch_machine_reboot();
}

NORETURN void panic(const char *fmt, ...)
{
    bool first = report_begin();
    const struct vcpu *v;
    va_list args;

    console_printf("\n****************************************\n");
    console_printf("Panic on CPU %u:\n", arch_cpu_id());
    va_start(args, fmt);
    console_vprintf(fmt, args);
    va_end(args);
    console_printf("\n****************************************\n");
    if (first) {
        v = current;
        if (v && v->domain) {
            console_printf("current: d%uv%u%s\n", v->domain->id, v->id,
                           v->is_idle ? " (idle)" : "");
        }
        arch_show_stack(NULL);
    }
    report_end();
}

NORETURN void stop(const char *fmt, ...)
{
    va_list args;

    (void)report_begin();
    va_start(args, fmt);
    console_vprintf(fmt, args);
    va_end(args);
    console_printf("\n");
    report_end();
}
