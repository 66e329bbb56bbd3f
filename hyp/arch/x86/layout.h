/*
 * The hypervisor's address space: L4 slots 256 to 271, which public/arch-x86/xen-x86_64.h reserves in every PV guest.
 * Used from C, assembly and the linker script. All of it is Global, as no guest entry is; user-accessible is only the M2P.
 *
 *   slot 256  ffff8000_00000000  M2P, read-only, user-accessible      256 GiB
 *   slot 261  ffff8280_00000000  M2P again, writable                  256 GiB
 *             ffff82c0_00000000  image (text, data)                     1 GiB
 *             ffff82c1_00000000  windows: one per vCPU (GDT, LDT)       8 GiB
 *             ffff82c4_00000000  device memory (ioremap)               64 GiB
 *                                its last 2 MiB: a page for each CPU (mm/io_page.h)
 *             ffff82e0_00000000  frame table                          128 GiB
 *   slot 262+ ffff8300_00000000  all RAM (direct map)                   5 TiB
 */
#ifndef X86_LAYOUT_H
#define X86_LAYOUT_H

#ifdef __ASSEMBLY__
#define LAYOUT(x) x
#else
#define LAYOUT(x) x##UL
#endif

#define HOLE_START      LAYOUT(0xffff800000000000)
#define HOLE_END        LAYOUT(0xffff880000000000)
#define HOLE_TOP_BITS   0x1ffff0 /* address >> 43 of everything in the hole */
#define HOLE_SLOT_FIRST 256
#define HOLE_SLOT_END   272

#define M2P_START        LAYOUT(0xffff800000000000)
#define M2P_SIZE         LAYOUT(0x4000000000)
#define M2P_RW_START     LAYOUT(0xffff828000000000)
#define IMAGE_START      LAYOUT(0xffff82c000000000) /* the image is linked at IMAGE_START + IMAGE_PADDR */
#define WINDOW_START     LAYOUT(0xffff82c100000000)
#define IOREMAP_START    LAYOUT(0xffff82c400000000)
#define IOREMAP_END      LAYOUT(0xffff82d3ffe00000)
#define IO_PAGES_START   LAYOUT(0xffff82d3ffe00000)
#define FRAMETABLE_START LAYOUT(0xffff82e000000000)
#define DIRECTMAP_START  LAYOUT(0xffff830000000000)
#define DIRECTMAP_END    LAYOUT(0xffff880000000000)

#define IMAGE_PADDR 0x200000

#define STACK_ORDER 3
#define STACK_SIZE  (LAYOUT(4096) << STACK_ORDER) /* per CPU: #DF, NMI, #MC, #DB pages (IST 1-4), one guard page, 3 pages of stack */

/* A vCPU's window: 16 pages of GDT (the last two ours), 16 pages of LDT. */
#define VCPU_WINDOW_GDT_PAGES 16
#define VCPU_WINDOW_SIZE      LAYOUT(0x20000)
#define VCPU_WINDOW_LDT       LAYOUT(0x10000)

/* Reserved part of every GDT (from 0xe000): selectors of public/arch-x86/xen-x86_64.h and our own. */
#define GDT_RESERVED_PAGE  14
#define SEL_HYP_CODE       0xe008
#define SEL_HYP_DATA       0xe010
#define SEL_GUEST_CODE32   0xe023
#define SEL_GUEST_DATA     0xe02b
#define SEL_GUEST_CODE64   0xe033
#define SEL_TSS            0xe040 /* 16 bytes */
#define SEL_LDT            0xe050 /* 16 bytes */

#endif
