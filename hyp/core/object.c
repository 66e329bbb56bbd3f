/*
 * Slabs: a page holds objects of one power of two, so each is aligned to its size. What is known of
 * a slab stands in its page's frame table entry (type: kind, objects in use, first free slot;
 * links: slabs of that size with room), and the free slots are chained through their own memory.
 * Larger objects are runs of pages.
 */
#include "core/object.h"
#include <lodge/string.h>
#include "core/frame.h"
#include "core/lock.h"
#include "core/log.h"
#include "core/poison.h"

#define MIN_SHIFT 4
#define MAX_SHIFT 11
#define CLASSES   (MAX_SHIFT - MIN_SHIFT + 1)
#define NO_SLOT   0xffffU
#define FREE_MARK 0x4c4f444765657266ULL /* in a free slot: freeing it again is noticed */

/* frame.type of a page from here */
struct page_kind {
    uint32_t magic;  /* KIND_* */
    uint8_t shift;   /* of a slab: object size; of a run: its order */
    /* objects, modulo 256: a slab of the smallest size that is full shows 0 and has no free slot */
    uint8_t in_use;
    uint16_t free;   /* first free slot */
};
BUILD_ASSERT(sizeof(struct page_kind) == sizeof(uint64_t));

#define KIND_SLAB 0x42414c53U
#define KIND_RUN  0x4e555221U

struct free_slot {
    uint64_t mark;
    uint64_t next;
};

struct object_class {
    struct spinlock lock; /* RANK_OBJECT */
    uint32_t partial;     /* frame number + 1 of the first slab with room, 0: none */
};

#define CLASS { SPINLOCK_INIT(RANK_OBJECT), 0 }
static struct object_class classes[CLASSES] = { CLASS, CLASS, CLASS, CLASS,
                                                CLASS, CLASS, CLASS, CLASS };
BUILD_ASSERT(CLASSES == 8);

static struct page_kind *kind_of(struct frame *f)
{
    return (struct page_kind *)&f->type;
}

static struct free_slot *slot_at(const struct frame *f, unsigned int shift, unsigned int slot)
{
    return (struct free_slot *)((char *)arch_map_frame(frame_mfn(f)) + ((size_t)slot << shift));
}

static void partial_insert(struct object_class *c, struct frame *f)
{
    f->prev = FRAME_LINK_NONE;
    f->next = c->partial - 1;
    if (c->partial) {
        frame_of(MFN(c->partial - 1))->prev = (uint32_t)frame_mfn(f).n;
    }
    c->partial = (uint32_t)frame_mfn(f).n + 1;
}

static void partial_remove(struct object_class *c, struct frame *f)
{
    if (f->prev == FRAME_LINK_NONE) {
        c->partial = f->next + 1;
    } else {
        frame_of(MFN(f->prev))->next = f->next;
    }
    if (f->next != FRAME_LINK_NONE) {
        frame_of(MFN(f->next))->prev = f->prev;
    }
}

/* Outside the class's lock: the heap's lock is an outer one. */
static struct frame *slab_create(unsigned int shift)
{
    void *page = heap_alloc_pages(0);
    struct frame *f;

    if (!page) {
        return NULL;
    }
    f = frame_of(arch_frame_of(page));
    *kind_of(f) = (struct page_kind){ .magic = KIND_SLAB, .shift = (uint8_t)shift, .free = 0 };
    for (unsigned int slot = 0; slot < PAGE_SIZE >> shift; slot++) {
        bool last = slot + 1 == PAGE_SIZE >> shift;

        *slot_at(f, shift, slot) = (struct free_slot){ FREE_MARK, last ? NO_SLOT : slot + 1 };
    }
    poison_free(page, PAGE_SIZE);
    return f;
}

