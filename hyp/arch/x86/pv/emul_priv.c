/*
 * Privileged instructions of PV guests, which run in ring 3 and fault: #GP brings them here. Each does what it would do in
 * ring 0 of the machine that the guest sees, or is refused and the #GP goes to the guest. Also `int n`, and CPUID behind
 * the prefix by which a guest asks for emulation (public/arch-x86/xen.h, XEN_EMULATE_PREFIX).
 */
#include <lodge/errno.h>
#include <lodge/string.h>
#include "core/guest.h"
#include "core/log.h"
#include "core/softirq.h"
#include "cpu/features.h"
#include "cpu/fpu.h"
#include "cpu/insn.h"
#include "cpu/msr.h"
#include "platform/ports.h"
#include "pv/bounce.h"
#include "pv/context_ops.h"
#include "pv/emul.h"
#include "pv/pv.h"
#include "pv/pv_mm.h"

#define TRAP_DB 1
#define TRAP_BP 3
#define TRAP_OF 4
#define TRAP_UD 6
#define DR6_BS  0x4000UL

/* The guest's kernel counts as ring 1, its user as ring 3. */
static bool iopl_allows(const struct vcpu *v)
{
    return v->arch.iopl >= (v->arch.kernel_mode ? 1 : 3);
}

/* PHYSDEVOP_set_iobitmap: one bit a port, clear where the guest's user may use it. It lies in the kernel's memory. */
static bool bitmap_allows(struct vcpu *v, unsigned int port, unsigned int bytes)
{
    uint16_t bits = 0xffff;
    uint64_t cr3 = read_cr3();
    int rc;

    if (!v->arch.iobmp_gva || port + bytes > v->arch.iobmp_limit) {
        return false;
    }
    if (!v->arch.kernel_mode) {
        write_cr3(v->arch.cr3_kernel);
    }
    rc = guest_copy_from(&bits, v->arch.iobmp_gva + port / 8, port / 8 + 1 < DIV_ROUND_UP(v->arch.iobmp_limit, 8) ? 2 : 1);
    if (!v->arch.kernel_mode) {
        write_cr3(cr3);
    }
    return !rc && !(bits >> (port % 8) & ((1U << bytes) - 1));
}

static bool io_allowed(struct vcpu *v, unsigned int port, unsigned int bytes)
{
    return iopl_allows(v) || bitmap_allows(v, port, bytes);
}

static bool port_io(struct vcpu *v, struct cpu_user_regs *regs, const struct x86_insn *insn)
{
    unsigned int bytes = insn->opcode & 1 ? MIN(insn->operand_size, (uint8_t)4) : 1;
    unsigned int port = insn->opcode < 0xe8 ? insn->immediate & 0xff : regs->dx;

    if (!io_allowed(v, port, bytes)) {
        return false;
    }
    if (insn->opcode & 2) {
        guest_io_write(v, port, bytes, emul_reg_read(regs, insn, 0, bytes == 1 ? 2 : bytes) & (bytes == 4 ? ~0U : (1U << 8 * bytes) - 1));
    } else if (bytes == 1) {
        regs->al = guest_io_read(v, port, 1);
    } else {
        emul_reg_write(regs, insn, 0, bytes, guest_io_read(v, port, bytes));
    }
    return true;
}

static void advance(uint64_t *reg, unsigned int address_size, int64_t step)
{
    if (address_size == 8) {
        *reg += (uint64_t)step;
    } else if (address_size == 4) {
        *reg = (uint32_t)(*reg + (uint64_t)step);
    } else {
        *reg = (*reg & ~0xffffULL) | ((*reg + (uint64_t)step) & 0xffff);
    }
}

static uint64_t masked(uint64_t v, unsigned int address_size)
{
    return address_size == 8 ? v : v & ((1ULL << (8 * address_size)) - 1);
}

