/*
 * What the hypervisor says. Levels and thresholds as Xen's loglvl= and guest_loglvl=: a message about or provoked by a
 * guest uses the log_guest_* form, which is rate-limited and names the domain.
 */
#ifndef CORE_LOG_H
#define CORE_LOG_H

#include <lodge/compiler.h>

struct vcpu;

enum log_level { LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

void log_print(enum log_level level, const char *fmt, ...) PRINTF(2, 3);
void log_print_guest(enum log_level level, const struct vcpu *v, const char *fmt, ...) PRINTF(3, 4); /* v == NULL: current */
void console_printf(const char *fmt, ...) PRINTF(1, 2); /* no level, no limit: banners, debug keys, reports */

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
 * stop() is for what the administrator can mend (a bad kernel, a bad option): one clear line, no registers.
 */
NORETURN void panic(const char *fmt, ...) PRINTF(1, 2);
NORETURN void stop(const char *fmt, ...) PRINTF(1, 2);

#define assert(cond)                                                                               \
    ((cond) ? (void)0 : panic("assertion failed: %s (%s:%d)", #cond, __FILE__, __LINE__))

int snprintf(char *to, size_t room, const char *fmt, ...) PRINTF(3, 4);

#endif
