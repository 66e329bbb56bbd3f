/*
 * MTRRs are each CPU's own, but must be equal on all: a change is made everywhere before the caller
 * goes on.
 */
#include "platform/mtrr.h"

#include <lodge/errno.h>
#include <lodge/range.h>
#include "core/cpumap.h"
#include "cpu/features.h"
#include "cpu/insn.h"
#include "cpu/msr.h"

#define MSR_MTRR_CAP      0xfe
#define MSR_MTRR_BASE(n)  (0x200 + 2 * (n))
#define MSR_MTRR_MASK(n)  (0x201 + 2 * (n))
#define MSR_MTRR_DEFAULT  0x2ff
#define CAP_COUNT         0xff
#define CAP_FIXED         0x100
#define CAP_WRITE_COMBINE 0x400
#define DEFAULT_ENABLE    0x800
#define MASK_VALID        0x800
#define CR0_CD            0x40000000UL
#define CR0_NW            0x20000000UL
#define MAX_RANGES        32

#define TYPE_UC 0
#define TYPE_WC 1
#define TYPE_WT 4
#define TYPE_WP 5
#define TYPE_WB 6

static const uint16_t fixed_msrs[] = {
    0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f,
};
#define NR_FIXED ARRAY_SIZE(fixed_msrs)

/*
 * One change at a time. No lock: a change waits for all CPUs, and none of them may be waiting for
 * it.
 */
static bool busy;
static unsigned int uses[MAX_RANGES]; /* mtrr_add()s of each register */

/* What the registers of every CPU are to hold. */
static struct {
    unsigned int nr;
    bool has_fixed, has_wc;
    uint64_t def, fixed[NR_FIXED], base[MAX_RANGES], mask[MAX_RANGES];
} wanted;

static uint64_t frames_mask(void)
{
    return (1ULL << (cpu_host.address_bits - PAGE_SHIFT)) - 1;
}

int mtrr_read(unsigned int reg, uint64_t *mfn, uint64_t *nr_frames, uint32_t *type)
{
    *mfn = *nr_frames = 0;
    *type = TYPE_UC;
    if (reg >= wanted.nr) {
        return -EINVAL;
    }
    reg = (unsigned int)index_nospec(reg, MAX_RANGES);
    if (wanted.mask[reg] & MASK_VALID) {
        *mfn = wanted.base[reg] >> PAGE_SHIFT & frames_mask();
        *nr_frames = (~(wanted.mask[reg] >> PAGE_SHIFT) & frames_mask()) + 1;
        *type = wanted.base[reg] & 0xff;
    }
    return 0;
}

static bool msr_differs(uint32_t msr, uint64_t value)
{
    return rdmsr(msr) != value;
}

static bool registers_differ(void)
{
    bool differ = msr_differs(MSR_MTRR_DEFAULT, wanted.def);

    for (unsigned int i = 0; wanted.has_fixed && i < NR_FIXED; i++) {
        differ |= msr_differs(fixed_msrs[i], wanted.fixed[i]);
    }
    for (unsigned int i = 0; i < wanted.nr; i++) {
        differ |= msr_differs(MSR_MTRR_BASE(i), wanted.base[i]);
        differ |= msr_differs(MSR_MTRR_MASK(i), wanted.mask[i]);
    }
    return differ;
}

/*
 * Intel SDM vol. 3A, "MTRR Maintenance Programming Interface": caches off and empty around the
 * change.
 */
static void registers_load(void *arg)
{
    unsigned long flags = arch_irq_save();
    uint64_t cr0 = read_cr0(), cr4 = read_cr4();

    (void)arg;
    write_cr0((cr0 | CR0_CD) & ~CR0_NW);
    wbinvd();
    if (cr4 & CR4_PGE) {
        write_cr4(cr4 & ~CR4_PGE); /* flushes global translations too */
    } else {
        write_cr3(read_cr3());
    }
    wrmsr(MSR_MTRR_DEFAULT, wanted.def & ~DEFAULT_ENABLE);
    for (unsigned int i = 0; wanted.has_fixed && i < NR_FIXED; i++) {
        wrmsr(fixed_msrs[i], wanted.fixed[i]);
    }
    for (unsigned int i = 0; i < wanted.nr; i++) {
        wrmsr(MSR_MTRR_BASE(i), wanted.base[i]);
        wrmsr(MSR_MTRR_MASK(i), wanted.mask[i]);
    }
    wrmsr(MSR_MTRR_DEFAULT, wanted.def);
    wbinvd();
    write_cr0(cr0);
    write_cr4(cr4);
    write_cr3(read_cr3());
    arch_irq_restore(flags);
}

