/*
 * RAM before the heap. A list of free spans is cut down as memory is taken; what is left at the end
 * becomes the heap. The first MiB (firmware, legacy devices) and the image and modules never enter
 * it.
 */
#include "boot/boot.h"
#include "core/frame.h"
#include "core/log.h"
#include "mm/page.h"

#define MAX_SPANS (BOOT_MAX_RANGES + BOOT_MAX_MODULES + 16)

struct span {
    uint64_t start, end;
};

static INIT_DATA struct span spans[MAX_SPANS];
static INIT_DATA unsigned int nr_spans;
static bool active;

static INIT_TEXT void span_add(uint64_t start, uint64_t end)
{
    if (start < end && nr_spans < MAX_SPANS) {
        spans[nr_spans++] = (struct span){ start, end };
    }
}

/* Order does not matter: the last span fills a gap, and remainders go to the end. */
static INIT_TEXT void span_remove(uint64_t start, uint64_t end)
{
    for (unsigned int i = 0; i < nr_spans;) {
        struct span s = spans[i];

        if (s.end <= start || end <= s.start) {
            i++;
            continue;
        }
        spans[i] = spans[--nr_spans];
        span_add(s.start, MIN(start, s.end));
        span_add(MAX(end, s.start), s.end);
    }
}

INIT_TEXT void boot_alloc_init(void)
{
    uint64_t start, end;

    for (unsigned int i = 0; memmap_next_ram(&i, &start, &end);) {
        span_add(start, end);
    }
    span_remove(0, MIB(1));
    span_remove(image_to_maddr(image_start), image_to_maddr(image_end));
    for (unsigned int i = 0; i < boot_info.nr_modules; i++) {
        const struct boot_module *m = &boot_info.modules[i];

        span_remove(ROUND_DOWN(m->start, PAGE_SIZE), ROUND_UP(m->start + m->size, PAGE_SIZE));
    }
    active = true;
}

INIT_TEXT uint64_t boot_alloc(uint64_t size, uint64_t align, uint64_t limit)
{
    uint64_t best = 0;

    for (unsigned int i = 0; i < nr_spans; i++) {
        uint64_t end = MIN(spans[i].end, limit);

        if (end >= size && ROUND_DOWN(end - size, align) >= spans[i].start) {
            best = MAX(best, ROUND_DOWN(end - size, align));
        }
    }
    if (!best) {
        stop("memory: %lu MiB of RAM are too little: no room for %lu KiB of page tables below %#lx",
             memmap_ram_bytes() >> 20, size >> 10, limit);
    }
    span_remove(best, best + size);
    return best;
}

bool boot_alloc_active(void)
{
    return active;
}

INIT_TEXT void boot_alloc_finish(void)
{
    active = false;
    for (unsigned int i = 0; i < nr_spans; i++) {
        frames_init_add(MFN(spans[i].start >> PAGE_SHIFT), MFN(spans[i].end >> PAGE_SHIFT));
    }
}

void boot_release(uint64_t start, uint64_t end)
{
    frames_init_add(MFN(start >> PAGE_SHIFT), MFN(end >> PAGE_SHIFT));
}

/* Linker addresses are page-aligned. */
static void release_image(char *start, char *end)
{
    hyp_unmap((uint64_t)start, (uint64_t)(end - start) >> PAGE_SHIFT);
    boot_release(image_to_maddr(start), image_to_maddr(end));
}

void boot_release_init(void)
{
    release_image(image_start, image_init_text_end);
    release_image(image_rodata_end, image_init_data_end);
}
