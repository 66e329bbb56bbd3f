/*
 * Instructions that write memory: lodge/x86_rmw.h. Flags that the manual leaves undefined stay as
 * they were or are cleared, as CPUs have it.
 */
#include <lodge/x86_rmw.h>
#include <lodge/types.h>

#define FLAG_CF          0x001ULL
#define FLAG_PF          0x004ULL
#define FLAG_AF          0x010ULL
#define FLAG_ZF          0x040ULL
#define FLAG_SF          0x080ULL
#define FLAG_DF          0x400ULL
#define FLAG_OF          0x800ULL
#define FLAGS_RESULT     (FLAG_PF | FLAG_ZF | FLAG_SF)
#define FLAGS_ARITHMETIC (FLAGS_RESULT | FLAG_CF | FLAG_AF | FLAG_OF)

/* In the order of their opcodes, and of the reg field of groups 80 to 83. */
enum alu { ALU_ADD, ALU_OR, ALU_ADC, ALU_SBB, ALU_AND, ALU_SUB, ALU_XOR, ALU_CMP };
/* In the order of the reg field of groups C0, C1 and D0 to D3. */
enum shift {
    SHIFT_ROL,
    SHIFT_ROR,
    SHIFT_RCL,
    SHIFT_RCR,
    SHIFT_SHL,
    SHIFT_SHR,
    SHIFT_SAL,
    SHIFT_SAR
};
/* In the order of the reg field of group 0F BA, less 4. */
enum bit { BIT_TEST, BIT_SET, BIT_RESET, BIT_COMPLEMENT };

static uint64_t mask_of(unsigned int bytes)
{
    return bytes == 8 ? ~0ULL : (1ULL << (8 * bytes)) - 1;
}

static uint64_t sign_of(unsigned int bytes)
{
    return 1ULL << (8 * bytes - 1);
}

/* AMD64 APM vol. 1, "Flags Register": the flags that tell of a result. */
static uint64_t flags_of(uint64_t r, unsigned int bytes)
{
    return (r ? 0 : FLAG_ZF) | (r & sign_of(bytes) ? FLAG_SF : 0) |
           (__builtin_parity(r & 0xff) ? 0 : FLAG_PF);
}

static uint64_t add(uint64_t a, uint64_t b, bool carry, unsigned int bytes, uint64_t *flags)
{
    uint64_t r = (a + b + carry) & mask_of(bytes);

    *flags |= r < a || (carry && r == a) ? FLAG_CF : 0;
    *flags |= ~(a ^ b) & (a ^ r) & sign_of(bytes) ? FLAG_OF : 0;
    *flags |= (a ^ b ^ r) & 0x10 ? FLAG_AF : 0;
    return r;
}

static uint64_t subtract(uint64_t a, uint64_t b, bool borrow, unsigned int bytes, uint64_t *flags)
{
    uint64_t r = (a - b - borrow) & mask_of(bytes);

    *flags |= a < b || (borrow && a == b) ? FLAG_CF : 0;
    *flags |= (a ^ b) & (a ^ r) & sign_of(bytes) ? FLAG_OF : 0;
    *flags |= (a ^ b ^ r) & 0x10 ? FLAG_AF : 0;
    return r;
}

static uint64_t alu(enum alu op, uint64_t a, uint64_t b, unsigned int bytes, uint64_t *rflags)
{
    bool carry = *rflags & FLAG_CF;
    uint64_t r, flags = 0;

    switch (op) {
    case ALU_ADD:
        r = add(a, b, false, bytes, &flags);
        break;
    case ALU_ADC:
        r = add(a, b, carry, bytes, &flags);
        break;
    case ALU_SUB:
    case ALU_CMP:
        r = subtract(a, b, false, bytes, &flags);
        break;
    case ALU_SBB:
        r = subtract(a, b, carry, bytes, &flags);
        break;
    case ALU_OR:
        r = a | b;
        break;
    case ALU_AND:
        r = a & b;
        break;
    default:
        r = a ^ b;
        break;
    }
    *rflags = (*rflags & ~FLAGS_ARITHMETIC) | flags | flags_of(r, bytes);
    return r;
}

