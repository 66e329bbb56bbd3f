/*
 * Counters of what the hypervisor does, for whoever asks what a guest costs: debug keys p and P,
 * and `xenperf`. A counter goes up by one plain instruction and never down; asking adds them up.
 */
#ifndef CORE_PERFC_H
#define CORE_PERFC_H

#include "core/percpu.h"

enum perfc_of_vcpu {
#define PERFC_VCPU(name, text, n) PERFC_##name, PERFC_##name##_last = PERFC_##name + (n)-1,
#define PERFC_CPU(name, text)
#include "core/perfc.def"
#undef PERFC_VCPU
#undef PERFC_CPU
    NR_PERFC_VCPU
};

enum perfc_of_cpu {
#define PERFC_VCPU(name, text, n)
#define PERFC_CPU(name, text) PERFC_##name,
#include "core/perfc.def"
#undef PERFC_VCPU
#undef PERFC_CPU
    NR_PERFC_CPU
};

struct perfc_cpu {
    uint64_t count[NR_PERFC_CPU];
};
DECLARE_PER_CPU(struct perfc_cpu, perfc_cpus);

/* This CPU's; v's, where v is current. An interrupt between load and store may cost a count,
 * nothing else. */
#define perfc_incr(name)           ((void)this_cpu(perfc_cpus).count[PERFC_##name]++)
#define perfc_vcpu_add(v, name, n) ((void)((v)->perfc[PERFC_##name] += (n)))
#define perfc_vcpu_incr(v, name)   perfc_vcpu_add(v, name, 1)
/* One of an array; i below its size. */
#define perfc_vcpu_incr_at(v, name, i) ((void)(v)->perfc[PERFC_##name + (i)]++)

struct domain;
/* The domain leaves the list, whose lock is held: what it counted is remembered among the totals.
 */
void perfc_retire(const struct domain *d);

#endif
