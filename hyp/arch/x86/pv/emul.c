/* The common ground of the emulators. The guest may rewrite its code meanwhile: bytes are read once, and judged as read. */
#include "pv/emul.h"
#include "core/guest.h"
#include "cpu/insn.h"
#include "cpu/msr.h"
#include "layout.h"
#include "pv/guest_access.h"

#define DESC_L (1ULL << 53)
#define DESC_D (1ULL << 54)

/* A descriptor of the guest, as the CPU would read it. 0: none. */
static uint64_t descriptor(uint16_t selector)
{
    struct vcpu *v = current;
    uint64_t at = v->arch.window + (selector & 4 ? VCPU_WINDOW_LDT : 0) + (selector & ~7U), desc;

    if (selector & 4 ? (selector >> 3) >= v->arch.ldt_ents : selector >= SEL_TSS) {
        return 0;
    }
    return guest_get_u64(at, &desc) ? desc : 0;
}

static uint64_t base_of(uint64_t desc)
{
    return (desc >> 16 & 0xffffff) | (desc >> 56) << 24;
}

uint64_t emul_segment_base(const struct cpu_user_regs *regs, unsigned int segment)
{
    uint32_t selector;

    switch (segment) {
    case 4:
        return rdmsr(MSR_FS_BASE);
    case 5:
        return rdmsr(MSR_GS_BASE);
    case 0:
        __asm__ volatile("mov %%es, %0" : "=r"(selector));
        break;
    case 1:
        selector = regs->cs;
        break;
    case 2:
        selector = regs->ss;
        break;
    default:
        __asm__ volatile("mov %%ds, %0" : "=r"(selector));
        break;
    }
    if ((regs->cs | 3) == SEL_GUEST_CODE64 || descriptor(regs->cs) & DESC_L) {
        return 0; /* 64-bit mode ignores them */
    }
    return base_of(descriptor(selector));
}

static enum x86_mode mode_of(const struct cpu_user_regs *regs, uint64_t *base)
{
    uint64_t desc;

    *base = 0;
    if ((regs->cs | 3) == SEL_GUEST_CODE64) {
        return X86_MODE_64;
    }
    desc = descriptor(regs->cs);
    if (desc & DESC_L) {
        return X86_MODE_64;
    }
    *base = base_of(desc);
    return desc & DESC_D ? X86_MODE_32 : X86_MODE_16;
}

unsigned int emul_fetch_bytes(const struct cpu_user_regs *regs, uint8_t *bytes, unsigned int n)
{
    uint64_t base, at;
    enum x86_mode mode = mode_of(regs, &base);

    at = mode == X86_MODE_64 ? regs->rip : (uint32_t)(base + regs->rip);
    /* Mostly all of it lies in one page: two words, the second overlapping the first. */
    if (n == X86_INSN_MAX && guest_address_ok(at)) {
        uint64_t low, high;

        if (guest_get_u64(at, &low) && guest_get_u64(at + X86_INSN_MAX - 8, &high)) {
            __builtin_memcpy(bytes, &low, 8);
            __builtin_memcpy(bytes + X86_INSN_MAX - 8, &high, 8);
            return n;
        }
    }
    while (n && guest_copy_from(bytes, at, n)) {
        n--;
    }
    return n;
}

bool emul_fetch(const struct cpu_user_regs *regs, struct x86_insn *insn)
{
    uint8_t bytes[X86_INSN_MAX];
    uint64_t base;

    return x86_insn_decode(bytes, emul_fetch_bytes(regs, bytes, sizeof(bytes)), mode_of(regs, &base), insn);
}

uint8_t emul_reg_offset(unsigned int n)
{
#define AT(name) offsetof(struct cpu_user_regs, name)
    static const uint8_t at[16] = { AT(rax), AT(rcx), AT(rdx), AT(rbx), AT(rsp), AT(rbp), AT(rsi), AT(rdi),
                                    AT(r8),  AT(r9),  AT(r10), AT(r11), AT(r12), AT(r13), AT(r14), AT(r15) };
#undef AT

    return at[n & 15];
}

