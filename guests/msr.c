/* msr.c: model-specific registers: which may be read or written, and what they say. */
#include "lib/guest.h"

PROBE(read_msr, "mov (%rdi), %ecx; rdmsr; mov %eax, 8(%rdi); mov %edx, 12(%rdi)");
PROBE(write_msr, "mov (%rdi), %ecx; mov 8(%rdi), %eax; mov 12(%rdi), %edx; wrmsr");

struct msr {
    uint64_t number, value;
};

#define MSR_FS_BASE        0xc0000100
#define MSR_GS_BASE        0xc0000101
#define MSR_KERNEL_GS_BASE 0xc0000102

static int msr_read(uint32_t number, uint64_t *value)
{
    struct msr msr = { .number = number };
    struct trap_report report;

    trap_try(read_msr, &msr, &report);
    *value = msr.value;
    return report.vector;
}

static int msr_write(uint32_t number, uint64_t value)
{
    struct msr msr = { .number = number, .value = value };
    struct trap_report report;

    return trap_try(write_msr, &msr, &report);
}

static void show_read(uint32_t number)
{
    uint64_t value;
    int vector = msr_read(number, &value);

    if (vector == VECTOR_NONE) {
        result_text("read-%08x %lx", number, value);
    } else {
        result_text("read-%08x vector %d", number, vector);
    }
}

static void show_write(uint32_t number, uint64_t value)
{
    uint64_t now = 0;
    int vector = msr_write(number, value);

    if (vector != VECTOR_NONE) {
        result_text("write-%08x-%lx vector %d", number, value, vector);
        return;
    }
    if (msr_read(number, &now) == VECTOR_NONE) {
        result_text("write-%08x-%lx then %lx", number, value, now);
    } else {
        result_text("write-%08x-%lx accepted, unreadable", number, value);
    }
}

/* Each MSR that some kernel reads while it boots. */
static const uint32_t reads[] = {
    0x17,       0x1b,       0x34,        0x3a,        0x48,
    0x49,       0x8b,       0xce,        0xfe,        0x10a,
    0x10b,      0x122,      0x140,       0x174,       0x175,
    0x176,      0x179,      0x17a,       0x186,       0x198,
    0x199,      0x19c,      0x1a0,       0x1d9,       0x200,
    0x201,      0x250,      0x277,       0x2ff,       0x345,
    0x38d,      0x38f,      0x400,       0x401,       0x404,
    0x480,      0x560,      0x606,       0x802,       0x808,
    0xc80,      0xda0,      0xc0000080,  0xc0000081,  0xc0000082,
    0xc0000083, 0xc0000084, MSR_FS_BASE, MSR_GS_BASE, MSR_KERNEL_GS_BASE,
    0xc0000103, 0xc0000104, 0xc00000e7,  0xc0010000,  0xc0010004,
    0xc0010007, 0xc0010010, 0xc0010015,  0xc001001a,  0xc001001f,
    0xc0010055, 0xc0010058, 0xc0010061,  0xc0010064,  0xc0010114,
    0xc0010117, 0xc0010140, 0xc0011004,  0xc0011005,  0xc001100c,
    0xc0011020, 0xc0011023, 0xc0011029,  0xc001102c,  0x40000000,
    0x40000001, 0xdeadbeef, 0xffffffff,
};

static void check_segment_bases(void)
{
    uint64_t value;

    check(msr_write(MSR_FS_BASE, 0x1234), VECTOR_NONE, "fs-base-write");
    check(msr_read(MSR_FS_BASE, &value), VECTOR_NONE, "fs-base-read");
    check(value, 0x1234, "fs-base-value");
    check(msr_write(MSR_GS_BASE, 0xffffffff80100000), VECTOR_NONE, "gs-base-write");
    msr_read(MSR_GS_BASE, &value);
    check(value, 0xffffffff80100000, "gs-base-value");
    check(msr_write(MSR_KERNEL_GS_BASE, 0x5678), VECTOR_NONE, "user-gs-base-write");
    msr_read(MSR_KERNEL_GS_BASE, &value);
    check(value, 0x5678, "user-gs-base-value");
    result(msr_write(MSR_FS_BASE, 1UL << 63), "fs-base-non-canonical");
    result(msr_write(MSR_GS_BASE, 1UL << 63), "gs-base-non-canonical");
    result(msr_write(MSR_KERNEL_GS_BASE, 1UL << 63), "user-gs-base-non-canonical");
    result(msr_write(MSR_GS_BASE, 0xffff82d040200000), "gs-base-in-hypervisor");
    check(msr_write(MSR_GS_BASE, 0), VECTOR_NONE, "gs-base-zero");
    check(msr_write(MSR_FS_BASE, 0), VECTOR_NONE, "fs-base-zero");
}

