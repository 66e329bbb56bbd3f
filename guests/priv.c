/* priv.c: instructions that the CPU reserves for the kernel. A PV kernel runs at CPL 3, so each of
 * them faults; the hypervisor does some in its place and passes the fault on for the others. */
#include "lib/guest.h"
#include "lib/probe.h"

/* Nothing to see but whether they are refused. */
PROBE_BOTH(hlt, "hlt");
PROBE_BOTH(cli, "cli");
PROBE_BOTH(sti, "sti");
PROBE_BOTH(clts, "clts");
PROBE_BOTH(wbinvd, "wbinvd");
PROBE_BOTH(invd, "invd");
PROBE_BOTH(invlpg, "invlpg 0x400000");
PROBE_BOTH(lgdt, "lgdt -16(%rsp)");
PROBE_BOTH(lidt, "lidt -16(%rsp)");
PROBE_BOTH(lldt, "xor %eax, %eax; lldt %ax");
PROBE_BOTH(ltr, "xor %eax, %eax; ltr %ax");
PROBE_BOTH(lmsw, "xor %eax, %eax; lmsw %ax");
PROBE_BOTH(smsw, "smsw %eax");
PROBE_BOTH(sldt, "sldt %eax");
PROBE_BOTH(str, "str %eax");
PROBE_BOTH(sgdt, "sgdt -16(%rsp)");
PROBE_BOTH(sidt, "sidt -16(%rsp)");
PROBE_BOTH(lar, "mov $0xe033, %eax; lar %eax, %ecx");
PROBE_BOTH(rdtsc, "rdtsc");
PROBE_BOTH(rdpmc, "xor %ecx, %ecx; rdpmc");
PROBE_BOTH(read_cr0, "mov %cr0, %rax");
PROBE_BOTH(read_cr1, ".byte 0x0f, 0x20, 0xc8");
PROBE_BOTH(read_cr8, "mov %cr8, %rax");
PROBE_BOTH(write_cr8, "xor %eax, %eax; mov %rax, %cr8");
PROBE_BOTH(read_dr7, "mov %db7, %rax");
PROBE_BOTH(write_dr7, "mov $0x400, %eax; mov %rax, %db7");
PROBE_BOTH(rdmsr_efer, "mov $0xc0000080, %ecx; rdmsr");
PROBE_BOTH(wrmsr_fs_base, "mov $0xc0000100, %ecx; xor %eax, %eax; xor %edx, %edx; wrmsr");
PROBE_BOTH(in_byte, "mov $0x64, %edx; in %dx, %al");
PROBE_BOTH(in_immediate, "in $0x64, %al");
PROBE_BOTH(out_byte, "mov $0x80, %edx; out %al, %dx");
PROBE_BOTH(insb, "mov $0x64, %edx; lea -64(%rsp), %rdi; insb");
PROBE_BOTH(outsb, "mov $0x80, %edx; lea -64(%rsp), %rsi; outsb");
PROBE_BOTH(swapgs, "swapgs");
PROBE_BOTH(rsm, "rsm");
PROBE_BOTH(vmcall, ".byte 0x0f, 0x01, 0xc1");
PROBE_BOTH(vmmcall, ".byte 0x0f, 0x01, 0xd9");
PROBE_BOTH(monitor, "lea -64(%rsp), %rax; xor %ecx, %ecx; xor %edx, %edx; monitor");
PROBE_BOTH(mwait, "xor %eax, %eax; xor %ecx, %ecx; mwait");
PROBE_BOTH(xgetbv, "xor %ecx, %ecx; xgetbv");
PROBE_BOTH(xsetbv, "xor %ecx, %ecx; mov $1, %eax; xor %edx, %edx; xsetbv");
PROBE_BOTH(sysret, "sysretq");
PROBE_BOTH(sysexit, "sysexitq");
PROBE_BOTH(rdfsbase, "rdfsbase %rax");
PROBE_BOTH(clac, "clac");
PROBE_BOTH(force_prefix_nop, ".byte 0x0f, 0x0b, 0x78, 0x65, 0x6e, 0x90");
PROBE_BOTH(force_prefix_cut, ".byte 0x0f, 0x0b, 0x78, 0x65, 0x90");

