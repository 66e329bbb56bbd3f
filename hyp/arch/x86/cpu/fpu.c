#include "cpu/fpu.h"
#include <lodge/string.h>
#include "core/log.h"
#include "core/percpu.h"
#include "cpu/features.h"
#include "cpu/insn.h"
#include "cpu/msr.h"

#define FXSAVE_SIZE      512
#define FXSAVE_MXCSR     24
#define FXSAVE_MASK      28
#define XSAVE_HEADER     512
#define XSAVE_HEADER_LEN 64
#define MXCSR_MASK_OLD   0xffbfU /* "MXCSR_MASK" field is 0: CPUs before it had DAZ */

/*
 * Opmask, ZMM_Hi256, Hi16_ZMM come together. MPX and AMX are not offered, nor are protection keys:
 * PV guests' page tables have none.
 */
#define XCR0_AVX512 0xe0ULL
#define XCR0_KNOWN  (XCR0_X87 | XCR0_SSE | XCR0_AVX | XCR0_AVX512)

struct fpu_host fpu_host READ_MOSTLY;

static DEFINE_PER_CPU(uint64_t, loaded_xcr0);

static void write_xcr0(uint64_t v)
{
    __asm__ volatile("xsetbv" ::"c"(0), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)) : "memory");
}

static void detect_xsave(void)
{
    struct cpuid_regs r = cpuid(0xd, 0);

    fpu_host.xcr0 = ((uint64_t)r.d << 32 | r.a) & XCR0_KNOWN;
    if ((fpu_host.xcr0 & XCR0_AVX512) != XCR0_AVX512) {
        fpu_host.xcr0 &= ~XCR0_AVX512;
    }
    write_xcr0(fpu_host.xcr0);
    /* ebx: bytes for what XCR0 enables now. */
    fpu_host.area_size = ROUND_UP(cpuid(0xd, 0).b, (uint32_t)FPU_AREA_ALIGN);
    fpu_host.has_xsave = true;
    fpu_host.has_xsaveopt = cpu_has(XSAVEOPT);
}

static void detect(void)
{
    static uint8_t area[FXSAVE_SIZE] ALIGNED(16);
    uint32_t mask;

    __asm__ volatile("fxsave %0" : "=m"(area));
    memcpy(&mask, area + FXSAVE_MASK, sizeof(mask));
    fpu_host.mxcsr_mask = mask ? mask : MXCSR_MASK_OLD;
    fpu_host.area_size = FXSAVE_SIZE;
    if (cpu_has(XSAVE)) {
        detect_xsave();
    }
}

void fpu_init(unsigned int cpu)
{
    uint32_t mxcsr = FPU_MXCSR_DEFAULT;

    if (!cpu) {
        detect();
    }
    if (fpu_host.has_xsave) {
        write_xcr0(fpu_host.xcr0);
        per_cpu(loaded_xcr0, cpu) = fpu_host.xcr0;
    }
    __asm__ volatile("fninit\n\tldmxcsr %0" ::"m"(mxcsr));
}

void fpu_area_reset(void *area)
{
    uint16_t fcw = FPU_FCW_DEFAULT;
    uint32_t mxcsr = FPU_MXCSR_DEFAULT;

    memset(area, 0, fpu_host.area_size);
    memcpy(area, &fcw, sizeof(fcw));
    memcpy((char *)area + FXSAVE_MXCSR, &mxcsr, sizeof(mxcsr));
}

void fpu_save(void *area)
{
    if (fpu_host.has_xsaveopt) {
        __asm__ volatile("xsaveopt64 (%0)" ::"r"(area), "a"(~0U), "d"(~0U) : "memory");
    } else if (fpu_host.has_xsave) {
        __asm__ volatile("xsave64 (%0)" ::"r"(area), "a"(~0U), "d"(~0U) : "memory");
    } else {
        __asm__ volatile("fxsave64 (%0)" ::"r"(area) : "memory");
    }
}

void fpu_restore(const void *area)
{
    if (fpu_host.has_xsave) {
        __asm__ volatile("xrstor64 (%0)" ::"r"(area), "a"(~0U), "d"(~0U) : "memory");
    } else {
        __asm__ volatile("fxrstor64 (%0)" ::"r"(area) : "memory");
    }
}

void fpu_area_sanitise(void *area, uint64_t xcr0)
{
    uint32_t mxcsr;
    uint64_t present;

    memcpy(&mxcsr, (char *)area + FXSAVE_MXCSR, sizeof(mxcsr));
    mxcsr &= fpu_host.mxcsr_mask;
    memcpy((char *)area + FXSAVE_MXCSR, &mxcsr, sizeof(mxcsr));
    if (fpu_host.has_xsave) {
        memcpy(&present, (char *)area + XSAVE_HEADER, sizeof(present));
        present &= xcr0 & fpu_host.xcr0;
        /* Standard format, nothing reserved. */
        memset((char *)area + XSAVE_HEADER, 0, XSAVE_HEADER_LEN);
        memcpy((char *)area + XSAVE_HEADER, &present, sizeof(present));
    }
}

void fpu_set_xcr0(uint64_t xcr0)
{
    assert(fpu_xcr0_valid(xcr0));
    if (this_cpu(loaded_xcr0) != xcr0) {
        write_xcr0(xcr0);
        this_cpu(loaded_xcr0) = xcr0;
    }
}

bool fpu_xcr0_valid(uint64_t xcr0)
{
    if (!fpu_host.has_xsave || (xcr0 & ~fpu_host.xcr0) || !(xcr0 & XCR0_X87)) {
        return false;
    }
    if ((xcr0 & XCR0_AVX) && !(xcr0 & XCR0_SSE)) {
        return false;
    }
    return !(xcr0 & XCR0_AVX512) || ((xcr0 & XCR0_AVX512) == XCR0_AVX512 && (xcr0 & XCR0_AVX));
}
