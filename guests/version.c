/* version.c: xen_version, every sub-operation; console_io; callbacks. */
#include "lib/guest.h"

#define UNMAPPED ((void *)0x7f0000000000)

static void show_text(const char *name, int cmd, char *buffer, size_t size)
{
    memset(buffer, 0x7f, size);
    result(xen_version(cmd, buffer), "%s", name);
    result(xen_version(cmd, UNMAPPED), "%s-unmapped", name);
    result(xen_version(cmd, (void *)HYPERVISOR_VIRT_START), "%s-in-m2p", name);
    result(xen_version(cmd, (void *)(1UL << 63)), "%s-non-canonical", name);
}

static void check_features(void)
{
    struct xen_feature_info info = { .submap_idx = 0 };

    check(xen_version(XENVER_get_features, &info), 0, "features");
    result(info.submap, "features-submap-0");
    info.submap_idx = 1;
    result(xen_version(XENVER_get_features, &info), "features-1");
    info.submap_idx = ~0U;
    result(xen_version(XENVER_get_features, &info), "features-minus-1");
    result(xen_version(XENVER_get_features, UNMAPPED), "features-unmapped");
}

/* A hypervisor linked without a build id says -ENODATA. */
static void check_build_id(void)
{
    static struct xen_build_id build_id;
    long length = xen_version(XENVER_build_id, NULL), rc;

    check(length > 0 || length == -XEN_ENODATA, true, "build-id-length");
    build_id.len = 1;
    rc = xen_version(XENVER_build_id, &build_id);
    check(rc, length > 0 ? -XEN_ENOBUFS : -XEN_ENODATA, "build-id-short");
    build_id.len = 0;
    result(xen_version(XENVER_build_id, &build_id), "build-id-no-room");
}

static void check_version(void)
{
    static char buffer[2048];
    struct xen_platform_parameters parameters = { 0 };
    unsigned int i;

    result(xen_version(XENVER_version, NULL), "version");
    show_text("extraversion", XENVER_extraversion, buffer, sizeof(buffer));
    show_text("compile-info", XENVER_compile_info, buffer, sizeof(buffer));
    show_text("capabilities", XENVER_capabilities, buffer, sizeof(buffer));
    check(!strncmp(buffer, "xen-3.0-x86_64 ", 15), true, "capabilities-pv");
    show_text("changeset", XENVER_changeset, buffer, sizeof(buffer));
    show_text("commandline", XENVER_commandline, buffer, sizeof(buffer));
    check(xen_version(XENVER_platform_parameters, &parameters), 0, "platform-parameters");
    check(parameters.virt_start, HYPERVISOR_VIRT_START, "platform-parameters-start");
    check_features();
    result(xen_version(XENVER_pagesize, NULL), "page-size");
    memset(buffer, 0x7f, 16);
    check(xen_version(XENVER_guest_handle, buffer), 0, "guest-handle");
    for (i = 0; i < 16 && !buffer[i]; i++) {
    }
    result(i, "guest-handle-zeroes");
    check_build_id();
    result(xen_version(11, buffer), "command-11");
    result(xen_version(-1, buffer), "command-minus-1");
}

static void check_console(void)
{
    char buffer[16];
    uint8_t *two = pages_alloc(2);

    /* One line feed, and then a hole. */
    two[PAGE_SIZE - 1] = '\n';
    guest_need(page_set(two + PAGE_SIZE, 0));
    result(xen_console_io(CONSOLEIO_write, -1, (char *)two + PAGE_SIZE - 1), "write-negative");
    result(xen_console_io(CONSOLEIO_write, 2, (char *)two + PAGE_SIZE - 1), "write-into-hole");
    check(xen_console_io(CONSOLEIO_write, 0, NULL), 0, "write-nothing");
    result(xen_console_io(CONSOLEIO_write, 5, UNMAPPED), "write-unmapped");
    result(xen_console_io(CONSOLEIO_read, 16, buffer), "read-nothing-there");
    result(xen_console_io(CONSOLEIO_read, 16, UNMAPPED), "read-unmapped-nothing-there");
    result(xen_console_io(CONSOLEIO_read, -1, buffer), "read-negative");
    result(xen_console_io(CONSOLEIO_read, 0, buffer), "read-0");
    result(xen_console_io(2, 1, buffer), "command-2-console");
    result(xen_console_io(-1, 1, buffer), "command-minus-1-console");
}

static long callback(int cmd, uint16_t type, uint16_t flags, unsigned long address)
{
    struct callback_register arg = { .type = type, .flags = flags, .address = address };

    return xen_callback_op(cmd, &arg);
}

static void check_callbacks(void)
{
    extern const uint8_t event_entry[];
    unsigned int type;

    for (type = 0; type <= 9; type++) {
        if (type == CALLBACKTYPE_event || type == CALLBACKTYPE_failsafe) {
            continue;
        }
        result(callback(CALLBACKOP_register, type, 0, (unsigned long)image_start), "callback-%u",
               type);
        result(callback(CALLBACKOP_register, type, 0, 1UL << 63), "callback-%u-non-canonical",
               type);
        result(callback(CALLBACKOP_unregister, type, 0, 0), "callback-%u-unregister", type);
    }
    result(callback(CALLBACKOP_register, CALLBACKTYPE_event, 0xfffe, (unsigned long)event_entry),
           "callback-unknown-flags");
    result(callback(CALLBACKOP_register, CALLBACKTYPE_event, 0, 1UL << 63),
           "callback-event-non-canonical");
    result(callback(CALLBACKOP_unregister, CALLBACKTYPE_event, 0, 0), "callback-event-unregister");
    result(callback(CALLBACKOP_unregister, CALLBACKTYPE_failsafe, 0, 0),
           "callback-failsafe-unregister");
    result(callback(CALLBACKOP_register, 0xffff, 0, 0), "callback-minus-1");
    result(xen_callback_op(CALLBACKOP_register, UNMAPPED), "callback-unmapped");
    result(xen_callback_op(CALLBACKOP_unregister, UNMAPPED), "callback-unregister-unmapped");
    result(xen_callback_op(2, UNMAPPED), "callback-command-2");
    result(HYPERCALL3(__HYPERVISOR_set_callbacks, event_entry, image_start, image_start),
           "set-callbacks");
    result(HYPERCALL3(__HYPERVISOR_set_callbacks, 1UL << 63, image_start, image_start),
           "set-callbacks-non-canonical");
}

static void check_trap_table(void)
{
    struct trap_info bad[2] = { { .vector = 6, .cs = FLAT_KERNEL_CS, .address = 1UL << 63 } };

    result(xen_set_trap_table(UNMAPPED), "trap-table-unmapped");
    result(xen_set_trap_table((void *)HYPERVISOR_VIRT_START), "trap-table-in-m2p");
    result(xen_set_trap_table(bad), "trap-table-non-canonical");
    bad[0].address = (unsigned long)image_start;
    bad[0].cs = 8;
    result(xen_set_trap_table(bad), "trap-table-odd-selector");
    bad[0].cs = 0xe008;
    result(xen_set_trap_table(bad), "trap-table-hypervisor-selector");
    result(xen_set_trap_table(NULL), "trap-table-null-clears");
}

void guest_main(void)
{
    check_version();
    check_console();
    check_trap_table();
    check_callbacks();
}
