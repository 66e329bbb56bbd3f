/* The screen: 80x25 text until domain 0 starts, for ever with vga=keep. */
#ifndef X86_PLATFORM_VGA_H
#define X86_PLATFORM_VGA_H

#include <lodge/compiler.h>

void vga_init(void);    /* ioremap() works */
void vga_release(void); /* domain 0 is about to start */

/**
 * vga_console_info - what domain 0 is told of the screen
 * @to:   receives struct dom0_vga_console_info of public/xen.h
 * @room: bytes at @to
 * Returns the bytes filled in, 0 if there is no screen to tell of or no room.
 */
size_t vga_console_info(void *to, size_t room) MUST_CHECK;

#endif
