/*
 * Source: AMD64 APM vol. 3, "Obtaining Processor Information Via the CPUID Instruction"; Intel SDM
 * vol. 2A, "CPUID".
 */
#include "cpu/features.h"
#include <lodge/string.h>
#include "cpu/insn.h"

/* Words of the feature set: where each comes from. */
enum {
    WORD_1D,
    WORD_1C,
    WORD_E1D,
    WORD_E1C,
    WORD_DA1,
    WORD_7B0,
    WORD_7C0,
    WORD_E7D,
    WORD_E8B,
    WORD_7D0,
    WORD_7A1,
    WORD_E21A,
};

struct cpu_host cpu_host READ_MOSTLY;

static void read_basic(void)
{
    struct cpuid_regs r = cpuid(0, 0);

    cpu_host.max_leaf = r.a;
    memcpy(cpu_host.vendor_name, &r.b, 4);
    memcpy(cpu_host.vendor_name + 4, &r.d, 4);
    memcpy(cpu_host.vendor_name + 8, &r.c, 4);
    if (!strcmp(cpu_host.vendor_name, "GenuineIntel")) {
        cpu_host.vendor = VENDOR_INTEL;
    } else if (!strcmp(cpu_host.vendor_name, "AuthenticAMD") ||
               !strcmp(cpu_host.vendor_name, "HygonGenuine")) {
        cpu_host.vendor = VENDOR_AMD;
    }

    r = cpuid(1, 0);
    cpu_host.features[WORD_1D] = r.d;
    cpu_host.features[WORD_1C] = r.c;
    cpu_host.stepping = r.a & 0xf;
    cpu_host.model = r.a >> 4 & 0xf;
    cpu_host.family = r.a >> 8 & 0xf;
    if (cpu_host.family == 0xf) {
        cpu_host.family = (uint8_t)(0xf + (r.a >> 20 & 0xff));
    }
    if (cpu_host.family >= 0xf || cpu_host.family == 6) {
        cpu_host.model |= r.a >> 12 & 0xf0;
    }

    if (cpu_host.max_leaf >= 7) {
        r = cpuid(7, 0);
        cpu_host.features[WORD_7B0] = r.b;
        cpu_host.features[WORD_7C0] = r.c;
        cpu_host.features[WORD_7D0] = r.d;
        if (r.a >= 1) {
            cpu_host.features[WORD_7A1] = cpuid(7, 1).a;
        }
    }
    if (cpu_host.max_leaf >= 0xd && cpu_has(XSAVE)) {
        cpu_host.features[WORD_DA1] = cpuid(0xd, 1).a;
    }
}

static void read_extended(void)
{
    struct cpuid_regs r = cpuid(0x80000000, 0);

    cpu_host.max_extended_leaf = r.a;
    r = cpuid(0x80000001, 0);
    cpu_host.features[WORD_E1D] = r.d;
    cpu_host.features[WORD_E1C] = r.c;
    if (cpu_host.max_extended_leaf >= 0x80000004) {
        for (uint32_t i = 0; i < 3; i++) {
            r = cpuid(0x80000002 + i, 0);
            memcpy(cpu_host.brand + 16 * i, &r, sizeof(r));
        }
    }
    if (cpu_host.max_extended_leaf >= 0x80000007) {
        cpu_host.features[WORD_E7D] = cpuid(0x80000007, 0).d;
    }
    cpu_host.address_bits = 36;
    if (cpu_host.max_extended_leaf >= 0x80000008) {
        r = cpuid(0x80000008, 0);
        cpu_host.address_bits = (uint8_t)r.a;
        cpu_host.guest_address_bits = (uint8_t)(r.a >> 16);
        cpu_host.features[WORD_E8B] = r.b;
    }
    if (!cpu_host.guest_address_bits) {
        cpu_host.guest_address_bits = cpu_host.address_bits;
    }
    if (cpu_host.max_extended_leaf >= 0x80000021) {
        cpu_host.features[WORD_E21A] = cpuid(0x80000021, 0).a;
    }
}

void features_init(void)
{
    read_basic();
    read_extended();
}
