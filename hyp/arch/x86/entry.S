/*
 * The doors between guests and the hypervisor. Everything here saves registers, calls one C function and restores; the
 * two hot paths of a PV guest, a system call into its kernel and the iret hypercall back, are done on the spot.
 *
 * Stack: the end of each CPU's stack block is a struct cpu_info that begins with the guest's registers; inside a guest's
 * entry %rsp points at them. GS is the guest's own: per-CPU data is found from the stack pointer.
 */
#include "asm.h"
#include "layout.h"
#include "asm_offsets.h"
#include "pv/bounce.h"

#define HYPERVISOR_iret 23          /* public/xen.h */
#define NR_HYPERCALLS   64
#define VGCF_in_syscall_byte 25     /* bit 8 of struct iret_context.flags: byte and bit */
#define IRET_rax    0
#define IRET_r11    8
#define IRET_rcx    16
#define IRET_rip    32
#define IRET_cs     40
#define IRET_rflags 48
#define IRET_rsp    56
#define IRET_ss     64

#define VECTOR_PF       14
#define TI_MASKS_EVENTS 4           /* struct trap_info.flags */
#define PFEC_USER       4

#define FLAGS_CLEARED_ON_ENTRY ~0x74100 /* AC VM RF NT TF */
#define FLAGS_NOT_FOR_GUESTS   ~0x23000 /* VM IOPL */
#define FLAGS_IF               0x200

        .text

.macro SAVE_REGS                    /* %rsp: just below the slot of rdi */
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
        cld
.endm

.macro LOAD_REGS                    /* leaves %rsp at the slot of rip */
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
        add     $8, %rsp
.endm

/*
 * syscall_entry: every SYSCALL in 64-bit code, through this CPU's stub (pv/cpu.c). AMD64 APM vol. 2, "SYSCALL and SYSRET".
 * In:  rsp = struct cpu_info; rax = guest's rsp; rax's slot filled; rcx = rip; r11 = rflags; interrupts off
 * Out: user mode: in the guest kernel's system call callback. Kernel mode: a hypercall.
 */
FUNC(syscall_entry)
        mov     %rax, UREGS_rsp(%rsp)
        mov     CPUINFO_vcpu(%rsp), %rax
        mov     %rcx, UREGS_rip(%rsp)
        mov     %r11, UREGS_rflags(%rsp)
        cmpb    $0, VCPU_kernel_mode(%rax)
        jne     hypercall_entry

        /* From user mode. rcx and r11 are free: their contents are rip and rflags. */
        mov     VCPU_info(%rax), %r11
        mov     VCPU_cr3_kernel(%rax), %rcx
        cmpb    $0, INFO_mask(%r11)
        jne     syscall_masked
        incq    VCPU_syscalls(%rax)
        swapgs
        mov     %rcx, %cr3
        movb    $1, VCPU_kernel_mode(%rax)
        mov     VCPU_kernel_sp(%rax), %rcx      /* aligned, and outside the hole, since it was set */
        mov     UREGS_rsp(%rsp), %r11
        EX(syscall_fault, movq $SEL_GUEST_DATA, -8(%rcx))
        EX(syscall_fault, mov %r11, -16(%rcx))
        mov     UREGS_rflags(%rsp), %r11        /* IF is set, and so says the mask */
        EX(syscall_fault, mov %r11, -24(%rcx))
        EX(syscall_fault, movq $SEL_GUEST_CODE64, -32(%rcx))
        EX(syscall_fault, mov %r11, -48(%rcx))
        mov     UREGS_rip(%rsp), %r11
        EX(syscall_fault, mov %r11, -40(%rcx))
        EX(syscall_fault, mov %r11, -56(%rcx))
        testb   $CALLBACK_MASKS_SYSCALL, VCPU_callback_flags(%rax)
        jne     syscall_masks
1:      lea     -56(%rcx), %rcx
        mov     UREGS_rflags(%rsp), %r11
        and     $FLAGS_CLEARED_ON_ENTRY, %r11d
        mov     %rcx, UREGS_rsp(%rsp)
        mov     VCPU_syscall_callback(%rax), %rcx /* canonical since it was set */
        mov     UREGS_rax(%rsp), %rax
        mov     UREGS_rsp(%rsp), %rsp
        sysretq
