/*
 * What the hypervisor says. Levels and thresholds as Xen's loglvl= and guest_loglvl=: a message
 * about or provoked by a guest uses the log_guest_* form, which is rate-limited and names the vCPU.
 * A log_* call is one line: the newline is added.
 */
#ifndef CORE_LOG_H
#define CORE_LOG_H

#include <stdarg.h>
#include <lodge/compiler.h>

struct vcpu;

enum log_level { LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

void log_print(enum log_level level, const char *fmt, ...) PRINTF(2, 3);
/* v == NULL: current */
void log_print_guest(enum log_level level, const struct vcpu *v, const char *fmt, ...) PRINTF(3, 4);
/*
 * No level, no limit: banners, debug keys, reports. Lines end where fmt says "\n"; each begins with
 * the log's mark.
 */
void console_printf(const char *fmt, ...) PRINTF(1, 2);
void console_vprintf(const char *fmt, va_list args);

#define log_err(...)     log_print(LOG_ERR, __VA_ARGS__)
#define log_warning(...) log_print(LOG_WARNING, __VA_ARGS__)
#define log_info(...)    log_print(LOG_INFO, __VA_ARGS__)
#define log_debug(...)   log_print(LOG_DEBUG, __VA_ARGS__)
#define log_guest_err(...)     log_print_guest(LOG_ERR, NULL, __VA_ARGS__)
#define log_guest_warning(...) log_print_guest(LOG_WARNING, NULL, __VA_ARGS__)
#define log_guest_info(...)    log_print_guest(LOG_INFO, NULL, __VA_ARGS__)
#define log_guest_debug(...)   log_print_guest(LOG_DEBUG, NULL, __VA_ARGS__)

/*
 * Our own guarantee is broken: report on every console, then reboot or halt as noreboot= asks.
 * stop() is for what the administrator can mend (a bad kernel, a bad option): one clear line, no
 * registers.
 */
NORETURN void panic(const char *fmt, ...) PRINTF(1, 2);
NORETURN void stop(const char *fmt, ...) PRINTF(1, 2);
/*
 * The end of a report that somebody else has written: waits a moment for a reader, then reboots or
 * halts.
 */
NORETURN void report_end(void);

extern bool opt_noreboot;

#define assert(cond)                                                                               \
    ((cond) ? (void)0 : panic("assertion failed: %s (%s:%d)", #cond, __FILE__, __LINE__))

/*
 * printf.c: %d %i %u %x %X %o %c %s %p %% with flags - 0 + space #, width, precision (also *), and
 * h hh l ll z j t. %pS prints an address as function+offset. Both return the length that the text
 * would have, and end it with NUL if room > 0.
 */
#if __STDC_HOSTED__ /* beside a C library, which has its own */
#define snprintf  lodge_snprintf
#define vsnprintf lodge_vsnprintf
#endif
int snprintf(char *to, size_t room, const char *fmt, ...) PRINTF(3, 4);
int vsnprintf(char *to, size_t room, const char *fmt, va_list args) PRINTF(3, 0);

/* For %pS, supplied by an architecture that can: the function addr lies in, NULL if none. */
const char *symbol_name(uint64_t addr, uint64_t *offset) __attribute__((weak));

#endif
