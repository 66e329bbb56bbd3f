/* report.c: the lines of a test guest, and its end. */
#include "report.h"
#include "console.h"
#include "hypercall.h"

#define FORMAT_NAME(buffer, last)                         \
    do {                                                  \
        va_list args_;                                    \
        va_start(args_, last);                            \
        format_text(buffer, sizeof(buffer), last, args_); \
        va_end(args_);                                    \
    } while (0)

static bool is_small(long value)
{
    return value > -4096 && value < 65536;
}

static const char *number(char to[24], long value)
{
    return format_to(to, 24, is_small(value) ? "%ld" : "0x%lx", value);
}

void check(long got, long expected, const char *name, ...)
{
    char text[128], got_text[24], expected_text[24];

    FORMAT_NAME(text, name);
    if (got == expected) {
        print("ok %s\n", text);
        return;
    }
    print("not ok %s: got %s, expected %s\n", text, number(got_text, got),
          number(expected_text, expected));
}

void result(long value, const char *name, ...)
{
    char text[128], value_text[24];

    FORMAT_NAME(text, name);
    print("result %s %s\n", text, number(value_text, value));
}

void result_text(const char *format, ...)
{
    char text[240];

    FORMAT_NAME(text, format);
    print("result %s\n", text);
}

void skip(const char *name, const char *why)
{
    print("skip %s: %s\n", name, why);
}

static void shut_down(unsigned int reason)
{
    struct sched_shutdown arg = { .reason = reason };

    for (;;) {
        (void)xen_sched_op(SCHEDOP_shutdown, &arg);
    }
}

void guest_fail(const char *format, ...)
{
    char text[200];

    FORMAT_NAME(text, format);
    print("guest failed: %s\n", text);
    shut_down(SHUTDOWN_crash);
    __builtin_unreachable();
}

void guest_exit(void)
{
    print("done\n");
    shut_down(SHUTDOWN_reboot);
    __builtin_unreachable();
}
