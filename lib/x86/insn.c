/* Reading x86 instructions: lodge/x86_insn.h. */
#include <lodge/string.h>
#include <lodge/types.h>
#include <lodge/x86_insn.h>

/* What follows an opcode. */
#define NO  0x00 /* not decoded */
#define OK  0x01 /* nothing */
#define M   0x02 /* ModRM */
#define I1  0x04 /* one byte of immediate */
#define IZ  0x08 /* 2 or 4 bytes, by operand size */
#define MI1 (M | I1)
#define MIZ (M | IZ)
#define G3  0x10 /* groups F6 and F7: an immediate only for /0 and /1 */
#define R   0x20 /* ModRM always names registers: MOV to and from control and debug registers */

/* clang-format off */
static const uint8_t one_byte[256] = {
#define ALU M, M, M, M, I1, IZ
    /* 00 */ ALU, NO, NO, ALU, NO, NO,
    /* 10 */ ALU, NO, NO, ALU, NO, NO,
    /* 20 */ ALU, NO, NO, ALU, NO, NO,
    /* 30 */ ALU, NO, NO, ALU, NO, NO,
    /* 40 */ NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
    /* 50 */ OK, OK, OK, OK, OK, OK, OK, OK, OK, OK, OK, OK, OK, OK, OK, OK,
    /* 60 */ NO, NO, NO, M, NO, NO, NO, NO, IZ, MIZ, I1, MI1, OK, OK, OK, OK,
    /* 70 */ I1, I1, I1, I1, I1, I1, I1, I1, I1, I1, I1, I1, I1, I1, I1, I1,
    /* 80 */ MI1, MIZ, NO, MI1, M, M, M, M, M, M, M, M, M, M, M, NO,
    /* 90 */ OK, OK, OK, OK, OK, OK, OK, OK, OK, OK, NO, OK, OK, OK, OK, OK,
    /* a0 */ NO, NO, NO, NO, OK, OK, OK, OK, I1, IZ, OK, OK, OK, OK, OK, OK,
    /* b0 */ I1, I1, I1, I1, I1, I1, I1, I1, NO, NO, NO, NO, NO, NO, NO, NO,
    /* c0 */ MI1, MI1, NO, OK, NO, NO, MI1, MIZ, NO, OK, NO, OK, OK, I1, NO, OK,
    /* d0 */ M, M, M, M, NO, NO, NO, OK, NO, NO, NO, NO, NO, NO, NO, NO,
    /* e0 */ I1, I1, I1, I1, I1, I1, I1, I1, IZ, IZ, NO, I1, OK, OK, OK, OK,
    /* f0 */ NO, OK, NO, NO, OK, OK, M | I1 | G3, M | IZ | G3, OK, OK, OK, OK, OK, OK, M, M,
#undef ALU
};
/* clang-format on */

static const uint8_t two_byte[256] = {
    [0x00] = M,     [0x01] = M,     [0x02] = M,   [0x03] = M,  [0x05] = OK,    [0x06] = OK,
    [0x07] = OK,    [0x08] = OK,    [0x09] = OK,  [0x0b] = OK, [0x20] = M | R, [0x21] = M | R,
    [0x22] = M | R, [0x23] = M | R, [0x30] = OK,  [0x31] = OK, [0x32] = OK,    [0x33] = OK,
    [0xa2] = OK,    [0xa3] = M,     [0xab] = M,   [0xb0] = M,  [0xb1] = M,     [0xb3] = M,
    [0xb6] = M,     [0xb7] = M,     [0xba] = MI1, [0xbb] = M,  [0xbe] = M,     [0xbf] = M,
    [0xc0] = M,     [0xc1] = M,     [0xc3] = M,   [0xc7] = M,
};

struct reader {
    const uint8_t *bytes;
    unsigned int n, at;
};

static bool take(struct reader *r, unsigned int count, int64_t *value)
{
    uint64_t v = 0;

    if (count > r->n - r->at) {
        return false;
    }
    memcpy(&v, r->bytes + r->at, count);
    r->at += count;
    *value = (int64_t)(v << (64 - 8 * count)) >> (64 - 8 * count);
    return true;
}

