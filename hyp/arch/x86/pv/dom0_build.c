/*
 * Domain 0 from the boot loader's modules: kernel, initial RAM disk. What it finds at its first instruction is described at
 * "Start-of-day structure passed to PVH guests / PV" in public/xen.h (struct start_info). The layout of its first mapping:
 *
 *   VIRT_BASE  kernel  [RAM disk]  [p2m list]  start info + VGA info  page tables  stack  at least 512 KiB of room
 *
 * with the RAM disk and the p2m list elsewhere if the kernel's notes allow it.
 */
#include <lodge/errno.h>
#include <lodge/string.h>
#include "boot/boot.h"
#include "core/console.h"
#include "core/frame.h"
#include "core/gnttab.h"
#include "core/guest_timer.h"
#include "core/log.h"
#include "core/object.h"
#include "core/sched.h"
#include "cpu/msr.h"
#include "mm/page.h"
#include "platform/platform.h"
#include "platform/time.h"
#include "platform/vga.h"
#include "pv/dom0.h"
#include "pv/hypercall_page.h"
#include "pv/pv.h"
#include "pv/type.h"

#define SUPERPAGE      (PAGE_SIZE * ENTRIES)
#define MAPPING_ALIGN  (4UL << 20)
#define MAPPING_ROOM   (512UL << 10)
#define MAX_EVTCHN     (1U << 17)

struct layout {
    uint64_t base;                     /* virtual address of pfn 0 */
    uint64_t kernel_end;
    uint64_t initrd, initrd_bytes;     /* 0: not mapped */
    uint64_t p2m, p2m_bytes;           /* p2m: virtual address of the list */
    bool p2m_apart;
    uint64_t start_info, tables, nr_tables, stack, end;
};

static uint64_t page_up(uint64_t v)
{
    return ROUND_UP(v, PAGE_SIZE);
}

/*
 * What the ELF file calls physical address PADDR_OFFSET is pfn 0, and mapped at VIRT_BASE:
 * public/elfnote.h. Some kernels state virtual addresses as physical ones.
 */
static uint64_t paddr_offset(const struct dom0_kernel *k)
{
    return k->notes.paddr_offset == XEN_NOTE_UNSET ? 0 : k->notes.paddr_offset;
}

/* How many page tables the mapping needs depends on where it ends, and that on how many there are: try. */
static void layout_make(struct layout *l, const struct dom0_kernel *k, uint64_t nr_pages, uint64_t initrd_bytes)
{
    uint64_t offset = paddr_offset(k), kernel_bytes = k->elf.paddr_end - offset;
    uint64_t at;

    memset(l, 0, sizeof(*l));
    l->base = k->notes.virt_base == XEN_NOTE_UNSET ? 0 : k->notes.virt_base;
    l->initrd_bytes = initrd_bytes;
    l->p2m_bytes = nr_pages * sizeof(uint64_t);
    l->p2m_apart = k->notes.init_p2m != XEN_NOTE_UNSET;
    if (k->elf.paddr_start < offset || l->base & ~PAGE_MASK || (l->p2m_apart && k->notes.init_p2m & (SUPERPAGE - 1))) {
        stop("domain 0 kernel: VIRT_BASE, PADDR_OFFSET or INIT_P2M in its ELF notes do not fit its segments");
    }
    if (kernel_bytes > nr_pages << PAGE_SHIFT) {
        stop("domain 0: %lu MiB of memory is too little: the kernel's segments reach to %lu MiB (see dom0_mem=)",
             (unsigned long)(nr_pages >> (20 - PAGE_SHIFT)), (unsigned long)(kernel_bytes >> 20));
    }
    at = l->kernel_end = page_up(l->base + kernel_bytes);
    if (!k->notes.mod_start_pfn && initrd_bytes) {
        l->initrd = at;
        at = page_up(at + initrd_bytes);
    }
    if (l->p2m_apart) {
        l->p2m = k->notes.init_p2m;
    } else {
        l->p2m = at;
        at = page_up(at + l->p2m_bytes);
    }
    l->start_info = at;
    at = page_up(at + sizeof(struct start_info) + sizeof(struct dom0_vga_console_info));
    l->tables = at;
    for (l->nr_tables = 2;; l->nr_tables++) {
        l->stack = l->tables + l->nr_tables * PAGE_SIZE;
        l->end = ROUND_UP(l->stack + PAGE_SIZE, MAPPING_ALIGN);
        if (l->end - (l->stack + PAGE_SIZE) < MAPPING_ROOM) {
            l->end += MAPPING_ALIGN;
        }
        if (1 + dom0_tables_count(l->base, l->end) <= l->nr_tables) {
            break;
        }
    }
    if (l->end < l->base || (l->base < HOLE_END && l->end > HOLE_START) ||
        (l->p2m_apart && l->p2m < HOLE_END && l->p2m + l->p2m_bytes > HOLE_START)) {
        stop("domain 0 kernel: VIRT_BASE %lx: its mapping would overlap the hypervisor's address space",
             (unsigned long)l->base);
    }
}