syscall_masks:
        mov     VCPU_info(%rax), %r11
        movb    $1, INFO_mask(%r11)
        jmp     1b
END(syscall_entry)

.macro STORE_REGS                   /* %rsp: struct cpu_info. All but rax, which its users have dealt with */
        mov     %rdi, UREGS_rdi(%rsp)
        mov     %rsi, UREGS_rsi(%rsp)
        mov     %rdx, UREGS_rdx(%rsp)
        mov     %rcx, UREGS_rcx(%rsp)
        mov     %r8, UREGS_r8(%rsp)
        mov     %r9, UREGS_r9(%rsp)
        mov     %r10, UREGS_r10(%rsp)
        mov     %r11, UREGS_r11(%rsp)
        mov     %rbx, UREGS_rbx(%rsp)
        mov     %rbp, UREGS_rbp(%rsp)
        mov     %r12, UREGS_r12(%rsp)
        mov     %r13, UREGS_r13(%rsp)
        mov     %r14, UREGS_r14(%rsp)
        mov     %r15, UREGS_r15(%rsp)
.endm

.macro SAVE_SYSCALL_FRAME /* all but rax, rip, rflags, rsp, which are saved */
        STORE_REGS
        movl    $0, UREGS_error_code(%rsp)
        movl    $ENTRY_SYSCALL, UREGS_entry_vector(%rsp)
        movq    $SEL_GUEST_CODE64, UREGS_cs(%rsp)
        movq    $SEL_GUEST_DATA, UREGS_ss(%rsp)
.endm

/*
 * compat_syscall_entry: SYSCALL in 32-bit code, through this CPU's second stub. In: as syscall_entry.
 * sysenter_entry: SYSENTER in 32-bit code (Intel). In: rsp = end of regs, from the MSR; neither rip nor rsp was saved,
 * which is how the CPU does it: the kernel knows where its users call from. Intel SDM vol. 2, "SYSENTER".
 */
FUNC(compat_syscall_entry)
        mov     %rax, UREGS_rsp(%rsp)
        mov     %rcx, UREGS_rip(%rsp)
        mov     %r11, UREGS_rflags(%rsp)
        SAVE_SYSCALL_FRAME
        movl    $0, UREGS_entry_vector(%rsp)
        movq    $SEL_GUEST_CODE32, UREGS_cs(%rsp)
        orl     $FLAGS_IF, UREGS_rflags(%rsp)
        cld
        call    pv_compat_syscall
        jmp     guest_return_check
END(compat_syscall_entry)

FUNC(sysenter_entry)
        sub     $UREGS_es, %rsp
        mov     %rax, UREGS_rax(%rsp)
        movq    $0, UREGS_rsp(%rsp)
        movq    $0, UREGS_rip(%rsp)
        pushfq
        pop     %rax
        mov     %rax, UREGS_rflags(%rsp)
        SAVE_SYSCALL_FRAME
        movl    $0, UREGS_entry_vector(%rsp)
        movq    $SEL_GUEST_CODE32, UREGS_cs(%rsp)
        andl    $~0x100, UREGS_rflags(%rsp)     /* SYSENTER leaves TF as it was */
        orl     $FLAGS_IF, UREGS_rflags(%rsp)
        pushq   $2
        popfq
        call    pv_sysenter
        jmp     guest_return_check
END(sysenter_entry)

/* A system call while the kernel has events masked (no Linux does this), or one whose stack faulted: C decides. */
FUNC(syscall_masked)
        mov     UREGS_rip(%rsp), %rcx
        mov     UREGS_rflags(%rsp), %r11
        SAVE_SYSCALL_FRAME
        call    pv_syscall_slow
        jmp     guest_return_check
syscall_fault:
        mov     UREGS_rip(%rsp), %rcx
        mov     UREGS_rflags(%rsp), %r11
        SAVE_SYSCALL_FRAME
        call    pv_frame_fault
        jmp     guest_return_check
END(syscall_masked)

/*
 * hypercall_entry: SYSCALL in the guest's kernel. In: as syscall_entry; rax = struct vcpu *.
 * Arguments rdi rsi rdx r10 r8; public/arch-x86/xen.h, "Hypercall interface".
 */
FUNC(hypercall_entry)
        cmpl    $HYPERVISOR_iret, UREGS_rax(%rsp)
        je      hypercall_iret_fast
