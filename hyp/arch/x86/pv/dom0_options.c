/* dom0_mem=, dom0_max_vcpus=, dom0_vcpus_pin, dom0=: how much of the machine domain 0 gets. Xen's syntax. */
#include <lodge/errno.h>
#include <lodge/string.h>
#include "core/log.h"
#include "core/option.h"
#include "core/sched.h"
#include "pv/dom0.h"

/* An amount: bytes, a share of the memory that there is, or both; minus: less than all of it. */
struct amount {
    bool given, minus;
    uint64_t bytes;
    unsigned int percent;
};

static struct amount mem_size, mem_min, mem_max;
static unsigned int vcpus_min = 1, vcpus_max;
static bool opt_vcpus_pin;
OPTION_BOOL("dom0_vcpus_pin", opt_vcpus_pin);

/* Left to the hypervisor unless asked otherwise: one sixteenth, at most this. */
#define RESERVE_MAX MIB(120)

static int parse_amount(const char *s, struct amount *a, const char **end)
{
    uint64_t v;

    memset(a, 0, sizeof(*a));
    a->given = true;
    if (*s == '-') {
        a->minus = true;
        s++;
    }
    if (parse_uint(s, &v, end) == 0 && **end == '%') {
        if (v > 100) {
            return -EINVAL;
        }
        a->percent = v;
        s = *end + 1;
        *end = s;
        if (*s != '+') {
            return 0;
        }
        s++;
    }
    return parse_size(s, &a->bytes, end);
}

static int parse_dom0_mem(const char *s)
{
    while (*s) {
        struct amount *a = &mem_size;
        const char *end;

        if (!strncmp(s, "min:", 4)) {
            a = &mem_min;
            s += 4;
        } else if (!strncmp(s, "max:", 4)) {
            a = &mem_max;
            s += 4;
        }
        if (parse_amount(s, a, &end) || (*end && *end != ',')) {
            return -EINVAL;
        }
        s = end + (*end == ',');
    }
    return mem_size.given || mem_min.given || mem_max.given ? 0 : -EINVAL;
}
OPTION_FN("dom0_mem", parse_dom0_mem, "SIZE, min:SIZE or max:SIZE, separated by commas; SIZE as 512M, -1G, 50% or 25%+1G");

static int parse_max_vcpus(const char *s)
{
    const char *end = s;
    uint64_t v;

    if (*s != '-') {
        if (parse_uint(s, &v, &end) || v == 0 || v > MAX_VCPUS) {
            return -EINVAL;
        }
        vcpus_min = v;
        if (!*end) {
            vcpus_max = v;
            return 0;
        }
    }
    if (*end != '-' || parse_uint(end + 1, &v, NULL) || v == 0 || v > MAX_VCPUS || v < vcpus_min) {
        return -EINVAL;
    }
    vcpus_max = v;
    return 0;
}
OPTION_FN("dom0_max_vcpus", parse_max_vcpus, "a number of vCPUs, or MIN-MAX");

static int parse_dom0(const char *s)
{
    if (!strcmp(s, "pv")) {
        return 0;
    }
    if (!strcmp(s, "pvh")) {
        log_warning("dom0=pvh: a PVH domain 0 is not possible yet; it will be PV");
        return 0;
    }
    return -EINVAL;
}
OPTION_FN("dom0", parse_dom0, "pv");

static uint64_t amount_frames(const struct amount *a, uint64_t available)
{
    uint64_t frames = (a->bytes >> PAGE_SHIFT) + available / 100 * a->percent;

    if (!a->minus) {
        return frames;
    }
    return frames < available ? available - frames : 0;
}

uint64_t dom0_nr_pages(uint64_t available)
{
    uint64_t reserve = MIN(available / 16, RESERVE_MAX >> PAGE_SHIFT);
    uint64_t usable = available - reserve, frames = usable, low = 0, high = ~0ULL;

    if (mem_size.given) {
        frames = amount_frames(&mem_size, available);
    }
    if (mem_min.given) {
        low = amount_frames(&mem_min, available);
    }
    if (mem_max.given) {
        high = amount_frames(&mem_max, available);
    }
    frames = MAX(frames, low);
    frames = MIN(frames, high);
    if (frames > usable) {
        stop("dom0_mem: %lu MiB asked for, but only %lu MiB of RAM can be given (expected: no more than that, or no dom0_mem=)",
             (unsigned long)(frames >> (20 - PAGE_SHIFT)), (unsigned long)(usable >> (20 - PAGE_SHIFT)));
    }
    return frames;
}

uint64_t dom0_max_pages(uint64_t available)
{
    return mem_max.given ? amount_frames(&mem_max, available) : UINT32_MAX;
}

unsigned int dom0_nr_vcpus(void)
{
    unsigned int n = vcpus_max ? MIN(nr_cpus_online, vcpus_max) : nr_cpus_online;

    return MIN(MAX(n, vcpus_min), MAX_VCPUS);
}

void dom0_place_vcpus(struct domain *d)
{
    struct vcpu *v;
    unsigned int i;

    if (!opt_vcpus_pin) {
        return;
    }
    domain_for_each_vcpu(d, v, i) {
        cpumap_t map;

        memset(&map, 0, sizeof(map));
        cpumap_set(&map, v->cpu);
        if (vcpu_set_hard_affinity(v, &map)) {
            log_warning("dom0_vcpus_pin: vCPU %u could not be pinned to CPU %u", i, v->cpu);
        }
    }
}
