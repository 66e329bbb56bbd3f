/*
 * vcpu_op: a guest starts and stops its vCPUs and says where it wants to read about them. Source:
 * public/vcpu.h.
 */
#include "core/vcpu_op.h"

#include <lodge/errno.h>
#include <lodge/range.h>
#include <xen/xen.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include "core/evtchn.h"
#include "core/guest.h"
#include "core/guest_timer.h"
#include "core/hypercall.h"
#include "core/privilege.h"

/*
 * v is a vCPU of the caller's domain, arg our copy of the argument; for raw operations, its address
 * as a uint64_t.
 */
typedef long (*vcpu_op_fn)(struct vcpu *v, void *arg);

static long op_initialise(struct vcpu *v, void *arg)
{
    uint64_t context_gva = *(uint64_t *)arg;
    int rc;

    if (v->info == &vcpu_dummy_info) {
        return -EINVAL; /* it could never be told of an event */
    }
    if (__atomic_exchange_n(&v->initialising, true, __ATOMIC_ACQUIRE)) {
        return -EBUSY;
    }
    rc = vcpu_arch_initialise(v, context_gva);
    if (!rc) {
        v->initialised = true; /* read by VCPUOP_up after the acquire on its lock */
    }
    __atomic_store_n(&v->initialising, false, __ATOMIC_RELEASE);
    return rc;
}

static long op_up(struct vcpu *v, void *arg)
{
    uint32_t old;

    (void)arg;
    if (!__atomic_load_n(&v->initialised, __ATOMIC_ACQUIRE)) {
        return -EINVAL;
    }
    old = __atomic_fetch_and(&v->pause_flags, ~(1U << VCPU_DOWN), __ATOMIC_SEQ_CST);
    if (old & 1U << VCPU_DOWN) {
        vcpu_wake(v);
    }
    return 0;
}

static bool is_down(const struct vcpu *v)
{
    return __atomic_load_n(&v->pause_flags, __ATOMIC_ACQUIRE) & 1U << VCPU_DOWN;
}

static long op_down(struct vcpu *v, void *arg)
{
    struct domain *d = v->domain;
    bool last = true, was_up = false;
    struct vcpu *other;
    unsigned int i;

    (void)arg;
    spin_lock(&d->lock); /* of two last ones, one stays up */
    domain_for_each_vcpu(d, other, i) {
        last = last && (other == v || is_down(other));
    }
    if (!last) {
        was_up = !(__atomic_fetch_or(&v->pause_flags, 1U << VCPU_DOWN, __ATOMIC_SEQ_CST) &
                   1U << VCPU_DOWN);
    }
    spin_unlock(&d->lock);
    if (last) {
        domain_shutdown(d, SHUTDOWN_poweroff);
    } else if (was_up) {
        vcpu_sleep_nosync(v);
    }
    return 0;
}

static long op_is_up(struct vcpu *v, void *arg)
{
    (void)arg;
    return !is_down(v);
}

static long op_get_runstate_info(struct vcpu *v, void *arg)
{
    vcpu_runstate_get(v, arg);
    return 0;
}

static long op_register_runstate(struct vcpu *v, void *arg)
{
    const struct vcpu_register_runstate_memory_area *req = arg;
    uint64_t gva = req->addr.p;
    struct vcpu_runstate_info now;

    if (!guest_range_ok(gva, sizeof(now))) {
        return -EFAULT;
    }
    __atomic_store_n(&v->runstate_gva, gva, __ATOMIC_RELAXED);
    if (gva) {
        int rc;

        vcpu_runstate_get(v, &now);
        rc = guest_copy_to(gva, &now, sizeof(now));
        (void)rc; /* not mapped yet: the next switch to v tries again */
    }
    return 0;
}

static long op_set_periodic_timer(struct vcpu *v, void *arg)
{
    const struct vcpu_set_periodic_timer *req = arg;

    if (!req->period_ns) {
        return -EINVAL;
    }
    return vcpu_periodic_set(v, req->period_ns);
}

