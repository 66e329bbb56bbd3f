/* 16550 serial ports as consoles: com1= and com2=. */
#ifndef X86_PLATFORM_SERIAL_H
#define X86_PLATFORM_SERIAL_H

#include <lodge/compiler.h>

void serial_early_init(void); /* the command line is parsed; polled from now on */
void serial_start(void);      /* interrupts and timers work: receive, and send in the background */

/* Does the hypervisor use this port? The hardware domain may not. */
bool serial_owns_port(unsigned int port);

#endif
