/*
 * The checksums that compressed streams carry. Private to lib/decompress.
 * Tables are built in the caller's workspace: the library has no writable data of its own.
 */
#ifndef LODGE_DECOMPRESS_CHECKSUM_H
#define LODGE_DECOMPRESS_CHECKSUM_H

#include <lodge/compiler.h>

/* CRC-32 of IEEE 802.3: RFC 1952, "CRC computation". */
struct crc32 {
    uint32_t table[8][256]; /* table[n][b]: what byte b does to the remainder, n bytes later */
};

void crc32_init(struct crc32 *c);

MUST_CHECK uint32_t crc32_of(const struct crc32 *c, const uint8_t *p, size_t len);

/* CRC-64 of ECMA-182: The .xz File Format, "CRC64". */
struct crc64 {
    uint64_t table[8][256];
};

void crc64_init(struct crc64 *c);
MUST_CHECK uint64_t crc64_of(const struct crc64 *c, const uint8_t *p, size_t len);

#define SHA256_SIZE 32

void sha256_of(const uint8_t *p, size_t len, uint8_t digest[SHA256_SIZE]);

/* xxHash fast digest algorithm, seed 0 */
MUST_CHECK uint32_t xxh32_of(const uint8_t *p, size_t len);
MUST_CHECK uint64_t xxh64_of(const uint8_t *p, size_t len);

#endif
