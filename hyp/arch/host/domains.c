#include "domains.h"
#include <stdio.h>
#include <stdlib.h>
#include <lodge/errno.h>
#include "core/frame.h"
#include "core/sched.h"
#include "core/softirq.h"
#include "core/timer.h"
#include "host.h"

static void must(int rc, const char *what)
{
    if (rc) {
        fprintf(stderr, "%s: %d\n", what, rc);
        abort();
    }
}

static void start(void)
{
    static bool started;

    if (started) {
        return;
    }
    started = true;
    host_heap_init();
    softirq_init();
    timer_module_init();
    timer_cpu_start(0);
    sched_init();
    must(sched_cpu_init(0), "sched_cpu_init");
    host_set_current(idle_vcpu[0]);
    sched_cpu_start(0);
}

struct domain *host_domain_ports(domid_t id, unsigned int nr_vcpus, uint32_t max_port)
{
    struct domain_config config = {
        .id = id,
        .is_privileged = id == 0,
        .is_pv = true,
        .max_vcpus = nr_vcpus,
        .max_pages = 4096,
        .max_evtchn_port = max_port,
        .max_grant_frames = 4,
        .max_maptrack_frames = 4,
    };
    struct domain *d;
    struct vcpu *v;

    start();
    must(domain_create(&config, &d), "domain_create");
    for (unsigned int i = 0; i < nr_vcpus; i++) {
        must(vcpu_create(d, i, 0, &v), "vcpu_create");
    }
    if (current == idle_vcpu[0]) {
        host_set_current(d->vcpus[0]);
    }
    return d;
}

struct domain *host_domain(domid_t id, unsigned int nr_vcpus)
{
    return host_domain_ports(id, nr_vcpus, ~0U);
}

void host_domain_end(struct domain *d)
{
    int rc;

    do {
        rc = domain_kill(d);
    } while (rc == -ERESTART);
    must(rc, "domain_kill");
}

struct frame *host_domain_page(struct domain *d)
{
    struct frame *f = domain_frames_alloc(d, 0, FRAMES_ANY_ADDRESS);

    if (!f) {
        must(-ENOMEM, "domain_frames_alloc");
    }
    return f;
}