static uint64_t pfn_of(const struct layout *l, uint64_t va)
{
    return (va - l->base) >> PAGE_SHIFT;
}

static void kernel_load(const struct layout *l, const struct dom0_kernel *k)
{
    uint64_t offset = paddr_offset(k);

    for (unsigned int i = 0; i < k->elf.nr_segments; i++) {
        const struct elf_segment *s = &k->elf.segments[i];

        dom0_memory_copy(s->paddr - offset, s->data, s->file_size);
        dom0_memory_copy(s->paddr - offset + s->file_size, NULL, s->mem_size - s->file_size);
    }
    if (k->notes.hypercall_page != XEN_NOTE_UNSET) {
        if (k->notes.hypercall_page < l->base || k->notes.hypercall_page >= l->kernel_end ||
            k->notes.hypercall_page & ~PAGE_MASK) {
            stop("domain 0 kernel: HYPERCALL_PAGE %lx in its ELF notes is outside of it",
                 (unsigned long)k->notes.hypercall_page);
        }
        hypercall_page_fill(dom0_memory_page(pfn_of(l, k->notes.hypercall_page)));
    }
}

static void start_info_write(struct domain *d, const struct layout *l, uint64_t nr_pages, uint64_t initrd_pfn,
                             uint64_t p2m_pfn, uint64_t nr_p2m_frames, const char *cmdline)
{
    struct start_info *si = dom0_memory_page(pfn_of(l, l->start_info));

    memset(si, 0, PAGE_SIZE);
    memcpy(si->magic, "xen-3.0-x86_64", sizeof("xen-3.0-x86_64"));
    si->nr_pages = nr_pages;
    si->shared_info = virt_to_maddr(d->shared);
    si->flags = SIF_PRIVILEGED | SIF_INITDOMAIN;
    si->pt_base = l->tables;
    si->nr_pt_frames = l->nr_tables;
    si->mfn_list = l->p2m;
    if (l->p2m_apart) {
        si->first_p2m_pfn = p2m_pfn;
        si->nr_p2m_frames = nr_p2m_frames;
    }
    if (l->initrd_bytes) {
        si->mod_start = l->initrd ? l->initrd : initrd_pfn;
        si->mod_len = l->initrd_bytes;
        if (!l->initrd) {
            si->flags |= SIF_MOD_START_PFN;
        }
    }
    memcpy(si->cmd_line, cmdline, strnlen(cmdline, sizeof(si->cmd_line) - 1)); /* the page was cleared */
    si->console.dom0.info_size = vga_console_info(si + 1, sizeof(struct dom0_vga_console_info));
    si->console.dom0.info_off = si->console.dom0.info_size ? sizeof(*si) : 0;
}

/* The tables become page tables by the same rules as any guest's. The L4 is pinned and is vCPU 0's base pointer. */
static void tables_hand_over(struct vcpu *v, const struct dom0_tables *t)
{
    mfn_t l4 = arch_frame_of(t->l4);
    struct frame *f = frame_of(l4);

    for (unsigned int i = 0; i < 2; i++) { /* one reference for the pin, one for the vCPU */
        if (!frame_get(f, v->domain) || type_get(f, TYPE_L4, false)) {
            panic("domain 0's first page tables are not valid");
        }
    }
    if (!type_pin(f)) {
        panic("domain 0's first page table is pinned already");
    }
    l4_m2p_show(l4, true);
    v->arch.l4_kernel = l4;
    v->arch.cr3_kernel = l4.n << PAGE_SHIFT;
}

