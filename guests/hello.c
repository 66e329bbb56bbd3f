/* hello.c: the smallest guest: it says who runs it and ends. Read this one first, then lib/. */
#include "lib/guest.h"

void guest_main(void)
{
    static xen_extraversion_t extra;
    long version = xen_version(XENVER_version, NULL);

    guest_need(xen_version(XENVER_extraversion, extra));
    print("hello from a guest on version %ld.%ld%s\n", version >> 16, version & 0xffff, extra);
    print("magic \"%s\", %lu pages, flags 0x%x, command line \"%s\"\n", start_info->magic,
          start_info->nr_pages, start_info->flags, (char *)start_info->cmd_line);
    check(version >= 0, true, "version");
    check(start_info->flags & SIF_INITDOMAIN, SIF_INITDOMAIN, "initial-domain");
}
