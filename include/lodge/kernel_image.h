/*
 * Kernel images: what is inside a bzImage, the segments of an ELF file, and the notes by which a
 * kernel tells Xen how it wants to be started. Every offset and length is checked against the
 * image; nothing is copied or allocated.
 */
#ifndef LODGE_KERNEL_IMAGE_H
#define LODGE_KERNEL_IMAGE_H

#include <lodge/compiler.h>

/**
 * bzimage_payload - the compressed kernel inside a Linux bzImage
 * Returns 0 with *payload and *payload_len, and *unpacked_len as the image states it (0 if it does
 * not); -ENOENT it is no bzImage; -EINVAL it is one, but broken (*why). Source: Linux
 * Documentation/arch/x86/boot.rst.
 */
int bzimage_payload(const void *image, size_t len, const void **payload, size_t *payload_len,
                    size_t *unpacked_len, const char **why) MUST_CHECK;

#define ELF_MAX_SEGMENTS 16
#define ELF_MAX_NOTES    32

struct elf_segment {
    uint64_t paddr, vaddr;
    uint64_t mem_size;
    const void *data; /* file_size bytes inside the image; file_size <= mem_size. NULL: none */
    uint64_t file_size;
};

struct elf_notes {
    const void *data;
    uint64_t size;
};

struct elf_image {
    bool is_64bit;
    uint64_t entry;                  /* e_entry: for PV kernels not where Xen starts them */
    uint64_t paddr_start, paddr_end; /* of all segments */
    unsigned int nr_segments;
    struct elf_segment segments[ELF_MAX_SEGMENTS];
    unsigned int nr_notes; /* PT_NOTE segments, and SHT_NOTE sections outside of them */
    struct elf_notes notes[ELF_MAX_NOTES]; /* what is more than that is not looked at */
};

/* 0; -ENOEXEC no ELF file; -EINVAL broken; -EOPNOTSUPP not x86 or not executable (*why). */
int elf_image_parse(const void *image, size_t len, struct elf_image *out,
                    const char **why) MUST_CHECK;

#define XEN_NOTE_UNSET (~0ULL)

/* public/elfnote.h. Addresses are XEN_NOTE_UNSET where the note is missing. */
struct xen_notes {
    bool found; /* at least one note of the name Xen */
    uint64_t entry, virt_base, paddr_offset, hypercall_page, init_p2m, phys32_entry;
    bool mod_start_pfn, suspend_cancel;
    bool has_supported;
    uint32_t supported[1]; /* SUPPORTED_FEATURES, submap 0, and those that FEATURES names */
    uint32_t required[1];  /* those that FEATURES marks with '!' */
    char guest_os[16], xen_version[16];
};

/*
 * 0, also where there are none; -EINVAL (*why): broken, asks for what does not exist, or, less
 * PADDR_OFFSET, a segment lies below 0 or above 1 TiB.
 */
int xen_notes_parse(const struct elf_image *elf, struct xen_notes *out,
                    const char **why) MUST_CHECK;

#endif
