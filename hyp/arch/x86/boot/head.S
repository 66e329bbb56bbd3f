/*
 * From the boot loader to C. Both multiboot protocols enter in 32-bit protected mode without
 * paging; what a 64-bit hypervisor cannot do without is checked here, where it can still be
 * reported; then early page tables put the image where it was linked and boot_start() takes over.
 */
#include "asm_offsets.h"
#include "layout.h"

#define PHYS(sym) ((sym) - IMAGE_START)

/*
 * Multiboot Specification 0.6.96, "The layout of Multiboot header"; Multiboot2 Specification 2.0,
 * "The layout of Multiboot2 header".
 */
#define MB1_MAGIC       0x1badb002
#define MB1_FLAGS       0x00010003 /* modules page-aligned, memory information, addresses valid */
#define MB1_LOADER      0x2badb002
#define MB2_MAGIC       0xe85250d6
#define MB2_LOADER      0x36d76289
#define MB2_TAG_CMDLINE 1

#define COM1          0x3f8
#define VGA_TEXT      0xb8000
#define VGA_CELLS     (80 * 25)
#define CPUID_LM      (1 << 29) /* 0x80000001 edx */
#define CPUID_NX      (1 << 20)

/* AMD64 APM vol. 2, "System-Control Registers" */
#define CR0_PG_WP_NE_ET_MP_PE 0x80010033
#define CR4_PAE               0x20
#define MSR_EFER              0xc0000080
#define EFER_NXE_LME_SCE      0x901

#define EARLY_PTE     0x3       /* present, writable */
#define EARLY_PTE_2M  0x83

#define BOOT_SEL_CODE32 0x08
#define BOOT_SEL_DATA   0x10
#define BOOT_SEL_CODE64 0x18

        .section .multiboot, "ax", @progbits
        .code32

        .balign 8
multiboot1_header:
        .long   MB1_MAGIC, MB1_FLAGS, -(MB1_MAGIC + MB1_FLAGS)
        .long   PHYS(multiboot1_header)
        .long   PHYS(image_start)
        .long   PHYS(image_load_end)
        .long   PHYS(image_end)
        .long   PHYS(boot_entry_multiboot)

        .balign 8
multiboot2_header:
        .long   MB2_MAGIC, 0, multiboot2_header_end - multiboot2_header
        .long   -(MB2_MAGIC + 0 + (multiboot2_header_end - multiboot2_header))
        .word   2, 0                    /* address */
        .long   24, PHYS(multiboot2_header)
        .long   PHYS(image_start), PHYS(image_load_end), PHYS(image_end)
        .word   3, 0                    /* entry address */
        .long   12, PHYS(boot_entry_multiboot)
        .balign 8
        .word   4, 1                    /* console flags, optional: text mode is understood */
        .long   12, 2
        .balign 8
        .word   6, 0                    /* modules page-aligned */
        .long   8
        .word   0, 0
        .long   8
multiboot2_header_end:

/*
 * boot_entry_multiboot: Multiboot, "Machine state".
 * In:  eax = the loader's magic number; ebx = physical address of its information; paging and
 *      interrupts off, flat segments of unknown selectors, no stack
 * Out: boot_start() in 64-bit mode on the boot CPU's stack, on early page tables
 */
        .globl  boot_entry_multiboot
boot_entry_multiboot:
        cli
        cld
        mov     %eax, %esi
        mov     $PHYS(boot_cpu_stack) + STACK_SIZE, %esp
        lgdt    PHYS(boot_gdt_pointer)
        ljmp    $BOOT_SEL_CODE32, $PHYS(1f)
