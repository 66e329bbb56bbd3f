/* What tools ask of an x86 machine. Source: public/sysctl.h. */
#include "core/sysctl.h"

#include <lodge/string.h>
#include "boot/bootinfo.h"
#include "cpu/features.h"
#include "platform/acpi.h"
#include "platform/time.h"

void arch_physinfo(struct xen_sysctl_physinfo *info)
{
    for (unsigned int i = 0; i < boot_info.nr_map; i++) {
        if (boot_info.map[i].type == RANGE_RAM) {
            info->total_pages += boot_info.map[i].size >> PAGE_SHIFT;
        }
    }
    info->cpu_khz = (uint32_t)(tsc_hz / 1000);
    info->capabilities |= XEN_SYSCTL_PHYSCAP_pv;
    memcpy(info->hw_cap, cpu_host.features, sizeof(info->hw_cap));
}
