/*
 * Which CPUs share a core and a socket: an APIC id is thread, core and socket, from the lowest bits
 * up; CPUID says how many bits each has. Sources: Intel SDM vol. 3A, "Hierarchical Mapping of Shared
 * Resources"; AMD APM vol. 3, CPUID functions 8000_0008h and 8000_001Eh.
 */
#include <lodge/range.h>
#include "core/arch.h"
#include "cpu/features.h"
#include "cpu/insn.h"
#include "platform/acpi.h"

#define LEVEL_TYPE(ecx) ((ecx) >> 8 & 0xff)
#define LEVEL_CORE      2

static unsigned int thread_bits, socket_shift;

/* To tell n things apart. */
static unsigned int bits_for(unsigned int n)
{
    return n > 1 ? 32 - (unsigned int)__builtin_clz(n - 1) : 0;
}

static bool read_levels(void)
{
    struct cpuid_regs r = cpuid(0xb, 0);

    if (!r.b) {
        return false;
    }
    thread_bits = socket_shift = r.a & 0x1f;
    for (uint32_t level = 1; LEVEL_TYPE((r = cpuid(0xb, level)).c); level++) {
        if (LEVEL_TYPE(r.c) == LEVEL_CORE) {
            socket_shift = r.a & 0x1f;
        }
    }
    return true;
}

static void read_amd(void)
{
    struct cpuid_regs r = cpuid(0x80000008, 0);

    socket_shift = r.c >> 12 & 0xf;
    if (!socket_shift) {
        socket_shift = bits_for((r.c & 0xff) + 1);
    }
    if (cpu_has(TOPOEXT)) {
        thread_bits = bits_for((cpuid(0x8000001e, 0).b >> 8 & 0xff) + 1);
    }
}

static void read_counts(void)
{
    unsigned int logical = cpuid(1, 0).b >> 16 & 0xff;
    unsigned int cores = cpu_host.max_leaf >= 4 ? (cpuid(4, 0).a >> 26) + 1 : 1;

    socket_shift = bits_for(logical);
    thread_bits = logical > cores ? bits_for(logical / cores) : 0;
}

void topology_init(void)
{
    if (cpu_host.max_leaf >= 0xb && read_levels()) {
        return;
    }
    if (cpu_host.vendor == VENDOR_AMD && cpu_host.max_extended_leaf >= 0x80000008) {
        read_amd();
    } else if (cpu_has(HTT)) {
        read_counts();
    }
}

bool arch_cpu_topology(unsigned int cpu, struct cpu_topology *out)
{
    uint32_t id;

    if (cpu >= acpi.nr_cpus) {
        return false;
    }
    id = acpi.cpus[index_nospec(cpu, acpi.nr_cpus)].apic_id;
    out->socket = id >> socket_shift;
    out->core = (id & ((1U << socket_shift) - 1)) >> thread_bits;
    return true;
}
