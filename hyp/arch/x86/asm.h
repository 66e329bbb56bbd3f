/* What assembly files share. */
#ifndef X86_ASM_H
#define X86_ASM_H

#define FUNC(name)         \
    .global name;          \
    .hidden name;          \
    .type name, @function; \
    .balign 16;            \
    name:

#define END(name) .size name, . - name

/* The instruction may fault on the guest's account: continue at `fixup` then. See cpu/extable.c. */
#define EX(fixup, insn...)          \
    771: insn;                      \
    .pushsection extable, "a";      \
    .long 771b - ., fixup - .;      \
    .popsection

#endif