hypercall_general:
        STORE_REGS
        movl    $ENTRY_SYSCALL, UREGS_entry_vector(%rsp)
        movq    $SEL_GUEST_CODE64, UREGS_cs(%rsp)
        movq    $SEL_GUEST_DATA, UREGS_ss(%rsp)
        sti
        mov     UREGS_rax(%rsp), %r9
        mov     hypercall_dispatch(%rip), %r11
        cmp     $NR_HYPERCALLS, %r9
        jae     2f
        mov     %r10, %rcx
        sbb     %r10, %r10                      /* all ones: r9 is below the limit, also while speculating */
        and     %r10, %r9
        incq    VCPU_hypercalls(%rax, %r9, 8)
        call    *(%r11, %r9, 8)
1:      cmp     $NEG_ERESTART, %eax
        je      guest_return_check              /* the frame already says how to repeat it */
        cli
        mov     CPUINFO_softirq_bits(%rsp), %rcx
        mov     CPUINFO_vcpu(%rsp), %rdx
        mov     %rax, UREGS_rax(%rsp)
        cmpl    $0, (%rcx)
        mov     VCPU_info(%rdx), %rcx
        jne     guest_return_check
        cmpb    $0, VCPU_nmi_state(%rdx)
        jne     guest_return_check
        cmpb    $0, INFO_pending(%rcx)
        mov     UREGS_rip(%rsp), %rcx
        jne     guest_return_check
        test    %rcx, %rcx                      /* in the upper half it cannot have left the canonical addresses */
        jns     guest_return_check
        mov     UREGS_rflags(%rsp), %r11        /* rbx, rbp, r12 to r15: C has kept them */
        mov     UREGS_r10(%rsp), %r10
        mov     UREGS_r9(%rsp), %r9
        mov     UREGS_r8(%rsp), %r8
        mov     UREGS_rdx(%rsp), %rdx
        mov     UREGS_rsi(%rsp), %rsi
        mov     UREGS_rdi(%rsp), %rdi
        mov     UREGS_rsp(%rsp), %rsp
        sysretq
2:      mov     $NEG_ENOSYS, %rax
        jmp     1b
END(hypercall_entry)

/*
 * hypercall_iret_fast: the kernel returns to user mode with events enabled and none waiting. Anything else, and any
 * doubt, goes to hypercall_iret() in pv/iret.c, which starts again from the guest's frame: until the commit below
 * only slots that it does not need are changed. public/arch-x86/xen-x86_64.h, struct iret_context.
 */
FUNC(hypercall_iret_fast)
        mov     UREGS_rsp(%rsp), %rcx           /* the guest's frame */
        mov     %rcx, %r11
        shr     $43, %r11
        cmp     $HOLE_TOP_BITS, %r11d
        je      iret_general
        EX(iret_general, mov IRET_cs(%rcx), %r11)
        mov     %r11w, UREGS_cs(%rsp)
        inc     %r11d
        test    $3, %r11b                       /* RPL 3: to user mode */
        jne     iret_general
        EX(iret_general, mov IRET_rflags(%rcx), %r11)
        test    $FLAGS_IF, %r11d
        je      iret_general
        mov     %r11, UREGS_rflags(%rsp)
        mov     VCPU_info(%rax), %r11
        cmpb    $0, INFO_pending(%r11)
        jne     iret_general
        cmpw    $0, VCPU_traced(%rax)           /* and nmi_state */
        jne     iret_general
        cmpq    $0, VCPU_cr3_user(%rax)
        je      iret_general
        EX(iret_general, testb $1, VGCF_in_syscall_byte(%rcx))
        je      1f

        EX(iret_general, mov IRET_rip(%rcx), %r11)
        mov     %r11, UREGS_rip(%rsp)
        shr     $47, %r11                       /* SYSRET to a non-canonical address faults in ring 0 */
        jne     1f
        EX(iret_general, mov IRET_rax(%rcx), %r11)
        mov     %r11, UREGS_r15(%rsp)           /* borrowed: r15 itself is untouched */
        EX(iret_general, mov IRET_rsp(%rcx), %r11)
        mov     %r11, UREGS_rsp(%rsp)
        /* Commit. */
        incq    VCPU_hypercalls + 8 * HYPERVISOR_iret(%rax)
        mov     VCPU_info(%rax), %r11
        mov     VCPU_cr3_user(%rax), %rcx
        movb    $0, INFO_mask(%r11)
        movb    $0, VCPU_kernel_mode(%rax)
        swapgs
        mov     %rcx, %cr3
        mov     UREGS_rflags(%rsp), %r11
        mov     UREGS_rip(%rsp), %rcx
        and     $FLAGS_NOT_FOR_GUESTS, %r11d
        mov     UREGS_r15(%rsp), %rax
        mov     UREGS_rsp(%rsp), %rsp
        sysretq

