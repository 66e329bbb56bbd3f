/*
 * Caches and memory types. The hypervisor's own mapping of a frame is cached; a guest with devices
 * may map its frames write-combining, and what it then writes goes around the cache, where an older
 * line of the frame may lie. Source: AMD64 APM vol. 2, "Memory Types"; Intel SDM vol. 3A, "Self
 * Snooping" in "Memory Cache Control".
 */
#ifndef X86_MM_CACHE_H
#define X86_MM_CACHE_H

#include <lodge/types.h>

void cache_init(void); /* boot CPU */
/* Does a CPU find its own cached lines when memory is written around them? */
extern bool cache_self_snoops;
/* Nothing of it is in any cache afterwards. */
void cache_flush(const void *at, size_t size);

#endif