static bool prefixes(struct reader *r, struct x86_insn *out, enum x86_mode mode)
{
    bool operand = false, address = false;

    for (; r->at < r->n; r->at++) {
        uint8_t b = r->bytes[r->at];

        if (mode == X86_MODE_64 && (b & 0xf0) == 0x40) {
            out->rex = b; /* counts only directly before the opcode: others below clear it */
            continue;
        }
        switch (b) {
        case 0x26:
        case 0x2e:
        case 0x36:
        case 0x3e:
            if (mode != X86_MODE_64) { /* there they say nothing, not even against FS and GS */
                out->segment = (b >> 3) & 3;
            }
            break;
        case 0x64:
        case 0x65:
            out->segment = 4 + (b & 1);
            break;
        case 0x66:
            operand = true;
            break;
        case 0x67:
            address = true;
            break;
        case 0xf0:
            out->lock = true;
            break;
        case 0xf2:
            out->repne = true;
            out->rep = false;
            break;
        case 0xf3:
            out->rep = true;
            out->repne = false;
            break;
        default:
            if (mode == X86_MODE_64) {
                out->operand_size = out->rex & 8 ? 8 : operand ? 2 : 4;
                out->address_size = address ? 4 : 8;
            } else {
                out->operand_size = (mode == X86_MODE_32) != operand ? 4 : 2;
                out->address_size = (mode == X86_MODE_32) != address ? 4 : 2;
            }
            return true;
        }
        out->rex = 0;
    }
    return false;
}

static bool modrm16(struct reader *r, struct x86_insn *out)
{
    static const uint8_t bases[8] = { 3, 3, 5, 5, 6, 7, 5, 3 };
    static const uint8_t indexes[4] = { 6, 7, 6, 7 };

    out->base = bases[out->rm];
    out->index = out->rm < ARRAY_SIZE(indexes) ? indexes[out->rm] : X86_NO_REG;
    if (out->mod == 0 && out->rm == 6) {
        out->base = X86_NO_REG;
        return take(r, 2, &out->displacement);
    }
    return out->mod == 0 || take(r, out->mod, &out->displacement);
}

static bool modrm(struct reader *r, struct x86_insn *out, enum x86_mode mode, bool registers)
{
    int64_t v;

    if (!take(r, 1, &v)) {
        return false;
    }
    out->has_modrm = true;
    out->mod = registers ? 3 : v >> 6 & 3;
    out->reg = (v >> 3 & 7) | (out->rex & 4 ? 8 : 0);
    out->rm = v & 7;
    if (out->mod == 3) {
        out->rm |= out->rex & 1 ? 8 : 0;
        return true;
    }
    if (out->address_size == 2) {
        return modrm16(r, out);
    }
    if (out->rm == 4) {
        if (!take(r, 1, &v)) {
            return false;
        }
        out->scale = v >> 6 & 3;
        out->index = (v >> 3 & 7) | (out->rex & 2 ? 8 : 0);
        if (out->index == 4) {
            out->index = X86_NO_REG;
        }
        out->base = (v & 7) | (out->rex & 1 ? 8 : 0);
        if ((v & 7) == 5 && out->mod == 0) {
            out->base = X86_NO_REG;
            return take(r, 4, &out->displacement);
        }
    } else if (out->rm == 5 && out->mod == 0) {
        out->base = mode == X86_MODE_64 ? X86_RIP : X86_NO_REG;
        return take(r, 4, &out->displacement);
    } else {
        out->base = out->rm | (out->rex & 1 ? 8 : 0);
    }
    return out->mod == 0 || take(r, out->mod == 1 ? 1 : 4, &out->displacement);
}

bool x86_insn_decode(const uint8_t *bytes, unsigned int n, enum x86_mode mode, struct x86_insn *out)
{
    struct reader r = { bytes, MIN(n, (unsigned int)X86_INSN_MAX), 0 };
    uint8_t form;

    memset(out, 0, sizeof(*out));
    out->segment = out->base = out->index = X86_NO_REG;
    if (!prefixes(&r, out, mode)) {
        return false;
    }
    out->opcode = r.bytes[r.at++];
    if (out->opcode == 0x0f) {
        if (r.at == r.n) {
            return false;
        }
        out->map = 1;
        out->opcode = r.bytes[r.at++];
    }
    form = out->map ? two_byte[out->opcode] : one_byte[out->opcode];
    if (!form || (form & M && !modrm(&r, out, mode, form & R))) {
        return false;
    }
    if (form & G3 && (out->reg & 7) > 1) {
        form &= ~(I1 | IZ);
    }
    if (form & I1) {
        out->immediate_size = 1;
    } else if (form & IZ) {
        out->immediate_size = out->operand_size == 2 ? 2 : 4;
    }
    if (out->immediate_size && !take(&r, out->immediate_size, &out->immediate)) {
        return false;
    }
    out->length = r.at;
    return true;
}
