/*
 * HYPERVISOR_memory_op: public/memory.h. Reservations are handled an extent at a time; between two of them the operation may
 * stop, its place kept in the upper bits of the command, and go on when the hypercall is executed again.
 * What a frame's number means to the guest is the architecture's (core/memory_arch.h).
 */
#include <lodge/errno.h>
#include <lodge/range.h>
#include <lodge/string.h>
#include "core/memory_arch.h"
#include "core/guest.h"
#include "core/hypercall.h"
#include "core/log.h"
#include "core/privilege.h"
#include "core/softirq.h"

/* The command's low bits are the operation; above them, in a continuation, the extent to begin with. */
#define CMD_BITS 6
#define CMD_MASK ((1U << CMD_BITS) - 1)
#define MAX_EXTENTS (~0ULL >> CMD_BITS)

/* Largest extent a domain may ask for: 2 MiB, and what fits a device's buffer for the control domain. */
#define MAX_ORDER_GUEST   9U
#define MAX_ORDER_CONTROL FRAME_MAX_ORDER

static unsigned int max_order(const struct vcpu *caller)
{
    return caller->domain->is_privileged ? MAX_ORDER_CONTROL : MAX_ORDER_GUEST;
}

static unsigned int address_bits(unsigned int mem_flags)
{
    unsigned int bits = XENMEMF_get_address_bits(mem_flags);

    return bits ? bits : FRAMES_ANY_ADDRESS;
}

/* A reservation request, checked. `next` is where it goes on. */
struct reservation {
    struct domain *d;
    uint64_t list_gva, next, nr;
    unsigned int order, bits;
};

/*
 * 0 with a reference on r->d, else what the hypercall answers: the ABI counts extents, so a request that is refused whole
 * answers how many were done before, and only the lack of a right is an error.
 */
static long reservation_get(struct vcpu *caller, uint64_t start, uint64_t arg_gva, struct reservation *r, bool *refused)
{
    struct xen_memory_reservation req;
    int rc;

    *refused = true;
    memset(r, 0, sizeof(*r));
    if (guest_copy_from(&req, arg_gva, sizeof(req)) || req.nr_extents > MAX_EXTENTS || start > req.nr_extents ||
        req.extent_order > max_order(caller)) {
        return (long)start;
    }
    r->list_gva = guest_addr(req.extent_start, 0);
    if (r->list_gva && !guest_range_ok(r->list_gva, req.nr_extents * sizeof(xen_pfn_t))) {
        return (long)start;
    }
    rc = domain_get_target(caller, req.domid, &r->d);
    if (rc) {
        return rc == -EPERM ? -EPERM : (long)start;
    }
    r->nr = req.nr_extents;
    r->next = start;
    r->order = req.extent_order;
    r->bits = address_bits(req.mem_flags);
    *refused = false;
    return 0;
}

static uint64_t list_at(const struct reservation *r, uint64_t i)
{
    return r->list_gva + i * sizeof(xen_pfn_t);
}

/* New memory is cleared, unless it goes to the domain that may read all memory anyway. */
static struct frame *extent_alloc(const struct reservation *r)
{
    return domain_frames_alloc_flags(r->d, r->order, r->bits, r->d->is_privileged ? DOMAIN_FRAMES_UNCLEARED : 0);
}

static void extent_free(struct frame *f, unsigned int order)
{
    for (uint64_t i = 0; i < 1ULL << order; i++) {
        (void)frame_drop_allocation(&f[i]);
    }
}

/* Each step returns 0, -ERESTART (nothing done), or another error: the request ends there. */
static int step_increase(const struct reservation *r)
{
    struct frame *f = extent_alloc(r);
    uint64_t mfn;

    if (!f) {
        return -ENOMEM;
    }
    mfn = frame_mfn(f).n;
    if (r->list_gva && guest_copy_to(list_at(r, r->next), &mfn, sizeof(mfn))) {
        extent_free(f, r->order);
        return -EFAULT;
    }
    return 0;
}

