/* Notes of images made by hand; and Debian's kernels, where they have been fetched. */
#include <lodge/decompress.h>
#include <xen/features.h>
#include "test_image.h"

#include <glob.h>
#include <stdio.h>

static int notes_parse(struct image *im, struct xen_notes *out, const char **why)
{
    struct elf_image elf;

    assert_int_equal(image_parse(im, sizeof(*im), &elf, why), 0);
    return xen_notes_parse(&elf, out, why);
}

static struct xen_notes notes_of(struct image *im)
{
    struct xen_notes out;
    const char *why = NULL;

    if (notes_parse(im, &out, &why)) {
        fail_msg("refused: %s", why);
    }
    free(im);
    return out;
}

static void notes_refused(struct image *im, const char *what)
{
    struct xen_notes out;
    const char *why = NULL;

    assert_int_equal(notes_parse(im, &out, &why), -EINVAL);
    assert_non_null(why);
    assert_non_null(strstr(why, what));
    free(im);
}

TEST(image_without_notes_has_none)
{
    struct xen_notes n = notes_of(image_make());

    assert_false(n.found);
    assert_true(n.entry == XEN_NOTE_UNSET && n.virt_base == XEN_NOTE_UNSET);
    assert_true(n.paddr_offset == XEN_NOTE_UNSET && n.hypercall_page == XEN_NOTE_UNSET);
    assert_true(n.init_p2m == XEN_NOTE_UNSET && n.phys32_entry == XEN_NOTE_UNSET);
}

TEST(notes_of_others_are_passed_over)
{
    struct image *im = image_make();
    uint64_t v = 7;

    note_put(im, "Linux", XEN_ELFNOTE_ENTRY, &v, sizeof(v));
    note_put(im, "GNU", XEN_ELFNOTE_VIRT_BASE, &v, 3); /* an odd size is padded */
    note_put(im, "xen", XEN_ELFNOTE_VIRT_BASE, &v, sizeof(v));
    number_put(im, XEN_ELFNOTE_ENTRY, 9);
    assert_int_equal(notes_of(im).entry, 9);
}

TEST(numbers_are_read_in_four_and_in_eight_bytes)
{
    struct image *im = image_make();
    uint32_t small = 0x80001000;
    struct xen_notes n;

    note_put(im, "Xen", XEN_ELFNOTE_VIRT_BASE, &small, sizeof(small));
    number_put(im, XEN_ELFNOTE_ENTRY, BASE + 0x100);
    number_put(im, XEN_ELFNOTE_PADDR_OFFSET, 0x1000);
    number_put(im, XEN_ELFNOTE_HYPERCALL_PAGE, BASE + 0x1000);
    number_put(im, XEN_ELFNOTE_INIT_P2M, 0x8000000000);
    number_put(im, XEN_ELFNOTE_PHYS32_ENTRY, 0x100200);
    number_put(im, XEN_ELFNOTE_MOD_START_PFN, 1);
    n = notes_of(im);
    assert_true(n.found);
    assert_int_equal(n.virt_base, 0x80001000);
    assert_int_equal(n.entry, BASE + 0x100);
    assert_int_equal(n.paddr_offset, 0x1000);
    assert_int_equal(n.hypercall_page, BASE + 0x1000);
    assert_int_equal(n.init_p2m, 0x8000000000);
    assert_int_equal(n.phys32_entry, 0x100200);
    assert_true(n.mod_start_pfn);
    assert_false(n.suspend_cancel);
}

TEST(texts_too_long_are_cut)
{
    struct image *im = image_make();
    struct xen_notes n;

    note_put(im, "Xen", XEN_ELFNOTE_GUEST_OS, "an operating system of a long name", 34);
    note_put(im, "Xen", XEN_ELFNOTE_XEN_VERSION, "xen-3.0", 8);
    n = notes_of(im);
    assert_string_equal(n.guest_os, "an operating sy");
    assert_string_equal(n.xen_version, "xen-3.0");
}

