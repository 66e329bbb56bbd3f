/*
 * MTRRs are each CPU's own, but must be equal on all: a change is made everywhere before the caller
 * goes on.
 */
#include "platform/mtrr.h"

#include <lodge/errno.h>
#include "core/cpumap.h"
#include "cpu/features.h"
#include "cpu/insn.h"
#include "cpu/msr.h"

#define MSR_MTRR_CAP      0xfe
#define MSR_MTRR_BASE(n)  (0x200 + 2 * (n))
#define MSR_MTRR_MASK(n)  (0x201 + 2 * (n))
#define MSR_MTRR_DEFAULT  0x2ff
#define CAP_COUNT         0xff
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

/*
 * One change at a time. No lock: a change waits for all CPUs, and none of them may be waiting for
 * it.
 */
static bool busy;
static unsigned int uses[MAX_RANGES]; /* mtrr_add()s of each register */
/* What was changed since boot, for CPUs that were not there then. */
static struct change {
    unsigned int reg;
    uint64_t base, mask;
    bool made;
} changes[MAX_RANGES];

static unsigned int nr_ranges(void)
{
    return cpu_has(MTRR)
               ? MIN((unsigned int)(rdmsr(MSR_MTRR_CAP) & CAP_COUNT), (unsigned int)MAX_RANGES)
               : 0;
}

static uint64_t frames_mask(void)
{
    return (1ULL << (cpu_host.address_bits - PAGE_SHIFT)) - 1;
}

int mtrr_read(unsigned int reg, uint64_t *mfn, uint64_t *nr_frames, uint32_t *type)
{
    uint64_t base, mask;

    *mfn = *nr_frames = 0;
    *type = TYPE_UC;
    if (reg >= nr_ranges()) {
        return -EINVAL;
    }
    base = rdmsr(MSR_MTRR_BASE(reg));
    mask = rdmsr(MSR_MTRR_MASK(reg));
    if (mask & MASK_VALID) {
        *mfn = base >> PAGE_SHIFT & frames_mask();
        *nr_frames = (~(mask >> PAGE_SHIFT) & frames_mask()) + 1;
        *type = base & 0xff;
    }
    return 0;
}

/*
 * Intel SDM vol. 3A, "MTRR Maintenance Programming Interface": caches off and empty around the
 * change.
 */
static void change_here(void *arg)
{
    const struct change *c = arg;
    unsigned long flags = arch_irq_save();
    uint64_t cr0 = read_cr0(), cr4 = read_cr4(), def;

    write_cr0((cr0 | CR0_CD) & ~CR0_NW);
    wbinvd();
    if (cr4 & CR4_PGE) {
        write_cr4(cr4 & ~CR4_PGE); /* flushes global translations too */
    } else {
        write_cr3(read_cr3());
    }
    def = rdmsr(MSR_MTRR_DEFAULT);
    wrmsr(MSR_MTRR_DEFAULT, def & ~DEFAULT_ENABLE);
    wrmsr(MSR_MTRR_BASE(c->reg), c->base);
    wrmsr(MSR_MTRR_MASK(c->reg), c->mask);
    wrmsr(MSR_MTRR_DEFAULT, def);
    wbinvd();
    write_cr0(cr0);
    write_cr4(cr4);
    write_cr3(read_cr3());
    arch_irq_restore(flags);
}

static void change_everywhere(struct change c)
{
    /* First the note: a CPU that comes now is online and gets the call, or reads this later. */
    changes[c.reg] = c;
    change_here(&c);
    arch_call_cpus(cpus_online.bits, change_here, &c);
}

void mtrr_init_cpu(void)
{
    for (unsigned int i = 0; i < MAX_RANGES; i++) {
        const struct change *c = &changes[i];

        if (c->made && (rdmsr(MSR_MTRR_BASE(i)) != c->base || rdmsr(MSR_MTRR_MASK(i)) != c->mask)) {
            change_here(&changes[i]);
        }
    }
}

static bool type_known(uint32_t type)
{
    return type == TYPE_UC || type == TYPE_WT || type == TYPE_WP || type == TYPE_WB ||
           (type == TYPE_WC && (rdmsr(MSR_MTRR_CAP) & CAP_WRITE_COMBINE));
}

/* Where two types meet, UC wins, and WT over WB: other overlaps have no meaning. */
static bool types_agree(uint32_t a, uint32_t b)
{
    return a == b || a == TYPE_UC || b == TYPE_UC || (a == TYPE_WT && b == TYPE_WB) ||
           (a == TYPE_WB && b == TYPE_WT);
}

int mtrr_add(uint64_t mfn, uint64_t nr_frames, uint32_t type, unsigned int *reg)
{
    unsigned int nr = nr_ranges(), free = nr;
    int rc = 0;

    if (!nr) {
        return -ENODEV;
    }
    if (!nr_frames || (nr_frames & (nr_frames - 1)) || (mfn & (nr_frames - 1)) ||
        mfn > frames_mask() || nr_frames - 1 > frames_mask() - mfn || !type_known(type)) {
        return -EINVAL;
    }
    if (__atomic_exchange_n(&busy, true, __ATOMIC_ACQUIRE)) {
        return -EBUSY;
    }
    for (unsigned int i = 0; i < nr && !rc; i++) {
        uint64_t have_mfn, have_nr;
        uint32_t have_type;

        rc = mtrr_read(i, &have_mfn, &have_nr, &have_type);
        if (rc || !have_nr) {
            free = MIN(free, i);
            continue;
        }
        if (have_mfn == mfn && have_nr == nr_frames && have_type == type) {
            uses[i]++;
            *reg = i;
            goto out;
        }
        if (have_mfn < mfn + nr_frames && mfn < have_mfn + have_nr &&
            !types_agree(have_type, type)) {
            rc = -EPERM;
        }
    }
    if (!rc && free == nr) {
        rc = -ENOSPC;
    }
    if (!rc) {
        change_everywhere(
            (struct change){ free, mfn << PAGE_SHIFT | type,
                             (~(nr_frames - 1) & frames_mask()) << PAGE_SHIFT | MASK_VALID, true });
        uses[free] = 1;
        *reg = free;
    }
out:
    __atomic_store_n(&busy, false, __ATOMIC_RELEASE);
    return rc;
}

int mtrr_del(unsigned int reg)
{
    int rc = -EINVAL;

    if (reg >= nr_ranges()) {
        return -EINVAL;
    }
    if (__atomic_exchange_n(&busy, true, __ATOMIC_ACQUIRE)) {
        return -EBUSY;
    }
    if (uses[reg]) {
        rc = 0;
        if (--uses[reg] == 0) {
            change_everywhere((struct change){ reg, 0, 0, true });
        }
    }
    __atomic_store_n(&busy, false, __ATOMIC_RELEASE);
    return rc;
}
