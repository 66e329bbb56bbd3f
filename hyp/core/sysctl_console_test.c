/* sysctl: reading the console's ring, and debug keys. */
#include <errno.h>
#include <string.h>

#include "core/console.h"
#include "core/debugkey.h"
#include "core/log.h"
#include "core/softirq.h"
#include "hyp/arch/host/control.h"
#include "hyp/arch/host/domains.h"
#include "tests/unit.h"

static struct xen_sysctl *op;
static char keys_seen[32];

static void key_seen(char key)
{
    keys_seen[strlen(keys_seen)] = key;
    if (key == '!') {
        softirq_raise(SOFTIRQ_ARCH);
    }
}
DEBUGKEY('!', "tests", key_seen);

static int once(void **state)
{
    (void)state;
    (void)host_domain(0, 1);
    return 0;
}

static int each(void **state)
{
    (void)state;
    host_guest_reset();
    op = host_sysctl_new();
    this_cpu(softirq_bits) = 0;
    console_ring_forget(~0U); /* nothing: not in the ring */
    return 0;
}

static long read_ring(char *to, uint32_t room, bool incremental, bool clear)
{
    op->u.readconsole.buffer.p = to;
    op->u.readconsole.count = room;
    op->u.readconsole.incremental = incremental;
    op->u.readconsole.clear = clear;
    return host_sysctl(op, XEN_SYSCTL_readconsole);
}

TEST(the_ring_is_read_whole_or_from_where_one_was)
{
    char *to = host_guest_alloc(16384);
    uint32_t first;

    assert_int_equal(read_ring(to, 16384, false, true), 0); /* what starting said */
    for (unsigned int i = 0; i < 100; i++) {
        console_write_raw("0123456789\n", 11);
    }
    assert_int_equal(read_ring(to, 1000, false, false), 0);
    assert_int_equal(op->u.readconsole.count, 1000);
    assert_memory_equal(to, "0123456789\n0123", 15);
    first = op->u.readconsole.index;
    assert_int_equal(read_ring(to, 1000, true, false), 0);
    assert_int_equal(op->u.readconsole.count, 100);
    assert_int_equal(op->u.readconsole.index, first + 100);
    assert_int_equal(to[0], "0123456789\n"[1000 % 11]);
    assert_int_equal(read_ring(to, 1000, true, false), 0);
    assert_int_equal(op->u.readconsole.count, 0);
    assert_int_equal(read_ring(to, 5, false, true), 0);
    assert_int_equal(read_ring(to, 4, false, false), 0);
    assert_memory_equal(to, "5678", 4);
}

TEST(an_index_that_is_nowhere_means_the_beginning)
{
    char *to = host_guest_alloc(16384);

    assert_int_equal(read_ring(to, 16384, false, true), 0);
    console_write_raw("abc\n", 4);
    op->u.readconsole.index += 1000;
    assert_int_equal(read_ring(to, 16384, true, true), 0);
    assert_int_equal(op->u.readconsole.count, 4);
    assert_memory_equal(to, "abc\n", 4);
}

TEST(a_buffer_that_is_too_short_is_a_fault)
{
    char *to = host_guest_alloc(2);

    console_write_raw("abc\n", 4);
    assert_int_equal(read_ring(to, ~0U, false, true), -EFAULT);
    assert_int_equal(read_ring(NULL, 1, false, false), -EFAULT);
    assert_int_equal(read_ring(NULL, 0, false, false), 0);
}

/* Whatever wanted the CPU has had it. */
static void way_made(void)
{
    this_cpu(softirq_bits) = 0;
}

static long press(const char *keys, uint32_t nr)
{
    char *p = host_guest_alloc(strlen(keys));

    memcpy(p, keys, strlen(keys));
    op->u.debug_keys.keys.p = p;
    op->u.debug_keys.nr_keys = nr;
    memset(keys_seen, 0, sizeof(keys_seen));
    return host_sysctl(op, XEN_SYSCTL_debug_keys);
}

TEST(keys_are_pressed_one_by_one_and_make_way)
{
    assert_int_equal(press("!", 1), 0);
    way_made();
    assert_string_equal(keys_seen, "!");
    assert_int_equal(press("!!!", 3), -ERESTART);
    assert_string_equal(keys_seen, "!");
    assert_int_equal(op->u.debug_keys.nr_keys, 2);
    way_made();
    assert_int_equal(host_sysctl(op, XEN_SYSCTL_debug_keys), -ERESTART);
    way_made();
    assert_int_equal(host_sysctl(op, XEN_SYSCTL_debug_keys), 0);
    way_made();
    assert_string_equal(keys_seen, "!!!");
}

TEST(keys_beyond_the_buffer_are_a_fault)
{
    long rc = press("~", ~0U);

    while (rc == -ERESTART) { /* what a key prints is work for later */
        way_made();
        rc = host_sysctl(op, XEN_SYSCTL_debug_keys);
    }
    assert_int_equal(rc, -EFAULT);
}

TEST_RUN(once, NULL, cmocka_unit_test_setup(the_ring_is_read_whole_or_from_where_one_was, each),
         cmocka_unit_test_setup(an_index_that_is_nowhere_means_the_beginning, each),
         cmocka_unit_test_setup(a_buffer_that_is_too_short_is_a_fault, each),
         cmocka_unit_test_setup(keys_are_pressed_one_by_one_and_make_way, each),
         cmocka_unit_test_setup(keys_beyond_the_buffer_are_a_fault, each))
