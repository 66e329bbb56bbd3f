/* start.S: what tells the hypervisor how to start us (ELF notes), and the first instructions. */
#include <xen/elfnote.h>
#include <xen/features.h>
#include "layout.h"

/* public/elfnote.h: owner "Xen", name and descriptor padded to 4 bytes. */
.macro NOTE_TEXT type, text
    .pushsection .note.Xen, "a", @note
    .balign 4
    .long 4, 2f - 1f, \type
    .asciz "Xen"
1:  .asciz "\text"
2:  .balign 4
    .popsection
.endm

.macro NOTE_NUMBER type, number
    .pushsection .note.Xen, "a", @note
    .balign 4
    .long 4, 8, \type
    .asciz "Xen"
    .quad \number
    .popsection
.endm

NOTE_TEXT XEN_ELFNOTE_GUEST_OS, "lodge-guest"
NOTE_TEXT XEN_ELFNOTE_GUEST_VERSION, "1"
NOTE_TEXT XEN_ELFNOTE_XEN_VERSION, "xen-3.0"
NOTE_TEXT XEN_ELFNOTE_LOADER, "generic"
NOTE_NUMBER XEN_ELFNOTE_VIRT_BASE, VIRT_BASE
NOTE_NUMBER XEN_ELFNOTE_ENTRY, guest_entry
/* Without this bit the hypervisor refuses the image as domain 0. */
NOTE_NUMBER XEN_ELFNOTE_SUPPORTED_FEATURES, (1 << XENFEAT_dom0)
#ifdef OLD_STYLE
/* As kernels of long ago were built: addresses in the ELF file are virtual ones throughout, p2m list and
 * module lie in the initial mapping, and the hypervisor fills in a page of hypercall stubs. */
NOTE_NUMBER XEN_ELFNOTE_PADDR_OFFSET, VIRT_BASE
NOTE_NUMBER XEN_ELFNOTE_HYPERCALL_PAGE, hypercall_page
    .pushsection .text
    .balign 4096
    .global hypercall_page
hypercall_page:
    .skip 4096
    .popsection
#else
NOTE_NUMBER XEN_ELFNOTE_PADDR_OFFSET, 0
NOTE_NUMBER XEN_ELFNOTE_INIT_P2M, P2M_BASE
NOTE_NUMBER XEN_ELFNOTE_MOD_START_PFN, 1
#endif

/* guest_entry: the first instruction we run.
 * In:  rsi = virtual address of start_info; rsp = top of a one-page boot stack; events masked
 * Out: guest_start(rdi = struct start_info *) on the first vCPU's own stack; never returns
 * The registers are kept first: a guest that checks the start-of-day contract wants to see them. */
    .section .text.entry, "ax"
    .global guest_entry
guest_entry:
    mov     %rax, boot_regs + 0x00
    mov     %rbx, boot_regs + 0x08
    mov     %rcx, boot_regs + 0x10
    mov     %rdx, boot_regs + 0x18
    mov     %rsi, boot_regs + 0x20
    mov     %rdi, boot_regs + 0x28
    mov     %rbp, boot_regs + 0x30
    mov     %rsp, boot_regs + 0x38
    mov     %r8, boot_regs + 0x40
    mov     %r9, boot_regs + 0x48
    mov     %r10, boot_regs + 0x50
    mov     %r11, boot_regs + 0x58
    mov     %r12, boot_regs + 0x60
    mov     %r13, boot_regs + 0x68
    mov     %r14, boot_regs + 0x70
    mov     %r15, boot_regs + 0x78
    pushfq
    popq    boot_regs + 0x80
    mov     %cs, boot_regs + 0x88
    mov     %ss, boot_regs + 0x90
    mov     %ds, boot_regs + 0x98
    mov     %es, boot_regs + 0xa0
    mov     %fs, boot_regs + 0xa8
    mov     %gs, boot_regs + 0xb0

    cld
    mov     %rsi, %rdi
    mov     $vcpu_regions + VCPU_REGION_SIZE, %rsp
    xor     %ebp, %ebp
    call    guest_start
    ud2

    .section .note.GNU-stack, "", @progbits
