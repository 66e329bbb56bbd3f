/*
 * Each instruction is also executed by the CPU that runs the test, on the same registers, flags and
 * memory: what decoder and arithmetic make of its bytes must be what the CPU makes of them.
 */
#include <lodge/types.h>
#include <lodge/x86_rmw.h>
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define FLAG_CF   0x001ULL
#define FLAG_PF   0x004ULL
#define FLAG_AF   0x010ULL
#define FLAG_ZF   0x040ULL
#define FLAG_SF   0x080ULL
#define FLAG_DF   0x400ULL
#define FLAG_OF   0x800ULL
#define FLAGS_ALL (FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_DF | FLAG_OF)

/* What the trampoline loads before the instruction and stores after it. */
struct machine {
    uint64_t regs[X86_NR_REGS], rflags, stack, memory[4];
};

#define CODE_ROOM 1024
static struct {
    uint8_t code[CODE_ROOM];
    struct machine m;
} * cpu;

static uint8_t *emit(uint8_t *at, const char *bytes, size_t n)
{
    memcpy(at, bytes, n);
    return at + n;
}

/* ModRM of [rip + displacement], and the displacement, which ends the instruction. */
static uint8_t *emit_rip(uint8_t *at, unsigned int reg, const void *target)
{
    int32_t displacement = (int32_t)((const uint8_t *)target - (at + 5));

    *at++ = (uint8_t)(reg << 3 | 5);
    memcpy(at, &displacement, sizeof(displacement));
    return at + sizeof(displacement);
}

/* MOV between a 64-bit register and its place; flags stay as they are. */
static uint8_t *emit_mov(uint8_t *at, bool store, unsigned int reg, const uint64_t *place)
{
    *at++ = reg & 8 ? 0x4c : 0x48;
    *at++ = store ? 0x89 : 0x8b;
    return emit_rip(at, reg & 7, place);
}

static uint8_t *emit_flags(uint8_t *at, bool store)
{
    if (store) {
        at = emit(at, "\x9c\x8f", 2); /* pushf; pop [rip + ...] */
        return emit_rip(at, 0, &cpu->m.rflags);
    }
    *at++ = 0xff; /* push [rip + ...]; popf */
    at = emit_rip(at, 6, &cpu->m.rflags);
    return emit(at, "\x9d", 1);
}

static void execute(const uint8_t *bytes, unsigned int length)
{
    uint8_t *at = cpu->code;

    at = emit(at, "\x53\x55\x41\x54\x41\x55\x41\x56\x41\x57", 10); /* push rbx rbp r12 ... r15 */
    at = emit_mov(at, true, X86_RSP, &cpu->m.stack);
    at = emit_flags(at, false);
    for (unsigned int i = 0; i < X86_NR_REGS; i++) {
        at = emit_mov(at, false, i, &cpu->m.regs[i]);
    }
    at = emit(at, (const char *)bytes, length);
    for (unsigned int i = 0; i < X86_NR_REGS; i++) {
        at = emit_mov(at, true, i, &cpu->m.regs[i]);
    }
    at = emit_mov(at, false, X86_RSP, &cpu->m.stack);
    at = emit_flags(at, true);
    at = emit(at, "\xfc\x41\x5f\x41\x5e\x41\x5d\x41\x5c\x5d\x5b\xc3", 12); /* cld; pops; ret */
    assert_true(at <= cpu->code + CODE_ROOM);
    ((void (*)(void))(uintptr_t)cpu->code)();
}

static int machine_make(void **state)
{
    (void)state;
    cpu = mmap(NULL, sizeof(*cpu), PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
               -1, 0);
    return cpu == MAP_FAILED;
}

static uint64_t random64(void)
{
    static uint64_t x = 0x9e3779b97f4a7c15ULL;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return x;
}

