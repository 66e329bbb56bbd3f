/*
 * spec-ctrl=, xpti=: Xen's options for mitigations of speculative execution. There are none here yet beyond clamped indices, so
 * all that can be asked for is what is the case.
 */
#include <lodge/errno.h>
#include "core/log.h"
#include "core/option.h"

static int parse_mitigation(const char *name, const char *value)
{
    bool on;

    if (parse_bool(value, &on) == 0 && !on) {
        return 0;
    }
    log_warning("%s=%s: no such mitigation is built in: guests' indices are clamped, that is all", name, value);
    return 0;
}

static int parse_spec_ctrl(const char *value)
{
    return parse_mitigation("spec-ctrl", value);
}
OPTION_FN("spec-ctrl", parse_spec_ctrl, "no");

static int parse_xpti(const char *value)
{
    return parse_mitigation("xpti", value);
}
OPTION_FN("xpti", parse_xpti, "no");
