/* The version of Xen's interfaces that the hypervisor answers with: XENVER_version, CPUID. */
#ifndef CORE_VERSION_H
#define CORE_VERSION_H

#define XEN_MAJOR 4
#define XEN_MINOR 17

#endif
