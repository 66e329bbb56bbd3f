/*
 * The x86 filter: before packing, the relative targets of CALL (E8) and JMP (E9) were made
 * absolute, so that every call of one function looks alike. Here they become relative again.
 *
 * Which E8 and E9 are instructions nobody knows; encoder and decoder only have to guess alike. A
 * four-byte operand is converted when its top byte is 00 or FF (a target within 16 MiB), unless an
 * opcode byte shortly before casts doubt: one whose own operand would overlap this one. The LZMA
 * SDK's rules for that:
 * - doubt is cast by those in the last three positions, since the last conversion, that were not
 *   converted themselves;
 * - with two or more, or with one whose top byte was 00 or FF as well, nothing is converted;
 * - with just one, its top byte lies inside our operand and is neither 00 nor FF, or else it would
 *   have been converted. The encoder keeps that so: where its sum made that byte 00 or FF, it
 *   complemented the sum up to and including that byte and added again. So does this file,
 *   subtracting; as one complement makes the byte other than 00 and FF, there is never a second.
 */
#include "x86_filter.h"

#define OPERAND_LEN 4
#define DOUBT_LEN   3    /* positions before an opcode that can cast doubt on it */
#define DOUBT_MASK  0x0E /* the same as bits 1..3 */

static bool is_near(uint32_t top_byte)
{
    return top_byte == 0x00 || top_byte == 0xFF;
}

/* The first E8 or E9 in [p, end), or end. */
static ALWAYS_INLINE uint8_t *opcode_find(uint8_t *p, uint8_t *end)
{
    const uint64_t ones = 0x0101010101010101ULL;
    const uint8_t *end8 = end - p >= 8 ? end - 7 : p; /* before it, 8 bytes can be read */

    for (; p < end8; p += 8) {
        uint64_t v = (load_le64(p) & (ones * 0xFE)) ^ (ones * 0xE8);
        uint64_t zero = (v - ones) & ~v & (ones * 0x80); /* the lowest bit set is exact */

        if (zero) {
            return p + __builtin_ctzll(zero) / 8;
        }
    }
    while (p < end && (*p & 0xFE) != 0xE8) {
        p++;
    }
    return p;
}

void x86_filter_undo(uint8_t *data, size_t len, uint32_t start)
{
    uint8_t *p = data;
    uint8_t *latest = data;   /* the latest opcode byte that was not converted, if any */
    uint32_t doubts = 0;      /* bit n: there is one n bytes before @latest */
    uint32_t doubts_near = 0; /* bit n: and its top byte is 00 or FF */
    uint8_t *end;

    if (len <= OPERAND_LEN) {
        return;
    }
    end = data + len - OPERAND_LEN; /* an opcode from here on has no whole operand */
    for (p = opcode_find(p, end); p < end; p = opcode_find(p, end)) {
        bool near = is_near(p[OPERAND_LEN]);

        if (p - latest > DOUBT_LEN) {
            doubts = 0;
            doubts_near = 0;
        } else {
            doubts = (doubts << (p - latest)) & DOUBT_MASK;
            doubts_near = (doubts_near << (p - latest)) & DOUBT_MASK;
        }
        if (near && !doubts_near && !(doubts & (doubts - 1))) {
            uint32_t next = start + (uint32_t)(p - data) + 1 + OPERAND_LEN;
            uint32_t target = load_le32(p + 1) - next;

            if (doubts) {
                unsigned int bits = 32 - 8 * (unsigned int)__builtin_ctz(doubts);

                if (is_near((target >> (bits - 8)) & 0xFF)) {
                    target = (target ^ ((1U << bits) - 1)) - next;
                }
            }
            /* What was one bit of sign fills the top byte again. */
            target &= 0x01FFFFFF;
            store_le32(p + 1, target | (0U - (target & 0x01000000)));
            p += 1 + OPERAND_LEN;
            doubts = 0;
            doubts_near = 0;
        } else {
            doubts |= 1;
            doubts_near |= near;
            latest = p++;
        }
    }
}
