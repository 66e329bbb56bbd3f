/*
 * CRC-32 and CRC-64, eight bytes a step.
 *
 * A CRC is linear: the remainder of eight bytes is the sum (exclusive or) of what each of them
 * would leave alone. So eight tables, one for each distance from the end of the step, are looked up
 * independently of each other.
 */
#include "checksum.h"
#include "stream.h"

/* Both polynomials with the lowest power in the top bit, as both formats send bits. */
#define CRC32_POLYNOMIAL 0xEDB88320U
#define CRC64_POLYNOMIAL 0xC96C5795D7870F42ULL

void crc32_init(struct crc32 *c)
{
    unsigned int b, bit, n;

    for (b = 0; b < 256; b++) {
        uint32_t v = b;

        for (bit = 0; bit < 8; bit++) {
            v = (v >> 1) ^ (v & 1 ? CRC32_POLYNOMIAL : 0);
        }
        c->table[0][b] = v;
    }
    for (n = 1; n < 8; n++) {
        for (b = 0; b < 256; b++) {
            uint32_t v = c->table[n - 1][b];

            c->table[n][b] = (v >> 8) ^ c->table[0][v & 0xFF];
        }
    }
}

uint32_t crc32_of(const struct crc32 *c, const uint8_t *p, size_t len)
{
    uint32_t r = UINT32_MAX;

    const uint8_t *end = p + len;
    const uint8_t *end8 = p + len / 8 * 8;

    for (; p < end8; p += 8) {
        uint32_t a = r ^ load_le32(p);
        uint32_t b = load_le32(p + 4);

        r = c->table[7][a & 0xFF] ^ c->table[6][(a >> 8) & 0xFF] ^ c->table[5][(a >> 16) & 0xFF] ^
            c->table[4][a >> 24] ^ c->table[3][b & 0xFF] ^ c->table[2][(b >> 8) & 0xFF] ^
            c->table[1][(b >> 16) & 0xFF] ^ c->table[0][b >> 24];
    }
    for (; p < end; p++) {
        r = (r >> 8) ^ c->table[0][(r ^ *p) & 0xFF];
    }
    return ~r;
}

void crc64_init(struct crc64 *c)
{
    unsigned int b, bit, n;

    for (b = 0; b < 256; b++) {
        uint64_t v = b;

        for (bit = 0; bit < 8; bit++) {
            v = (v >> 1) ^ (v & 1 ? CRC64_POLYNOMIAL : 0);
        }
        c->table[0][b] = v;
    }
    for (n = 1; n < 8; n++) {
        for (b = 0; b < 256; b++) {
            uint64_t v = c->table[n - 1][b];

            c->table[n][b] = (v >> 8) ^ c->table[0][v & 0xFF];
        }
    }
}

uint64_t crc64_of(const struct crc64 *c, const uint8_t *p, size_t len)
{
    uint64_t r = ~0ULL;

    for (; len >= 8; len -= 8, p += 8) {
        r ^= load_le64(p);
        r = c->table[7][r & 0xFF] ^ c->table[6][(r >> 8) & 0xFF] ^ c->table[5][(r >> 16) & 0xFF] ^
            c->table[4][(r >> 24) & 0xFF] ^ c->table[3][(r >> 32) & 0xFF] ^
            c->table[2][(r >> 40) & 0xFF] ^ c->table[1][(r >> 48) & 0xFF] ^ c->table[0][r >> 56];
    }
    for (; len > 0; len--, p++) {
        r = (r >> 8) ^ c->table[0][(r ^ *p) & 0xFF];
    }
    return ~r;
}