/* INC and DEC keep the carry. */
static uint64_t step(enum alu op, uint64_t a, unsigned int bytes, uint64_t *rflags)
{
    uint64_t carry = *rflags & FLAG_CF, r = alu(op, a, 1, bytes, rflags);

    *rflags = (*rflags & ~FLAG_CF) | carry;
    return r;
}

/* By one bit. */
static uint64_t shift_one(enum shift op, uint64_t a, unsigned int bytes, bool *carry)
{
    uint64_t sign = sign_of(bytes);
    bool left = op == SHIFT_ROL || op == SHIFT_RCL || op == SHIFT_SHL || op == SHIFT_SAL;
    bool out = a & (left ? sign : 1), in = false;

    switch (op) {
    case SHIFT_ROL:
    case SHIFT_ROR:
        in = out;
        break;
    case SHIFT_RCL:
    case SHIFT_RCR:
        in = *carry;
        break;
    case SHIFT_SAR:
        in = a & sign;
        break;
    default:
        break;
    }
    *carry = out;
    return left ? (a << 1 & mask_of(bytes)) | in : a >> 1 | (in ? sign : 0);
}

/* A count of 0 changes no flag. The overflow flag is that of a shift by 1. */
static uint64_t shift(enum shift op, uint64_t a, unsigned int count, unsigned int bytes,
                      uint64_t *rflags)
{
    bool carry = *rflags & FLAG_CF, rotates = op <= SHIFT_RCR;
    bool left = op == SHIFT_ROL || op == SHIFT_RCL || op == SHIFT_SHL || op == SHIFT_SAL;
    bool top, overflow;

    count &= bytes == 8 ? 63 : 31;
    if (!count) {
        return a;
    }
    while (count--) {
        a = shift_one(op, a, bytes, &carry);
    }
    top = a & sign_of(bytes);
    overflow = top != (left ? carry : (a & sign_of(bytes) >> 1) != 0);
    *rflags &= ~(FLAG_CF | FLAG_OF | (rotates ? 0 : FLAGS_RESULT | FLAG_AF));
    *rflags |=
        (carry ? FLAG_CF : 0) | (overflow ? FLAG_OF : 0) | (rotates ? 0 : flags_of(a, bytes));
    return a;
}

/* Without REX, byte registers 4 to 7 are ah, ch, dh, bh. */
static bool is_high_byte(const struct x86_insn *insn, unsigned int n, unsigned int bytes)
{
    return bytes == 1 && !insn->rex && n >= 4 && n < 8;
}

static uint64_t reg_read(const struct x86_insn *insn, const uint64_t *regs, unsigned int n,
                         unsigned int bytes)
{
    return is_high_byte(insn, n, bytes) ? regs[n - 4] >> 8 & 0xff : regs[n] & mask_of(bytes);
}

/* Results of 4 bytes clear the upper half of their register. */
static void reg_write(const struct x86_insn *insn, const uint64_t *regs, unsigned int n,
                      unsigned int bytes, uint64_t value, struct x86_rmw *out)
{
    uint64_t mask = mask_of(bytes);

    if (is_high_byte(insn, n, bytes)) {
        n -= 4;
        mask = 0xff00;
        value <<= 8;
    }
    out->regs[out->nr_regs].number = n;
    out->regs[out->nr_regs++].value =
        bytes >= 4 ? value & mask : (regs[n] & ~mask) | (value & mask);
}

static bool stos(const struct x86_insn *insn, const uint64_t *regs, unsigned int bytes,
                 struct x86_rmw *out)
{
    if (insn->rep || insn->repne) {
        if (!regs[X86_RCX]) {
            return false; /* writes nothing: not what brought the caller here */
        }
        reg_write(insn, regs, X86_RCX, 8, regs[X86_RCX] - 1, out);
        out->again = regs[X86_RCX] != 1;
    }
    out->value = reg_read(insn, regs, X86_RAX, bytes);
    reg_write(insn, regs, X86_RDI, 8,
              regs[X86_RDI] + (out->rflags & FLAG_DF ? -(uint64_t)bytes : bytes), out);
    return true;
}

/* Of a register, as it was before, or of an immediate. */
static void push(const struct x86_insn *insn, const uint64_t *regs, unsigned int bytes,
                 struct x86_rmw *out)
{
    uint64_t value = (uint64_t)insn->immediate;