void guest_main(void)
{
    unsigned int i;
    uint64_t value;

    for (i = 0; i < ARRAY_SIZE(reads); i++) {
        show_read(reads[i]);
    }
    check(msr_read(0x10, &value), VECTOR_NONE, "tsc-read");
    check_segment_bases();
    show_write(0x10, 0);
    show_write(0x1b, 0xfee00800);
    show_write(0x1b, 0);
    show_write(0x48, 1);
    show_write(0x49, 1);
    show_write(0x174, 0);
    show_write(0x176, 0xffff82d040200000);
    show_write(0x1a0, 0);
    show_write(0x277, 0x0007040600070406);
    show_write(0x2ff, 0);
    show_write(0x400, 0);
    show_write(0x802, 0);
    show_write(0xc0000080, 0xd01);
    show_write(0xc0000080, 0);
    show_write(0xc0000081, 0);
    show_write(0xc0000082, 0xffff82d040200000);
    show_write(0xc0000084, 0);
    show_write(0xc0000103, 1);
    show_write(0xc0010015, 0);
    show_write(0xc0010117, 0x1000);
    show_write(0xc0011029, 0);
    show_write(0x40000000, 0);
    show_write(0xdeadbeef, 0);
    result(xen_set_segment_base(SEGBASE_FS, 0x1000), "hypercall-fs-base");
    msr_read(MSR_FS_BASE, &value);
    result(value, "fs-base-after-hypercall");
    result(xen_set_segment_base(SEGBASE_FS, 1UL << 63), "hypercall-fs-base-non-canonical");
    result(xen_set_segment_base(SEGBASE_GS_USER, 0x2000), "hypercall-user-gs-base");
    msr_read(MSR_KERNEL_GS_BASE, &value);
    result(value, "user-gs-base-after-hypercall");
    result(xen_set_segment_base(SEGBASE_GS_USER, 1UL << 63), "hypercall-user-gs-non-canonical");
    result(xen_set_segment_base(SEGBASE_GS_KERNEL, 0x3000), "hypercall-kernel-gs-base");
    msr_read(MSR_GS_BASE, &value);
    result(value, "kernel-gs-base-after-hypercall");
    result(xen_set_segment_base(SEGBASE_GS_KERNEL, 1UL << 63), "hypercall-kernel-gs-non-canonical");
    result(xen_set_segment_base(SEGBASE_GS_KERNEL, 0xffff82d040200000),
           "hypercall-kernel-gs-in-hypervisor");
    result(xen_set_segment_base(SEGBASE_GS_USER_SEL, 0), "hypercall-gs-selector-null");
    result(xen_set_segment_base(SEGBASE_GS_USER_SEL, FLAT_USER_SS), "hypercall-gs-selector-flat");
    result(xen_set_segment_base(SEGBASE_GS_USER_SEL, 0x37), "hypercall-gs-selector-bad-ldt");
    result(xen_set_segment_base(SEGBASE_GS_USER_SEL, 0xe008), "hypercall-gs-selector-ring-0");
    result(xen_set_segment_base(SEGBASE_GS_USER_SEL, 0x12345), "hypercall-gs-selector-wide");
    result(xen_set_segment_base(4, 0), "hypercall-segment-base-unknown");
    result(xen_set_segment_base(~0U, 0), "hypercall-segment-base-minus-1");
}
