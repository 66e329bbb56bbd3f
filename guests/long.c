/* long.c: requests that take the hypervisor long. It may stop in the middle, let events in and go
 * on; in the end everything was done exactly once and the counts say so. */
#include "lib/guest.h"

#define REGION   ((uint8_t *)0xffffe00000000000)
#define TABLES   64
#define REQUESTS 16384

static evtchn_port_t timer_port;
static uint8_t *page;
static uint64_t *tables[TABLES];
static uint64_t *l2;
static struct mmu_update *reqs;

/* Ticks all the time, so that there is always a reason to stop. */
static void start_ticking(void)
{
    struct evtchn_bind_virq bind = { .virq = VIRQ_TIMER, .vcpu = 0 };
    struct vcpu_set_periodic_timer period = { .period_ns = 1000000 };

    guest_need(xen_event_channel_op(EVTCHNOP_bind_virq, &bind));
    timer_port = bind.port;
    event_unmask(timer_port);
    guest_need(xen_vcpu_op(VCPUOP_set_periodic_timer, 0, &period));
    upcalls_on();
}

static void build(void)
{
    unsigned int i;

    pt_map(pt_root(), REGION, 0);
    l2 = mfn_to_va(pte_mfn(*pt_entry(pt_root(), REGION, 3)));
    for (i = 0; i < TABLES; i++) {
        tables[i] = i ? table_alloc() : mfn_to_va(pte_mfn(l2[0]));
        if (i) {
            guest_need(pte_write(va_to_maddr(&l2[i]), pte_make(va_to_mfn(tables[i]), PTE_TABLE)));
        }
    }
}

static void check_many_updates(void)
{
    unsigned int i, done = 0, wrong = 0;

    for (i = 0; i < REQUESTS; i++) {
        reqs[i].ptr = va_to_maddr(&tables[i / 512][i % 512]);
        reqs[i].val = pte_make(va_to_mfn(page), PTE_DATA);
    }
    check(xen_mmu_update(reqs, REQUESTS, &done, DOMID_SELF), 0, "updates");
    check(done, REQUESTS, "updates-done");
    for (i = 0; i < REQUESTS; i++) {
        wrong += pte_mfn(tables[i / 512][i % 512]) != va_to_mfn(page);
    }
    check(wrong, 0, "updates-all-there");
    reqs[REQUESTS - 5].val = pte_make(va_to_mfn(pt_root()), PTE_DATA);
    check(xen_mmu_update(reqs, REQUESTS, &done, DOMID_SELF), -XEN_EBUSY, "updates-one-bad");
    check(done, REQUESTS - 5, "updates-one-bad-done");
}

static void check_big_address_space(void)
{
    uint64_t *root = page_alloc();
    unsigned int i, round;

    for (i = 0; i < 512; i++) {
        root[i] = i < 256 || i > 271 ? pt_root()[i] : 0;
    }
    page_readonly(root);
    for (round = 0; round < 5; round++) {
        check(mmuext(MMUEXT_PIN_L4_TABLE, va_to_mfn(root)), 0, "pin-%u", round);
        check(mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(root)), 0, "unpin-%u", round);
    }
    page_writable(root);

    /* Taken out of the tables in use, the whole region loses its types at once, and gets them back.
     */
    for (round = 0; round < 5; round++) {
        uint64_t *l3 = mfn_to_va(pte_mfn(*pt_entry(pt_root(), REGION, 4)));
        uint64_t entry = l3[pt_index(REGION, 3)], maddr = va_to_maddr(&l3[pt_index(REGION, 3)]);

        check(pte_write(maddr, 0), 0, "cut-%u", round);
        check(pte_write(maddr, entry), 0, "graft-%u", round);
    }
    check(*(volatile uint8_t *)REGION, page[0], "grafted-is-mapped");
}

static void check_destroy(void)
{
    uint64_t *l3 = mfn_to_va(pte_mfn(*pt_entry(pt_root(), REGION, 4)));
    unsigned int i, bad = 0;

    guest_need(page_set(page, PTE_DATA_RO));
    guest_need(pte_write(va_to_maddr(&l3[pt_index(REGION, 3)]), 0));
    for (i = 0; i < TABLES; i++) {
        bad += page_set(tables[i], PTE_DATA) != 0;
    }
    check(bad, 0, "tables-free-again");
    check(mmuext(MMUEXT_PIN_L1_TABLE, va_to_mfn(tables[0])), -XEN_EINVAL,
          "freed-table-is-writable");
    /* All of its sixteen thousand writable mappings are gone. */
    check(mmuext(MMUEXT_PIN_L1_TABLE, va_to_mfn(page)), 0, "mapped-page-free-again");
}

static void check_many_multicalls(void)
{
    static struct multicall_entry calls[1000];
    unsigned int i, wrong = 0;

    for (i = 0; i < ARRAY_SIZE(calls); i++) {
        calls[i] = (struct multicall_entry){
            .op = __HYPERVISOR_mmu_update,
            .args = { (unsigned long)&reqs[i % 8 * 16], 16, 0, DOMID_SELF },
        };
    }
    check(xen_multicall(calls, ARRAY_SIZE(calls)), 0, "multicall");
    for (i = 0; i < ARRAY_SIZE(calls); i++) {
        wrong += calls[i].result != 0;
    }
    check(wrong, 0, "multicall-results");
}

void guest_main(void)
{
    page = page_alloc();
    page[0] = 0x5a;
    reqs = pages_alloc(REQUESTS * sizeof(*reqs) / PAGE_SIZE);
    start_ticking();
    build();
    check_many_updates();
    check_many_multicalls();
    check_big_address_space();
    check_destroy();
    upcalls_off();
    check(event_count[timer_port] > 0, true, "ticks-came-in");
}
