/*
 * Hypercall dispatch. ops/hypercall.def is the table of numbers; ops/NAME.def the sub-operations of
 * each family; both are the source of the dispatch tables and of docs/abi.md.
 */
#ifndef CORE_HYPERCALL_H
#define CORE_HYPERCALL_H

#include <lodge/compiler.h>
#include <lodge/errno.h>
#include "core/domain.h"

#define NR_HYPERCALLS 64

/* A handler takes what the ABI's registers hold, in order; it returns the ABI's value or -errno. */
typedef long (*hypercall_fn)(uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5);
/* never NULL: absent numbers answer -ENOSYS */
extern const hypercall_fn hypercall_table[NR_HYPERCALLS];

/*
 * A long operation stops: the caller re-executes the same hypercall with these arguments (n of
 * them; the others stay).
 *     if (preempt_requested()) return hypercall_continue(3, ARGS(cmd, arg_gva | done << 32, x));
 * Returns -ERESTART, which the handler must return at once. The guest runs in between: check
 * everything again.
 */
#define ARGS(...) (const uint64_t[]){ __VA_ARGS__ }
long hypercall_continue(unsigned int n, const uint64_t *args);
/*
 * Supplied by the architecture: the calling vCPU's argument registers, and repeat the instruction.
 */
void hypercall_arch_continue(struct vcpu *v, unsigned int n, const uint64_t *args);

/*
 * vcpu.multi points at this while an entry of a multicall runs, and is NULL otherwise. A handler
 * that leaves for good without returning (into another context) must set it to NULL; the
 * architecture's hypercall entry may rely on NULL or set it.
 */
struct hypercall_multi {
    uint64_t args[6];
    bool continued; /* args are to be written back and the entry executed again */
};

/* Sub-operations with one argument structure in guest memory. */
enum subop_dir {
    SILENT,   /* structure is only read */
    ANSWERS,  /* and written back when the operation returned 0 */
    ANSWERS_ALWAYS, /* also beside an error (domctl and sysctl) */
};
static inline bool subop_answers(enum subop_dir dir, long rc)
{
    return dir == ANSWERS_ALWAYS || (dir == ANSWERS && (!rc || rc == -ERESTART));
}
struct subop {
    long (*fn)(struct vcpu *caller, void *arg); /* arg: our copy, suitably aligned */
    uint16_t size;                              /* <= SUBOP_MAX_SIZE */
    uint8_t dir;
};
#define SUBOP_MAX_SIZE 256
/*
 * -ENOSYS for an absent row, -EFAULT; ANSWERS: the structure is proven writable before the
 * operation acts.
 */
long subop_dispatch(const struct subop *table, unsigned int rows, uint64_t cmd, uint64_t arg_gva);

#define HYPERCALL(nr, name, status, note)                                                          \
    long hypercall_##name(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);
#define HYPERCALL_NONE(nr, name, answer, note)
#include "ops/hypercall.def"
#undef HYPERCALL
#undef HYPERCALL_NONE
/* -ENOSYS, whatever is asked; stands in for every handler that a build does not define. */
long hypercall_absent(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);

#endif
