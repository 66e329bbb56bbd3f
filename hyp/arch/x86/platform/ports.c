/* I/O ports of PV guests. */
#include "platform/ports.h"

#include <lodge/rangeset.h>
#include "core/domain.h"
#include "cpu/insn.h"
#include "platform/pci.h"
#include "platform/pit.h"
#include "platform/rtc.h"

#define NR_PORTS     0x10000U
#define PIT_CHANNEL2 0x42
#define PIT_COMMAND  0x43
#define PORT_B       0x61
#define RTC_INDEX    0x70
#define RTC_DATA     0x71
#define PCI_ADDRESS  0xcf8
#define PCI_DATA     0xcfc
#define PCI_DATA_END 0xd00
#define RESET_PORT   0xcf9 /* resetting the machine is asked for by hypercall */

static uint32_t all_ones(unsigned int bytes)
{
    return bytes == 4 ? 0xffffffff : (1U << 8 * bytes) - 1;
}

bool ioport_allowed(const struct domain *d, unsigned int port, unsigned int bytes)
{
    return port < NR_PORTS && bytes <= NR_PORTS - port &&
           rangeset_contains(d->arch.ports, port, port + bytes);
}

static uint32_t raw_read(unsigned int port, unsigned int bytes)
{
    switch (bytes) {
    case 1:
        return in8(port);
    case 2:
        return in16(port);
    default:
        return in32(port);
    }
}

static void raw_write(unsigned int port, unsigned int bytes, uint32_t v)
{
    switch (bytes) {
    case 1:
        out8(port, v);
        break;
    case 2:
        out16(port, v);
        break;
    default:
        out32(port, v);
        break;
    }
}

/* Ports whose devices the hardware domain sees through a model, byte by byte. */
static bool modelled(const struct domain *d, unsigned int port)
{
    return d == dom0 && (port == PIT_CHANNEL2 || port == PIT_COMMAND || port == PORT_B ||
                         port == RTC_INDEX || port == RTC_DATA);
}

static bool is_config(unsigned int port)
{
    return port >= PCI_DATA && port < PCI_DATA_END;
}

static uint8_t byte_read(struct domain *d, unsigned int port)
{
    if (port >= NR_PORTS) {
        return 0xff;
    }
    if (modelled(d, port)) {
        if (port == PIT_COMMAND) {
            return 0; /* write-only; what Xen answers */
        }
        return port == RTC_INDEX || port == RTC_DATA ? rtc_guest_read(port) : pit_guest_read(port);
    }
    return ioport_allowed(d, port, 1) ? in8(port) : 0xff;
}

static void byte_write(struct domain *d, unsigned int port, uint8_t value)
{
    if (port >= NR_PORTS || port == RESET_PORT) {
        return;
    }
    if (modelled(d, port)) {
        if (port == RTC_INDEX || port == RTC_DATA) {
            rtc_guest_write(port, value);
        } else {
            pit_guest_write(port, value);
        }
    } else if (ioport_allowed(d, port, 1)) {
        out8(port, value);
    }
}

static bool any_special(const struct domain *d, unsigned int port, unsigned int bytes)
{
    for (unsigned int i = 0; i < bytes; i++) {
        if (modelled(d, port + i) || port + i == RESET_PORT || is_config(port + i)) {
            return true;
        }
    }
    return false;
}

/* How many of the `left` bytes of an access go to `port` at once: one, but to configuration space. */
static unsigned int part_of(unsigned int port, unsigned int left)
{
    unsigned int n = is_config(port) ? MIN(PCI_DATA_END - port, left) : 1;

    return n == 3 ? 2 : n;
}

uint32_t guest_io_read(struct vcpu *v, unsigned int port, unsigned int bytes)
{
    struct domain *d = v->domain;
    uint32_t value = 0;

    if (port == PCI_ADDRESS && bytes == 4) {
        return d->arch.cf8;
    }
    if (!any_special(d, port, bytes)) {
        return ioport_allowed(d, port, bytes) ? raw_read(port, bytes) : all_ones(bytes);
    }
    for (unsigned int i = 0, n; i < bytes; i += n) {
        n = part_of(port + i, bytes - i);
        value |= (is_config(port + i)
                      ? pci_guest_port_read(d, d->arch.cf8, port + i - PCI_DATA, n)
                      : byte_read(d, port + i))
                 << 8 * i;
    }
    return value;
}

void guest_io_write(struct vcpu *v, unsigned int port, unsigned int bytes, uint32_t value)
{
    struct domain *d = v->domain;

    if (port == PCI_ADDRESS && bytes == 4) {
        d->arch.cf8 = value;
    } else if (!any_special(d, port, bytes)) {
        if (ioport_allowed(d, port, bytes)) {
            raw_write(port, bytes, value);
        }
    } else {
        for (unsigned int i = 0, n; i < bytes; i += n) {
            n = part_of(port + i, bytes - i);
            if (is_config(port + i)) {
                pci_guest_port_write(d, d->arch.cf8, port + i - PCI_DATA, n, value >> 8 * i);
            } else {
                byte_write(d, port + i, value >> 8 * i);
            }
        }
    }
}
