/*
 * What a CPU executes first: copied by cpu/smp_boot.c to a page below 1 MiB, where the four words
 * at the end are filled in. Intel SDM vol. 3A, "MP Initialization Protocol Algorithm for MP Systems".
 * In:  real mode, cs = page >> 4, ip = 0
 * Out: ap_main() in 64-bit mode, on the stack at ap_stack_pointer
 */
#include "asm.h"

/* AMD64 APM vol. 2, "System-Control Registers" */
#define CR0_ET_PE             0x11
#define CR0_PG_WP_NE_ET_MP_PE 0x80010033
#define CR4_PAE               0x20
#define MSR_EFER              0xc0000080
#define EFER_NXE_LME_SCE      0x901

#define SEL_CODE32 0x08
#define SEL_DATA   0x10
#define SEL_CODE64 0x18
#define HERE(sym)  ((sym) - trampoline_start)

        .section .rodata.trampoline, "a", @progbits
        .global trampoline_start, trampoline_end, trampoline_cr3, trampoline_gdt_base
        .global trampoline_far32, trampoline_far64, trampoline_code32, trampoline_code64
        .global trampoline_gdt

        .code16
trampoline_start:
        cli
        cld
        mov     %cs, %ax
        mov     %ax, %ds
        movzwl  %ax, %ebx
        shl     $4, %ebx                        /* where the page lies */
        lgdtl   HERE(trampoline_gdt_pointer)
        mov     $CR0_ET_PE, %eax                /* caches on: INIT leaves them off */
        mov     %eax, %cr0
        ljmpl   *HERE(trampoline_far32)

        .code32
trampoline_code32:
        mov     $SEL_DATA, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        mov     $CR4_PAE, %eax
        mov     %eax, %cr4
        mov     HERE(trampoline_cr3)(%ebx), %eax
        mov     %eax, %cr3
        mov     $MSR_EFER, %ecx
        rdmsr
        or      $EFER_NXE_LME_SCE, %eax
        wrmsr
        mov     $CR0_PG_WP_NE_ET_MP_PE, %eax
        mov     %eax, %cr0
        ljmp    *HERE(trampoline_far64)(%ebx)

        .code64
trampoline_code64:
        movabs  $ap_entry, %rax
        jmp     *%rax

        .balign 8
trampoline_gdt:
        .quad   0
        .quad   0x00cf9b000000ffff              /* 32-bit code */
        .quad   0x00cf93000000ffff              /* data */
        .quad   0x00af9b000000ffff              /* 64-bit code */
trampoline_gdt_pointer:
        .word   trampoline_gdt_pointer - trampoline_gdt - 1
trampoline_gdt_base:
        .long   0
trampoline_far32:
        .long   0
        .word   SEL_CODE32
trampoline_far64:
        .long   0
        .word   SEL_CODE64
        .balign 4
trampoline_cr3:
        .long   0
trampoline_end:

        .text
FUNC(ap_entry)
        mov     ap_stack_pointer(%rip), %rsp
        xor     %eax, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        xor     %ebp, %ebp
        call    ap_main
        ud2
END(ap_entry)

        .section .note.GNU-stack, "", @progbits
