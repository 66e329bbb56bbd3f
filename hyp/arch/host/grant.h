/*
 * How a test sees the host's grant mappings: an "entry" is a word of guest memory
 * (host_guest_alloc).
 */
#ifndef HOST_GRANT_H
#define HOST_GRANT_H

#include "core/frame.h"

#define HOST_PTE_PRESENT 1ULL
#define HOST_PTE_WRITE   2ULL

/*
 * The frame becomes a page table, so to speak: no writable reference can be had until it is none
 * again.
 */
void host_frame_set_table(struct frame *f, bool table);
uint64_t host_frame_writable_refs(const struct frame *f);

extern unsigned int host_grant_flushes; /* gnttab_arch_flush() */
extern const void *host_cache_flushed;  /* gnttab_arch_cache_flush() */
extern size_t host_cache_flushed_bytes;

/* pirq_arch_bind() answers this, and what was asked of the interrupt side. */
extern int host_pirq_bind_answer;
extern unsigned int host_pirq_unbinds, host_pirq_unmasks, host_pirq_moves;
/* Called inside pirq_arch_bind(): the interrupt may come at once. */
extern void (*host_pirq_on_bind)(struct vcpu *v, uint32_t pirq);

#endif
