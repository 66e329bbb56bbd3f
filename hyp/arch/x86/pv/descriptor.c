/* GDT and LDT of PV guests: what a descriptor may say, and the pages they live in. */
#include "pv/descriptor.h"
#include <lodge/bitmap.h>
#include <lodge/errno.h>
#include "core/frame.h"
#include "core/hypercall.h"
#include "core/log.h"
#include "cpu/cpu.h"
#include "mm/flush.h"
#include "mm/page.h"
#include "pv/guest_access.h"
#include "pv/pt_update.h"
#include "pv/pv.h"
#include "pv/type.h"

/* AMD64 APM vol. 2, "Legacy Segment Descriptors": bits of the upper half. */
#define DESC_P         (1ULL << 47)
#define DESC_DPL_SHIFT 45
#define DESC_S         (1ULL << 44)
#define DESC_TYPE      (15ULL << 40)
#define DESC_CALL_GATE (12ULL << 40)
#define DESC_LDT       (DESC_P | 2ULL << 40)
#define DESC_GATE_RESERVED (0xffULL << 32)

#define FIRST_RESERVED_ENTRY (GDT_RESERVED_PAGE * 512U)
#define LDT_MAX_ENTRIES      8192U

#define NR_WINDOWS ((IOREMAP_START - WINDOW_START) / VCPU_WINDOW_SIZE)
#define WINDOW_PAGES (VCPU_WINDOW_SIZE / PAGE_SIZE)

static struct spinlock window_lock = SPINLOCK_INIT(RANK_M2P);
static DECLARE_BITMAP(windows_used, 16384);
static uint8_t zero_page[PAGE_SIZE] ALIGNED(4096);

/*
 * Is it harmless in ring 3? *desc may come back changed: a guest never reaches ring 0 by it. A call gate keeps its place but
 * becomes unusable (DPL 0), since no gate can lead from guest user to guest kernel, both in ring 3.
 */
static bool descriptor_ok(uint64_t *desc)
{
    uint64_t d = *desc, dpl;
    unsigned int cs;

    if (!(d & DESC_P)) {
        return true;
    }
    dpl = 3;
    if (d & DESC_S) {
        *desc = d | dpl << DESC_DPL_SHIFT;
        return true;
    }
    if (!(d & DESC_TYPE)) {
        return true; /* the second half of a gate */
    }
    cs = d >> 16 & 0xffff;
    if ((d & DESC_TYPE) != DESC_CALL_GATE || d & DESC_GATE_RESERVED ||
        !(cs & 4 || cs >> 3 < FIRST_RESERVED_ENTRY || (cs | 3) == SEL_GUEST_CODE64 || (cs | 3) == SEL_GUEST_CODE32)) {
        return false;
    }
    *desc = (d & ~(3ULL << DESC_DPL_SHIFT)) | dpl << 16;
    return true;
}

int segdesc_validate(uint64_t *table)
{
    for (unsigned int i = 0; i < PAGE_SIZE / 8; i++) {
        if (!descriptor_ok(&table[i])) {
            return -EINVAL;
        }
    }
    return 0;
}

static uint64_t zero_pte(void)
{
    return pte_make(maddr_to_mfn(MADDR(image_to_maddr(zero_page))), MAP_RO);
}

static uint64_t *window_ptes(struct vcpu *v)
{
    return hyp_pte(v->arch.window);
}

int pv_window_init(struct vcpu *v)
{
    unsigned int i;

    BUILD_ASSERT(NR_WINDOWS >= 16384);
    spin_lock(&window_lock);
    i = bitmap_next_zero(windows_used, 16384, 0);
    if (i < 16384) {
        bitmap_set(windows_used, i);
    }
    spin_unlock(&window_lock);
    if (i == 16384) {
        return -ENOMEM;
    }
    v->arch.window = WINDOW_START + i * VCPU_WINDOW_SIZE;
    for (i = 0; i < GDT_RESERVED_PAGE; i++) {
        int rc = hyp_map(v->arch.window + i * PAGE_SIZE, pte_mfn(zero_pte()), 1, MAP_RO);

        if (rc) {
            pv_window_fini(v);
            return rc;
        }
    }
    return 0;
}

