/* Every debug key, on a machine with two domains. */
#include "core/debugkey.h"
#include <stdio.h>
#include <string.h>
#include "core/console.h"
#include "core/evtchn.h"
#include "core/gnttab.h"
#include "core/log.h"
#include "hyp/arch/host/domains.h"
#include "hyp/arch/host/host.h"
#include "tests/unit.h"

static int setup(void **state)
{
    (void)state;
    dom0 = host_domain(0, 2);
    (void)host_domain(5, 1);
    /* Called by keys alone, which an archive's linker does not follow. */
    evtchn_dump(dom0);
    gnttab_dump(dom0);
    return console_add(&host_console);
}

static void press(char key)
{
    host_console_clear();
    debugkey_run(key);
}

static bool said(const char *text)
{
    return strstr(host_console_text(), text) != NULL;
}

TEST(help_lists_all_keys)
{
    static const char keys[] = "0Rdeghmqrt";

    press('h');
    for (const char *k = keys; *k; k++) {
        char line[8];

        snprintf(line, sizeof(line), "  %c  ", *k);
        assert_true(said(line));
    }
}

TEST(an_unknown_key_is_said_to_be_so)
{
    press('~');
    assert_true(said("no such key"));
    press('\n');
    assert_string_equal(host_console_text(), "");
}

TEST(domains_and_vcpus_are_shown)
{
    press('q');
    assert_true(said("Domain 0, privileged"));
    assert_true(said("Domain 5:"));
    assert_true(said("vCPU 1:"));
}

TEST(events_and_grants_of_every_domain_are_shown)
{
    press('e');
    assert_true(strlen(host_console_text()) > 40);
    press('g');
    assert_true(strlen(host_console_text()) > 40);
}

TEST(memory_is_shown)
{
    char total[40];

    press('m');
    snprintf(total, sizeof(total), "%u KiB in the heap", (HOST_FRAMES - 1) * 4);
    assert_true(said(total));
    assert_true(said("domain 5: "));
}

TEST(timers_and_run_queues_are_shown)
{
    press('t');
    assert_true(said("CPU 0:"));
    press('r');
    assert_true(strlen(host_console_text()) > 20);
}

TEST(registers_are_shown)
{
    press('d');
    assert_true(said("CPU 0:"));
    press('0');
    assert_true(said("Domain 0, vCPU 0:"));
    assert_true(said("Domain 0, vCPU 1:"));
    assert_int_equal(dom0->vcpus[1]->pause_count, 0);
}

TEST(reboot_reboots)
{
    if (HOST_PANICS()) {
        debugkey_run('R');
        host_panic_missing();
    }
}

TEST_RUN(setup, NULL, T(help_lists_all_keys), T(an_unknown_key_is_said_to_be_so),
         T(domains_and_vcpus_are_shown), T(events_and_grants_of_every_domain_are_shown),
         T(memory_is_shown), T(timers_and_run_queues_are_shown), T(registers_are_shown),
         T(reboot_reboots))
