/*
 * Source: AMD64 APM vol. 3, "Obtaining Processor Information Via the CPUID Instruction"; Intel SDM
 * vol. 2A, "CPUID".
 */
#include "cpu/features.h"
#include <lodge/string.h>
#include "cpu/policy.h"

struct cpu_host cpu_host READ_MOSTLY;

static void read_basic(void)
{
    struct cpuid_regs r = policy_raw.basic[0];

    cpu_host.max_leaf = r.a;
    memcpy(cpu_host.vendor_name, &r.b, 4);
    memcpy(cpu_host.vendor_name + 4, &r.d, 4);
    memcpy(cpu_host.vendor_name + 8, &r.c, 4);
    cpu_host.vendor = policy_vendor(&policy_raw);

    r = policy_raw.basic[1];
    cpu_host.stepping = r.a & 0xf;
    cpu_host.model = r.a >> 4 & 0xf;
    cpu_host.family = r.a >> 8 & 0xf;
    if (cpu_host.family == 0xf) {
        cpu_host.family = (uint8_t)(0xf + (r.a >> 20 & 0xff));
    }
    if (cpu_host.family >= 0xf || cpu_host.family == 6) {
        cpu_host.model |= r.a >> 12 & 0xf0;
    }
}

static void read_extended(void)
{
    uint32_t widths = policy_raw.extended[8].a;

    cpu_host.max_extended_leaf = policy_raw.extended[0].a;
    memcpy(cpu_host.brand, &policy_raw.extended[2], 3 * sizeof(struct cpuid_regs));
    cpu_host.address_bits = widths ? (uint8_t)widths : 36;
    cpu_host.guest_address_bits = (uint8_t)(widths >> 16);
    if (!cpu_host.guest_address_bits) {
        cpu_host.guest_address_bits = cpu_host.address_bits;
    }
}

void features_init(void)
{
    policy_read_raw();
    cpu_policy_get_features(&policy_raw, cpu_host.features);
    read_basic();
    read_extended();
}
