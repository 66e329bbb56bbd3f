/* console.h: text for a person, through the hypervisor's console. */
#ifndef GUEST_CONSOLE_H
#define GUEST_CONSOLE_H

#include "types.h"

/**
 * format_text - printf into a buffer
 * %d %u %x %c %s %p with 'l', a width and a leading 0. Always terminated; returns the length.
 */
size_t format_text(char *to, size_t room, const char *format, va_list args);

/** format_to - the same with the arguments in line; returns to */
const char *format_to(char *to, size_t room, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/**
 * print - printf to the console; one line per call, at most 255 bytes
 * A line goes out in one hypercall, so that the hypervisor's own lines never stand inside it.
 */
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
