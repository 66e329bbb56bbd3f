/* domain.c: what a toolstack does: domains are made, built, run and destroyed, by us as domain 0. */
#include "lib/guest.h"

#include <xen/domctl.h>
#include <xen/sysctl.h>

#define WINDOW      ((uint8_t *)0xffffe00000000000) /* where we map others' frames */
#define CHILD_BASE  0x400000UL                      /* where the child has its code and data */
#define CHILD_PAGES 64
#define UNMAPPED    ((void *)0x7f0000000000)
#define ROUNDS      200

/* The child's frames, by what they are for. */
enum { CODE, DATA, STACK, L1, L2, L3, L4 };

/* What the child and we agree on; at the start of its data page. */
struct child_data {
    uint32_t port, reason;
    uint64_t ran;
};

/*
 * The child: counts, sends an event, and powers off. Position does not matter, but for the data page, which
 * follows the code.
 */
__asm__(".pushsection .rodata\n"
        "child_code:\n"
        "    mov $0x401000, %rbx\n"
        "    incq 8(%rbx)\n"
        "    mov $32, %eax\n" /* event_channel_op(EVTCHNOP_send, &port) */
        "    mov $4, %edi\n"
        "    mov %rbx, %rsi\n"
        "    syscall\n"
        "    mov $29, %eax\n" /* sched_op(SCHEDOP_shutdown, &reason) */
        "    mov $2, %edi\n"
        "    lea 4(%rbx), %rsi\n"
        "    syscall\n"
        "    ud2\n"
        "child_code_end:\n"
        ".popsection\n");
extern const uint8_t child_code[], child_code_end[];

static struct xen_domctl op;
static xen_pfn_t frames[CHILD_PAGES];
static unsigned int our_port;

static long domctl(unsigned int cmd, unsigned int domid)
{
    op.cmd = cmd;
    op.interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    op.domain = domid;
    return HYPERCALL1(__HYPERVISOR_domctl, &op);
}

static void clear(void)
{
    memset(&op.u, 0, sizeof(op.u));
}

static long create(unsigned int domid)
{
    return domctl(XEN_DOMCTL_createdomain, domid);
}

static struct xen_domctl_createdomain *ordinary(void)
{
    clear();
    op.u.createdomain.max_vcpus = 1;
    op.u.createdomain.max_evtchn_port = 1023;
    op.u.createdomain.max_grant_frames = -1;
    op.u.createdomain.max_maptrack_frames = -1;
    op.u.createdomain.grant_opts = 1;
    return &op.u.createdomain;
}

/* Asks for a domain with one field out of order; should it be made after all, it goes at once. */
#define REFUSED(field, value, name)                                         \
    do {                                                                    \
        ordinary()->field = (value);                                        \
        rc = create(700);                                                   \
        result(rc, "create-" name);                                         \
        if (!rc) {                                                          \
            guest_need(domctl(XEN_DOMCTL_destroydomain, 700));              \
        }                                                                   \
    } while (0)

