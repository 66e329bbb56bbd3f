/* gsi.c: interrupt lines of the I/O APIC: their types, and the way in which kernels of before Linux 3.0
 * had them: a vector, a write to the I/O APIC, and so a pirq. The test gives the machine a second
 * serial port. */
#include "lib/guest.h"
#include "lib/pci.h"

#define IOAPIC   0xfec00000UL
#define RTE(pin) (0x10 + 2 * (pin))
#define MASKED   0x10000U
#define LEVEL    0x8000U
#define LOW      0x2000U
#define NR_GSIS  24
#define COM2     0x2f8
#define COM2_GSI 3

static long setup(int gsi, uint8_t triggering, uint8_t polarity)
{
    struct physdev_setup_gsi arg = {
        .gsi = gsi, .triggering = triggering, .polarity = polarity
    };

    return xen_physdev_op(PHYSDEVOP_setup_gsi, &arg);
}

static uint32_t apic_read(uint32_t reg)
{
    struct physdev_apic arg = { .apic_physbase = IOAPIC, .reg = reg };

    guest_need(xen_physdev_op(PHYSDEVOP_apic_read, &arg));
    return arg.value;
}

static long apic_write_at(unsigned long base, uint32_t reg, uint32_t value)
{
    struct physdev_apic arg = { .apic_physbase = base, .reg = reg, .value = value };

    return xen_physdev_op(PHYSDEVOP_apic_write, &arg);
}

static long apic_write(uint32_t reg, uint32_t value)
{
    return apic_write_at(IOAPIC, reg, value);
}

static long map_gsi(int index, int *pirq)
{
    struct physdev_map_pirq arg = {
        .domid = DOMID_SELF, .type = MAP_PIRQ_TYPE_GSI, .index = index, .pirq = *pirq
    };
    long rc = xen_physdev_op(PHYSDEVOP_map_pirq, &arg);

    *pirq = arg.pirq;
    return rc;
}

static long unmap(int pirq)
{
    struct physdev_unmap_pirq arg = { .domid = DOMID_SELF, .pirq = pirq };

    return xen_physdev_op(PHYSDEVOP_unmap_pirq, &arg);
}

static long eoi(uint32_t pirq)
{
    struct physdev_eoi arg = { .irq = pirq };

    return xen_physdev_op(PHYSDEVOP_eoi, &arg);
}

static long bind(uint32_t pirq, evtchn_port_t *port)
{
    struct evtchn_bind_pirq arg = { .pirq = pirq };
    long rc = xen_event_channel_op(EVTCHNOP_bind_pirq, &arg);

    *port = arg.port;
    return rc;
}

static void unbind(evtchn_port_t port)
{
    struct evtchn_close arg = { .port = port };

    guest_need(xen_event_channel_op(EVTCHNOP_close, &arg));
}

static bool came(evtchn_port_t port, unsigned int count)
{
    uint64_t end = clock_ns() + 500000000UL;

    upcalls_on();
    while (event_count[port] < count && clock_ns() < end) {
        (void)xen_sched_op(SCHEDOP_yield, NULL);
    }
    upcalls_off();
    return event_count[port] >= count;
}

/* The transmitter is empty, so enabling its interrupt raises it at once; reading IIR lowers it. */
static void raise_com2(void)
{
    io_out(COM2 + 1, 1, 0);
    (void)io_in(COM2 + 2, 1);
    io_out(COM2 + 4, 1, 0x08); /* OUT2 lets the interrupt out */
    io_out(COM2 + 1, 1, 2);
}