1:      mov     $BOOT_SEL_DATA, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        xor     %eax, %eax
        mov     %eax, %fs
        mov     %eax, %gs

        /* Not every loader clears what follows the loaded part. */
        mov     $PHYS(image_load_end), %edi
        mov     $PHYS(image_end), %ecx
        sub     %edi, %ecx
        rep stosb

        mov     %esi, PHYS(boot_magic)
        mov     %ebx, PHYS(boot_information)

        mov     $PHYS(text_not_multiboot), %ebp
        cmp     $MB1_LOADER, %esi
        je      1f
        cmp     $MB2_LOADER, %esi
        jne     boot_refuse
1:
        mov     $PHYS(text_no_long_mode), %ebp
        mov     $0x80000000, %eax
        cpuid
        cmp     $0x80000001, %eax
        jb      boot_refuse
        mov     $0x80000001, %eax
        cpuid
        test    $CPUID_LM, %edx
        jz      boot_refuse
        mov     $PHYS(text_no_nx), %ebp
        test    $CPUID_NX, %edx
        jz      boot_refuse

        /*
         * The first 4 GiB at 0 and at DIRECTMAP_START, the first 1 GiB at IMAGE_START.
         * boot_start() replaces all of it.
         */
        mov     $PHYS(boot_l2), %edi
        mov     $EARLY_PTE_2M, %eax
        mov     $4 * 512, %ecx
1:      mov     %eax, (%edi)
        add     $8, %edi
        add     $0x200000, %eax
        loop    1b

        mov     $PHYS(boot_l2) + EARLY_PTE, %eax
        mov     %eax, PHYS(boot_l3_image) + ((IMAGE_START >> 30) & 511) * 8
        mov     $PHYS(boot_l3_low), %edi
        mov     $4, %ecx
1:      mov     %eax, (%edi)
        add     $8, %edi
        add     $0x1000, %eax
        loop    1b

        mov     $PHYS(boot_l4), %edi
        movl    $PHYS(boot_l3_low) + EARLY_PTE, (%edi)
        movl    $PHYS(boot_l3_low) + EARLY_PTE, ((DIRECTMAP_START >> 39) & 511) * 8(%edi)
        movl    $PHYS(boot_l3_image) + EARLY_PTE, ((IMAGE_START >> 39) & 511) * 8(%edi)
        mov     %edi, %cr3

        mov     $CR4_PAE, %eax
        mov     %eax, %cr4
        mov     $MSR_EFER, %ecx
        rdmsr
        or      $EFER_NXE_LME_SCE, %eax
        wrmsr
        mov     $CR0_PG_WP_NE_ET_MP_PE, %eax
        mov     %eax, %cr0
        ljmp    $BOOT_SEL_CODE64, $PHYS(boot_entry_64)

/*
 * boot_refuse: the machine cannot run the hypervisor. Says so on COM1 and on the VGA text screen,
 * and ends as the word noreboot asks: no console= was parsed yet, so both are told.
 * In:  ebp = physical address of one line of text
 */
boot_refuse:
        mov     $PHYS(com1_setup), %esi
1:      lodsw                           /* al: register, ah: value */
        test    %al, %al
        js      2f
        movzbl  %al, %edx
        add     $COM1, %edx
        mov     %ah, %al
        out     %al, %dx
        jmp     1b
2:      mov     $VGA_TEXT, %edi
        mov     $VGA_CELLS, %ecx
        mov     $0x0720, %eax
        rep stosw
        mov     $VGA_TEXT, %edi
        mov     %ebp, %esi
3:      lodsb
        test    %al, %al
        jz      6f
        mov     %al, %bl
        mov     $COM1 + 5, %edx
        mov     $100000, %ecx           /* a port that is not there must not hold up the screen */
4:      in      %dx, %al
        test    $0x20, %al
        loopz   4b
        mov     $COM1, %edx
        mov     %bl, %al
        out     %al, %dx
        cmp     $0x20, %al
        jb      3b
        mov     $0x07, %ah
        stosw
        jmp     3b

6:      call    boot_find_cmdline
        test    %esi, %esi
        jz      boot_reboot
