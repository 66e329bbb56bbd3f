/* SCHEDOP_*: what the rest of the hypervisor may know of it. Source: public/sched.h. */
#ifndef CORE_SCHED_OP_H
#define CORE_SCHED_OP_H

#include <lodge/compiler.h>
#include <xen/event_channel.h>

struct domain;

/* A port became pending: ends SCHEDOP_poll of the vCPUs of d that wait for it. Any context. */
void sched_poll_wake(struct domain *d, evtchn_port_t port);
/* poll_timer of the vCPU `data`. */
void sched_poll_expired(void *data);

void domain_watchdogs_init(struct domain *d);
void domain_watchdogs_fini(struct domain *d); /* harmless when repeated */

#endif
