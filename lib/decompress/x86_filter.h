/* The x86 branch filter of .xz streams. Private to lib/decompress. */
#ifndef LODGE_DECOMPRESS_X86_FILTER_H
#define LODGE_DECOMPRESS_X86_FILTER_H

#include "stream.h"

/* Undoes the filter in place, on all of a block's data; @start is the position that its first byte
 * counts as. */
void x86_filter_undo(uint8_t *data, size_t len, uint32_t start);

#endif
