/* console.c: printf and the console_io hypercall. */
#include "console.h"
#include "hypercall.h"

static size_t put(char *to, size_t room, size_t at, char c)
{
    if (at + 1 < room) {
        to[at] = c;
        return at + 1;
    }
    return at;
}

static size_t put_number(char *to, size_t room, size_t at, unsigned long value, unsigned int base,
                         unsigned int width, char pad)
{
    char digits[24];
    unsigned int n = 0;

    do {
        digits[n++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    while (n < width && width < sizeof(digits)) {
        digits[n++] = pad;
    }
    while (n) {
        at = put(to, room, at, digits[--n]);
    }
    return at;
}

static size_t put_signed(char *to, size_t room, size_t at, long value, unsigned int width, char pad)
{
    if (value < 0) {
        at = put(to, room, at, '-');
        return put_number(to, room, at, -(unsigned long)value, 10, width, pad);
    }
    return put_number(to, room, at, value, 10, width, pad);
}

static size_t put_string(char *to, size_t room, size_t at, const char *s, unsigned int width)
{
    size_t length = strlen(s);

    while (*s) {
        at = put(to, room, at, *s++);
    }
    for (; length < width; length++) {
        at = put(to, room, at, ' ');
    }
    return at;
}

size_t format_text(char *to, size_t room, const char *format, va_list args)
{
    size_t at = 0;
    unsigned int width;
    bool is_long;
    char pad;

    for (; *format; format++) {
        if (*format != '%') {
            at = put(to, room, at, *format);
            continue;
        }
        format++;
        width = 0;
        is_long = false;
        pad = *format == '0' ? '0' : ' ';
        while (*format >= '0' && *format <= '9') {
            width = width * 10 + (*format++ - '0');
        }
        while (*format == 'l') {
            is_long = true;
            format++;
        }
        switch (*format) {
        case 'd':
            at = put_signed(to, room, at, is_long ? va_arg(args, long) : va_arg(args, int), width,
                            pad);
            break;
        case 'u':
        case 'x':
            at = put_number(to, room, at,
                            is_long ? va_arg(args, unsigned long) : va_arg(args, unsigned int),
                            *format == 'u' ? 10 : 16, width, pad);
            break;
        case 'p':
            at = put_number(to, room, at, (unsigned long)va_arg(args, void *), 16, 16, '0');
            break;
        case 's':
            at = put_string(to, room, at, va_arg(args, const char *), width);
            break;
        case 'c':
            at = put(to, room, at, va_arg(args, int));
            break;
        default:
            at = put(to, room, at, *format);
            break;
        }
    }
    to[at] = '\0';
    return at;
}

const char *format_to(char *to, size_t room, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    format_text(to, room, format, args);
    va_end(args);
    return to;
}

void print(const char *format, ...)
{
    char line[256];
    va_list args;
    size_t length;

    va_start(args, format);
    length = format_text(line, sizeof(line), format, args);
    va_end(args);
    /* Without a console there is nobody to tell. */
    (void)xen_console_io(CONSOLEIO_write, length, line);
}
