/* Domain 0's kernel: unpacked if need be, parsed, and found fit for the job. */
#include <lodge/decompress.h>
#include <lodge/errno.h>
#include <xen/features.h>
#include "boot/boot.h"
#include "core/frame.h"
#include "core/log.h"
#include "mm/page.h"
#include "pv/dom0.h"

/* A compressed image that does not state its size is tried with this many times its own. */
#define GROWTH_GUESS 16

static unsigned int order_for(uint64_t bytes)
{
    unsigned int order = 0;

    while ((PAGE_SIZE << order) < bytes) {
        order++;
    }
    return order;
}

static void *must_alloc(uint64_t bytes, unsigned int *order, const char *what)
{
    struct frame *f = NULL;

    *order = order_for(bytes);
    if (*order <= FRAME_MAX_ORDER) {
        f = frames_alloc(*order, FRAMES_ANY_ADDRESS);
    }
    if (!f) {
        stop("domain 0 kernel: no %lu KiB of contiguous memory for %s: the machine has too little memory",
             (unsigned long)(bytes >> 10), what);
    }
    return arch_map_frame(frame_mfn(f));
}

static void free_pages(void *va, unsigned int order)
{
    frames_free(frame_of(arch_frame_of(va)), order);
}

static const void *unpack(struct dom0_kernel *k, enum decompress_kind kind, const void *packed, size_t packed_len,
                          size_t stated_len, size_t *len)
{
    size_t room = stated_len ? stated_len : packed_len * GROWTH_GUESS;
    unsigned int workspace_order;
    const char *why = "";
    void *workspace;
    int rc;

    k->unpacked = must_alloc(room, &k->order, "the unpacked kernel");
    workspace = must_alloc(decompress_workspace(), &workspace_order, "unpacking it");
    rc = decompress(kind, packed, packed_len, k->unpacked, PAGE_SIZE << k->order, len, workspace, &why,
                    NULL);
    free_pages(workspace, workspace_order);
    if (rc) {
        stop("domain 0 kernel: cannot unpack it (%s): %s", decompress_name(kind), why);
    }
    return k->unpacked;
}

static void check(const struct dom0_kernel *k)
{
    const struct xen_notes *n = &k->notes;

    if (!k->elf.is_64bit) {
        stop("domain 0 kernel: a 32-bit ELF file; a 64-bit one was expected");
    }
    if (!n->found || n->entry == XEN_NOTE_UNSET) {
        stop("domain 0 kernel: not built for Xen PV: no ELF note that names its entry point (CONFIG_XEN_PV?)");
    }
    if (n->has_supported && !(n->supported[0] & 1U << XENFEAT_dom0)) {
        stop("domain 0 kernel: its ELF notes say that it cannot be domain 0 (CONFIG_XEN_DOM0?)");
    }
}

void dom0_kernel_open(struct dom0_kernel *k, const struct boot_module *module)
{
    const void *image = maddr_to_virt(module->start), *payload = image;
    size_t len = module->size, payload_len = len, stated = 0;
    enum decompress_kind kind;
    const char *why = "";
    int rc;

    k->unpacked = NULL;
    rc = bzimage_payload(image, len, &payload, &payload_len, &stated, &why);
    if (rc == -EINVAL) {
        stop("domain 0 kernel: %s", why);
    }
    kind = decompress_probe(payload, payload_len);
    if (kind != DECOMPRESS_NONE) {
        image = unpack(k, kind, payload, payload_len, stated, &len);
    } else if (!rc) {
        if (elf_image_parse(payload, payload_len, &k->elf, &why)) {
            stop("domain 0 kernel: the bzImage is packed in an unknown way (gzip, xz, zstd or lz4 expected)");
        }
        image = payload;
        len = payload_len;
    }
    rc = elf_image_parse(image, len, &k->elf, &why);
    if (rc) {
        stop("domain 0 kernel: the image of %lu bytes is unusable: %s (a bzImage or an x86-64 ELF file expected)",
             (unsigned long)len, why);
    }
    if (xen_notes_parse(&k->elf, &k->notes, &why)) {
        stop("domain 0 kernel: %s", why);
    }
    check(k);
}

uint64_t dom0_kernel_frames(const struct dom0_kernel *k, const struct boot_module *module)
{
    return DIV_ROUND_UP(module->size, PAGE_SIZE) + (k->unpacked ? 1ULL << k->order : 0);
}

void dom0_kernel_release(struct dom0_kernel *k, const struct boot_module *module)
{
    if (k->unpacked) {
        free_pages(k->unpacked, k->order);
    }
    k->unpacked = NULL;
    boot_release(module->start & PAGE_MASK, ROUND_UP(module->start + module->size, PAGE_SIZE));
}
