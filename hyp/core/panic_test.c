/* The report itself: core's panic() in place of the host's, which the other tests use. */
#include "panic.c"
#include <string.h>
#include "hyp/arch/host/host.h"
#include "tests/unit.h"

static struct domain domain = { .id = 4 };
static struct vcpu vcpu = { .domain = &domain, .id = 2 };

static int setup(void **state)
{
    (void)state;
    host_set_current(&vcpu);
    return console_add(&host_console);
}

static bool said(const char *text)
{
    return strstr(host_console_text(), text) != NULL;
}

TEST(a_panic_says_what_and_where_and_reboots)
{
    struct spinlock held = SPINLOCK_INIT(RANK_CONSOLE);

    spin_lock(&held); /* whatever was held: the report gets through */
    if (HOST_PANICS()) {
        panic("the %s is %d", "answer", 42);
    }
    assert_true(said("Panic on CPU 0"));
    assert_true(said("the answer is 42"));
    assert_true(said("current: d4v2"));
    assert_true(said("Reboots in 5 seconds"));
    assert_false(arch_irq_enabled());
}

TEST(a_panic_inside_a_panic_is_short)
{
    host_console_clear();
    if (HOST_PANICS()) {
        assert(1 + 1 == 3);
    }
    assert_true(said("assertion failed: 1 + 1 == 3"));
    assert_false(said("current:"));
}

TEST(noreboot_halts)
{
    host_console_clear();
    option_parse("noreboot");
    if (HOST_PANICS()) {
        panic("x");
    }
    assert_true(said("Halted"));
    assert_false(said("Reboots"));
}

TEST(stop_is_one_line_for_the_administrator)
{
    host_console_clear();
    if (HOST_PANICS()) {
        stop("dom0_mem: %s is more than this machine has", "64G");
    }
    assert_true(said("(lodge) dom0_mem: 64G is more than this machine has\n"));
    assert_false(said("Panic"));
}

TEST_RUN(setup, NULL, T(a_panic_says_what_and_where_and_reboots),
         T(a_panic_inside_a_panic_is_short), T(noreboot_halts), T(stop_is_one_line_for_the_administrator))
