/*
 * Sets of numbers kept as ranges [start, end): which ports, frames or interrupts a domain may
 * touch. Sorted, never adjacent or overlapping, so that a question costs a binary search. No lock:
 * the owner keeps changes away from readers.
 */
#ifndef LODGE_RANGESET_H
#define LODGE_RANGESET_H

#include <lodge/compiler.h>

struct rangeset;

struct rangeset_memory {
    void *(*alloc)(size_t size); /* zeroed, or NULL */
    void (*free)(void *p);
};

/* empty; NULL without memory */
struct rangeset *rangeset_new(const struct rangeset_memory *memory) MUST_CHECK;
void rangeset_free(struct rangeset *s); /* NULL is fine */

/*
 * 0; -EINVAL unless start < end; -ENOMEM with the set as before. Parts that are in, or out, already
 * are no error.
 */
int rangeset_add(struct rangeset *s, uint64_t start, uint64_t end) MUST_CHECK;
int rangeset_remove(struct rangeset *s, uint64_t start, uint64_t end) MUST_CHECK;

/* All of [start, end), some of it. An empty range, and any range in a NULL set: false. */
bool rangeset_contains(const struct rangeset *s, uint64_t start, uint64_t end);
bool rangeset_overlaps(const struct rangeset *s, uint64_t start, uint64_t end);
bool rangeset_empty(const struct rangeset *s);
size_t rangeset_count(const struct rangeset *s); /* of ranges; NULL: none */

/*
 * fn for every range in rising order, until it returns non-zero, which is then the answer; else 0.
 */
int rangeset_for_each(const struct rangeset *s, int (*fn)(uint64_t start, uint64_t end, void *arg),
                      void *arg);

#endif
