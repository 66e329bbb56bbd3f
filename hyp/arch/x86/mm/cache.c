/* Flushing caches by address. */
#include "mm/cache.h"

#include "cpu/features.h"
#include "cpu/insn.h"

#define CLFLUSH_UNITS(ebx) ((ebx) >> 8 & 0xff) /* CPUID leaf 1: in units of 8 bytes */

bool cache_self_snoops;
static unsigned int line_bytes; /* 0: no CLFLUSH */

/*
 * Models whose self-snooping is not to be relied on: Xen 4.17 xen/arch/x86/cpu/intel.c names those
 * with errata. AMD does not claim it.
 */
static INIT_TEXT bool model_errs(void)
{
    static const uint8_t models[] = { 0x0f, 0x16, 0x17, 0x1d, 0x1e, 0x1f, 0x1a, 0x2e, 0x25, 0x2c, 0x2a };

    for (unsigned int i = 0; i < ARRAY_SIZE(models); i++) {
        if (cpu_host.model == models[i]) {
            return true;
        }
    }
    return false;
}

INIT_TEXT void cache_init(void)
{
    line_bytes = cpu_has(CLFLUSH) ? CLFLUSH_UNITS(cpuid(1, 0).b) * 8 : 0;
    cache_self_snoops = cpu_host.vendor == VENDOR_INTEL && cpu_has(SS) && !model_errs();
}

void cache_flush(const void *at, size_t size)
{
    if (!line_bytes) {
        wbinvd();
        return;
    }
    __asm__ volatile("mfence" ::: "memory");
    for (size_t i = 0; i < size; i += line_bytes) {
        __asm__ volatile("clflush %0" ::"m"(*((const char *)at + i)) : "memory");
    }
    __asm__ volatile("mfence" ::: "memory");
}
