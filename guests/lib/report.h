/* report.h: what a test guest says. A program reads these lines, so their shape is fixed:
 *     ok NAME | not ok NAME: got X, expected Y | result NAME VALUE | skip NAME: WHY | done
 * `result` states what the hypervisor did without judging; two hypervisors must state the same. */
#ifndef GUEST_REPORT_H
#define GUEST_REPORT_H

#include "types.h"

/** check - ok if got equals expected; the name is a printf format */
void check(long got, long expected, const char *name, ...) __attribute__((format(printf, 3, 4)));

/** result - one number; small ones in decimal (errno values), others in hexadecimal */
void result(long value, const char *name, ...) __attribute__((format(printf, 2, 3)));

/** result_text - NAME and VALUE are what the format makes of them, the first word being NAME */
void result_text(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** skip - a check that cannot be made here, and why */
void skip(const char *name, const char *why);

/** guest_fail - something that the guest itself needs went wrong: say so and end as a crash */
void guest_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/** guest_need - an operation that the guest itself needs must answer 0 */
#define guest_need(call)                                                       \
    do {                                                                       \
        long need_rc_ = (call);                                                \
        if (need_rc_) {                                                        \
            guest_fail("%s:%d: %s: %ld", __FILE__, __LINE__, #call, need_rc_); \
        }                                                                      \
    } while (0)

/** guest_exit - print `done` and restart the machine; QEMU with -no-reboot then ends */
void guest_exit(void) __attribute__((noreturn));

#endif
