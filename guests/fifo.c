/* fifo.c: event channels with queues (public/event_channel.h, "FIFO ABI"): set-up and its refusals,
 * link words, priorities, the order of delivery. */
#include "lib/guest.h"

#define PORTS        6
#define WORD_PENDING (1U << EVTCHN_FIFO_PENDING)
#define WORD_MASKED  (1U << EVTCHN_FIFO_MASKED)
#define WORD_LINKED  (1U << EVTCHN_FIFO_LINKED)

static event_word_t *words;
static struct evtchn_fifo_control_block *control;
static unsigned int order[64], taken;

static long init_control(uint64_t gfn, uint32_t offset, uint32_t vcpu, uint8_t *link_bits)
{
    struct evtchn_init_control arg = { .control_gfn = gfn, .offset = offset, .vcpu = vcpu };
    long rc = xen_event_channel_op(EVTCHNOP_init_control, &arg);

    if (link_bits) {
        *link_bits = arg.link_bits;
    }
    return rc;
}

static long expand_array(uint64_t gfn)
{
    struct evtchn_expand_array arg = { .array_gfn = gfn };

    return xen_event_channel_op(EVTCHNOP_expand_array, &arg);
}

static long set_priority(evtchn_port_t port, uint32_t priority)
{
    struct evtchn_set_priority arg = { .port = port, .priority = priority };

    return xen_event_channel_op(EVTCHNOP_set_priority, &arg);
}

static long send(evtchn_port_t port)
{
    return xen_event_channel_op(EVTCHNOP_send, &port);
}

/* Take the head of a queue: the control block names it, or the word of the one taken before. */
static unsigned int take(unsigned int queue, unsigned int *head)
{
    unsigned int port = *head ? *head : READ_ONCE(control->head[queue]);
    event_word_t old;

    old =
        __atomic_fetch_and(&words[port], ~(WORD_LINKED | EVTCHN_FIFO_LINK_MASK), __ATOMIC_SEQ_CST);
    *head = old & EVTCHN_FIFO_LINK_MASK;
    if (!*head) {
        __atomic_fetch_and(&control->ready, ~(1U << queue), __ATOMIC_SEQ_CST);
    }
    if ((old & WORD_PENDING) && !(old & WORD_MASKED)) {
        __atomic_fetch_and(&words[port], ~WORD_PENDING, __ATOMIC_SEQ_CST);
        return port;
    }
    return 0;
}

static void upcall(void)
{
    unsigned int heads[EVTCHN_FIFO_MAX_QUEUES] = { 0 };
    unsigned int ready, queue, port;

    while ((ready = READ_ONCE(control->ready)) != 0) {
        queue = __builtin_ctz(ready);
        port = take(queue, &heads[queue]);
        if (port && taken < ARRAY_SIZE(order)) {
            order[taken++] = port;
        }
    }
}

static void show_order(const char *name, evtchn_port_t first)
{
    char text[64] = "";
    unsigned int i, at = 0;

    for (i = 0; i < taken && at + 4 < sizeof(text); i++) {
        at += strlen(format_to(text + at, sizeof(text) - at, " %u", order[i] - first));
    }
    result_text("%s%s", name, text);
    taken = 0;
}

static void check_set_up(void)
{
    void *page = page_alloc(), *array = page_alloc();
    uint64_t *table = table_alloc();
    uint8_t link_bits = 0;

    result(expand_array(va_to_mfn(array)), "expand-before-control");
    result(init_control(~0UL, 0, 0, NULL), "control-frame-minus-1");
    result(init_control(0x1000, 0, 0, NULL), "control-not-ours");
    result(init_control(va_to_mfn(page), 4, 0, NULL), "control-unaligned");
    result(init_control(va_to_mfn(page), PAGE_SIZE - 64, 0, NULL), "control-crosses-page");
    result(init_control(va_to_mfn(page), PAGE_SIZE, 0, NULL), "control-beyond-page");
    result(init_control(va_to_mfn(page), 0, 2, NULL), "control-no-vcpu");
    result(init_control(va_to_mfn(page), 0, ~0U, NULL), "control-vcpu-minus-1");
    guest_need(mmuext(MMUEXT_PIN_L1_TABLE, va_to_mfn(table)));
    result(init_control(va_to_mfn(table), 0, 0, NULL), "control-is-page-table");

    check(init_control(va_to_mfn(page), 0, 0, &link_bits), 0, "control");
    check(link_bits, EVTCHN_FIFO_LINK_BITS, "link-bits");
    control = page;
    result(init_control(va_to_mfn(page), 0, 0, NULL), "control-twice");
    check(init_control(va_to_mfn(page), 1024, 1, NULL), 0, "control-second-vcpu");
    result(page_set(page, PTE_DATA_RO), "control-page-read-only");
    result(mmuext(MMUEXT_PIN_L1_TABLE, va_to_mfn(page)), "control-page-as-page-table");
    page_writable(page);

    result(expand_array(~0UL), "expand-frame-minus-1");
    result(expand_array(0x1000), "expand-not-ours");
    result(expand_array(va_to_mfn(table)), "expand-is-page-table");
    check(expand_array(va_to_mfn(array)), 0, "expand");
    words = array;
}

