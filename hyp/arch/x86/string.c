/*
 * include/lodge/string.h for a CPU without SSE: long runs by string instructions, eight bytes a
 * step.
 */
#include <lodge/string.h>
#include <stdint.h>

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
    void *d = to;
    size_t words = n / 8;

    __asm__ volatile("rep movsq\n\tmov %[tail], %%rcx\n\trep movsb"
                     : "+&D"(d), "+&S"(from), "+&c"(words)
                     : [tail] "r"(n % 8)
                     : "memory");
    return to;
}

void *memmove(void *to, const void *from, size_t n)
{
    char *d = to;
    const char *s = from;

    if ((uintptr_t)d - (uintptr_t)s >= n) {
        return memcpy(to, from, n);
    }
    d += n - 1;
    s += n - 1;
    __asm__ volatile("std\n\trep movsb\n\tcld" : "+D"(d), "+S"(s), "+c"(n)::"memory");
    return to;
}

void *memset(void *to, int c, size_t n)
{
    void *d = to;
    uint64_t pattern = (unsigned char)c * 0x0101010101010101ULL;
    size_t words = n / 8;

    __asm__ volatile("rep stosq\n\tmov %[tail], %%rcx\n\trep stosb"
                     : "+&D"(d), "+&c"(words)
                     : [tail] "r"(n % 8), "a"(pattern)
                     : "memory");
    return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const unsigned char *x = a, *y = b;

    for (; n; n--, x++, y++) {
        if (*x != *y) {
            return *x - *y;
        }
    }
    return 0;
}

void *memchr(const void *s, int c, size_t n)
{
    const unsigned char *p = s;

    for (; n; n--, p++) {
        if (*p == (unsigned char)c) {
            return (void *)p;
        }
    }
    return NULL;
}

size_t strlen(const char *s)
{
    const char *p = s;

    while (*p) {
        p++;
    }
    return (size_t)(p - s);
}

size_t strnlen(const char *s, size_t max)
{
    size_t n = 0;

    while (n < max && s[n]) {
        n++;
    }
    return n;
}

int strcmp(const char *a, const char *b)
{
    for (; *a && *a == *b; a++, b++) {
    }
    return (unsigned char)*a - (unsigned char)*b;
}

int strncmp(const char *a, const char *b, size_t n)
{
    for (; n && *a && *a == *b; n--, a++, b++) {
    }
    return n ? (unsigned char)*a - (unsigned char)*b : 0;
}

char *strchr(const char *s, int c)
{
    for (;; s++) {
        if (*s == (char)c) {
            return (char *)s;
        }
        if (!*s) {
            return NULL;
        }
    }
}

char *strrchr(const char *s, int c)
{
    const char *last = NULL;

    for (;; s++) {
        if (*s == (char)c) {
            last = s;
        }
        if (!*s) {
            return (char *)last;
        }
    }
}

char *strstr(const char *s, const char *what)
{
    size_t n = strlen(what);

    for (; *s || !n; s++) {
        if (!strncmp(s, what, n)) {
            return (char *)s;
        }
    }
    return NULL;
}

/*
 * What the compiler calls for __builtin_popcountll on the x86-64 baseline, which has no such
 * instruction.
 */
int __popcountdi2(int64_t v);
int __popcountdi2(int64_t v)
{
    uint64_t x = (uint64_t)v;

    x -= x >> 1 & 0x5555555555555555ULL;
    x = (x & 0x3333333333333333ULL) + (x >> 2 & 0x3333333333333333ULL);
    x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0fULL;
    return (int)(x * 0x0101010101010101ULL >> 56);
}
