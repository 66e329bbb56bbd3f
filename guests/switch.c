/* switch.c: two vCPUs on one CPU. What belongs to a vCPU must be there again when it comes back:
 * FPU and vector registers, segment bases and selectors, debug registers, the user page table. */
#include "lib/guest.h"

#define ROUNDS 200

/* rdi -> 16 xmm registers, 16 bytes each, then the x87 control word and MXCSR */
struct vectors {
    uint64_t xmm[16][2];
    uint16_t control, pad;
    uint32_t mxcsr;
};

#define XMM(n) "16*" #n "(%rdi)"
PROBE(vectors_load,
      "fninit; fldcw 256(%rdi); fldpi; ldmxcsr 260(%rdi);"
      "movups " XMM(0) ", %xmm0; movups " XMM(1) ", %xmm1; movups " XMM(
          2) ", %xmm2;"
             "movups " XMM(7) ", %xmm7; movups " XMM(8) ", %xmm8; movups " XMM(15) ", %xmm15");
PROBE(vectors_store,
      "fnstcw 256(%rdi); stmxcsr 260(%rdi);"
      "movups %xmm0, " XMM(0) "; movups %xmm1, " XMM(1) "; movups %xmm2, " XMM(
          2) ";"
             "movups %xmm7, " XMM(7) "; movups %xmm8, " XMM(8) "; movups %xmm15, " XMM(15));
PROBE(store_control, "fnstcw 256(%rdi); stmxcsr 260(%rdi)");

static const unsigned int used[] = { 0, 1, 2, 7, 8, 15 };

struct counts {
    unsigned int vectors, control, fs_base, gs_base, user_gs_base, dr0, dr7, rounds;
};

static struct counts counts[2];
static volatile bool ready, stop;

static void fill(struct vectors *v, uint64_t seed)
{
    unsigned int i;

    for (i = 0; i < 16; i++) {
        v->xmm[i][0] = seed * (i + 1);
        v->xmm[i][1] = ~seed * (i + 1);
    }
    v->control = 0x37f ^ (seed & 0x3f);
    v->mxcsr = 0x1f80 ^ (seed & 1) << 15;
}

static uint64_t read_msr(uint32_t number)
{
    uint32_t lo, hi;

    __asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(number));
    return (uint64_t)hi << 32 | lo;
}

/* Set everything, give the CPU away, look whether it is all still there. */
static void live(void *arg)
{
    struct vectors mine, now;
    unsigned int id = vcpu_this()->id, i;
    struct counts *c = &counts[id];
    uint64_t seed = id ? 0x1234567890abcdef : 0x0fedcba987654321;

    (void)arg;
    fill(&mine, seed);
    guest_need(xen_set_segment_base(SEGBASE_FS, 0x1000 + id));
    guest_need(xen_set_segment_base(SEGBASE_GS_KERNEL, 0x2000 + id));
    guest_need(xen_set_segment_base(SEGBASE_GS_USER, 0x3000 + id));
    guest_need(xen_set_debugreg(0, (unsigned long)image_start + id));
    guest_need(xen_set_debugreg(7, id ? 0x404 : 0x401));
    ready = id == 1 || ready;
    while (id ? !stop : c->rounds < ROUNDS) {
        vectors_load(&mine);
        (void)xen_sched_op(SCHEDOP_yield, NULL);
        now = mine;
        vectors_store(&now);
        for (i = 0; i < ARRAY_SIZE(used); i++) {
            c->vectors += memcmp(now.xmm[used[i]], mine.xmm[used[i]], 16) != 0;
        }
        c->control += now.control != mine.control || now.mxcsr != mine.mxcsr;
        c->fs_base += read_msr(0xc0000100) != 0x1000 + id;
        c->gs_base += read_msr(0xc0000101) != 0x2000 + id;
        c->user_gs_base += read_msr(0xc0000102) != 0x3000 + id;
        c->dr0 += xen_get_debugreg(0) != (unsigned long)image_start + id;
        c->dr7 += (xen_get_debugreg(7) & 0xff) != (id ? 4U : 1U);
        c->rounds++;
    }
    guest_need(xen_set_debugreg(7, 0));
}

