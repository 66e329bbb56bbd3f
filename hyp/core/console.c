/*
 * Console output, ring and input. Works from the first instruction in C on: static memory only,
 * until the ring grows.
 */
#include "core/console.h"
#include <lodge/errno.h>
#include <lodge/string.h>
#include "core/debugkey.h"
#include "core/domain.h"
#include "core/evtchn.h"
#include "core/frame.h"
#include "core/lock.h"
#include "core/log.h"
#include "core/option.h"
#include "core/softirq.h"

#define MAX_DRIVERS  4
#define BOOT_RING    16384U /* a power of two, as is every size of the ring: indices run freely */
#define MAX_RING     MIB(16)
#define INPUT_RING   1024U
#define KEY_QUEUE    16U
#define SWITCH_COUNT 3
#define MARK         "(lodge) "

/* AUTO: dom0 as soon as there is one */
enum input_target { INPUT_AUTO, INPUT_HYPERVISOR, INPUT_DOM0 };
enum timestamps { TIMESTAMPS_NONE, TIMESTAMPS_BOOT, TIMESTAMPS_RAW };

bool console_sync;

static char opt_console[128] = "com1,vga";
static uint64_t opt_conring_size = BOOT_RING;
static bool opt_console_to_ring;
static enum timestamps timestamps;
static char switch_char = 'a' & 0x1f;
static bool switch_stays; /* conswitch=ax: input stays with the hypervisor */

OPTION_STRING("console", opt_console);
OPTION_SIZE("conring_size", opt_conring_size);
OPTION_BOOL("console_to_ring", opt_console_to_ring);
OPTION_BOOL("sync_console", console_sync);

static struct spinlock console_lock = SPINLOCK_INIT(RANK_CONSOLE); /* guards all that follows */
static bool forced;                 /* a report is being written */
static struct console_driver *drivers[MAX_DRIVERS];
static unsigned int nr_drivers;
static bool at_line_start = true;

static char boot_ring[BOOT_RING];
static char *ring = boot_ring;
static uint32_t ring_size = BOOT_RING;
static uint32_t ring_prod, ring_cons; /* free-running: subtraction survives the wrap */
static bool ring_news;                /* a line came since dom0 was told; atomic */

static enum input_target input_target;
static unsigned int switch_seen;
static char input_ring[INPUT_RING];
static uint32_t input_prod, input_cons;
static char keys[KEY_QUEUE];
static uint32_t keys_prod, keys_cons;

static int parse_timestamps(const char *value)
{
    if (!strcmp(value, "none") || !strcmp(value, "no")) {
        timestamps = TIMESTAMPS_NONE;
    } else if (!strcmp(value, "raw")) {
        timestamps = TIMESTAMPS_RAW;
    } else if (!*value || !strcmp(value, "boot") || !strcmp(value, "date") ||
               !strcmp(value, "datems")) {
        /* the date is domain 0's business: time since boot stands for it */
        timestamps = TIMESTAMPS_BOOT;
    } else {
        return -EINVAL;
    }
    return 0;
}
OPTION_FN("console_timestamps", parse_timestamps, "none, boot, date, datems or raw");

static int parse_conswitch(const char *value)
{
    if (*value < 'a' || *value > 'z' || (value[1] && strcmp(value + 1, "x"))) {
        return -EINVAL;
    }
    switch_char = *value & 0x1f;
    switch_stays = value[1] == 'x';
    return 0;
}
OPTION_FN("conswitch", parse_conswitch, "a letter, and x for input to stay with the hypervisor");

struct hold {
    unsigned long flags;
    bool nested; /* this CPU holds it already: it faulted while it was printing */
};

static struct hold console_hold(void)
{
    struct hold h = { .flags = arch_irq_save(), .nested = spin_held(&console_lock) };

    if (h.nested) {
        return h;
    }
    if (__atomic_load_n(&forced, __ATOMIC_RELAXED)) {
        spin_lock_forced(&console_lock);
    } else {
        unsigned long off = spin_lock_irqsave(&console_lock);

        (void)off; /* interrupts were off already; h.flags is what to go back to */
    }
    return h;
}

static void console_release(struct hold h)
{
    if (!h.nested) {
        spin_unlock(&console_lock);
    }
    arch_irq_restore(h.flags);
}