1:      EX(iret_general, mov IRET_rax(%rcx), %r11)
        mov     %r11, UREGS_r15(%rsp)
        EX(iret_general, mov IRET_rcx(%rcx), %r11)
        mov     %r11, UREGS_rcx(%rsp)
        EX(iret_general, mov IRET_r11(%rcx), %r11)
        mov     %r11, UREGS_r11(%rsp)
        EX(iret_general, mov IRET_rip(%rcx), %r11)
        mov     %r11, UREGS_rip(%rsp)
        EX(iret_general, mov IRET_ss(%rcx), %r11)
        mov     %r11w, UREGS_ss(%rsp)
        EX(iret_general, mov IRET_rsp(%rcx), %r11)
        mov     %r11, UREGS_rsp(%rsp)
        /* Commit. */
        incq    VCPU_hypercalls + 8 * HYPERVISOR_iret(%rax)
        mov     VCPU_info(%rax), %r11
        mov     VCPU_cr3_user(%rax), %rcx
        movb    $0, INFO_mask(%r11)
        movb    $0, VCPU_kernel_mode(%rax)
        swapgs
        mov     %rcx, %cr3
        andl    $FLAGS_NOT_FOR_GUESTS, UREGS_rflags(%rsp)
        orw     $3, UREGS_ss(%rsp)
        mov     UREGS_r11(%rsp), %r11
        mov     UREGS_rcx(%rsp), %rcx
        mov     UREGS_r15(%rsp), %rax
        mov     %rax, UREGS_rax(%rsp)
        add     $UREGS_rip, %rsp
        EX(iret_fast_fault, iretq)
iret_fast_fault:                                /* the frame's selectors or rip are bad: the registers are the guest's */
        sub     $UREGS_rip, %rsp
        mov     %rax, UREGS_rax(%rsp)
        STORE_REGS
        call    pv_return_fault
        jmp     guest_return_check
iret_general:                                   /* rcx and r11 die in SYSCALL anyway */
        jmp     hypercall_general
END(hypercall_iret_fast)

/*
 * guest_return: C's way back into the guest. Interrupts in any state; what is on the stack is dropped.
 * guest_return_check: %rsp = struct cpu_info. Runs softirqs, delivers what is pending, returns with iret or sysret.
 */
FUNC(guest_return)
        mov     %rsp, %rax
        or      $(STACK_SIZE - 1), %rax
        lea     1 - CPUINFO_size(%rax), %rsp
guest_return_check:
        cli
        mov     CPUINFO_softirq_bits(%rsp), %rax
        mov     CPUINFO_vcpu(%rsp), %rbx
        cmpl    $0, (%rax)
        jne     return_softirq
        testb   $NMI_PENDING, VCPU_nmi_state(%rbx)
        mov     VCPU_info(%rbx), %rax
        jne     return_deliver
        cmpb    $0, INFO_pending(%rax)
        je      return_restore
        cmpb    $0, INFO_mask(%rax)
        je      return_deliver
return_restore:
        testl   $ENTRY_SYSCALL, UREGS_entry_vector(%rsp)
        mov     UREGS_rip(%rsp), %rcx
        je      1f
        sar     $47, %rcx
        inc     %rcx
        cmp     $1, %rcx                        /* canonical: the sign bits were all ones or all zeroes */
        ja      1f
        mov     UREGS_r15(%rsp), %r15
        mov     UREGS_r14(%rsp), %r14
        mov     UREGS_r13(%rsp), %r13
        mov     UREGS_r12(%rsp), %r12
        mov     UREGS_rbp(%rsp), %rbp
        mov     UREGS_rbx(%rsp), %rbx
        mov     UREGS_rflags(%rsp), %r11
        mov     UREGS_r10(%rsp), %r10
        mov     UREGS_r9(%rsp), %r9
        mov     UREGS_r8(%rsp), %r8
        mov     UREGS_rax(%rsp), %rax
        mov     UREGS_rip(%rsp), %rcx
        mov     UREGS_rdx(%rsp), %rdx
        mov     UREGS_rsi(%rsp), %rsi
        mov     UREGS_rdi(%rsp), %rdi
        mov     UREGS_rsp(%rsp), %rsp
        sysretq
