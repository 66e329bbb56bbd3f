/* Segments of images made by hand. */
#include "test_image.h"

TEST(segments_are_as_the_program_headers_say)
{
    struct image *im = image_make();
    struct elf_image out;
    const char *why;

    assert_int_equal(image_parse(im, sizeof(*im), &out, &why), 0);
    assert_true(out.is_64bit);
    assert_int_equal(out.entry, BASE + 0x100000);
    assert_int_equal(out.nr_segments, 2);
    assert_int_equal(out.paddr_start, 0x100000);
    assert_int_equal(out.paddr_end, 0x200123);
    assert_int_equal(out.segments[0].paddr, 0x100000);
    assert_int_equal(out.segments[0].vaddr, BASE + 0x100000);
    assert_int_equal(out.segments[0].mem_size, 0x2000);
    assert_ptr_equal(out.segments[0].data, im->text);
    assert_int_equal(out.segments[0].file_size, sizeof(im->text));
    assert_int_equal(out.segments[1].file_size, 0);
    assert_null(out.segments[1].data);
    free(im);
}

/* As kernels of long ago have it: physical addresses are the virtual ones. */
TEST(physical_addresses_may_be_as_high_as_virtual_ones)
{
    struct image *im = image_make();
    struct elf_image out;
    const char *why;

    im->ph[0].p_paddr = im->ph[0].p_vaddr;
    im->ph[1].p_paddr = im->ph[1].p_vaddr;
    assert_int_equal(image_parse(im, sizeof(*im), &out, &why), 0);
    assert_int_equal(out.paddr_start, BASE + 0x100000);
    free(im);
}

TEST(truncated_image_is_refused_wherever_it_ends)
{
    struct image *im = image_make();
    struct elf_image out;
    const char *why;

    number_put(im, XEN_ELFNOTE_ENTRY, 1);
    for (size_t len = 0; len < sizeof(*im); len++) {
        uint8_t *copy = malloc(len ? len : 1);
        int rc;

        assert_non_null(copy);
        memcpy(copy, im, len);
        rc = image_parse(copy, len, &out, &why);
        assert_int_equal(rc, len < sizeof(Elf32_Ehdr) ? -ENOEXEC : -EINVAL);
        assert_non_null(why);
        free(copy);
    }
    assert_int_equal(image_parse(im, sizeof(*im), &out, &why), 0);
    free(im);
}

TEST(what_is_no_executable_for_x86_is_refused)
{
    struct image *im = image_make();

    im->eh.e_ident[EI_MAG1] = 'e';
    image_refused(im, -ENOEXEC, "not an ELF");
    im = image_make();
    im->eh.e_ident[EI_CLASS] = 3;
    image_refused(im, -EOPNOTSUPP, "bits");
    im = image_make();
    im->eh.e_ident[EI_DATA] = ELFDATA2MSB;
    image_refused(im, -EOPNOTSUPP, "little-endian");
    im = image_make();
    im->eh.e_machine = EM_AARCH64;
    image_refused(im, -EOPNOTSUPP, "x86");
    im = image_make();
    im->eh.e_type = ET_REL;
    image_refused(im, -EOPNOTSUPP, "executable");
}

TEST(program_headers_outside_of_the_file_are_refused)
{
    static const uint64_t absurd[] = { sizeof(struct image), ~0UL, ~0UL - 3 * sizeof(Elf64_Phdr) };
    struct image *im;

    for (size_t i = 0; i < ARRAY_SIZE(absurd); i++) {
        im = image_make();
        im->eh.e_phoff = absurd[i];
        image_refused(im, -EINVAL, "program headers");
    }
    im = image_make();
    im->eh.e_phnum = 0;
    image_refused(im, -EINVAL, "program headers");
    im = image_make();
    im->eh.e_phnum = 0xffff;
    image_refused(im, -EINVAL, "program headers");
    im = image_make();
    im->eh.e_phentsize = 32;
    image_refused(im, -EINVAL, "program headers");
}