static const struct probe probes[] = {
    PROBE_ROW(hlt),
    PROBE_ROW(cli),
    PROBE_ROW(sti),
    PROBE_ROW(clts),
    PROBE_ROW(wbinvd),
    PROBE_ROW(invd),
    PROBE_ROW(invlpg),
    PROBE_ROW(lgdt),
    PROBE_ROW(lidt),
    PROBE_ROW(lldt),
    PROBE_ROW(ltr),
    PROBE_ROW(lmsw),
    PROBE_ROW(smsw),
    PROBE_ROW(sldt),
    PROBE_ROW(str),
    PROBE_ROW(sgdt),
    PROBE_ROW(sidt),
    PROBE_ROW(lar),
    PROBE_ROW(rdtsc),
    PROBE_ROW(rdpmc),
    PROBE_ROW(read_cr0),
    PROBE_ROW(read_cr1),
    PROBE_ROW(read_cr8),
    PROBE_ROW(write_cr8),
    PROBE_ROW(read_dr7),
    PROBE_ROW(write_dr7),
    PROBE_ROW(rdmsr_efer),
    PROBE_ROW(wrmsr_fs_base),
    PROBE_ROW(in_byte),
    PROBE_ROW(in_immediate),
    PROBE_ROW(out_byte),
    PROBE_ROW(insb),
    PROBE_ROW(outsb),
    PROBE_ROW(swapgs),
    PROBE_ROW(rsm),
    PROBE_ROW(vmcall),
    PROBE_ROW(vmmcall),

    PROBE_ROW(monitor),
    PROBE_ROW(mwait),
    PROBE_ROW(xgetbv),
    PROBE_ROW(xsetbv),
    PROBE_ROW(sysret),
    PROBE_ROW(sysexit),
    PROBE_ROW(rdfsbase),
    PROBE_ROW(clac),
    PROBE_ROW(force_prefix_nop),
    PROBE_ROW(force_prefix_cut),
};

static const struct probe port_probes[] = {
    PROBE_ROW(cli),      PROBE_ROW(sti),  PROBE_ROW(in_byte), PROBE_ROW(in_immediate),
    PROBE_ROW(out_byte), PROBE_ROW(insb), PROBE_ROW(outsb),
};

/* Reads that leave their answer in arg[0], writes that take it from there. */
PROBE(get_cr0, "mov %cr0, %rax; mov %rax, (%rdi)");
PROBE(get_cr2, "mov %cr2, %rax; mov %rax, (%rdi)");
PROBE(get_cr3, "mov %cr3, %rax; mov %rax, (%rdi)");
PROBE(get_cr4, "mov %cr4, %rax; mov %rax, (%rdi)");
PROBE(get_dr0, "mov %db0, %rax; mov %rax, (%rdi)");
PROBE(get_dr3, "mov %db3, %rax; mov %rax, (%rdi)");
PROBE(get_dr4, ".byte 0x0f, 0x21, 0xe0; mov %rax, (%rdi)");
PROBE(get_dr6, "mov %db6, %rax; mov %rax, (%rdi)");
PROBE(get_dr7, "mov %db7, %rax; mov %rax, (%rdi)");
PROBE(get_flags, "pushfq; pop %rax; and $0x3200, %eax; mov %rax, (%rdi)"); /* IF, IOPL */
PROBE(get_all_flags, "pushfq; pop %rax; mov %rax, (%rdi)");
PROBE(set_cr0, "mov (%rdi), %rax; mov %rax, %cr0");
PROBE(set_cr2, "mov (%rdi), %rax; mov %rax, %cr2");
PROBE(set_cr3, "mov (%rdi), %rax; mov %rax, %cr3");
PROBE(set_cr4, "mov (%rdi), %rax; mov %rax, %cr4");
PROBE(set_dr0, "mov (%rdi), %rax; mov %rax, %db0");
PROBE(set_dr3, "mov (%rdi), %rax; mov %rax, %db3");
PROBE(set_dr6, "mov (%rdi), %rax; mov %rax, %db6");
PROBE(set_dr7, "mov (%rdi), %rax; mov %rax, %db7");
PROBE(set_flags, "push (%rdi); popfq");
PROBE(get_in_byte, "mov (%rdi), %edx; xor %eax, %eax; in %dx, %al; mov %rax, (%rdi)");
PROBE(get_in_word, "mov (%rdi), %edx; xor %eax, %eax; in %dx, %ax; mov %rax, (%rdi)");
PROBE(get_in_long, "mov (%rdi), %edx; xor %eax, %eax; in %dx, %eax; mov %rax, (%rdi)");

