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

static bool permitted(const struct domain *d, uint64_t mfn)
{
    return rangeset_contains(d->arch.iomem, mfn, mfn + 1);
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

void mmio_tables_end(struct mmio_tables *t, bool commit)
{
    struct rangeset *old = (struct rangeset *)t;

    assert_held(&lock);
    if (commit && t) {
        old = tables;
        tables = (struct rangeset *)t;
    }
    spin_unlock(&lock);
    rangeset_free(old);
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
