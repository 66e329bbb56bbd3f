/* What a report of a guest's fault shows of its stack: words, and nothing that could fault us. */
#include "core/guest.h"
#include "core/log.h"
#include "mm/page.h"
#include "pv/guest_access.h"
#include "pv/pt_update.h"
#include "pv/pv.h"

#define STACK_WORDS 24
#define WORDS_A_LINE 4

/* One word of the vCPU's memory, through its page tables rather than this CPU's. */
static bool word_read(struct vcpu *v, uint64_t va, uint64_t *word)
{
    unsigned int index;
    struct frame *l1;
    uint64_t pte;

    if (!address_canonical(va) || va & 7 ||
        mfn_eq(v->arch.kernel_mode ? v->arch.l4_kernel : v->arch.l4_user, MFN_INVALID)) {
        return false;
    }
    l1 = pt_find_l1(v, va, &index);
    if (!l1) {
        return false;
    }
    pte = __atomic_load_n((uint64_t *)arch_map_frame(frame_mfn(l1)) + index, __ATOMIC_RELAXED);
    frame_put(l1);
    if (!(pte & PTE_P) || !frame_valid(pte_mfn(pte)) || !frame_get(frame_of(pte_mfn(pte)), v->domain)) {
        return false;
    }
    *word = *(volatile uint64_t *)((char *)arch_map_frame(pte_mfn(pte)) + (va & ~PAGE_MASK));
    frame_put(frame_of(pte_mfn(pte)));
    return true;
}

void vcpu_stack_show(const struct vcpu *cv)
{
    struct vcpu *v = (struct vcpu *)cv;
    uint64_t sp = (v == current ? guest_regs()->rsp : v->arch.regs.rsp) & ~7ULL, word;

    console_printf("guest stack at %016lx:\n", (unsigned long)sp);
    for (unsigned int i = 0; i < STACK_WORDS; i++) {
        if (!word_read(v, sp + 8 * i, &word)) {
            console_printf("  (not readable)");
            break;
        }
        console_printf("%s%016lx%s", i % WORDS_A_LINE ? " " : "  ", (unsigned long)word,
                       i % WORDS_A_LINE == WORDS_A_LINE - 1 ? "\n" : "");
    }
    console_printf("\n");
}
