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
 * -ENOMEM. end without commit: everything stays as it was. It returns the generation of what is
 * read-only from here on.
 */
struct mmio_tables;
struct mmio_tables *mmio_tables_begin(void);
int mmio_tables_add(struct mmio_tables *tables, uint64_t maddr, uint64_t bytes) MUST_CHECK;
uint32_t mmio_tables_end(struct mmio_tables *tables, bool commit);

/* Held since mmio_tables_begin(): may there be mappings by which a guest can write these bytes? */
bool mmio_maybe_written(uint64_t maddr, uint64_t bytes);

/*
 * Takes away such mappings of what is read-only now: a share of that work, to be called until
 * mmio_swept() says that it is done for a generation. No lock held. pv/mmio_sweep.c.
 */
void mmio_sweep(void);
bool mmio_swept(uint32_t generation);
/* For it: what is to be looked for; what is found in a table, writable, and may be. */
uint32_t mmio_generation(void);
void mmio_sweep_begin(void);
void mmio_still_written(uint64_t mfn);
/* False: something else has become read-only since that generation. */
bool mmio_sweep_end(uint32_t generation) MUST_CHECK;

/*
 * A guest's store to a frame that is read-only to it, by the rules of that frame. False: no such
 * store can be made; it is a fault, as on memory that is merely read-only.
 */
bool mmio_guest_write(struct domain *d, uint64_t maddr, unsigned int bytes, uint64_t value);

#endif
