/* Numbers that must not be confused, and the page they count in. */
#ifndef LODGE_TYPES_H
#define LODGE_TYPES_H

#include <lodge/compiler.h>

#define PAGE_SHIFT 12
#define PAGE_SIZE  (1UL << PAGE_SHIFT)
#define PAGE_MASK  (~(PAGE_SIZE - 1))

#define KIB(n) ((uint64_t)(n) << 10)
#define MIB(n) ((uint64_t)(n) << 20)
#define GIB(n) ((uint64_t)(n) << 30)

#define NS_PER_US 1000ULL
#define NS_PER_MS 1000000ULL
#define NS_PER_S  1000000000ULL

/* A machine frame, a guest (pseudo-physical) frame, a machine address. */
typedef struct { uint64_t n; } mfn_t;
typedef struct { uint64_t n; } gfn_t;
typedef struct { uint64_t n; } maddr_t;

#define MFN(x)   ((mfn_t){ (x) })
#define GFN(x)   ((gfn_t){ (x) })
#define MADDR(x) ((maddr_t){ (x) })

#define MFN_INVALID MFN(~0ULL)
#define GFN_INVALID GFN(~0ULL)

static inline bool mfn_eq(mfn_t a, mfn_t b) { return a.n == b.n; }
static inline bool gfn_eq(gfn_t a, gfn_t b) { return a.n == b.n; }
static inline mfn_t mfn_add(mfn_t a, uint64_t i) { return MFN(a.n + i); }
static inline maddr_t mfn_to_maddr(mfn_t m) { return MADDR(m.n << PAGE_SHIFT); }
static inline mfn_t maddr_to_mfn(maddr_t a) { return MFN(a.n >> PAGE_SHIFT); }

#endif