/* Numbers at whose borders flags change are as likely as any others. */
static uint64_t random_number(void)
{
    static const uint64_t edges[] = { 0,
                                      1,
                                      ~0ULL,
                                      0x7f,
                                      0x80,
                                      0x7fff,
                                      0x8000,
                                      0x7fffffff,
                                      0x80000000,
                                      0x7fffffffffffffff,
                                      0x8000000000000000 };
    uint64_t n = random64();

    return n & 1 ? random64() : edges[(n >> 1) % ARRAY_SIZE(edges)];
}

/* An instruction to try. Its ModRM is ours to choose but for the group's number. */
struct sample {
    const char *name;
    uint8_t map, opcode;
    int8_t group;       /* the reg field; -1: a register, any */
    uint8_t immediate;  /* bytes: 0, 1, or 4 for as wide as the operand */
    bool byte_form;     /* opcode is that of the byte form, the next one of the others */
    uint64_t undefined; /* flags that it may leave as it likes */
};

#define LOGIC FLAG_AF
#define BITS  (FLAG_OF | FLAG_SF | FLAG_AF | FLAG_PF)
#define SHIFT FLAG_AF

static const struct sample samples[] = {
    { "add", 0, 0x00, -1, 0, true, 0 },
    { "or", 0, 0x08, -1, 0, true, LOGIC },
    { "adc", 0, 0x10, -1, 0, true, 0 },
    { "sbb", 0, 0x18, -1, 0, true, 0 },
    { "and", 0, 0x20, -1, 0, true, LOGIC },
    { "sub", 0, 0x28, -1, 0, true, 0 },
    { "xor", 0, 0x30, -1, 0, true, LOGIC },
    { "add immediate", 0, 0x80, 0, 4, true, 0 },
    { "or immediate", 0, 0x80, 1, 4, true, LOGIC },
    { "adc immediate", 0, 0x80, 2, 4, true, 0 },
    { "sbb immediate", 0, 0x80, 3, 4, true, 0 },
    { "and immediate", 0, 0x80, 4, 4, true, LOGIC },
    { "sub immediate", 0, 0x80, 5, 4, true, 0 },
    { "xor immediate", 0, 0x80, 6, 4, true, LOGIC },
    { "add short immediate", 0, 0x83, 0, 1, false, 0 },
    { "or short immediate", 0, 0x83, 1, 1, false, LOGIC },
    { "adc short immediate", 0, 0x83, 2, 1, false, 0 },
    { "sbb short immediate", 0, 0x83, 3, 1, false, 0 },
    { "and short immediate", 0, 0x83, 4, 1, false, LOGIC },
    { "sub short immediate", 0, 0x83, 5, 1, false, 0 },
    { "xor short immediate", 0, 0x83, 6, 1, false, LOGIC },
    { "xchg", 0, 0x86, -1, 0, true, 0 },
    { "mov", 0, 0x88, -1, 0, true, 0 },
    { "mov immediate", 0, 0xc6, 0, 4, true, 0 },
    { "rol", 0, 0xc0, 0, 1, true, 0 },
    { "ror", 0, 0xc0, 1, 1, true, 0 },
    { "rcl", 0, 0xc0, 2, 1, true, 0 },
    { "rcr", 0, 0xc0, 3, 1, true, 0 },
    { "shl", 0, 0xc0, 4, 1, true, SHIFT },
    { "shr", 0, 0xc0, 5, 1, true, SHIFT },
    { "sal", 0, 0xc0, 6, 1, true, SHIFT },
    { "sar", 0, 0xc0, 7, 1, true, SHIFT },
    { "rol by one", 0, 0xd0, 0, 0, true, 0 },
    { "ror by one", 0, 0xd0, 1, 0, true, 0 },
    { "rcl by one", 0, 0xd0, 2, 0, true, 0 },
    { "rcr by one", 0, 0xd0, 3, 0, true, 0 },
    { "shl by one", 0, 0xd0, 4, 0, true, SHIFT },
    { "shr by one", 0, 0xd0, 5, 0, true, SHIFT },
    { "sar by one", 0, 0xd0, 7, 0, true, SHIFT },
    { "rol by cl", 0, 0xd2, 0, 0, true, 0 },
    { "ror by cl", 0, 0xd2, 1, 0, true, 0 },
    { "rcl by cl", 0, 0xd2, 2, 0, true, 0 },
    { "rcr by cl", 0, 0xd2, 3, 0, true, 0 },
    { "shl by cl", 0, 0xd2, 4, 0, true, SHIFT },
    { "shr by cl", 0, 0xd2, 5, 0, true, SHIFT },
    { "sar by cl", 0, 0xd2, 7, 0, true, SHIFT },
    { "not", 0, 0xf6, 2, 0, true, 0 },
    { "neg", 0, 0xf6, 3, 0, true, 0 },
    { "inc", 0, 0xfe, 0, 0, true, 0 },
    { "dec", 0, 0xfe, 1, 0, true, 0 },
    { "bts", 1, 0xab, -1, 0, false, BITS },
    { "btr", 1, 0xb3, -1, 0, false, BITS },
    { "btc", 1, 0xbb, -1, 0, false, BITS },
    { "bts immediate", 1, 0xba, 5, 1, false, BITS },
    { "btr immediate", 1, 0xba, 6, 1, false, BITS },
    { "btc immediate", 1, 0xba, 7, 1, false, BITS },
    { "bt immediate", 1, 0xba, 4, 1, false, BITS },
    { "cmpxchg", 1, 0xb0, -1, 0, true, 0 },
    { "xadd", 1, 0xc0, -1, 0, true, 0 },
    { "movnti", 1, 0xc3, -1, 0, false, 0 },
    { "cmpxchg8b", 1, 0xc7, 1, 0, false, 0 },
};

