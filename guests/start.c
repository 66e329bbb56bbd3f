/* start.c: the start-of-day contract: registers, start_info, page tables, the p2m list,
 * shared_info, the module. public/xen.h, "Start-of-day memory layout", and the ELF notes of
 * lib/start.S. Two images are made of this: start.elf asks for the p2m list at a place of its own
 * and the module unmapped, start-old.elf for neither, and for a hypercall page. */
#include "lib/guest.h"

#define MODULE_AT ((uint8_t *)0xffffe00000000000)

extern uint8_t hypercall_page[] __attribute__((weak));

static bool is_old_style(void)
{
    return hypercall_page != NULL;
}

static void check_registers(void)
{
    const struct boot_regs *r = &boot_regs;

    check(r->rsi, (unsigned long)start_info, "rsi-start-info");
    check(r->rax | r->rbx | r->rcx | r->rdx | r->rdi | r->rbp, 0, "other-registers-zero");
    check(r->r8 | r->r9 | r->r10 | r->r11 | r->r12 | r->r13 | r->r14 | r->r15, 0, "r8-r15-zero");
    check(r->rflags & ~2UL, 0x200, "rflags-only-if");
    check(r->cs, FLAT_KERNEL_CS, "cs");
    check(r->ss, FLAT_KERNEL_SS, "ss");
    check(r->ds | r->es | r->fs | r->gs, 0, "data-selectors-null");
    check(r->rsp, start_info->pt_base + start_info->nr_pt_frames * PAGE_SIZE + PAGE_SIZE,
          "rsp-top-of-page-after-tables");
}

static void check_start_info(void)
{
    const struct start_info *si = start_info;

    result_text("magic %s", si->magic);
    check((unsigned long)si & (PAGE_SIZE - 1), 0, "start-info-page-aligned");
    check(si->nr_pages, 64 << (20 - PAGE_SHIFT), "nr-pages-as-asked");
    check(si->flags & ~SIF_PM_MASK,
          SIF_PRIVILEGED | SIF_INITDOMAIN |
              (si->mod_len && !is_old_style() ? SIF_MOD_START_PFN : 0),
          "flags");
    check(si->store_mfn, 0, "no-store-page");
    check(si->store_evtchn, 0, "no-store-port");
    if (is_old_style()) {
        check(si->mfn_list >= (unsigned long)image_end && si->mfn_list < (unsigned long)si, true,
              "p2m-between-image-and-start-info");
    } else {
        check(si->mfn_list, P2M_BASE, "p2m-at-init-p2m");
    }
    check(si->shared_info & (PAGE_SIZE - 1), 0, "shared-info-aligned");
    check(si->console.dom0.info_size >= sizeof(struct dom0_vga_console_info) ||
              !si->console.dom0.info_size,
          true, "vga-info-absent-or-whole");
    check(!strcmp((const char *)si->cmd_line, "one two=three"), true, "command-line");
}

/* The mapping from VIRT_BASE: whole, in order, 4 MiB aligned at its end, with room to spare. */
static void check_initial_mapping(void)
{
    const struct start_info *si = start_info;
    unsigned long va, tables_end = si->pt_base + si->nr_pt_frames * PAGE_SIZE, end = VIRT_BASE;
    unsigned long wrong_frame = 0, wrong_flags = 0, writable_tables = 0;
    uint64_t *entry;

    for (va = VIRT_BASE; va; va += PAGE_SIZE) {
        entry = pt_entry(pt_root(), (void *)va, 1);
        if (!entry || !(*entry & PTE_P)) {
            break;
        }
        end = va + PAGE_SIZE;
        if (va == (unsigned long)shared_info) {
            continue; /* we mapped that one ourselves */
        }
        wrong_frame += pte_mfn(*entry) != va_to_mfn((void *)va);
        if (va >= si->pt_base && va < tables_end) {
            writable_tables += !!(*entry & PTE_RW);
        } else {
            wrong_flags += (*entry & (PTE_P | PTE_RW | PTE_NX)) != (PTE_P | PTE_RW);
        }
    }
    check(wrong_frame, 0, "mapping-follows-p2m");
    check(wrong_flags, 0, "mapping-writable");
    check(writable_tables, 0, "tables-read-only");
    check(end & ((4 << 20) - 1), 0, "mapping-ends-at-4mib");
    check(end - tables_end - PAGE_SIZE >= 512 << 10, true, "mapping-has-512kib-slack");
    check((unsigned long)si >= (unsigned long)image_end, true, "start-info-after-image");
    check(si->pt_base > (unsigned long)si, true, "tables-after-start-info");
    check(VIRT_BASE >> 39 & 511, pt_index((void *)end, 4), "mapping-in-one-l4-slot");
}

static void check_tables(void)
{
    const struct start_info *si = start_info;
    unsigned long mfn = va_to_mfn(pt_root());
    unsigned int slot, outside = 0, level;
    uint64_t pte;

    for (level = 4; level > 1; level--) {
        pte = *pt_entry(pt_root(), (void *)VIRT_BASE, level);
        check(pte & (PTE_P | PTE_RW | PTE_US | PTE_PSE), PTE_P | PTE_RW | PTE_US,
              "level-%u-entry-flags", level);
        pte = mfn_to_pfn(pte_mfn(pte));
        outside += pte < va_to_pfn((void *)si->pt_base) ||
                   pte >= va_to_pfn((void *)si->pt_base) + si->nr_pt_frames;
    }
    check(outside, 0, "tables-inside-pt-frames");
    check(*pt_entry(pt_root(), (void *)VIRT_BASE, 1) & PTE_US, PTE_US, "level-1-entry-user");
    for (slot = 0; slot < 512; slot++) {
        /* Slots 257 to 271 are the hypervisor's own affair. */
        if ((slot <= 256 || slot >= 272) && (pt_root()[slot] & PTE_P)) {
            result(slot, "l4-slot-used");
        }
    }
    /* It is pinned: unpinning succeeds, once, and so does pinning again. */
    check(mmuext(MMUEXT_UNPIN_TABLE, mfn), 0, "l4-was-pinned");
    check(mmuext(MMUEXT_UNPIN_TABLE, mfn), -XEN_EINVAL, "l4-pinned-only-once");
    check(mmuext(MMUEXT_PIN_L4_TABLE, mfn), 0, "l4-pinned-again");
}

