/*
 * The console: a ring of all that was said, output drivers (serial, VGA), input switched between domain 0 and the
 * hypervisor by three Ctrl-A. CONSOLEIO_write and _read end here.
 */
#ifndef CORE_CONSOLE_H
#define CORE_CONSOLE_H

#include <lodge/compiler.h>

struct console_driver {
    const char *name;                                            /* as in console=: "com1", "vga" */
    void (*write)(struct console_driver *c, const char *s, size_t n); /* called with the console lock held */
    void (*flush)(struct console_driver *c);                     /* wait until all is out; may be NULL */
};

/* Drivers register early; console= (default "com1,vga") chooses among them. Returns 0, -ENODEV (not chosen), -ENOSPC. */
int console_add(struct console_driver *c);
void console_init_options(void);      /* after the command line is parsed */
void console_input(char c);           /* from a driver's receive interrupt: to dom0's ring + VIRQ_CONSOLE, or a debug key */
void console_force_sync(void);        /* from now on nothing is dropped or deferred (reports) */
void console_write_raw(const char *s, size_t n);                 /* to drivers and ring, as it is */
size_t console_read_input(char *to, size_t room);                /* dom0's CONSOLEIO_read */
/* sysctl readconsole: copies ring content from *index on; advances *index. */
size_t console_read_ring(char *to, size_t room, uint32_t *index, bool clear);

#endif
