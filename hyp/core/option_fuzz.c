/* The command line is whatever a boot loader hands over. */
#include <stdlib.h>
#include <string.h>
#include "core/console.h"
#include "core/log.h"
#include "core/option.h"

static bool opt_flag;
static unsigned int opt_number;
static uint64_t opt_bytes;
static char opt_word[8];

OPTION_BOOL("b", opt_flag);
OPTION_UINT("u", opt_number);
OPTION_SIZE("s", opt_bytes);
OPTION_STRING("w", opt_word);

static int parse_list(const char *value)
{
    uint64_t n;

    while (*value) {
        if (parse_size(value, &n, &value)) {
            return -1;
        }
        value += *value == ',';
    }
    return 0;
}
OPTION_FN("f", parse_list, "sizes, parted by commas");

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *cmdline = malloc(size + 1);

    if (!cmdline) {
        return 0;
    }
    memcpy(cmdline, data, size);
    cmdline[size] = '\0';
    option_parse(cmdline);
    if (strncmp(option_cmdline(), cmdline, strlen(option_cmdline())) ||
        strnlen(opt_word, sizeof(opt_word)) == sizeof(opt_word)) {
        abort();
    }
    free(cmdline);
    return 0;
}
