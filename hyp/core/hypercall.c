/*
 * The hypercall table, sub-operations with one argument structure, and how a long operation goes on
 * later.
 */
#include "core/hypercall.h"
#include <lodge/range.h>
#include <lodge/string.h>
#include "core/guest.h"

static long hypercall_unsupported(uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5)
{
    (void)a1;
    (void)a2;
    (void)a3;
    (void)a4;
    (void)a5;
    return -EOPNOTSUPP;
}

#define ANSWER_ENOSYS     hypercall_absent
#define ANSWER_EOPNOTSUPP hypercall_unsupported

/* Every number first answers -ENOSYS, then the rows of the table speak. */
#if defined(__clang__)
#pragma clang diagnostic ignored "-Winitializer-overrides"
#else
#pragma GCC diagnostic ignored "-Woverride-init"
#endif
const hypercall_fn hypercall_table[NR_HYPERCALLS] = {
    [0 ... NR_HYPERCALLS - 1] = hypercall_absent,
#define HYPERCALL(nr, name, status, note)      [nr] = hypercall_##name,
#define HYPERCALL_NONE(nr, name, answer, note) [nr] = ANSWER_##answer,
#include "ops/hypercall.def"
#undef HYPERCALL
#undef HYPERCALL_NONE
};

long hypercall_continue(unsigned int n, const uint64_t *args)
{
    struct vcpu *v = current;

    if (v->multi) {
        for (unsigned int i = 0; i < n; i++) {
            v->multi->args[i] = args[i];
        }
        v->multi->continued = true;
    } else {
        hypercall_arch_continue(v, n, args);
    }
    return -ERESTART;
}

long subop_dispatch(const struct subop *table, unsigned int rows, uint64_t cmd, uint64_t arg_gva)
{
    uint64_t arg[SUBOP_MAX_SIZE / sizeof(uint64_t)] ALIGNED(16);
    const struct subop *op;
    long rc;

    cmd = (uint32_t)cmd; /* the ABI's type: what is above is not looked at */
    if (cmd >= rows) {
        return -ENOSYS;
    }
    op = &table[index_nospec(cmd, rows)];
    if (!op->fn) {
        return -ENOSYS;
    }
    if (guest_copy_from(arg, arg_gva, op->size)) {
        return -EFAULT;
    }
    /*
     * Writing back what was read changes nothing, but an answer that could not be given would leave
     * a deed undone.
     */
    if (op->dir == ANSWERS && guest_copy_to(arg_gva, arg, op->size)) {
        return -EFAULT;
    }
    rc = op->fn(current, arg);
    if (!rc && op->dir == ANSWERS && guest_copy_to(arg_gva, arg, op->size)) {
        return -EFAULT; /* another vCPU of the same guest took the page away meanwhile */
    }
    return rc;
}
