/* domctl: dispatch. Order of refusals: Xen, common/domctl.c, do_domctl(). */
#include "core/domctl.h"

#include <lodge/errno.h>
#include "core/guest.h"
#include "core/privilege.h"

static const struct domctl_row {
    uint32_t cmd;
    long (*fn)(struct vcpu *caller, struct domain *d, struct xen_domctl *op);
    enum subop_dir dir;
    enum domctl_whom whom;
} rows[] = {
#define SUBOP(number, handler, member, direction, whom) { (number), (handler), (direction), (whom) },
#include "ops/domctl.def"
#undef SUBOP
};

static const struct domctl_row *row_of(uint32_t cmd)
{
    for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
        if (rows[i].cmd == cmd) {
            return &rows[i];
        }
    }
    return NULL;
}

/* Whether a domain exists is told before what may be done to it. Referenced, or NULL with NOBODY. */
static int find(enum domctl_whom whom, domid_t id, struct domain **d)
{
    *d = NULL;
    switch (whom) {
    case NOBODY:
        return 0;
    case THIS_OR_NEXT:
        if (id >= DOMID_LIMIT) {
            return -EINVAL;
        }
        *d = domain_get_next(id);
        break;
    case THIS:
        *d = domain_get(id);
        break;
    }
    return *d ? 0 : -ESRCH;
}

static long run(const struct domctl_row *row, struct domain *d, struct xen_domctl *op,
                uint64_t arg_gva)
{
    bool alone = row->whom != THIS_OR_NEXT;
    long rc;

    if (row->dir != SILENT && guest_copy_to(arg_gva, op, sizeof(*op))) {
        return -EFAULT;
    }
    if (alone && !control_try_enter()) {
        return control_again(arg_gva);
    }
    rc = row->fn(current, d, op);
    if (subop_answers(row->dir, rc) && guest_copy_to(arg_gva, op, sizeof(*op))) {
        rc = -EFAULT;
    }
    if (alone) {
        control_leave();
    }
    return rc == -ERESTART ? control_again(arg_gva) : rc;
}

/* domctl(struct xen_domctl *arg) */
long hypercall_domctl(uint64_t arg_gva, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5)
{
    const struct domctl_row *row;
    struct xen_domctl op;
    struct domain *d;
    long rc;

    (void)a2, (void)a3, (void)a4, (void)a5;
    if (guest_copy_from(&op, arg_gva, sizeof(op))) {
        return -EFAULT;
    }
    if (op.interface_version != XEN_DOMCTL_INTERFACE_VERSION) {
        return -EACCES;
    }
    row = row_of(op.cmd);
    rc = find(row ? row->whom : THIS, op.domain, &d);
    if (rc) {
        return rc;
    }
    rc = row && row->whom == THIS_OR_NEXT ? privilege_look(current, d) : privilege_control(current, d);
    if (!rc) {
        rc = row ? run(row, d, &op, arg_gva) : -ENOSYS;
    }
    domain_put(d);
    return rc;
}
