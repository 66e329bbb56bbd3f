/* The CMOS clock and memory behind ports 0x70 and 0x71. Source: MC146818A data sheet. */
#ifndef X86_PLATFORM_RTC_H
#define X86_PLATFORM_RTC_H

#include <lodge/types.h>

uint64_t rtc_read_seconds(void); /* UTC since 1970; 0 if the clock makes no sense */

/*
 * The hardware domain's accesses: the index is latched here, and written together with each access
 * of the data port.
 */
uint8_t rtc_guest_read(unsigned int port);
void rtc_guest_write(unsigned int port, uint8_t value);

#endif
