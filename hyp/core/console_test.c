/* Console, log and console_io: what is said, by whom, how often, and where what is typed goes. */
#include "core/console.h"
#include <errno.h>
#include <string.h>
#include "core/debugkey.h"
#include "core/domain.h"
#include "core/evtchn.h"
#include "core/frame.h"
#include "core/hypercall.h"
#include "core/log.h"
#include "core/option.h"
#include "core/softirq.h"
#include "hyp/arch/host/host.h"
#include "tests/unit.h"

static struct domain domain = { .id = 3, .is_privileged = true };
static struct vcpu vcpu = { .domain = &domain, .id = 1 };

/* What reaches dom0: virqs, in place of evtchn's. */
static unsigned int virqs[24];
void virq_send_global(uint32_t virq)
{
    virqs[virq]++;
}

static char keys_seen[16];
static void on_key(char key)
{
    keys_seen[strlen(keys_seen)] = key;
    console_printf("key %c\n", key);
}
DEBUGKEY('z', "a key of the test", on_key);

static int setup(void **state)
{
    (void)state;
    host_set_current(&vcpu);
    console_printf("said before there was a driver\n");
    option_parse("console=com1,vga");
    console_init_options();
    return console_add(&host_console);
}

static int each(void **state)
{
    (void)state;
    host_guest_reset();
    host_console_clear();
    memset(virqs, 0, sizeof(virqs));
    memset(keys_seen, 0, sizeof(keys_seen));
    dom0 = NULL;
    domain.is_privileged = true;
    option_parse("loglvl=warning guest_loglvl=none/warning console_timestamps=none");
    host_time_advance(3600 * NS_PER_S); /* another window of the rate limit */
    softirq_process();
    return 0;
}

static bool said(const char *text)
{
    return strstr(host_console_text(), text) != NULL;
}

static unsigned int count(const char *text)
{
    unsigned int n = 0;

    for (const char *p = host_console_text(); (p = strstr(p, text)) != NULL; p++) {
        n++;
    }
    return n;
}

/* First: the driver was given what the ring held. */
TEST(a_driver_is_told_what_was_said_before)
{
    assert_true(said("(lodge) said before there was a driver\n"));
}

TEST(console_chooses_the_drivers)
{
    struct console_driver other = { .name = "com2", .write = host_console.write };

    assert_int_equal(console_add(&other), -ENODEV);
    option_parse("console=com1H");
    console_printf("x\n");
    assert_true(said("x\n"));
    option_parse("console=com1,vga");
}

TEST(every_line_begins_with_the_mark)
{
    console_printf("one\ntwo\nthr");
    console_printf("ee\n");
    assert_string_equal(host_console_text(), "(lodge) one\n(lodge) two\n(lodge) three\n");
}

TEST(a_log_call_is_one_line)
{
    log_warning("no newline %d", 1);
    log_warning("with newline\n");
    assert_string_equal(host_console_text(), "(lodge) no newline 1\n(lodge) with newline\n");
}

TEST(a_line_that_is_too_long_is_cut)
{
    static char longest[2000];

    memset(longest, 'x', sizeof(longest) - 1);
    log_err("%s", longest);
    assert_int_equal(count("\n"), 1);
    assert_true(strlen(host_console_text()) < 600);
}

TEST(levels_are_as_loglvl_says)
{
    log_err("E1");
    log_warning("W1");
    log_info("I1");
    option_parse("loglvl=all");
    log_info("I2");
    log_debug("D2");
    option_parse("loglvl=error");
    log_err("E3");
    log_warning("W3");
    option_parse("loglvl=none");
    log_err("E4");
    assert_true(said("E1") && said("W1") && said("I2") && said("D2") && said("E3"));
    assert_false(said("I1") || said("W3") || said("E4"));
}

TEST(a_bad_level_is_refused)
{
    option_parse("loglvl=loud");
    option_parse("guest_loglvl=all/");
    option_parse("loglvl=allx");
    assert_int_equal(count("is ignored"), 3);
    log_info("unchanged");
    assert_false(said("unchanged"));
}

TEST(a_guests_messages_are_named_and_limited)
{
    for (unsigned int i = 0; i < 100; i++) {
        log_guest_warning("mischief");
    }
    log_guest_info("chatter");
    assert_int_equal(count("(lodge) d3v1: mischief\n"), 10);
    assert_false(said("chatter"));
    host_time_advance(6 * NS_PER_S);
    log_guest_warning("again");
    assert_true(said("90 messages were dropped"));
    assert_true(said("again"));
}