/* What an instruction did with value: print the trap, or what came out. */
static bool attempt(const char *name, void (*fn)(void *), uint64_t *value)
{
    struct trap_report report;

    trap_try(fn, value, &report);
    if (report.vector != VECTOR_NONE) {
        trap_result(&report, fn, "%s", name);
    }
    return report.vector == VECTOR_NONE;
}

static void get(const char *name, void (*fn)(void *))
{
    uint64_t value = 0;

    if (attempt(name, fn, &value)) {
        result(value, "%s", name);
    }
}

static void set(const char *name, void (*fn)(void *), uint64_t value)
{
    if (attempt(name, fn, &value)) {
        result_text("%s no trap", name);
    }
}

static void check_control_registers(void)
{
    uint64_t value = 0, root = xen_pfn_to_cr3(va_to_mfn(pt_root()));

    get("cr0", get_cr0);
    attempt("cr3", get_cr3, &value);
    check(value, root, "cr3-is-root");
    get("cr4", get_cr4);
    set("set-cr2", set_cr2, 0x123456789);
    get("cr2-after-set", get_cr2);
    check(vcpu_this()->info->arch.cr2, 0x123456789, "cr2-in-vcpu-info");

    attempt("cr0", get_cr0, &value);
    set("set-cr0-same", set_cr0, value);
    set("set-cr0-ts", set_cr0, value | 8);
    get("cr0-after-ts", get_cr0);
    set("set-cr0-clear-ts", set_cr0, value & ~8UL);
    set("set-cr0-no-wp", set_cr0, value & ~0x10000UL);
    set("set-cr0-no-paging", set_cr0, value & ~0x80000000UL);
    set("set-cr0-zero", set_cr0, 0);
    get("cr0-after-refusals", get_cr0);
    set("set-cr3-same", set_cr3, root);
    set("set-cr3-zero", set_cr3, 0);
    set("set-cr3-low-bits", set_cr3, root | 0x18);
    set("set-cr3-not-a-table", set_cr3, xen_pfn_to_cr3(va_to_mfn(image_start)));
    set("set-cr3-no-frame", set_cr3, 0xffffff0000000000);
    attempt("cr3", get_cr3, &value);
    check(value, root, "cr3-after-refusals");
    attempt("cr4", get_cr4, &value);
    set("set-cr4-same", set_cr4, value);
    set("set-cr4-tsd", set_cr4, value | 4);
    get("cr4-after-tsd", get_cr4);
    set("set-cr4-same-again", set_cr4, value);
    set("set-cr4-no-pae", set_cr4, value & ~0x20UL);
    set("set-cr4-pse-pge", set_cr4, value | 0x90);
    set("set-cr4-vmxe-smep", set_cr4, value | 0x102000);
    set("set-cr4-reserved", set_cr4, value | 1UL << 40);
    get("cr4-in-the-end", get_cr4);
}