1:      LOAD_REGS
        EX(return_fault, iretq)
return_fault:                                   /* bad cs, ss or rip in the frame: all registers are the guest's */
        sub     $8, %rsp
        SAVE_REGS
        call    pv_return_fault
        jmp     guest_return_check
return_softirq:
        sti
        call    softirq_process
        jmp     guest_return_check
return_deliver:
        mov     %rbx, %rdi
        call    pv_deliver_pending
        jmp     guest_return_check
END(guest_return)

/* stack_reset_and_jump(rdi = function): abandon this CPU's stack. */
FUNC(stack_reset_and_jump)
        mov     %rsp, %rax
        or      $(STACK_SIZE - 1), %rax
        lea     1 - CPUINFO_size(%rax), %rsp
        xor     %ebp, %ebp
        push    $0                              /* no return address: a stack dump ends here */
        jmp     *%rdi
END(stack_reset_and_jump)

/*
 * Exceptions and interrupts. AMD64 APM vol. 2, "Long-Mode Interrupt Control Transfers": in 64-bit mode the CPU pushes
 * ss rsp rflags cs rip [error code], on the stack of the TSS when it comes from ring 3, else on the current one.
 */
FUNC(trap_common)
        SAVE_REGS
        mov     %rsp, %rdi
        testb   $3, UREGS_cs(%rsp)
        je      1f
        call    trap_handle
        jmp     guest_return_check
1:      call    trap_handle
        LOAD_REGS
        iretq
END(trap_common)

/*
 * page_fault_entry: a fault of a guest's user goes to its kernel on the spot, as a system call does; every other one is for C.
 * The frame is that of pv/bounce.c: rcx r11 error rip cs rflags rsp ss.
 * In: rsp = slot of the error code
 */
FUNC(page_fault_entry)
        testb   $3, 16(%rsp)                    /* error code/vector, rip, cs */
        je      trap_common
        sub     $UREGS_error_code, %rsp
        mov     %rax, UREGS_rax(%rsp)
        mov     CPUINFO_vcpu(%rsp), %rax
        cmpw    $0, VCPU_kernel_mode(%rax)      /* and traced */
        jne     1f
        mov     %rcx, UREGS_rcx(%rsp)
        mov     %r11, UREGS_r11(%rsp)
        mov     %cr2, %rcx
        mov     %rcx, %r11
        shr     $43, %r11
        cmp     $HOLE_TOP_BITS, %r11d
        je      2f
        mov     VCPU_info(%rax), %r11
        cmpb    $0, INFO_mask(%r11)
        jne     2f
        mov     %rcx, INFO_cr2(%r11)
        mov     %rcx, VCPU_cr2_fault(%rax)
        mov     VCPU_traps(%rax), %rcx
        cmpq    $0, VECTOR_PF * TRAP_size + TRAP_address(%rcx)
        je      2f
        testb   $TI_MASKS_EVENTS, VECTOR_PF * TRAP_size + TRAP_flags(%rcx)
        je      3f
        movb    $1, INFO_mask(%r11)