TEST(guest_messages_are_not_limited_below_the_first_level)
{
    option_parse("guest_loglvl=all");
    for (unsigned int i = 0; i < 100; i++) {
        log_print_guest(LOG_DEBUG, &vcpu, "all");
    }
    assert_int_equal(count("d3v1: all"), 100);
}

TEST(timestamps_are_time_since_boot)
{
    option_parse("console_timestamps=boot");
    host_time_set(12 * NS_PER_S + 345678 * NS_PER_US);
    console_printf("now\n");
    assert_string_equal(host_console_text(), "(lodge) [    12.345678] now\n");
    option_parse("console_timestamps=maybe");
    assert_true(said("is ignored"));
}

static size_t read_and_forget(char *to, size_t room, uint32_t *index)
{
    size_t n = console_read_ring(to, room, index);

    console_ring_forget(*index);
    return n;
}

TEST(the_ring_keeps_the_last_of_what_was_said)
{
    static char out[32768];
    uint32_t index = 0, again;
    size_t n;

    for (unsigned int i = 0; i < 3000; i++) {
        console_printf("line %u\n", i);
    }
    n = console_read_ring(out, sizeof(out), &index);
    assert_int_equal(n, 16384);
    assert_memory_equal(out + n - 10, "line 2999\n", 10);
    again = index;
    assert_int_equal(console_read_ring(out, sizeof(out), &index), 0);
    console_printf("more\n");
    assert_int_equal(console_read_ring(out, sizeof(out), &index), 13);
    assert_memory_equal(out, "(lodge) more\n", 13);
    assert_int_equal(index, again + 13);
    index = 0;
    /* clear: what was read is gone */
    assert_int_equal(read_and_forget(out, 100, &index), 100);
    index = 0;
    assert_int_equal(read_and_forget(out, sizeof(out), &index), 16284);
    index = 0;
    assert_int_equal(console_read_ring(out, sizeof(out), &index), 0);
}

TEST(the_ring_grows_with_what_it_holds)
{
    static char out[200000];
    uint32_t index = 0;
    size_t n;

    read_and_forget(out, sizeof(out), &index);
    console_printf("kept\n");
    option_parse("conring_size=100k");
    host_heap_init();
    console_ring_grow();
    for (unsigned int i = 0; i < 5000; i++) {
        console_printf("line %u\n", i);
    }
    index = 0;
    n = console_read_ring(out, sizeof(out), &index);
    assert_true(n > 80000 && n <= 128 << 10);
    assert_memory_equal(out, "(lodge) kept\n", 13);
}

TEST(dom0_is_told_of_new_lines_once_for_many)
{
    dom0 = &domain;
    console_printf("a\nb\n");
    console_printf("c\n");
    assert_int_equal(virqs[VIRQ_CON_RING], 0); /* never from where the message came from */
    softirq_process();
    assert_int_equal(virqs[VIRQ_CON_RING], 1);
}

static void type(const char *s)
{
    for (; *s; s++) {
        unsigned long flags = arch_irq_save();

        console_input(*s);
        arch_irq_restore(flags);
    }
    softirq_process();
}

TEST(without_dom0_keys_are_debug_keys)
{
    type("zz");
    assert_string_equal(keys_seen, "zz");
    type("~");
    assert_true(said("no such key"));
    type("h");
    assert_true(said("a key of the test"));
    assert_int_equal(virqs[VIRQ_CONSOLE], 0);
}

TEST(three_switch_characters_switch)
{
    char in[16];

    dom0 = &domain;
    type("ls");
    assert_int_equal(virqs[VIRQ_CONSOLE], 2);
    assert_int_equal(console_read_input(in, sizeof(in)), 2);
    assert_memory_equal(in, "ls", 2);
    type("\1\1\1z");
    assert_true(said("hypervisor"));
    assert_string_equal(keys_seen, "z");
    assert_int_equal(console_read_input(in, sizeof(in)), 0);
    type("\1\1\1x");
    assert_true(said("domain 0"));
    assert_int_equal(console_read_input(in, sizeof(in)), 1);
}

TEST(fewer_switch_characters_are_passed_on)
{
    char in[16];

    dom0 = &domain;
    type("\1a\1\1b");
    assert_int_equal(console_read_input(in, sizeof(in)), 5);
    assert_memory_equal(in, "\1a\1\1b", 5);
}

TEST(input_nobody_reads_is_dropped)
{
    static char in[4096];

    dom0 = &domain;
    for (unsigned int i = 0; i < 3000; i++) {
        console_input('x');
    }
    assert_int_equal(console_read_input(in, sizeof(in)), 1024);
    assert_int_equal(console_read_input(in, sizeof(in)), 0);
}

