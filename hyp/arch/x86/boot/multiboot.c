/*
 * Multiboot 1 and 2: from the loader's information to boot_info. The loader's memory may be
 * anywhere below 4 GiB, where the early direct map reaches. Sources: Multiboot Specification
 * 0.6.96, "Boot information format"; Multiboot2 Specification 2.0, "Boot information".
 */
#include "boot/boot.h"
#include <lodge/string.h>
#include "core/log.h"
#include "mm/page.h"

#define MB1_LOADER 0x2badb002U
#define MB2_LOADER 0x36d76289U

#define MB1_HAS_MEMORY      0x001U
#define MB1_HAS_CMDLINE     0x004U
#define MB1_HAS_MODULES     0x008U
#define MB1_HAS_MAP         0x040U
#define MB1_HAS_LOADER      0x200U
#define MB1_HAS_FRAMEBUFFER 0x1000U

#define FRAMEBUFFER_RGB 1

struct mb1_info {
    uint32_t flags, mem_lower_kib, mem_upper_kib, boot_device, cmdline, nr_mods, mods, syms[4];
    uint32_t map_length, map, drives_length, drives, config_table, loader, apm_table;
    uint32_t vbe[4];
    uint64_t fb_base;
    uint32_t fb_pitch, fb_width, fb_height;
    uint8_t fb_bpp, fb_type;
} PACKED;

struct mb1_module {
    uint32_t start, end, cmdline, reserved;
};

struct mb1_map_entry {
    uint32_t size; /* of what follows */
    uint64_t start, length;
    uint32_t type;
} PACKED;

enum mb2_tag_type {
    MB2_CMDLINE = 1,
    MB2_LOADER_NAME = 2,
    MB2_MODULE = 3,
    MB2_MEMORY = 4,
    MB2_MAP = 6,
    MB2_FRAMEBUFFER = 8,
    MB2_RSDP_V1 = 14,
    MB2_RSDP_V2 = 15,
};

struct mb2_tag {
    uint32_t type, size;
    union {
        char text[0];
        struct {
            uint32_t start, end;
            char cmdline[];
        } module;
        struct {
            uint32_t lower_kib, upper_kib;
        } memory;
        struct {
            uint32_t entry_size, entry_version;
            uint8_t entries[];
        } map;
        struct {
            uint64_t base;
            uint32_t pitch, width, height;
            uint8_t bpp, type;
        } PACKED framebuffer;
        uint8_t rsdp[0];
    };
};

struct mb2_map_entry {
    uint64_t start, length;
    uint32_t type, reserved;
};

struct boot_info boot_info;
static uint8_t rsdp_copy[64] ALIGNED(16); /* multiboot2 hands over the structure itself */
static INIT_DATA unsigned int dropped_modules, dropped_ranges;

/* QEMU and GRUB 1 put the file's name first, GRUB 2 does not ("GRUB 0." is GRUB 1). */
static INIT_TEXT bool loader_prepends_name(void)
{
    const char *grub = strstr(boot_info.loader, "GRUB ");

    return !grub || grub[5] == '0';
}

static INIT_TEXT const char *skip_spaces(const char *s)
{
    while (*s == ' ') {
        s++;
    }
    return s;
}

static INIT_TEXT const char *skip_word(const char *s)
{
    while (*s && *s != ' ') {
        s++;
    }
    return skip_spaces(s);
}

/*
 * The arguments alone. GRUB's generator for Xen writes the word "placeholder" where a name would
 * stand.
 */
static INIT_TEXT void copy_cmdline(char *to, size_t room, const char *from)
{
    static const char placeholder[] = "placeholder";
    size_t n;

    from = skip_spaces(from);
    if (loader_prepends_name()) {
        from = skip_word(from);
    } else if (!strncmp(from, placeholder, sizeof(placeholder) - 1) &&
               (from[sizeof(placeholder) - 1] == ' ' || !from[sizeof(placeholder) - 1])) {
        from = skip_word(from);
    }
    n = strnlen(from, room - 1);
    memcpy(to, from, n);
    to[n] = 0;
}

static INIT_TEXT void copy_text(char *to, size_t room, const char *from)
{
    size_t n = strnlen(from, room - 1);

    memcpy(to, from, n);
    to[n] = 0;
}

static INIT_TEXT void add_module(uint32_t start, uint32_t end, const char *cmdline)
{
    struct boot_module *m = &boot_info.modules[boot_info.nr_modules];

    if (boot_info.nr_modules == BOOT_MAX_MODULES || end < start) {
        dropped_modules++;
        return;
    }
    m->start = start;
    m->size = end - start;
    copy_cmdline(m->cmdline, sizeof(m->cmdline), cmdline);
    boot_info.nr_modules++;
}

static INIT_TEXT void add_range(uint64_t start, uint64_t length, uint32_t type)
{
    if (!length) {
        return;
    }
    if (boot_info.nr_map == BOOT_MAX_RANGES || start + length < start) {
        dropped_ranges++;
        return;
    }
    if (type < RANGE_RAM || type > RANGE_UNUSABLE) {
        type = RANGE_RESERVED;
    }
    boot_info.map[boot_info.nr_map++] =
        (struct boot_range){ .start = start, .size = length, .type = type };
}

static INIT_TEXT void add_basic_memory(uint32_t lower_kib, uint32_t upper_kib)
{
    add_range(0, KIB(lower_kib), RANGE_RAM);
    add_range(MIB(1), KIB(upper_kib), RANGE_RAM);
}

