/* CPUs, time, machine control: core/arch.h inside a process. Guest memory is guest.c's. */
#include "host.h"
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <lodge/errno.h>
#include "core/console.h"
#include "core/cpumap.h"
#include "core/domain.h"
#include "core/frame.h"
#include "core/log.h"
#include "core/softirq.h"
#include "core/trace.h"
#include "core/vcpu_op.h"
#include <xen/domctl.h>
#include <xen/sysctl.h>

bool host_trace_routed;
_Thread_local struct host_cpu host_cpu;
_Thread_local jmp_buf *host_panic_jump;
_Thread_local jmp_buf host_panic_here;
char *host_ram;

struct frame *frame_table;
static uint64_t time_ns = NS_PER_S;
static uint64_t deadlines[NR_CPUS];
static unsigned int pokes[NR_CPUS];
static char panic_text[512];
static char console_text[65536];
static size_t console_length;

/* RAM and frame table exist before main: tests and core's static initialisers may name frames. */
__attribute__((constructor)) static void host_init(void)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    size_t table = HOST_FRAMES * sizeof(struct frame);

    host_ram = mmap(NULL, (size_t)HOST_FRAMES << PAGE_SHIFT, PROT_READ | PROT_WRITE, flags, -1, 0);
    frame_table = mmap(NULL, table, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (host_ram == MAP_FAILED || frame_table == MAP_FAILED) {
        perror("mmap");
        abort();
    }
    max_frame = HOST_FRAMES;
}

void host_heap_init_range(uint64_t start, uint64_t end)
{
    frames_init_add(MFN(start), MFN(end));
}

void host_heap_init(void)
{
    host_heap_init_range(1, HOST_FRAMES);
}

void host_set_cpu(unsigned int cpu)
{
    host_cpu.id = cpu;
}

void host_set_current(struct vcpu *v)
{
    host_cpu.vcpu = v;
}

void arch_cpu_relax(void)
{
    sched_yield();
}

void host_time_set(uint64_t ns)
{
    __atomic_store_n(&time_ns, ns, __ATOMIC_SEQ_CST);
}

void host_time_advance(uint64_t ns)
{
    __atomic_fetch_add(&time_ns, ns, __ATOMIC_SEQ_CST);
}

uint64_t arch_time_ns(void)
{
    return __atomic_load_n(&time_ns, __ATOMIC_SEQ_CST);
}

void arch_timer_program(uint64_t deadline_ns)
{
    __atomic_store_n(&deadlines[arch_cpu_id()], deadline_ns, __ATOMIC_RELAXED);
}

uint64_t host_timer_deadline(unsigned int cpu)
{
    return __atomic_load_n(&deadlines[cpu], __ATOMIC_RELAXED);
}

void arch_cpu_poke(unsigned int cpu)
{
    __atomic_fetch_add(&pokes[cpu], 1, __ATOMIC_RELAXED);
}

unsigned int host_pokes(unsigned int cpu)
{
    return __atomic_exchange_n(&pokes[cpu], 0, __ATOMIC_RELAXED);
}

/* An idle CPU has nothing to wait for but other threads. */
void arch_cpu_idle(void)
{
    arch_irq_enable();
    if (!softirq_pending()) {
        sched_yield();
    }
}

/* The other CPUs are simulated by this thread, one after the other. */
void arch_call_cpus(const uint64_t *map_words, void (*fn)(void *arg), void *arg)
{
    unsigned int me = arch_cpu_id();

    for (unsigned int cpu = 0; cpu < NR_CPUS; cpu++) {
        if (cpu != me && bitmap_test(map_words, cpu)) {
            host_set_cpu(cpu);
            fn(arg);
        }
    }
    host_set_cpu(me);
}

unsigned int arch_nr_cpus(void)
{
    return NR_CPUS;
}

/* Threads neither begin nor end here: a test that wants CPUs to come and go plays their part. */
int arch_cpu_start(unsigned int cpu)
{
    (void)cpu;
    return -EIO;
}

bool arch_cpu_drain(void)
{
    return true;
}

void arch_cpu_park(void)
{
}

bool arch_cpu_parked(unsigned int cpu)
{
    (void)cpu;
    return true;
}

int domain_arch_init(struct domain *d)
{
    d->arch.initialised = true;
    return 0;
}

void domain_arch_fini(struct domain *d)
{
    d->arch.initialised = false;
}

/* What the domain owns and nobody else holds goes back. */
int domain_arch_relinquish(struct domain *d)
{
    for (;;) {
        struct frame *f = NULL;

        spin_lock(&d->page_lock);
        for (uint32_t n = d->page_list; n != FRAME_LINK_NONE; n = frame_of(MFN(n))->next) {
            f = frame_of(MFN(n));
            if ((f->count & FRAME_ALLOCATED) && frame_get(f, d)) {
                break;
            }
            f = NULL;
        }
        spin_unlock(&d->page_lock);
        if (!f) {
            return 0;
        }
        (void)frame_drop_allocation(f);
        frame_put(f);
    }
}

int vcpu_arch_init(struct vcpu *v)
{
    v->arch.initialised = true;
    return 0;
}

void vcpu_arch_fini(struct vcpu *v)
{
    v->arch.initialised = false;
}

