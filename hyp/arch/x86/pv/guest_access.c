/* Copies to and from the current vCPU's address space (core/guest.h): ordinary moves that may fault. */
#include "pv/guest_access.h"
#include <lodge/errno.h>

bool guest_range_ok(uint64_t gva, uint64_t n)
{
    uint64_t end = gva + n;

    return end >= gva && (gva >= HOLE_END || end <= 1ULL << 47);
}

/* Words first, then bytes; returns the bytes not copied (at least one of them could not be). */
static size_t copy(void *to, const void *from, size_t n)
{
    size_t words = n / 8, rest = n % 8;

    __asm__ volatile("1: rep movsq\n"
                     "   mov %[rest], %[n]\n"
                     "2: rep movsb\n"
                     "3:\n"
                     ".pushsection .text.fixup, \"ax\"\n"
                     "4: lea (%[rest], %[n], 8), %[n]\n"
                     "   jmp 3b\n"
                     ".popsection\n" EXTABLE("1b", "4b") EXTABLE("2b", "3b")
                     : [n] "+c"(words), "+D"(to), "+S"(from)
                     : [rest] "r"(rest)
                     : "memory");
    return words;
}

int guest_copy_from(void *to, uint64_t gva, size_t n)
{
    if (!guest_range_ok(gva, n)) {
        return -EFAULT;
    }
    return copy(to, (const void *)gva, n) ? -EFAULT : 0;
}

int guest_copy_to(uint64_t gva, const void *from, size_t n)
{
    if (!guest_range_ok(gva, n)) {
        return -EFAULT;
    }
    return copy((void *)gva, from, n) ? -EFAULT : 0;
}

int guest_clear(uint64_t gva, size_t n)
{
    void *to = (void *)gva;

    if (!guest_range_ok(gva, n)) {
        return -EFAULT;
    }
    __asm__ volatile("1: rep stosb\n"
                     "2:\n" EXTABLE("1b", "2b")
                     : "+c"(n), "+D"(to)
                     : "a"(0)
                     : "memory");
    return n ? -EFAULT : 0;
}
