/* cpuid.c: what the CPU is said to be. A PV guest that wants the hypervisor's view puts a prefix
 * before CPUID (public/arch-x86/xen.h, XEN_EMULATE_PREFIX); the bare instruction shows the real CPU
 * unless the hardware can be made to fault. */
#include "lib/guest.h"

#include <xen/arch-x86/cpuid.h>

PROBE(forced_cpuid, "mov %rbx, %r8; mov (%rdi), %eax; mov 4(%rdi), %ecx;" XEN_CPUID
                    "; mov %eax, (%rdi); mov %ebx, 4(%rdi); mov %ecx, 8(%rdi); mov %edx, 12(%rdi);"
                    "mov %r8, %rbx");
PROBE(plain_cpuid, "mov %rbx, %r8; mov (%rdi), %eax; mov 4(%rdi), %ecx; cpuid;"
                   "mov %eax, (%rdi); mov %ebx, 4(%rdi); mov %ecx, 8(%rdi); mov %edx, 12(%rdi);"
                   "mov %r8, %rbx");
USER_PROBE(user_forced_cpuid, "mov $0x40000000, %eax;" XEN_CPUID "; mov %ebx, %r12d");

struct leaf {
    uint32_t a, b, c, d; /* a and b: leaf and subleaf on the way in */
};

static struct leaf cpuid(void (*fn)(void *), uint32_t number, uint32_t sub)
{
    struct leaf leaf = { .a = number, .b = sub };

    fn(&leaf);
    return leaf;
}

static void show(uint32_t number, uint32_t sub)
{
    struct leaf l = cpuid(forced_cpuid, number, sub);

    /* The APIC id (leaf 1, EBX 31:24) depends on where we happen to run. */
    if (number == 1) {
        l.b &= 0x00ffffff;
    }
    result_text("leaf-%08x.%u a %08x b %08x c %08x d %08x", number, sub, l.a, l.b, l.c, l.d);
}

static void check_signature(void)
{
    struct leaf l = cpuid(forced_cpuid, XEN_CPUID_LEAF(0), 0);
    struct trap_report report;
    unsigned int base, found = 0;

    check(l.b, XEN_CPUID_SIGNATURE_EBX, "signature-ebx");
    check(l.c, XEN_CPUID_SIGNATURE_ECX, "signature-ecx");
    check(l.d, XEN_CPUID_SIGNATURE_EDX, "signature-edx");
    result(l.a, "highest-hypervisor-leaf");
    l = cpuid(forced_cpuid, XEN_CPUID_LEAF(1), 0);
    check(l.a, xen_version(XENVER_version, NULL), "version-leaf");
    l = cpuid(forced_cpuid, XEN_CPUID_LEAF(2), 0);
    result_text("leaf-40000002 a %x c %x d %x", l.a, l.c, l.d);
    l = cpuid(forced_cpuid, XEN_CPUID_LEAF(4), 0);
    result_text("leaf-40000004 a %x b %x c %x d %x", l.a, l.b, l.c, l.d);
    l = cpuid(forced_cpuid, XEN_CPUID_LEAF(5), 0);
    result_text("leaf-40000005 a %x b %x c %x d %x", l.a, l.b, l.c, l.d);
    l = cpuid(forced_cpuid, XEN_CPUID_LEAF(6), 0);
    result_text("leaf-40000006 a %x b %x c %x d %x", l.a, l.b, l.c, l.d);
    for (base = 0x40000100; base < 0x40010000; base += 0x100) {
        found += cpuid(forced_cpuid, base, 0).b == XEN_CPUID_SIGNATURE_EBX;
    }
    check(found, 0, "signature-only-once");
    user_run(user_forced_cpuid, 0, &report);
    check(report.regs.r12, XEN_CPUID_SIGNATURE_EBX, "signature-from-user");
}

/* Time leaves: frequencies and offsets differ from boot to boot, whether they are told does not. */
static void check_time_leaves(void)
{
    struct leaf l = cpuid(forced_cpuid, XEN_CPUID_LEAF(3), 0);

    result_text("time-leaf-0 a %x b %x khz-told %u", l.a, l.b, l.c != 0);
    l = cpuid(forced_cpuid, XEN_CPUID_LEAF(3), 1);
    result_text("time-leaf-1 scale-told %u", l.c != 0);
    l = cpuid(forced_cpuid, XEN_CPUID_LEAF(3), 2);
    result_text("time-leaf-2 host-khz-told %u", l.a != 0);
}

/* Is there an APIC id in it? */
static void ask_on_second(void *answer)
{
    *(struct leaf *)answer = cpuid(forced_cpuid, 1, 0);
}

void guest_main(void)
{
    static const uint32_t extended = 0x80000000;
    struct leaf l;
    unsigned int i;

    user_init();
    check_signature();
    check_time_leaves();
    for (i = 0; i <= 0xd; i++) {
        show(i, 0);
    }
    show(4, 1);
    show(7, 1);
    show(0xb, 1);
    show(0xd, 1);
    show(0xd, 2);
    show(0x15, 0);
    show(0x3fffffff, 0);
    for (i = 0; i <= 0x22; i++) {
        show(extended + i, 0);
    }
    show(0x80860000, 0);
    show(0xc0000000, 0);
    show(0xffffffff, 0);
    l = cpuid(plain_cpuid, 0, 0);
    result_text("plain-leaf-0 b %08x c %08x d %08x", l.b, l.c, l.d);
    l = cpuid(plain_cpuid, 0x40000000, 0);
    result_text("plain-leaf-40000000 b %08x c %08x d %08x", l.b, l.c, l.d);
    vcpu_start(1, ask_on_second, &l);
    vcpu_wait(1);
    result_text("second-vcpu-leaf-1 a %08x b %08x c %08x d %08x", l.a, l.b, l.c, l.d);
}
