/*
 * XENMEM_exchange: a domain trades extents of one size for as much memory in extents of another. It
 * goes in chunks, of one extent of the larger size and all that it is traded for. A chunk is
 * checked, held, and only then traded, so that it is exchanged whole or not at all; between chunks
 * the operation may stop. Source: public/memory.h, struct xen_memory_exchange.
 */
#include <lodge/errno.h>
#include <lodge/string.h>
#include "core/guest.h"
#include "core/hypercall.h"
#include "core/log.h"
#include "core/memory_arch.h"
#include "core/memory_private.h"
#include "core/object.h"
#include "core/softirq.h"

#define MAX_CHUNK 512 /* extents: 2 MiB for single frames */

struct exchange {
    struct domain *d;
    uint64_t in_gva, out_gva;
    unsigned int in_order, out_order;
    uint64_t in_chunk, out_chunk; /* extents of a chunk */
    unsigned int bits;
};

/* Our copy of a chunk: the guest's numbers, read once, and what it gets. */
struct chunk {
    uint64_t *in;       /* in_chunk */
    uint64_t *out_gfn;  /* out_chunk */
    struct frame **out; /* out_chunk */
};

/* Gives up the hold on the first n frames of a chunk's input. */
static void in_unhold(const struct exchange *x, const struct chunk *c, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        uint64_t gfn = c->in[i >> x->in_order] + (i & ((1ULL << x->in_order) - 1));
        struct frame *f = memory_arch_frame_get(x->d, gfn);

        assert(f); /* we hold it */
        frame_put(f);
        frame_put(f);
    }
}

/*
 * Holds every frame of the input, each of which must be the domain's, whole, and used by nobody.
 * One that is named twice is held already when its turn comes again, and so is not unused.
 */
static int in_hold(const struct exchange *x, struct chunk *c, uint64_t first)
{
    uint64_t frames = x->in_chunk << x->in_order;

    if (guest_copy_from(c->in, x->in_gva + first * sizeof(c->in[0]),
                        x->in_chunk * sizeof(c->in[0]))) {
        return -EFAULT;
    }
    for (uint64_t i = 0; i < frames; i++) {
        uint64_t gfn = c->in[i >> x->in_order] + (i & ((1ULL << x->in_order) - 1));
        struct frame *f = memory_arch_frame_get(x->d, gfn);

        if (!f || frame_shared(f) || !memory_arch_unused(f)) {
            if (f) {
                frame_put(f);
            }
            in_unhold(x, c, i);
            return -EINVAL;
        }
    }
    return 0;
}

/*
 * The input goes. What another vCPU did to a frame since it was held (mapped it, gave it back
 * itself, made it a page table, which then stays one) only means that it goes later, or went
 * already.
 */
static void in_give_back(const struct exchange *x, const struct chunk *c)
{
    uint64_t frames = x->in_chunk << x->in_order;

    for (uint64_t i = 0; i < frames; i++) {
        uint64_t gfn = c->in[i >> x->in_order] + (i & ((1ULL << x->in_order) - 1));
        struct frame *f = memory_arch_frame_get(x->d, gfn);
        int rc;

        assert(f);
        rc = memory_arch_unname(x->d, f);
        (void)rc;
        (void)frame_drop_allocation(f);
        frame_put(f);
        frame_put(f);
    }
}

static void out_free(const struct exchange *x, struct chunk *c, uint64_t n)
{
    while (n-- > 0) {
        frames_free(c->out[n], x->out_order);
    }
}

static int out_alloc(const struct exchange *x, struct chunk *c, uint64_t first)
{
    if (guest_copy_from(c->out_gfn, x->out_gva + first * sizeof(c->out_gfn[0]),
                        x->out_chunk * sizeof(c->out_gfn[0]))) {
        return -EFAULT;
    }
    for (uint64_t n = 0; n < x->out_chunk; n++) {
        c->out[n] = frames_alloc(x->out_order, x->bits);
        if (!c->out[n]) {
            out_free(x, c, n);
            return -ENOMEM;
        }
        if (!x->d->is_privileged) {
            memset(arch_map_frame(frame_mfn(c->out[n])), 0, PAGE_SIZE << x->out_order);
        }
    }
    return 0;
}

/*
 * The new memory is the domain's. -EFAULT: it cannot be told where; -ENOMEM, -EINVAL: dying, or
 * over its quota by now.
 */
static int out_assign(const struct exchange *x, struct chunk *c, uint64_t first)
{
    int rc = 0;

    for (uint64_t n = 0; n < x->out_chunk; n++) {
        uint64_t mfn = frame_mfn(c->out[n]).n;
        int err = domain_frames_assign(x->d, c->out[n], x->out_order);

        if (err) {
            frames_free(c->out[n], x->out_order);
        } else {
            err = memory_arch_name(x->d, c->out_gfn[n], MFN(mfn), x->out_order);
        }
        if (!err) {
            err = guest_copy_to(x->out_gva + (first + n) * sizeof(mfn), &mfn, sizeof(mfn));
        }
        rc = rc ? rc : err;
    }
    return rc;
}

