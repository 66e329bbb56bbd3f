/*
 * Event channels: ports, what they are bound to, and how a pending one reaches its vCPU (2-level
 * and FIFO ABIs). Sources: public/event_channel.h, public/xen.h (shared_info, vcpu_info).
 */
#ifndef CORE_EVTCHN_H
#define CORE_EVTCHN_H

#include <lodge/compiler.h>
#include <xen/xen.h>
#include <xen/event_channel.h>

struct domain;
struct vcpu;

int evtchn_init(struct domain *d, uint32_t max_port) MUST_CHECK; /* port 0 reserved. -ENOMEM */
/* Dying: closes ports in steps; 0, or -ERESTART to be called again. */
int evtchn_relinquish(struct domain *d) MUST_CHECK;
/* Closes what is left; the domain is dying and does not run. */
void evtchn_destroy(struct domain *d);
void evtchn_destroy_final(struct domain *d); /* frees; at the last reference */
void evtchn_vcpu_init(struct vcpu *v);       /* legacy vcpu_info slot, masked */
void evtchn_vcpu_fini(struct vcpu *v);

/*
 * For dom0's builder and the control plane. 0; -ENOSPC no port left; -ENOMEM; -EINVAL the domain is
 * dying. On error nothing is bound.
 */
int evtchn_alloc_unbound(struct domain *d, domid_t remote, evtchn_port_t *port) MUST_CHECK;
/*
 * Binds a fresh port of ld to rd's unbound port and sets it pending. -EINVAL: rd's port is not
 * waiting for ld; as above.
 */
int evtchn_bind_interdomain(struct domain *ld, struct domain *rd, evtchn_port_t remote_port,
                            evtchn_port_t *port) MUST_CHECK;
/* 0; -EINVAL nothing bound there */
int evtchn_close(struct domain *d, evtchn_port_t port) MUST_CHECK;
/* 0; -EINVAL not an interdomain, unbound or IPI port */
int evtchn_send(struct domain *d, evtchn_port_t port) MUST_CHECK;
int evtchn_unmask(struct domain *d, evtchn_port_t port) MUST_CHECK; /* 0; -EINVAL no such port */

/* Virtual interrupts: a port bound to it becomes pending, if there is one. Any context. */
/* Per-vCPU ones: VIRQ_TIMER, VIRQ_DEBUG ... */
void virq_send_vcpu(struct vcpu *v, uint32_t virq);
/* VIRQ_CONSOLE, VIRQ_DOM_EXC ...: to the domain that handles it (dom0). */
void virq_send_global(uint32_t virq);
void virq_send_domain(struct domain *d, uint32_t virq);
/* The tools make d handle a global one. -EINVAL: there is none of this number, or d is dying. */
int virq_set_handler(struct domain *d, uint32_t virq) MUST_CHECK;
void virq_forget_handler(const struct domain *d); /* it is dying: domain 0 handles again what it did */

/* Physical interrupts (arch calls). Any context. */
void pirq_send(struct domain *d, uint32_t pirq); /* its port, if bound, becomes pending */
evtchn_port_t pirq_port(const struct domain *d, uint32_t pirq); /* 0: unbound */
struct vcpu *pirq_vcpu(const struct domain *d, uint32_t pirq); /* whom it notifies; NULL: unbound */
bool pirq_unmasked(struct domain *d, uint32_t pirq); /* bound, and its port is not masked. No locks held */
/*
 * Arch supplies; called without locks, so that they may take RANK_PIRQ. While pirq_arch_bind runs
 * and until pirq_arch_unbind has returned, pirq_send() finds the port. -EINVAL no such pirq, -EBUSY
 * in use, -EPERM.
 */
int pirq_arch_bind(struct vcpu *v, uint32_t pirq, bool share, evtchn_port_t port) MUST_CHECK;
void pirq_arch_unbind(struct domain *d, uint32_t pirq);
void pirq_arch_set_affinity(struct domain *d, uint32_t pirq, struct vcpu *v);
void pirq_arch_unmasked(struct domain *d, uint32_t pirq); /* EVTCHNOP_unmask on a pirq port */

/*
 * Sets evtchn_upcall_pending and, if it was clear, makes the vCPU notice: unblocks it, or
 * interrupts the CPU it runs on.
 */
void vcpu_mark_events_pending(struct vcpu *v);
void vcpu_kick(struct vcpu *v);

/**
 * vcpu_info_register - VCPUOP_register_vcpu_info
 * @v:      the caller itself, or a vCPU of the same domain that is down
 * @gfn:    the page, as the guest names it
 * @offset: in it; @v's vcpu_info lives there from now on, with the contents of the old place
 * Returns 0; -ENXIO the structure would leave the page or is not aligned to 8; -EINVAL registered
 * already, @v runs, or not a page of the domain that it may write. On error the old place stays.
 * Every selector and the upcall are set pending, so that nothing that came meanwhile is lost.
 */
int vcpu_info_register(struct vcpu *v, uint64_t gfn, uint32_t offset) MUST_CHECK;
/*
 * Back to the legacy slot; lets the page go. No event may be under way: domain paused, ports
 * closed, timers killed.
 */
void vcpu_info_reset(struct vcpu *v);
/* Would a return to the guest deliver an upcall now? */
bool vcpu_event_pending(const struct vcpu *v); /* pending and not masked */
/* SCHEDOP_poll: is the port's pending bit set, masked or not? Bad port: false */
bool evtchn_pending_unmasked_port(struct domain *d, evtchn_port_t port);
bool evtchn_port_valid(struct domain *d, evtchn_port_t port); /* something is bound to it */

void evtchn_dump(struct domain *d); /* debug key 'e' prints every domain */

#endif