static void check_creation(void)
{
    unsigned int first;
    long rc;

    REFUSED(max_vcpus, 0, "no-vcpu");
    REFUSED(max_vcpus, 100000, "many-vcpus");
    REFUSED(flags, 1U << 8, "unknown-flag");
    REFUSED(flags, XEN_DOMCTL_CDF_hap, "hap-without-hvm");
    REFUSED(flags, XEN_DOMCTL_CDF_iommu, "iommu");
    REFUSED(flags, XEN_DOMCTL_CDF_nested_virt, "nested");
    REFUSED(flags, XEN_DOMCTL_CDF_vpmu, "vpmu");
    REFUSED(iommu_opts, 1, "iommu-options");
    REFUSED(grant_opts, 0, "grant-version-0");
    REFUSED(grant_opts, 3, "grant-version-3");
    REFUSED(grant_opts, 0x11, "grant-options");
    REFUSED(max_grant_frames, 0, "no-grant-frame");
    REFUSED(max_grant_frames, 0x7fffffff, "many-grant-frames");
    REFUSED(max_maptrack_frames, 0x7fffffff, "many-maptrack-frames");
    REFUSED(cpupool_id, 1234, "no-such-pool");
    REFUSED(arch.emulation_flags, 1, "emulation");
    REFUSED(arch.misc_flags, 2, "misc-flags");

    ordinary();
    guest_need(create(DOMID_INVALID));
    first = op.domain;
    ordinary();
    result(create(first), "create-taken");
    clear();
    op.u.max_vcpus.max = 2;
    result(domctl(XEN_DOMCTL_max_vcpus, first), "max-vcpus-more");
    op.u.max_vcpus.max = 1;
    result(domctl(XEN_DOMCTL_max_vcpus, 0), "max-vcpus-self");
    result(domctl(XEN_DOMCTL_destroydomain, 0), "destroy-self");
    result(domctl(XEN_DOMCTL_destroydomain, DOMID_SELF), "destroy-domid-self");
    result(domctl(XEN_DOMCTL_destroydomain, 12345), "destroy-nobody");
    guest_need(domctl(XEN_DOMCTL_destroydomain, first));
    ordinary();
    guest_need(create(DOMID_INVALID));
    check(op.domain, first + 1, "numbers-are-not-given-again-at-once");
    guest_need(domctl(XEN_DOMCTL_destroydomain, op.domain));
}

/* --- memory of another, seen through a window of ours --- */

static uint8_t *window(unsigned int slot)
{
    return WINDOW + slot * PAGE_SIZE;
}

static long window_map(unsigned int slot, unsigned long mfn, unsigned int domid)
{
    struct mmu_update req = { .ptr = pt_maddr(pt_root(), window(slot), 1),
                              .val = pte_make(mfn, PTE_DATA) };

    return xen_mmu_update(&req, 1, NULL, domid);
}

static void window_unmap(unsigned int slot)
{
    guest_need(xen_update_va_mapping(window(slot), 0, UVMF_INVLPG | UVMF_ALL));
}

static long reservation(unsigned int cmd, unsigned int domid, unsigned long n, xen_pfn_t *list)
{
    struct xen_memory_reservation arg = { .nr_extents = n, .domid = domid };

    set_xen_guest_handle(arg.extent_start, list);
    return xen_memory_op(cmd, &arg);
}

static unsigned long populate(unsigned int domid)
{
    for (unsigned long i = 0; i < CHILD_PAGES; i++) {
        frames[i] = i;
    }
    return reservation(XENMEM_populate_physmap, domid, CHILD_PAGES, frames);
}

/* One page at a time, so that no table is mapped writable when it is to become one. */
static void write_page(unsigned int domid, unsigned int page, const void *from, size_t n)
{
    guest_need(window_map(0, frames[page], domid));
    memcpy(window(0), from, n);
    window_unmap(0);
}

static void write_entry(unsigned int domid, unsigned int page, unsigned int i, uint64_t value)
{
    guest_need(window_map(0, frames[page], domid));
    ((uint64_t *)window(0))[i] = value;
    window_unmap(0);
}

static void build_tables(unsigned int domid)
{
    const void *at = (void *)CHILD_BASE;

    write_entry(domid, L4, pt_index(at, 4), pte_make(frames[L3], PTE_TABLE));
    write_entry(domid, L3, pt_index(at, 3), pte_make(frames[L2], PTE_TABLE));
    write_entry(domid, L2, pt_index(at, 2), pte_make(frames[L1], PTE_TABLE));
    for (unsigned int i = CODE; i <= STACK; i++) {
        write_entry(domid, L1, pt_index(at, 1) + i, pte_make(frames[i], PTE_DATA));
    }
}

static long pin(unsigned int cmd, unsigned long mfn, unsigned int domid)
{
    struct mmuext_op req = { .cmd = cmd, .arg1.mfn = mfn };

    return xen_mmuext_op(&req, 1, NULL, domid);
}