3:      mov     VCPU_cr3_kernel(%rax), %rcx
        incq    VCPU_exceptions + 8 * VECTOR_PF(%rax)
        swapgs
        mov     %rcx, %cr3
        movb    $1, VCPU_kernel_mode(%rax)
        mov     VCPU_kernel_sp(%rax), %rcx      /* aligned, and outside the hole, since it was set */
        mov     UREGS_ss(%rsp), %r11
        EX(page_fault_fault, mov %r11, -8(%rcx))
        mov     UREGS_rsp(%rsp), %r11
        EX(page_fault_fault, mov %r11, -16(%rcx))
        mov     UREGS_rflags(%rsp), %r11
        EX(page_fault_fault, mov %r11, -24(%rcx))
        movzwl  UREGS_cs(%rsp), %r11d           /* the mask above it was clear */
        EX(page_fault_fault, mov %r11, -32(%rcx))
        mov     UREGS_rip(%rsp), %r11
        EX(page_fault_fault, mov %r11, -40(%rcx))
        mov     UREGS_error_code(%rsp), %r11d
        or      $PFEC_USER, %r11d
        EX(page_fault_fault, mov %r11, -48(%rcx))
        mov     UREGS_r11(%rsp), %r11
        EX(page_fault_fault, mov %r11, -56(%rcx))
        mov     UREGS_rcx(%rsp), %r11
        EX(page_fault_fault, mov %r11, -64(%rcx))
        sub     $64, %rcx
        mov     UREGS_rflags(%rsp), %r11
        and     $FLAGS_CLEARED_ON_ENTRY, %r11d
        mov     %rcx, UREGS_rsp(%rsp)
        mov     VCPU_traps(%rax), %rcx
        mov     VECTOR_PF * TRAP_size + TRAP_address(%rcx), %rcx /* canonical since it was set */
        mov     UREGS_rax(%rsp), %rax
        mov     UREGS_rsp(%rsp), %rsp
        sysretq
2:      mov     UREGS_rcx(%rsp), %rcx
        mov     UREGS_r11(%rsp), %r11
1:      mov     UREGS_rax(%rsp), %rax
        add     $UREGS_error_code, %rsp
        jmp     trap_common
page_fault_fault:                               /* the kernel's stack cannot take it */
        mov     UREGS_rcx(%rsp), %rcx
        mov     UREGS_r11(%rsp), %r11
        mov     UREGS_rax(%rsp), %rax
        add     $UREGS_error_code, %rsp
        SAVE_REGS
        call    pv_frame_fault
        jmp     guest_return_check
END(page_fault_entry)

FUNC(irq_common)
        SAVE_REGS
        mov     %rsp, %rdi
        testb   $3, UREGS_cs(%rsp)
        je      1f
        call    irq_handle
        jmp     guest_return_check
1:      call    irq_handle
        LOAD_REGS
        iretq
END(irq_common)

/* NMI, #DF, #MC have stacks of their own and may interrupt any instruction: no softirqs, no delivery on the way back. */
FUNC(ist_common)
        SAVE_REGS
        mov     %rsp, %rdi
        call    trap_handle
        LOAD_REGS
        iretq
END(ist_common)

/*
 * #DB has its own stack because MOV SS delays it into the first instruction of an entry, where rsp is the guest's
 * (AMD64 APM vol. 2, "Masking External and Debug Exceptions"). One that comes from a guest moves to the CPU's stack.
 */
FUNC(db_common)
        testb   $3, 16(%rsp)                    /* error code/vector, rip, cs */
        je      ist_common
        push    %rax
        mov     %rsp, %rax
        or      $(STACK_SIZE - 1), %rax
        lea     1 - CPUINFO_size + UREGS_es(%rax), %rax /* where the frame would have ended */
        pushq   48(%rsp)                        /* ss */
        popq    -8(%rax)
        pushq   40(%rsp)
        popq    -16(%rax)
        pushq   32(%rsp)
        popq    -24(%rax)
        pushq   24(%rsp)
        popq    -32(%rax)
        pushq   16(%rsp)
        popq    -40(%rax)
        pushq   8(%rsp)
        popq    -48(%rax)
        pushq   (%rsp)
        popq    -56(%rax)                       /* rax, for a moment where rdi will be */
        lea     -56(%rax), %rsp
        pop     %rax
        jmp     trap_common
END(db_common)

/* AMD64 APM vol. 2, "Vectors": which exceptions push an error code. */
        .balign 16
        .global entry_stubs
        .hidden entry_stubs
entry_stubs:
vector = 0
        .rept 256
        .balign 16
        .if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 || vector == 29 || vector == 30)
        push    $0
        .endif
        movl    $vector, 4(%rsp)
        .if vector == 2 || vector == 8 || vector == 18
        jmp     ist_common
        .elseif vector == 1
        jmp     db_common
        .elseif vector == VECTOR_PF
        jmp     page_fault_entry
        .elseif vector < 32 || vector == 0x80
        jmp     trap_common
        .else
        jmp     irq_common
        .endif
vector = vector + 1
        .endr
        .size entry_stubs, . - entry_stubs

        .section .note.GNU-stack, "", @progbits