/* *traded: the input is gone, whatever is returned. */
static int chunk_exchange(const struct exchange *x, struct chunk *c, uint64_t chunk, bool *traded)
{
    int rc;

    *traded = false;
    rc = in_hold(x, c, chunk * x->in_chunk);
    if (rc) {
        return rc;
    }
    rc = out_alloc(x, c, chunk * x->out_chunk);
    if (rc) {
        in_unhold(x, c, x->in_chunk << x->in_order);
        return rc;
    }
    in_give_back(x, c);
    *traded = true;
    return out_assign(x, c, chunk * x->out_chunk);
}

static int exchange_check(const struct vcpu *caller, const struct xen_memory_exchange *req)
{
    const struct xen_memory_reservation *in = &req->in, *out = &req->out;

    if (MAX(in->extent_order, out->extent_order) > memory_max_order(caller)) {
        return -EPERM;
    }
    if (req->nr_exchanged > in->nr_extents || in->domid != out->domid ||
        ~0UL >> in->extent_order < in->nr_extents || ~0UL >> out->extent_order < out->nr_extents ||
        in->nr_extents << in->extent_order != out->nr_extents << out->extent_order) {
        return -EINVAL;
    }
    return 0;
}

static int lists_check(const struct vcpu *caller, const struct xen_memory_exchange *req)
{
    const struct xen_memory_reservation *in = &req->in, *out = &req->out;

    if (!guest_range_ok(guest_addr(in->extent_start, 0), in->nr_extents * sizeof(xen_pfn_t)) ||
        !guest_range_ok(guest_addr(out->extent_start, 0), out->nr_extents * sizeof(xen_pfn_t))) {
        return -EFAULT;
    }
    return memory_node_ok(caller, out->mem_flags) ? 0 : -EINVAL;
}

static void exchange_fill(struct exchange *x, const struct xen_memory_exchange *req)
{
    x->in_gva = guest_addr(req->in.extent_start, 0);
    x->out_gva = guest_addr(req->out.extent_start, 0);
    x->in_order = req->in.extent_order;
    x->out_order = req->out.extent_order;
    x->in_chunk = x->in_order < x->out_order ? 1ULL << (x->out_order - x->in_order) : 1;
    x->out_chunk = x->in_order > x->out_order ? 1ULL << (x->in_order - x->out_order) : 1;
    x->bits = memory_address_bits(req->out.mem_flags);
}

/* Chunks from *chunk on. 0, -ERESTART, or why it stopped; *chunk is behind the last one traded. */
static long chunks_exchange(const struct exchange *x, uint64_t *chunk, uint64_t nr_chunks)
{
    struct chunk c = {
        .in = object_alloc_array(x->in_chunk, sizeof(*c.in)),
        .out_gfn = object_alloc_array(x->out_chunk, sizeof(*c.out_gfn)),
        .out = object_alloc_array(x->out_chunk, sizeof(*c.out)),
    };
    uint64_t first = *chunk;
    long rc = c.in && c.out_gfn && c.out ? 0 : -ENOMEM;

    while (!rc && *chunk < nr_chunks) {
        if (*chunk != first && preempt_requested()) {
            rc = -ERESTART;
        } else {
            bool traded;

            rc = chunk_exchange(x, &c, *chunk, &traded);
            *chunk += traded;
        }
    }
    object_free(c.in);
    object_free(c.out_gfn);
    object_free(c.out);
    return rc;
}

long memory_exchange(struct vcpu *caller, uint64_t cmd, uint64_t arg_gva)
{
    uint64_t done_gva = arg_gva + offsetof(struct xen_memory_exchange, nr_exchanged);
    struct xen_memory_exchange req;
    struct exchange x = { 0 };
    uint64_t chunk;
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
        rc = lists_check(caller, &req);
    }
    if (!rc) {
        exchange_fill(&x, &req);
        rc = MAX(x.in_chunk, x.out_chunk) > MAX_CHUNK
                 ? -EPERM
                 : domain_get_target(caller, req.in.domid, &x.d);
    }
    if (!rc) {
        chunk = req.nr_exchanged / x.in_chunk;
        rc = chunks_exchange(&x, &chunk, req.in.nr_extents / x.in_chunk);
        req.nr_exchanged = chunk * x.in_chunk;
    }
    if (guest_copy_to(done_gva, &req.nr_exchanged, sizeof(req.nr_exchanged))) {
        rc = -EFAULT;
    }
    domain_put(x.d);
    return rc == -ERESTART ? hypercall_continue(2, ARGS(XENMEM_exchange, arg_gva)) : rc;
}
