/* xxHash with 32 and 64 bits: "xxHash fast digest algorithm", its two algorithm descriptions. */
#include "checksum.h"
#include "stream.h"

#define P32_1 0x9E3779B1U
#define P32_2 0x85EBCA77U
#define P32_3 0xC2B2AE3DU
#define P32_4 0x27D4EB2FU
#define P32_5 0x165667B1U

#define P64_1 0x9E3779B185EBCA87ULL
#define P64_2 0xC2B2AE3D27D4EB4FULL
#define P64_3 0x165667B19E3779F9ULL
#define P64_4 0x85EBCA77C2B2AE63ULL
#define P64_5 0x27D4EB2F165667C5ULL

static ALWAYS_INLINE uint32_t rotate32(uint32_t v, unsigned int by)
{
    return (v << by) | (v >> (32 - by));
}

static ALWAYS_INLINE uint64_t rotate64(uint64_t v, unsigned int by)
{
    return (v << by) | (v >> (64 - by));
}

static ALWAYS_INLINE uint32_t round32(uint32_t acc, uint32_t lane)
{
    return rotate32(acc + lane * P32_2, 13) * P32_1;
}

static ALWAYS_INLINE uint64_t round64(uint64_t acc, uint64_t lane)
{
    return rotate64(acc + lane * P64_2, 31) * P64_1;
}

static ALWAYS_INLINE uint64_t merge64(uint64_t h, uint64_t acc)
{
    return (h ^ round64(0, acc)) * P64_1 + P64_4;
}

uint32_t xxh32_of(const uint8_t *p, size_t len)
{
    const uint8_t *end = p + len;
    uint32_t h = P32_5;

    if (len >= 16) {
        uint32_t a = P32_1 + P32_2, b = P32_2, c = 0, d = 0 - P32_1;

        for (; end - p >= 16; p += 16) {
            a = round32(a, load_le32(p));
            b = round32(b, load_le32(p + 4));
            c = round32(c, load_le32(p + 8));
            d = round32(d, load_le32(p + 12));
        }
        h = rotate32(a, 1) + rotate32(b, 7) + rotate32(c, 12) + rotate32(d, 18);
    }
    h += (uint32_t)len;
    for (; end - p >= 4; p += 4) {
        h = rotate32(h + load_le32(p) * P32_3, 17) * P32_4;
    }
    for (; p < end; p++) {
        h = rotate32(h + *p * P32_5, 11) * P32_1;
    }
    h = (h ^ (h >> 15)) * P32_2;
    h = (h ^ (h >> 13)) * P32_3;
    return h ^ (h >> 16);
}

uint64_t xxh64_of(const uint8_t *p, size_t len)
{
    const uint8_t *end = p + len;
    uint64_t h = P64_5;

    if (len >= 32) {
        uint64_t a = P64_1 + P64_2, b = P64_2, c = 0, d = 0 - P64_1;

        for (; end - p >= 32; p += 32) {
            a = round64(a, load_le64(p));
            b = round64(b, load_le64(p + 8));
            c = round64(c, load_le64(p + 16));
            d = round64(d, load_le64(p + 24));
        }
        h = rotate64(a, 1) + rotate64(b, 7) + rotate64(c, 12) + rotate64(d, 18);
        h = merge64(merge64(merge64(merge64(h, a), b), c), d);
    }
    h += len;
    for (; end - p >= 8; p += 8) {
        h = rotate64(h ^ round64(0, load_le64(p)), 27) * P64_1 + P64_4;
    }
    if (end - p >= 4) {
        h = rotate64(h ^ load_le32(p) * P64_1, 23) * P64_2 + P64_3;
        p += 4;
    }
    for (; p < end; p++) {
        h = rotate64(h ^ *p * P64_5, 11) * P64_1;
    }
    h = (h ^ (h >> 33)) * P64_2;
    h = (h ^ (h >> 29)) * P64_3;
    return h ^ (h >> 32);
}