static void check_debug_registers(void)
{
    get("dr0", get_dr0);
    get("dr4", get_dr4);
    get("dr6", get_dr6);
    get("dr7", get_dr7);
    set("set-dr0", set_dr0, 0x1000);
    get("dr0-after-set", get_dr0);
    set("set-dr0-non-canonical", set_dr0, 1UL << 63);
    set("set-dr3-in-hypervisor", set_dr3, 0xffff82d040200000);
    get("dr3-after-set", get_dr3);
    set("set-dr6", set_dr6, 0);
    get("dr6-after-set", get_dr6);
    set("set-dr7-io-breakpoint", set_dr7, 0x20402);
    set("set-dr7-general-detect", set_dr7, 0x2400);
    set("set-dr7-upper-half", set_dr7, 1UL << 32);
    get("dr7-in-the-end", get_dr7);
    set("set-dr7-off", set_dr7, 0x400);

    result(xen_set_debugreg(0, 0xffff82d040200000), "hypercall-set-dr0-in-hypervisor");
    result(xen_set_debugreg(1, 1UL << 63), "hypercall-set-dr1-non-canonical");
    result(xen_set_debugreg(4, 0), "hypercall-set-dr4");
    result(xen_set_debugreg(5, 0), "hypercall-set-dr5");
    result(xen_set_debugreg(8, 0), "hypercall-set-dr8");
    result(xen_set_debugreg(-1, 0), "hypercall-set-dr-minus-1");
    result(xen_set_debugreg(6, 1UL << 32), "hypercall-set-dr6-upper-half");
    result(xen_set_debugreg(7, 1UL << 32), "hypercall-set-dr7-upper-half");
    result(xen_set_debugreg(7, 0x2400), "hypercall-set-dr7-general-detect");
    result(xen_set_debugreg(7, 0), "hypercall-set-dr7-zero");
    result(xen_get_debugreg(4), "hypercall-get-dr4");
    result(xen_get_debugreg(5), "hypercall-get-dr5");
    result(xen_get_debugreg(8), "hypercall-get-dr8");
    result(xen_get_debugreg(-1), "hypercall-get-dr-minus-1");
    result(xen_get_debugreg(7), "hypercall-get-dr7");
}

static void check_flags(void)
{
    uint64_t value;

    get("flags", get_flags);
    set("popf-clear-if", set_flags, 0x2);
    get("flags-after-clear-if", get_flags);
    set("popf-iopl-3", set_flags, 0x3202);
    get("flags-after-iopl-3", get_flags);
    set("popf-nt", set_flags, 0x4202);
    value = 0;
    attempt("flags", get_all_flags, &value);
    result(value & 0x4000, "flags-after-nt");
    set("popf-plain", set_flags, 0x202);
    result(vcpu_this()->info->evtchn_upcall_mask, "mask-untouched-by-popf");
}

static void check_ports(void)
{
    /* Ports that the hypervisor keeps for itself read as all ones. */
    static const uint16_t kept[] = { 0x20, 0x21, 0xa0, 0xa1, 0x43, 0x3f8, 0x3fd };
    struct physdev_set_iopl iopl = { .iopl = 1 };
    unsigned int i;
    uint64_t value;
    char name[32];

    iopl.iopl = 4;
    result(xen_physdev_op(PHYSDEVOP_set_iopl, &iopl), "set-iopl-4");
    iopl.iopl = 1;
    check(xen_physdev_op(PHYSDEVOP_set_iopl, &iopl), 0, "set-iopl-1");
    probe_run_all(port_probes, ARRAY_SIZE(port_probes));
    result(vcpu_this()->info->evtchn_upcall_mask, "mask-untouched-by-cli-sti");
    get("flags-iopl-1", get_flags);
    for (i = 0; i < ARRAY_SIZE(kept); i++) {
        value = kept[i];
        attempt("in", get_in_byte, &value);
        result(value, "in-byte-%x", kept[i]);
    }
    value = 0x20;
    if (attempt("in-word-20", get_in_word, &value)) {
        result(value, "in-word-20");
    }
    value = 0xcfc; /* with no address latched yet */
    if (attempt("in-long-cfc", get_in_long, &value)) {
        result(value, "in-long-cfc");
    }
    value = 0xcf8;
    if (attempt("in-long-cf8", get_in_long, &value)) {
        result(value, "in-long-cf8");
    }
    value = 0xffff;
    if (attempt(format_to(name, sizeof(name), "in-word-%x", 0xffff), get_in_word, &value)) {
        result(value, "in-word-ffff");
    }
    iopl.iopl = 3;
    check(xen_physdev_op(PHYSDEVOP_set_iopl, &iopl), 0, "set-iopl-3");
    probe_run_all(port_probes, ARRAY_SIZE(port_probes));
    iopl.iopl = 0;
    check(xen_physdev_op(PHYSDEVOP_set_iopl, &iopl), 0, "set-iopl-0");
}

void guest_main(void)
{
    user_init();
    probe_run_all(probes, ARRAY_SIZE(probes));
    check_flags();
    check_control_registers();
    check_debug_registers();
    check_ports();
}