static unsigned int port_for(unsigned int domid)
{
    struct evtchn_alloc_unbound theirs = { .dom = domid, .remote_dom = DOMID_SELF };
    struct evtchn_bind_interdomain ours = { .remote_dom = domid };

    guest_need(xen_event_channel_op(EVTCHNOP_alloc_unbound, &theirs));
    ours.remote_port = theirs.port;
    guest_need(xen_event_channel_op(EVTCHNOP_bind_interdomain, &ours));
    our_port = ours.local_port;
    if (!event_pending(our_port)) {
        guest_fail("port %u: who binds to a port is to be told to look, and was not", our_port);
    }
    event_clear(our_port);
    return theirs.port;
}

static void port_close(void)
{
    struct evtchn_close close = { .port = our_port };

    if (our_port) {
        guest_need(xen_event_channel_op(EVTCHNOP_close, &close));
    }
    our_port = 0;
}

static void context_make(struct vcpu_guest_context *c)
{
    memset(c, 0, sizeof(*c));
    c->flags = VGCF_in_kernel | VGCF_online;
    c->user_regs.rip = CHILD_BASE;
    c->user_regs.rsp = CHILD_BASE + 3 * PAGE_SIZE;
    c->user_regs.rsi = 0x123456789abcdefUL;
    c->user_regs.rflags = 0x202;
    c->user_regs.cs = FLAT_KERNEL_CS;
    c->user_regs.ss = FLAT_KERNEL_SS;
    c->kernel_ss = FLAT_KERNEL_SS;
    c->kernel_sp = c->user_regs.rsp;
    c->ctrlreg[3] = xen_pfn_to_cr3(frames[L4]);
}

static struct vcpu_guest_context context, back;

static long set_context(unsigned int domid, const struct vcpu_guest_context *from)
{
    clear();
    set_xen_guest_handle(op.u.vcpucontext.ctxt, (struct vcpu_guest_context *)from);
    return domctl(XEN_DOMCTL_setvcpucontext, domid);
}

static long get_context(unsigned int domid)
{
    memset(&back, 0, sizeof(back));
    clear();
    set_xen_guest_handle(op.u.vcpucontext.ctxt, &back);
    return domctl(XEN_DOMCTL_getvcpucontext, domid);
}

static bool info(unsigned int domid)
{
    clear();
    return domctl(XEN_DOMCTL_getdomaininfo, domid) == 0 && op.domain == domid;
}

#define STAGES 8

/* Builds up to a stage; the last is a child that may run. Each stage is where a toolstack may die. */
static unsigned int build(unsigned int stage)
{
    struct child_data data = { .reason = SHUTDOWN_poweroff };
    unsigned int domid;

    ordinary();
    guest_need(create(DOMID_INVALID));
    domid = op.domain;
    if (stage > 0) {
        clear();
        op.u.max_vcpus.max = 1;
        guest_need(domctl(XEN_DOMCTL_max_vcpus, domid));
    }
    if (stage > 1) {
        clear();
        op.u.max_mem.max_memkb = 4 * CHILD_PAGES;
        guest_need(domctl(XEN_DOMCTL_max_mem, domid));
        data.port = port_for(domid);
    }
    if (stage > 2) {
        guest_need(reservation(XENMEM_claim_pages, domid, CHILD_PAGES, NULL));
        if (populate(domid) != CHILD_PAGES) {
            guest_fail("populate: not all of %u pages", CHILD_PAGES);
        }
    }
    if (stage > 3) {
        write_page(domid, CODE, child_code, child_code_end - child_code);
        write_page(domid, DATA, &data, sizeof(data));
        build_tables(domid);
    }
    if (stage > 4) {
        guest_need(pin(MMUEXT_PIN_L4_TABLE, frames[L4], domid));
    }
    if (stage > 5) {
        context_make(&context);
        guest_need(set_context(domid, &context));
    }
    if (stage > 6) {
        clear();
        guest_need(domctl(XEN_DOMCTL_unpausedomain, domid));
    }
    return domid;
}

static bool has_shut_down(unsigned int domid)
{
    return info(domid) && op.u.getdomaininfo.flags & XEN_DOMINF_shutdown;
}

