/* softint.c: `int n`. The hypervisor's gates refuse it to the guest, so it arrives there as #GP
 * with the vector in the error code, and goes on to the guest's own table if that entry's privilege
 * level allows (public/arch-x86/xen.h, set_trap_table). Some emulators put twice the vector in the
 * error code; a hypervisor that believes it gives wrong answers there. */
#include "lib/guest.h"

#define SOFT_INT(n)                                     \
    PROBE(kernel_##n, ".byte 0xcd; .byte " #n "; nop"); \
    USER_PROBE(user_##n, ".byte 0xcd; .byte " #n "; nop")

SOFT_INT(0x00);
SOFT_INT(0x04);
SOFT_INT(0x06);
SOFT_INT(0x20);
SOFT_INT(0x81);
SOFT_INT(0x90);
SOFT_INT(0x91);
SOFT_INT(0x92);
SOFT_INT(0xff);

struct soft_int {
    uint8_t vector;
    uint8_t dpl;
    void (*kernel)(void *);
    const uint8_t *user;
};

#define ROW(n, dpl)                  \
    {                                \
        n, dpl, kernel_##n, user_##n \
    }

static const struct soft_int cases[] = {
    ROW(0x00, 0), ROW(0x04, 3), ROW(0x06, 0), ROW(0x20, 0), ROW(0x81, 0),
    ROW(0x90, 3), ROW(0x91, 1), ROW(0x92, 2), ROW(0xff, 3),
};

static void check_one(const struct soft_int *c, bool user)
{
    const char *who = user ? "user" : "kernel";
    bool allowed = c->dpl >= (user ? 3 : 1);
    struct trap_report report;
    unsigned long base;

    if (user) {
        user_run(c->user, 0, &report);
        base = USER_ADDRESS(c->user);
    } else {
        trap_try(c->kernel, NULL, &report);
        base = (unsigned long)c->kernel;
    }
    check(report.vector, allowed ? c->vector : VECTOR_GP, "%s-int-%02x-dpl-%u-vector", who,
          c->vector, c->dpl);
    check(report.regs.rip - base, allowed ? 2 : 0, "%s-int-%02x-dpl-%u-rip", who, c->vector,
          c->dpl);
    if (!allowed) {
        check(report.regs.error, c->vector * 8 + 2, "%s-int-%02x-dpl-%u-error", who, c->vector,
              c->dpl);
    }
}

void guest_main(void)
{
    struct trap_info all[257], table[ARRAY_SIZE(cases) + 1];
    unsigned int i;

    user_init();
    trap_table(all);
    memset(table, 0, sizeof(table));
    for (i = 0; i < ARRAY_SIZE(cases); i++) {
        table[i] = all[cases[i].vector];
        table[i].flags = 4 | cases[i].dpl;
    }
    guest_need(xen_set_trap_table(table));
    for (i = 0; i < ARRAY_SIZE(cases); i++) {
        check_one(&cases[i], false);
        check_one(&cases[i], true);
    }
}
