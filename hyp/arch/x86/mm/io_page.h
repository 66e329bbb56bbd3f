/*
 * Device registers that are touched seldom, at an address that may change: each CPU has a page of
 * its own to look through, so that nothing stays mapped and no other CPU's TLB need be flushed.
 */
#ifndef X86_MM_IO_PAGE_H
#define X86_MM_IO_PAGE_H

#include <lodge/types.h>

void io_page_init(void); /* boot, once */

/* bytes: 1, 2, 4 or 8; maddr is aligned to them. Any context but an NMI. */
uint64_t io_page_read(uint64_t maddr, unsigned int bytes);
void io_page_write(uint64_t maddr, unsigned int bytes, uint64_t value);

#endif
