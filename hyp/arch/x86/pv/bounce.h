/* Entering a PV guest's kernel: the frame that a trap, an event or a system call leaves on its stack. */
#ifndef X86_PV_BOUNCE_H
#define X86_PV_BOUNCE_H

#ifndef __ASSEMBLY__
#include <lodge/compiler.h>

struct vcpu;
#endif

/* vcpu_arch.callback_flags */
#define CALLBACK_MASKS_SYSCALL   1
#define CALLBACK_MASKS_FAILSAFE  2
#define CALLBACK_MASKS_SYSCALL32 4
#define CALLBACK_MASKS_SYSENTER  8

/* entry_vector of a frame made by SYSCALL: the return may use SYSRET. */
#define ENTRY_SYSCALL 0x100

/* vcpu_arch.nmi_state */
#define NMI_PENDING    1 /* to be delivered on the next return */
#define NMI_IN_SERVICE 2 /* until the guest's next iret */
#define NMI_LATER      4 /* came while one was in service */

#ifndef __ASSEMBLY__

/*
 * Deliver now, into the frame of cpu_info: the guest continues at its handler. A handler that is not there, or a stack
 * that cannot take the frame, crashes the domain.
 */
void pv_inject_trap(unsigned int vector, uint32_t error_code); /* error code only where the vector has one */
void pv_inject_page_fault(uint64_t address, uint32_t error_code);
void pv_inject_software(unsigned int vector);                  /* int n, after the instruction; the gate's DPL was checked */
void pv_inject_failsafe(void);
void pv_inject_callback(uint64_t rip, bool mask_events, const char *what); /* what: for the report if it cannot be */

/* Called by entry.S with interrupts off when an event is pending and not masked, or an NMI is. */
void pv_deliver_pending(struct vcpu *v);

/* Guest kernel <-> guest user: GS bases and page tables. */
void pv_toggle_mode(struct vcpu *v);

#endif
#endif
