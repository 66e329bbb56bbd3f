/* sysctl: dispatch. */
#include "core/sysctl.h"

#include <lodge/errno.h>
#include "core/guest.h"
#include "core/privilege.h"

static const struct sysctl_row {
    uint32_t cmd;
    long (*fn)(struct vcpu *caller, struct xen_sysctl *op);
    enum subop_dir dir;
} rows[] = {
#define SUBOP(number, handler, member, direction) { (number), (handler), (direction) },
#include "ops/sysctl.def"
#undef SUBOP
};

static const struct sysctl_row *row_of(uint32_t cmd)
{
    for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
        if (rows[i].cmd == cmd) {
            return &rows[i];
        }
    }
    return NULL;
}

static long run(const struct sysctl_row *row, struct xen_sysctl *op, uint64_t arg_gva)
{
    long rc = row->fn(current, op);

    if (subop_answers(row->dir, rc) && guest_copy_to(arg_gva, op, sizeof(*op))) {
        rc = -EFAULT;
    }
    return rc;
}

/* sysctl(struct xen_sysctl *arg) */
long hypercall_sysctl(uint64_t arg_gva, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5)
{
    const struct sysctl_row *row;
    struct xen_sysctl op;
    long rc;

    (void)a2, (void)a3, (void)a4, (void)a5;
    if (guest_copy_from(&op, arg_gva, sizeof(op))) {
        return -EFAULT;
    }
    if (op.interface_version != XEN_SYSCTL_INTERFACE_VERSION) {
        return -EACCES;
    }
    rc = privilege_machine(current);
    if (rc) {
        return rc;
    }
    row = row_of(op.cmd);
    if (!row) {
        return -ENOSYS;
    }
    if (row->dir != SILENT && guest_copy_to(arg_gva, &op, sizeof(op))) {
        return -EFAULT;
    }
    if (!control_try_enter()) {
        return control_again(arg_gva);
    }
    rc = run(row, &op, arg_gva);
    control_leave();
    return rc == -ERESTART ? control_again(arg_gva) : rc;
}
