/* SHA-256: FIPS 180-4, "SHA-256". A .xz stream may carry it as its integrity check. */
#include <lodge/string.h>

#include "checksum.h"
#include "stream.h"

#define BLOCK 64

/* "SHA-224 and SHA-256 Constants": fractions of the cube roots of the first 64 primes */
static const uint32_t round_constant[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotate(uint32_t v, unsigned int by)
{
    return (v >> by) | (v << (32 - by));
}

static void sha256_block(uint32_t hash[8], const uint8_t *p)
{
    uint32_t w[64];
    uint32_t v[8];
    unsigned int i;

    for (i = 0; i < 16; i++) {
        w[i] = __builtin_bswap32(load_le32(p + 4 * i));
    }
    for (; i < 64; i++) {
        uint32_t a = w[i - 15], b = w[i - 2];

        w[i] = w[i - 16] + (rotate(a, 7) ^ rotate(a, 18) ^ (a >> 3)) + w[i - 7] +
               (rotate(b, 17) ^ rotate(b, 19) ^ (b >> 10));
    }
    memcpy(v, hash, sizeof(v));
    for (i = 0; i < 64; i++) {
        uint32_t a = v[0], e = v[4];
        uint32_t t1 = v[7] + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) +
                      ((e & v[5]) ^ (~e & v[6])) + round_constant[i] + w[i];
        uint32_t t2 = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) +
                      ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));

        memmove(&v[1], &v[0], 7 * sizeof(v[0]));
        v[4] += t1;
        v[0] = t1 + t2;
    }
    for (i = 0; i < 8; i++) {
        hash[i] += v[i];
    }
}

void sha256_of(const uint8_t *p, size_t len, uint8_t digest[SHA256_SIZE])
{
    uint32_t hash[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                         0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };
    uint64_t bits = (uint64_t)len * 8;
    uint8_t last[2 * BLOCK] = { 0 };
    size_t last_len;
    unsigned int i;

    for (; len >= BLOCK; len -= BLOCK, p += BLOCK) {
        sha256_block(hash, p);
    }
    /* What remains, a one bit, zeros, and the message's length in bits in the last 8 bytes. */
    memcpy(last, p, len);
    last[len] = 0x80;
    last_len = len + 1 + 8 <= BLOCK ? BLOCK : 2 * BLOCK;
    store_le32(last + last_len - 8, __builtin_bswap32((uint32_t)(bits >> 32)));
    store_le32(last + last_len - 4, __builtin_bswap32((uint32_t)bits));
    for (i = 0; i < last_len; i += BLOCK) {
        sha256_block(hash, last + i);
    }
    for (i = 0; i < 8; i++) {
        store_le32(digest + 4 * i, __builtin_bswap32(hash[i]));
    }
}