/* Domains end, and memory is free, a little later than the hypercall returns. */
static uint64_t free_pages(void)
{
    static struct xen_sysctl s;

    memset(&s, 0, sizeof(s));
    s.cmd = XEN_SYSCTL_physinfo;
    s.interface_version = XEN_SYSCTL_INTERFACE_VERSION;
    guest_need(HYPERCALL1(__HYPERVISOR_sysctl, &s));
    return s.u.physinfo.free_pages + s.u.physinfo.scrub_pages;
}

static bool soon(bool (*true_now)(unsigned int), unsigned int arg)
{
    for (unsigned int i = 0; i < 3000; i++) {
        uint64_t until = clock_ns() + 1000000;

        if (true_now(arg)) {
            return true;
        }
        while (clock_ns() < until) {
            (void)xen_sched_op(SCHEDOP_yield, NULL);
        }
    }
    return false;
}

static bool gone(unsigned int domid)
{
    return !info(domid);
}

static uint64_t free_before;

static bool all_free(unsigned int arg)
{
    (void)arg;
    return free_pages() >= free_before;
}

static void check_one_life(unsigned int exceptions)
{
    unsigned int domid = build(6);
    struct child_data *data;

    check(info(domid), true, "info");
    result(op.u.getdomaininfo.flags & 0xffff, "info-flags-built");
    check(op.u.getdomaininfo.tot_pages, CHILD_PAGES, "info-pages");
    check(window_map(2, op.u.getdomaininfo.shared_info_frame, domid), 0, "map-shared-info");
    window_unmap(2);
    result(reservation(XENMEM_populate_physmap, domid, 1, frames), "populate-beyond-the-limit");
    result(reservation(XENMEM_claim_pages, domid, CHILD_PAGES, NULL), "claim-what-it-has");
    result(reservation(XENMEM_claim_pages, domid, CHILD_PAGES + 1, NULL), "claim-beyond-the-limit");
    result(reservation(XENMEM_claim_pages, 12345, 1, NULL), "claim-for-nobody");
    result(reservation(XENMEM_claim_pages, DOMID_SELF, 1, NULL), "claim-domid-self");
    result(reservation(XENMEM_claim_pages, domid, 1, frames), "claim-with-a-list");
    check(reservation(XENMEM_claim_pages, domid, 0, NULL), 0, "claim-nothing");
    result(window_map(2, frames[L4], domid), "map-a-page-table-writable");
    result(window_map(2, frames[DATA], DOMID_SELF), "map-as-our-own");
    result(window_map(2, frames[DATA], 12345), "map-of-nobody");
    result(pin(MMUEXT_PIN_L4_TABLE, frames[DATA], domid), "pin-a-data-page");
    result(pin(MMUEXT_NEW_BASEPTR, frames[L4], domid), "base-pointer-for-another");

    check(get_context(domid), 0, "get-context");
    check(back.user_regs.rip, context.user_regs.rip, "context-rip");
    check(back.user_regs.rsp, context.user_regs.rsp, "context-rsp");
    check(back.user_regs.rsi, context.user_regs.rsi, "context-rsi");
    check(back.ctrlreg[3], context.ctrlreg[3], "context-cr3");
    check(back.kernel_sp, context.kernel_sp, "context-kernel-sp");
    result(back.flags, "context-flags");
    result(back.user_regs.cs, "context-cs");
    check(set_context(domid, &back), 0, "set-context-again");
    back.ctrlreg[3] = xen_pfn_to_cr3(frames[DATA]);
    result(set_context(domid, &back), "set-context-other-tables");
    context_make(&back);
    back.user_regs.rip = 1UL << 47;
    result(set_context(domid, &back), "set-context-rip");
    result(set_context(domid, UNMAPPED), "set-context-unmapped");
    result(set_context(0, &back), "set-context-self");

    clear();
    op.u.address_size.size = 64;
    check(domctl(XEN_DOMCTL_set_address_size, domid), 0, "address-size-64");
    op.u.address_size.size = 16;
    result(domctl(XEN_DOMCTL_set_address_size, domid), "address-size-16");
    clear();
    check(domctl(XEN_DOMCTL_settscinfo, domid), 0, "tsc-default");
    op.u.tsc_info.tsc_mode = 9;
    result(domctl(XEN_DOMCTL_settscinfo, domid), "tsc-unknown");
    result(domctl(XEN_DOMCTL_settscinfo, 0), "tsc-self");
    clear();
    check(domctl(XEN_DOMCTL_gettscinfo, domid), 0, "tsc-get");
    result(op.u.tsc_info.tsc_mode, "tsc-get-mode");
    result(op.u.tsc_info.incarnation, "tsc-get-incarnation");
    clear();
    op.u.sendtrigger.trigger = XEN_DOMCTL_SENDTRIGGER_POWER;
    result(domctl(XEN_DOMCTL_sendtrigger, domid), "trigger-power");
    op.u.sendtrigger.trigger = 17;
    result(domctl(XEN_DOMCTL_sendtrigger, domid), "trigger-unknown");
    op.u.sendtrigger.vcpu = 5;
    result(domctl(XEN_DOMCTL_sendtrigger, domid), "trigger-no-vcpu");
    clear();
    op.u.hypercall_init.gmfn = frames[L4];
    result(domctl(XEN_DOMCTL_hypercall_init, domid), "hypercall-page-in-a-table");
    op.u.hypercall_init.gmfn = ~0UL;
    result(domctl(XEN_DOMCTL_hypercall_init, domid), "hypercall-page-nowhere");

    /* One page stays mapped while the child runs, ends, and is destroyed. */
    check(window_map(1, frames[DATA], domid), 0, "map-for-long");
    data = (struct child_data *)window(1);
    check(data->ran, 0, "not-run-before-it-is-let-go");
    clear();
    guest_need(domctl(XEN_DOMCTL_unpausedomain, domid));
    check(soon(has_shut_down, domid), true, "it-runs-and-shuts-down");
    result(op.u.getdomaininfo.flags, "info-flags-shut-down");
    check(data->ran, 1, "it-ran-once");
    check(event_pending(our_port), true, "its-event-came");
    check(event_pending(exceptions), true, "dom-exc-at-shutdown");
    event_clear(exceptions);
    clear();
    check(domctl(XEN_DOMCTL_destroydomain, domid), 0, "destroy");
    check(event_pending(exceptions), true, "dom-exc-at-death");
    check(info(domid), true, "a-mapped-page-keeps-the-number");
    result(op.u.getdomaininfo.flags & 0xffff, "info-flags-dying");
    result(op.u.getdomaininfo.tot_pages, "info-pages-dying");
    check(data->ran, 1, "and-the-contents");
    clear();
    check(domctl(XEN_DOMCTL_destroydomain, domid), 0, "destroy-again");
    result(reservation(XENMEM_populate_physmap, domid, 1, frames), "populate-the-dying");
    port_close();
    window_unmap(1);
    check(soon(gone, domid), true, "unmapped-and-gone");
}

