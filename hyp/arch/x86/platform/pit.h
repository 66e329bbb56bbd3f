/*
 * The 8254 timer. Channel 2 is a clock source of last resort; the hardware domain sees a channel 2
 * made of system time (speaker, and delay loops that watch it), never the chip's. Source: Intel
 * 8254 data sheet.
 */
#ifndef X86_PLATFORM_PIT_H
#define X86_PLATFORM_PIT_H

#include <lodge/types.h>

#define PIT_HZ 1193182U

bool pit_clock_init(void);
uint64_t pit_clock_read(void); /* counts upward, 16 bits */

uint8_t pit_guest_read(unsigned int port);              /* 0x42, 0x61 */
void pit_guest_write(unsigned int port, uint8_t value); /* 0x42, 0x43, 0x61 */

#endif