static long io(uint32_t cmd, uint32_t n, const void *p)
{
    return hypercall_console_io(cmd, n, host_gva(p), 0, 0);
}

TEST(dom0_writes_as_it_is_and_not_into_the_ring)
{
    char *p = host_guest_alloc(1000);
    char out[16];
    uint32_t index = 0;

    memset(p, 'w', 999);
    p[999] = '\n';
    console_read_ring(out, 0, &index);
    while (read_and_forget(out, sizeof(out), &index)) {
    }
    assert_int_equal(io(CONSOLEIO_write, 1000, p), 0);
    assert_int_equal(strlen(host_console_text()), 1000);
    assert_false(said("(lodge)"));
    assert_int_equal(console_read_ring(out, sizeof(out), &index), 0);
    option_parse("console_to_ring");
    assert_int_equal(io(CONSOLEIO_write, 5, p), 0);
    option_parse("no-console_to_ring");
    assert_int_equal(read_and_forget(out, sizeof(out), &index), 5);
}

TEST(a_long_write_makes_way_and_goes_on)
{
    char *p = host_guest_alloc(1000);

    memset(p, 'w', 1000);
    memset(&vcpu.arch, 0, sizeof(vcpu.arch));
    softirq_raise(SOFTIRQ_ARCH);
    assert_int_equal(io(CONSOLEIO_write, 1000, p), -ERESTART);
    softirq_process();
    assert_int_equal(vcpu.arch.continue_args[0], CONSOLEIO_write);
    assert_int_equal(vcpu.arch.continue_args[1], 744);
    assert_int_equal(hypercall_console_io(vcpu.arch.continue_args[0], vcpu.arch.continue_args[1],
                                          vcpu.arch.continue_args[2], 0, 0), 0);
    assert_int_equal(strlen(host_console_text()), 1000);
}

TEST(dom0_reads_what_was_typed)
{
    char *p = host_guest_alloc(16);

    dom0 = &domain;
    assert_int_equal(io(CONSOLEIO_read, 16, p), 0);
    type("hello");
    assert_int_equal(io(CONSOLEIO_read, 3, p), 3);
    assert_memory_equal(p, "hel", 3);
    assert_int_equal(io(CONSOLEIO_read, 16, p), 2);
    assert_int_equal(io(CONSOLEIO_read, 0x80000000U, p), -E2BIG);
}

TEST(console_io_refuses_what_it_must)
{
    char *p = host_guest_alloc(16);

    assert_int_equal(io(CONSOLEIO_write, 17, p), -EFAULT);
    assert_int_equal(io(CONSOLEIO_write, 1, NULL), -EFAULT);
    dom0 = &domain;
    type("x");
    assert_int_equal(io(CONSOLEIO_read, 1, NULL), -EFAULT);
    assert_int_equal(io(2, 1, p), -ENOSYS);
    domain.is_privileged = false;
    assert_int_equal(io(CONSOLEIO_write, 1, p), -EPERM);
    assert_int_equal(io(CONSOLEIO_read, 1, p), -EPERM);
}

/* Last: a report leaves checks off. */
TEST(a_report_gets_through_whatever_was_held)
{
    console_force_sync();
    assert_true(console_sync);
    console_printf("report\n");
    assert_true(said("report\n"));
}

#define E(name) cmocka_unit_test_setup(name, each)
TEST_RUN(setup, NULL, T(a_driver_is_told_what_was_said_before), E(console_chooses_the_drivers),
         E(every_line_begins_with_the_mark), E(a_log_call_is_one_line),
         E(a_line_that_is_too_long_is_cut), E(levels_are_as_loglvl_says), E(a_bad_level_is_refused),
         E(a_guests_messages_are_named_and_limited),
         E(guest_messages_are_not_limited_below_the_first_level),
         E(timestamps_are_time_since_boot), E(the_ring_keeps_the_last_of_what_was_said),
         E(the_ring_grows_with_what_it_holds), E(dom0_is_told_of_new_lines_once_for_many),
         E(without_dom0_keys_are_debug_keys), E(three_switch_characters_switch),
         E(fewer_switch_characters_are_passed_on), E(input_nobody_reads_is_dropped),
         E(dom0_writes_as_it_is_and_not_into_the_ring), E(a_long_write_makes_way_and_goes_on),
         E(dom0_reads_what_was_typed), E(console_io_refuses_what_it_must),
         E(a_report_gets_through_whatever_was_held))
