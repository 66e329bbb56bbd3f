/*
 * Under AddressSanitizer, free memory of our own allocators is marked so; in the hypervisor proper
 * this is nothing.
 */
#ifndef CORE_POISON_H
#define CORE_POISON_H

#include <lodge/compiler.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POISON_ASAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define POISON_ASAN 1
#endif

#ifdef POISON_ASAN
#include <sanitizer/asan_interface.h>
static inline void poison_free(const void *p, size_t n) { __asan_poison_memory_region(p, n); }
static inline void poison_lift(const void *p, size_t n) { __asan_unpoison_memory_region(p, n); }
#else
static inline void poison_free(const void *p, size_t n) { (void)p; (void)n; }
static inline void poison_lift(const void *p, size_t n) { (void)p; (void)n; }
#endif

#endif