void mtrr_init(void)
{
    uint64_t cap;

    if (!cpu_has(MTRR)) {
        return;
    }
    cap = rdmsr(MSR_MTRR_CAP);
    wanted.nr = MIN((unsigned int)(cap & CAP_COUNT), (unsigned int)MAX_RANGES);
    wanted.has_fixed = cap & CAP_FIXED;
    wanted.has_wc = cap & CAP_WRITE_COMBINE;
    wanted.def = rdmsr(MSR_MTRR_DEFAULT);
    for (unsigned int i = 0; wanted.has_fixed && i < NR_FIXED; i++) {
        wanted.fixed[i] = rdmsr(fixed_msrs[i]);
    }
    for (unsigned int i = 0; i < wanted.nr; i++) {
        wanted.base[i] = rdmsr(MSR_MTRR_BASE(i));
        wanted.mask[i] = rdmsr(MSR_MTRR_MASK(i));
    }
}

/* Some firmware, or an INIT, leaves CPUs with others than the boot CPU's. */
void mtrr_init_cpu(void)
{
    if (cpu_has(MTRR) && registers_differ()) {
        registers_load(NULL);
    }
}

/* First the note: a CPU that comes now is online and gets the call, or reads the note later. */
static void range_set(unsigned int reg, uint64_t base, uint64_t mask)
{
    wanted.base[reg] = base;
    wanted.mask[reg] = mask;
    registers_load(NULL);
    arch_call_cpus(cpus_online.bits, registers_load, NULL);
}

static bool type_known(uint32_t type)
{
    return type == TYPE_UC || type == TYPE_WT || type == TYPE_WP || type == TYPE_WB ||
           (type == TYPE_WC && wanted.has_wc);
}

/* Where two types meet, UC wins, and WT over WB: other overlaps have no meaning. */
static bool types_agree(uint32_t a, uint32_t b)
{
    return a == TYPE_UC || b == TYPE_UC || (a == TYPE_WT && b == TYPE_WB) ||
           (a == TYPE_WB && b == TYPE_WT);
}

/*
 * Where a range is to go among those that are there: a register that holds it already (*held), or
 * whose range it takes the place of, or a free one. -EINVAL, -ENOSPC.
 */
static int range_place(uint64_t mfn, uint64_t nr_frames, uint32_t type, bool *held)
{
    int free = -ENOSPC, replaced = -1;

    *held = false;
    for (unsigned int i = 0; i < wanted.nr; i++) {
        uint64_t have_mfn, have_nr;
        uint32_t have_type;

        if (mtrr_read(i, &have_mfn, &have_nr, &have_type) || !have_nr) {
            free = free < 0 ? (int)i : free;
            continue;
        }
        if (have_mfn >= mfn + nr_frames || mfn >= have_mfn + have_nr) {
            continue;
        }
        if (have_type == type && mfn >= have_mfn && mfn + nr_frames <= have_mfn + have_nr) {
            *held = true;
            return i;
        }
        if (have_type == type) {
            replaced = i; /* powers of two overlap only if one holds the other */
        } else if (!types_agree(have_type, type)) {
            return -EINVAL;
        }
    }
    return replaced >= 0 ? replaced : free;
}

int mtrr_add(uint64_t mfn, uint64_t nr_frames, uint32_t type, unsigned int *reg)
{
    bool held;
    int at;

    if (!wanted.nr) {
        return -ENODEV;
    }
    if (!nr_frames || (nr_frames & (nr_frames - 1)) || (mfn & (nr_frames - 1)) ||
        mfn > frames_mask() || nr_frames - 1 > frames_mask() - mfn || !type_known(type)) {
        return -EINVAL;
    }
    if (__atomic_exchange_n(&busy, true, __ATOMIC_ACQUIRE)) {
        return -EBUSY;
    }
    at = range_place(mfn, nr_frames, type, &held);
    if (at >= 0) {
        *reg = at;
        uses[at]++;
        if (!held) {
            range_set(at, mfn << PAGE_SHIFT | type,
                      (~(nr_frames - 1) & frames_mask()) << PAGE_SHIFT | MASK_VALID);
        }
    }
    __atomic_store_n(&busy, false, __ATOMIC_RELEASE);
    return MIN(at, 0);
}

int mtrr_del(unsigned int reg)
{
    int rc = -EINVAL;

    if (reg >= wanted.nr) {
        return -EINVAL;
    }
    reg = (unsigned int)index_nospec(reg, MAX_RANGES);
    if (__atomic_exchange_n(&busy, true, __ATOMIC_ACQUIRE)) {
        return -EBUSY;
    }
    if (uses[reg]) {
        rc = 0;
        if (--uses[reg] == 0) {
            range_set(reg, 0, 0);
        }
    }
    __atomic_store_n(&busy, false, __ATOMIC_RELEASE);
    return rc;
}