static void vcpu_start(struct vcpu *v, const struct layout *l, uint64_t entry)
{
    struct cpu_user_regs *regs = &v->arch.regs;

    memset(regs, 0, sizeof(*regs));
    regs->rip = entry;
    regs->rsp = l->stack + PAGE_SIZE;
    regs->rsi = l->start_info;
    regs->rflags = RFLAGS_IF | 2;
    regs->cs = SEL_GUEST_CODE64;
    regs->ss = SEL_GUEST_DATA;
    pv_set_kernel_stack(v, SEL_GUEST_DATA, regs->rsp);
    v->initialised = true;
    v->pause_flags &= ~(1U << VCPU_DOWN);
}

/* A RAM disk is handed over where it lies if it begins on a page; the rest of its last page is cleared. */
static void initrd_add(struct domain *d, const struct boot_module *m)
{
    uint64_t pages = DIV_ROUND_UP(m->size, PAGE_SIZE);
    uint64_t pfn = dom0_memory_size();

    if (m->start & ~PAGE_MASK) {
        dom0_memory_add(d, pages);
        dom0_memory_copy(pfn << PAGE_SHIFT, maddr_to_virt(m->start), m->size);
        boot_release(m->start & PAGE_MASK, page_up(m->start + m->size));
    } else {
        dom0_memory_add_run(d, maddr_to_mfn(MADDR(m->start)), pages);
    }
    dom0_memory_copy((pfn << PAGE_SHIFT) + m->size, NULL, pages * PAGE_SIZE - m->size);
}

static struct domain *domain_make(void)
{
    struct domain_config config = {
        .id = 0,
        .is_privileged = true,
        .is_pv = true,
        .max_vcpus = dom0_nr_vcpus(),
        .max_pages = UINT32_MAX,
        .max_evtchn_port = MAX_EVTCHN - 1,
        .max_grant_frames = GNTTAB_LIMIT_DEFAULT,
        .max_maptrack_frames = GNTTAB_LIMIT_DEFAULT,
    };
    unsigned int cpu = 0;
    struct domain *d;

    if (domain_create(&config, &d)) {
        stop("domain 0: no memory for it");
    }
    for (unsigned int i = 0; i < config.max_vcpus; i++) {
        struct vcpu *v;

        if (vcpu_create(d, i, cpu, &v)) {
            stop("domain 0: no memory for vCPU %u", i);
        }
        cpu = cpumap_next(&cpus_online, cpu + 1);
        if (cpu >= NR_CPUS) {
            cpu = cpumap_next(&cpus_online, 0);
        }
    }
    if (platform_dom0_permissions(d)) {
        stop("domain 0: no memory for its permissions");
    }
    d->arch.may_cache = true;
    return d;
}

