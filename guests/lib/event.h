/* event.h: event channels with the two-level bitmaps, which need no set-up. */
#ifndef GUEST_EVENT_H
#define GUEST_EVENT_H

#include "types.h"

#define EVENT_PORTS 4096

/* How often each port was delivered, and how often we were called at all. */
extern volatile unsigned int event_count[EVENT_PORTS];
extern volatile unsigned int event_upcalls;

/** event_upcall - the event callback's work: take each pending, unmasked port and count it */
void event_upcall(void);

/** event_set_upcall - something else to do in the callback; NULL: event_upcall's own */
void event_set_upcall(void (*upcall)(void));

/** event_mask, event_unmask - one port; unmask by hypercall, so that nothing pending is lost */
void event_mask(unsigned int port);
void event_unmask(unsigned int port);
bool event_pending(unsigned int port);
void event_clear(unsigned int port);

/** upcalls_off, upcalls_on - what cli and sti are to a PV guest; on delivers what waits */
void upcalls_off(void);
void upcalls_on(void);

#endif
