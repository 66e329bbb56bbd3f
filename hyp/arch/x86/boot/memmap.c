/* The memory map as everybody but the firmware wants it: sorted, without overlaps, cut by mem=. */
#include "boot/boot.h"
#include "core/log.h"
#include "core/option.h"
#include "layout.h"

static uint64_t opt_mem;
OPTION_SIZE("mem", opt_mem);

/* Where two ranges overlap, what is less usable wins. */
static INIT_TEXT uint32_t type_between(const struct boot_range *map, unsigned int n, uint64_t start,
                                       uint64_t end)
{
    uint32_t type = 0;

    for (unsigned int i = 0; i < n; i++) {
        if (map[i].start <= start && end <= map[i].start + map[i].size && map[i].type > type) {
            type = map[i].type;
        }
    }
    return type;
}

static INIT_TEXT void sort_numbers(uint64_t *v, unsigned int n)
{
    for (unsigned int i = 1; i < n; i++) {
        uint64_t x = v[i];
        unsigned int j = i;

        for (; j && v[j - 1] > x; j--) {
            v[j] = v[j - 1];
        }
        v[j] = x;
    }
}

static INIT_TEXT void cut_ram(uint64_t limit)
{
    for (unsigned int i = 0; i < boot_info.nr_map; i++) {
        struct boot_range *r = &boot_info.map[i];

        if (r->type == RANGE_RAM && r->start + r->size > limit) {
            r->size = r->start < limit ? limit - r->start : 0;
        }
    }
}

INIT_TEXT void memmap_sanitise(void)
{
    static INIT_DATA struct boot_range raw[BOOT_MAX_RANGES];
    static INIT_DATA uint64_t edges[2 * BOOT_MAX_RANGES];
    unsigned int n = boot_info.nr_map;

    for (unsigned int i = 0; i < n; i++) {
        raw[i] = boot_info.map[i];
        edges[2 * i] = raw[i].start;
        edges[2 * i + 1] = raw[i].start + raw[i].size;
    }
    sort_numbers(edges, 2 * n);

    boot_info.nr_map = 0;
    for (unsigned int i = 0; i + 1 < 2 * n; i++) {
        uint32_t type = type_between(raw, n, edges[i], edges[i + 1]);
        struct boot_range *last = &boot_info.map[boot_info.nr_map - 1];

        if (edges[i] == edges[i + 1] || !type) {
            continue;
        }
        if (boot_info.nr_map && last->type == type && last->start + last->size == edges[i]) {
            last->size = edges[i + 1] - last->start;
        } else if (boot_info.nr_map < BOOT_MAX_RANGES) {
            boot_info.map[boot_info.nr_map++] = (struct boot_range){
                .start = edges[i], .size = edges[i + 1] - edges[i], .type = type
            };
        }
    }

    cut_ram(DIRECTMAP_END - DIRECTMAP_START);
    if (opt_mem) {
        cut_ram(opt_mem);
    }
}

INIT_TEXT void memmap_report(void)
{
    static const char *const names[] = {
        "?", "RAM", "reserved", "ACPI data", "ACPI NVS", "unusable"
    };

    for (unsigned int i = 0; i < boot_info.nr_map; i++) {
        const struct boot_range *r = &boot_info.map[i];

        log_info("memory: [%016lx, %016lx) %s", r->start, r->start + r->size, names[r->type]);
    }
    log_info("memory: %lu MiB of RAM", memmap_ram_bytes() >> 20);
}

INIT_TEXT bool memmap_next_ram(unsigned int *i, uint64_t *start, uint64_t *end)
{
    while (*i < boot_info.nr_map) {
        const struct boot_range *r = &boot_info.map[(*i)++];

        *start = ROUND_UP(r->start, PAGE_SIZE);
        *end = ROUND_DOWN(r->start + r->size, PAGE_SIZE);
        if (r->type == RANGE_RAM && *start < *end) {
            return true;
        }
    }
    return false;
}

INIT_TEXT bool memmap_is_ram(uint64_t start, uint64_t end)
{
    uint64_t ram_start, ram_end;

    for (unsigned int i = 0; memmap_next_ram(&i, &ram_start, &ram_end);) {
        if (ram_start <= start && end <= ram_end) {
            return true;
        }
    }
    return false;
}

INIT_TEXT uint64_t memmap_ram_bytes(void)
{
    uint64_t start, end, bytes = 0;

    for (unsigned int i = 0; memmap_next_ram(&i, &start, &end);) {
        bytes += end - start;
    }
    return bytes;
}

INIT_TEXT uint64_t memmap_ram_end(void)
{
    uint64_t start, end, last = 0;

    for (unsigned int i = 0; memmap_next_ram(&i, &start, &end);) {
        last = end;
    }
    return last;
}
