/* Domain 0's pseudo-physical memory while it is built: runs of machine frames in the order of its pfns. */
#include <lodge/string.h>
#include "core/frame.h"
#include "core/log.h"
#include "mm/page.h"
#include "pv/dom0.h"

/* Taken largest first from a heap that is hardly used yet: a few dozen in practice. */
#define MAX_RUNS 2048

struct run {
    uint64_t pfn, mfn, nr;
};

static struct run runs[MAX_RUNS] INIT_DATA;
static unsigned int nr_runs INIT_DATA;
static uint64_t size INIT_DATA;

static void run_append(uint64_t mfn, uint64_t nr)
{
    if (nr_runs && runs[nr_runs - 1].mfn + runs[nr_runs - 1].nr == mfn) {
        runs[nr_runs - 1].nr += nr;
    } else if (nr_runs == MAX_RUNS) {
        stop("domain 0: memory is in too many pieces (%u)", MAX_RUNS);
    } else {
        runs[nr_runs++] = (struct run){ size, mfn, nr };
    }
    size += nr;
}

void dom0_memory_add(struct domain *d, uint64_t nr_frames)
{
    unsigned int order = FRAME_MAX_ORDER;

    while (nr_frames) {
        struct frame *f;

        while (1ULL << order > nr_frames) {
            order--;
        }
        f = domain_frames_alloc_flags(d, order, FRAMES_ANY_ADDRESS, DOMAIN_FRAMES_UNCLEARED);
        if (f) {
            run_append(frame_mfn(f).n, 1ULL << order);
            nr_frames -= 1ULL << order;
        } else if (order-- == 0) {
            stop("domain 0: out of memory, %lu MiB short", (unsigned long)(nr_frames >> (20 - PAGE_SHIFT)));
        }
    }
}

void dom0_memory_add_run(struct domain *d, mfn_t start, uint64_t nr_frames)
{
    for (uint64_t i = 0; i < nr_frames; i++) {
        struct frame *f = frame_of(mfn_add(start, i));

        f->count = 0; /* no longer set aside */
        if (domain_frames_assign(d, f, 0)) {
            panic("domain 0 does not take frame %lx", (unsigned long)frame_mfn(f).n);
        }
    }
    run_append(start.n, nr_frames);
}

uint64_t dom0_memory_size(void)
{
    return size;
}

mfn_t dom0_memory_mfn(uint64_t pfn)
{
    unsigned int low = 0, high = nr_runs;

    while (high - low > 1) {
        unsigned int middle = (low + high) / 2;

        if (runs[middle].pfn <= pfn) {
            low = middle;
        } else {
            high = middle;
        }
    }
    assert(pfn < size);
    return MFN(runs[low].mfn + (pfn - runs[low].pfn));
}

void *dom0_memory_page(uint64_t pfn)
{
    return arch_map_frame(dom0_memory_mfn(pfn));
}

void dom0_memory_copy(uint64_t paddr, const void *from, uint64_t bytes)
{
    while (bytes) {
        uint64_t offset = paddr & ~PAGE_MASK;
        uint64_t n = MIN(bytes, PAGE_SIZE - offset);
        char *to = (char *)dom0_memory_page(paddr >> PAGE_SHIFT) + offset;

        if (from) {
            memcpy(to, from, n);
            from = (const char *)from + n;
        } else {
            memset(to, 0, n);
        }
        paddr += n;
        bytes -= n;
    }
}

void dom0_memory_write_p2m(uint64_t list_pfn)
{
    uint64_t *list = NULL;

    for (unsigned int r = 0; r < nr_runs; r++) {
        for (uint64_t i = 0; i < runs[r].nr; i++) {
            uint64_t pfn = runs[r].pfn + i, mfn = runs[r].mfn + i;

            if (!list || pfn % ENTRIES == 0) {
                list = dom0_memory_page(list_pfn + pfn / ENTRIES);
            }
            list[pfn % ENTRIES] = mfn;
            m2p_set(MFN(mfn), pfn);
        }
    }
}
