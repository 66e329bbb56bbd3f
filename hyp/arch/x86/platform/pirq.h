/*
 * Physical interrupts as domains name them: a domain's pirq leads to an irq (GSI or message), and
 * through an event channel to a vCPU. The event channel half (pirq_arch_*) is declared in
 * core/evtchn.h.
 */
#ifndef X86_PLATFORM_PIRQ_H
#define X86_PLATFORM_PIRQ_H

#include <lodge/types.h>

struct domain;

/* pirqs are numbers below this. */
unsigned int pirq_limit(void);

/*
 * Everything of d's is unbound and unmapped; d does not run. To be called before its frames are
 * given back.
 */
void pirq_domain_fini(struct domain *d);

/**
 * pirq_map_gsi - give an interrupt line a pirq of d
 * @pirq: the number wanted, or < 0 for any; receives the number
 * Returns 0; -EINVAL no such line or number; -EPERM the line is not d's; -EEXIST it has another
 * pirq; -ENOSPC no number free; -ENOMEM. Mapping again what is mapped is no error.
 */
int pirq_map_gsi(struct domain *d, unsigned int gsi, int *pirq) MUST_CHECK;
/* The same for a message; 1: the number wanted means another interrupt, and goes on doing so. */
int pirq_map_irq(struct domain *d, unsigned int irq, int *pirq) MUST_CHECK;
/* -EINVAL nothing is mapped there */
int pirq_unmap(struct domain *d, uint32_t pirq) MUST_CHECK;
/* PHYSDEVOP_get_free_pirq: -ENOSPC, -ENOMEM */
int pirq_reserve(struct domain *d, bool gsi, uint32_t *pirq) MUST_CHECK;
bool pirq_shared(struct domain *d, uint32_t pirq);
int pirq_eoi(struct domain *d, uint32_t pirq) MUST_CHECK; /* -EINVAL */
/* the same for every pirq whose port the guest has not masked */
void pirq_eoi_unmasked(struct domain *d);
/* -EINVAL, -EBUSY, -ENOMEM */
int pirq_eoi_map_register(struct domain *d, uint64_t gmfn, bool auto_unmask) MUST_CHECK;

#endif