/* Lock held, the slab has room. */
static void *slab_take(struct object_class *c, struct frame *f, unsigned int shift)
{
    struct page_kind *k = kind_of(f);
    struct free_slot *s = slot_at(f, shift, k->free);

    poison_lift(s, sizeof(*s));
    if (s->mark != FREE_MARK) {
        panic("object at %p was written to after it was freed", (void *)s);
    }
    k->free = (uint16_t)s->next;
    k->in_use++;
    *s = (struct free_slot){ 0, 0 }; /* an object shorter than this may not clear the mark itself */
    poison_free(s, sizeof(*s));
    if (k->free == NO_SLOT) {
        partial_remove(c, f);
    }
    return s;
}

static void *slab_alloc(unsigned int shift)
{
    struct object_class *c = &classes[shift - MIN_SHIFT];
    struct frame *fresh = NULL;
    void *p;

    spin_lock(&c->lock);
    if (!c->partial) {
        spin_unlock(&c->lock);
        fresh = slab_create(shift);
        if (!fresh) {
            return NULL;
        }
        spin_lock(&c->lock);
        partial_insert(c, fresh);
    }
    p = slab_take(c, frame_of(MFN(c->partial - 1)), shift);
    spin_unlock(&c->lock);
    return p;
}

static void slab_free(struct frame *f, struct free_slot *s)
{
    struct page_kind *k = kind_of(f);
    struct object_class *c = &classes[k->shift - MIN_SHIFT];
    unsigned int slot = (unsigned int)(((uintptr_t)s & ~PAGE_MASK) >> k->shift);
    bool was_full, empty;

    assert(((uintptr_t)s & ((1UL << k->shift) - 1)) == 0);
    spin_lock(&c->lock);
    poison_lift(s, sizeof(*s));
    if (s->mark == FREE_MARK) {
        panic("object at %p is freed twice", (void *)s);
    }
    was_full = k->free == NO_SLOT;
    *s = (struct free_slot){ FREE_MARK, k->free };
    k->free = (uint16_t)slot;
    k->in_use--;
    poison_free(s, 1UL << k->shift);
    if (was_full) {
        partial_insert(c, f);
    }
    /*
     * One empty slab is kept, or a single object that comes and goes would take a page each time.
     */
    empty = !k->in_use && (f->prev != FRAME_LINK_NONE || f->next != FRAME_LINK_NONE);
    if (empty) {
        partial_remove(c, f);
    }
    spin_unlock(&c->lock);
    if (empty) {
        heap_free_pages(arch_map_frame(frame_mfn(f)), 0);
    }
}

static unsigned int shift_for(size_t size)
{
    return size <= 1UL << MIN_SHIFT ? MIN_SHIFT : 64 - (unsigned int)__builtin_clzll(size - 1);
}

static void *run_alloc(size_t size)
{
    unsigned int order = shift_for(size) > PAGE_SHIFT ? shift_for(size) - PAGE_SHIFT : 0;
    void *p;

    if (order > FRAME_MAX_ORDER) {
        return NULL;
    }
    p = heap_alloc_pages(order);
    if (p) {
        *kind_of(frame_of(arch_frame_of(p))) =
            (struct page_kind){ .magic = KIND_RUN, .shift = (uint8_t)order };
    }
    return p;
}

void *object_alloc(size_t size)
{
    unsigned int shift = shift_for(size);
    void *p;

    if (shift > MAX_SHIFT) {
        return run_alloc(size);
    }
    p = slab_alloc(shift);
    if (p) {
        poison_lift(p, size ? size : 1);
        memset(p, 0, size);
    }
    return p;
}

void *object_alloc_array(size_t n, size_t size)
{
    size_t total;

    if (__builtin_mul_overflow(n, size, &total)) {
        return NULL;
    }
    return object_alloc(total);
}

void object_free(void *p)
{
    struct frame *f;
    struct page_kind *k;

    if (!p) {
        return;
    }
    f = frame_of(arch_frame_of(p));
    k = kind_of(f);
    assert(f->count == FRAME_HEAP);
    if (k->magic == KIND_SLAB) {
        slab_free(f, p);
    } else if (k->magic == KIND_RUN && !((uintptr_t)p & ~PAGE_MASK)) {
        heap_free_pages(p, k->shift);
    } else {
        panic("object_free(%p): not an object", p);
    }
}