struct trial {
    uint8_t bytes[X86_INSN_MAX];
    unsigned int length;
    struct x86_insn insn;
    struct machine before;
    unsigned int offset; /* of the operand in memory, bytes */
    uint64_t undefined;
};

/* Byte registers that a REX prefix tells from others are tried with and without one. */
static void encode(struct trial *t, const struct sample *s)
{
    bool is_byte = s->byte_form && random64() % 4 == 0, wide = !is_byte && random64() % 2;
    bool narrow = !is_byte && !wide && random64() % 2 && !(s->map && s->opcode == 0xc3);
    unsigned int base, reg = s->group < 0 ? random64() % X86_NR_REGS : (unsigned int)s->group;
    unsigned int rex = wide ? 0x48 : random64() % 3 ? 0 : 0x40;
    uint8_t *p = t->bytes;

    if (s->map && s->opcode == 0xc7) {
        wide = false;
        rex &= 0x47;
    }
    do { /* neither SIB nor the registers that count, shift or match */
        base = random64() % X86_NR_REGS;
    } while ((base & 7) == X86_RSP || base <= X86_RBX || (s->group < 0 && base == reg));
    rex |= base & 8 ? 0x41 : 0;
    rex |= s->group < 0 && reg & 8 ? 0x44 : 0;
    if (narrow) {
        *p++ = 0x66;
    }
    if (rex) {
        *p++ = (uint8_t)rex;
    }
    if (s->map) {
        *p++ = 0x0f;
    }
    *p++ = (uint8_t)(s->opcode + (s->byte_form && !is_byte));
    *p++ = (uint8_t)(0x40 | (reg & 7) << 3 | (base & 7));
    *p++ = (uint8_t)random64();
    for (unsigned int i = 0; i < (s->immediate < 4 ? s->immediate
                                  : is_byte        ? 1
                                  : narrow         ? 2
                                                   : 4);
         i++) {
        *p++ = (uint8_t)random64();
    }
    t->length = (unsigned int)(p - t->bytes);
    assert_true(x86_insn_decode(t->bytes, t->length, X86_MODE_64, &t->insn));
    assert_int_equal(t->insn.length, t->length);
    assert_int_equal(t->insn.base, base);
    assert_int_equal(x86_rmw_size(&t->insn), s->map && s->opcode == 0xc7 ? 8
                                             : is_byte                   ? 1
                                             : wide                      ? 8
                                             : narrow                    ? 2
                                                                         : 4);
    t->undefined = s->undefined;
}

