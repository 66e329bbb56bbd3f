/*
 * The command line: NAME, NAME=VALUE, no-NAME; Xen's names. A module declares its options where it
 * uses them:
 *   static bool opt_noreboot;
 *   OPTION_BOOL("noreboot", opt_noreboot);
 *   static int parse_dom0_mem(const char *value) { ... }      0, or what it expected was not there
 *   OPTION_FN("dom0_mem", parse_dom0_mem, "a size");
 * An unknown option is reported, not fatal; a value that cannot be parsed is reported with name,
 * value and what was expected, and leaves the variable as it was. Several modules may declare the
 * same name: each is told. The linker collects them: the section's name is a C identifier, so that
 * it defines __start_options and __stop_options by itself; a linker script needs an output section
 * of the same name, `options : { KEEP(*(options)) }`.
 */
#ifndef CORE_OPTION_H
#define CORE_OPTION_H

#include <lodge/compiler.h>

enum option_kind {
    OPTION_KIND_BOOL,
    OPTION_KIND_UINT,
    OPTION_KIND_SIZE,
    OPTION_KIND_STRING,
    OPTION_KIND_FN,
};

struct option {
    const char *name;
    enum option_kind kind;
    void *var;             /* bool, unsigned int, uint64_t (bytes), char[size] */
    size_t size;
    int (*fn)(const char *value); /* value "" when none was given, "no" for no-NAME */
    const char *expected;  /* for the error message: "size, min:SIZE, max:SIZE or PERCENT%" */
};

/*
 * Without the alignment a compiler may round a variable of this size up, and the section would be
 * no array.
 */
#define OPTION_DECLARE(id, ...)                                                                    \
    static const struct option option_##id SECTION("options") ALIGNED(8) = { __VA_ARGS__ }
#define OPTION_BOOL(text, v)                                                                       \
    OPTION_DECLARE(v, text, OPTION_KIND_BOOL, &(v), 0, NULL, "a truth value")
#define OPTION_UINT(text, v)                                                                       \
    OPTION_DECLARE(v, text, OPTION_KIND_UINT, &(v), 0, NULL, "a number")
#define OPTION_SIZE(text, v)                                                                       \
    OPTION_DECLARE(v, text, OPTION_KIND_SIZE, &(v), 0, NULL, "a size, as 512M")
#define OPTION_STRING(text, v)                                                                     \
    OPTION_DECLARE(v, text, OPTION_KIND_STRING, (v), sizeof(v), NULL, "a word")
#define OPTION_FN(text, f, exp)                                                                    \
    OPTION_DECLARE(f, text, OPTION_KIND_FN, NULL, 0, (f), (exp))

/* once, early; keeps a copy (cut to 1023 bytes) for XENVER_commandline */
void option_parse(const char *cmdline);
const char *option_cmdline(void);         /* never NULL */
/*
 * Helpers for OPTION_FN parsers. end: where parsing stopped, may be NULL (then all must be
 * consumed).
 */
/* suffixes B K M G T; bare = KiB as Xen */
int parse_size(const char *s, uint64_t *bytes, const char **end) MUST_CHECK;
/* ""/yes/on/true/enable/1, no/off/false/disable/0 */
int parse_bool(const char *s, bool *value) MUST_CHECK;
int parse_uint(const char *s, uint64_t *value, const char **end) MUST_CHECK;

#endif
