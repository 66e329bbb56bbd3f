/* Log levels, thresholds and rate limits. What passes goes to the console as whole lines. */
#include "core/log.h"
#include <lodge/errno.h>
#include <lodge/string.h>
#include "core/console.h"
#include "core/domain.h"
#include "core/option.h"

#define LINE_SIZE      512
#define LIMIT_MESSAGES 10
#define LIMIT_WINDOW   (5 * NS_PER_S)

/*
 * Levels below `always` are printed, those from there up to below `limited` at a bounded rate, the
 * others never; a bound of n lets n levels through. docs: Xen's command line, "loglvl",
 * "guest_loglvl".
 */
struct threshold {
    unsigned int always, limited;
    uint64_t window_ns; /* when the current window began; atomic, as are the next two */
    uint32_t printed;   /* rate-limited messages in it */
    uint32_t dropped;
};

static struct threshold own = { .always = 2, .limited = 2 };   /* warning */
static struct threshold guest = { .always = 0, .limited = 2 }; /* none/warning */

static const char *parse_level(const char *s, unsigned int *level)
{
    static const struct {
        const char *word;
        unsigned int level;
    } words[] = { { "none", 0 }, { "error", 1 }, { "warning", 2 }, { "info", 3 }, { "debug", 4 },
                  { "all", 4 } };

    for (unsigned int i = 0; i < ARRAY_SIZE(words); i++) {
        size_t n = strlen(words[i].word);

        if (!strncmp(s, words[i].word, n)) {
            *level = words[i].level;
            return s + n;
        }
    }
    return NULL;
}

static int parse_threshold(const char *s, struct threshold *t)
{
    unsigned int always, limited;

    s = parse_level(s, &always);
    if (!s) {
        return -EINVAL;
    }
    limited = always;
    if (*s == '/') {
        s = parse_level(s + 1, &limited);
    }
    if (!s || *s) {
        return -EINVAL;
    }
    t->always = always;
    t->limited = MAX(always, limited);
    return 0;
}

static int parse_loglvl(const char *value)
{
    return parse_threshold(value, &own);
}
OPTION_FN("loglvl", parse_loglvl, "LEVEL or LEVEL/LEVEL of none, error, warning, info, debug, all");

static int parse_guest_loglvl(const char *value)
{
    return parse_threshold(value, &guest);
}
OPTION_FN("guest_loglvl", parse_guest_loglvl,
          "LEVEL or LEVEL/LEVEL of none, error, warning, info, debug, all");

static bool within_limit(struct threshold *t)
{
    uint64_t now = arch_time_ns();
    uint64_t start = __atomic_load_n(&t->window_ns, __ATOMIC_RELAXED);

    if (now - start >= LIMIT_WINDOW &&
        __atomic_compare_exchange_n(&t->window_ns, &start, now, false, __ATOMIC_RELAXED,
                                    __ATOMIC_RELAXED)) {
        uint32_t dropped = __atomic_exchange_n(&t->dropped, 0, __ATOMIC_RELAXED);

        __atomic_store_n(&t->printed, 0, __ATOMIC_RELAXED);
        if (dropped) {
            console_printf("%u messages were dropped by the rate limit\n", dropped);
        }
    }
    if (__atomic_fetch_add(&t->printed, 1, __ATOMIC_RELAXED) < LIMIT_MESSAGES) {
        return true;
    }
    __atomic_fetch_sub(&t->printed, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&t->dropped, 1, __ATOMIC_RELAXED);
    return false;
}

static bool wanted(struct threshold *t, enum log_level level)
{
    return (unsigned int)level < t->always || ((unsigned int)level < t->limited && within_limit(t));
}

/* One line: what is too long is cut, and exactly one newline ends it. */
static void print_line(const char *prefix, const char *fmt, va_list args)
{
    char line[LINE_SIZE];
    size_t n = (size_t)snprintf(line, sizeof(line), "%s", prefix);

    n += (size_t)vsnprintf(line + n, sizeof(line) - n, fmt, args);
    n = MIN(n, sizeof(line) - 2);
    if (!n || line[n - 1] != '\n') {
        line[n++] = '\n';
    }
    console_write_lines(line, n);
}

void log_print(enum log_level level, const char *fmt, ...)
{
    va_list args;

    if (!wanted(&own, level)) {
        return;
    }
    va_start(args, fmt);
    print_line("", fmt, args);
    va_end(args);
}

void log_print_guest(enum log_level level, const struct vcpu *v, const char *fmt, ...)
{
    char prefix[24] = "";
    va_list args;

    if (!wanted(&guest, level)) {
        return;
    }
    v = v ? v : current;
    if (v) {
        snprintf(prefix, sizeof(prefix), "d%uv%u: ", v->domain->id, v->id);
    }
    va_start(args, fmt);
    print_line(prefix, fmt, args);
    va_end(args);
}

void console_vprintf(const char *fmt, va_list args)
{
    char text[LINE_SIZE];
    size_t n = (size_t)vsnprintf(text, sizeof(text), fmt, args);

    console_write_lines(text, MIN(n, sizeof(text) - 1));
}

void console_printf(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    console_vprintf(fmt, args);
    va_end(args);
}