static void check_p2m(void)
{
    const struct start_info *si = start_info;
    unsigned long pfn, bad_m2p = 0, doubled = 0, absent = 0, last = 0;
    uint64_t *l4e = &pt_root()[pt_index((void *)si->mfn_list, 4)];

    for (pfn = 0; pfn < si->nr_pages; pfn++) {
        bad_m2p += mfn_to_pfn(pfn_to_mfn(pfn)) != pfn;
        absent += pfn_to_mfn(pfn) == MFN_NONE;
        doubled += pfn && pfn_to_mfn(pfn) == last;
        last = pfn_to_mfn(pfn);
    }
    check(bad_m2p, 0, "m2p-is-the-inverse");
    check(absent, 0, "p2m-has-every-frame");
    check(doubled, 0, "p2m-has-no-frame-twice");
    check(*l4e & PTE_P, PTE_P, "p2m-mapped-by-l4");
    if (!is_old_style()) {
        check(si->first_p2m_pfn < si->nr_pages, true, "first-p2m-pfn-inside");
        result(si->nr_p2m_frames, "nr-p2m-frames");
    }
    /* The list is ours to write. */
    ((volatile unsigned long *)si->mfn_list)[0] = pfn_to_mfn(0);
    check(mfn_to_pfn(va_to_mfn(pt_root())), va_to_pfn(pt_root()), "m2p-of-root");
    /* Frames that are nobody's: address 0 is the BIOS's, 0xa0 the display's. */
    check(mfn_to_pfn(0xa0), MFN_NONE, "m2p-of-display-memory");
}

static void check_shared_info(void)
{
    const struct shared_info *s = shared_info;
    unsigned int vcpu, masked = 0, word, pending = 0, unmasked = 0;

    for (vcpu = 0; vcpu < XEN_LEGACY_MAX_VCPUS; vcpu++) {
        masked += s->vcpu_info[vcpu].evtchn_upcall_mask;
    }
    check(masked, XEN_LEGACY_MAX_VCPUS, "upcalls-masked-on-every-vcpu");
    for (word = 0; word < 64; word++) {
        pending += !!s->evtchn_pending[word];
        unmasked += !!s->evtchn_mask[word];
    }
    check(pending, 0, "no-port-pending");
    check(unmasked, 0, "no-port-masked");
    check(s->vcpu_info[0].evtchn_pending_sel, 0, "no-selector-set");
    check(s->wc_version & 1, 0, "wall-clock-stable");
    check(s->wc_sec > 1500000000, true, "wall-clock-plausible");
    check(s->vcpu_info[0].time.version & 1, 0, "time-stable");
    check(s->vcpu_info[0].time.tsc_to_system_mul != 0, true, "time-filled-in");
    check(s->arch.max_pfn | s->arch.pfn_to_mfn_frame_list_list | s->arch.nmi_reason, 0,
          "arch-part-zero");
    check(s->arch.p2m_cr3 | s->arch.p2m_vaddr | s->arch.p2m_generation, 0, "arch-p2m-zero");
}

/* The test hands over a file in which byte i is i * 7 + 3. */
static void check_module(void)
{
    const struct start_info *si = start_info;
    const uint8_t *module = (const uint8_t *)si->mod_start;
    unsigned long i, bad = 0, pages = (si->mod_len + PAGE_SIZE - 1) >> PAGE_SHIFT;

    result(si->mod_len, "module-length");
    if (!si->mod_len) {
        check(si->mod_start, 0, "no-module");
        return;
    }
    if (si->flags & SIF_MOD_START_PFN) {
        check(si->mod_start + pages <= si->nr_pages, true, "module-inside-memory");
        for (i = 0; i < pages; i++) {
            pt_map(pt_root(), MODULE_AT + i * PAGE_SIZE,
                   pte_make(pfn_to_mfn(si->mod_start + i), PTE_DATA));
        }
        module = MODULE_AT;
    } else {
        check(module >= image_end && module < (const uint8_t *)si->mfn_list, true,
              "module-between-image-and-p2m");
    }
    for (i = 0; i < si->mod_len; i++) {
        bad += module[i] != (uint8_t)(i * 7 + 3);
    }
    check(bad, 0, "module-content");
}

static void check_hypercall_page(void)
{
    long version;

    if (!is_old_style()) {
        return;
    }
    __asm__ volatile("call *%1"
                     : "=a"(version)
                     : "r"(hypercall_page + __HYPERVISOR_xen_version * 32), "D"(XENVER_version)
                     : "rcx", "r11", "memory");
    check(version, xen_version(XENVER_version, NULL), "hypercall-page-version");
    result_text("hypercall-page-stub %02x iret %02x", hypercall_page[17 * 32],
                hypercall_page[__HYPERVISOR_iret * 32]);
}

void guest_main(void)
{
    check_registers();
    check_start_info();
    check_initial_mapping();
    check_tables();
    check_p2m();
    check_shared_info();
    check_module();
    check_hypercall_page();
}
