/*
 * Event channels: ports, what they are bound to, and how a pending one reaches its vCPU (2-level and FIFO ABIs).
 * Sources: public/event_channel.h, public/xen.h (shared_info, vcpu_info).
 */
#ifndef CORE_EVTCHN_H
#define CORE_EVTCHN_H

#include <lodge/compiler.h>
#include <xen/xen.h>
#include <xen/event_channel.h>

struct domain;
struct vcpu;

int evtchn_init(struct domain *d, uint32_t max_port) MUST_CHECK;  /* port 0 reserved. -ENOMEM */
void evtchn_destroy(struct domain *d);         /* closes all ports; the domain is dying and does not run */
void evtchn_destroy_final(struct domain *d);   /* frees; at the last reference */
void evtchn_vcpu_init(struct vcpu *v);         /* legacy vcpu_info slot, masked */
void evtchn_vcpu_fini(struct vcpu *v);

/* For dom0's builder and the control plane. 0, -ENOSPC, -EINVAL, -EBUSY, -EEXIST. */
int evtchn_alloc_unbound(struct domain *d, domid_t remote, evtchn_port_t *port) MUST_CHECK;

/* Virtual interrupts. A port bound to it becomes pending; nothing happens if none is. Any context. */
void virq_send_vcpu(struct vcpu *v, uint32_t virq);     /* per-vCPU virqs: VIRQ_TIMER, VIRQ_DEBUG ... */
void virq_send_global(uint32_t virq);                   /* VIRQ_CONSOLE, VIRQ_DOM_EXC ...: to the domain that handles it (dom0) */
void virq_send_domain(struct domain *d, uint32_t virq);

/* Physical interrupts (arch calls). Returns 0, -EEXIST, -ENOENT. */
void pirq_send(struct domain *d, uint32_t pirq);        /* its port, if bound, becomes pending */
/* arch supplies: -EINVAL no such pirq, -EBUSY in use, -EPERM */
int pirq_arch_bind(struct vcpu *v, uint32_t pirq, bool share, evtchn_port_t port) MUST_CHECK;
void pirq_arch_unbind(struct domain *d, uint32_t pirq);
void pirq_arch_set_affinity(struct domain *d, uint32_t pirq, struct vcpu *v);
void pirq_arch_unmasked(struct domain *d, uint32_t pirq); /* EVTCHNOP_unmask on a pirq port */

/* vcpu_info: VCPUOP_register_vcpu_info. 0, -EINVAL. */
int vcpu_info_register(struct vcpu *v, uint64_t mfn, uint32_t offset) MUST_CHECK;
void vcpu_info_reset(struct vcpu *v);
/* Would a return to the guest deliver an upcall now? */
bool vcpu_event_pending(const struct vcpu *v);           /* pending and not masked */
bool evtchn_pending_unmasked_port(struct domain *d, evtchn_port_t port); /* pending bit set (SCHEDOP_poll); bad port: false */
bool evtchn_port_valid(struct domain *d, evtchn_port_t port);

#endif