static void ring_write(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        ring[ring_prod++ & (ring_size - 1)] = s[i];
    }
    if (ring_prod - ring_cons > ring_size) {
        ring_cons = ring_prod - ring_size;
    }
    /* VIRQ_CON_RING: public/xen.h. Not sent from here: whoever prints may hold any lock. */
    if (dom0 && memchr(s, '\n', n)) {
        __atomic_store_n(&ring_news, true, __ATOMIC_RELAXED);
        softirq_raise(SOFTIRQ_CONSOLE);
    }
}

static void drivers_write(const char *s, size_t n)
{
    for (unsigned int i = 0; i < nr_drivers; i++) {
        drivers[i]->write(drivers[i], s, n);
    }
}

static void emit(const char *s, size_t n)
{
    if (n) {
        ring_write(s, n);
        drivers_write(s, n);
        at_line_start = s[n - 1] == '\n';
    }
}

static void emit_mark(void)
{
    uint64_t us;
    char stamp[32];

    emit(MARK, sizeof(MARK) - 1);
    if (timestamps == TIMESTAMPS_NONE) {
        return;
    }
    us = arch_time_ns() / NS_PER_US;
    if (timestamps == TIMESTAMPS_RAW) {
        emit(stamp, (size_t)snprintf(stamp, sizeof(stamp), "[%016llx] ",
                                     (unsigned long long)us * NS_PER_US));
    } else {
        emit(stamp, (size_t)snprintf(stamp, sizeof(stamp), "[%6llu.%06llu] ",
                                     (unsigned long long)us / 1000000,
                                     (unsigned long long)us % 1000000));
    }
}

void console_write_raw(const char *s, size_t n)
{
    struct hold h = console_hold();

    emit(s, n);
    console_release(h);
}

void console_write_lines(const char *s, size_t n)
{
    struct hold h = console_hold();

    while (n) {
        const char *newline = memchr(s, '\n', n);
        size_t line = newline ? (size_t)(newline - s) + 1 : n;

        if (at_line_start) {
            emit_mark();
        }
        emit(s, line);
        s += line;
        n -= line;
    }
    console_release(h);
}

void console_write_dom0(const char *s, size_t n)
{
    struct hold h = console_hold();

    if (opt_console_to_ring) {
        ring_write(s, n);
    }
    drivers_write(s, n);
    if (n) {
        at_line_start = s[n - 1] == '\n';
    }
    console_release(h);
}

/*
 * Is `name` a word of console=? "com1H" and "com1L" (public serial line shared with a debugger)
 * name com1 too.
 */
static bool driver_chosen(const char *name)
{
    size_t n = strlen(name);

    for (const char *p = opt_console; *p;) {
        size_t word = 0;

        while (p[word] && p[word] != ',') {
            word++;
        }
        if (!strncmp(p, name, n) &&
            (word == n || (word == n + 1 && (p[n] == 'H' || p[n] == 'L')))) {
            return true;
        }
        p += word + (p[word] == ',');
    }
    return false;
}

/* Lock held. In at most two pieces, since the ring wraps. */
static void driver_replay(struct console_driver *c)
{
    for (uint32_t i = ring_cons; i != ring_prod;) {
        uint32_t at = i & (ring_size - 1);
        uint32_t n = MIN(ring_prod - i, ring_size - at);

        c->write(c, ring + at, n);
        i += n;
    }
}

int console_add(struct console_driver *c)
{
    struct hold h;
    int rc = -ENOSPC;

    if (!driver_chosen(c->name)) {
        return -ENODEV;
    }
    h = console_hold();
    if (nr_drivers < MAX_DRIVERS) {
        driver_replay(c);
        drivers[nr_drivers++] = c;
        rc = 0;
    }
    console_release(h);
    return rc;
}

static void console_softirq(void)
{
    for (;;) {
        struct hold h = console_hold();
        bool any = keys_cons != keys_prod;
        char key = keys[keys_cons % KEY_QUEUE];

        keys_cons += any;
        console_release(h);
        if (!any) {
            break;
        }
        debugkey_run(key);
    }
    if (__atomic_exchange_n(&ring_news, false, __ATOMIC_RELAXED)) {
        virq_send_global(VIRQ_CON_RING);
    }
}

