/*
 * The BIOS data area. Source: IBM PS/2 and PC BIOS Interface Technical Reference, "BIOS Data Area".
 */
#include "platform/firmware.h"

#include "platform/platform.h"

#define KEYBOARD_FLAGS 0x417

static uint8_t keyboard_flags;

void firmware_init(void)
{
    const uint8_t *area = platform_map(0, PAGE_SIZE);

    if (area) {
        keyboard_flags = area[KEYBOARD_FLAGS];
    }
}

uint8_t firmware_keyboard_flags(void)
{
    return keyboard_flags;
}