static void fill(struct trial *t)
{
    unsigned int bytes = x86_rmw_size(&t->insn);
    struct machine *m = &t->before;
    uint64_t *operand = &m->memory[1];

    for (unsigned int i = 0; i < X86_NR_REGS; i++) {
        m->regs[i] = random_number();
    }
    for (unsigned int i = 0; i < ARRAY_SIZE(m->memory); i++) {
        m->memory[i] = random_number();
    }
    m->rflags = 0x202 | (random64() & FLAGS_ALL);
    t->offset = 8 + random64() % (8 / bytes) * bytes;
    if (random64() % 2) { /* so that half of all comparisons match */
        memcpy(&m->regs[X86_RAX], (uint8_t *)m->memory + t->offset, MIN(bytes, 4U));
        if (t->insn.opcode == 0xc7) {
            m->regs[X86_RDX] = *operand >> 32;
        } else if (bytes == 8) {
            m->regs[X86_RAX] = *operand;
        }
    }
    if (t->insn.map && (t->insn.opcode & 0xe7) == 0xa3 && random64() % 4) {
        m->regs[t->insn.reg] = random64() % (8 * bytes); /* a bit of the operand, mostly */
    }
    m->regs[t->insn.has_modrm ? t->insn.base : X86_RDI] =
        (uint64_t)(uintptr_t)cpu->m.memory + t->offset - (uint64_t)t->insn.displacement;
}

/* Shifts by more than one bit leave the overflow flag undefined. */
static uint64_t undefined_flags(const struct trial *t)
{
    const struct x86_insn *insn = &t->insn;
    unsigned int count = 1;

    if (!insn->map && (insn->opcode & 0xfe) == 0xc0) {
        count = insn->immediate & 0xff;
    } else if (!insn->map && (insn->opcode & 0xfe) == 0xd2) {
        count = t->before.regs[X86_RCX] & 0xff;
    } else {
        return t->undefined;
    }
    count &= x86_rmw_size(insn) == 8 ? 63 : 31;
    if (!count) {
        return 0;
    }
    /* Of shifts by more than there are bits, also the carry. */
    return t->undefined | (count > 1 ? FLAG_OF : 0) |
           ((insn->reg & 7) >= 4 && count >= 8 * x86_rmw_size(insn) ? FLAG_CF : 0);
}

static void check(const struct trial *t, const char *name, const struct x86_rmw *w)
{
    uint64_t defined = FLAGS_ALL & ~undefined_flags(t);
    struct machine expected = t->before;
    bool same;

    for (unsigned int i = 0; i < w->nr_regs; i++) {
        expected.regs[w->regs[i].number] = w->regs[i].value;
    }
    if (w->stores) {
        memcpy((uint8_t *)expected.memory + t->offset, &w->value, x86_rmw_size(&t->insn));
    }
    same = !memcmp(expected.regs, cpu->m.regs, sizeof(expected.regs)) &&
           !memcmp(expected.memory, cpu->m.memory, sizeof(expected.memory)) &&
           !((w->rflags ^ cpu->m.rflags) & defined);
    if (!same) {
        print_error("%s:", name);
        for (unsigned int i = 0; i < t->length; i++) {
            print_error(" %02x", t->bytes[i]);
        }
        print_error("\nflags %03lx became %03lx, expected %03lx, of %03lx\n",
                    (unsigned long)t->before.rflags, (unsigned long)cpu->m.rflags,
                    (unsigned long)w->rflags, (unsigned long)defined);
        for (unsigned int i = 0; i < X86_NR_REGS; i++) {
            print_error("register %2u %016lx became %016lx, expected %016lx\n", i,
                        (unsigned long)t->before.regs[i], (unsigned long)cpu->m.regs[i],
                        (unsigned long)expected.regs[i]);
        }
        for (unsigned int i = 0; i < ARRAY_SIZE(expected.memory); i++) {
            print_error("memory %u %016lx became %016lx, expected %016lx\n", i,
                        (unsigned long)t->before.memory[i], (unsigned long)cpu->m.memory[i],
                        (unsigned long)expected.memory[i]);
        }
        fail();
    }
}

