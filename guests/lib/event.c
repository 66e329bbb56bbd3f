/* event.c: the event callback and the bits that it reads. */
#include "event.h"
#include "hypercall.h"
#include "memory.h"
#include "report.h"
#include "vcpu.h"

volatile unsigned int event_count[EVENT_PORTS];
volatile unsigned int event_upcalls;
static void (*own_upcall)(void);

void event_set_upcall(void (*upcall)(void))
{
    own_upcall = upcall;
}

void event_upcall(void)
{
    struct vcpu_info *info = vcpu_this()->info;
    unsigned long words, ports;
    unsigned int word, bit;

    event_upcalls++;
    /* Cleared first: what arrives from here on asks for another upcall. */
    WRITE_ONCE(info->evtchn_upcall_pending, 0);
    if (own_upcall) {
        own_upcall();
        return;
    }
    words = __atomic_exchange_n(&info->evtchn_pending_sel, 0, __ATOMIC_ACQ_REL);
    while (words) {
        word = __builtin_ctzl(words);
        words &= words - 1;
        ports = READ_ONCE(shared_info->evtchn_pending[word]) &
                ~READ_ONCE(shared_info->evtchn_mask[word]);
        while (ports) {
            bit = __builtin_ctzl(ports);
            ports &= ports - 1;
            event_clear(word * 64 + bit);
            event_count[word * 64 + bit]++;
        }
    }
}

void event_mask(unsigned int port)
{
    __atomic_fetch_or(&shared_info->evtchn_mask[port / 64], 1UL << port % 64, __ATOMIC_SEQ_CST);
}

void event_unmask(unsigned int port)
{
    struct evtchn_unmask arg = { .port = port };

    guest_need(xen_event_channel_op(EVTCHNOP_unmask, &arg));
}

bool event_pending(unsigned int port)
{
    return READ_ONCE(shared_info->evtchn_pending[port / 64]) >> port % 64 & 1;
}

void event_clear(unsigned int port)
{
    __atomic_fetch_and(&shared_info->evtchn_pending[port / 64], ~(1UL << port % 64),
                       __ATOMIC_SEQ_CST);
}

void upcalls_off(void)
{
    WRITE_ONCE(vcpu_this()->info->evtchn_upcall_mask, 1);
    barrier();
}

void upcalls_on(void)
{
    struct vcpu_info *info = vcpu_this()->info;

    barrier();
    WRITE_ONCE(info->evtchn_upcall_mask, 0);
    /* Any hypercall delivers what is pending on its way out; this one does nothing else. */
    if (READ_ONCE(info->evtchn_upcall_pending)) {
        (void)xen_version(XENVER_version, NULL);
    }
}
