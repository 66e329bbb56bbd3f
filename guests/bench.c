/* bench.c: what the hypervisor costs a PV guest, operation by operation. Each line is
 *     bench: NAME VALUE
 * with the fewest TSC ticks that one operation took of many. Under QEMU's `-icount
 * shift=0,sleep=off` a tick is one instruction, hypervisor's and guest's together, and two runs
 * give the same numbers. */
#include "lib/guest.h"

#define ROUNDS  200
#define SCRATCH ((uint8_t *)0xffffe00000000000)

static evtchn_port_t port;
static uint64_t *l1;
static uint64_t entry_maddr, entry_values[2];
static struct mmu_update batch[64];
static struct multicall_entry calls[8];

static void nothing(unsigned int round)
{
    (void)round;
}

static void null_hypercall(unsigned int round)
{
    (void)round;
    (void)xen_version(XENVER_version, NULL);
}

static void unknown_hypercall(unsigned int round)
{
    (void)round;
    (void)hypercall(63, 0, 0, 0, 0, 0);
}

static void copying_hypercall(unsigned int round)
{
    struct xen_feature_info info = { .submap_idx = 0 };

    (void)round;
    (void)xen_version(XENVER_get_features, &info);
}

static void event_send(unsigned int round)
{
    (void)round;
    (void)xen_event_channel_op(EVTCHNOP_send, &port);
}

static void mmu_update_1(unsigned int round)
{
    struct mmu_update req = { .ptr = entry_maddr, .val = entry_values[round & 1] };

    (void)xen_mmu_update(&req, 1, NULL, DOMID_SELF);
}

static void mmu_update_64(unsigned int round)
{
    unsigned int i;

    for (i = 0; i < ARRAY_SIZE(batch); i++) {
        batch[i].val = entry_values[round & 1];
    }
    (void)xen_mmu_update(batch, ARRAY_SIZE(batch), NULL, DOMID_SELF);
}

static void update_va_mapping(unsigned int round)
{
    (void)xen_update_va_mapping(SCRATCH, entry_values[round & 1], UVMF_NONE);
}

static void update_va_mapping_invlpg(unsigned int round)
{
    (void)xen_update_va_mapping(SCRATCH, entry_values[round & 1], UVMF_INVLPG);
}

static void pte_write_emulated(unsigned int round)
{
    WRITE_ONCE(l1[0], entry_values[round & 1]);
}

static void set_segment_base(unsigned int round)
{
    (void)round;
    (void)xen_set_segment_base(SEGBASE_FS, 0);
}

static void stack_switch(unsigned int round)
{
    (void)round;
    (void)xen_stack_switch(FLAT_KERNEL_SS, vcpu_entry_stack(vcpu_this()));
}

static void multicall_8(unsigned int round)
{
    (void)round;
    (void)xen_multicall(calls, ARRAY_SIZE(calls));
}

static void tlb_flush(unsigned int round)
{
    (void)round;
    (void)mmuext(MMUEXT_TLB_FLUSH_LOCAL, 0);
}

static void fpu_taskswitch(unsigned int round)
{
    (void)round;
    (void)xen_fpu_taskswitch(0);
}

