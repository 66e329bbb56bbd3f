/* The ELF notes of the name "Xen": public/elfnote.h. */
#include <lodge/errno.h>
#include <lodge/kernel_image.h>
#include <lodge/range.h>
#include <lodge/string.h>
#include <xen/elfnote.h>
#include <xen/features.h>

#define NOTE_ALIGN       4
#define KERNEL_MAX_PADDR (1ULL << 40)

struct note_header {
    uint32_t name_size, desc_size, type;
};

static const struct {
    const char *name;
    unsigned int bit;
} feature_names[] = {
    { "writable_page_tables", XENFEAT_writable_page_tables },
    { "writable_descriptor_tables", XENFEAT_writable_descriptor_tables },
    { "auto_translated_physmap", XENFEAT_auto_translated_physmap },
    { "supervisor_mode_kernel", XENFEAT_supervisor_mode_kernel },
    { "pae_pgdir_above_4gb", XENFEAT_pae_pgdir_above_4gb },
    { "hvm_callback_vector", XENFEAT_hvm_callback_vector },
    { "dom0", XENFEAT_dom0 },
};

/* Numbers are 4 or 8 bytes, as the assembler's .long or .quad left them. */
static uint64_t number(const uint8_t *desc, uint32_t size)
{
    uint64_t v = 0;

    memcpy(&v, desc, size > sizeof(v) ? sizeof(v) : size);
    return v;
}

static void string(char *to, size_t room, const uint8_t *desc, uint32_t size)
{
    size_t n = MIN(room - 1, (size_t)size);

    memcpy(to, desc, n);
    to[n] = '\0';
}

static bool feature(struct xen_notes *out, const char *name, uint32_t len, bool required)
{
    for (unsigned int i = 0; i < ARRAY_SIZE(feature_names); i++) {
        if (strlen(feature_names[i].name) == len && !memcmp(feature_names[i].name, name, len)) {
            out->supported[0] |= 1U << feature_names[i].bit;
            out->required[0] |= (uint32_t)required << feature_names[i].bit;
            return true;
        }
    }
    return false;
}

/*
 * "!writable_page_tables|pae_pgdir_above_4gb", with or without a final NUL. A name that we do not
 * know is no concern of ours, unless the kernel cannot do without.
 */
static int features(struct xen_notes *out, const char *text, uint32_t size, const char **why)
{
    uint32_t at = 0;

    while (at < size && text[at]) {
        bool required = text[at] == '!';
        uint32_t start = at + required, end = start;

        while (end < size && text[end] && text[end] != '|') {
            end++;
        }
        if (!feature(out, text + start, end - start, required) && required) {
            *why = "its ELF notes require a feature that nobody knows";
            return -EINVAL;
        }
        at = end + (end < size && text[end] == '|');
    }
    return 0;
}

static int note(struct xen_notes *out, uint32_t type, const uint8_t *desc, uint32_t size,
                const char **why)
{
    out->found = true;
    switch (type) {
    case XEN_ELFNOTE_ENTRY:
        out->entry = number(desc, size);
        break;
    case XEN_ELFNOTE_HYPERCALL_PAGE:
        out->hypercall_page = number(desc, size);
        break;
    case XEN_ELFNOTE_VIRT_BASE:
        out->virt_base = number(desc, size);
        break;
    case XEN_ELFNOTE_PADDR_OFFSET:
        out->paddr_offset = number(desc, size);
        break;
    case XEN_ELFNOTE_INIT_P2M:
        out->init_p2m = number(desc, size);
        break;
    case XEN_ELFNOTE_PHYS32_ENTRY:
        out->phys32_entry = number(desc, size);
        break;
    case XEN_ELFNOTE_MOD_START_PFN:
        out->mod_start_pfn = number(desc, size);
        break;
    case XEN_ELFNOTE_SUSPEND_CANCEL:
        out->suspend_cancel = number(desc, size);
        break;
    case XEN_ELFNOTE_SUPPORTED_FEATURES:
        out->has_supported = true;
        out->supported[0] |= (uint32_t)number(desc, size);
        break;
    case XEN_ELFNOTE_FEATURES:
        return features(out, (const char *)desc, size, why);
    case XEN_ELFNOTE_GUEST_OS:
        string(out->guest_os, sizeof(out->guest_os), desc, size);
        break;
    case XEN_ELFNOTE_XEN_VERSION:
        string(out->xen_version, sizeof(out->xen_version), desc, size);
        break;
    }
    return 0;
}

static int notes_read(const struct elf_notes *notes, struct xen_notes *out, const char **why)
{
    const uint8_t *data = notes->data;
    uint64_t at = 0;

    while (range_within(at, sizeof(struct note_header), notes->size)) {
        struct note_header h;
        uint64_t name, desc;
        int rc;

        memcpy(&h, data + at, sizeof(h));
        name = at + sizeof(h);
        desc = ROUND_UP(name + h.name_size, NOTE_ALIGN);
        if (!range_within(desc, h.desc_size, notes->size)) {
            *why = "an ELF note reaches beyond its section";
            return -EINVAL;
        }
        if (h.name_size == 4 && !memcmp(data + name, "Xen", 4)) {
            rc = note(out, h.type, data + desc, h.desc_size, why);
            if (rc) {
                return rc;
            }
        }
        at = ROUND_UP(desc + h.desc_size, NOTE_ALIGN);
    }
    return 0;
}

/* Where the segments go: no farther than a kernel could be. */
static int place_check(const struct elf_image *elf, const struct xen_notes *notes, const char **why)
{
    uint64_t offset = notes->paddr_offset == XEN_NOTE_UNSET ? 0 : notes->paddr_offset;

    if (elf->paddr_start < offset || elf->paddr_end - offset > KERNEL_MAX_PADDR) {
        *why = "its segments do not lie where PADDR_OFFSET in its ELF notes says";
        return -EINVAL;
    }
    return 0;
}

int xen_notes_parse(const struct elf_image *elf, struct xen_notes *out, const char **why)
{
    int rc = 0;

    memset(out, 0, sizeof(*out));
    out->entry = out->virt_base = out->paddr_offset = XEN_NOTE_UNSET;
    out->hypercall_page = out->init_p2m = out->phys32_entry = XEN_NOTE_UNSET;
    for (unsigned int i = 0; i < elf->nr_notes && !rc; i++) {
        rc = notes_read(&elf->notes[i], out, why);
    }
    return rc || !out->found ? rc : place_check(elf, out, why);
}
