/*
 * Domain 0's console: what it writes goes out as it is, what was typed for it waits here. Source:
 * public/xen.h, CONSOLEIO_*.
 */
#include "core/hypercall.h"
#include "core/console.h"
#include "core/guest.h"
#include "core/privilege.h"
#include "core/softirq.h"

#define CHUNK 256

static long console_write(uint64_t gva, uint32_t left)
{
    char chunk[CHUNK];
    uint32_t n = 0;

    for (; left; gva += n, left -= n) {
        if (n && preempt_requested()) {
            return hypercall_continue(3, ARGS(CONSOLEIO_write, left, gva));
        }
        n = MIN(left, (uint32_t)sizeof(chunk));
        if (guest_copy_from(chunk, gva, n)) {
            return -EFAULT;
        }
        console_write_dom0(chunk, n);
    }
    return 0;
}

/*
 * Returns how many bytes there were. Stops where the guest's buffer does: what was read till then
 * is lost with it.
 */
static long console_read(uint64_t gva, uint32_t room)
{
    char chunk[CHUNK];
    long total = 0;

    if (room > INT32_MAX) {
        return -E2BIG; /* the answer must not look like an error */
    }
    while (total < (long)room) {
        size_t n = console_read_input(chunk, MIN((size_t)room - (size_t)total, sizeof(chunk)));

        if (!n) {
            break;
        }
        if (guest_copy_to(gva + (uint64_t)total, chunk, n)) {
            return -EFAULT;
        }
        total += (long)n;
    }
    return total;
}

/*
 * public/xen.h, console_io. a1: CONSOLEIO_*; a2: bytes; a3: where. -EPERM for other domains than
 * the console's own.
 */
long hypercall_console_io(uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5)
{
    int rc = privilege_machine(current);

    (void)a4;
    (void)a5;
    if (rc) {
        return rc;
    }
    switch ((uint32_t)a1) {
    case CONSOLEIO_write:
        return console_write(a3, (uint32_t)a2);
    case CONSOLEIO_read:
        return console_read(a3, (uint32_t)a2);
    default:
        return -ENOSYS;
    }
}
