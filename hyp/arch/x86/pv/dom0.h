/* Building domain 0: shared by the files dom0_*.c. Everything here runs once, on the boot CPU, and may stop() the machine. */
#ifndef X86_PV_DOM0_H
#define X86_PV_DOM0_H

#include <lodge/kernel_image.h>
#include "boot/bootinfo.h"
#include "core/domain.h"

/* dom0_options.c. available: frames */
uint64_t dom0_nr_pages(uint64_t available);
uint64_t dom0_max_pages(uint64_t available); /* dom0_mem=max: what it may grow to */
unsigned int dom0_nr_vcpus(void);
void dom0_place_vcpus(struct domain *d);

/* dom0_image.c: the kernel unpacked and parsed. release() when its segments have been copied. */
struct dom0_kernel {
    struct elf_image elf;
    struct xen_notes notes;
    void *unpacked;          /* heap pages, or NULL when the module was used as it is */
    unsigned int order;
};

void dom0_kernel_open(struct dom0_kernel *k, const struct boot_module *module);
uint64_t dom0_kernel_frames(const struct dom0_kernel *k, const struct boot_module *module); /* that release gives back */
void dom0_kernel_release(struct dom0_kernel *k, const struct boot_module *module);

/* dom0_memory.c: its pseudo-physical memory, a list of runs in order of pfn. */
void dom0_memory_add(struct domain *d, uint64_t nr_frames);              /* frames from the heap, contents undefined */
void dom0_memory_add_run(struct domain *d, mfn_t start, uint64_t nr_frames); /* RAM that boot had set aside */
uint64_t dom0_memory_size(void);                                         /* frames so far: the next pfn */
mfn_t dom0_memory_mfn(uint64_t pfn);
void *dom0_memory_page(uint64_t pfn);                                    /* mapped */
void dom0_memory_copy(uint64_t paddr, const void *from, uint64_t size);  /* from NULL: zeroes */
/* Writes M2P and the p2m list of all of it; the list itself is in pfns list_pfn on. */
void dom0_memory_write_p2m(uint64_t list_pfn);

/* memory.c: tools in domain 0 may map the M2P (XENMEM_machphys_mfn_list), as pages of DOMID_XEN. */
void m2p_share(void);

/* dom0_tables.c: page tables, built in frames [next_pfn ...) of the memory. */
struct dom0_tables {
    uint64_t *l4;
    uint64_t next_pfn, end_pfn;
};

void dom0_tables_start(struct dom0_tables *t, uint64_t first_pfn, uint64_t nr);
void dom0_tables_map(struct dom0_tables *t, uint64_t va, uint64_t pfn, uint64_t nr, bool writable);
/* Tables that [start, end) needs, without the L4. */
uint64_t dom0_tables_count(uint64_t start, uint64_t end);

#endif
