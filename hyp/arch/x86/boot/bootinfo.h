/* What the boot loader and firmware told us, copied to our own memory before anything else may overwrite it. */
#ifndef X86_BOOT_BOOTINFO_H
#define X86_BOOT_BOOTINFO_H

#include <lodge/types.h>

#define BOOT_MAX_MODULES 8
#define BOOT_MAX_RANGES  256

struct boot_module {
    uint64_t start, size;         /* machine address, bytes */
    char cmdline[1024];
};

enum boot_range_type { RANGE_RAM = 1, RANGE_RESERVED = 2, RANGE_ACPI = 3, RANGE_NVS = 4, RANGE_UNUSABLE = 5 };

struct boot_range {
    uint64_t start, size;
    uint32_t type;                /* E820 numbering */
};

struct boot_info {
    char cmdline[2048];
    char loader[64];
    struct boot_module modules[BOOT_MAX_MODULES];
    unsigned int nr_modules;
    struct boot_range map[BOOT_MAX_RANGES]; /* sorted, not overlapping */
    unsigned int nr_map;
    uint64_t rsdp;                /* from multiboot2's tag, 0 = search the BIOS areas */
    struct {
        bool present;
        uint64_t base;
        uint32_t width, height, pitch, bpp;
    } framebuffer;
};

extern struct boot_info boot_info;

#endif
