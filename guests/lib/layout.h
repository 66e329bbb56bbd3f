/* layout.h: the addresses a guest image is built for, for assembly, C and the linker script alike.
 */
#ifndef GUEST_LAYOUT_H
#define GUEST_LAYOUT_H

#ifdef __ASSEMBLER__
#define LITERAL(x) x
#else
#define LITERAL(x) x##UL
#endif

#define PAGE_SHIFT 12
#define PAGE_SIZE  (LITERAL(1) << PAGE_SHIFT)

/* Guest frame 0 appears here; frame n at VIRT_BASE + n * PAGE_SIZE, as far as the initial mapping
 * reaches (public/xen.h, "Start-of-day memory layout"). Top 2 GiB, so that -mcmodel=kernel works.
 */
#define VIRT_BASE LITERAL(0xffffffff80000000)
/* The image itself starts 1 MiB higher: nothing here relies on frame 0 being its first. */
#define IMAGE_BASE LITERAL(0xffffffff80100000)
/* Where the list of our machine frames is put. An L4 slot of its own, in the kernel half. */
#define P2M_BASE LITERAL(0xffffff0000000000)

/* One region per vCPU, aligned to its size: struct vcpu at the bottom, then the stack that entries
 * from user mode use, then the stack that everything else uses. */
#define VCPU_REGION_SIZE     32768
#define VCPU_ENTRY_STACK_TOP 16384

/* Offsets in struct vcpu, for entry.S; vcpu.c asserts them. */
#define VCPU_RECOVER 0

/* Pseudo vectors that the entry stubs give to what is not an exception. */
#define VECTOR_EVENT        256
#define VECTOR_FAILSAFE     257
#define VECTOR_SYSCALL      258
#define VECTOR_SYSENTER     259
#define VECTOR_NMI_CALLBACK 260

#endif