/* INS and OUTS: an element at a time, so that an interrupted one is continued by executing it again. 1: all done. */
static int string_io(struct vcpu *v, struct cpu_user_regs *regs, const struct x86_insn *insn)
{
    unsigned int bytes = insn->opcode & 1 ? MIN(insn->operand_size, (uint8_t)4) : 1;
    bool out = insn->opcode & 2, repeat = insn->rep || insn->repne;
    int64_t step = regs->rflags & RFLAGS_DF ? -(int64_t)bytes : bytes;
    unsigned int segment = out ? (insn->segment == X86_NO_REG ? 3 : insn->segment) : 0;
    uint64_t *index = out ? &regs->rsi : &regs->rdi;
    uint64_t base = emul_segment_base(regs, segment);

    if (!io_allowed(v, regs->dx, bytes)) {
        return 0;
    }
    while (!repeat || masked(regs->rcx, insn->address_size)) {
        uint64_t at = base + masked(*index, insn->address_size);
        uint32_t value = 0;

        if (out) {
            if (guest_copy_from(&value, at, bytes)) {
                pv_inject_page_fault(at, 0);
                return -EFAULT;
            }
            guest_io_write(v, regs->dx, bytes, value);
        } else {
            value = guest_io_read(v, regs->dx, bytes);
            if (guest_copy_to(at, &value, bytes)) {
                pv_inject_page_fault(at, PFEC_WRITE);
                return -EFAULT;
            }
        }
        advance(index, insn->address_size, step);
        if (!repeat) {
            break;
        }
        advance(&regs->rcx, insn->address_size, -1);
        if (preempt_requested() && masked(regs->rcx, insn->address_size)) {
            return -ERESTART; /* rip still names it */
        }
    }
    return 1;
}

static bool read_cr(struct vcpu *v, unsigned int cr, uint64_t *value)
{
    switch (cr) {
    case 0:
        *value = v->arch.cr0_guest;
        return true;
    case 2:
        *value = v->arch.cr2_fault;
        return true;
    case 3:
        *value = v->arch.cr3_kernel;
        return true;
    case 4:
        *value = v->arch.cr4_guest;
        return true;
    default:
        return false;
    }
}

static bool write_cr(struct vcpu *v, unsigned int cr, uint64_t value)
{
    switch (cr) {
    case 0:
        if ((value ^ v->arch.cr0_guest) & ~CR0_TS) {
            return false; /* only TS is the guest's */
        }
        v->arch.cr0_guest = value;
        write_cr0(value & CR0_TS ? read_cr0() | CR0_TS : read_cr0() & ~CR0_TS);
        return true;
    case 2:
        v->arch.cr2_fault = value;
        v->info->arch.cr2 = value;
        return true;
    case 3:
        return pv_set_kernel_root(v, MFN(value >> PAGE_SHIFT)) == 0;
    case 4:
        pv_cr4_set(v, value);
        return true;
    default:
        return false;
    }
}

/* XCR0 grows: what the registers of a new component hold is not this guest's. */
static bool xsetbv(struct vcpu *v, uint32_t index, uint64_t value)
{
    if (index || !fpu_xcr0_valid(value)) {
        return false;
    }
    if (v->arch.cr0_guest & CR0_TS) {
        __asm__ volatile("clts");
    }
    fpu_save(v->arch.fpu);
    v->arch.xcr0 = value;
    fpu_set_xcr0(value);
    fpu_restore(v->arch.fpu);
    if (v->arch.cr0_guest & CR0_TS) {
        write_cr0(read_cr0() | CR0_TS);
    }
    return true;
}

static bool is_xsetbv(const struct x86_insn *insn)
{
    return insn->map == 1 && insn->opcode == 0x01 && insn->mod == 3 && insn->reg == 2 && (insn->rm & 7) == 1;
}

static bool two_byte(struct vcpu *v, struct cpu_user_regs *regs, const struct x86_insn *insn)
{
    uint64_t value;

    switch (insn->opcode) {
    case 0x01: /* XSETBV; the rest of the group is not for guests */
        return is_xsetbv(insn) && xsetbv(v, regs->ecx, (uint64_t)regs->edx << 32 | regs->eax);
    case 0x06: /* CLTS */
        v->arch.cr0_guest &= ~CR0_TS;
        __asm__ volatile("clts");
        return true;
    case 0x09: /* WBINVD; INVD would lose what others wrote */
        if (v->domain->arch.may_cache) {
            wbinvd();
        }
        return true;
    case 0x20: /* MOV reg, CRn */
        if (!read_cr(v, insn->reg, &value)) {
            return false;
        }
        *emul_reg(regs, (insn->rm & 7) | (insn->rex & 1 ? 8 : 0)) = value;
        return true;
    case 0x21: /* MOV reg, DRn */
        if (pv_debugreg_get(v, insn->reg, &value)) {
            return false;
        }
        *emul_reg(regs, (insn->rm & 7) | (insn->rex & 1 ? 8 : 0)) = value;
        return true;
    case 0x22: /* MOV CRn, reg */
        return write_cr(v, insn->reg, *emul_reg(regs, (insn->rm & 7) | (insn->rex & 1 ? 8 : 0)));
    case 0x23: /* MOV DRn, reg */
        return pv_debugreg_set(v, insn->reg, *emul_reg(regs, (insn->rm & 7) | (insn->rex & 1 ? 8 : 0))) == 0;
    case 0x30: /* WRMSR */
        return pv_wrmsr(v, regs->ecx, (uint64_t)regs->edx << 32 | regs->eax);
    case 0x31: /* RDTSC, when the guest set CR4.TSD */
        if (!v->arch.kernel_mode) {
            return false;
        }
        value = rdtsc();
        regs->rax = (uint32_t)value;
        regs->rdx = value >> 32;
        return true;
    case 0x32: /* RDMSR */
        if (!pv_rdmsr(v, regs->ecx, &value)) {
            return false;
        }
        regs->rax = (uint32_t)value;
        regs->rdx = value >> 32;
        return true;
    case 0xa2: /* CPUID, where the CPU can be told to fault on it */
        pv_cpuid(v, regs);
        return true;
    default:
        return false;
    }
}

