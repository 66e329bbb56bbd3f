/* An image is whatever lies in the boot loader's module: what is accepted lies within it. */
#include <lodge/errno.h>
#include <lodge/kernel_image.h>
#include <lodge/range.h>
#include <lodge/types.h>

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok) {
        abort();
    }
}

static void must_lie_within(const void *part, uint64_t len, const uint8_t *data, size_t size)
{
    must(range_within((uint64_t)((const uint8_t *)part - data), len, size));
}

static void check_elf(const struct elf_image *elf, const uint8_t *data, size_t size)
{
    must(elf->nr_segments > 0 && elf->nr_segments <= ELF_MAX_SEGMENTS);
    must(elf->nr_notes <= ELF_MAX_NOTES);
    for (unsigned int i = 0; i < elf->nr_segments; i++) {
        const struct elf_segment *s = &elf->segments[i];

        must(s->file_size <= s->mem_size && s->mem_size > 0);
        must(s->paddr >= elf->paddr_start && s->paddr + s->mem_size <= elf->paddr_end);
        must(s->paddr + s->mem_size > s->paddr && s->vaddr + s->mem_size > s->vaddr);
        if (s->file_size) {
            must_lie_within(s->data, s->file_size, data, size);
        }
    }
    for (unsigned int i = 0; i < elf->nr_notes; i++) {
        must_lie_within(elf->notes[i].data, elf->notes[i].size, data, size);
    }
}

static void check_notes(const struct elf_image *elf, const struct xen_notes *n)
{
    uint64_t offset = n->paddr_offset == XEN_NOTE_UNSET ? 0 : n->paddr_offset;

    must(memchr(n->guest_os, 0, sizeof(n->guest_os)) != NULL);
    must(memchr(n->xen_version, 0, sizeof(n->xen_version)) != NULL);
    must(!(n->required[0] & ~n->supported[0]));
    must(!n->found || (elf->paddr_start >= offset && elf->paddr_end - offset <= 1ULL << 40));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct xen_notes notes;
    struct elf_image elf;
    size_t len, unpacked;
    const void *payload;
    const char *why = NULL;
    int rc;

    rc = bzimage_payload(data, size, &payload, &len, &unpacked, &why);
    if (!rc) {
        must_lie_within(payload, len, data, size);
    }
    must(rc <= 0 && (rc != -EINVAL || why));
    why = NULL;
    rc = elf_image_parse(data, size, &elf, &why);
    must(rc <= 0 && (!rc || why));
    if (!rc) {
        check_elf(&elf, data, size);
        rc = xen_notes_parse(&elf, &notes, &why);
        must(rc <= 0 && (!rc || why));
        if (!rc) {
            check_notes(&elf, &notes);
        }
    }
    return 0;
}