static void check_state(void)
{
    unsigned int id;

    vcpu_start(1, live, NULL);
    while (!ready) {
        (void)xen_sched_op(SCHEDOP_yield, NULL);
    }
    live(NULL);
    stop = true;
    vcpu_wait(1);
    for (id = 0; id < 2; id++) {
        check(counts[id].rounds > 10, true, "vcpu-%u-ran", id);
        check(counts[id].vectors, 0, "vcpu-%u-vectors", id);
        check(counts[id].control, 0, "vcpu-%u-fpu-control", id);
        check(counts[id].fs_base, 0, "vcpu-%u-fs-base", id);
        check(counts[id].gs_base, 0, "vcpu-%u-gs-base", id);
        check(counts[id].user_gs_base, 0, "vcpu-%u-user-gs-base", id);
        check(counts[id].dr0, 0, "vcpu-%u-dr0", id);
        check(counts[id].dr7, 0, "vcpu-%u-dr7", id);
    }
}

static void show_fpu(void *arg)
{
    store_control(arg);
}

static void check_fresh_fpu(void)
{
    struct vectors v = { 0 };

    store_control(&v);
    result_text("boot-fpu control %x mxcsr %x", v.control, v.mxcsr);
    vcpu_start(1, show_fpu, &v);
    vcpu_wait(1);
    result_text("second-vcpu-fpu control %x mxcsr %x", v.control, v.mxcsr);
}

/* A selector whose descriptor has gone since: it cannot be loaded when the vCPU comes back, and the
 * failsafe callback says so. */
#define DATA_DPL3 0x00cff3000000ffffUL

static volatile unsigned int failsafes;

static bool on_failsafe(struct trap_regs *regs)
{
    (void)regs;
    failsafes++;
    return true;
}

static void spin(void *arg)
{
    (void)arg;
    while (!stop) {
        (void)xen_sched_op(SCHEDOP_yield, NULL);
    }
}

static void check_failsafe(void)
{
    uint64_t *gdt = page_alloc();
    xen_pfn_t frame = va_to_mfn(gdt);
    unsigned int i, selector;

    gdt[1] = DATA_DPL3;
    page_readonly(gdt);
    guest_need(xen_set_gdt(&frame, 512));
    trap_hook(VECTOR_FAILSAFE, on_failsafe);
    stop = false;
    vcpu_start(1, spin, NULL);
    __asm__ volatile("mov %0, %%fs" : : "r"(0x0b));
    for (i = 0; i < 20; i++) {
        (void)xen_sched_op(SCHEDOP_yield, NULL);
    }
    __asm__ volatile("mov %%fs, %0" : "=r"(selector));
    check(selector, 0x0b, "good-selector-kept");
    check(failsafes, 0, "good-selector-no-failsafe");
    guest_need(xen_update_descriptor(va_to_maddr(&gdt[1]), 0));
    for (i = 0; i < 20 && !failsafes; i++) {
        (void)xen_sched_op(SCHEDOP_yield, NULL);
    }
    __asm__ volatile("mov %%fs, %0" : "=r"(selector));
    check(failsafes, 1, "bad-selector-failsafe");
    check(selector, 0, "bad-selector-became-null");
    stop = true;
    vcpu_wait(1);
    trap_hook(VECTOR_FAILSAFE, NULL);
}

USER_PROBE(user_read, "mov (%rdi), %r12");
static USER_DATA volatile uint64_t user_word = 0x77;

static void check_user_root(void)
{
    struct trap_report report;
    unsigned int i, bad = 0;

    stop = false;
    vcpu_start(1, spin, NULL);
    for (i = 0; i < 50; i++) {
        user_word = i;
        (void)xen_sched_op(SCHEDOP_yield, NULL);
        user_run(user_read, USER_ADDRESS(&user_word), &report);
        bad += report.vector != VECTOR_SYSCALL || report.regs.r12 != i;
    }
    check(bad, 0, "user-root-kept");
    stop = true;
    vcpu_wait(1);
}

void guest_main(void)
{
    user_init();
    check_fresh_fpu();
    check_state();
    check_user_root();
    check_failsafe();
}
