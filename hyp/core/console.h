/*
 * The console: a ring of all that was said, output drivers (serial, VGA), input switched between
 * domain 0 and the hypervisor by three Ctrl-A. CONSOLEIO_write and _read end here.
 */
#ifndef CORE_CONSOLE_H
#define CORE_CONSOLE_H

#include <lodge/compiler.h>

struct console_driver {
    const char *name; /* as in console=: "com1", "vga" */
    /*
     * Called with the console lock held, interrupts off. Lines end in "\n": a terminal's driver
     * adds the carriage return.
     */
    void (*write)(struct console_driver *c, const char *s, size_t n);
    void (*flush)(struct console_driver *c); /* wait until all is out; may be NULL */
};

/*
 * Drivers register early; console= (default "com1,vga") chooses among them. A driver is given what
 * the ring holds already. Returns 0; -ENODEV console= does not name it; -ENOSPC too many. On error
 * the driver is not used.
 */
int console_add(struct console_driver *c);
/* after the command line is parsed: lets go of drivers that console= does not name */
void console_init_options(void);
/* once, when the heap is up: the ring becomes as large as conring_size= asks */
void console_ring_grow(void);
/* from a driver's receive interrupt: to dom0's ring + VIRQ_CONSOLE, or a debug key */
void console_input(char c);
/* from now on nothing is dropped or deferred (reports); never waits for a lock long */
void console_force_sync(void);
/* sync_console, or forced: a driver with a queue of its own must not use it */
extern bool console_sync;

/* to drivers and ring, as it is */
void console_write_raw(const char *s, size_t n);
/* to drivers and ring; the log's mark is put before every line */
void console_write_lines(const char *s, size_t n);
/* CONSOLEIO_write: to drivers; to the ring if console_to_ring asks */
void console_write_dom0(const char *s, size_t n);
/* CONSOLEIO_read: what was typed for domain 0; returns how much */
size_t console_read_input(char *to, size_t room);
/*
 * sysctl readconsole: copies ring content from *index on (or the oldest, if that is gone); advances
 * *index.
 */
size_t console_read_ring(char *to, size_t room, uint32_t *index);
uint32_t console_ring_oldest(void);
void console_ring_forget(uint32_t index); /* what stands before it */

#endif
