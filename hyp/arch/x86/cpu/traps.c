/* Exceptions: a guest's are emulated or reflected into it, the hypervisor's own are mended by a fixup or fatal. */
#include <lodge/errno.h>
#include "core/domain.h"
#include "core/log.h"
#include "core/softirq.h"
#include "cpu/dump.h"
#include "cpu/extable.h"
#include "cpu/insn.h"
#include "cpu/msr.h"
#include "cpu/smp.h"
#include "entry.h"
#include "platform/watchdog.h"
#include "pv/bounce.h"
#include "pv/guest_access.h"
#include "pv/pv.h"
#include "pv/trace.h"

enum trap_vector {
    TRAP_DE = 0, TRAP_DB, TRAP_NMI, TRAP_BP, TRAP_OF, TRAP_BR, TRAP_UD, TRAP_NM, TRAP_DF,
    TRAP_TS = 10, TRAP_NP, TRAP_SS, TRAP_GP, TRAP_PF, TRAP_MF = 16, TRAP_AC, TRAP_MC, TRAP_XM,
};

#define NR_EXCEPTIONS  32U
#define ERROR_CODE_IDT 2U /* selector error codes: the index is an IDT vector */
#define DR6_DEFAULT    0xffff0ff0UL
#define DR6_STATUS     0x0000e00fUL
#define VECTOR_INT80   0x80
#define INT_LENGTH     2 /* cd 80 */

static void hypervisor_trap(struct cpu_user_regs *regs, unsigned int vector)
{
    uint64_t fixup;

    if (vector == TRAP_DB) { /* a guest's breakpoint on data that we read for it: it will not miss it */
        __asm__ volatile("mov %0, %%dr6" ::"r"(DR6_DEFAULT));
        return;
    }
    fixup = extable_search(regs->rip);
    if (fixup) {
        perfc_incr(exceptions_mended);
        cpu_info()->fault_vector = vector;
        cpu_info()->fault_error = regs->error_code;
        regs->rip = fixup;
        return;
    }
    if (vector == TRAP_PF && current->domain->is_pv && !current->is_idle) {
        /* The CPU reads descriptors for us too: when we load a segment, or return to one. */
        uint64_t offset = read_cr2() - (current->arch.window + VCPU_WINDOW_LDT);

        if (offset < VCPU_WINDOW_LDT && pv_ldt_fault(current, offset)) {
            return;
        }
    }
    fatal_trap(regs);
}

/* The guest touched an address in the hole: the CPU on its behalf (LDT), or itself. */
static bool fault_in_hole(struct vcpu *v, uint64_t address)
{
    uint64_t offset = address - (v->arch.window + VCPU_WINDOW_LDT);

    if (offset >= VCPU_WINDOW_LDT || !pv_ldt_fault(v, offset)) {
        return false;
    }
    TRACE(TRC_PV_GDT_LDT_MAPPING_FAULT | TRC_64_FLAG, TRACE_U64(guest_regs()->rip), TRACE_U64(offset));
    return true;
}

static void page_fault(struct vcpu *v, struct cpu_user_regs *regs, uint64_t address)
{
    uint32_t error = regs->error_code;

    perfc_vcpu_incr_at(v, exceptions, TRAP_PF);
    if (unlikely((address >> 43) == HOLE_TOP_BITS)) {
        if (fault_in_hole(v, address)) {
            return;
        }
        if (address >= M2P_START + M2P_SIZE) {
            error &= ~PFEC_PRESENT; /* nothing that a guest need know is there */
        }
    } else if (v->arch.kernel_mode &&
               (error & (PFEC_PRESENT | PFEC_WRITE | PFEC_RESERVED)) == (PFEC_PRESENT | PFEC_WRITE) &&
               pv_emulate_pt_write(v, address, regs)) {
        return;
    }
    pv_inject_page_fault(address, error);
}

static void general_protection(struct vcpu *v, struct cpu_user_regs *regs)
{
    uint32_t error = regs->error_code;

    /*
     * `int n` through a gate of ours has an error code that names the vector; an emulator is known that leaves it 0. So
     * the instruction decides, not the code alone.
     */
    if (((error & ERROR_CODE_IDT) || !error) && pv_emulate_int(regs)) {
        return;
    }
    if (!error && pv_emulate_privileged(regs)) {
        perfc_vcpu_incr(v, privileged_emulations);
        TRACE_PV(address, TRC_PV_EMULATE_PRIVOP, regs->rip);
        return;
    }
    pv_inject_trap(TRAP_GP, error);
}

