/* VCPUOP_*: what the architecture supplies for it. Source: public/vcpu.h. */
#ifndef CORE_VCPU_OP_H
#define CORE_VCPU_OP_H

#include <lodge/compiler.h>

struct vcpu;

/* makes an NMI pending and v notice; one at most is pending */
void vcpu_arch_send_nmi(struct vcpu *v);
/* VCPUOP_get_physid's form: x86 APIC id, ACPI id in the upper half */
uint64_t cpu_arch_physid(unsigned int cpu);
/*
 * v->time_gva was set (or cleared): write v's vcpu_time_info there now. The caller is of the same
 * domain.
 */
void vcpu_arch_time_area_changed(struct vcpu *v);

#endif
