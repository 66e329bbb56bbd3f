/* updown.c: vCPUs that stop and start each other, wait for each other, and move, many times over. */
#include "lib/guest.h"

#define MS       1000000UL
#define PATIENCE (5000 * MS)

static volatile uint64_t beats;
static volatile bool stop;
static volatile unsigned int nmis[2];

static void beat(void *arg)
{
    (void)arg;
    while (!stop) {
        beats++;
    }
}

static bool beats_on(void)
{
    uint64_t before = beats, end = clock_ns() + PATIENCE;

    while (beats == before && clock_ns() < end) {
        (void)xen_sched_op(SCHEDOP_yield, NULL);
    }
    return beats != before;
}

static int state_of(unsigned int id)
{
    static struct vcpu_runstate_info info;

    guest_need(xen_vcpu_op(VCPUOP_get_runstate_info, id, &info));
    return info.state;
}

/* The other goes down at once if it does not run just now, and soon if it does. */
static bool gone_off(void)
{
    uint64_t end = clock_ns() + PATIENCE;

    while (state_of(1) != RUNSTATE_offline && clock_ns() < end) {
        (void)xen_sched_op(SCHEDOP_yield, NULL);
    }
    return state_of(1) == RUNSTATE_offline;
}

static void check_down_and_up(void)
{
    unsigned int refused = 0, lingers = 0, moves = 0, sleeps = 0, i;

    vcpu_start(1, beat, NULL);
    for (i = 0; i < 200; i++) {
        uint64_t before;

        refused += xen_vcpu_op(VCPUOP_down, 1, NULL) != 0;
        refused += xen_vcpu_op(VCPUOP_is_up, 1, NULL) != 0;
        lingers += !gone_off();
        before = beats;
        if (i % 2) {
            refused += xen_vcpu_op(VCPUOP_send_nmi, 1, NULL) != 0; /* no reason to get up */
        }
        (void)xen_sched_op(SCHEDOP_yield, NULL);
        moves += beats != before;
        refused += xen_vcpu_op(VCPUOP_up, 1, NULL) != 0;
        refused += xen_vcpu_op(VCPUOP_up, 1, NULL) != 0;
        refused += xen_vcpu_op(VCPUOP_is_up, 1, NULL) != 1;
        sleeps += !beats_on();
    }
    check(refused, 0, "down-and-up");
    check(lingers, 0, "down-takes-it-off");
    check(moves, 0, "down-stays-down");
    check(sleeps, 0, "up-goes-on");
    check(nmis[1] > 0 && nmis[1] <= 100, true, "nmis-arrived");
    check(nmis[0], 0, "nmis-to-the-other-only");
}

static void check_nmi(void)
{
    unsigned int lost = 0, i;

    for (i = 0; i < 100; i++) {
        unsigned int before = nmis[1];
        uint64_t end = clock_ns() + PATIENCE;

        guest_need(xen_vcpu_op(VCPUOP_send_nmi, 1, NULL));
        while (nmis[1] == before && clock_ns() < end) {
            (void)xen_sched_op(SCHEDOP_yield, NULL);
        }
        lost += nmis[1] == before;
    }
    check(lost, 0, "nmi-to-running");
}

static bool on_nmi(struct trap_regs *regs)
{
    (void)regs;
    nmis[vcpu_this()->id]++;
    return true;
}

static long periodic(unsigned int id, uint64_t period_ns)
{
    struct vcpu_set_periodic_timer arg = { .period_ns = period_ns };

    return xen_vcpu_op(VCPUOP_set_periodic_timer, id, &arg);
}

/* Each vCPU has VIRQ_TIMER of its own; the other's is seen pending, for it lets no event in. */
static void check_others_timer(void)
{
    struct evtchn_bind_virq bind = { .virq = VIRQ_TIMER, .vcpu = 1 };
    struct vcpu_set_singleshot_timer once = { .timeout_abs_ns = 1 };
    uint64_t end;
    unsigned int ticks = 0;

    guest_need(xen_event_channel_op(EVTCHNOP_bind_virq, &bind));
    guest_need(xen_vcpu_op(VCPUOP_stop_periodic_timer, 1, NULL));
    clock_wait(MS);
    event_clear(bind.port);
    result(xen_vcpu_op(VCPUOP_set_singleshot_timer, 1, &once), "singleshot-of-other");
    clock_wait(20 * MS);
    check(event_pending(bind.port), false, "others-timer-stopped");
    check(periodic(1, 2 * MS), 0, "periodic-of-other");
    for (end = clock_ns() + PATIENCE; ticks < 20 && clock_ns() < end;) {
        if (event_pending(bind.port)) {
            event_clear(bind.port);
            ticks++;
        }
    }
    check(ticks, 20, "others-timer-ticks");
    check(xen_vcpu_op(VCPUOP_stop_periodic_timer, 1, NULL), 0, "periodic-of-other-stop");
    guest_need(xen_event_channel_op(EVTCHNOP_close, &bind.port));
}

