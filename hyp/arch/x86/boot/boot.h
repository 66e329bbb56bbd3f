/*
 * What the files of boot/ and mm/ share while the machine comes up, in the order in which
 * boot_start() uses it.
 */
#ifndef X86_BOOT_BOOT_H
#define X86_BOOT_BOOT_H

#include <lodge/types.h>
#include "boot/bootinfo.h"

/* Linker script. */
extern char image_start[], image_init_text_end[], image_stubs_end[], image_text_end[];
extern char image_rodata_end[];
extern char image_init_data_end[], image_load_end[], image_end[];
extern char boot_cpu_stack[];

NORETURN void boot_start(uint32_t magic, uint32_t information);

/*
 * pv/dom0_build.c: domain 0 and its vCPUs from boot_info's modules, paused; stops with one clear
 * line when it cannot.
 */
void dom0_create(void);

/*
 * Copies everything out of the loader's memory into boot_info; before options, so it reports
 * nothing but by multiboot_report().
 */
void multiboot_parse(uint32_t magic, uint64_t information);
/* Console works: what multiboot_parse() had to leave out, and what was found. */
void multiboot_report(void);

/*
 * boot/memmap.c: boot_info.map becomes sorted and without overlaps; then mem= cuts RAM at its end.
 */
void memmap_sanitise(void);
void memmap_report(void);
/* Bytes of RAM, and the end of the highest RAM. */
uint64_t memmap_ram_bytes(void);
uint64_t memmap_ram_end(void);
/* Does all of [start, end) lie within one range of RAM? */
bool memmap_is_ram(uint64_t start, uint64_t end);
/* Page-aligned RAM ranges one after the other: *i starts at 0. False at the end. */
bool memmap_next_ram(unsigned int *i, uint64_t *start, uint64_t *end);

/*
 * boot/boot_alloc.c: memory before the heap exists, never given back. Taken from the top of the
 * highest free RAM below `limit`, so that low memory is left to those who need it. Returns a
 * machine address; stops when there is none.
 */
void boot_alloc_init(void);
uint64_t boot_alloc(uint64_t size, uint64_t align, uint64_t limit);
/* Hands all that is left to the heap and ends boot_alloc(). */
void boot_alloc_finish(void);
bool boot_alloc_active(void);

/*
 * RAM that boot had set aside [start, end) is no longer needed (a module once copied):
 * page-aligned, to the heap.
 */
void boot_release(uint64_t start, uint64_t end);
/* The part of the image that only booting needs goes to the heap. Called from outside it. */
void boot_release_init(void);

#endif