static void check_many_lives(void)
{
    unsigned int bad = 0;

    for (unsigned int i = 0; i < ROUNDS; i++) {
        unsigned int stage = i % STAGES, domid = build(stage);

        if (stage == STAGES - 1 && i % 3 == 0) { /* else it is killed wherever it is just now */
            bad += !soon(has_shut_down, domid);
        }
        clear();
        bad += domctl(XEN_DOMCTL_destroydomain, domid) != 0;
        port_close();
        bad += !soon(gone, domid);
        if (i == 2 * STAGES) { /* tables and pools have grown */
            (void)soon(all_free, 0);
            free_before = free_pages();
        }
    }
    check(bad, 0, "lives-ended-well");
    check(soon(all_free, 0), true, "all-memory-came-back");
    print("free before %lu after %lu\n", free_before, free_pages());
}

void guest_main(void)
{
    struct evtchn_bind_virq virq = { .virq = VIRQ_DOM_EXC };

    guest_need(xen_event_channel_op(EVTCHNOP_bind_virq, &virq));
    for (unsigned int i = 0; i < 4; i++) {
        pt_map(pt_root(), window(i), 0);
    }
    check_creation();
    event_clear(virq.port);
    check_one_life(virq.port);
    free_before = free_pages();
    check_many_lives();
}
