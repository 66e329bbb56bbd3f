/* Whole domains for tests: heap, scheduler and CPU 0 are started at the first use. */
#ifndef HOST_DOMAINS_H
#define HOST_DOMAINS_H

#include "core/domain.h"

/*
 * A domain with all its vCPUs made, none running. Domain 0 is privileged. Any failure ends the
 * program. current becomes vCPU 0 of the first domain made.
 */
struct domain *host_domain(domid_t id, unsigned int nr_vcpus);
/* As above with a limit on ports. */
struct domain *host_domain_ports(domid_t id, unsigned int nr_vcpus, uint32_t max_port);
/* Kills it; it must not be current's. What is left of it is freed when softirqs run. */
void host_domain_end(struct domain *d);
/* A page of d's, cleared. */
struct frame *host_domain_page(struct domain *d);

#endif
