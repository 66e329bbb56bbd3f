/* The architecture's half of grants and of physical interrupts, as far as core sees it. */
#include "grant.h"
#include <lodge/errno.h>
#include "core/domain.h"
#include "core/evtchn.h"
#include "core/gnttab.h"
#include "core/guest.h"
#include "core/guest_frame.h"
#include "host.h"

#define TYPE_TABLE (1ULL << 63) /* frame.type: this, or the number of writable references */

unsigned int host_grant_flushes;
const void *host_cache_flushed;
size_t host_cache_flushed_bytes;
int host_pirq_bind_answer;
unsigned int host_pirq_unbinds, host_pirq_unmasks, host_pirq_moves;
void (*host_pirq_on_bind)(struct vcpu *v, uint32_t pirq);

void host_frame_set_table(struct frame *f, bool table)
{
    f->type = table ? TYPE_TABLE : 0;
}

uint64_t host_frame_writable_refs(const struct frame *f)
{
    return f->type & ~TYPE_TABLE;
}

void arch_frame_share_with_tools(struct frame *f, bool writable)
{
    f->owner = FRAME_OWNER_XEN;
    f->type = writable ? 1 : TYPE_TABLE;
    __atomic_store_n(&f->count, FRAME_RESERVED | FRAME_EXTRA | 1, __ATOMIC_RELEASE);
}

bool guest_frame_get_writable(struct frame *f)
{
    if (f->type & TYPE_TABLE) {
        return false;
    }
    __atomic_fetch_add(&f->type, 1, __ATOMIC_RELAXED);
    return true;
}

void guest_frame_put_writable(struct frame *f)
{
    __atomic_fetch_sub(&f->type, 1, __ATOMIC_RELAXED);
}

static uint64_t entry_for(const struct frame *f, uint32_t flags)
{
    return frame_mfn(f).n << PAGE_SHIFT | HOST_PTE_PRESENT |
           (flags & GNTMAP_readonly ? 0 : HOST_PTE_WRITE);
}

int gnttab_arch_map(struct vcpu *v, uint64_t host_addr, struct frame *f, uint32_t flags)
{
    uint64_t entry = entry_for(f, flags);

    (void)v;
    return guest_copy_to(host_addr, &entry, sizeof(entry)) ? GNTST_general_error : GNTST_okay;
}

int gnttab_arch_unmap(struct vcpu *v, uint64_t host_addr, struct frame *f, uint32_t flags,
                      uint64_t new_addr)
{
    uint64_t entry, replacement = 0, none = 0;

    (void)v;
    if (guest_copy_from(&entry, host_addr, sizeof(entry)) || entry != entry_for(f, flags)) {
        return GNTST_general_error;
    }
    if (new_addr && (guest_copy_from(&replacement, new_addr, sizeof(replacement)) ||
                     guest_copy_to(new_addr, &none, sizeof(none)))) {
        return GNTST_general_error;
    }
    return guest_copy_to(host_addr, &replacement, sizeof(replacement)) ? GNTST_general_error
                                                                       : GNTST_okay;
}

int gnttab_arch_cache_flush(const void *va, size_t n, bool clean, bool invalidate)
{
    (void)invalidate;
    host_cache_flushed = va;
    host_cache_flushed_bytes = n;
    return clean ? 0 : -EOPNOTSUPP;
}

void gnttab_arch_flush(struct domain *d)
{
    (void)d;
    host_grant_flushes++;
}

int pirq_arch_bind(struct vcpu *v, uint32_t pirq, bool share, evtchn_port_t port)
{
    (void)share;
    (void)port;
    if (!host_pirq_bind_answer && host_pirq_on_bind) {
        host_pirq_on_bind(v, pirq);
    }
    return host_pirq_bind_answer;
}

void pirq_arch_unbind(struct domain *d, uint32_t pirq)
{
    (void)d;
    (void)pirq;
    host_pirq_unbinds++;
}

void pirq_arch_set_affinity(struct domain *d, uint32_t pirq, struct vcpu *v)
{
    (void)d;
    (void)pirq;
    (void)v;
    host_pirq_moves++;
}

void pirq_arch_unmasked(struct domain *d, uint32_t pirq)
{
    (void)d;
    (void)pirq;
    host_pirq_unmasks++;
}
