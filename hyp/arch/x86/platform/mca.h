/* HYPERVISOR_mca. Source: public/arch-x86/xen-mca.h. */
#ifndef X86_PLATFORM_MCA_H
#define X86_PLATFORM_MCA_H

#include <lodge/types.h>

long hypercall_mca(uint64_t arg_gva, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5);

#endif