void pv_window_fini(struct vcpu *v)
{
    if (!v->arch.window) {
        return;
    }
    hyp_unmap(v->arch.window, WINDOW_PAGES);
    spin_lock(&window_lock);
    bitmap_clear(windows_used, (v->arch.window - WINDOW_START) / VCPU_WINDOW_SIZE);
    spin_unlock(&window_lock);
    v->arch.window = 0;
}

static void segdesc_put(mfn_t mfn)
{
    type_put_now(frame_of(mfn));
    frame_put(frame_of(mfn));
}

static bool segdesc_get(struct domain *d, uint64_t mfn)
{
    if (!frame_valid(MFN(mfn)) || !frame_get(frame_of(MFN(mfn)), d)) {
        return false;
    }
    if (type_get(frame_of(MFN(mfn)), TYPE_SEGDESC, false)) {
        frame_put(frame_of(MFN(mfn)));
        return false;
    }
    return true;
}

void pv_gdt_drop(struct vcpu *v)
{
    uint64_t *ptes;

    if (!v->arch.window) {
        return;
    }
    ptes = window_ptes(v);
    for (unsigned int i = 0; i < DIV_ROUND_UP(v->arch.gdt_ents, 512); i++) {
        ptes[i] = zero_pte();
        segdesc_put(MFN(v->arch.gdt_frames[i]));
        v->arch.gdt_frames[i] = 0;
    }
    v->arch.gdt_ents = 0;
}

int pv_gdt_set(struct vcpu *v, const uint64_t *frames, unsigned int entries)
{
    unsigned int nr = DIV_ROUND_UP(entries, 512), i;
    uint64_t *ptes = window_ptes(v);

    if (entries > FIRST_RESERVED_ENTRY) {
        return -EINVAL;
    }
    for (i = 0; i < nr; i++) {
        if (!segdesc_get(v->domain, frames[i])) {
            while (i-- > 0) {
                segdesc_put(MFN(frames[i]));
            }
            return -EINVAL;
        }
    }
    pv_gdt_drop(v);
    for (i = 0; i < nr; i++) {
        v->arch.gdt_frames[i] = frames[i];
        ptes[i] = pte_make(MFN(frames[i]), MAP_RW); /* the CPU writes the accessed bit */
    }
    v->arch.gdt_ents = entries;
    return 0;
}

bool pv_ldt_drop(struct vcpu *v)
{
    uint64_t *ptes;
    bool dropped = false;

    if (!v->arch.window || !v->arch.ldt_ents) {
        return false;
    }
    ptes = window_ptes(v) + VCPU_WINDOW_LDT / PAGE_SIZE;
    for (unsigned int i = 0; i < VCPU_WINDOW_LDT / PAGE_SIZE; i++) {
        uint64_t pte = ptes[i];

        if (pte & PTE_P) {
            ptes[i] = 0;
            segdesc_put(pte_mfn(pte));
            dropped = true;
        }
    }
    return dropped;
}

/* LLDT reads the descriptor from this CPU's reserved GDT page. AMD64 APM vol. 2, "System Descriptors". */
static void ldt_load(struct vcpu *v)
{
    uint64_t base = v->arch.window + VCPU_WINDOW_LDT;
    uint64_t *desc = (uint64_t *)((char *)maddr_to_virt(cpu_gdt_page_maddr[arch_cpu_id()]) +
                                  (SEL_LDT - GDT_RESERVED_PAGE * PAGE_SIZE));
    uint16_t selector = 0;

    if (v->arch.ldt_ents) {
        desc[0] = DESC_LDT | (v->arch.ldt_ents * 8 - 1) | (base & 0xffffff) << 16 | (base >> 24 & 0xff) << 56;
        desc[1] = base >> 32;
        selector = SEL_LDT;
    }
    __asm__ volatile("lldt %0" ::"r"(selector) : "memory");
}