static void check_old_way(void)
{
    struct physdev_irq vector = { .irq = COM2_GSI };
    evtchn_port_t port;

    result(apic_write(0, 0x0f000000), "write-id");
    check(apic_read(0) >> 24 & 0xf, 0, "id-as-it-was");
    result(apic_write(1, 0), "write-version");
    result(apic_write(RTE(COM2_GSI) + 1, 0xff000000), "write-destination");
    result(apic_write(RTE(COM2_GSI), 0x200 | COM2_GSI), "write-smi");
    result(apic_write(RTE(COM2_GSI), 0x400 | COM2_GSI), "write-nmi");
    result(apic_write(RTE(COM2_GSI), 0x700 | COM2_GSI), "write-extint");
    result(apic_write_at(0x1000, RTE(COM2_GSI), COM2_GSI), "write-no-io-apic");
    result(bind(COM2_GSI, &port), "bind-before");
    result(apic_write(RTE(COM2_GSI), MASKED | COM2_GSI), "write-masked");
    result(bind(COM2_GSI, &port), "bind-masked");

    check(xen_physdev_op(PHYSDEVOP_alloc_irq_vector, &vector), 0, "alloc-vector");
    check(vector.vector, COM2_GSI, "vector-is-the-line");
    check(apic_write(RTE(COM2_GSI), vector.vector), 0, "write");
    check(bind(COM2_GSI, &port), 0, "bind");
    event_unmask(port);
    raise_com2();
    check(came(port, 1), true, "interrupt-came");
    (void)io_in(COM2 + 2, 1);
    (void)eoi(COM2_GSI);
    result(apic_write(RTE(COM2_GSI), MASKED | LEVEL | LOW | COM2_GSI), "write-in-use");
    raise_com2();
    check(came(port, 2), true, "interrupt-came-again");
    (void)io_in(COM2 + 2, 1);
    io_out(COM2 + 1, 1, 0);
    unbind(port);
    result(unmap(COM2_GSI), "unmap");

    /* A number of one's own choice stands for the line. */
    check(apic_write(RTE(5), 17), 0, "write-other-number");
    result(bind(5, &port), "bind-line-itself");
    check(bind(17, &port), 0, "bind-other-number");
    unbind(port);
    result(apic_write(RTE(5), 18), "write-second-number");
    result(bind(18, &port), "bind-second-number");
    result(apic_write(RTE(6), 17), "write-number-of-another");
    result(unmap(17), "unmap-other-number");
    result(apic_write(RTE(6), 255), "write-number-255");
    result(unmap(255), "unmap-number-255");
}

static void check_types(void)
{
    int gsi;

    for (gsi = -1; gsi <= NR_GSIS; gsi++) {
        result(setup(gsi, gsi & 1, gsi >> 1 & 1), "setup-%d", gsi);
        result(setup(gsi, 1, 1), "setup-%d-again", gsi);
    }
    result(setup(20, 7, 9), "setup-odd-values");
}

static void check_numbers(void)
{
    struct physdev_get_free_pirq free_gsi = { .type = MAP_PIRQ_TYPE_GSI };
    struct physdev_get_free_pirq free_msi = { .type = MAP_PIRQ_TYPE_MSI };
    int pirq, taken = 0, gsis = 0, first;

    check(xen_physdev_op(PHYSDEVOP_get_free_pirq, &free_gsi), 0, "free");
    first = free_gsi.pirq;
    result(first, "free-number");
    result(eoi(first), "free-eoi");
    pirq = first;
    result(map_gsi(21, &pirq), "free-map");
    check(pirq, first, "free-mapped-there");
    result(unmap(first), "free-unmap");
    result(unmap(first), "free-unmap-again");
    /* A line that was given back is no longer ours on Xen: another one. */
    pirq = -1;
    result(map_gsi(22, &pirq), "any-map");
    result(pirq, "any-number");
    result(map_gsi(20, &pirq), "taken-map");
    pirq = 23;
    result(map_gsi(22, &pirq), "second-number");
    pirq = -1;
    result(map_gsi(22, &pirq), "map-again");
    result(pirq, "map-again-number");
    result(unmap(pirq), "any-unmap");
    pirq = -1;
    check(map_gsi(22, &pirq), 0, "returned-line-map");

    /* All there are, and then the others' too. */
    while (taken < 1000 && xen_physdev_op(PHYSDEVOP_get_free_pirq, &free_gsi) == 0) {
        gsis += free_gsi.pirq < NR_GSIS;
        taken++;
    }
    result(gsis - (pirq < 0), "free-lines");
    check(taken > gsis, true, "free-lines-and-messages");
    result(xen_physdev_op(PHYSDEVOP_get_free_pirq, &free_msi), "free-none-left");
    pirq = -1;
    result(map_gsi(19, &pirq), "map-none-left");
}

void guest_main(void)
{
    io_allow();
    check_old_way();
    check_types();
    check_numbers();
}
