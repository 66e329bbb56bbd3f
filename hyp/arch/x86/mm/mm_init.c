/*
 * The final address space (layout.h), built once by the boot CPU: first what is reachable from the
 * early tables, whose direct map ends at 4 GiB; then, on the new tables, the frame table and the
 * M2P, which may lie anywhere.
 */
#include "mm/hyp_map.h"
#include <lodge/bitmap.h>
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

/* Both tables are backed in 2 MiB pieces, only where a piece describes RAM. */
#define PIECE               MIB(2)
#define FRAMES_PER_PIECE    (PIECE / sizeof(struct frame))
#define FRAMES_PER_M2P      (PIECE / sizeof(uint64_t))
#define MAX_FRAMES          ((DIRECTMAP_END - DIRECTMAP_START) >> PAGE_SHIFT)
#define NR_FRAMETABLE_PIECE (MAX_FRAMES / FRAMES_PER_PIECE)
#define NR_M2P_PIECE        (MAX_FRAMES / FRAMES_PER_M2P)

uint64_t frametable_pieces[BITMAP_WORDS(NR_FRAMETABLE_PIECE)];
BUILD_ASSERT(FRAMES_PER_PIECE == 1UL << FRAMES_PER_PIECE_SHIFT);

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

static INIT_TEXT void back_range(mfn_t start, mfn_t end)
{
    static INIT_DATA DECLARE_BITMAP(m2p_pieces, NR_M2P_PIECE);

    for (uint64_t i = start.n / FRAMES_PER_PIECE; i <= (end.n - 1) / FRAMES_PER_PIECE; i++) {
        if (!bitmap_test(frametable_pieces, i)) {
            bitmap_set(frametable_pieces, i);
            back_piece(FRAMETABLE_START + i * PIECE, 0);
        }
    }
    for (uint64_t i = start.n / FRAMES_PER_M2P; i <= (end.n - 1) / FRAMES_PER_M2P; i++) {
        if (!bitmap_test(m2p_pieces, i)) {
            bitmap_set(m2p_pieces, i);
            hyp_map_boot(M2P_START + i * PIECE, back_piece(M2P_RW_START + i * PIECE, 0xff), PIECE,
                         MAP_RO | PTE_US);
        }
    }
}

static INIT_TEXT void mark_frames(uint64_t start, uint64_t end, uint32_t owner)
{
    for (uint64_t i = start; i < end; i++) {
        frame_table[i].count = FRAME_RESERVED;
        frame_table[i].owner = owner;
    }
}

INIT_TEXT void mm_build_frametable(void)
{
    uint64_t start, end;

    frame_table = (struct frame *)FRAMETABLE_START;
    max_frame = memmap_ram_end() >> PAGE_SHIFT;
    for (unsigned int i = 0; memmap_next_ram(&i, &start, &end);) {
        back_range(MFN(start >> PAGE_SHIFT), MFN(end >> PAGE_SHIFT));
    }

    /*
     * Nobody's RAM or a device's until somebody says more; what a device decodes, domain 0 may map.
     */
    for (uint64_t i = 0, next; i < max_frame; i = next) {
        next = MIN((i / FRAMES_PER_PIECE + 1) * FRAMES_PER_PIECE, max_frame);
        if (frame_valid(MFN(i))) {
            mark_frames(i, next, FRAME_OWNER_IO);
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
