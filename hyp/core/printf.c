/* Formatted text into a buffer, without floating point. */
#include "core/log.h"
#include <lodge/string.h>

/* The text so far: what did not fit is counted all the same. */
struct text {
    char *to;
    size_t room; /* for characters; the NUL has its own */
    size_t n;
};

struct spec {
    bool left, zero, alternate, upper;
    char sign;     /* '+' or ' ' for numbers that are not negative, else 0 */
    int width;
    int precision; /* -1: none given */
};

static void text_put(struct text *t, char c)
{
    if (t->n < t->room) {
        t->to[t->n] = c;
    }
    t->n++;
}

static void text_fill(struct text *t, char c, int count)
{
    for (; count > 0; count--) {
        text_put(t, c);
    }
}

static void text_string(struct text *t, const struct spec *sp, const char *s)
{
    size_t n;

    if (!s) {
        s = "(null)";
    }
    n = sp->precision >= 0 ? strnlen(s, (size_t)sp->precision) : strlen(s);
    if (!sp->left) {
        text_fill(t, ' ', sp->width - (int)n);
    }
    for (size_t i = 0; i < n; i++) {
        text_put(t, s[i]);
    }
    if (sp->left) {
        text_fill(t, ' ', sp->width - (int)n);
    }
}

static void text_number(struct text *t, const struct spec *sp, uint64_t v, unsigned int base,
                        bool negative)
{
    const char *digits = sp->upper ? "0123456789ABCDEF" : "0123456789abcdef";
    char sign = negative ? '-' : sp->sign;
    int prefix = sp->alternate && v && base == 16 ? 2 : 0;
    char reversed[24];
    int n = 0, zeros, spaces;

    for (; v; v /= base) {
        reversed[n++] = digits[v % base];
    }
    zeros = sp->precision >= 0 ? sp->precision - n : n ? 0 : 1;
    zeros = MAX(zeros, 0);
    spaces = sp->width - n - zeros - prefix - (sign ? 1 : 0);
    if (sp->zero && !sp->left && sp->precision < 0 && spaces > 0) {
        zeros += spaces;
        spaces = 0;
    }
    if (!sp->left) {
        text_fill(t, ' ', spaces);
    }
    if (sign) {
        text_put(t, sign);
    }
    if (prefix) {
        text_put(t, '0');
        text_put(t, sp->upper ? 'X' : 'x');
    }
    text_fill(t, '0', zeros);
    while (n) {
        text_put(t, reversed[--n]);
    }
    if (sp->left) {
        text_fill(t, ' ', spaces);
    }
}

static void text_symbol(struct text *t, uint64_t addr)
{
    uint64_t offset = 0;
    const char *name = symbol_name ? symbol_name(addr, &offset) : NULL;
    struct spec plain = { .precision = -1, .alternate = true };

    if (!name) {
        plain = (struct spec){ .precision = 16 };
        text_number(t, &plain, addr, 16, false);
        return;
    }
    text_string(t, &plain, name);
    text_put(t, '+');
    if (!offset) {
        text_string(t, &plain, "0x");
    }
    text_number(t, &plain, offset, 16, false);
}

static const char *parse_flags(const char *fmt, struct spec *sp)
{
    for (;; fmt++) {
        switch (*fmt) {
        case '-': sp->left = true; break;
        case '0': sp->zero = true; break;
        case '#': sp->alternate = true; break;
        case '+': sp->sign = '+'; break;
        case ' ': sp->sign = sp->sign ? sp->sign : ' '; break;
        default: return fmt;
        }
    }
}

static const char *parse_count(const char *fmt, int *count)
{
    *count = 0;
    for (; *fmt >= '0' && *fmt <= '9'; fmt++) {
        *count = MIN(*count * 10 + (*fmt - '0'), 4096);
    }
    return fmt;
}

