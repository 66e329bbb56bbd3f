/* What only the firmware's data area tells, read once before that memory has another use. */
#ifndef X86_PLATFORM_FIRMWARE_H
#define X86_PLATFORM_FIRMWARE_H

#include <lodge/types.h>

void firmware_init(void); /* ioremap() works */
/* BIOS interrupt 16h function 2: which shift and lock keys are on */
uint8_t firmware_keyboard_flags(void);

#endif
