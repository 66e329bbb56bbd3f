/* Rights to device memory. */
#include "platform/mmio.h"

#include <lodge/errno.h>
#include <lodge/rangeset.h>
#include "core/domain.h"
#include "core/lock.h"
#include "core/log.h"
#include "core/object.h"
#include "platform/msi.h"
#include "platform/pci.h"

static const struct rangeset_memory memory = { object_alloc, object_free };

/* guards what follows, and domains' sets of frames */
static struct spinlock lock = SPINLOCK_INIT(RANK_MMIO);
static struct rangeset *kept;   /* never to be written; made by the first mmio_protect() */
static struct rangeset *tables; /* with message tables on them */
static uint32_t generation;     /* of the tables; 0 is none */
static uint32_t swept;          /* the last generation that a sweep has made true */

/*
 * Frames that some page table may let a guest write: what was allowed, and not yet found to be gone
 * by a sweep. During a sweep the next such set grows beside it.
 */
struct frames {
    struct rangeset *set;
    bool all; /* too many to keep count of, or no memory: any frame may be */
};
#define FRAMES_MAX_RANGES 4096
static struct frames written, found;
static bool sweeping;

static bool permitted(const struct domain *d, uint64_t mfn)
{
    return rangeset_contains(d->arch.iomem, mfn, mfn + 1);
}

static void frames_add(struct frames *f, uint64_t mfn)
{
    if (f->all || rangeset_contains(f->set, mfn, mfn + 1)) {
        return;
    }
    f->set = f->set ? f->set : rangeset_new(&memory);
    f->all = !f->set || rangeset_count(f->set) >= FRAMES_MAX_RANGES ||
             rangeset_add(f->set, mfn, mfn + 1);
}

static void frames_clear(struct frames *f)
{
    rangeset_free(f->set);
    *f = (struct frames){ 0 };
}

static void note_written(uint64_t mfn)
{
    frames_add(&written, mfn);
    if (sweeping) {
        frames_add(&found, mfn);
    }
}

static bool read_only(uint64_t mfn)
{
    return rangeset_contains(kept, mfn, mfn + 1) || rangeset_contains(tables, mfn, mfn + 1);
}

int mmio_map(const struct domain *pt_owner, const struct domain *pg_owner, uint64_t mfn,
             bool *writable)
{
    int rc = -EPERM;

    spin_lock(&lock);
    if (permitted(pg_owner, mfn) && (pt_owner == pg_owner || permitted(pt_owner, mfn))) {
        *writable = *writable && !read_only(mfn);
        if (*writable) {
            note_written(mfn);
        }
        rc = 0;
    }
    spin_unlock(&lock);
    return rc;
}

bool mmio_read_only(uint64_t mfn)
{
    bool answer;

    spin_lock(&lock);
    answer = read_only(mfn);
    spin_unlock(&lock);
    return answer;
}

int mmio_protect(uint64_t start, uint64_t end)
{
    int rc = -ENOMEM;

    spin_lock(&lock);
    kept = kept ? kept : rangeset_new(&memory);
    if (kept) {
        rc = rangeset_add(kept, start, end);
    }
    spin_unlock(&lock);
    return rc;
}

/* The set under construction is its own handle; NULL without memory. */
struct mmio_tables *mmio_tables_begin(void)
{
    spin_lock(&lock);
    return (struct mmio_tables *)rangeset_new(&memory);
}

int mmio_tables_add(struct mmio_tables *t, uint64_t maddr, uint64_t bytes)
{
    return t ? rangeset_add((struct rangeset *)t, maddr >> PAGE_SHIFT,
                            ROUND_UP(maddr + bytes, PAGE_SIZE) >> PAGE_SHIFT)
             : -ENOMEM;
}

uint32_t mmio_tables_end(struct mmio_tables *t, bool commit)
{
    uint32_t answer;

    struct rangeset *old = (struct rangeset *)t;

    assert_held(&lock);
    if (commit && t) {
        old = tables;
        tables = (struct rangeset *)t;
        generation++;
    }
    answer = generation;
    spin_unlock(&lock);
    rangeset_free(old);
    return answer;
}

bool mmio_maybe_written(uint64_t maddr, uint64_t bytes)
{
    assert_held(&lock);
    return written.all || rangeset_overlaps(written.set, maddr >> PAGE_SHIFT,
                                            ROUND_UP(maddr + bytes, PAGE_SIZE) >> PAGE_SHIFT);
}

bool mmio_swept(uint32_t since)
{
    bool answer;

    spin_lock(&lock);
    answer = (int32_t)(swept - since) >= 0;
    spin_unlock(&lock);
    return answer;
}

uint32_t mmio_generation(void)
{
    uint32_t answer;

    spin_lock(&lock);
    answer = generation;
    spin_unlock(&lock);
    return answer;
}

void mmio_sweep_begin(void)
{
    spin_lock(&lock);
    frames_clear(&found);
    sweeping = true;
    spin_unlock(&lock);
}

void mmio_still_written(uint64_t mfn)
{
    spin_lock(&lock);
    frames_add(&found, mfn);
    spin_unlock(&lock);
}

bool mmio_sweep_end(uint32_t began)
{
    bool valid;

    spin_lock(&lock);
    valid = began == generation;
    if (valid) {
        frames_clear(&written);
        written = found;
        found = (struct frames){ 0 };
        sweeping = false;
        swept = began;
    }
    spin_unlock(&lock);
    return valid;
}

/* Frames with tables are no frames that are kept. */
static bool has_tables(uint64_t mfn)
{
    bool answer;

    spin_lock(&lock);
    answer = rangeset_contains(tables, mfn, mfn + 1) && !rangeset_contains(kept, mfn, mfn + 1);
    spin_unlock(&lock);
    return answer;
}

bool mmio_guest_write(struct domain *d, uint64_t maddr, unsigned int bytes, uint64_t value)
{
    struct pci_sbdf where;

    if (pci_window_device(maddr >> PAGE_SHIFT, &where)) {
        if (bytes > sizeof(uint32_t) || maddr & (bytes - 1)) {
            return false;
        }
        pci_guest_write(d, where, maddr & (PAGE_SIZE - 1), bytes, value);
        return true;
    }
    if (has_tables(maddr >> PAGE_SHIFT)) {
        msix_guest_store(maddr, bytes, value);
        return true;
    }
    log_guest_debug("write of %u bytes to device memory at %#llx, which is the hypervisor's, dropped",
                    bytes, (unsigned long long)maddr);
    return true;
}