    if (insn->opcode < 0x60) {
        value = regs[(insn->opcode & 7) | (insn->rex & 1 ? 8 : 0)];
    }
    out->value = value & mask_of(bytes);
    reg_write(insn, regs, X86_RSP, 8, regs[X86_RSP] - bytes, out);
}

/* Groups F6, F7 and FE, FF. */
static bool unary(const struct x86_insn *insn, uint64_t old, unsigned int bytes,
                  struct x86_rmw *out)
{
    bool increments = insn->opcode >= 0xfe;

    switch (insn->reg & 7) {
    case 0:
        out->value = step(ALU_ADD, old, bytes, &out->rflags);
        return increments;
    case 1:
        out->value = step(ALU_SUB, old, bytes, &out->rflags);
        return increments;
    case 2:
        out->value = ~old & mask_of(bytes);
        return !increments;
    case 3:
        out->value = alu(ALU_SUB, 0, old, bytes, &out->rflags);
        return !increments;
    default:
        return false;
    }
}

static bool one_byte(const struct x86_insn *insn, const uint64_t *regs, uint64_t old,
                     unsigned int bytes, struct x86_rmw *out)
{
    uint64_t immediate = (uint64_t)insn->immediate & mask_of(bytes);
    unsigned int op = insn->opcode;

    switch (op) {
    case 0x00 ... 0x3f: /* the forms with memory as destination */
        if ((op & 7) > 1 || op >> 3 == ALU_CMP) {
            return false;
        }
        out->value = alu(op >> 3, old, reg_read(insn, regs, insn->reg, bytes), bytes, &out->rflags);
        return true;
    case 0x50 ... 0x57:
    case 0x68:
    case 0x6a:
        push(insn, regs, bytes, out);
        return true;
    case 0x80 ... 0x83:
        out->value = alu(insn->reg & 7, old, immediate, bytes, &out->rflags);
        return (insn->reg & 7) != ALU_CMP;
    case 0x86: /* XCHG */
    case 0x87:
        out->value = reg_read(insn, regs, insn->reg, bytes);
        reg_write(insn, regs, insn->reg, bytes, old, out);
        return true;
    case 0x88: /* MOV r/m, reg */
    case 0x89:
        out->value = reg_read(insn, regs, insn->reg, bytes);
        return true;
    case 0xaa:
    case 0xab:
        return stos(insn, regs, bytes, out);
    case 0xc0:
    case 0xc1:
        out->value = shift(insn->reg & 7, old, insn->immediate & 0xff, bytes, &out->rflags);
        return true;
    case 0xc6: /* MOV r/m, immediate */
    case 0xc7:
        out->value = immediate;
        return (insn->reg & 7) == 0;
    case 0xd0 ... 0xd3:
        out->value =
            shift(insn->reg & 7, old, op & 2 ? regs[X86_RCX] & 0xff : 1, bytes, &out->rflags);
        return true;
    case 0xf6:
    case 0xf7:
    case 0xfe:
    case 0xff:
        return unary(insn, old, bytes, out);
    default:
        return false;
    }
}

static bool bit(enum bit op, uint64_t number, uint64_t old, unsigned int bytes, struct x86_rmw *out)
{
    uint64_t mask = 1ULL << (number % (8 * bytes));

    out->rflags = (out->rflags & ~FLAG_CF) | (old & mask ? FLAG_CF : 0);
    switch (op) {
    case BIT_SET:
        out->value = old | mask;
        return true;
    case BIT_RESET:
        out->value = old & ~mask;
        return true;
    case BIT_COMPLEMENT:
        out->value = old ^ mask;
        return true;
    default:
        return false;
    }
}

/* By a register, the bit may lie far from the address; only within the operand is it what it seems.
 */
static bool bit_by_reg(enum bit op, const struct x86_insn *insn, const uint64_t *regs, uint64_t old,
                       unsigned int bytes, struct x86_rmw *out)
{
    uint64_t number = reg_read(insn, regs, insn->reg, bytes);

    return number < 8 * bytes && bit(op, number, old, bytes, out);
}

