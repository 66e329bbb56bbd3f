/* What tools ask of an x86 machine. Source: public/sysctl.h. */
#include "core/sysctl.h"

#include <lodge/string.h>
#include "boot/bootinfo.h"
#include "cpu/policy.h"
#include "platform/acpi.h"
#include "platform/time.h"

void arch_physinfo(struct xen_sysctl_physinfo *info)
{
    uint32_t words[CPU_FEATURE_WORDS];

    for (unsigned int i = 0; i < boot_info.nr_map; i++) {
        if (boot_info.map[i].type == RANGE_RAM) {
            info->total_pages += boot_info.map[i].size >> PAGE_SHIFT;
        }
    }
    info->cpu_khz = (uint32_t)(tsc_hz / 1000);
    info->capabilities |= XEN_SYSCTL_PHYSCAP_pv;
    cpu_policy_get_features(&policy_host, words);
    /* What AMD repeats of the first word says nothing new. */
    words[2] &= ~CPU_FEATURES_COMMON_1D;
    memcpy(info->hw_cap, words, sizeof(info->hw_cap));
}
