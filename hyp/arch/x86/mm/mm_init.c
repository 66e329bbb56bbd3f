/*
 * The final address space (layout.h), built once by the boot CPU: first what is reachable from the
 * early tables, whose direct map ends at 4 GiB; then, on the new tables, the frame table and the
 * M2P, which may lie anywhere.
 */
#include "mm/hyp_map.h"
#include <lodge/string.h>
#include "boot/boot.h"
#include "core/frame.h"
#include "core/log.h"
#include "cpu/cpu.h"
#include "mm/flush.h"
#include "mm/page.h"

#define VGA_START 0xa0000UL
#define VGA_END   0xc0000UL
#define LOW_END   0x100000UL

/* Both tables are backed in 2 MiB pieces where a piece describes RAM. All holes share one piece of frame table. */
#define PIECE               MIB(2)
#define FRAMES_PER_PIECE    (PIECE / sizeof(struct frame))
#define FRAMES_PER_M2P      (PIECE / sizeof(uint64_t))

/*
 * A piece of the direct map. The image's code and constants are read-only through this door, too,
 * but for .text.stubs.
 */
static INIT_TEXT void map_direct(uint64_t start, uint64_t end)
{
    uint64_t ro_start = image_to_maddr(image_stubs_end), ro_end = image_to_maddr(image_rodata_end);

    while (start < end) {
        bool ro = start >= ro_start && start < ro_end;
        uint64_t stop_at = ro ? ro_end : start < ro_start ? ro_start : end;

        stop_at = MIN(stop_at, end);
        hyp_map_boot(DIRECTMAP_START + start, start, stop_at - start, ro ? MAP_RO : MAP_RW);
        start = stop_at;
    }
}

/*
 * RAM by whole pages, ACPI tables with the pages that they touch; neighbours together, for the sake
 * of large pages.
 */
static INIT_TEXT void map_all_ram(void)
{
    uint64_t from = LOW_END, to = LOW_END;

    for (unsigned int i = 0; i < boot_info.nr_map; i++) {
        const struct boot_range *r = &boot_info.map[i];
        uint64_t start = r->start, end = r->start + r->size;

        if (r->type == RANGE_RAM) {
            start = ROUND_UP(start, PAGE_SIZE);
            end = ROUND_DOWN(end, PAGE_SIZE);
        } else if (r->type == RANGE_ACPI || r->type == RANGE_NVS) {
            start = ROUND_DOWN(start, PAGE_SIZE);
            end = ROUND_UP(end, PAGE_SIZE);
        } else {
            continue;
        }
        end = MIN(end, DIRECTMAP_END - DIRECTMAP_START);
        start = MAX(start, to);
        if (start >= end) {
            continue;
        }
        if (start != to) {
            map_direct(from, to);
            from = start;
        }
        to = end;
    }
    map_direct(from, to);
}

static INIT_TEXT void map_image(const char *start, const char *end, uint64_t flags)
{
    uint64_t maddr = image_to_maddr(start);

    /* In small pages: the parts do not begin on large ones. */
    if (hyp_map((uint64_t)start, MFN(maddr >> PAGE_SHIFT), (uint64_t)(end - start) >> PAGE_SHIFT,
                flags)) {
        stop("memory: no room for the hypervisor's page tables");
    }
}

INIT_TEXT void mm_build_tables(void)
{
    hyp_map_init();
    hyp_map_boot(DIRECTMAP_START, 0, VGA_START, MAP_RW);
    hyp_map_boot(DIRECTMAP_START + VGA_START, VGA_START, VGA_END - VGA_START, MAP_RW | MAP_UC);
    hyp_map_boot(DIRECTMAP_START + VGA_END, VGA_END, LOW_END - VGA_END, MAP_RO);
    map_all_ram();

    map_image(image_start, image_text_end, MAP_RX);
    map_image(image_text_end, image_rodata_end, MAP_RO);
    map_image(image_rodata_end, image_end, MAP_RW);

    write_cr3_flush(virt_to_maddr(hyp_l4));
    hyp_unmap((uint64_t)boot_cpu_stack + STACK_GUARD_PAGE * PAGE_SIZE, 1);
}

/* Memory for one piece at `va`, and `value` in every byte. */
static INIT_TEXT uint64_t back_piece(uint64_t va, int value)
{
    uint64_t maddr = boot_alloc(PIECE, PIECE, ~0ULL);

    hyp_map_boot(va, maddr, PIECE, MAP_RW);
    memset((void *)va, value, PIECE);
    return maddr;
}

static INIT_TEXT void back_m2p(uint64_t i)
{
    hyp_map_boot(M2P_START + i * PIECE, back_piece(M2P_RW_START + i * PIECE, 0xff), PIECE, MAP_RO | PTE_US);
}

/* Nobody's or a device's until somebody says more; what a device decodes, domain 0 may map. */
static INIT_TEXT uint64_t back_frames(uint64_t i)
{
    uint64_t maddr = back_piece(FRAMETABLE_START + i * PIECE, 0);

    for (uint64_t f = i * FRAMES_PER_PIECE; f < (i + 1) * FRAMES_PER_PIECE; f++) {
        frame_table[f].count = FRAME_RESERVED;
        frame_table[f].owner = FRAME_OWNER_IO;
    }
    return maddr;
}

INIT_TEXT void mm_build_frametable(void)
{
    uint64_t start, end, frames = 0, m2p = 0, hole = 0; /* the next pieces, machine address of the hole's */

    max_frame = memmap_ram_end() >> PAGE_SHIFT;
    for (unsigned int i = 0; memmap_next_ram(&i, &start, &end);) {
        uint64_t first = start >> PAGE_SHIFT, last = (end >> PAGE_SHIFT) - 1;

        for (; frames < first / FRAMES_PER_PIECE; frames++) {
            if (hole) {
                hyp_map_boot(FRAMETABLE_START + frames * PIECE, hole, PIECE, MAP_RO);
            } else {
                hole = back_frames(frames);
            }
        }
        for (; frames <= last / FRAMES_PER_PIECE; frames++) {
            back_frames(frames);
        }
        for (m2p = MAX(m2p, first / FRAMES_PER_M2P); m2p <= last / FRAMES_PER_M2P; m2p++) {
            back_m2p(m2p);
        }
    }
    for (unsigned int i = 0; memmap_next_ram(&i, &start, &end);) {
        /* The first MiB stays domain 0's to look at: BIOS data, ROMs, the VGA window. */
        start = MAX(start, LOW_END);
        for (uint64_t f = start >> PAGE_SHIFT; f < end >> PAGE_SHIFT; f++) {
            frame_table[f].owner = FRAME_OWNER_NONE;
        }
    }
}
