/* race.c: two vCPUs that get in each other's way. Where they want one frame to be two things at once,
 * whoever comes second is refused; whatever happened, in the end every reference is gone and the frame
 * is an ordinary page again. */
#include "lib/guest.h"

#define ROUNDS      500
#define PATIENCE_NS 5000000000UL

static uint64_t *page; /* the frame that both want */
static volatile bool stop;
static volatile bool pinned; /* the first vCPU holds it as a page table just now */
static volatile unsigned long wins[2], violations;
static uint64_t deadline;

/* Until both have had their rounds, or a scheduler gave one of them too little in twenty seconds.
 */
static bool going_on(void)
{
    return (wins[0] < ROUNDS || wins[1] < ROUNDS) && clock_ns() < deadline;
}

static void start_other(void (*fn)(void *))
{
    stop = false;
    pinned = false;
    wins[0] = 0;
    wins[1] = 0;
    violations = 0;
    deadline = clock_ns() + 20000000000UL;
    vcpu_start(1, fn, NULL);
}

static void finish(const char *name)
{
    stop = true;
    vcpu_wait(1);
    check(wins[0] > 0, true, "%s-first-won-sometimes", name);
    check(wins[1] > 0, true, "%s-second-won-sometimes", name);
    check(violations, 0, "%s-never-both", name);
    /* Whatever is left of the frame's life as something else ends here. */
    (void)mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(page));
    check(page_set(page, PTE_DATA), 0, "%s-writable-in-the-end", name);
    memset(page, 0, PAGE_SIZE);
    check(page_set(page, PTE_DATA_RO), 0, "%s-read-only-in-the-end", name);
    check(mmuext(MMUEXT_PIN_L1_TABLE, va_to_mfn(page)), 0, "%s-pin-in-the-end", name);
    check(mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(page)), 0, "%s-unpin-in-the-end", name);
}

/* Pin the page; while it is pinned nobody may have it writable. */
static void pin_and_look(void *arg)
{
    uint64_t *entry = pt_entry(pt_root(), page, 1);
    unsigned int i;

    (void)arg;
    while (!stop) {
        if (mmuext(MMUEXT_PIN_L1_TABLE, va_to_mfn(page))) {
            continue;
        }
        wins[1]++;
        for (i = 0; i < 50; i++) {
            violations += !!(READ_ONCE(*entry) & PTE_RW);
        }
        (void)mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(page));
    }
}

static void race_writable_against_pin(void)
{
    start_other(pin_and_look);
    while (going_on()) {
        wins[0] += !page_set(page, PTE_DATA);
        guest_need(page_set(page, PTE_DATA_RO));
    }
    finish("writable-against-pin");
}

/* The same page as L1 and as L2; it is empty, so both are valid. */
static void pin_as_l2(void *arg)
{
    (void)arg;
    while (!stop) {
        if (!mmuext(MMUEXT_PIN_L2_TABLE, va_to_mfn(page))) {
            violations += pinned;
            wins[1]++;
            (void)mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(page));
        }
    }
}

static void race_two_levels(void)
{
    start_other(pin_as_l2);
    while (going_on()) {
        if (!mmuext(MMUEXT_PIN_L1_TABLE, va_to_mfn(page))) {
            pinned = true;
            wins[0]++;
            pinned = false;
            (void)mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(page));
        }
    }
    finish("l1-against-l2");
}

/* Both write the same entry: one to the page, one to nothing. References must balance. */
static uint64_t contended_entry;

static void clear_entry(void *arg)
{
    (void)arg;
    while (!stop) {
        wins[1] += !pte_write(contended_entry, 0);
    }
}

static void race_one_entry(void)
{
    uint8_t *at = (uint8_t *)0xffffe00000000000;

    pt_map(pt_root(), at, 0);
    contended_entry = pt_maddr(pt_root(), at, 1);
    guest_need(page_set(page, PTE_DATA));
    start_other(clear_entry);
    while (going_on()) {
        wins[0] += !pte_write(contended_entry, pte_make(va_to_mfn(page), PTE_DATA));
    }
    stop = true;
    vcpu_wait(1);
    guest_need(pte_write(contended_entry, 0));
    guest_need(page_set(page, PTE_DATA_RO));
    /* A writable reference too many, and this pin would be refused. */
    finish("one-entry");
}

/* A whole address space is built and torn down while the other vCPU tries to write into it. */
static void write_into_table(void *arg)
{
    uint64_t value = pte_make(va_to_mfn(image_start), PTE_DATA_RO);

    (void)arg;
    while (!stop) {
        /* An ordinary page takes it as a number, a page table as an entry. */
        wins[1] += !pte_write(va_to_maddr(&page[7]), value);
        wins[1] += !pte_write(va_to_maddr(&page[7]), 0);
    }
}

static void race_table_update(void)
{
    guest_need(page_set(page, PTE_DATA_RO));
    start_other(write_into_table);
    while (going_on()) {
        if (!mmuext(MMUEXT_PIN_L1_TABLE, va_to_mfn(page))) {
            wins[0]++;
            (void)mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(page));
        }
    }
    finish("update-against-pin");
}

/* A vCPU forgets its own translations while another wants all to forget theirs, and then waits for
 * that other one: if its flush was missed, they wait for each other. */
static void flush_and_wait(void *arg)
{
    (void)arg;
    while (!stop) {
        unsigned long seen = wins[0];
        uint64_t patience = clock_ns() + PATIENCE_NS;
        unsigned int i;

        for (i = 0; i < 20; i++) {
            (void)mmuext(MMUEXT_TLB_FLUSH_LOCAL, 0);
        }
        wins[1]++;
        while (!stop && wins[0] == seen) {
            if (clock_ns() > patience) {
                violations++; /* the next flush frees it */
                break;
            }
        }
    }
}

static void race_flushes(void)
{
    start_other(flush_and_wait);
    while (wins[0] < 20 * ROUNDS && clock_ns() < deadline) {
        (void)mmuext(MMUEXT_TLB_FLUSH_ALL, 0);
        wins[0]++;
    }
    stop = true;
    vcpu_wait(1);
    check(wins[1] > 0, true, "flushes-both");
    check(violations, 0, "flushes-never-missed");
}

void guest_main(void)
{
    page = table_alloc();
    race_flushes();
    race_writable_against_pin();
    race_two_levels();
    race_one_entry();
    race_table_update();
}
