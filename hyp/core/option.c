/* The command line, word by word. Runs before there is a heap: static memory only. */
#include "core/option.h"
#include <lodge/errno.h>
#include <lodge/string.h>
#include "core/log.h"

#define CMDLINE_SIZE 1024 /* public/version.h, xen_commandline_t */
#define WORD_SIZE    256

/* Weak: a program without options has no such section. */
extern const struct option __start_options[] __attribute__((weak));
extern const struct option __stop_options[] __attribute__((weak));

static char saved_cmdline[CMDLINE_SIZE];

static int digit_of(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return 16;
}

/* At least one digit, no overflow. */
static int parse_digits(const char **s, uint64_t *value)
{
    const char *p = *s;
    unsigned int base = 10;
    uint64_t v = 0;

    if (p[0] == '0' && (p[1] == 'x' || p[1] == 'X') && digit_of(p[2]) < 16) {
        base = 16;
        p += 2;
    }
    if (digit_of(*p) >= (int)base) {
        return -EINVAL;
    }
    for (; digit_of(*p) < (int)base; p++) {
        if (__builtin_mul_overflow(v, (uint64_t)base, &v) ||
            __builtin_add_overflow(v, (uint64_t)digit_of(*p), &v)) {
            return -EINVAL;
        }
    }
    *value = v;
    *s = p;
    return 0;
}

/* Hands out `v` and the rest of the text; a caller that does not want the rest wants it empty. */
static int parse_finish(const char *rest, const char **end, uint64_t v, uint64_t *value)
{
    if (end) {
        *end = rest;
    } else if (*rest) {
        return -EINVAL;
    }
    *value = v;
    return 0;
}

int parse_uint(const char *s, uint64_t *value, const char **end)
{
    uint64_t v;
    int rc = parse_digits(&s, &v);

    return rc ? rc : parse_finish(s, end, v, value);
}

int parse_size(const char *s, uint64_t *bytes, const char **end)
{
    unsigned int shift = 10; /* a bare number counts KiB */
    uint64_t v;
    int rc = parse_digits(&s, &v);

    if (rc) {
        return rc;
    }
    switch (*s) {
    case 'T': case 't': shift = 40; s++; break;
    case 'G': case 'g': shift = 30; s++; break;
    case 'M': case 'm': shift = 20; s++; break;
    case 'K': case 'k': shift = 10; s++; break;
    case 'B': case 'b': shift = 0; s++; break;
    default: break;
    }
    if (v << shift >> shift != v) {
        return -EINVAL;
    }
    return parse_finish(s, end, v << shift, bytes);
}

int parse_bool(const char *s, bool *value)
{
    static const char *const words[][2] = {
        { "no", "yes" }, { "off", "on" }, { "false", "true" },
        { "disable", "enable" }, { "0", "1" },
    };

    if (!*s) {
        *value = true;
        return 0;
    }
    for (unsigned int i = 0; i < ARRAY_SIZE(words); i++) {
        for (unsigned int truth = 0; truth < 2; truth++) {
            if (!strcmp(s, words[i][truth])) {
                *value = truth;
                return 0;
            }
        }
    }
    return -EINVAL;
}

static int option_set_string(const struct option *o, const char *value)
{
    size_t n = strlen(value);

    if (n >= o->size) {
        return -EINVAL;
    }
    memcpy(o->var, value, n + 1);
    return 0;
}

/* value: "" when there was no "=". negated: it was no-NAME. */
static int option_set(const struct option *o, const char *value, bool negated)
{
    uint64_t n;
    bool truth;
    int rc;

    if (negated && (*value || (o->kind != OPTION_KIND_BOOL && o->kind != OPTION_KIND_FN))) {
        return -EINVAL;
    }
    switch (o->kind) {
    case OPTION_KIND_BOOL:
        rc = parse_bool(value, &truth);
        if (!rc) {
            *(bool *)o->var = truth != negated;
        }
        return rc;
    case OPTION_KIND_UINT:
        rc = parse_uint(value, &n, NULL);
        if (rc || n > UINT32_MAX) {
            return -EINVAL;
        }
        *(unsigned int *)o->var = (unsigned int)n;
        return 0;
    case OPTION_KIND_SIZE:
        return parse_size(value, o->var, NULL);
    case OPTION_KIND_STRING:
        return option_set_string(o, value);
    case OPTION_KIND_FN:
        return o->fn(negated ? "no" : value);
    }
    return -EINVAL;
}

static bool option_apply(const char *name, const char *value, bool negated)
{
    bool known = false;

    for (const struct option *o = __start_options; o < __stop_options; o++) {
        if (strcmp(o->name, name)) {
            continue;
        }
        known = true;
        if (option_set(o, value, negated)) {
            log_warning("command line: %s%s=\"%s\" is ignored: expected %s",
                        negated ? "no-" : "", name, value, o->expected);
        }
    }
    return known;
}

/* One word. A name may itself begin with "no-", so the whole is tried first. */
static void option_parse_word(char *word)
{
    char *equals = strchr(word, '=');
    const char *value = "";

    if (equals) {
        *equals = '\0';
        value = equals + 1;
    }
    if (option_apply(word, value, false)) {
        return;
    }
    if (!strncmp(word, "no-", 3) && option_apply(word + 3, value, true)) {
        return;
    }
    log_warning("command line: there is no option \"%s\"", word);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

void option_parse(const char *cmdline)
{
    size_t length = strnlen(cmdline, CMDLINE_SIZE - 1);
    const char *p = cmdline;
    char word[WORD_SIZE];

    memcpy(saved_cmdline, cmdline, length);
    saved_cmdline[length] = '\0';
    for (;;) {
        const char *start;
        size_t n;

        while (is_space(*p)) {
            p++;
        }
        if (!*p) {
            return;
        }
        for (start = p; *p && !is_space(*p); p++) {
        }
        n = (size_t)(p - start);
        if (n >= sizeof(word)) {
            log_warning("command line: \"%.32s...\" is ignored: longer than %u bytes", start,
                        (unsigned int)sizeof(word) - 1);
            continue;
        }
        memcpy(word, start, n);
        word[n] = '\0';
        option_parse_word(word);
    }
}

const char *option_cmdline(void)
{
    return saved_cmdline;
}