static void forced_cpuid(unsigned int round)
{
    uint32_t a = round & 1, b, c = 0, d;

    __asm__ volatile(XEN_CPUID : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
}

static void read_cr0(unsigned int round)
{
    uint64_t value;

    (void)round;
    __asm__ volatile("mov %%cr0, %0" : "=r"(value));
}

/* The faulting instruction is skipped by the handler: fault, bounce, handler, iret. */
static bool skip_fault(struct trap_regs *regs)
{
    regs->rip += 2;
    return true;
}

static void page_fault(unsigned int round)
{
    (void)round;
    __asm__ volatile(".byte 0x8b, 0x00" : : "a"(0x7f0000000000UL)); /* mov (%rax), %eax */
}

static void undefined_opcode(unsigned int round)
{
    (void)round;
    __asm__ volatile("ud2");
}

/* An iret to the next instruction of the kernel itself. */
static void iret_to_kernel(unsigned int round)
{
    (void)round;
    __asm__ volatile(
        "mov %%rsp, %%rbx\n"
        "push %0\n push %%rbx\n push $0x2\n push %1\n lea 1f(%%rip), %%rax\n push %%rax\n"
        "push $0\n push $0\n push $0\n push $0\n mov %2, %%eax\n syscall\n"
        "1:"
        :
        : "i"(FLAT_KERNEL_SS), "i"(FLAT_KERNEL_CS & ~3), "i"(__HYPERVISOR_iret)
        : "rax", "rbx", "rcx", "r11", "memory");
}

/* A user program that does nothing but call: iret there, system call back. */
USER_PROBE(user_loop, "1: syscall; jmp 1b");

static uint64_t syscall_last, syscall_best;
static unsigned int syscall_rounds;

static bool count_syscall(struct trap_regs *regs)
{
    uint64_t now = rdtsc();

    (void)regs;
    if (syscall_last && now - syscall_last < syscall_best) {
        syscall_best = now - syscall_last;
    }
    syscall_last = now;
    return ++syscall_rounds < ROUNDS;
}

static uint64_t measure(void (*fn)(unsigned int))
{
    uint64_t best = ~0UL, start, took;
    unsigned int round;

    for (round = 0; round < ROUNDS; round++) {
        start = rdtsc();
        fn(round);
        took = rdtsc() - start;
        best = took < best ? took : best;
    }
    return best;
}

static uint64_t overhead;

static void bench(const char *name, void (*fn)(unsigned int))
{
    print("bench: %s %lu\n", name, measure(fn) - overhead);
}

static void set_up(void)
{
    struct evtchn_bind_ipi ipi = { .vcpu = 0 };
    unsigned int i;

    guest_need(xen_vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL));
    guest_need(xen_event_channel_op(EVTCHNOP_bind_ipi, &ipi));
    port = ipi.port;
    for (i = 0; i < ARRAY_SIZE(batch); i++) {
        pt_map(pt_root(), SCRATCH + i * PAGE_SIZE, 0);
        batch[i].ptr = pt_maddr(pt_root(), SCRATCH + i * PAGE_SIZE, 1);
    }
    l1 = pt_entry(pt_root(), SCRATCH, 1);
    entry_maddr = batch[0].ptr;
    entry_values[0] = pte_make(va_to_mfn(page_alloc()), PTE_DATA);
    entry_values[1] = pte_make(va_to_mfn(page_alloc()), PTE_DATA);
    for (i = 0; i < ARRAY_SIZE(calls); i++) {
        calls[i].op = __HYPERVISOR_xen_version;
    }
    guest_need(xen_vm_assist(VMASST_CMD_enable, VMASST_TYPE_writable_pagetables));
    user_init();
}

void guest_main(void)
{
    struct trap_report report;

    set_up();
    overhead = measure(nothing);
    bench("null-hypercall", null_hypercall);
    bench("unknown-hypercall", unknown_hypercall);
    bench("copying-hypercall", copying_hypercall);
    bench("multicall-8", multicall_8);
    bench("event-send-masked", event_send);
    event_clear(port);
    event_unmask(port);
    upcalls_on();
    bench("event-send-delivered", event_send);
    upcalls_off();
    bench("mmu-update-1", mmu_update_1);
    bench("mmu-update-64", mmu_update_64);
    bench("update-va-mapping", update_va_mapping);
    bench("update-va-mapping-invlpg", update_va_mapping_invlpg);
    bench("pte-write-emulated", pte_write_emulated);
    bench("tlb-flush-local", tlb_flush);
    trap_hook(VECTOR_PF, skip_fault);
    trap_hook(VECTOR_UD, skip_fault);
    bench("page-fault-bounce", page_fault);
    bench("invalid-opcode-bounce", undefined_opcode);
    trap_hook(VECTOR_PF, NULL);
    trap_hook(VECTOR_UD, NULL);
    bench("iret-to-kernel", iret_to_kernel);
    trap_hook(VECTOR_SYSCALL, count_syscall);
    syscall_best = ~0UL;
    user_run(user_loop, 0, &report);
    trap_hook(VECTOR_SYSCALL, NULL);
    print("bench: user-syscall-and-iret %lu\n", syscall_best);
    bench("set-segment-base", set_segment_base);
    bench("stack-switch", stack_switch);
    bench("fpu-taskswitch", fpu_taskswitch);
    bench("forced-cpuid", forced_cpuid);
    bench("read-cr0-emulated", read_cr0);
    check(event_count[port] > 0, true, "events-were-delivered");
    check(syscall_rounds, ROUNDS, "system-calls-were-made");
}
