/* entry.S: how the hypervisor enters us, how we go back, and how a fault that was asked for ends.
 *
 * Every entry finds this on the stack, lowest address first (Xen's create_bounce_frame()):
 *     rcx  r11  [error code]  rip  cs + saved upcall mask << 32  rflags  rsp  ss
 * A stub makes one layout of it, struct trap_regs, and calls trap_dispatch(). */
#include <xen/xen.h>
#include "layout.h"

.macro ENTRY_PLAIN vector
    pop     %rcx
    pop     %r11
    pushq   $0
    pushq   $\vector
    jmp     entry_common
.endm

.macro ENTRY_WITH_ERROR vector
    pop     %rcx
    pop     %r11
    pushq   $\vector
    jmp     entry_common
.endm

    .text
/* trap_stubs: 256 entry points, 16 bytes each. The hypervisor gives an error code to the same
 * vectors as the CPU does: #DF #TS #NP #SS #GP #PF #AC #CP. */
    .global trap_stubs
    .balign 16
trap_stubs:
vector = 0
    .rept 256
    .balign 16
    .if (vector == 8) || (vector >= 10 && vector <= 14) || (vector == 17) || (vector == 21)
    ENTRY_WITH_ERROR vector
    .else
    ENTRY_PLAIN vector
    .endif
    vector = vector + 1
    .endr

    .global event_entry, failsafe_entry, syscall_entry, sysenter_entry, nmi_entry
event_entry:
    ENTRY_PLAIN VECTOR_EVENT
syscall_entry:
    ENTRY_PLAIN VECTOR_SYSCALL
sysenter_entry:
    ENTRY_PLAIN VECTOR_SYSENTER
nmi_entry:
    ENTRY_PLAIN VECTOR_NMI_CALLBACK

/* The failsafe callback says that our segment registers could not be loaded: ds, es, fs and gs
 * stand between r11 and rip. */
failsafe_entry:
    pop     %rcx
    pop     %r11
    add     $32, %rsp
    pushq   $0
    pushq   $VECTOR_FAILSAFE

/* In:  rsp -> vector, error code, rip, cs, rflags, rsp, ss; the other registers live
 * Out: back through the iret hypercall with whatever trap_dispatch() left in struct trap_regs */
entry_common:
    cld
    push    %rdi
    push    %rsi
    push    %rdx
    push    %rcx
    push    %rax
    push    %r8
    push    %r9
    push    %r10
    push    %r11
    push    %rbx
    push    %rbp
    push    %r12
    push    %r13
    push    %r14
    push    %r15
    mov     %rsp, %rdi
    call    trap_dispatch
    pop     %r15
    pop     %r14
    pop     %r13
    pop     %r12
    pop     %rbp
    pop     %rbx
    pop     %r11
    pop     %r10
    pop     %r9
    pop     %r8
    pop     %rax
    pop     %rcx
    pop     %rdx
    pop     %rsi
    pop     %rdi
    add     $16, %rsp               /* vector and error code */
    pushq   $0                      /* flags: a full return, not a sysret */
    push    %rcx
    push    %r11
    push    %rax
    mov     $__HYPERVISOR_iret, %eax
    syscall
    ud2

/* long recover_call(struct recover *rec, void (*fn)(void *), void *arg)
 * Calls fn(arg) and returns 0. While it runs, trap_dispatch() may make the call end early: it
 * resumes at rec->rip with the registers kept here, and the return value is then 1. */
    .global recover_call
recover_call:
    mov     (%rsp), %rax
    mov     %rax, 0x00(%rdi)
    lea     8(%rsp), %rax
    mov     %rax, 0x08(%rdi)
    mov     %rbx, 0x10(%rdi)
    mov     %rbp, 0x18(%rdi)
    mov     %r12, 0x20(%rdi)
    mov     %r13, 0x28(%rdi)
    mov     %r14, 0x30(%rdi)
    mov     %r15, 0x38(%rdi)
    mov     %rsi, %rax
    mov     %rdx, %rdi
    call    *%rax
    xor     %eax, %eax
    ret

/* void iret_hypercall(const struct iret_context *frame): the frame becomes the whole stack.
 * Returns only into what the frame says. */
    .global iret_hypercall
iret_hypercall:
    mov     %rdi, %rsp
    mov     $__HYPERVISOR_iret, %eax
    syscall
    ud2

/* void iret_with_args(const struct iret_context *frame, uint64_t rdi, uint64_t rsi) */
    .global iret_with_args
iret_with_args:
    mov     %rdi, %rsp
    mov     %rsi, %rdi
    mov     %rdx, %rsi
    mov     $__HYPERVISOR_iret, %eax
    syscall
    ud2

    .section .note.GNU-stack, "", @progbits