static void check_array_limit(void)
{
    unsigned int added = 0;
    void *page;
    long rc;

    /* 2^17 ports need 128 pages; the hypervisor may allow fewer. */
    do {
        page = page_alloc();
        rc = expand_array(va_to_mfn(page));
        added += !rc;
    } while (!rc && added < 200);
    result(added, "expanded-more");
    result(rc, "expanded-too-far");
}

static evtchn_port_t bind_ports(evtchn_port_t ports[PORTS])
{
    struct evtchn_bind_ipi arg = { .vcpu = 0 };
    unsigned int i;

    for (i = 0; i < PORTS; i++) {
        guest_need(xen_event_channel_op(EVTCHNOP_bind_ipi, &arg));
        ports[i] = arg.port;
    }
    return ports[0];
}

static void check_delivery(const evtchn_port_t *ports)
{
    struct vcpu_info *info = vcpu_this()->info;
    unsigned int i;

    result(words[ports[0]] >> 28, "word-of-new-port");
    info->evtchn_upcall_pending = 0;
    check(send(ports[0]), 0, "send-masked");
    result(words[ports[0]] >> 28, "word-when-masked");
    event_unmask(ports[0]);
    result(words[ports[0]] >> 28, "word-when-unmasked");
    check(info->evtchn_upcall_pending, 1, "unmask-raises-upcall");
    check(control->ready, 1U << EVTCHN_FIFO_PRIORITY_DEFAULT, "default-priority-ready");
    check(control->head[EVTCHN_FIFO_PRIORITY_DEFAULT], ports[0], "head-names-port");
    upcalls_on();
    upcalls_off();
    show_order("order-one", ports[0]);

    for (i = 0; i < PORTS; i++) {
        event_unmask(ports[i]);
    }
    for (i = 0; i < PORTS; i++) {
        send(ports[i]);
    }
    check(words[ports[0]] & EVTCHN_FIFO_LINK_MASK, ports[1], "link-to-next");
    check(words[ports[PORTS - 1]] & EVTCHN_FIFO_LINK_MASK, 0, "last-links-nowhere");
    upcalls_on();
    upcalls_off();
    show_order("order-as-sent", ports[0]);

    check(set_priority(ports[1], 3), 0, "priority-3");
    check(set_priority(ports[2], EVTCHN_FIFO_PRIORITY_MAX), 0, "priority-0");
    check(set_priority(ports[4], EVTCHN_FIFO_PRIORITY_MIN), 0, "priority-15");
    result(set_priority(ports[4], 16), "priority-16");
    result(set_priority(ports[4], ~0U), "priority-minus-1");
    result(set_priority(4000, 3), "priority-no-port");
    for (i = 0; i < PORTS; i++) {
        send(ports[i]);
    }
    check(control->ready, 1U << 0 | 1U << 3 | 1U << 7 | 1U << 15, "four-queues-ready");
    upcalls_on();
    upcalls_off();
    show_order("order-by-priority", ports[0]);

    /* Pending while linked: no second link. */
    send(ports[0]);
    send(ports[0]);
    send(ports[3]);
    upcalls_on();
    upcalls_off();
    show_order("order-two-sends-one-event", ports[0]);

    /* Masked after it was linked: taken from the queue, not delivered, and kept pending. */
    send(ports[0]);
    send(ports[3]);
    __atomic_fetch_or(&words[ports[0]], WORD_MASKED, __ATOMIC_SEQ_CST);
    upcalls_on();
    upcalls_off();
    show_order("order-masked-skipped", ports[0]);
    result(words[ports[0]] >> 28, "word-masked-skipped");
    event_unmask(ports[0]);
    upcalls_on();
    upcalls_off();
    show_order("order-unmasked-later", ports[0]);
}

/* The words are ours to write. Whatever stands in them, only we suffer. */
static void check_damaged_words(const evtchn_port_t *ports)
{
    unsigned int i;

    send(ports[0]);
    words[ports[0]] |= EVTCHN_FIFO_LINK_MASK;
    send(ports[3]);
    words[ports[5]] = ~0U;
    result(send(ports[5]), "send-with-word-of-ones");
    for (i = 0; i < 1024; i++) {
        words[i] = 0;
    }
    control->ready = 0;
    memset(control->head, 0xff, sizeof(control->head));
    result(send(ports[0]), "send-after-damage");
    result(send(ports[3]), "send-after-damage-again");
    result(control->ready, "ready-after-damage");
}

void guest_main(void)
{
    evtchn_port_t ports[PORTS];
    evtchn_port_t first;

    event_set_upcall(upcall);
    check_set_up();
    first = bind_ports(ports);
    result(ports[PORTS - 1] - first, "ports-in-a-row");
    check_delivery(ports);
    check_array_limit();
    check_damaged_words(ports);
}
