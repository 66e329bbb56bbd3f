/* guest.c: from the first C instruction to guest_main(). */
#include "guest.h"

struct boot_regs boot_regs;

void guest_start(struct start_info *si);

const char *guest_option(const char *name)
{
    const char *at = (const char *)start_info->cmd_line;
    size_t length = strlen(name);

    while (*at) {
        if (!strncmp(at, name, length) && at[length] == '=') {
            return at + length + 1;
        }
        while (*at && *at != ' ') {
            at++;
        }
        while (*at == ' ') {
            at++;
        }
    }
    return NULL;
}

bool guest_option_is(const char *name, const char *value)
{
    const char *text = guest_option(name);
    size_t length = strlen(value);

    return text && !strncmp(text, value, length) && (text[length] == ' ' || !text[length]);
}

void guest_start(struct start_info *si)
{
    memory_init(si);
    vcpu_init(0);
    trap_init();
    guest_main();
    guest_exit();
}