static void cmpxchg(const struct x86_insn *insn, const uint64_t *regs, uint64_t old,
                    unsigned int bytes, struct x86_rmw *out)
{
    uint64_t expected = reg_read(insn, regs, X86_RAX, bytes);

    (void)alu(ALU_CMP, expected, old, bytes, &out->rflags);
    if (expected == old) {
        out->value = reg_read(insn, regs, insn->reg, bytes);
    } else {
        out->stores = false;
        reg_write(insn, regs, X86_RAX, bytes, old, out);
    }
}

static void cmpxchg8b(const struct x86_insn *insn, const uint64_t *regs, uint64_t old,
                      struct x86_rmw *out)
{
    uint64_t expected = regs[X86_RDX] << 32 | (uint32_t)regs[X86_RAX];

    if (expected == old) {
        out->rflags |= FLAG_ZF;
        out->value = regs[X86_RCX] << 32 | (uint32_t)regs[X86_RBX];
    } else {
        out->rflags &= ~FLAG_ZF;
        out->stores = false;
        reg_write(insn, regs, X86_RAX, 4, old, out);
        reg_write(insn, regs, X86_RDX, 4, old >> 32, out);
    }
}

static bool two_byte(const struct x86_insn *insn, const uint64_t *regs, uint64_t old,
                     unsigned int bytes, struct x86_rmw *out)
{
    switch (insn->opcode) {
    case 0xab:
        return bit_by_reg(BIT_SET, insn, regs, old, bytes, out);
    case 0xb0:
    case 0xb1:
        cmpxchg(insn, regs, old, bytes, out);
        return true;
    case 0xb3:
        return bit_by_reg(BIT_RESET, insn, regs, old, bytes, out);
    case 0xba:
        return (insn->reg & 7) >= 4 &&
               bit((insn->reg & 7) - 4, insn->immediate & 0xff, old, bytes, out);
    case 0xbb:
        return bit_by_reg(BIT_COMPLEMENT, insn, regs, old, bytes, out);
    case 0xc0: /* XADD */
    case 0xc1:
        out->value = alu(ALU_ADD, old, reg_read(insn, regs, insn->reg, bytes), bytes, &out->rflags);
        reg_write(insn, regs, insn->reg, bytes, old, out);
        return true;
    case 0xc3: /* MOVNTI */
        out->value = reg_read(insn, regs, insn->reg, bytes);
        return bytes >= 4;
    case 0xc7:
        cmpxchg8b(insn, regs, old, out);
        return true;
    default:
        return false;
    }
}

enum x86_rmw_place x86_rmw_place(const struct x86_insn *insn)
{
    if (insn->has_modrm) {
        return insn->mod == 3 ? X86_RMW_NOWHERE : X86_RMW_MODRM;
    }
    if (insn->map || insn->address_size != 8) { /* outside of 64-bit mode, stacks have segments */
        return X86_RMW_NOWHERE;
    }
    if ((insn->opcode & 0xfe) == 0xaa) {
        return X86_RMW_RDI;
    }
    return (insn->opcode & 0xf8) == 0x50 || (insn->opcode & 0xfd) == 0x68 ? X86_RMW_BELOW_RSP
                                                                          : X86_RMW_NOWHERE;
}

unsigned int x86_rmw_size(const struct x86_insn *insn)
{
    switch (x86_rmw_place(insn)) {
    case X86_RMW_NOWHERE:
        return 0;
    case X86_RMW_BELOW_RSP:
        return insn->operand_size == 2 ? 2 : 8;
    default:
        break;
    }
    if (insn->map && insn->opcode == 0xc7) { /* CMPXCHG8B; CMPXCHG16B is not covered */
        return (insn->reg & 7) == 1 && !(insn->rex & 8) ? 8 : 0;
    }
    /* Byte forms have even opcodes. */
    return insn->opcode & 1 || (insn->map && insn->opcode == 0xba) ? insn->operand_size : 1;
}

bool x86_rmw_compute(const struct x86_insn *insn, const uint64_t regs[X86_NR_REGS], uint64_t rflags,
                     uint64_t old, struct x86_rmw *out)
{
    unsigned int bytes = x86_rmw_size(insn);

    *out = (struct x86_rmw){ .stores = true, .rflags = rflags };
    if (!bytes) {
        return false;
    }
    return insn->map ? two_byte(insn, regs, old & mask_of(bytes), bytes, out)
                     : one_byte(insn, regs, old & mask_of(bytes), bytes, out);
}
