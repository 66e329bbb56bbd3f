/* Segments and notes of an ELF executable, 32 or 64 bits. Source: System V ABI, "Object Files". */
#include <lodge/errno.h>
#include <lodge/kernel_image.h>
#include <lodge/range.h>
#include <lodge/string.h>

#define ET_EXEC   2
#define ET_DYN    3
#define EM_386    3
#define EM_X86_64 62
#define PT_LOAD   1
#define PT_NOTE   4
#define SHT_NOTE  7

struct ehdr64 {
    uint8_t ident[16];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, phoff, shoff;
    uint32_t flags;
    uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};

struct ehdr32 {
    uint8_t ident[16];
    uint16_t type, machine;
    uint32_t version, entry, phoff, shoff, flags;
    uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};

struct phdr64 {
    uint32_t type, flags;
    uint64_t offset, vaddr, paddr, filesz, memsz, align;
};

struct phdr32 {
    uint32_t type, offset, vaddr, paddr, filesz, memsz, flags, align;
};

struct shdr64 {
    uint32_t name, type;
    uint64_t flags, addr, offset, size;
    uint32_t link, info;
    uint64_t addralign, entsize;
};

struct shdr32 {
    uint32_t name, type, flags, addr, offset, size, link, info, addralign, entsize;
};

static void phdr_read(const uint8_t *at, bool is_64bit, struct phdr64 *out)
{
    struct phdr32 p32;

    if (is_64bit) {
        memcpy(out, at, sizeof(*out));
        return;
    }
    memcpy(&p32, at, sizeof(p32));
    *out = (struct phdr64){ p32.type, p32.flags, p32.offset, p32.vaddr, p32.paddr, p32.filesz, p32.memsz, p32.align };
}

static int segment_add(const uint8_t *image, size_t len, const struct phdr64 *ph, struct elf_image *out, const char **why)
{
    struct elf_segment *s;

    if (!ph->memsz) {
        return 0;
    }
    if (out->nr_segments == ELF_MAX_SEGMENTS) {
        *why = "more segments than any kernel has";
        return -EINVAL;
    }
    if (ph->filesz > ph->memsz || !range_within(ph->offset, ph->filesz, len)) {
        *why = "a segment reaches beyond the end of the file (is it truncated?)";
        return -EINVAL;
    }
    if (!range_within(ph->paddr, ph->memsz, 1ULL << 52)) {
        *why = "a segment wants a physical address that does not exist";
        return -EINVAL;
    }
    s = &out->segments[out->nr_segments++];
    *s = (struct elf_segment){ ph->paddr, ph->vaddr, ph->memsz, image + ph->offset, ph->filesz };
    out->paddr_start = MIN(out->paddr_start, ph->paddr);
    out->paddr_end = MAX(out->paddr_end, ph->paddr + ph->memsz);
    return 0;
}

static int note_add(const uint8_t *image, size_t len, uint64_t offset, uint64_t size, struct elf_image *out,
                    const char **why)
{
    if (!range_within(offset, size, len)) {
        *why = "a note reaches beyond the end of the file (is it truncated?)";
        return -EINVAL;
    }
    if (out->nr_notes < ELF_MAX_SEGMENTS) {
        out->notes[out->nr_notes].data = image + offset;
        out->notes[out->nr_notes++].size = size;
    }
    return 0;
}

static int sections_scan(const uint8_t *image, size_t len, const struct ehdr64 *eh, bool is_64bit, struct elf_image *out,
                         const char **why)
{
    size_t size = is_64bit ? sizeof(struct shdr64) : sizeof(struct shdr32);

    if (!eh->shnum) {
        return 0;
    }
    if (eh->shentsize != size || !range_within(eh->shoff, (uint64_t)eh->shnum * size, len)) {
        return 0; /* sections are optional: without usable ones there are no notes */
    }
    for (unsigned int i = 0; i < eh->shnum; i++) {
        const uint8_t *at = image + eh->shoff + i * size;
        struct shdr64 sh;
        struct shdr32 sh32;

        if (is_64bit) {
            memcpy(&sh, at, sizeof(sh));
        } else {
            memcpy(&sh32, at, sizeof(sh32));
            sh = (struct shdr64){ .type = sh32.type, .offset = sh32.offset, .size = sh32.size };
        }
        if (sh.type == SHT_NOTE) {
            int rc = note_add(image, len, sh.offset, sh.size, out, why);

            if (rc) {
                return rc;
            }
        }
    }
    return 0;
}

static int header_read(const uint8_t *image, size_t len, struct ehdr64 *eh, bool *is_64bit, const char **why)
{
    struct ehdr32 eh32;

    if (len < sizeof(eh32) || memcmp(image, "\177ELF", 4)) {
        *why = "not an ELF file";
        return -ENOEXEC;
    }
    *is_64bit = image[4] == 2;
    if (image[5] != 1) {
        *why = "not little-endian";
        return -EOPNOTSUPP;
    }
    if (*is_64bit) {
        if (len < sizeof(*eh)) {
            *why = "the file ends inside the ELF header";
            return -EINVAL;
        }
        memcpy(eh, image, sizeof(*eh));
    } else {
        memcpy(&eh32, image, sizeof(eh32));
        *eh = (struct ehdr64){ .type = eh32.type, .machine = eh32.machine, .entry = eh32.entry, .phoff = eh32.phoff,
                               .shoff = eh32.shoff, .phentsize = eh32.phentsize, .phnum = eh32.phnum,
                               .shentsize = eh32.shentsize, .shnum = eh32.shnum };
    }
    if (eh->machine != EM_X86_64 && eh->machine != EM_386) {
        *why = "not built for x86";
        return -EOPNOTSUPP;
    }
    if (eh->type != ET_EXEC && eh->type != ET_DYN) {
        *why = "not an executable ELF file";
        return -EOPNOTSUPP;
    }
    return 0;
}

int elf_image_parse(const void *image, size_t len, struct elf_image *out, const char **why)
{
    const uint8_t *bytes = image;
    struct ehdr64 eh;
    struct phdr64 ph;
    size_t size;
    int rc;

    memset(out, 0, sizeof(*out));
    out->paddr_start = ~0ULL;
    rc = header_read(bytes, len, &eh, &out->is_64bit, why);
    if (rc) {
        return rc;
    }
    out->entry = eh.entry;
    size = out->is_64bit ? sizeof(struct phdr64) : sizeof(struct phdr32);
    if (!eh.phnum || eh.phentsize != size || !range_within(eh.phoff, (uint64_t)eh.phnum * size, len)) {
        *why = "no usable program headers (is it truncated?)";
        return -EINVAL;
    }
    for (unsigned int i = 0; i < eh.phnum && !rc; i++) {
        phdr_read(bytes + eh.phoff + i * size, out->is_64bit, &ph);
        if (ph.type == PT_LOAD) {
            rc = segment_add(bytes, len, &ph, out, why);
        } else if (ph.type == PT_NOTE) {
            rc = note_add(bytes, len, ph.offset, ph.filesz, out, why);
        }
    }
    if (!rc && !out->nr_segments) {
        *why = "nothing in it to load";
        rc = -EINVAL;
    }
    if (!rc && !out->nr_notes) {
        rc = sections_scan(bytes, len, &eh, out->is_64bit, out, why);
    }
    return rc;
}
