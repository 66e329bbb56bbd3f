/*
 * Guest memory of the host architecture: blocks of the process's own memory, with fences and
 * faults.
 */
#include <stdlib.h>
#include <string.h>
#include "core/guest.h"
#include "core/guest_frame.h"
#include "host.h"

#define MAX_RANGES 256

struct guest_range {
    uint64_t start, end;
    unsigned int faults; /* HOST_FAULT_*; of a block: 0 */
    void *memory;        /* what to free; of a fault: NULL */
};

static struct guest_range ranges[MAX_RANGES];
static unsigned int nr_ranges;

static void range_add(uint64_t start, size_t n, unsigned int faults, void *memory)
{
    if (nr_ranges == MAX_RANGES) {
        abort();
    }
    ranges[nr_ranges++] = (struct guest_range){ start, start + n, faults, memory };
}

void *host_guest_alloc(size_t n)
{
    void *p = calloc(1, n ? n : 1);

    if (!p) {
        abort();
    }
    range_add(host_gva(p), n, 0, p);
    return p;
}

void host_guest_fault(const void *p, size_t n, unsigned int how)
{
    range_add(host_gva(p), n, how, NULL);
}

void host_guest_reset(void)
{
    for (unsigned int i = 0; i < nr_ranges; i++) {
        free(ranges[i].memory);
    }
    nr_ranges = 0;
}

static bool byte_ok(uint64_t gva, unsigned int how)
{
    bool inside = false;

    for (unsigned int i = 0; i < nr_ranges; i++) {
        if (gva >= ranges[i].start && gva < ranges[i].end) {
            if (ranges[i].faults & how) {
                return false;
            }
            inside |= ranges[i].memory != NULL;
        }
    }
    return inside;
}

/* Bytes from gva on that can be accessed, at most n: a real copy too stops in the middle. */
static size_t accessible(uint64_t gva, size_t n, unsigned int how)
{
    size_t i = 0;

    while (i < n && byte_ok(gva + i, how)) {
        i++;
    }
    return i;
}

int guest_copy_from(void *to, uint64_t gva, size_t n)
{
    size_t ok = accessible(gva, n, HOST_FAULT_READ);

    if (ok) {
        memcpy(to, (const void *)(uintptr_t)gva, ok);
    }
    return ok == n ? 0 : -EFAULT;
}

int guest_copy_to(uint64_t gva, const void *from, size_t n)
{
    size_t ok = accessible(gva, n, HOST_FAULT_WRITE);

    if (ok) {
        memcpy((void *)(uintptr_t)gva, from, ok);
    }
    return ok == n ? 0 : -EFAULT;
}

int guest_clear(uint64_t gva, size_t n)
{
    size_t ok = accessible(gva, n, HOST_FAULT_WRITE);

    if (ok) {
        memset((void *)(uintptr_t)gva, 0, ok);
    }
    return ok == n ? 0 : -EFAULT;
}

bool guest_range_ok(uint64_t gva, uint64_t n)
{
    /*
     * Where a PV guest may not point: public/arch-x86/xen-x86_64.h, HYPERVISOR_VIRT_START and _END.
     */
    return gva + n >= gva && (gva + n <= 0xffff800000000000ULL || gva >= 0xffff880000000000ULL);
}

/* The host's guests name frames by their machine number. What makes one writable is grant.c's. */
struct frame *guest_frame_get(struct domain *d, uint64_t gfn, bool writable)
{
    struct frame *f;

    if (!frame_valid(MFN(gfn))) {
        return NULL;
    }
    f = frame_of(MFN(gfn));
    if (!frame_get(f, d)) {
        return NULL;
    }
    if (writable && !guest_frame_get_writable(f)) {
        frame_put(f);
        return NULL;
    }
    return f;
}

void guest_frame_put(struct frame *f, bool writable)
{
    if (!f) {
        return;
    }
    if (writable) {
        guest_frame_put_writable(f);
    }
    frame_put(f);
}
