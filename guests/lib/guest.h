/* guest.h: everything that a guest program may want, and the function that it supplies. */
#ifndef GUEST_H
#define GUEST_H

#include "clock.h"
#include "console.h"
#include "event.h"
#include "hypercall.h"
#include "memory.h"
#include "pagetable.h"
#include "report.h"
#include "trap.h"
#include "user.h"
#include "vcpu.h"

/* The registers as they were at the first instruction; start.S fills them in. */
struct boot_regs {
    uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp, r8, r9, r10, r11, r12, r13, r14, r15;
    uint64_t rflags, cs, ss, ds, es, fs, gs;
};

extern struct boot_regs boot_regs;
extern uint8_t image_start[], image_end[];

/** guest_option - the text after NAME= on the command line, up to a space; or NULL */
const char *guest_option(const char *name);

/** guest_option_is - does the command line say name=value? */
bool guest_option_is(const char *name, const char *value);

/** guest_main - the guest program; events are masked, traps installed. Returning ends the guest. */
void guest_main(void);

#endif
