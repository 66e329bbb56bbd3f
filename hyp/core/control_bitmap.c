/* Sets that tools pass as a bitmap in their memory. Source: public/domctl.h, struct xenctl_bitmap. */
#include "core/control.h"

#include <lodge/errno.h>
#include <lodge/string.h>
#include <xen/domctl.h>
#include "core/guest.h"

#define MAX_BITS (1U << 20) /* bounds the time that clearing the rest takes */

/* Of nr_bits bits, in words, those of the caller's that exist; the rest is 0. */
int control_bitmap_get(uint64_t *to, unsigned int nr_bits, const struct xenctl_bitmap *from)
{
    unsigned int bits = MIN(from->nr_bits, nr_bits);

    memset(to, 0, BITMAP_WORDS(nr_bits) * sizeof(*to));
    if (guest_copy_from(to, guest_addr(from->bitmap, 0), DIV_ROUND_UP(bits, 8))) {
        return -EFAULT;
    }
    if (bits % 64) {
        to[bits / 64] &= (1ULL << bits % 64) - 1;
    }
    return 0;
}

int control_bitmap_put(const struct xenctl_bitmap *to, const uint64_t *from, unsigned int nr_bits)
{
    size_t room = DIV_ROUND_UP((size_t)to->nr_bits, 8);
    size_t n = MIN(room, (size_t)DIV_ROUND_UP(nr_bits, 8));

    if (to->nr_bits > MAX_BITS) {
        return -E2BIG;
    }
    if (guest_copy_to(guest_addr(to->bitmap, 0), from, n) ||
        guest_clear(guest_addr(to->bitmap, n), room - n)) {
        return -EFAULT;
    }
    return 0;
}

int control_cpumap_get(cpumap_t *to, const struct xenctl_bitmap *from)
{
    memset(to, 0, sizeof(*to));
    return control_bitmap_get(to->bits, arch_nr_cpus(), from);
}

/* A CPU that there is not is in no set, also where all are meant. */
int control_cpumap_put(const struct xenctl_bitmap *to, const cpumap_t *from)
{
    unsigned int nr = arch_nr_cpus();
    cpumap_t copy = *from;

    if (nr % 64) {
        copy.bits[nr / 64] &= (1ULL << nr % 64) - 1;
    }
    return control_bitmap_put(to, copy.bits, nr);
}