static long op_stop_periodic_timer(struct vcpu *v, void *arg)
{
    (void)arg;
    return vcpu_periodic_set(v, 0);
}

static long op_set_singleshot_timer(struct vcpu *v, void *arg)
{
    const struct vcpu_set_singleshot_timer *req = arg;

    if (v != current) {
        return -EINVAL;
    }
    vcpu_singleshot_set(v, req->timeout_abs_ns); /* VCPU_SSHOTTMR_future: as Xen 4.17, no -ETIME */
    return 0;
}

static long op_stop_singleshot_timer(struct vcpu *v, void *arg)
{
    (void)arg;
    if (v != current) {
        return -EINVAL;
    }
    vcpu_singleshot_stop(v);
    return 0;
}

static long op_register_vcpu_info(struct vcpu *v, void *arg)
{
    const struct vcpu_register_vcpu_info *req = arg;

    return vcpu_info_register(v, req->mfn, req->offset);
}

static long op_send_nmi(struct vcpu *v, void *arg)
{
    if (*(const uint64_t *)arg) {
        return -EINVAL; /* the argument must be NULL */
    }
    vcpu_arch_send_nmi(v);
    return 0;
}

static long op_get_physid(struct vcpu *v, void *arg)
{
    struct vcpu_get_physid *answer = arg;
    int cpu = vcpu_pinned_cpu(v);

    if (privilege_machine(v) || cpu < 0) {
        return -EINVAL;
    }
    answer->phys_id = cpu_arch_physid((unsigned int)cpu);
    return 0;
}

static long op_register_time(struct vcpu *v, void *arg)
{
    const struct vcpu_register_time_memory_area *req = arg;
    uint64_t gva = req->addr.p;

    if (!guest_range_ok(gva, sizeof(struct vcpu_time_info))) {
        return -EFAULT;
    }
    __atomic_store_n(&v->time_gva, gva, __ATOMIC_RELAXED);
    vcpu_arch_time_area_changed(v);
    return 0;
}

enum arg_use { ARG_NONE, ARG_RAW, ARG_IN, ARG_OUT };

static const struct {
    vcpu_op_fn fn;
    uint8_t size;
    uint8_t use;
} vcpu_ops[] = {
#define VCPU_OP(number, handler, type, use) [number] = { handler, sizeof(type), use },
#include "ops/vcpu_op.def"
#undef VCPU_OP
};

/* vcpu_op(int cmd, unsigned int vcpuid, void *arg) */
long hypercall_vcpu_op(uint64_t cmd, uint64_t vcpuid, uint64_t arg_gva, uint64_t a4, uint64_t a5)
{
    struct vcpu *v = domain_vcpu(current->domain, (uint32_t)vcpuid);
    union {
        uint64_t raw;
        uint8_t bytes[sizeof(struct vcpu_runstate_info)];
    } arg = { .bytes = { 0 } };
    unsigned int op;
    long rc = 0;

    (void)a4;
    (void)a5;
    cmd = (uint32_t)cmd;
    if (!v) {
        return -ENOENT; /* before the operation is looked at: guests count their vCPUs by it */
    }
    if (cmd >= ARRAY_SIZE(vcpu_ops)) {
        return -ENOSYS;
    }
    op = (unsigned int)index_nospec(cmd, ARRAY_SIZE(vcpu_ops));
    switch (vcpu_ops[op].use) {
    case ARG_RAW:
        arg.raw = arg_gva;
        break;
    case ARG_IN:
        rc = guest_copy_from(&arg, arg_gva, vcpu_ops[op].size);
        break;
    case ARG_NONE:
    case ARG_OUT:
        break;
    }
    if (!rc) {
        rc = vcpu_ops[op].fn(v, &arg);
    }
    if (rc == -ERESTART) {
        return hypercall_continue(3, ARGS(cmd, vcpuid, arg_gva));
    }
    if (!rc && vcpu_ops[op].use == ARG_OUT) {
        rc = guest_copy_to(arg_gva, &arg, vcpu_ops[op].size);
    }
    return rc;
}