void dom0_create(void)
{
    const struct boot_module *kernel = &boot_info.modules[0];
    const struct boot_module *initrd = boot_info.nr_modules > 1 ? &boot_info.modules[1] : NULL;
    uint64_t initrd_bytes = initrd ? initrd->size : 0, initrd_pages = DIV_ROUND_UP(initrd_bytes, PAGE_SIZE);
    uint64_t available, nr_pages, nr_list, nr_apart = 0, initrd_pfn, list_pfn, tables_pfn, nr_initial;
    struct dom0_tables tables, apart;
    struct dom0_kernel k;
    struct layout l;
    struct domain *d;

    if (!boot_info.nr_modules) {
        stop("no domain 0 kernel: the boot loader gave no module (expected: kernel, then optionally an initial RAM disk)");
    }
    dom0_kernel_open(&k, kernel);
    d = domain_make();
    m2p_share();

    /* What the kernel's images take now is free again before the rest of the memory is handed out. */
    available = frames_free_count() + initrd_pages + dom0_kernel_frames(&k, kernel);
    nr_pages = dom0_nr_pages(available);
    d->max_pages = MAX(nr_pages, dom0_max_pages(available));
    layout_make(&l, &k, nr_pages, initrd_bytes);
    nr_list = DIV_ROUND_UP(l.p2m_bytes, PAGE_SIZE);
    if (l.p2m_apart) {
        nr_apart = nr_list + dom0_tables_count(l.p2m, l.p2m + nr_list * PAGE_SIZE);
    }
    nr_initial = (l.end - l.base) >> PAGE_SHIFT;
    if (nr_initial + initrd_pages + nr_apart > nr_pages) {
        stop("domain 0: %lu MiB of memory is too little: kernel, RAM disk and tables alone need %lu MiB (see dom0_mem=)",
             (unsigned long)(nr_pages >> (20 - PAGE_SHIFT)),
             (unsigned long)((nr_initial + initrd_pages + nr_apart) >> (20 - PAGE_SHIFT)));
    }

    /* Pfns in order: the first mapping, with the RAM disk in its place if it is mapped; RAM disk; p2m list and its tables; rest. */
    if (l.initrd) {
        dom0_memory_add(d, pfn_of(&l, l.initrd));
        initrd_pfn = dom0_memory_size();
        initrd_add(d, initrd);
        dom0_memory_add(d, nr_initial - dom0_memory_size());
    } else {
        dom0_memory_add(d, nr_initial);
        initrd_pfn = dom0_memory_size();
        if (initrd) {
            initrd_add(d, initrd);
        }
    }
    list_pfn = l.p2m_apart ? dom0_memory_size() : pfn_of(&l, l.p2m);
    dom0_memory_add(d, nr_apart);

    kernel_load(&l, &k);
    log_info("domain 0: kernel %lx-%lx, entry %lx, start info %lx, page tables %lx, stack %lx, end %lx",
             (unsigned long)(l.base + k.elf.paddr_start - paddr_offset(&k)), (unsigned long)l.kernel_end, (unsigned long)k.notes.entry,
             (unsigned long)l.start_info, (unsigned long)l.tables, (unsigned long)l.stack, (unsigned long)l.end);

    tables_pfn = pfn_of(&l, l.tables);
    dom0_tables_start(&tables, tables_pfn, l.nr_tables);
    dom0_tables_map(&tables, l.base, 0, tables_pfn, true);
    dom0_tables_map(&tables, l.tables, tables_pfn, l.nr_tables, false);
    dom0_tables_map(&tables, l.stack, pfn_of(&l, l.stack), nr_initial - pfn_of(&l, l.stack), true);
    for (uint64_t pfn = tables.next_pfn; pfn < tables.end_pfn; pfn++) {
        memset(dom0_memory_page(pfn), 0, PAGE_SIZE);
    }
    if (l.p2m_apart) {
        apart = (struct dom0_tables){ tables.l4, list_pfn + nr_list, list_pfn + nr_apart };
        dom0_tables_map(&apart, l.p2m, list_pfn, nr_list, true);
    }
    dom0_memory_copy((uint64_t)pfn_of(&l, l.stack) << PAGE_SHIFT, NULL, PAGE_SIZE);
    start_info_write(d, &l, nr_pages, initrd_pfn, list_pfn, nr_apart, kernel->cmdline);

    dom0_kernel_release(&k, kernel);
    dom0_memory_add(d, nr_pages - dom0_memory_size());
    dom0_memory_write_p2m(list_pfn);
    log_info("domain 0: %lu MiB, %u vCPUs", (unsigned long)(nr_pages >> (20 - PAGE_SHIFT)), d->max_vcpus);

    tables_hand_over(d->vcpus[0], &tables);
    vcpu_start(d->vcpus[0], &l, k.notes.entry);
    for (unsigned int i = 0; i < XEN_LEGACY_MAX_VCPUS; i++) { /* also those that have no vCPU: guests look */
        d->shared->vcpu_info[i].evtchn_upcall_mask = 1;
    }
    time_update_wallclock(d);
    dom0_place_vcpus(d);
    dom0 = d;
}
