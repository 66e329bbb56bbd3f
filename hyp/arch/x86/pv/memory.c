/* PV guests' names of frames, and the memory maps they are shown. */
#include "core/memory_arch.h"
#include <lodge/errno.h>
#include <lodge/rangeset.h>
#include <lodge/shared.h>
#include <lodge/string.h>
#include "boot/bootinfo.h"
#include "core/guest.h"
#include "core/object.h"
#include "core/privilege.h"
#include "mm/page.h"
#include "platform/acpi.h"
#include "pv/dom0.h"
#include "pv/type.h"

#define M2P_EXTENT_FRAMES (PAGE_SIZE * ENTRIES / sizeof(uint64_t)) /* frames that 2 MiB of M2P are about */
#define MAP_MAX_ENTRIES   128U                                     /* E820MAX of older guests */

/* public/memory.h, XENMEM_memory_map: the format of the INT 15h E820 call. */
struct e820_entry {
    uint64_t addr, size;
    uint32_t type;
} PACKED;

struct frame *memory_arch_frame_get(struct domain *d, uint64_t gfn)
{
    return frame_valid(MFN(gfn)) && frame_get(frame_of(MFN(gfn)), d) ? frame_of(MFN(gfn)) : NULL;
}

int memory_arch_name(struct domain *d, uint64_t gfn, mfn_t mfn, unsigned int order)
{
    (void)d;
    for (uint64_t i = 0; i < 1ULL << order; i++) {
        m2p_set(mfn_add(mfn, i), gfn + i);
    }
    return 0;
}

int memory_arch_unname(struct domain *d, struct frame *f)
{
    int rc = 0;

    (void)d;
    if (type_unpin(f)) {
        rc = type_put(f, true);
        frame_put(f);
    }
    if (!rc) {
        rc = type_abandon(f, true);
    }
    if (!rc) {
        m2p_set(frame_mfn(f), M2P_INVALID);
    }
    return rc;
}

bool memory_arch_unused(const struct frame *f)
{
    return (__atomic_load_n(&f->count, __ATOMIC_ACQUIRE) & FRAME_COUNT_MASK) == 2 && !(type_word(f) & TYPE_COUNT_MASK);
}

uint64_t memory_arch_max_gfn(const struct domain *d)
{
    uint64_t nr_pfns = shared_read(&d->shared->arch.max_pfn); /* 0 until the guest has said it */

    return nr_pfns ? nr_pfns - 1 : 0;
}

void memory_arch_m2p_mapping(struct xen_machphys_mapping *m)
{
    m->v_start = M2P_START;
    m->v_end = M2P_START + M2P_SIZE;
    /* No memory is ever added to this machine: what domain 0 may learn. Others could be moved elsewhere. */
    m->max_mfn = (current->domain == dom0 ? max_frame : M2P_SIZE / sizeof(uint64_t)) - 1;
}

/* The 2 MiB page at va in the hypervisor's tables; frame 0 for a hole, where there is no RAM. */
static mfn_t m2p_extent(uint64_t va)
{
    const uint64_t *table = hyp_l4;

    for (unsigned int level = 4;; level--) {
        uint64_t entry = table[pt_index(va, level)];

        if (!(entry & PTE_P)) {
            return MFN(0);
        }
        if (level == 2 || entry & PTE_PSE) {
            return level == 2 ? pte_mfn(entry) : mfn_add(pte_mfn(entry), pt_index(va, 2) * ENTRIES);
        }
        table = arch_map_frame(pte_mfn(entry));
    }
}

bool memory_arch_m2p_extent(unsigned int i, mfn_t *mfn)
{
    uint64_t first = i * M2P_EXTENT_FRAMES;

    if (first >= max_frame) {
        return false;
    }
    *mfn = m2p_extent((uint64_t)&m2p_rw[first]);
    return true;
}

void m2p_share(void)
{
    mfn_t mfn;

    for (unsigned int i = 0; memory_arch_m2p_extent(i, &mfn); i++) {
        for (unsigned int k = 0; mfn.n && k < ENTRIES; k++) {
            arch_frame_share_with_tools(frame_of(mfn_add(mfn, k)), false);
        }
    }
}

static long map_set(struct domain *d, const struct xen_memory_map *map)
{
    struct e820_entry *entries, *old;

    if (map->nr_entries > MAP_MAX_ENTRIES) {
        return -E2BIG;
    }
    entries = object_alloc_array(map->nr_entries + 1, sizeof(*entries));
    if (!entries) {
        return -ENOMEM;
    }
    if (guest_copy_from(entries, (uint64_t)map->buffer.p, map->nr_entries * sizeof(*entries))) {
        object_free(entries);
        return -EFAULT;
    }
    spin_lock(&d->lock);
    old = d->arch.e820;
    d->arch.e820 = entries;
    d->arch.nr_e820 = map->nr_entries;
    spin_unlock(&d->lock);
    object_free(old);
    return 0;
}

