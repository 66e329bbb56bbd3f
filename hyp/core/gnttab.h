/*
 * Grant tables: what a domain lets others map, copy or take. Versions 1 and 2. Source:
 * public/grant_table.h.
 */
#ifndef CORE_GNTTAB_H
#define CORE_GNTTAB_H

#include <lodge/types.h>
#include <xen/xen.h>
#include <xen/grant_table.h>

struct domain;
struct vcpu;
struct frame;

/* The newest version of the entries that a domain may choose: the option gnttab=max-ver: */
extern unsigned int opt_gnttab_max_version;

/* As the options gnttab_max_frames= and gnttab_max_maptrack_frames= say. */
#define GNTTAB_LIMIT_DEFAULT   (~0U)
#define GNTTAB_VERSION_DEFAULT 0U

/*
 * 0; -ENOMEM; -EINVAL: no frame at all, or more than the options allow, or a newer version. On
 * error nothing is left.
 */
int gnttab_init(struct domain *d, uint32_t max_grant_frames, uint32_t max_maptrack_frames,
                unsigned int max_version) MUST_CHECK;
/*
 * The domain is dying and does not run: gives back what it has mapped of others and its own shared
 * frames, in steps: 0, or -ERESTART. What others have mapped of it stays until they unmap it.
 * Before or after the page tables are torn down.
 */
int gnttab_relinquish(struct domain *d) MUST_CHECK;
/* at the last reference, or when creation failed. No table: nothing */
void gnttab_destroy(struct domain *d);

/*
 * The index-th shared frame (XENMAPSPACE_grant_table, XENMEM_acquire_resource), made if need be.
 * Returns 0, -EINVAL beyond the limit, -ENOMEM.
 */
int gnttab_shared_frame(struct domain *d, uint32_t index, mfn_t *mfn) MUST_CHECK;
/* The same of status frames; -EINVAL also for a table of version 1, which has none. */
int gnttab_status_frame(struct domain *d, uint32_t index, mfn_t *mfn) MUST_CHECK;
/* How many of either there may be. */
uint32_t gnttab_max_resource_frames(const struct domain *d, bool status);
void gnttab_dump(struct domain *d); /* debug key 'g' prints every domain */

/*
 * Architecture's half of a mapping (PV: the L1 entry). Flags are GNTMAP_*; host_addr a virtual
 * address of v's or, with GNTMAP_contains_pte, the machine address of the entry. v is current; no
 * lock is held. Return GNTST_*.
 *
 * References follow the entry. gnttab_arch_map() is given one on f, and a writable one unless
 * GNTMAP_readonly: on success they belong to the entry, as those of any entry do; on failure they
 * stay the caller's. gnttab_arch_unmap() takes the entry away if it maps f with these rights, and
 * hands its references back to the caller, who drops them after gnttab_arch_flush(). An entry that
 * goes otherwise (the domain dies, its page tables are torn down) drops its references itself:
 * gnttab_relinquish() does not.
 */
int gnttab_arch_map(struct vcpu *v, uint64_t host_addr, struct frame *f, uint32_t flags) MUST_CHECK;
/*
 * new_addr: 0, or GNTTABOP_unmap_and_replace's: the entry there moves to host_addr, references and
 * all.
 */
int gnttab_arch_unmap(struct vcpu *v, uint64_t host_addr, struct frame *f, uint32_t flags,
                      uint64_t new_addr) MUST_CHECK;
/*
 * GNTTABOP_cache_flush, of n bytes at va in one page: write back what caches hold of them, and
 * forget it. 0; -EOPNOTSUPP: this CPU cannot do that.
 */
int gnttab_arch_cache_flush(const void *va, size_t n, bool clean, bool invalidate) MUST_CHECK;
/* No CPU uses an entry any more that gnttab_arch_unmap() took from this domain. */
void gnttab_arch_flush(struct domain *d);

#endif
