/* A kernel image made by hand, to be broken in every place: for the tests of this directory. */
#ifndef KERNEL_TEST_IMAGE_H
#define KERNEL_TEST_IMAGE_H

#include <lodge/kernel_image.h>
#include <lodge/string.h>
#include <lodge/types.h>
#include <xen/elfnote.h>
#include "unit.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>

static inline void put32(uint8_t *at, uint32_t v)
{
    memcpy(at, &v, sizeof(v));
}

#define TEXT_AT 0x400UL

/* Two segments to load, one of them without bytes in the file, and notes. */
struct image {
    Elf64_Ehdr eh;
    Elf64_Phdr ph[3];
    Elf64_Shdr sh[2];
    uint8_t notes[256];
    uint8_t
        pad[TEXT_AT - sizeof(Elf64_Ehdr) - 3 * sizeof(Elf64_Phdr) - 2 * sizeof(Elf64_Shdr) - 256];
    uint8_t text[64];
};
BUILD_ASSERT(offsetof(struct image, text) == TEXT_AT);

#define BASE 0xffffffff80000000UL

static inline size_t note_put(struct image *im, const char *name, uint32_t type, const void *desc,
                              uint32_t size)
{
    uint32_t name_size = (uint32_t)strlen(name) + 1;
    size_t at = im->ph[2].p_filesz;

    assert_true(at + 12 + ROUND_UP(name_size, 4) + ROUND_UP(size, 4) <= sizeof(im->notes));
    put32(im->notes + at, name_size);
    put32(im->notes + at + 4, size);
    put32(im->notes + at + 8, type);
    memcpy(im->notes + at + 12, name, name_size);
    memcpy(im->notes + at + 12 + ROUND_UP(name_size, 4), desc, size);
    im->ph[2].p_filesz = at + 12 + ROUND_UP(name_size, 4) + ROUND_UP(size, 4);
    return at;
}

static inline size_t number_put(struct image *im, uint32_t type, uint64_t v)
{
    return note_put(im, "Xen", type, &v, sizeof(v));
}

static inline struct image *image_make(void)
{
    struct image *im = calloc(1, sizeof(*im));

    assert_non_null(im);
    memcpy(im->eh.e_ident, ELFMAG, SELFMAG);
    im->eh.e_ident[EI_CLASS] = ELFCLASS64;
    im->eh.e_ident[EI_DATA] = ELFDATA2LSB;
    im->eh.e_type = ET_EXEC;
    im->eh.e_machine = EM_X86_64;
    im->eh.e_entry = BASE + 0x100000;
    im->eh.e_phoff = offsetof(struct image, ph);
    im->eh.e_phentsize = sizeof(Elf64_Phdr);
    im->eh.e_phnum = 3;
    im->eh.e_shoff = offsetof(struct image, sh);
    im->eh.e_shentsize = sizeof(Elf64_Shdr);
    im->ph[0] = (Elf64_Phdr){ .p_type = PT_LOAD,
                              .p_offset = TEXT_AT,
                              .p_vaddr = BASE + 0x100000,
                              .p_paddr = 0x100000,
                              .p_filesz = sizeof(im->text),
                              .p_memsz = 0x2000 };
    im->ph[1] = (Elf64_Phdr){ .p_type = PT_LOAD,
                              .p_offset = 0x7654321000, /* of no bytes */
                              .p_vaddr = BASE + 0x200000,
                              .p_paddr = 0x200000,
                              .p_memsz = 0x123 };
    im->ph[2] = (Elf64_Phdr){ .p_type = PT_NOTE, .p_offset = offsetof(struct image, notes) };
    return im;
}

static inline int image_parse(const void *image, size_t len, struct elf_image *out,
                              const char **why)
{
    *why = NULL;
    return elf_image_parse(image, len, out, why);
}

static inline void image_refused(struct image *im, int expected, const char *what)
{
    struct elf_image out;
    const char *why;

    assert_int_equal(image_parse(im, sizeof(*im), &out, &why), expected);
    assert_non_null(why);
    if (!strstr(why, what)) {
        fail_msg("\"%s\" does not say \"%s\"", why, what);
    }
    free(im);
}

#endif