void console_init_options(void)
{
    struct hold h = console_hold();
    unsigned int kept = 0;

    for (unsigned int i = 0; i < nr_drivers; i++) {
        if (driver_chosen(drivers[i]->name)) {
            drivers[kept++] = drivers[i];
        }
    }
    nr_drivers = kept;
    if (switch_stays) {
        input_target = INPUT_HYPERVISOR;
    }
    console_release(h);
    softirq_register(SOFTIRQ_CONSOLE, console_softirq);
}

void console_ring_grow(void)
{
    unsigned int order = 0;
    uint32_t size;
    struct hold h;
    char *larger;

    if (opt_conring_size <= ring_size) {
        return;
    }
    while (PAGE_SIZE << order < opt_conring_size && PAGE_SIZE << order < MAX_RING) {
        order++;
    }
    larger = heap_alloc_pages(order);
    if (!larger) {
        log_warning("console: no memory for a ring of %llu bytes",
                    (unsigned long long)opt_conring_size);
        return;
    }
    size = (uint32_t)(PAGE_SIZE << order);
    h = console_hold();
    for (uint32_t i = ring_cons; i != ring_prod; i++) {
        larger[i & (size - 1)] = ring[i & (ring_size - 1)];
    }
    ring = larger;
    ring_size = size;
    console_release(h);
}

static bool input_is_dom0(void)
{
    return dom0 && input_target != INPUT_HYPERVISOR;
}

/* Lock held. Returns true if dom0 is to be told. What does not fit is dropped: nobody reads. */
static bool input_deliver(char c)
{
    if (input_is_dom0()) {
        if (input_prod - input_cons < INPUT_RING) {
            input_ring[input_prod++ % INPUT_RING] = c;
        }
        return true;
    }
    if (keys_prod - keys_cons < KEY_QUEUE) {
        keys[keys_prod++ % KEY_QUEUE] = c;
    }
    softirq_raise(SOFTIRQ_CONSOLE);
    return false;
}

static void input_switch(void)
{
    input_target = input_is_dom0() ? INPUT_HYPERVISOR : INPUT_DOM0;
}

void console_input(char c)
{
    bool tell_dom0 = false, switched = false, to_dom0;
    struct hold h = console_hold();

    if (c == switch_char) {
        if (++switch_seen == SWITCH_COUNT) {
            switch_seen = 0;
            input_switch();
            switched = true;
        }
    } else {
        /* Fewer than three were meant for the reader, who must see them in order. */
        for (; switch_seen; switch_seen--) {
            tell_dom0 |= input_deliver(switch_char);
        }
        tell_dom0 |= input_deliver(c);
    }
    to_dom0 = input_is_dom0();
    console_release(h);

    if (switched) {
        console_printf("Input goes to %s (Ctrl-%c three times switches)\n",
                       to_dom0 ? "domain 0" : "the hypervisor: h for help", switch_char | 0x60);
    }
    if (tell_dom0) {
        virq_send_global(VIRQ_CONSOLE);
    }
}

size_t console_read_input(char *to, size_t room)
{
    struct hold h = console_hold();
    size_t n = 0;

    while (n < room && input_cons != input_prod) {
        to[n++] = input_ring[input_cons++ % INPUT_RING];
    }
    console_release(h);
    return n;
}

uint32_t console_ring_oldest(void)
{
    return __atomic_load_n(&ring_cons, __ATOMIC_RELAXED);
}

void console_ring_forget(uint32_t index)
{
    struct hold h = console_hold();

    if (index - ring_cons <= ring_prod - ring_cons) {
        ring_cons = index;
    }
    console_release(h);
}

size_t console_read_ring(char *to, size_t room, uint32_t *index)
{
    struct hold h = console_hold();
    uint32_t i = *index;
    size_t n = 0;

    if (i - ring_cons > ring_prod - ring_cons) {
        i = ring_cons;
    }
    while (n < room && i != ring_prod) {
        to[n++] = ring[i++ & (ring_size - 1)];
    }
    *index = i;
    console_release(h);
    return n;
}

void console_force_sync(void)
{
    struct hold h;

    console_sync = true;
    spin_checks_off();
    __atomic_store_n(&forced, true, __ATOMIC_RELAXED);
    h = console_hold();
    for (unsigned int i = 0; i < nr_drivers; i++) {
        if (drivers[i]->flush) {
            drivers[i]->flush(drivers[i]);
        }
    }
    console_release(h);
}