/* Weak: a test without the scheduler need not link it. */
extern void sched_context_saved(struct vcpu *prev) __attribute__((weak));

/* There is no stack to leave: returns to its caller, with next's context in place. */
void vcpu_arch_switch(struct vcpu *prev, struct vcpu *next)
{
    host_set_current(next);
    if (next != prev && sched_context_saved) {
        sched_context_saved(prev);
    }
}

void vcpu_arch_kick(struct vcpu *v)
{
    __atomic_fetch_add(&v->arch.kicks, 1, __ATOMIC_RELAXED);
}

void vcpu_arch_sync(struct vcpu *v)
{
    v->arch.syncs++;
}

int vcpu_arch_initialise(struct vcpu *v, uint64_t context_gva)
{
    if (v->initialised) {
        return -EEXIST;
    }
    v->arch.context_gva = context_gva;
    return 0;
}

void vcpu_arch_send_nmi(struct vcpu *v)
{
    v->arch.nmis++;
}

uint64_t cpu_arch_physid(unsigned int cpu)
{
    return cpu | (uint64_t)cpu << 32;
}

void vcpu_arch_time_area_changed(struct vcpu *v)
{
    v->arch.time_area_changes++;
}

/* Two threads to a core, two cores to a socket. */
bool arch_cpu_topology(unsigned int cpu, struct cpu_topology *out)
{
    *out = (struct cpu_topology){ .core = cpu / 2 % 2, .socket = cpu / 4 };
    return cpu < NR_CPUS;
}

void arch_physinfo(struct xen_sysctl_physinfo *info)
{
    info->total_pages = HOST_FRAMES;
}

void vcpu_arch_get_context(struct vcpu *v, struct vcpu_guest_context *to)
{
    (void)v;
    to->flags = 0x1234;
}

int vcpu_arch_set_context(struct vcpu *v, const struct vcpu_guest_context *c)
{
    if (v->initialised && c->flags != 0x1234) {
        return -EOPNOTSUPP;
    }
    v->initialised = true;
    return 0;
}

int vcpu_arch_reset(struct vcpu *v)
{
    v->initialised = false;
    return 0;
}

int domain_arch_check(const struct xen_domctl_createdomain *req)
{
    return req->arch.emulation_flags ? -EOPNOTSUPP : 0;
}

void domain_arch_options(struct domain *d, const struct xen_domctl_createdomain *req)
{
    (void)d, (void)req;
}

void domain_arch_info(const struct domain *d, struct xen_domctl_getdomaininfo *info)
{
    (void)d;
    (void)info;
}

void arch_frame_assigned(struct frame *f, struct domain *d)
{
    (void)f;
    __atomic_fetch_add(&d->arch.frames_assigned, 1, __ATOMIC_RELAXED);
}

void arch_frame_released(struct frame *f, struct domain *d)
{
    (void)f;
    __atomic_fetch_add(&d->arch.frames_released, 1, __ATOMIC_RELAXED);
}

void trace_arch_route(bool on)
{
    host_trace_routed = on;
}

void hypercall_arch_continue(struct vcpu *v, unsigned int n, const uint64_t *args)
{
    v->arch.continues++;
    v->arch.continue_nr = n;
    for (unsigned int i = 0; i < n; i++) {
        v->arch.continue_args[i] = args[i];
    }
}

void arch_show_stack(const void *regs)
{
    (void)regs;
}

void vcpu_arch_show(const struct vcpu *v)
{
    console_printf("d%uv%u: no registers on the host\n", v->domain->id, v->id);
}

void arch_cpus_stop(void)
{
}

void arch_watchdog_hold(bool hold)
{
    (void)hold;
}

NORETURN static void host_end(const char *what)
{
    if (host_panic_jump) {
        jmp_buf *jump = host_panic_jump;

        host_panic_jump = NULL;
        longjmp(*jump, 1);
    }
    fprintf(stderr, "%s: %s\n", what, panic_text);
    abort();
}

NORETURN void arch_machine_halt(void)
{
    host_end("machine halted");
}

NORETURN void arch_machine_reboot(void)
{
    host_end("machine rebooted");
}

NORETURN void arch_machine_power_off(void)
{
    host_end("machine powered off");
}

NORETURN void report_end(void)
{
    host_end("report");
}

/*
 * The host's own panic, in place of core's: nothing is left forced or off for the tests that
 * follow.
 */
NORETURN void panic(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vsnprintf(panic_text, sizeof(panic_text), fmt, args);
    va_end(args);
    host_end("panic");
}

NORETURN void stop(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vsnprintf(panic_text, sizeof(panic_text), fmt, args);
    va_end(args);
    host_end("stop");
}

NORETURN void host_panic_missing(void)
{
    fprintf(stderr, "a panic was expected and did not come\n");
    abort();
}

const char *host_panic_text(void)
{
    return panic_text;
}

static void host_console_write(struct console_driver *c, const char *s, size_t n)
{
    (void)c;
    for (size_t i = 0; i < n && console_length < sizeof(console_text) - 1; i++) {
        console_text[console_length++] = s[i];
    }
    console_text[console_length] = '\0';
}

struct console_driver host_console = { .name = "com1", .write = host_console_write };

const char *host_console_text(void)
{
    return console_text;
}

void host_console_clear(void)
{
    console_length = 0;
    console_text[0] = '\0';
}
