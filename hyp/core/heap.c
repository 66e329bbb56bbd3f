/*
 * The buddy allocator of frames. A free run is known by its first frame's table entry: FRAME_FREE,
 * its order, and the links of its list. There is a list for each order and zone; a run's zone is
 * the number of bits that its last frame number needs, so "below 1 << n" is a choice of zones and
 * no search. Runs of different zones are never merged.
 */
#include "core/frame.h"
#include <lodge/string.h>
#include "core/lock.h"
#include "core/log.h"
#include "core/poison.h"

#define ZONES  33 /* frame numbers have up to 32 bits: FRAME_LINK_NONE */
#define ORDERS (FRAME_MAX_ORDER + 1)
#define OWNER_HEAP 0xfffeU /* of every free frame: freeing one again is noticed */

/* guards all that follows, and the entries of free frames */
static struct spinlock heap_lock = SPINLOCK_INIT(RANK_HEAP);
static uint32_t lists[ZONES][ORDERS];  /* frame number + 1 of the first run; 0: empty */
static uint32_t zone_orders[ZONES];    /* bit n: lists[zone][n] is not empty */
static uint64_t zones_in_use;          /* bit n: zone_orders[n] is not 0 */
static uint64_t zone_free[ZONES];      /* frames */
static uint64_t nr_free, nr_total;
static uint64_t nr_claimed;            /* of nr_free */

static unsigned int bits_of(uint64_t n)
{
    return n ? 64 - (unsigned int)__builtin_clzll(n) : 0;
}

static unsigned int zone_of(uint64_t first, unsigned int order)
{
    return bits_of(first + (1ULL << order) - 1);
}

/* Others look at a count without any lock: frame_get(), and the heap at the frame next to it. */
static void frame_set_count(struct frame *f, uint64_t count)
{
    __atomic_store_n(&f->count, count, __ATOMIC_RELAXED);
}

static void run_insert(uint64_t first, unsigned int order)
{
    unsigned int zone = zone_of(first, order);
    struct frame *f = frame_of(MFN(first));
    uint32_t *list = &lists[zone][order];

    frame_set_count(f, FRAME_FREE);
    f->order = order;
    f->prev = FRAME_LINK_NONE;
    f->next = *list - 1; /* of an empty list: FRAME_LINK_NONE */
    if (*list) {
        frame_of(MFN(*list - 1))->prev = (uint32_t)first;
    }
    *list = (uint32_t)first + 1;
    zone_orders[zone] |= 1U << order;
    zones_in_use |= 1ULL << zone;
    zone_free[zone] += 1ULL << order;
    nr_free += 1ULL << order;
}

static void run_remove(uint64_t first, unsigned int order)
{
    unsigned int zone = zone_of(first, order);
    struct frame *f = frame_of(MFN(first));

    if (f->next != FRAME_LINK_NONE) {
        frame_of(MFN(f->next))->prev = f->prev;
    }
    if (f->prev != FRAME_LINK_NONE) {
        frame_of(MFN(f->prev))->next = f->next;
    } else {
        lists[zone][order] = f->next + 1;
        if (!lists[zone][order]) {
            zone_orders[zone] &= ~(1U << order);
        }
        if (!zone_orders[zone]) {
            zones_in_use &= ~(1ULL << zone);
        }
    }
    frame_set_count(f, 0);
    zone_free[zone] -= 1ULL << order;
    nr_free -= 1ULL << order;
}

/* Merges with its buddy as long as that is free and whole. */
static void run_free(uint64_t first, unsigned int order)
{
    while (order < FRAME_MAX_ORDER) {
        uint64_t buddy = first ^ (1ULL << order);
        uint64_t merged = first & ~(1ULL << order);
        struct frame *f;

        /* The run that begins at 0 lies in a lower zone than its buddy. */
        if (!merged || !frame_valid(MFN(buddy))) {
            break;
        }
        f = frame_of(MFN(buddy));
        /* In use, it is its user's, who may count references just now; free, it is ours. */
        if (__atomic_load_n(&f->count, __ATOMIC_RELAXED) != FRAME_FREE || f->order != order) {
            break;
        }
        run_remove(buddy, order);
        first = merged;
        order++;
    }
    run_insert(first, order);
}

/*
 * The smallest run that is large enough, in the highest zone that has one: low memory is kept for
 * those who ask for it.
 */
static bool run_alloc(unsigned int order, unsigned int max_zone, uint64_t *first)
{
    uint64_t zones = zones_in_use & ((2ULL << max_zone) - 1);

    while (zones) {
        unsigned int zone = bits_of(zones) - 1;
        uint32_t orders = zone_orders[zone] & ~((1U << order) - 1);
        unsigned int from;
        uint64_t run;

        if (!orders) {
            zones &= ~(1ULL << zone);
            continue;
        }
        from = (unsigned int)__builtin_ctz(orders);
        run = lists[zone][from] - 1;
        run_remove(run, from);
        while (from > order) {
            from--;
            run_insert(run, from); /* the lower half stays */
            run += 1ULL << from;
        }
        *first = run;
        return true;
    }
    return false;
}