TEST(features_are_named_or_numbered)
{
    static const char text[] = "!writable_page_tables|pae_pgdir_above_4gb|no such thing||dom0";
    struct image *im = image_make();
    struct xen_notes n;

    note_put(im, "Xen", XEN_ELFNOTE_FEATURES, text, sizeof(text) - 1); /* no NUL */
    n = notes_of(im);
    assert_false(n.has_supported);
    assert_int_equal(n.supported[0], 1U << XENFEAT_writable_page_tables |
                                         1U << XENFEAT_pae_pgdir_above_4gb | 1U << XENFEAT_dom0);
    assert_int_equal(n.required[0], 1U << XENFEAT_writable_page_tables);
    im = image_make();
    number_put(im, XEN_ELFNOTE_SUPPORTED_FEATURES, 1U << XENFEAT_dom0);
    note_put(im, "Xen", XEN_ELFNOTE_FEATURES, "hvm_callback_vector", 20);
    n = notes_of(im);
    assert_true(n.has_supported);
    assert_int_equal(n.supported[0], 1U << XENFEAT_dom0 | 1U << XENFEAT_hvm_callback_vector);
}

TEST(required_feature_that_is_unknown_is_refused)
{
    struct image *im = image_make();

    note_put(im, "Xen", XEN_ELFNOTE_FEATURES, "dom0|!no_such_thing", 20);
    notes_refused(im, "feature");
}

TEST(note_that_ends_early_is_refused_wherever)
{
    struct image *im = image_make();
    size_t end;

    number_put(im, XEN_ELFNOTE_ENTRY, 5);
    end = im->ph[2].p_filesz;
    for (size_t size = 0; size < end; size++) {
        struct xen_notes out;
        const char *why;
        int rc;

        im->ph[2].p_filesz = size;
        rc = notes_parse(im, &out, &why);
        /* less than a header is what padding leaves */
        assert_int_equal(rc, size < 12 ? 0 : -EINVAL);
        assert_true(out.entry == XEN_NOTE_UNSET);
    }
    free(im);
}

TEST(absurd_sizes_in_notes_are_refused)
{
    static const uint32_t absurd[] = { 0x7fffffff, 0x80000000, 0xfffffff4, 0xfffffffc, 0xffffffff };

    for (size_t i = 0; i < ARRAY_SIZE(absurd); i++) {
        for (unsigned int field = 0; field < 2; field++) {
            struct image *im = image_make();

            number_put(im, XEN_ELFNOTE_ENTRY, 5);
            put32(im->notes + 4 * field, absurd[i]);
            notes_refused(im, "beyond its section");
        }
    }
}

TEST(notes_outside_of_the_file_are_refused)
{
    static const uint64_t absurd[] = { sizeof(struct image) + 1, ~0UL, ~0UL - 200 };

    for (size_t i = 0; i < ARRAY_SIZE(absurd); i++) {
        struct image *im = image_make();

        number_put(im, XEN_ELFNOTE_ENTRY, 5);
        im->ph[2].p_offset = absurd[i];
        image_refused(im, -EINVAL, "note");
        im = image_make();
        im->ph[2].p_filesz = absurd[i];
        image_refused(im, -EINVAL, "note");
    }
}

TEST(notes_are_found_in_sections_without_a_segment)
{
    struct image *im = image_make();

    number_put(im, XEN_ELFNOTE_ENTRY, 5);
    im->sh[1] = (Elf64_Shdr){ .sh_type = SHT_NOTE,
                              .sh_offset = im->ph[2].p_offset,
                              .sh_size = im->ph[2].p_filesz };
    im->eh.e_shnum = 2;
    im->ph[2].p_type = PT_NULL;
    assert_int_equal(notes_of(im).entry, 5);
}

TEST(section_of_a_segment_is_not_read_twice)
{
    struct image *im = image_make();
    struct elf_image out;
    const char *why;

    number_put(im, XEN_ELFNOTE_ENTRY, 5);
    im->sh[1] = (Elf64_Shdr){ .sh_type = SHT_NOTE,
                              .sh_offset = im->ph[2].p_offset,
                              .sh_size = im->ph[2].p_filesz };
    im->eh.e_shnum = 2;
    assert_int_equal(image_parse(im, sizeof(*im), &out, &why), 0);
    assert_int_equal(out.nr_notes, 1);
    free(im);
}

TEST(unusable_sections_are_passed_over)
{
    struct image *im = image_make();

    number_put(im, XEN_ELFNOTE_ENTRY, 5);
    im->sh[1] = (Elf64_Shdr){ .sh_type = SHT_NOTE, .sh_offset = ~0UL, .sh_size = ~0UL };
    im->eh.e_shnum = 2;
    assert_int_equal(notes_of(im).entry, 5);
    im = image_make();
    number_put(im, XEN_ELFNOTE_ENTRY, 5);
    im->eh.e_shnum = 0xffff;
    im->eh.e_shoff = ~0UL;
    assert_int_equal(notes_of(im).entry, 5);
}