static INIT_TEXT void add_framebuffer(uint64_t base, uint32_t width, uint32_t height,
                                      uint32_t pitch, uint32_t bpp, uint32_t type)
{
    if (type == FRAMEBUFFER_RGB && base) {
        boot_info.framebuffer.present = true;
        boot_info.framebuffer.base = base;
        boot_info.framebuffer.width = width;
        boot_info.framebuffer.height = height;
        boot_info.framebuffer.pitch = pitch;
        boot_info.framebuffer.bpp = bpp;
    }
}

static INIT_TEXT void parse_mb1(const struct mb1_info *mbi)
{
    if (mbi->flags & MB1_HAS_LOADER) {
        copy_text(boot_info.loader, sizeof(boot_info.loader), maddr_to_virt(mbi->loader));
    }
    if (mbi->flags & MB1_HAS_CMDLINE) {
        copy_cmdline(boot_info.cmdline, sizeof(boot_info.cmdline), maddr_to_virt(mbi->cmdline));
    }
    if (mbi->flags & MB1_HAS_MODULES) {
        const struct mb1_module *m = maddr_to_virt(mbi->mods);

        for (uint32_t i = 0; i < mbi->nr_mods; i++) {
            add_module(m[i].start, m[i].end, m[i].cmdline ? maddr_to_virt(m[i].cmdline) : "");
        }
    }
    if (mbi->flags & MB1_HAS_MAP) {
        for (uint32_t at = 0; at + sizeof(struct mb1_map_entry) <= mbi->map_length;) {
            const struct mb1_map_entry *e = maddr_to_virt((uint64_t)mbi->map + at);

            add_range(e->start, e->length, e->type);
            at += e->size + sizeof(e->size);
        }
    } else if (mbi->flags & MB1_HAS_MEMORY) {
        add_basic_memory(mbi->mem_lower_kib, mbi->mem_upper_kib);
    }
    if (mbi->flags & MB1_HAS_FRAMEBUFFER) {
        add_framebuffer(mbi->fb_base, mbi->fb_width, mbi->fb_height, mbi->fb_pitch, mbi->fb_bpp,
                        mbi->fb_type);
    }
}

static INIT_TEXT void parse_mb2_tag(const struct mb2_tag *tag)
{
    size_t body = tag->size - offsetof(struct mb2_tag, text);

    switch (tag->type) {
    case MB2_CMDLINE:
        copy_cmdline(boot_info.cmdline, sizeof(boot_info.cmdline), tag->text);
        break;
    case MB2_MODULE:
        add_module(tag->module.start, tag->module.end, tag->module.cmdline);
        break;
    case MB2_MAP:
        for (size_t at = 8; at + sizeof(struct mb2_map_entry) <= body && tag->map.entry_size;
             at += tag->map.entry_size) {
            const struct mb2_map_entry *e = (const void *)(tag->text + at);

            add_range(e->start, e->length, e->type);
        }
        break;
    case MB2_FRAMEBUFFER:
        add_framebuffer(tag->framebuffer.base, tag->framebuffer.width, tag->framebuffer.height,
                        tag->framebuffer.pitch, tag->framebuffer.bpp, tag->framebuffer.type);
        break;
    case MB2_RSDP_V1:
    case MB2_RSDP_V2:
        if (body <= sizeof(rsdp_copy) && (!boot_info.rsdp || tag->type == MB2_RSDP_V2)) {
            memcpy(rsdp_copy, tag->rsdp, body);
            boot_info.rsdp = image_to_maddr(rsdp_copy);
        }
        break;
    default:
        break;
    }
}

static INIT_TEXT const struct mb2_tag *next_tag(const char *information, const struct mb2_tag *tag)
{
    uint32_t total = *(const uint32_t *)information;
    const char *at = tag ? (const char *)tag + ROUND_UP(tag->size, 8U) : information + 8;
    const struct mb2_tag *next = (const struct mb2_tag *)at;
    uint64_t offset = (uint64_t)(at - information);

    if (offset + 8 > total || next->size < 8 || next->size > total - offset || !next->type) {
        return NULL;
    }
    return next;
}

static INIT_TEXT void parse_mb2(const char *information)
{
    const struct mb2_tag *tag = NULL, *basic = NULL;

    /* The name first: what a command line begins with depends on it. */
    while ((tag = next_tag(information, tag)) != NULL) {
        if (tag->type == MB2_LOADER_NAME) {
            copy_text(boot_info.loader, sizeof(boot_info.loader), tag->text);
        }
        if (tag->type == MB2_MEMORY) {
            basic = tag;
        }
    }
    while ((tag = next_tag(information, tag)) != NULL) {
        parse_mb2_tag(tag);
    }
    if (!boot_info.nr_map && basic) {
        add_basic_memory(basic->memory.lower_kib, basic->memory.upper_kib);
    }
}

INIT_TEXT void multiboot_parse(uint32_t magic, uint64_t information)
{
    if (magic == MB1_LOADER) {
        parse_mb1(maddr_to_virt(information));
    } else if (magic == MB2_LOADER) {
        parse_mb2(maddr_to_virt(information));
    }
}

INIT_TEXT void multiboot_report(void)
{
    log_info("boot: loaded by %s", boot_info.loader[0] ? boot_info.loader : "a nameless loader");
    for (unsigned int i = 0; i < boot_info.nr_modules; i++) {
        const struct boot_module *m = &boot_info.modules[i];

        log_info("boot: module %u: [%#lx, %#lx) %s", i, m->start, m->start + m->size, m->cmdline);
    }
    if (dropped_modules) {
        log_warning("boot: %u modules ignored: expected at most %u", dropped_modules,
                    BOOT_MAX_MODULES);
    }
    if (dropped_ranges) {
        log_warning("boot: %u memory ranges ignored: expected at most %u that do not wrap",
                    dropped_ranges, BOOT_MAX_RANGES);
    }
}