static int step_populate(const struct reservation *r)
{
    uint64_t gfn, mfn;
    struct frame *f;

    if (guest_copy_from(&gfn, list_at(r, r->next), sizeof(gfn))) {
        return -EFAULT;
    }
    f = extent_alloc(r);
    if (!f) {
        return -ENOMEM;
    }
    mfn = frame_mfn(f).n;
    if (memory_arch_name(r->d, gfn, frame_mfn(f), r->order) ||
        (r->d->is_pv && guest_copy_to(list_at(r, r->next), &mfn, sizeof(mfn)))) {
        extent_free(f, r->order);
        return -EFAULT;
    }
    return 0;
}

static int frame_give_back(struct domain *d, uint64_t gfn)
{
    struct frame *f = memory_arch_frame_get(d, gfn);
    int rc;

    if (!f) {
        return -EINVAL;
    }
    rc = frame_shared(f) ? -EINVAL : memory_arch_unname(d, f);
    if (!rc && !frame_drop_allocation(f)) {
        rc = -EINVAL; /* given back before */
    }
    frame_put(f);
    return rc;
}

static int step_decrease(const struct reservation *r)
{
    uint64_t gfn;

    if (guest_copy_from(&gfn, list_at(r, r->next), sizeof(gfn))) {
        return -EFAULT;
    }
    for (uint64_t i = 0; i < 1ULL << r->order; i++) {
        int rc = frame_give_back(r->d, gfn + i);

        if (rc) {
            return rc;
        }
    }
    return 0;
}

static long reservation_run(struct vcpu *caller, uint64_t cmd, uint64_t arg_gva, int (*step)(const struct reservation *r),
                            bool needs_list)
{
    struct reservation r;
    bool refused;
    long rc;

    rc = reservation_get(caller, cmd >> CMD_BITS, arg_gva, &r, &refused);
    if (refused) {
        return rc;
    }
    if (needs_list && !r.list_gva) {
        rc = (long)r.next;
        goto out;
    }
    for (; r.next < r.nr; r.next++) {
        int err;

        if (r.next != cmd >> CMD_BITS && preempt_requested()) {
            rc = -ERESTART;
            break;
        }
        err = step(&r);
        if (err) {
            rc = err == -ERESTART ? err : 0;
            break;
        }
    }
    rc = rc == -ERESTART ? hypercall_continue(2, ARGS((cmd & CMD_MASK) | r.next << CMD_BITS, arg_gva)) : (long)r.next;
out:
    domain_put(r.d);
    return rc;
}

static long op_increase_reservation(struct vcpu *caller, uint64_t cmd, uint64_t arg_gva)
{
    return reservation_run(caller, cmd, arg_gva, step_increase, false);
}

static long op_decrease_reservation(struct vcpu *caller, uint64_t cmd, uint64_t arg_gva)
{
    return reservation_run(caller, cmd, arg_gva, step_decrease, true);
}

static long op_populate_physmap(struct vcpu *caller, uint64_t cmd, uint64_t arg_gva)
{
    return reservation_run(caller, cmd, arg_gva, step_populate, true);
}

/*
 * XENMEM_exchange: extents of one size for as much memory in extents of another. It goes in chunks, of one extent of the
 * larger size and all that it is exchanged for; a chunk is exchanged whole or not at all.
 */
struct exchange {
    struct domain *d;
    uint64_t in_gva, out_gva;
    unsigned int in_order, out_order;
    uint64_t in_chunk, out_chunk; /* extents of a chunk */
    unsigned int bits;
};

static int chunk_in_check(const struct exchange *x, uint64_t first)
{
    for (uint64_t i = 0; i < x->in_chunk; i++) {
        uint64_t gfn;

        if (guest_copy_from(&gfn, x->in_gva + (first + i) * sizeof(gfn), sizeof(gfn))) {
            return -EFAULT;
        }
        for (uint64_t k = 0; k < 1ULL << x->in_order; k++) {
            struct frame *f = memory_arch_frame_get(x->d, gfn + k);
            bool ok;

            if (!f) {
                return -EINVAL;
            }
            ok = !frame_shared(f) && memory_arch_unused(f);
            frame_put(f);
            if (!ok) {
                return -EINVAL;
            }
        }
    }
    return 0;
}