static void debug_trap(struct vcpu *v)
{
    uint64_t dr6;

    __asm__ volatile("mov %%dr6, %0" : "=r"(dr6));
    __asm__ volatile("mov %0, %%dr6" ::"r"(DR6_DEFAULT));
    v->arch.dr[6] |= dr6 & DR6_STATUS; /* sticky, as the CPU's: the guest clears it */
    pv_inject_trap(TRAP_DB, 0);
}

static void device_not_available(struct vcpu *v)
{
    /* CR0.TS is the guest's own while it runs (fpu_taskswitch). */
    v->arch.cr0_guest &= ~CR0_TS;
    __asm__ volatile("clts");
    pv_inject_trap(TRAP_NM, 0);
}

/*
 * The chipset reports memory and bus errors by NMI, and says which in port 61h. Nothing here may take a lock: it interrupted
 * whatever there was. Domain 0 has the drivers that know more, and a watchdog may have asked for it.
 */
static void nmi_handle(const struct cpu_user_regs *regs)
{
    smp_stop_check();
    if (!watchdog_nmi(regs)) {
        softirq_raise(SOFTIRQ_ARCH);
    }
}

static void nmi_to_dom0(void)
{
    if (dom0 && dom0->vcpus[0]->initialised) {
        log_warning("NMI of unknown origin on CPU %u: passed on to domain 0", arch_cpu_id());
        vcpu_arch_send_nmi(dom0->vcpus[0]);
    } else {
        log_warning("NMI of unknown origin on CPU %u", arch_cpu_id());
    }
}

void traps_init(void)
{
    extable_init();
    softirq_register(SOFTIRQ_ARCH, nmi_to_dom0);
}

static void int80(struct vcpu *v, struct cpu_user_regs *regs)
{
    if (TI_GET_DPL(&v->arch.traps[VECTOR_INT80]) >= (v->arch.kernel_mode ? 1 : 3)) {
        pv_inject_software(VECTOR_INT80);
    } else {
        regs->rip -= INT_LENGTH;
        pv_inject_trap(TRAP_GP, VECTOR_INT80 << 3 | ERROR_CODE_IDT);
    }
}

static void guest_trap(struct cpu_user_regs *regs, unsigned int vector)
{
    struct vcpu *v = current;

    arch_irq_enable();
    if (vector < NR_EXCEPTIONS) {
        perfc_vcpu_incr_at(v, exceptions, vector);
    }
    switch (vector) {
    case TRAP_GP:
        general_protection(v, regs);
        break;
    case TRAP_UD:
        if (pv_emulate_forced_cpuid(regs)) {
            perfc_vcpu_incr(v, forced_cpuids);
            TRACE_PV(address, TRC_PV_FORCED_INVALID_OP, regs->rip);
        } else {
            pv_inject_trap(vector, 0);
        }
        break;
    case TRAP_DB:
        debug_trap(v);
        break;
    case TRAP_NM:
        device_not_available(v);
        break;
    case VECTOR_INT80: /* the one software interrupt that needs no decoding: 32-bit system calls of old */
        int80(v, regs);
        break;
    default:
        pv_inject_trap(vector, regs->error_code);
        break;
    }
}

void trap_handle(struct cpu_user_regs *regs)
{
    unsigned int vector = regs->entry_vector & 0xff;

    if (likely(vector == TRAP_PF && regs_from_guest(regs))) { /* the commonest by far */
        uint64_t address = read_cr2(); /* before another fault can overwrite it */

        arch_irq_enable();
        page_fault(current, regs, address);
        return;
    }
    switch (vector) {
    case TRAP_NMI:
        nmi_handle(regs);
        return;
    case TRAP_MC:
    case TRAP_DF:
        fatal_trap(regs);
    }
    if (regs_from_guest(regs)) {
        guest_trap(regs, vector);
    } else {
        hypervisor_trap(regs, vector);
    }
}