7:      mov     $PHYS(word_noreboot), %edi
        mov     $word_noreboot_end - word_noreboot, %ecx
        push    %esi
        repe cmpsb
        mov     (%esi), %al             /* (%esi) follows the last byte compared */
        pop     %esi
        jne     8f
        cmp     $0x20, %al              /* the whole word: an end or a space comes next */
        jbe     boot_halt
8:      lodsb                           /* on to the next word */
        test    %al, %al
        jz      boot_reboot
        cmp     $0x20, %al
        jne     8b
        jmp     7b

boot_reboot:
        mov     $0xfe, %al              /* the keyboard controller's reset line */
        out     %al, $0x64
        mov     $10000000, %ecx
1:      pause
        loop    1b
        mov     $6, %al                 /* PCI reset control */
        mov     $0xcf9, %edx
        out     %al, %dx
boot_halt:
        cli
        hlt
        jmp     boot_halt

/* boot_find_cmdline: out: esi = physical address of the command line, 0 = none */
boot_find_cmdline:
        mov     PHYS(boot_information), %ebx
        xor     %esi, %esi
        cmpl    $MB1_LOADER, PHYS(boot_magic)
        jne     1f
        testl   $4, (%ebx)
        jz      9f
        mov     16(%ebx), %esi
        ret
1:      cmpl    $MB2_LOADER, PHYS(boot_magic)
        jne     9f
        mov     (%ebx), %ecx            /* total size */
        add     %ebx, %ecx
        add     $8, %ebx
2:      cmp     %ecx, %ebx
        jae     9f
        cmpl    $MB2_TAG_CMDLINE, (%ebx)
        je      3f
        cmpl    $0, (%ebx)
        je      9f
        mov     4(%ebx), %eax
        add     $7, %eax
        and     $~7, %eax
        add     %eax, %ebx
        jmp     2b
3:      lea     8(%ebx), %esi
9:      ret

        .code64
/* Still at the physical address, now with the linked one mapped too. */
boot_entry_64:
        movabs  $boot_entry_high, %rax
        jmp     *%rax
boot_entry_high:
        lea     boot_cpu_stack + STACK_SIZE - CPUINFO_size(%rip), %rsp
        xor     %eax, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        mov     boot_magic(%rip), %edi
        mov     boot_information(%rip), %esi
        xor     %ebp, %ebp
        call    boot_start
        ud2

        .balign 8
boot_gdt:
        .quad   0
        .quad   0x00cf9b000000ffff      /* 32-bit code */
        .quad   0x00cf93000000ffff      /* data */
        .quad   0x00af9b000000ffff      /* 64-bit code */
boot_gdt_pointer:
        .word   . - boot_gdt - 1
        .long   PHYS(boot_gdt)

com1_setup:     /* register, value: 115200 baud, 8n1; ended by a negative register */
        .byte   1, 0, 3, 0x80, 0, 1, 1, 0, 3, 3, 2, 7, 4, 3, 0xff, 0
text_not_multiboot:
        .asciz  "Lodge: boot: not started by a Multiboot loader; expected GRUB or QEMU\r\n"
text_no_long_mode:
        .asciz  "Lodge: boot: this CPU has no 64-bit mode (long mode); expected an x86-64 CPU\r\n"
text_no_nx:
        .asciz  "Lodge: boot: this CPU has no NX (no-execute pages); expected, and enabled\r\n"
word_noreboot:
        .ascii  "noreboot"
word_noreboot_end:

        .section .bss.page_aligned, "aw", @nobits
        .balign STACK_SIZE
        .globl  boot_cpu_stack
boot_cpu_stack:
        .skip   STACK_SIZE
        .balign 4096
boot_l4:        .skip 4096
boot_l3_low:    .skip 4096
boot_l3_image:  .skip 4096
boot_l2:        .skip 4096 * 4

        .bss
        .balign 4
boot_magic:       .long 0
boot_information: .long 0

        .section .note.GNU-stack, "", @progbits