int pv_ldt_set(struct vcpu *v, uint64_t base, unsigned int entries)
{
    if (entries > LDT_MAX_ENTRIES ||
        (entries && (base & ~PAGE_MASK || !guest_range_ok(base, entries * 8ULL) || !address_canonical(base)))) {
        return -EINVAL;
    }
    if (!entries) {
        base = 0;
    }
    if (v->arch.ldt_base == base && v->arch.ldt_ents == entries) {
        return 0;
    }
    if (pv_ldt_drop(v)) {
        flush_tlb_local();
    }
    v->arch.ldt_base = base;
    v->arch.ldt_ents = entries;
    ldt_load(v);
    return 0;
}

bool pv_ldt_fault(struct vcpu *v, uint64_t offset)
{
    unsigned int index, page = offset >> PAGE_SHIFT;
    struct frame *l1;
    uint64_t pte = 0;
    uint64_t *window;

    if (page >= DIV_ROUND_UP(v->arch.ldt_ents * 8U, PAGE_SIZE)) {
        return false;
    }
    window = window_ptes(v) + VCPU_WINDOW_LDT / PAGE_SIZE + page;
    if (*window & PTE_P) {
        return false;
    }
    l1 = pt_find_l1(v, v->arch.ldt_base + page * PAGE_SIZE, &index);
    if (l1) {
        pte = __atomic_load_n((uint64_t *)arch_map_frame(frame_mfn(l1)) + index, __ATOMIC_RELAXED);
        frame_put(l1);
    }
    if (!(pte & PTE_P) || !segdesc_get(v->domain, pte_mfn(pte).n)) {
        return false;
    }
    *window = pte_make(pte_mfn(pte), MAP_RW);
    return true;
}

void pv_descriptors_load(struct vcpu *v, unsigned int cpu)
{
    uint64_t *ptes = window_ptes(v);

    ptes[GDT_RESERVED_PAGE] = pte_make(maddr_to_mfn(MADDR(cpu_gdt_page_maddr[cpu])), MAP_RW);
    cpu_load_gdt(v->arch.window);
    ldt_load(v);
}

/* public/arch-x86/xen.h: HYPERVISOR_set_gdt(const xen_pfn_t frames[], unsigned int entries) */
long hypercall_set_gdt(uint64_t frames_gva, uint64_t entries_arg, uint64_t a3, uint64_t a4, uint64_t a5)
{
    unsigned int entries = entries_arg;
    uint64_t frames[GDT_RESERVED_PAGE];
    struct domain *d = current->domain;
    int rc;

    (void)a3, (void)a4, (void)a5;
    if (entries > FIRST_RESERVED_ENTRY) {
        return -EINVAL;
    }
    if (guest_copy_from(frames, frames_gva, DIV_ROUND_UP(entries, 512) * sizeof(frames[0]))) {
        return -EFAULT;
    }
    spin_lock(&d->lock);
    rc = pv_gdt_set(current, frames, entries);
    if (!rc) {
        flush_tlb_local();
    }
    spin_unlock(&d->lock);
    return rc;
}

/* public/arch-x86/xen.h: HYPERVISOR_update_descriptor(u64 pa, u64 desc) */
long hypercall_update_descriptor(uint64_t maddr, uint64_t desc, uint64_t a3, uint64_t a4, uint64_t a5)
{
    struct domain *d = current->domain;
    mfn_t mfn = maddr_to_mfn(MADDR(maddr));
    struct frame *f;
    uint64_t type;
    int rc = -EINVAL;

    (void)a3, (void)a4, (void)a5;
    if (maddr & 7 || !descriptor_ok(&desc) || !frame_valid(mfn) || !frame_get(frame_of(mfn), d)) {
        return -EINVAL;
    }
    f = frame_of(mfn);
    /* A descriptor page stays one; any other frame must be one that the guest could write to itself. */
    type = (type_word(f) & TYPE_MASK) == TYPE_SEGDESC ? TYPE_SEGDESC : TYPE_WRITABLE;
    if (!type_get(f, type, false)) {
        __atomic_store_n((uint64_t *)arch_map_frame(mfn) + (maddr & ~PAGE_MASK) / 8, desc, __ATOMIC_SEQ_CST);
        type_put_now(f);
        rc = 0;
    }
    frame_put(f);
    return rc;
}