TEST(segments_that_cannot_be_are_refused)
{
    static const uint64_t absurd[] = { sizeof(struct image) - 1, ~0UL, ~0UL - 63, 1UL << 63 };
    struct image *im;

    for (size_t i = 0; i < ARRAY_SIZE(absurd); i++) {
        im = image_make();
        im->ph[0].p_offset = absurd[i];
        image_refused(im, -EINVAL, "beyond the end of the file");
        im = image_make();
        im->ph[0].p_filesz = absurd[i];
        im->ph[0].p_memsz = absurd[i];
        im->ph[0].p_vaddr = im->ph[0].p_paddr = 0;
        image_refused(im, -EINVAL, "beyond the end of the file");
    }
    im = image_make();
    im->ph[0].p_memsz = im->ph[0].p_filesz - 1;
    image_refused(im, -EINVAL, "more bytes");
    im = image_make();
    im->ph[0].p_paddr = ~0UL - 0x1000;
    image_refused(im, -EINVAL, "all addresses");
    im = image_make();
    im->ph[0].p_vaddr = ~0UL - 0x1000;
    image_refused(im, -EINVAL, "all addresses");
    im = image_make();
    im->ph[1].p_memsz = ~0UL;
    image_refused(im, -EINVAL, "all addresses");
}

TEST(image_of_nothing_is_refused)
{
    struct image *im = image_make();

    im->ph[0].p_memsz = im->ph[0].p_filesz = im->ph[1].p_memsz = 0;
    image_refused(im, -EINVAL, "nothing");
}

TEST(more_segments_than_there_is_room_for_are_refused)
{
    size_t len = sizeof(struct image) + (ELF_MAX_SEGMENTS + 1) * sizeof(Elf64_Phdr);
    struct image *im = image_make(), *bigger = calloc(1, len);
    struct elf_image out;
    const char *why;

    assert_non_null(bigger);
    memcpy(bigger, im, sizeof(*im));
    bigger->eh.e_phoff = sizeof(*im);
    for (unsigned int n = ELF_MAX_SEGMENTS; n <= ELF_MAX_SEGMENTS + 1; n++) {
        bigger->eh.e_phnum = (uint16_t)n;
        for (unsigned int i = 0; i < n; i++) {
            memcpy((uint8_t *)bigger + sizeof(*im) + i * sizeof(Elf64_Phdr), &im->ph[0],
                   sizeof(Elf64_Phdr));
        }
        assert_int_equal(image_parse(bigger, len, &out, &why), n > ELF_MAX_SEGMENTS ? -EINVAL : 0);
    }
    assert_non_null(strstr(why, "more segments"));
    free(bigger);
    free(im);
}

TEST(image_of_32_bits_is_read_too)
{
    struct {
        Elf32_Ehdr eh;
        Elf32_Phdr ph;
        uint8_t text[16];
    } im = { .eh = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS32, ELFDATA2LSB },
                     .e_type = ET_EXEC,
                     .e_machine = EM_386,
                     .e_entry = 0x100000,
                     .e_phoff = sizeof(Elf32_Ehdr),
                     .e_phentsize = sizeof(Elf32_Phdr),
                     .e_phnum = 1 } };
    struct elf_image out;
    const char *why;

    im.ph = (Elf32_Phdr){ .p_type = PT_LOAD,
                          .p_offset = sizeof(im.eh) + sizeof(im.ph),
                          .p_vaddr = 0xc0100000,
                          .p_paddr = 0x100000,
                          .p_filesz = 16,
                          .p_memsz = 0x40 };
    assert_int_equal(image_parse(&im, sizeof(im), &out, &why), 0);
    assert_false(out.is_64bit);
    assert_int_equal(out.entry, 0x100000);
    assert_int_equal(out.segments[0].vaddr, 0xc0100000);
    assert_int_equal(out.segments[0].mem_size, 0x40);
    assert_ptr_equal(out.segments[0].data, im.text);
    assert_int_equal(image_parse(&im, sizeof(im) - 1, &out, &why), -EINVAL);
}

TEST_MAIN(T(segments_are_as_the_program_headers_say),
          T(physical_addresses_may_be_as_high_as_virtual_ones),
          T(truncated_image_is_refused_wherever_it_ends),
          T(what_is_no_executable_for_x86_is_refused),
          T(program_headers_outside_of_the_file_are_refused),
          T(segments_that_cannot_be_are_refused), T(image_of_nothing_is_refused),
          T(more_segments_than_there_is_room_for_are_refused), T(image_of_32_bits_is_read_too))