static bool compute(const struct trial *t, struct x86_rmw *w)
{
    uint64_t old;

    memcpy(&old, (const uint8_t *)t->before.memory + t->offset, sizeof(old)); /* and what follows */
    return x86_rmw_compute(&t->insn, t->before.regs, t->before.rflags, old, w);
}

static void run(struct trial *t)
{
    cpu->m = t->before;
    execute(t->bytes, t->length);
    cpu->m.stack = t->before.stack;
}

#define TRIALS 4000

TEST(each_instruction_does_what_the_cpu_does)
{
    for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
        unsigned int done = 0;

        for (unsigned int n = 0; n < TRIALS; n++) {
            struct trial t = { 0 };
            struct x86_rmw w;

            encode(&t, &samples[i]);
            fill(&t);
            if (compute(&t, &w)) {
                run(&t);
                check(&t, samples[i].name, &w);
                done++;
            }
        }
        if (!strcmp(samples[i].name, "bt immediate")) {
            assert_int_equal(done, 0); /* writes nothing */
        } else if (done < TRIALS / 2) {
            fail_msg("%s: %u of %u trials", samples[i].name, done, TRIALS);
        }
    }
}

static void stos_encode(struct trial *t, unsigned int prefix, bool repeats)
{
    uint8_t *p = t->bytes;

    if (repeats) {
        *p++ = random64() % 2 ? 0xf3 : 0xf2;
    }
    if (prefix) {
        *p++ = (uint8_t)prefix;
    }
    *p++ = random64() % 4 ? 0xab : 0xaa;
    t->length = (unsigned int)(p - t->bytes);
    assert_true(x86_insn_decode(t->bytes, t->length, X86_MODE_64, &t->insn));
    assert_int_equal(x86_rmw_place(&t->insn), X86_RMW_RDI);
}

TEST(stos_does_what_the_cpu_does)
{
    static const uint8_t prefixes[] = { 0, 0x66, 0x48 };

    for (unsigned int n = 0; n < TRIALS; n++) {
        bool repeats = random64() % 2;
        struct trial t = { 0 };
        struct x86_rmw w;

        stos_encode(&t, prefixes[random64() % ARRAY_SIZE(prefixes)], repeats);
        fill(&t);
        if (repeats) {
            t.before.regs[X86_RCX] = 1;
        }
        assert_true(compute(&t, &w));
        assert_false(w.again);
        run(&t);
        check(&t, "stos", &w);
    }
}

TEST(repeated_stos_goes_on_until_the_count_is_0)
{
    struct trial t = { 0 };
    struct x86_rmw w;

    stos_encode(&t, 0x48, true);
    fill(&t);
    t.before.rflags &= ~FLAG_DF;
    t.before.regs[X86_RCX] = 3;
    assert_true(compute(&t, &w));
    assert_true(w.again);
    assert_int_equal(w.nr_regs, 2);
    assert_int_equal(w.regs[0].number, X86_RCX);
    assert_int_equal(w.regs[0].value, 2);
    assert_int_equal(w.regs[1].number, X86_RDI);
    t.before.regs[X86_RCX] = 0;
    assert_false(compute(&t, &w));
}

TEST(push_does_what_the_cpu_does)
{
    for (unsigned int n = 0; n < TRIALS; n++) {
        struct trial t = { 0 };
        uint8_t *p = t.bytes;
        struct x86_rmw w;
        unsigned int form = random64() % 4;

        if (random64() % 4 == 0) {
            *p++ = 0x66;
        }
        if (random64() % 2) {
            *p++ = (uint8_t)(0x40 | random64() % 16);
        }
        *p++ = (uint8_t)(form == 0 ? 0x6a : form == 1 ? 0x68 : 0x50 + random64() % 8);
        for (unsigned int i = 0; i < 4; i++) {
            *p++ = (uint8_t)random64();
        }
        assert_true(x86_insn_decode(t.bytes, X86_INSN_MAX, X86_MODE_64, &t.insn));
        t.length = t.insn.length;
        fill(&t);
        assert_int_equal(x86_rmw_place(&t.insn), X86_RMW_BELOW_RSP);
        t.before.regs[X86_RSP] =
            (uint64_t)(uintptr_t)cpu->m.memory + t.offset + x86_rmw_size(&t.insn);
        assert_true(compute(&t, &w));
        run(&t);
        check(&t, "push", &w);
    }
}

