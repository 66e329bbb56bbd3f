/*
 * The text screen. Scrolling moves the start address through the adapter's 32 KiB window, so that a
 * new line costs one line; only at the window's end are the visible lines copied back. Source: IBM
 * VGA XGA Technical Reference, "CRT Controller Registers".
 */
#include "platform/vga.h"

#include <lodge/errno.h>
#include <lodge/string.h>
#include <xen/xen.h>
#include "boot/bootinfo.h"
#include "core/console.h"
#include "core/log.h"
#include "core/option.h"
#include "cpu/insn.h"
#include "mm/page.h"
#include "platform/acpi.h"

#define TEXT_BASE   0xb8000
#define TEXT_SIZE   0x8000
#define COLUMNS     80U
#define ROWS        25U
#define FONT_HEIGHT 16
#define WINDOW_ROWS (TEXT_SIZE / 2 / COLUMNS)
#define BLANK       0x0720 /* grey on black */
#define TAB_WIDTH   8U

#define CRTC_INDEX  0x3d4
#define CRTC_DATA   0x3d5
#define CRTC_START  0x0c /* high, then low */
#define CRTC_CURSOR 0x0e

static volatile uint16_t *window; /* NULL: no text screen */
static unsigned int top;          /* row of the window that is the screen's first */
static unsigned int row, column;  /* of the screen */
static bool active;
static bool keep;

static int parse_vga(const char *value)
{
    while (*value) {
        const char *comma = strchr(value, ',');
        size_t n = comma ? (size_t)(comma - value) : strlen(value);

        if (n == 4 && !strncmp(value, "keep", n)) {
            keep = true;
        } else if (!((n == 10 && !strncmp(value, "text-80x25", n)) ||
                     (n == 7 && !strncmp(value, "current", n)))) {
            return -EINVAL;
        }
        value += n + (comma != NULL);
    }
    return 0;
}

OPTION_FN("vga", parse_vga, "text-80x25 or current, and keep");

static void crtc_write16(uint8_t index, uint16_t value)
{
    out8(CRTC_INDEX, index);
    out8(CRTC_DATA, value >> 8);
    out8(CRTC_INDEX, index + 1);
    out8(CRTC_DATA, value & 0xff);
}

static void cursor_show(void)
{
    crtc_write16(CRTC_CURSOR, (top + row) * COLUMNS + column);
}

static void row_clear(unsigned int r)
{
    for (unsigned int i = 0; i < COLUMNS; i++) {
        window[r * COLUMNS + i] = BLANK;
    }
}

static void window_rewind(unsigned int first, unsigned int rows)
{
    for (unsigned int i = 0; i < rows * COLUMNS; i++) {
        window[i] = window[first * COLUMNS + i];
    }
    top = 0;
}

static void newline(void)
{
    column = 0;
    if (row + 1 < ROWS) {
        row++;
        return;
    }
    if (top + ROWS >= WINDOW_ROWS) {
        window_rewind(top + 1, ROWS - 1);
    } else {
        top++;
    }
    row_clear(top + row);
    crtc_write16(CRTC_START, top * COLUMNS);
}

static void screen_put(char c)
{
    switch (c) {
    case '\n':
        newline();
        return;
    case '\r':
        column = 0;
        return;
    case '\t':
        do {
            screen_put(' ');
        } while (column % TAB_WIDTH);
        return;
    default:
        window[(top + row) * COLUMNS + column] = (BLANK & 0xff00) | (uint8_t)c;
        if (++column == COLUMNS) {
            newline();
        }
    }
}

static void vga_write(struct console_driver *c, const char *s, size_t n)
{
    (void)c;
    if (!active) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        screen_put(s[i]);
    }
    cursor_show();
}

static struct console_driver vga_driver = { "vga", vga_write, NULL };

void vga_init(void)
{
    if (boot_info.framebuffer.present || !acpi.has_vga) {
        return; /* graphics: no text to write */
    }
    window = ioremap(TEXT_BASE, TEXT_SIZE);
    if (!window) {
        log_warning("vga: no address space for the text window");
        return;
    }
    window[0] = 0x55aa;
    if (window[0] != 0x55aa) {
        window = NULL; /* no adapter answers */
        return;
    }
    for (unsigned int r = 0; r < ROWS; r++) {
        row_clear(r);
    }
    crtc_write16(CRTC_START, 0);
    cursor_show();
    active = true;
    if (console_add(&vga_driver)) {
        active = false; /* console= does not name it */
    }
}

void vga_release(void)
{
    if (!window || keep) {
        return;
    }
    active = false;
    if (top) {
        window_rewind(top, ROWS);
        crtc_write16(CRTC_START, 0);
        cursor_show();
    }
}

static void lfb_info(struct dom0_vga_console_info *info)
{
    uint64_t base = boot_info.framebuffer.base;
    uint64_t bytes = (uint64_t)boot_info.framebuffer.pitch * boot_info.framebuffer.height;
    bool deep = boot_info.framebuffer.bpp >= 24;

    info->video_type = XEN_VGATYPE_VESA_LFB;
    info->u.vesa_lfb.width = boot_info.framebuffer.width;
    info->u.vesa_lfb.height = boot_info.framebuffer.height;
    info->u.vesa_lfb.bytes_per_line = boot_info.framebuffer.pitch;
    info->u.vesa_lfb.bits_per_pixel = boot_info.framebuffer.bpp;
    info->u.vesa_lfb.lfb_base = (uint32_t)base;
    info->u.vesa_lfb.ext_lfb_base = base >> 32;
    info->u.vesa_lfb.lfb_size = (uint32_t)DIV_ROUND_UP(bytes, KIB(64));
    /*
     * The layout that every direct-colour mode of these depths has: VESA BIOS Extension 3.0, "Color
     * masks".
     */
    info->u.vesa_lfb.red_pos = deep ? 16 : 11;
    info->u.vesa_lfb.red_size = deep ? 8 : 5;
    info->u.vesa_lfb.green_pos = deep ? 8 : 5;
    info->u.vesa_lfb.green_size = deep ? 8 : 6;
    info->u.vesa_lfb.blue_pos = 0;
    info->u.vesa_lfb.blue_size = deep ? 8 : 5;
    info->u.vesa_lfb.rsvd_pos = boot_info.framebuffer.bpp == 32 ? 24 : 0;
    info->u.vesa_lfb.rsvd_size = boot_info.framebuffer.bpp == 32 ? 8 : 0;
}

size_t vga_console_info(void *to, size_t room)
{
    struct dom0_vga_console_info info;

    memset(&info, 0, sizeof(info));
    if (room < sizeof(info)) {
        return 0;
    }
    if (boot_info.framebuffer.present) {
        lfb_info(&info);
    } else if (window) {
        info.video_type = XEN_VGATYPE_TEXT_MODE_3;
        info.u.text_mode_3.font_height = FONT_HEIGHT;
        info.u.text_mode_3.cursor_x = column;
        info.u.text_mode_3.cursor_y = row;
        info.u.text_mode_3.rows = ROWS;
        info.u.text_mode_3.columns = COLUMNS;
    } else {
        return 0;
    }
    memcpy(to, &info, sizeof(info));
    return sizeof(info);
}
