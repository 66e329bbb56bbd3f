/*
 * The door to guest memory: copies between the hypervisor and the current vCPU's address space. A fault in the guest's
 * mapping ends in -EFAULT, never in the hypervisor's. Addresses in the hypervisor's hole are refused.
 */
#ifndef CORE_GUEST_H
#define CORE_GUEST_H

#include <lodge/compiler.h>
#include <lodge/errno.h>

/* Supplied by the architecture: 0 or -EFAULT (part of the bytes may have been copied). */
int guest_copy_from(void *to, uint64_t gva, size_t n) MUST_CHECK;
int guest_copy_to(uint64_t gva, const void *from, size_t n) MUST_CHECK;
int guest_clear(uint64_t gva, size_t n) MUST_CHECK;
bool guest_range_ok(uint64_t gva, uint64_t n); /* outside the hypervisor's hole, no wrap */

/* Handles of the public headers (XEN_GUEST_HANDLE(x) and _64): one element, or element i of an array. */
#define guest_addr(handle, i) ((uint64_t)(uintptr_t)((handle).p + (i)))
#define guest_read(to, handle)         guest_copy_from((to), guest_addr(handle, 0), sizeof(*(to)))
#define guest_read_at(to, handle, i)   guest_copy_from((to), guest_addr(handle, i), sizeof(*(to)))
#define guest_write(handle, from)      guest_copy_to(guest_addr(handle, 0), (from), sizeof(*(from)))
#define guest_write_at(handle, i, from) guest_copy_to(guest_addr(handle, i), (from), sizeof(*(from)))
#define guest_null(handle)             ((handle).p == NULL)

#endif