TEST(segments_must_lie_where_the_offset_says)
{
    struct image *im = image_make();

    number_put(im, XEN_ELFNOTE_PADDR_OFFSET, 0x100001); /* below */
    notes_refused(im, "PADDR_OFFSET");
    im = image_make();
    im->ph[0].p_paddr += BASE; /* far above, without one */
    number_put(im, XEN_ELFNOTE_ENTRY, 5);
    notes_refused(im, "PADDR_OFFSET");
    im = image_make();
    im->ph[0].p_paddr += BASE;
    im->ph[1].p_paddr += BASE;
    number_put(im, XEN_ELFNOTE_PADDR_OFFSET, BASE);
    assert_int_equal(notes_of(im).paddr_offset, BASE);
}

static void *file_read(const char *path, size_t *len)
{
    FILE *f = fopen(path, "rb");
    uint8_t *p = NULL;
    long n;

    assert_non_null(f);
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    n = ftell(f);
    rewind(f);
    p = malloc((size_t)n);
    assert_non_null(p);
    assert_int_equal(fread(p, 1, (size_t)n, f), n);
    (void)fclose(f);
    *len = (size_t)n;
    return p;
}

static void kernel_check(const char *path)
{
    size_t len, payload_len, stated, unpacked_len;
    uint8_t *image = file_read(path, &len), *unpacked, *workspace;
    struct elf_image elf;
    struct xen_notes notes;
    const void *payload;
    const char *why;

    assert_int_equal(bzimage_payload(image, len, &payload, &payload_len, &stated, &why), 0);
    unpacked = malloc(stated);
    workspace = malloc(decompress_workspace());
    assert_non_null(unpacked);
    assert_non_null(workspace);
    if (decompress(decompress_probe(payload, payload_len), payload, payload_len, unpacked, stated,
                   &unpacked_len, workspace, &why, NULL)) {
        fail_msg("%s: %s", path, why);
    }
    assert_int_equal(unpacked_len, stated);
    assert_int_equal(elf_image_parse(unpacked, unpacked_len, &elf, &why), 0);
    assert_int_equal(elf_image_parse(unpacked, unpacked_len / 2, &elf, &why), -EINVAL);
    assert_int_equal(elf_image_parse(unpacked, unpacked_len, &elf, &why), 0);
    assert_int_equal(xen_notes_parse(&elf, &notes, &why), 0);
    assert_true(elf.is_64bit);
    assert_int_equal(elf.paddr_start, 0x1000000);
    assert_true(notes.found);
    assert_string_equal(notes.guest_os, "linux");
    assert_string_equal(notes.xen_version, "xen-3.0");
    assert_int_equal(notes.virt_base, BASE);
    assert_int_equal(notes.init_p2m, 0x8000000000);
    assert_true(notes.mod_start_pfn);
    assert_true(notes.has_supported && notes.supported[0] & 1U << XENFEAT_dom0);
    assert_true(notes.entry > BASE);
    free(workspace);
    free(unpacked);
    free(image);
}

TEST(debians_kernels_are_read)
{
    glob_t g;

    if (glob("build/cache/kernel-*/vmlinuz", 0, NULL, &g)) {
        skip(); /* none was fetched */
    }
    for (size_t i = 0; i < g.gl_pathc; i++) {
        kernel_check(g.gl_pathv[i]);
    }
    globfree(&g);
}

TEST_MAIN(T(image_without_notes_has_none), T(notes_of_others_are_passed_over),
          T(numbers_are_read_in_four_and_in_eight_bytes), T(texts_too_long_are_cut),
          T(features_are_named_or_numbered), T(required_feature_that_is_unknown_is_refused),
          T(note_that_ends_early_is_refused_wherever), T(absurd_sizes_in_notes_are_refused),
          T(notes_outside_of_the_file_are_refused),
          T(notes_are_found_in_sections_without_a_segment),
          T(section_of_a_segment_is_not_read_twice), T(unusable_sections_are_passed_over),
          T(segments_must_lie_where_the_offset_says), T(debians_kernels_are_read))