/* Bytes of the argument that the length letters ask for; every one but int is passed in 8. */
static const char *parse_length(const char *fmt, unsigned int *size)
{
    *size = 4;
    for (;; fmt++) {
        switch (*fmt) {
        case 'h': *size /= 2; break;
        case 'l': case 'z': case 'j': case 't': *size = 8; break;
        default: return fmt;
        }
    }
}

static int64_t sign_extend(uint64_t v, unsigned int size)
{
    unsigned int shift = 64 - 8 * size;

    return (int64_t)(v << shift) >> shift;
}

static uint64_t zero_extend(uint64_t v, unsigned int size)
{
    unsigned int shift = 64 - 8 * size;

    return v << shift >> shift;
}

/* Everything between '%' and the conversion letter, at which it returns. */
static const char *parse_spec(const char *fmt, struct spec *sp, unsigned int *size, va_list *args)
{
    fmt = parse_flags(fmt, sp);
    if (*fmt == '*') {
        sp->width = va_arg(*args, int);
        if (sp->width < 0) {
            sp->left = true;
            sp->width = -sp->width;
        }
        fmt++;
    } else {
        fmt = parse_count(fmt, &sp->width);
    }
    if (*fmt == '.') {
        if (*++fmt == '*') {
            sp->precision = va_arg(*args, int);
            fmt++;
        } else {
            fmt = parse_count(fmt, &sp->precision);
        }
    }
    return parse_length(fmt, size);
}

static uint64_t next_integer(unsigned int size, va_list *args)
{
    return size == 8 ? va_arg(*args, uint64_t) : va_arg(*args, unsigned int);
}

/* One conversion; returns what follows it. */
static const char *convert(struct text *t, const char *fmt, va_list *args)
{
    struct spec sp = { .precision = -1 };
    unsigned int size;
    char c[2] = "";
    uint64_t v;

    fmt = parse_spec(fmt, &sp, &size, args);
    switch (*fmt) {
    case 'd':
    case 'i':
        v = (uint64_t)sign_extend(next_integer(size, args), size);
        text_number(t, &sp, v >> 63 ? -v : v, 10, v >> 63);
        break;
    case 'u':
    case 'x':
    case 'X':
    case 'o':
        v = zero_extend(next_integer(size, args), size);
        sp.upper = *fmt == 'X';
        sp.sign = 0;
        text_number(t, &sp, v, *fmt == 'u' ? 10 : *fmt == 'o' ? 8 : 16, false);
        break;
    case 'p':
        v = (uint64_t)(uintptr_t)va_arg(*args, void *);
        if (fmt[1] == 'S') {
            text_symbol(t, v);
            return fmt + 2;
        }
        sp.precision = 16;
        text_number(t, &sp, v, 16, false);
        break;
    case 's':
        text_string(t, &sp, va_arg(*args, const char *));
        break;
    case 'c':
        c[0] = (char)va_arg(*args, int);
        sp.precision = 1;
        text_string(t, &sp, c);
        break;
    case '%':
        text_put(t, '%');
        break;
    case '\0':
        return fmt; /* a lone % at the end */
    default: /* show what is not known, rather than guess what its argument was */
        text_put(t, '%');
        text_put(t, *fmt);
        break;
    }
    return fmt + 1;
}

int vsnprintf(char *to, size_t room, const char *fmt, va_list args)
{
    struct text t = { .to = to, .room = room ? room - 1 : 0 };
    va_list own; /* a parameter of this type has no address that helpers could be given */

    va_copy(own, args);
    while (*fmt) {
        if (*fmt == '%') {
            fmt = convert(&t, fmt + 1, &own);
        } else {
            text_put(&t, *fmt++);
        }
    }
    va_end(own);
    if (room) {
        to[MIN(t.n, t.room)] = '\0';
    }
    return (int)t.n;
}

int snprintf(char *to, size_t room, const char *fmt, ...)
{
    va_list args;
    int n;

    va_start(args, fmt);
    n = vsnprintf(to, room, fmt, args);
    va_end(args);
    return n;
}