/* The guest may have changed its list since the check: what is named now goes, or the exchange ends here. */
static int chunk_in_free(const struct exchange *x, uint64_t first)
{
    for (uint64_t i = 0; i < x->in_chunk; i++) {
        uint64_t gfn;

        if (guest_copy_from(&gfn, x->in_gva + (first + i) * sizeof(gfn), sizeof(gfn))) {
            return -EFAULT;
        }
        for (uint64_t k = 0; k < 1ULL << x->in_order; k++) {
            int rc = frame_give_back(x->d, gfn + k);

            if (rc) {
                return rc == -ERESTART ? -EINVAL : rc;
            }
        }
    }
    return 0;
}

static int chunk_out_assign(const struct exchange *x, uint64_t first, struct frame *const *out)
{
    int rc = 0;

    for (uint64_t j = 0; j < x->out_chunk; j++) {
        uint64_t at = x->out_gva + (first + j) * sizeof(uint64_t), gfn, mfn = frame_mfn(out[j]).n;
        int err = domain_frames_assign(x->d, out[j], x->out_order);

        if (err) {
            frames_free(out[j], x->out_order);
            rc = err;
        } else if (guest_copy_from(&gfn, at, sizeof(gfn)) || memory_arch_name(x->d, gfn, MFN(mfn), x->out_order) ||
                   guest_copy_to(at, &mfn, sizeof(mfn))) {
            rc = -EFAULT; /* the memory is the domain's all the same */
        }
    }
    return rc;
}

#define MAX_CHUNK 512 /* extents: 2 MiB for single frames */

static int chunk_exchange(const struct exchange *x, uint64_t chunk)
{
    static struct frame *out[NR_CPUS][MAX_CHUNK]; /* too large for the stack; a hypercall does not change CPU */
    struct frame **mine = out[arch_cpu_id()];
    uint64_t n;
    int rc;

    rc = chunk_in_check(x, chunk * x->in_chunk);
    if (rc) {
        return rc;
    }
    for (n = 0; n < x->out_chunk; n++) {
        mine[n] = frames_alloc(x->out_order, x->bits);
        if (!mine[n]) {
            rc = -ENOMEM;
            goto undo;
        }
        if (!x->d->is_privileged) {
            memset(arch_map_frame(frame_mfn(mine[n])), 0, PAGE_SIZE << x->out_order);
        }
    }
    rc = chunk_in_free(x, chunk * x->in_chunk);
    if (rc) {
        goto undo;
    }
    return chunk_out_assign(x, chunk * x->out_chunk, mine);
undo:
    while (n-- > 0) {
        frames_free(mine[n], x->out_order);
    }
    return rc;
}

static int exchange_check(const struct vcpu *caller, const struct xen_memory_exchange *req)
{
    const struct xen_memory_reservation *in = &req->in, *out = &req->out;

    if (MAX(in->extent_order, out->extent_order) > max_order(caller)) {
        return -EPERM;
    }
    if (req->nr_exchanged > in->nr_extents || in->domid != out->domid || ~0UL >> in->extent_order < in->nr_extents ||
        ~0UL >> out->extent_order < out->nr_extents ||
        in->nr_extents << in->extent_order != out->nr_extents << out->extent_order) {
        return -EINVAL;
    }
    if (!guest_range_ok(guest_addr(in->extent_start, 0), in->nr_extents * sizeof(xen_pfn_t)) ||
        !guest_range_ok(guest_addr(out->extent_start, 0), out->nr_extents * sizeof(xen_pfn_t))) {
        return -EFAULT;
    }
    return 0;
}

