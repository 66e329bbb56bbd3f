/* Ranges in a sorted array. */
#include <lodge/rangeset.h>

#include <lodge/errno.h>
#include <lodge/string.h>

#define ROOM_FIRST 8U

struct range {
    uint64_t start, end;
};

struct rangeset {
    const struct rangeset_memory *memory;
    struct range *ranges;
    size_t nr, room;
};

struct rangeset *rangeset_new(const struct rangeset_memory *memory)
{
    struct rangeset *s = memory->alloc(sizeof(*s));

    if (s) {
        s->memory = memory;
    }
    return s;
}

void rangeset_free(struct rangeset *s)
{
    if (s) {
        s->memory->free(s->ranges);
        s->memory->free(s);
    }
}

/* Index of the first range that ends behind `at`; nr if all end before. */
static size_t find(const struct rangeset *s, uint64_t at)
{
    size_t low = 0, high = s->nr;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (s->ranges[middle].end > at) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

static int reserve(struct rangeset *s, size_t nr)
{
    size_t room = s->room ? s->room : ROOM_FIRST;
    struct range *bigger;

    if (nr <= s->room) {
        return 0;
    }
    while (room < nr) {
        room *= 2;
    }
    bigger = s->memory->alloc(room * sizeof(*bigger));
    if (!bigger) {
        return -ENOMEM;
    }
    if (s->nr) {
        memcpy(bigger, s->ranges, s->nr * sizeof(*bigger));
    }
    s->memory->free(s->ranges);
    s->ranges = bigger;
    s->room = room;
    return 0;
}

/* Put `with[0..n)` in the place of ranges [first, last). There is room. */
static void replace(struct rangeset *s, size_t first, size_t last, const struct range *with,
                    size_t n)
{
    memmove(&s->ranges[first + n], &s->ranges[last], (s->nr - last) * sizeof(*s->ranges));
    for (size_t i = 0; i < n; i++) {
        s->ranges[first + i] = with[i];
    }
    s->nr = s->nr - (last - first) + n;
}

int rangeset_add(struct rangeset *s, uint64_t start, uint64_t end)
{
    struct range joined = { start, end };
    size_t first, last;
    int rc;

    if (start >= end) {
        return -EINVAL;
    }
    rc = reserve(s, s->nr + 1);
    if (rc) {
        return rc;
    }
    first = start ? find(s, start - 1) : 0; /* one that ends where this starts is joined too */
    for (last = first; last < s->nr && s->ranges[last].start <= end; last++) {
        joined.start = MIN(joined.start, s->ranges[last].start);
        joined.end = MAX(joined.end, s->ranges[last].end);
    }
    replace(s, first, last, &joined, 1);
    return 0;
}

int rangeset_remove(struct rangeset *s, uint64_t start, uint64_t end)
{
    struct range left[2];
    size_t first, last, n = 0;
    int rc;

    if (start >= end) {
        return -EINVAL;
    }
    rc = reserve(s, s->nr + 1);
    if (rc) {
        return rc;
    }
    first = find(s, start);
    for (last = first; last < s->nr && s->ranges[last].start < end; last++) {
        if (s->ranges[last].start < start) {
            left[n++] = (struct range){ s->ranges[last].start, start };
        }
        if (s->ranges[last].end > end) {
            left[n++] = (struct range){ end, s->ranges[last].end };
        }
    }
    replace(s, first, last, left, n);
    return 0;
}

bool rangeset_contains(const struct rangeset *s, uint64_t start, uint64_t end)
{
    size_t i;

    if (!s || start >= end) {
        return false;
    }
    i = find(s, start);
    return i < s->nr && s->ranges[i].start <= start && s->ranges[i].end >= end;
}

bool rangeset_overlaps(const struct rangeset *s, uint64_t start, uint64_t end)
{
    size_t i;

    if (!s || start >= end) {
        return false;
    }
    i = find(s, start);
    return i < s->nr && s->ranges[i].start < end;
}

bool rangeset_empty(const struct rangeset *s)
{
    return !s || s->nr == 0;
}

size_t rangeset_count(const struct rangeset *s)
{
    return s ? s->nr : 0;
}

int rangeset_for_each(const struct rangeset *s, int (*fn)(uint64_t start, uint64_t end, void *arg),
                      void *arg)
{
    int rc = 0;

    for (size_t i = 0; s && i < s->nr && !rc; i++) {
        rc = fn(s->ranges[i].start, s->ranges[i].end, arg);
    }
    return rc;
}
