/*
 * Memory for the hypervisor's own objects: zeroed, sized in bytes, from per-size slabs (<= 2 KiB)
 * or whole frames.
 */
#ifndef CORE_OBJECT_H
#define CORE_OBJECT_H

#include <lodge/compiler.h>

/* Not from an interrupt. Size 0 counts as 1. */
/* zeroed; NULL if no memory; aligned to 16, or size if a power of two <= 4096 */
void *object_alloc(size_t size) MUST_CHECK;
void *object_alloc_array(size_t n, size_t size) MUST_CHECK;   /* refuses overflow */
void object_free(void *p);                                    /* NULL is fine */

#endif
