/*
 * Device memory: which frames a domain may map, and which of them nobody may write but the
 * hypervisor: interrupt controllers, PCI configuration space, message tables. A mapping of those
 * that asks for more becomes read-only, and what a guest then writes there is judged store by store.
 */
#ifndef X86_PLATFORM_MMIO_H
#define X86_PLATFORM_MMIO_H

#include <lodge/types.h>

struct domain;

/**
 * mmio_map - may an entry of a page table name this frame, which is no RAM?
 * @pt_owner: whose table it is; @pg_owner: on whose behalf
 * @writable: whether the entry is to allow writing; comes back false where nobody may write
 * Returns 0; -EPERM. The table is locked (RANK_PT).
 */
int mmio_map(const struct domain *pt_owner, const struct domain *pg_owner, uint64_t mfn,
             bool *writable) MUST_CHECK;
bool mmio_read_only(uint64_t mfn);

/* Frames [start, end) are never a domain's to write. 0, -ENOMEM. */
int mmio_protect(uint64_t start, uint64_t end) MUST_CHECK;

/*
 * What of devices' memory holds message tables: all of it is said anew at each change. From begin to
 * end no domain maps device memory, and only locks that rank above RANK_MMIO are taken. add: 0,
 * -ENOMEM. end without commit: everything stays as it was.
 */
struct mmio_tables;
struct mmio_tables *mmio_tables_begin(void);
int mmio_tables_add(struct mmio_tables *tables, uint64_t maddr, uint64_t bytes) MUST_CHECK;
void mmio_tables_end(struct mmio_tables *tables, bool commit);

/*
 * A guest's store to a frame that is read-only to it, by the rules of that frame. False: no such
 * store can be made; it is a fault, as on memory that is merely read-only.
 */
bool mmio_guest_write(struct domain *d, uint64_t maddr, unsigned int bytes, uint64_t value);

#endif
