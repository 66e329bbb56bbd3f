/*
 * Floating-point and vector state. The hypervisor itself never uses these registers; they hold the
 * running guest's. Source: AMD64 APM vol. 2, "Saving Media and x87 State".
 */
#ifndef X86_CPU_FPU_H
#define X86_CPU_FPU_H

#include <lodge/types.h>

#define FPU_AREA_ALIGN    64
#define FPU_MXCSR_DEFAULT 0x1f80U
#define FPU_FCW_DEFAULT   0x37fU
#define XCR0_X87          0x1ULL
#define XCR0_SSE          0x2ULL
#define XCR0_AVX          0x4ULL

struct fpu_host {
    bool has_xsave, has_xsaveopt;
    uint64_t xcr0;       /* every component that may be enabled; a CPU's value at boot */
    uint32_t area_size;  /* of all of them, or of FXSAVE's 512 bytes */
    uint32_t mxcsr_mask; /* bits that a guest may set: others fault in fpu_restore() */
};

extern struct fpu_host fpu_host;

void fpu_init(unsigned int cpu);

static inline size_t fpu_area_size(void)
{
    return fpu_host.area_size;
}

/* Area as after reset (FNINIT, default MXCSR). fpu_area_size() bytes, aligned to FPU_AREA_ALIGN. */
void fpu_area_reset(void *area);

/*
 * Registers to memory and back. CR0.TS is clear. With XSAVE, the components that XCR0 enables now.
 * What a guest supplied was checked with fpu_area_sanitise(): a bad area would fault here.
 */
void fpu_save(void *area);
void fpu_restore(const void *area);

/*
 * Makes an area of foreign origin loadable: reserved MXCSR bits, XSAVE header. xcr0: the components
 * it may hold.
 */
void fpu_area_sanitise(void *area, uint64_t xcr0);

/* XCR0 changes only where XSAVE is there. xcr0: a legal combination within fpu_host.xcr0. */
void fpu_set_xcr0(uint64_t xcr0);
/* Is it a combination that XSETBV takes, within what the machine has? */
bool fpu_xcr0_valid(uint64_t xcr0);

#endif
