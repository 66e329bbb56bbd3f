/* memory.h: our frames. A PV guest sees machine frame numbers (mfn) in its page tables and counts
 * its own memory in guest frame numbers (pfn); the p2m list leads from pfn to mfn, the
 * hypervisor's machine-to-physical table back. */
#ifndef GUEST_MEMORY_H
#define GUEST_MEMORY_H

#include "types.h"

#include <xen/xen.h>

#include "layout.h"

#define MFN_NONE (~0UL)

extern struct start_info *start_info;
extern struct shared_info *shared_info;

/** memory_init - keep start_info, map the shared page */
void memory_init(struct start_info *si);

/* These hold for addresses in the initial mapping, which is all memory that a guest here uses. */
unsigned long va_to_pfn(const void *va);
unsigned long va_to_mfn(const void *va);
uint64_t va_to_maddr(const void *va);
void *pfn_to_va(unsigned long pfn);
unsigned long pfn_to_mfn(unsigned long pfn);
unsigned long mfn_to_pfn(unsigned long mfn);
void *mfn_to_va(unsigned long mfn);

/** page_alloc - a page of zeroes, mapped writable once; a guest that runs out fails */
void *page_alloc(void);
void *pages_alloc(unsigned int count);

/** page_free - give a page back; it must be an ordinary writable page again */
void page_free(void *page);

#endif