uint64_t *emul_reg(struct cpu_user_regs *regs, unsigned int n)
{
    return (uint64_t *)((char *)regs + emul_reg_offset(n));
}

/* Without REX, byte registers 4 to 7 are ah, ch, dh, bh. */
static bool is_high_byte(const struct x86_insn *insn, unsigned int n, unsigned int bytes)
{
    return bytes == 1 && !insn->rex && n >= 4 && n < 8;
}

uint64_t emul_reg_read(struct cpu_user_regs *regs, const struct x86_insn *insn, unsigned int n, unsigned int bytes)
{
    uint64_t v;

    if (is_high_byte(insn, n, bytes)) {
        return *emul_reg(regs, n - 4) >> 8 & 0xff;
    }
    v = *emul_reg(regs, n);
    return bytes == 8 ? v : v & ((1ULL << (8 * bytes)) - 1);
}

void emul_reg_write(struct cpu_user_regs *regs, const struct x86_insn *insn, unsigned int n, unsigned int bytes, uint64_t v)
{
    uint64_t mask = bytes == 8 ? ~0ULL : (1ULL << (8 * bytes)) - 1;
    uint64_t *r;

    if (is_high_byte(insn, n, bytes)) {
        r = emul_reg(regs, n - 4);
        *r = (*r & ~0xff00ULL) | (v & 0xff) << 8;
        return;
    }
    r = emul_reg(regs, n);
    *r = bytes >= 4 ? v & mask : (*r & ~mask) | (v & mask); /* 32-bit results clear the upper half */
}

uint64_t emul_address(struct cpu_user_regs *regs, const struct x86_insn *insn)
{
    uint64_t a = (uint64_t)insn->displacement;
    unsigned int segment = insn->segment;

    if (insn->base == X86_RIP) {
        a += regs->rip + insn->length;
    } else if (insn->base != X86_NO_REG) {
        a += *emul_reg(regs, insn->base);
    }
    if (insn->index != X86_NO_REG) {
        a += *emul_reg(regs, insn->index) << insn->scale;
    }
    if (insn->address_size < 8) {
        a &= (1ULL << (8 * insn->address_size)) - 1;
    }
    if (segment == X86_NO_REG) {
        segment = insn->base == 4 || insn->base == 5 ? 2 : 3;
    }
    return a + emul_segment_base(regs, segment);
}

void emul_done(struct cpu_user_regs *regs, const struct x86_insn *insn)
{
    regs->rip += insn->length;
    regs->rflags &= ~RFLAGS_RF;
    regs->entry_vector = 0;
}

bool emul_rmw_compute(const struct cpu_user_regs *regs, const struct x86_insn *insn, uint64_t old, struct x86_rmw *w)
{
    const uint64_t gprs[X86_NR_REGS] = {
        regs->rax, regs->rcx, regs->rdx, regs->rbx, regs->rsp, regs->rbp, regs->rsi, regs->rdi,
        regs->r8,  regs->r9,  regs->r10, regs->r11, regs->r12, regs->r13, regs->r14, regs->r15,
    };

    return x86_rmw_compute(insn, gprs, regs->rflags, old, w);
}

bool emul_rmw_names(struct cpu_user_regs *regs, const struct x86_insn *insn, uint64_t va)
{
    switch (x86_rmw_place(insn)) {
    case X86_RMW_MODRM:
        return emul_address(regs, insn) == va;
    case X86_RMW_RDI:
        return regs->rdi == va;
    case X86_RMW_BELOW_RSP:
        return regs->rsp - x86_rmw_size(insn) == va;
    default:
        return false;
    }
}

void emul_rmw_apply(struct cpu_user_regs *regs, const struct x86_insn *insn, const struct x86_rmw *w)
{
    uint64_t rip = regs->rip;

    regs->rflags = w->rflags;
    for (unsigned int i = 0; i < w->nr_regs; i++) {
        *emul_reg(regs, w->regs[i].number) = w->regs[i].value;
    }
    emul_done(regs, insn);
    if (w->again) {
        regs->rip = rip;
    }
}