static evtchn_port_t ipi_to(unsigned int id)
{
    struct evtchn_bind_ipi bind = { .vcpu = id };

    guest_need(xen_event_channel_op(EVTCHNOP_bind_ipi, &bind));
    return bind.port;
}

static evtchn_port_t ball[2];
static volatile unsigned int missed;

#define THROWS 500

/* The ball is caught by polling for it, and thrown back. */
static void play(void *arg)
{
    unsigned int id = vcpu_this()->id, i;

    (void)arg;
    for (i = 0; i < THROWS; i++) {
        uint64_t end = clock_ns() + PATIENCE;

        if (id == 0) {
            guest_need(xen_event_channel_op(EVTCHNOP_send, &ball[1]));
        }
        while (!event_pending(ball[id]) && clock_ns() < end) {
            struct sched_poll poll = { .nr_ports = 1, .timeout = end };

            set_xen_guest_handle(poll.ports, &ball[id]);
            guest_need(xen_sched_op(SCHEDOP_poll, &poll));
        }
        missed += !event_pending(ball[id]);
        event_clear(ball[id]);
        if (id == 1) {
            guest_need(xen_event_channel_op(EVTCHNOP_send, &ball[0]));
        }
    }
}

static void check_poll(void)
{
    ball[0] = ipi_to(0);
    ball[1] = ipi_to(1);
    vcpu_start(1, play, NULL);
    play(NULL);
    vcpu_wait(1);
    check(missed, 0, "poll-misses-no-event");
}

static void check_pin(void)
{
    unsigned int refused = 0, backwards = 0, i;
    uint64_t last = 0;

    stop = false;
    vcpu_start(1, beat, NULL);
    for (i = 0; i < 100; i++) {
        struct sched_pin_override pin = { .pcpu = i % 2 };
        long rc = xen_sched_op(SCHEDOP_pin_override, &pin);

        /* There may be one CPU only. */
        refused += rc != 0 && !(i % 2 && rc == -XEN_EINVAL);
        backwards += clock_ns() < last;
        last = clock_ns();
        pin.pcpu = -1;
        refused += rc == 0 && xen_sched_op(SCHEDOP_pin_override, &pin) != 0;
        backwards += clock_ns() < last;
        last = clock_ns();
    }
    check(refused, 0, "pinned-and-released");
    check(backwards, 0, "clock-goes-on-everywhere");
    check(beats_on(), true, "the-other-went-on");
    stop = true;
    vcpu_wait(1);
}

/* The times of all states add up to its life, as long as that of the vCPU made with it. */
static void check_times(void)
{
    static struct vcpu_runstate_info info[2];
    uint64_t sum[2] = { 0, 0 }, apart;
    unsigned int id, i;

    for (id = 0; id < 2; id++) {
        guest_need(xen_vcpu_op(VCPUOP_get_runstate_info, id, &info[id]));
        for (i = 0; i < 4; i++) {
            sum[id] += info[id].time[i];
        }
    }
    apart = sum[0] > sum[1] ? sum[0] - sum[1] : sum[1] - sum[0];
    check(apart < 1000 * MS, true, "times-add-up");
    check(info[1].time[RUNSTATE_offline] > 0, true, "time-offline");
}

void guest_main(void)
{
    guest_need(xen_vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL));
    trap_hook(VECTOR_NMI, on_nmi);
    trap_hook(VECTOR_NMI_CALLBACK, on_nmi);
    check_down_and_up();
    check_nmi();
    check_others_timer();
    stop = true;
    vcpu_wait(1);
    check_poll();
    check_pin();
    check_times();
}
