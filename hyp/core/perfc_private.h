/* What those share who add counters up and those who print them. */
#ifndef CORE_PERFC_PRIVATE_H
#define CORE_PERFC_PRIVATE_H

#include "core/perfc.h"

#define PERFC_VCPU(name, text, n) PERFC_ROW_##name,
#define PERFC_CPU(name, text)     PERFC_ROW_##name,
enum {
#include "core/perfc.def"
    NR_PERFC_ROWS
};
#undef PERFC_VCPU
#undef PERFC_CPU

/* In the order of core/perfc.def. */
struct perfc_row {
    char text[48];
    uint16_t first; /* enum perfc_of_vcpu or, where n is 0, enum perfc_of_cpu */
    uint16_t n;     /* of each vCPU; 0: one of each CPU */
};
extern const struct perfc_row perfc_rows[NR_PERFC_ROWS];

/* Arrays of NR_PERFC_VCPU. _add: the domain's are added; it cannot go meanwhile. */
void perfc_domain_add(const struct domain *d, uint64_t *sums);
void perfc_vcpu_totals(uint64_t *totals); /* since the last reset */
uint64_t perfc_cpu_total(unsigned int cpu, unsigned int k);
void perfc_reset(void);
void perfc_dump(void); /* debug key 'p' */

#endif
