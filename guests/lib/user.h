/* user.h: programs in user mode.
 *
 * On x86-64 kernel and user of a PV guest both run at CPL 3; what tells them apart is which of two
 * page tables is in use, and the hypervisor changes it on the way. Code and data marked for user
 * mode are mapped a second time, at USER_BASE, in the half that both tables share. */
#ifndef GUEST_USER_H
#define GUEST_USER_H

#include "layout.h"
#include "trap.h"
#include "types.h"

#define USER_BASE 0x400000UL
#define USER_DATA __attribute__((section(".user"), used))

extern uint8_t user_start[], user_end[];

/* Where user mode sees something that the image holds in its .user section. */
#define USER_ADDRESS(symbol) (USER_BASE + ((unsigned long)(symbol) - (unsigned long)user_start))

/** USER_PROBE - as PROBE, for user mode; it ends with the system call that user_run() waits for */
#define USER_PROBE(name, instructions)                              \
    extern uint8_t name[];                                          \
    __asm__(".pushsection .user, \"aw\"\n" #name ":\n" instructions \
            "\nmov $0x600d, %eax\nsyscall\nud2\n.popsection\n")
#define USER_EXIT 0x600d

/** user_init - build the user page table; once per image */
void user_init(void);

/** user_root - the user L4 */
uint64_t *user_root(void);

/** user_stack_top - where a user program's stack starts, as user mode sees it */
unsigned long user_stack_top(void);

/**
 * user_run - run a USER_PROBE with rdi = arg until it leaves user mode for whatever reason
 * Returns report->vector: VECTOR_SYSCALL with rax == USER_EXIT if it ran to its end.
 */
int user_run(const void *probe, unsigned long arg, struct trap_report *report);

/** user_run_flags - the same with rflags of the caller's choice */
int user_run_flags(const void *probe, unsigned long arg, uint64_t rflags,
                   struct trap_report *report);

#endif
