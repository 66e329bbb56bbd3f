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
    *out = (struct phdr64){ p32.type,  p32.flags,  p32.offset, p32.vaddr,
                            p32.paddr, p32.filesz, p32.memsz,  p32.align };
}

static int segment_add(const uint8_t *image, size_t len, const struct phdr64 *ph,
                       struct elf_image *out, const char **why)
{
    struct elf_segment *s;

    if (!ph->memsz) {
        return 0;
    }
    if (out->nr_segments == ELF_MAX_SEGMENTS) {
        *why = "more segments than any kernel has";
        return -EINVAL;
    }
    if (ph->filesz > ph->memsz) {
        *why = "a segment has more bytes in the file than in memory";
        return -EINVAL;
    }
    /* Of a segment without bytes, linkers may put the offset anywhere. */
    if (ph->filesz && !range_within(ph->offset, ph->filesz, len)) {
        *why = "a segment reaches beyond the end of the file (is it truncated?)";
        return -EINVAL;
    }
    if (!range_within(ph->paddr, ph->memsz, ~0ULL) || !range_within(ph->vaddr, ph->memsz, ~0ULL)) {
        *why = "a segment reaches beyond the end of all addresses";
        return -EINVAL;
    }
    s = &out->segments[out->nr_segments++];
    *s = (struct elf_segment){ ph->paddr, ph->vaddr, ph->memsz,
                               ph->filesz ? image + ph->offset : NULL, ph->filesz };
    out->paddr_start = MIN(out->paddr_start, ph->paddr);
    out->paddr_end = MAX(out->paddr_end, ph->paddr + ph->memsz);
    return 0;
}

static void note_add(const uint8_t *image, uint64_t offset, uint64_t size, struct elf_image *out)
{
    struct elf_notes *n = out->notes;

    for (unsigned int i = 0; i < out->nr_notes; i++) {
        /* The section of a segment that was seen already. */
        if (range_within(offset - (uint64_t)((const uint8_t *)n[i].data - image), size,
                         n[i].size)) {
            return;
        }
    }
    if (size && out->nr_notes < ELF_MAX_NOTES) {
        n[out->nr_notes++] = (struct elf_notes){ image + offset, size };
    }
}

/* Sections are optional: where they are not usable, there are no notes in them. */
static void sections_scan(const uint8_t *image, size_t len, const struct ehdr64 *eh,
                          struct elf_image *out)
{
    size_t size = out->is_64bit ? sizeof(struct shdr64) : sizeof(struct shdr32);

    if (eh->shentsize != size || !range_within(eh->shoff, (uint64_t)eh->shnum * size, len)) {
        return;
    }
    for (unsigned int i = 0; i < eh->shnum; i++) {
        const uint8_t *at = image + eh->shoff + i * size;
        struct shdr64 sh;
        struct shdr32 sh32;

        if (out->is_64bit) {
            memcpy(&sh, at, sizeof(sh));
        } else {
            memcpy(&sh32, at, sizeof(sh32));
            sh = (struct shdr64){ .type = sh32.type, .offset = sh32.offset, .size = sh32.size };
        }
        if (sh.type == SHT_NOTE && range_within(sh.offset, sh.size, len)) {
            note_add(image, sh.offset, sh.size, out);
        }
    }
}

static int header_read(const uint8_t *image, size_t len, struct ehdr64 *eh, bool *is_64bit,
                       const char **why)
{
    struct ehdr32 eh32;

    if (len < sizeof(eh32) || memcmp(image, "\177ELF", 4)) {
        *why = "not an ELF file";
        return -ENOEXEC;
    }
    *is_64bit = image[4] == 2;
    if (image[4] != 1 && image[4] != 2) {
        *why = "neither of 32 nor of 64 bits";
        return -EOPNOTSUPP;
    }
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
        *eh = (struct ehdr64){ .type = eh32.type,
                               .machine = eh32.machine,
                               .entry = eh32.entry,
                               .phoff = eh32.phoff,
                               .shoff = eh32.shoff,
                               .phentsize = eh32.phentsize,
                               .phnum = eh32.phnum,
                               .shentsize = eh32.shentsize,
                               .shnum = eh32.shnum };
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
    if (!eh.phnum || eh.phentsize != size ||
        !range_within(eh.phoff, (uint64_t)eh.phnum * size, len)) {
        *why = "no usable program headers (is it truncated?)";
        return -EINVAL;
    }
    for (unsigned int i = 0; i < eh.phnum && !rc; i++) {
        phdr_read(bytes + eh.phoff + i * size, out->is_64bit, &ph);
        if (ph.type == PT_LOAD) {
            rc = segment_add(bytes, len, &ph, out, why);
        } else if (ph.type == PT_NOTE && !range_within(ph.offset, ph.filesz, len)) {
            *why = "a note reaches beyond the end of the file (is it truncated?)";
            rc = -EINVAL;
        } else if (ph.type == PT_NOTE) {
            note_add(bytes, ph.offset, ph.filesz, out);
        }
    }
    if (!rc && !out->nr_segments) {
        *why = "nothing in it to load";
        rc = -EINVAL;
    }
    if (!rc) {
        sections_scan(bytes, len, &eh, out);
    }
    return rc;
}