long memory_arch_set_map(struct vcpu *caller, uint64_t arg_gva)
{
    struct xen_foreign_memory_map req;
    struct domain *d;
    long rc;

    if (guest_copy_from(&req, arg_gva, sizeof(req))) {
        return -EFAULT;
    }
    rc = domain_get_target(caller, req.domid, &d);
    if (rc) {
        return rc;
    }
    rc = privilege_control(caller, d);
    if (!rc) {
        rc = map_set(d, &req.map);
    }
    domain_put(d);
    return rc;
}

long memory_arch_map(struct vcpu *caller, uint64_t arg_gva)
{
    struct domain *d = caller->domain;
    struct e820_entry copy[MAP_MAX_ENTRIES];
    struct xen_memory_map map;
    unsigned int n;

    spin_lock(&d->lock);
    n = d->arch.e820 ? d->arch.nr_e820 : 0;
    memcpy(copy, d->arch.e820, n * sizeof(*copy));
    spin_unlock(&d->lock);
    if (!n) {
        return -ENOSYS;
    }
    if (guest_copy_from(&map, arg_gva, sizeof(map))) {
        return -EFAULT;
    }
    map.nr_entries = MIN(map.nr_entries, n);
    if (guest_copy_to((uint64_t)map.buffer.p, copy, map.nr_entries * sizeof(*copy)) ||
        guest_copy_to(arg_gva, &map, sizeof(map))) {
        return -EFAULT;
    }
    return 0;
}

/*
 * The machine's map, with an entry for each device that the hypervisor keeps between its lines: local and I/O APICs, which
 * the guest must not take for free address space.
 */
struct map_writer {
    uint64_t buffer_gva;
    unsigned int room, n;
    uint64_t covered; /* addresses below are described */
    int rc;
};

static void map_write(struct map_writer *w, uint64_t start, uint64_t size, uint32_t type)
{
    struct e820_entry e = { start, size, type };

    if (!w->rc && w->buffer_gva) {
        if (w->n >= w->room) {
            w->rc = -EINVAL;
        } else if (guest_copy_to(w->buffer_gva + w->n * sizeof(e), &e, sizeof(e))) {
            w->rc = -EFAULT;
        }
    }
    w->n++;
    w->covered = MAX(w->covered, start + size);
}

/* Walks what the guest may touch; what lies between two ranges of it, below `end`, is kept from it. */
struct gap_walk {
    struct map_writer *w;
    uint64_t at, end;
};

static void allowed_bytes(struct gap_walk *g, uint64_t start, uint64_t end)
{
    if (start > g->at && g->at < g->end) {
        map_write(g->w, g->at, MIN(start, g->end) - g->at, RANGE_RESERVED);
    }
    g->at = MAX(g->at, end);
}

/* The first I/O APIC's page in [start, end), or end. */
static uint64_t next_ioapic(uint64_t start, uint64_t end)
{
    for (unsigned int i = 0; i < acpi.nr_ioapics; i++) {
        if (acpi.ioapics[i].base >= start && acpi.ioapics[i].base < end) {
            end = acpi.ioapics[i].base & PAGE_MASK;
        }
    }
    return end;
}

/* An I/O APIC may be read, but is no free address space either. */
static int gap_step(uint64_t start, uint64_t end, void *arg)
{
    struct gap_walk *g = arg;

    start <<= PAGE_SHIFT;
    end <<= PAGE_SHIFT;
    while (start < end) {
        uint64_t stop = next_ioapic(start, end);

        if (stop > start) {
            allowed_bytes(g, start, stop);
        }
        start = stop + PAGE_SIZE;
    }
    return g->at >= g->end;
}

static void map_write_kept(struct map_writer *w, const struct domain *d, uint64_t end)
{
    struct gap_walk g = { w, ROUND_UP(w->covered, PAGE_SIZE), end & PAGE_MASK };

    (void)rangeset_for_each(d->arch.iomem, gap_step, &g);
}

long memory_arch_machine_map(struct vcpu *caller, uint64_t arg_gva)
{
    struct map_writer w = { 0 };
    struct xen_memory_map map;

    if (guest_copy_from(&map, arg_gva, sizeof(map))) {
        return -EFAULT;
    }
    w.buffer_gva = (uint64_t)map.buffer.p;
    w.room = map.nr_entries;
    for (unsigned int i = 0; i < boot_info.nr_map; i++) {
        const struct boot_range *r = &boot_info.map[i];

        map_write_kept(&w, caller->domain, r->start);
        map_write(&w, r->start, r->size, r->type);
    }
    map_write_kept(&w, caller->domain, ~0ULL);
    map.nr_entries = w.n;
    if (!w.rc && guest_copy_to(arg_gva, &map, sizeof(map))) {
        w.rc = -EFAULT;
    }
    return w.rc;
}
