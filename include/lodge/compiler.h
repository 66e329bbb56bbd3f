/* What every file may say to the compiler. No code here, no state. */
#ifndef LODGE_COMPILER_H
#define LODGE_COMPILER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MUST_CHECK    __attribute__((warn_unused_result))
#define NORETURN      __attribute__((noreturn))
#define PACKED        __attribute__((packed))
#define ALIGNED(n)    __attribute__((aligned(n)))
#define SECTION(name) __attribute__((section(name), used))
#define PRINTF(f, a)  __attribute__((format(printf, f, a)))
#define INIT_TEXT     __attribute__((section(".init.text"), noinline)) /* freed after boot */
#define INIT_DATA     __attribute__((section(".init.data")))
#define READ_MOSTLY   __attribute__((section(".data.read_mostly")))
#define ALWAYS_INLINE inline __attribute__((always_inline))

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))
#define BUILD_ASSERT(cond) _Static_assert(cond, #cond)

#define DIV_ROUND_UP(n, d) (((n) + (d) - 1) / (d))
#define ROUND_UP(n, to)    (((n) + (to) - 1) & ~((__typeof__(n))(to) - 1)) /* to: a power of two */
#define ROUND_DOWN(n, to)  ((n) & ~((__typeof__(n))(to) - 1))

#define MIN(a, b) ({ __typeof__(a) a_ = (a); __typeof__(b) b_ = (b); a_ < b_ ? a_ : b_; })
#define MAX(a, b) ({ __typeof__(a) a_ = (a); __typeof__(b) b_ = (b); a_ > b_ ? a_ : b_; })

#endif
