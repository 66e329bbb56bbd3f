/* Names of functions, for reports: the table that mk/symbols.awk makes of the first link. */
#include "boot/boot.h"
#include "core/log.h"
#include "layout.h"

struct symbol {
    uint32_t address; /* from IMAGE_START; rising */
    uint32_t name;    /* offset into symbol_names */
};

extern const uint32_t symbol_count;
extern const struct symbol symbol_table[];
extern const char symbol_names[];

const char *symbol_name(uint64_t address, uint64_t *offset)
{
    uint32_t low = 0, high = symbol_count;

    if (address < (uint64_t)image_start || address >= (uint64_t)image_text_end) {
        return NULL;
    }
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;

        if (symbol_table[mid].address <= address - IMAGE_START) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    if (!low) {
        return NULL;
    }
    *offset = address - IMAGE_START - symbol_table[low - 1].address;
    return symbol_names + symbol_table[low - 1].name;
}