void frames_init_add(mfn_t start, mfn_t end)
{
    uint64_t n = start.n, limit = MIN(end.n, (uint64_t)FRAME_LINK_NONE);

    for (uint64_t i = n; i < limit; i++) {
        *frame_of(MFN(i)) = (struct frame){ .owner = OWNER_HEAP };
        poison_free(arch_map_frame(MFN(i)), PAGE_SIZE);
    }
    spin_lock(&heap_lock);
    while (n < limit) {
        unsigned int order = n ? (unsigned int)__builtin_ctzll(n) : FRAME_MAX_ORDER;

        order = MIN(order, (unsigned int)FRAME_MAX_ORDER);
        order = MIN(order, bits_of(limit - n) - 1);
        /* Frame 0's run must not hide frames of a lower zone in a higher one: it goes in pieces. */
        order = n ? order : 0;
        nr_total += 1ULL << order;
        run_free(n, order);
        n += 1ULL << order;
    }
    spin_unlock(&heap_lock);
}

/* Whether as much may be taken by somebody whose share of what is claimed is `claim`. heap_lock held. */
static bool may_take(uint64_t n, uint64_t claim)
{
    return claim >= n || nr_claimed + n <= nr_free;
}

struct frame *frames_alloc(unsigned int order, unsigned int address_bits)
{
    return frames_alloc_claimed(order, address_bits, 0);
}

struct frame *frames_alloc_claimed(unsigned int order, unsigned int address_bits, uint64_t claim)
{
    unsigned int max_zone = address_bits <= PAGE_SHIFT ? 0 : address_bits - PAGE_SHIFT;
    struct frame *f;
    uint64_t first = 0;
    bool ok;

    if (order > FRAME_MAX_ORDER) {
        return NULL;
    }
    spin_lock(&heap_lock);
    ok = may_take(1ULL << order, claim) && run_alloc(order, MIN(max_zone, ZONES - 1U), &first);
    spin_unlock(&heap_lock);
    if (!ok) {
        return NULL;
    }
    f = frame_of(MFN(first));
    for (uint64_t i = 0; i < 1ULL << order; i++) { /* the count is 0 already */
        f[i].next = f[i].prev = FRAME_LINK_NONE;
        f[i].type = 0;
        f[i].owner = FRAME_OWNER_NONE;
        f[i].arch_half = 0;
        f[i].arch_word = 0;
    }
    poison_lift(arch_map_frame(MFN(first)), PAGE_SIZE << order);
    return f;
}

void frames_free(struct frame *f, unsigned int order)
{
    uint64_t first = frame_mfn(f).n;

    assert(order <= FRAME_MAX_ORDER && !(first & ((1ULL << order) - 1)));
    for (uint64_t i = 0; i < 1ULL << order; i++) {
        assert((f[i].count == 0 || f[i].count == FRAME_HEAP) && f[i].owner != OWNER_HEAP);
        frame_set_count(&f[i], 0);
        f[i].type = 0;
        f[i].owner = OWNER_HEAP;
    }
    poison_free(arch_map_frame(MFN(first)), PAGE_SIZE << order);
    spin_lock(&heap_lock);
    run_free(first, order);
    spin_unlock(&heap_lock);
}

uint64_t frames_free_count(void)
{
    return __atomic_load_n(&nr_free, __ATOMIC_RELAXED);
}

bool frames_claim(uint64_t n)
{
    bool ok;

    spin_lock(&heap_lock);
    ok = n <= nr_free && may_take(n, 0);
    if (ok) {
        nr_claimed += n;
    }
    spin_unlock(&heap_lock);
    return ok;
}

void frames_unclaim(uint64_t n)
{
    spin_lock(&heap_lock);
    assert(n <= nr_claimed);
    nr_claimed -= n;
    spin_unlock(&heap_lock);
}

uint64_t frames_claimed_count(void)
{
    return __atomic_load_n(&nr_claimed, __ATOMIC_RELAXED);
}

uint64_t frames_total_count(void)
{
    return __atomic_load_n(&nr_total, __ATOMIC_RELAXED);
}

uint64_t frames_free_below(unsigned int address_bits)
{
    unsigned int max_zone = address_bits <= PAGE_SHIFT ? 0 : address_bits - PAGE_SHIFT;
    uint64_t n = 0;

    spin_lock(&heap_lock);
    for (unsigned int zone = 0; zone <= max_zone && zone < ZONES; zone++) {
        n += zone_free[zone];
    }
    spin_unlock(&heap_lock);
    return n;
}

void *heap_alloc_pages(unsigned int order)
{
    struct frame *f = frames_alloc(order, FRAMES_ANY_ADDRESS);
    void *va;

    if (!f) {
        return NULL;
    }
    for (uint64_t i = 0; i < 1ULL << order; i++) {
        frame_set_count(&f[i], FRAME_HEAP);
    }
    va = arch_map_frame(frame_mfn(f));
    memset(va, 0, PAGE_SIZE << order);
    return va;
}

void heap_free_pages(void *va, unsigned int order)
{
    if (va) {
        frames_free(frame_of(arch_frame_of(va)), order);
    }
}

void heap_dump(void)
{
    console_printf("Memory: %llu KiB in the heap, %llu KiB free\n",
                   (unsigned long long)frames_total_count() << (PAGE_SHIFT - 10),
                   (unsigned long long)frames_free_count() << (PAGE_SHIFT - 10));
    for (unsigned int zone = 0; zone < ZONES; zone++) {
        uint64_t n = __atomic_load_n(&zone_free[zone], __ATOMIC_RELAXED);

        if (n) {
            console_printf("  below 2^%u: %llu KiB free\n", zone + PAGE_SHIFT,
                           (unsigned long long)n << (PAGE_SHIFT - 10));
        }
    }
}