static void exchange_fill(struct exchange *x, const struct xen_memory_exchange *req)
{
    x->in_gva = guest_addr(req->in.extent_start, 0);
    x->out_gva = guest_addr(req->out.extent_start, 0);
    x->in_order = req->in.extent_order;
    x->out_order = req->out.extent_order;
    x->in_chunk = x->in_order < x->out_order ? 1ULL << (x->out_order - x->in_order) : 1;
    x->out_chunk = x->in_order > x->out_order ? 1ULL << (x->in_order - x->out_order) : 1;
    x->bits = address_bits(req->out.mem_flags);
}

static long op_exchange(struct vcpu *caller, uint64_t cmd, uint64_t arg_gva)
{
    uint64_t done_gva = arg_gva + offsetof(struct xen_memory_exchange, nr_exchanged);
    struct xen_memory_exchange req;
    struct exchange x = { 0 };
    uint64_t first, chunk;
    long rc;

    (void)cmd;
    if (guest_copy_from(&req, arg_gva, sizeof(req))) {
        return -EFAULT;
    }
    rc = exchange_check(caller, &req);
    if (!rc && req.nr_exchanged == req.in.nr_extents) {
        return 0;
    }
    if (!rc) {
        exchange_fill(&x, &req);
        rc = x.in_chunk > MAX_CHUNK || x.out_chunk > MAX_CHUNK ? -EPERM : domain_get_target(caller, req.in.domid, &x.d);
    }
    if (rc) {
        goto out;
    }
    first = chunk = req.nr_exchanged / x.in_chunk;
    for (; chunk < req.in.nr_extents / x.in_chunk; chunk++) {
        if (chunk != first && preempt_requested()) {
            rc = -ERESTART;
            break;
        }
        rc = chunk_exchange(&x, chunk);
        if (rc) {
            break;
        }
    }
    req.nr_exchanged = chunk * x.in_chunk;
out:
    if (guest_copy_to(done_gva, &req.nr_exchanged, sizeof(req.nr_exchanged))) {
        rc = -EFAULT;
    }
    domain_put(x.d);
    return rc == -ERESTART ? hypercall_continue(2, ARGS(XENMEM_exchange, arg_gva)) : rc;
}

static long op_maximum_ram_page(struct vcpu *caller, uint64_t cmd, uint64_t arg_gva)
{
    (void)caller, (void)cmd, (void)arg_gva;
    return (long)(max_frame - 1);
}

/* The three questions about a domain that is named by the argument. */
static long about_domain(struct vcpu *caller, uint64_t arg_gva, uint64_t (*answer)(const struct domain *d))
{
    struct domain *d;
    domid_t id;
    long rc;

    if (guest_copy_from(&id, arg_gva, sizeof(id))) {
        return -EFAULT;
    }
    rc = domain_get_target(caller, id, &d);
    if (!rc) {
        rc = (long)answer(d);
        domain_put(d);
    }
    return rc;
}

static uint64_t current_pages(const struct domain *d)
{
    return d->nr_pages;
}

static uint64_t maximum_pages(const struct domain *d)
{
    return d->max_pages;
}

static long op_current_reservation(struct vcpu *caller, uint64_t cmd, uint64_t arg_gva)
{
    (void)cmd;
    return about_domain(caller, arg_gva, current_pages);
}

static long op_maximum_reservation(struct vcpu *caller, uint64_t cmd, uint64_t arg_gva)
{
    (void)cmd;
    return about_domain(caller, arg_gva, maximum_pages);
}

static long op_maximum_gpfn(struct vcpu *caller, uint64_t cmd, uint64_t arg_gva)
{
    (void)cmd;
    return about_domain(caller, arg_gva, memory_arch_max_gfn);
}

static long op_machphys_mfn_list(struct vcpu *caller, uint64_t cmd, uint64_t arg_gva)
{
    struct xen_machphys_mfn_list req;
    unsigned int i;
    mfn_t mfn;

    (void)caller, (void)cmd;
    if (guest_copy_from(&req, arg_gva, sizeof(req))) {
        return -EFAULT;
    }
    for (i = 0; i < req.max_extents && memory_arch_m2p_extent(i, &mfn); i++) {
        if (guest_write_at(req.extent_start, i, &mfn.n)) {
            return -EFAULT;
        }
    }
    req.nr_extents = i;
    return guest_copy_to(arg_gva, &req, sizeof(req));
}

