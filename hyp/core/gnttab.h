/* Grant tables: what a domain lets others map, copy or take. Source: public/grant_table.h. */
#ifndef CORE_GNTTAB_H
#define CORE_GNTTAB_H

#include <lodge/types.h>
#include <xen/xen.h>
#include <xen/grant_table.h>

struct domain;
struct vcpu;
struct frame;

int gnttab_init(struct domain *d, uint32_t max_grant_frames, uint32_t max_maptrack_frames) MUST_CHECK;
int gnttab_relinquish(struct domain *d) MUST_CHECK; /* unmaps what the domain has mapped; -ERESTART */
void gnttab_destroy(struct domain *d);

/*
 * Architecture's half of a mapping (PV: writes the PTE). Flags are GNTMAP_*; host_addr a virtual address or, with
 * GNTMAP_contains_pte, the machine address of the PTE. Returns GNTST_*.
 */
int gnttab_arch_map(struct vcpu *v, uint64_t host_addr, struct frame *f, uint32_t flags) MUST_CHECK;
int gnttab_arch_unmap(struct vcpu *v, uint64_t host_addr, struct frame *f, uint32_t flags, uint64_t new_addr) MUST_CHECK;
/* A frame's gfn as the owner's guests name it -> frame, referenced; writable: with a writable type reference too. NULL if refused. */
struct frame *gnttab_arch_get_frame(struct domain *d, uint64_t gfn, bool writable) MUST_CHECK;
void gnttab_arch_put_frame(struct frame *f, bool writable);

#endif
