/* I/O ports of PV guests: who may touch which, and what an IN or OUT then does. */
#ifndef X86_PLATFORM_PORTS_H
#define X86_PLATFORM_PORTS_H

#include <lodge/types.h>

struct domain;
struct vcpu;

/* May d touch the `bytes` ports from `port` on directly (the hardware itself)? */
bool ioport_allowed(const struct domain *d, unsigned int port, unsigned int bytes);

/*
 * The complete effect of IN or OUT of a guest that its own rules (IOPL, I/O bitmap) let through:
 * the hardware, an emulated device, or nothing (all ones; dropped). bytes: 1, 2, 4. Never a fault.
 */
uint32_t guest_io_read(struct vcpu *v, unsigned int port, unsigned int bytes);
void guest_io_write(struct vcpu *v, unsigned int port, unsigned int bytes, uint32_t value);

#endif
