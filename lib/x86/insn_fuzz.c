/* The bytes are the guest's: whatever they are, the answer stands on them alone. */
#include <lodge/types.h>
#include <lodge/x86_insn.h>
#include <lodge/x86_rmw.h>

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok) {
        abort();
    }
}

static bool is_register(uint8_t n)
{
    return n < X86_NR_REGS || n == X86_NO_REG;
}

static void check(const struct x86_insn *insn, size_t size)
{
    must(insn->length > 0 && insn->length <= X86_INSN_MAX && insn->length <= size);
    must(insn->operand_size == 2 || insn->operand_size == 4 || insn->operand_size == 8);
    must(insn->address_size == 2 || insn->address_size == 4 || insn->address_size == 8);
    must(insn->map <= 1 && insn->mod <= 3 && insn->scale <= 3);
    must(insn->reg < X86_NR_REGS && insn->rm < X86_NR_REGS);
    must(is_register(insn->base) || insn->base == X86_RIP);
    must(is_register(insn->index));
    must(insn->segment <= 5 || insn->segment == X86_NO_REG);
}

static void check_rmw(const struct x86_insn *insn)
{
    uint64_t regs[X86_NR_REGS];
    struct x86_rmw w;

    for (unsigned int i = 0; i < X86_NR_REGS; i++) {
        regs[i] = i % 3 ? i : ~0ULL << i;
    }
    if (!x86_rmw_compute(insn, regs, 0x202, 0x8000000000000001ULL, &w)) {
        return;
    }
    must(w.nr_regs <= ARRAY_SIZE(w.regs));
    must(x86_rmw_size(insn) == 8 || !(w.value >> (8 * x86_rmw_size(insn))));
    for (unsigned int i = 0; i < w.nr_regs; i++) {
        must(w.regs[i].number < X86_NR_REGS);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum x86_mode modes[] = { X86_MODE_64, X86_MODE_32, X86_MODE_16 };

    for (size_t m = 0; m < ARRAY_SIZE(modes); m++) {
        struct x86_insn whole, part;
        bool ok = x86_insn_decode(data, (unsigned int)size, modes[m], &whole);

        if (ok) {
            check(&whole, size);
            check_rmw(&whole);
        }
        /* One byte less is either enough, with the same outcome, or too little. */
        for (unsigned int n = 0; n < MIN(size, (size_t)X86_INSN_MAX); n++) {
            bool enough = ok && n >= whole.length;

            must(x86_insn_decode(data, n, modes[m], &part) == enough);
            must(!enough || !memcmp(&whole, &part, sizeof(part)));
        }
    }
    return 0;
}