static long op_machphys_mapping(struct vcpu *caller, uint64_t cmd, uint64_t arg_gva)
{
    struct xen_machphys_mapping m;

    (void)caller, (void)cmd;
    memory_arch_m2p_mapping(&m);
    return guest_copy_to(arg_gva, &m, sizeof(m));
}

/* Guests that translate their own addresses have no map to add to. */
static long physmap_refused(struct vcpu *caller, uint64_t arg_gva, size_t size)
{
    struct domain *d;
    uint8_t req[64];
    domid_t id;
    int rc;

    if (guest_copy_from(req, arg_gva, size)) {
        return -EFAULT;
    }
    memcpy(&id, req, sizeof(id)); /* the first field of each of these structures */
    rc = domain_get_target(caller, id, &d);
    if (rc) {
        return rc;
    }
    rc = d->is_pv ? -EACCES : -ENOSYS;
    domain_put(d);
    return rc;
}

static long op_add_to_physmap(struct vcpu *caller, uint64_t cmd, uint64_t arg_gva)
{
    (void)cmd;
    return physmap_refused(caller, arg_gva, sizeof(struct xen_add_to_physmap));
}

static long op_add_to_physmap_batch(struct vcpu *caller, uint64_t cmd, uint64_t arg_gva)
{
    (void)cmd;
    return physmap_refused(caller, arg_gva, sizeof(struct xen_add_to_physmap_batch));
}

static long op_remove_from_physmap(struct vcpu *caller, uint64_t cmd, uint64_t arg_gva)
{
    (void)cmd;
    return physmap_refused(caller, arg_gva, sizeof(struct xen_remove_from_physmap));
}

static long op_memory_map(struct vcpu *caller, uint64_t cmd, uint64_t arg_gva)
{
    (void)cmd;
    return memory_arch_map(caller, arg_gva);
}

static long op_machine_memory_map(struct vcpu *caller, uint64_t cmd, uint64_t arg_gva)
{
    int rc = privilege_machine(caller);

    (void)cmd;
    return rc ? rc : memory_arch_machine_map(caller, arg_gva);
}

static long op_set_memory_map(struct vcpu *caller, uint64_t cmd, uint64_t arg_gva)
{
    (void)cmd;
    return memory_arch_set_map(caller, arg_gva);
}

/* No guest has a virtual NUMA layout; tools take this error for that. */
static long op_get_vnumainfo(struct vcpu *caller, uint64_t cmd, uint64_t arg_gva)
{
    (void)caller, (void)cmd, (void)arg_gva;
    return -EOPNOTSUPP;
}

static long op_acquire_resource(struct vcpu *caller, uint64_t cmd, uint64_t arg_gva)
{
    (void)caller, (void)cmd, (void)arg_gva;
    return -EOPNOTSUPP; /* tools then take the older way */
}

typedef long (*memory_fn)(struct vcpu *caller, uint64_t cmd, uint64_t arg_gva);

static const memory_fn memory_ops[] = {
#define MEMOP(number, handler) [number] = handler,
#include "ops/memory_op.def"
#undef MEMOP
};

long hypercall_memory_op(uint64_t cmd, uint64_t arg_gva, uint64_t a3, uint64_t a4, uint64_t a5)
{
    unsigned int op = cmd & CMD_MASK;

    (void)a3, (void)a4, (void)a5;
    if (op >= ARRAY_SIZE(memory_ops) || !memory_ops[index_nospec(op, ARRAY_SIZE(memory_ops))]) {
        return -ENOSYS;
    }
    return memory_ops[index_nospec(op, ARRAY_SIZE(memory_ops))](current, cmd, arg_gva);
}
