/* What the command line says of grant tables, with Xen's names. */
#include <lodge/errno.h>
#include <lodge/string.h>
#include "core/gnttab_private.h"
#include "core/option.h"

unsigned int opt_max_grant_frames = 64;
unsigned int opt_max_maptrack_frames = 1024;
OPTION_UINT("gnttab_max_frames", opt_max_grant_frames);
OPTION_UINT("gnttab_max_maptrack_frames", opt_max_maptrack_frames);

unsigned int opt_gnttab_max_version = 2;
bool opt_transitive_grants = true;
bool opt_grant_transfer = true;

static bool is_word(const char *s, size_t len, const char *word)
{
    return strlen(word) == len && memcmp(s, word, len) == 0;
}

/* NAME or no-NAME */
static bool parse_flag(const char *s, size_t len, const char *name, bool *flag)
{
    bool no = len > 3 && memcmp(s, "no-", 3) == 0;

    if (no) {
        s += 3;
        len -= 3;
    }
    if (!is_word(s, len, name)) {
        return false;
    }
    *flag = !no;
    return true;
}

static bool parse_word(const char *s, size_t len)
{
    for (unsigned int version = 1; version <= 2; version++) {
        if (is_word(s, len, version == 1 ? "max-ver:1" : "max-ver:2") ||
            is_word(s, len, version == 1 ? "max_ver:1" : "max_ver:2")) {
            opt_gnttab_max_version = version;
            return true;
        }
    }
    return parse_flag(s, len, "transitive", &opt_transitive_grants) ||
           parse_flag(s, len, "transfer", &opt_grant_transfer);
}

static int parse_gnttab(const char *value)
{
    int rc = 0;

    while (*value) {
        size_t len = 0;

        while (value[len] && value[len] != ',') {
            len++;
        }
        if (!parse_word(value, len)) {
            rc = -EINVAL;
        }
        value += value[len] ? len + 1 : len;
    }
    return rc;
}
OPTION_FN("gnttab", parse_gnttab, "max-ver:1 or 2, [no-]transitive, [no-]transfer");