static bool computes(const char *bytes, unsigned int n)
{
    const uint64_t regs[X86_NR_REGS] = { 0 };
    struct x86_insn insn;
    struct x86_rmw w;

    assert_true(x86_insn_decode((const uint8_t *)bytes, n, X86_MODE_64, &insn));
    return x86_rmw_compute(&insn, regs, 0, 0, &w);
}
#define COMPUTES(bytes) computes(bytes, sizeof(bytes) - 1)

TEST(instructions_that_do_not_write_memory_are_refused)
{
    assert_true(COMPUTES("\x89\x07"));
    assert_false(COMPUTES("\x89\xc7")); /* to a register */
    assert_false(COMPUTES("\x8b\x07")); /* from memory */
    assert_false(COMPUTES("\x03\x07"));
    assert_false(COMPUTES("\x39\x07")); /* cmp */
    assert_false(COMPUTES("\x83\x3f\x00"));
    assert_false(COMPUTES("\x85\x07")); /* test */
    assert_false(COMPUTES("\xf7\x07\x00\x00\x00\x00"));
    assert_false(COMPUTES("\xf7\x27"));     /* mul */
    assert_false(COMPUTES("\xff\x17"));     /* call */
    assert_false(COMPUTES("\x58"));         /* pop */
    assert_false(COMPUTES("\x67\x50"));     /* where stacks may have segments */
    assert_false(COMPUTES("\xa5"));         /* movs */
    assert_false(COMPUTES("\x0f\xa3\x07")); /* bt */
    assert_false(COMPUTES("\x0f\xb6\x07")); /* movzx */
}

TEST(forms_that_are_not_covered_are_refused)
{
    assert_false(COMPUTES("\xc7\x0f\x00\x00\x00\x00")); /* group 11 has /0 only */
    assert_false(COMPUTES("\x48\x0f\xc7\x0f"));         /* cmpxchg16b */
    assert_false(COMPUTES("\x0f\xc7\x37"));             /* rdrand's group, with memory */
    assert_false(COMPUTES("\x66\x0f\xc3\x07"));         /* no 16-bit movnti */
    assert_false(COMPUTES("\x67\xab"));                 /* stos at edi */
}

TEST(bit_outside_of_the_operand_is_refused)
{
    uint64_t regs[X86_NR_REGS] = { [X86_RAX] = 31 };
    struct x86_insn insn;
    struct x86_rmw w;

    assert_true(x86_insn_decode((const uint8_t *)"\x0f\xab\x07", 3, X86_MODE_64, &insn));
    assert_true(x86_rmw_compute(&insn, regs, 0, 0, &w));
    assert_int_equal(w.value, 0x80000000);
    regs[X86_RAX] = 32;
    assert_false(x86_rmw_compute(&insn, regs, 0, 0, &w));
    regs[X86_RAX] = ~0ULL;
    assert_false(x86_rmw_compute(&insn, regs, 0, 0, &w));
}

TEST_RUN(machine_make, NULL, T(each_instruction_does_what_the_cpu_does),
         T(stos_does_what_the_cpu_does), T(push_does_what_the_cpu_does),
         T(push_does_what_the_cpu_does), T(repeated_stos_goes_on_until_the_count_is_0),
         T(instructions_that_do_not_write_memory_are_refused),
         T(forms_that_are_not_covered_are_refused), T(bit_outside_of_the_operand_is_refused))