/* After an emulated instruction a single-stepping guest gets its trap, as after any other. */
static void finish(struct cpu_user_regs *regs, const struct x86_insn *insn, bool stepping)
{
    emul_done(regs, insn);
    if (stepping) {
        current->arch.dr[6] |= DR6_BS;
        pv_inject_trap(TRAP_DB, 0);
    }
}

bool pv_emulate_privileged(struct cpu_user_regs *regs)
{
    bool stepping = regs->rflags & RFLAGS_TF;
    struct vcpu *v = current;
    struct x86_insn insn;
    int done = 0;

    if (!emul_fetch(regs, &insn) || insn.lock) {
        return false;
    }
    if (is_xsetbv(&insn) && !(v->arch.cr4_guest & CR4_OSXSAVE)) {
        pv_inject_trap(TRAP_UD, 0); /* the CPU has it enabled, the guest has not */
        return true;
    }
    if (insn.map == 1) {
        /* A guest's user may only do what does not need the kernel's privilege. */
        done = (v->arch.kernel_mode || insn.opcode == 0xa2) && two_byte(v, regs, &insn);
    } else {
        switch (insn.opcode) {
        case 0x6c ... 0x6f:
            done = string_io(v, regs, &insn);
            break;
        case 0xe4 ... 0xe7:
        case 0xec ... 0xef:
            done = port_io(v, regs, &insn);
            break;
        case 0xfa: /* CLI, STI: the guest masks events, not interrupts */
        case 0xfb:
            done = iopl_allows(v);
            break;
        }
    }
    if (done > 0) {
        finish(regs, &insn, stepping);
    }
    return done != 0;
}

bool pv_emulate_forced_cpuid(struct cpu_user_regs *regs)
{
    static const uint8_t wanted[] = { 0x0f, 0x0b, 'x', 'e', 'n', 0x0f, 0xa2 };
    const struct x86_insn insn = { .length = sizeof(wanted) };
    bool stepping = regs->rflags & RFLAGS_TF;
    uint8_t bytes[sizeof(wanted)];

    if (emul_fetch_bytes(regs, bytes, sizeof(bytes)) != sizeof(bytes) || memcmp(bytes, wanted, sizeof(bytes))) {
        return false;
    }
    pv_cpuid(current, regs);
    finish(regs, &insn, stepping);
    return true;
}

bool pv_emulate_int(struct cpu_user_regs *regs)
{
    struct vcpu *v = current;
    unsigned int vector, n;
    uint8_t bytes[X86_INSN_MAX];
    unsigned int have = emul_fetch_bytes(regs, bytes, sizeof(bytes));

    for (n = 0; n < have; n++) { /* prefixes that change nothing */
        uint8_t b = bytes[n];

        if (b != 0x66 && b != 0x67 && b != 0xf2 && b != 0xf3 && b != 0x2e && b != 0x36 && b != 0x3e && b != 0x26 &&
            b != 0x64 && b != 0x65 && !((b & 0xf0) == 0x40 && (regs->cs | 3) == SEL_GUEST_CODE64)) {
            break;
        }
    }
    if (n + 2 > have || bytes[n] != 0xcd) {
        return false;
    }
    vector = bytes[n + 1];
    /* A gate that the mode may not use by software: #GP that names it. */
    if (TI_GET_DPL(&v->arch.traps[vector]) < (v->arch.kernel_mode ? 1 : 3)) {
        pv_inject_trap(13, vector << 3 | 2);
        return true;
    }
    regs->rip += n + 2;
    pv_inject_software(vector);
    return true;
}
