/*
 * A domain stops: it asked to, it was told to, or it did what cannot go on. For domain 0 this stops
 * the machine, for the others it tells domain 0, whose tools decide. Sources: public/sched.h,
 * SHUTDOWN_*; Xen's hwdom_shutdown for domain 0.
 */
#include "core/domain.h"

#include <xen/sched.h>
#include "core/evtchn.h"
#include "core/log.h"

static NORETURN void machine_shutdown(uint32_t reason)
{
    switch (reason) {
    case SHUTDOWN_poweroff:
        console_printf("Domain 0 shut down: powering off.\n");
        arch_machine_power_off();
    case SHUTDOWN_reboot:
        console_printf("Domain 0 shut down: rebooting.\n");
        arch_machine_reboot();
    case SHUTDOWN_crash:
        console_printf("Domain 0 crashed.\n");
        report_end();
    case SHUTDOWN_watchdog:
        console_printf("Domain 0's watchdog was not fed: rebooting.\n");
        arch_machine_reboot();
    default:
        console_printf("Domain 0 shut down for reason %u, which means nothing for a machine.\n",
                       reason);
        report_end();
    }
}

/*
 * May be called with any lock held, for a domain crashes wherever it is found out. So: no lock here
 * but the scheduler's, and the tools are told later.
 */
void domain_shutdown(struct domain *d, uint32_t reason)
{
    struct vcpu *v;
    unsigned int i;

    reason = domain_latch_shutdown_code(d, reason);
    if (d == dom0) {
        machine_shutdown(reason);
    }
    if (__atomic_exchange_n(&d->is_shutting_down, true, __ATOMIC_SEQ_CST)) {
        return;
    }
    domain_for_each_vcpu(d, v, i) {
        v->paused_for_shutdown = true;
        vcpu_pause_nosync(v);
    }
    /* And with it paused_for_shutdown. */
    __atomic_store_n(&d->is_shut_down, true, __ATOMIC_RELEASE);
    work_schedule(&d->shutdown_work);
}

static void shutdown_tell(void *data)
{
    (void)data;
    virq_send_global(VIRQ_DOM_EXC);
}

void domain_shutdown_init(struct domain *d)
{
    d->shutdown_code = SHUTDOWN_CODE_NONE;
    work_init(&d->shutdown_work, shutdown_tell, d);
}

uint32_t domain_latch_shutdown_code(struct domain *d, uint32_t reason)
{
    uint32_t code = SHUTDOWN_CODE_NONE;

    if (__atomic_compare_exchange_n(&d->shutdown_code, &code, reason, false, __ATOMIC_SEQ_CST,
                                    __ATOMIC_SEQ_CST)) {
        return reason;
    }
    return code;
}

void domain_resume(struct domain *d)
{
    struct vcpu *v;
    unsigned int i;

    if (!__atomic_load_n(&d->is_shut_down, __ATOMIC_ACQUIRE)) {
        return;
    }
    d->is_shut_down = false;
    d->shutdown_code = SHUTDOWN_CODE_NONE;
    __atomic_store_n(&d->is_shutting_down, false, __ATOMIC_RELEASE);
    domain_for_each_vcpu(d, v, i) {
        if (v->paused_for_shutdown) {
            v->paused_for_shutdown = false;
            vcpu_unpause(v);
        }
    }
}

void domain_crash(struct domain *d, const char *fmt, ...)
{
    struct vcpu *v = current;
    char why[160];
    va_list args;

    va_start(args, fmt);
    vsnprintf(why, sizeof(why), fmt, args);
    va_end(args);
    if (__atomic_load_n(&d->is_shutting_down, __ATOMIC_RELAXED)) {
        return; /* it has been said */
    }
    if (v->domain == d) {
        log_print_guest(LOG_ERR, v, "domain %u crashed on vCPU %u: %s", d->id, v->id, why);
        vcpu_arch_show(v);
    } else {
        log_err("domain %u was crashed: %s", d->id, why);
    }
    domain_shutdown(d, SHUTDOWN_crash);
}
