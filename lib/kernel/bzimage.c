/*
 * The compressed kernel inside a Linux bzImage.
 * Source: Linux Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header".
 */
#include <lodge/errno.h>
#include <lodge/kernel_image.h>
#include <lodge/range.h>
#include <lodge/string.h>

#define SETUP_SECTS     0x1f1
#define HEADER_MAGIC    0x202
#define VERSION         0x206
#define PAYLOAD_OFFSET  0x248
#define PAYLOAD_LENGTH  0x24c
#define HEADER_END      0x250
#define VERSION_PAYLOAD 0x208 /* the first with the payload fields */
#define SECTOR          512
#define SECTS_DEFAULT   4

static uint32_t read32(const uint8_t *p)
{
    return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}

int bzimage_payload(const void *image, size_t len, const void **payload, size_t *payload_len,
                    size_t *unpacked_len, const char **why)
{
    const uint8_t *p = image;
    uint64_t offset, length;
    unsigned int sects;

    if (len < VERSION || memcmp(p + HEADER_MAGIC, "HdrS", 4)) {
        return -ENOENT;
    }
    if (len < HEADER_END) {
        *why = "the bzImage ends inside its header";
        return -EINVAL;
    }
    if ((p[VERSION] | p[VERSION + 1] << 8) < VERSION_PAYLOAD) {
        *why = "the bzImage's boot protocol is older than 2.08";
        return -EINVAL;
    }
    sects = p[SETUP_SECTS] ? p[SETUP_SECTS] : SECTS_DEFAULT;
    offset = (sects + 1) * SECTOR + (uint64_t)read32(p + PAYLOAD_OFFSET);
    length = read32(p + PAYLOAD_LENGTH);
    if (!range_within(offset, length, len) || length < 4) {
        *why = "the bzImage ends before its payload does";
        return -EINVAL;
    }
    *payload = p + offset;
    *payload_len = length;
    /* Whatever packed it, the size stands behind it. */
    *unpacked_len = read32(p + offset + length - 4);
    return 0;
}
