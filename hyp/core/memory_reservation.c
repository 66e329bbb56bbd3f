/*
 * A domain gets and gives back memory: increase, decrease, populate. Handled an extent at a time;
 * between two of them the operation may stop, its place kept in the upper bits of the command, and
 * go on when the hypercall is executed again. Source: public/memory.h, struct
 * xen_memory_reservation.
 */
#include <lodge/errno.h>
#include <lodge/string.h>
#include "core/memory_arch.h"
#include "core/guest.h"
#include "core/hypercall.h"
#include "core/memory_private.h"
#include "core/privilege.h"
#include "core/softirq.h"
#include "core/trace.h"

#define MAX_EXTENTS (UINT32_MAX >> MEMOP_CMD_BITS)

/*
 * Largest extent a domain may ask for: 2 MiB, and what fits a device's buffer for the control
 * domain.
 */
#define MAX_ORDER_GUEST   9U
#define MAX_ORDER_CONTROL FRAME_MAX_ORDER

/* All memory is one node, number 0. A number is a wish, unless it is asked for exactly. */
#define NODE_ANY   0xffU
#define NODE_LIMIT 64U /* no machine that Xen knows has more */

unsigned int memory_max_order(const struct vcpu *caller)
{
    return caller->domain->is_privileged ? MAX_ORDER_CONTROL : MAX_ORDER_GUEST;
}

unsigned int memory_address_bits(unsigned int mem_flags)
{
    unsigned int bits = XENMEMF_get_address_bits(mem_flags);

    return bits ? bits : FRAMES_ANY_ADDRESS;
}

bool memory_node_ok(const struct vcpu *caller, unsigned int mem_flags)
{
    unsigned int node = XENMEMF_get_node(mem_flags);

    if (node == NODE_ANY || mem_flags & XENMEMF_vnode) {
        return true; /* no domain has virtual nodes: then the number means nothing */
    }
    if (!caller->domain->is_privileged) {
        return !(mem_flags & XENMEMF_exact_node_request);
    }
    return node < NODE_LIMIT && (node == 0 || !(mem_flags & XENMEMF_exact_node_request));
}

/* A reservation request, checked. `next` is where it goes on. */
struct reservation {
    struct domain *d;
    uint64_t list_gva, next, nr;
    unsigned int order, bits;
};

/*
 * With a reference on r->d. False: nothing can be done. That is no error to the ABI, which counts
 * extents: the answer is how many had been done before, whatever is wrong with the request.
 */
static bool reservation_get(struct vcpu *caller, uint64_t start, uint64_t arg_gva,
                            struct reservation *r)
{
    struct xen_memory_reservation req;

    memset(r, 0, sizeof(*r));
    if (guest_copy_from(&req, arg_gva, sizeof(req)) || req.nr_extents > MAX_EXTENTS ||
        start >= req.nr_extents || req.extent_order > memory_max_order(caller) ||
        req.mem_flags & XENMEMF_populate_on_demand || !memory_node_ok(caller, req.mem_flags)) {
        return false;
    }
    r->list_gva = guest_addr(req.extent_start, 0);
    if (r->list_gva && !guest_range_ok(r->list_gva, req.nr_extents * sizeof(xen_pfn_t))) {
        return false;
    }
    r->nr = req.nr_extents;
    r->next = start;
    r->order = req.extent_order;
    r->bits = memory_address_bits(req.mem_flags);
    return domain_get_target(caller, req.domid, &r->d) == 0;
}

static uint64_t list_at(const struct reservation *r, uint64_t i)
{
    return r->list_gva + i * sizeof(xen_pfn_t);
}

/* New memory is cleared, unless it goes to the domain that may read all memory anyway. */
static struct frame *extent_alloc(const struct reservation *r)
{
    return domain_frames_alloc_flags(r->d, r->order, r->bits,
                                     r->d->is_privileged ? DOMAIN_FRAMES_UNCLEARED : 0);
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
    if (unlikely(trace_on)) {
        const uint32_t words[] = { TRACE_U64(gfn), TRACE_U16(r->d->id, r->order) };

        trace_write(TRC_MEM_DECREASE_RESERVATION, false, ARRAY_SIZE(words), words);
    }
    for (uint64_t i = 0; i < 1ULL << r->order; i++) {
        int rc = frame_give_back(r->d, gfn + i);

        if (rc) {
            return rc;
        }
    }
    return 0;
}

static long reservation_run(struct vcpu *caller, uint64_t cmd, uint64_t arg_gva,
                            int (*step)(const struct reservation *r), bool needs_list)
{
    uint64_t start = cmd >> MEMOP_CMD_BITS;
    struct reservation r;
    int rc = 0;

    if (!reservation_get(caller, start, arg_gva, &r)) {
        return (long)start;
    }
    if (needs_list && !r.list_gva) {
        r.nr = r.next;
    }
    while (!rc && r.next < r.nr) {
        rc = r.next != start && preempt_requested() ? -ERESTART : step(&r);
        r.next += !rc;
    }
    domain_put(r.d);
    if (rc == -ERESTART) {
        return hypercall_continue(2,
                                  ARGS((cmd & MEMOP_CMD_MASK) | r.next << MEMOP_CMD_BITS, arg_gva));
    }
    return (long)r.next;
}

long memory_increase_reservation(struct vcpu *caller, uint64_t cmd, uint64_t arg_gva)
{
    return reservation_run(caller, cmd, arg_gva, step_increase, false);
}

long memory_decrease_reservation(struct vcpu *caller, uint64_t cmd, uint64_t arg_gva)
{
    return reservation_run(caller, cmd, arg_gva, step_decrease, true);
}

long memory_populate_physmap(struct vcpu *caller, uint64_t cmd, uint64_t arg_gva)
{
    return reservation_run(caller, cmd, arg_gva, step_populate, true);
}

/* Order of refusals: Xen, common/memory.c, XENMEM_claim_pages. The domain is named by its number only. */
long memory_claim_pages(struct vcpu *caller, uint64_t cmd, uint64_t arg_gva)
{
    struct xen_memory_reservation req;
    struct domain *d;
    int rc;

    (void)cmd;
    if (guest_copy_from(&req, arg_gva, sizeof(req))) {
        return -EFAULT;
    }
    if (!guest_null(req.extent_start) || req.extent_order || req.mem_flags) {
        return -EINVAL;
    }
    d = domain_get(req.domid);
    if (!d) {
        return -EINVAL;
    }
    rc = privilege_control(caller, d);
    if (!rc) {
        rc = domain_claim(d, req.nr_extents);
    }
    domain_put(d);
    return rc;
}
