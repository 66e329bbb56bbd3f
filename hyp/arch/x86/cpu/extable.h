/* Instructions that may fault on a guest's account, and where to go when they do. */
#ifndef X86_CPU_EXTABLE_H
#define X86_CPU_EXTABLE_H

#include <lodge/compiler.h>

/* In inline assembly: EXTABLE("1b", "2f") after the instruction at label 1, with the fixup at label 2. */
#define EXTABLE(at, fixup)                                                                         \
    ".pushsection extable, \"a\"\n.long " at " - ., " fixup " - .\n.popsection\n"

void extable_init(void);               /* checks that it is sound; once, at boot */
uint64_t extable_search(uint64_t rip); /* 0 if rip has no fixup */

#endif
