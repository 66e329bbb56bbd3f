/* Debug key 'e': every domain's ports. */
#include "core/debugkey.h"
#include "core/evtchn_private.h"
#include "core/log.h"

static void dump_port(struct domain *d, evtchn_port_t port, struct evtchn *e)
{
    /* p, m: pending, masked */
    console_printf("    %5u [%d/%d] vcpu %u ", port, evtchn_is_pending(d, port, e),
                   evtchn_is_masked(d, port), e->vcpu);
    switch (evtchn_binding(e)) {
    case EVTCHN_UNBOUND:
        console_printf("unbound, for d%u\n", e->value);
        break;
    case EVTCHN_INTERDOMAIN:
        console_printf("interdomain, d%u port %u\n", e->remote->id, e->remote_port);
        break;
    case EVTCHN_PIRQ:
        console_printf("pirq %u\n", e->value);
        break;
    case EVTCHN_VIRQ:
        console_printf("virq %u\n", e->value);
        break;
    case EVTCHN_IPI:
        console_printf("ipi\n");
        break;
    default:
        console_printf("in transit\n");
        break;
    }
}

void evtchn_dump(struct domain *d)
{
    struct vcpu *v;
    unsigned int i;

    if (!d->evtchn_buckets) {
        return;
    }
    console_printf("d%u: event channels, %s ABI, %u of %u ports used\n    port [p/m]\n", d->id,
                   d->fifo ? "FIFO" : "2-level", d->nr_used_evtchns, d->nr_evtchns);
    domain_for_each_vcpu(d, v, i) {
        console_printf("    vcpu %u: upcall pending %u, masked %u, selector %016lx\n", v->id,
                       shared_read(&v->info->evtchn_upcall_pending),
                       shared_read(&v->info->evtchn_upcall_mask),
                       (unsigned long)shared_read(&v->info->evtchn_pending_sel));
    }
    spin_lock(&d->evtchn_lock);
    for (evtchn_port_t port = 1; port < d->nr_evtchns; port++) {
        struct evtchn *e = evtchn_of(d, port);

        if (evtchn_binding(e) != EVTCHN_FREE) {
            dump_port(d, port, e);
        }
    }
    spin_unlock(&d->evtchn_lock);
}

static void dump_all(char key)
{
    (void)key;
    domain_list_lock();
    for (struct domain *d = domain_first(); d; d = d->next_in_list) {
        evtchn_dump(d);
    }
    domain_list_unlock();
}

DEBUGKEY('e', "event channels of all domains", dump_all);
