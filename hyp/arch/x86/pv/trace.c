/*
 * Trace records of what PV guests do (public/trace.h, TRC_PV_*), and the way there. The assembly paths of
 * entry.S have no place for records, nor a test for them. While records are wanted, each vCPU says
 * `traced` in a byte that they look at anyway, together with its neighbour, and then leave to C; and
 * hypercalls are called through a second table.
 */
#include "pv/trace.h"
#include <lodge/range.h>
#include "core/frame.h"
#include "core/hypercall.h"
#include "mm/page.h"
#include "pv/bounce.h"
#include "pv/pv.h"

#define TRAPNR_HAS_ERROR_CODE 0x8000
#define NO_ERROR_CODE         0xffff

static long hypercall_traced(uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5)
{
    const uint64_t args[] = { a1, a2, a3, a4, a5 };
    uint32_t nr = (uint32_t)index_nospec(guest_regs()->rax, NR_HYPERCALLS);

    trace_hypercall(TRC_PV_HYPERCALL_V2, nr, args);
    return hypercall_table[nr](a1, a2, a3, a4, a5);
}

static const hypercall_fn traced_table[NR_HYPERCALLS] = {
    [0 ... NR_HYPERCALLS - 1] = hypercall_traced,
};

const hypercall_fn *hypercall_dispatch READ_MOSTLY = hypercall_table;
static bool routed;

/* Under the control gate, as vCPUs are made. */
void trace_arch_route(bool on)
{
    struct vcpu *v;
    unsigned int i;

    if (on == routed) {
        return;
    }
    routed = on;
    __atomic_store_n(&hypercall_dispatch, on ? traced_table : hypercall_table, __ATOMIC_RELAXED);
    domain_list_lock();
    for (struct domain *d = domain_first(); d; d = d->next_in_list) {
        domain_for_each_vcpu(d, v, i) {
            __atomic_store_n(&v->arch.traced, on, __ATOMIC_RELAXED);
        }
    }
    domain_list_unlock();
}

bool trace_arch_routed(void)
{
    return routed;
}

void trace_pv_trap_write(unsigned int vector, bool has_error_code, uint32_t error_code)
{
    TRACE(TRC_PV_TRAP | TRC_64_FLAG, TRACE_U64(guest_regs()->rip),
          has_error_code ? TRACE_U16(vector | TRAPNR_HAS_ERROR_CODE, (uint16_t)error_code)
                         : TRACE_U16(vector, NO_ERROR_CODE));
}

void trace_pv_page_fault(uint64_t address, uint32_t error_code)
{
    error_code = current->arch.kernel_mode ? error_code & ~PFEC_USER : error_code | PFEC_USER;
    TRACE(TRC_PV_PAGE_FAULT | TRC_64_FLAG, TRACE_U64(guest_regs()->rip), TRACE_U64(address), error_code);
}

void trace_pv_ptwr_write(const struct frame *table, uint64_t va, uint64_t rip)
{
    const uint64_t *entries = arch_map_frame(frame_mfn(table));
    uint64_t pte = __atomic_load_n(&entries[(va & ~PAGE_MASK) / sizeof(pte)], __ATOMIC_RELAXED);

    TRACE(TRC_PV_PTWR_EMULATION | TRC_64_FLAG, TRACE_U64(pte), TRACE_U64(va), TRACE_U64(rip));
}

void trace_pv_address_write(uint32_t event, uint64_t address)
{
    TRACE(event | TRC_64_FLAG, TRACE_U64(address));
}
