/* What the tools ask and tell of a PV domain that is x86's own. Source: public/domctl.h. */
#include "core/domctl.h"
#include "cpu/features.h"

/* PV: nothing is emulated. The width is what a guest with nested paging could have. */
void domain_arch_info(const struct domain *d, struct xen_domctl_getdomaininfo *info)
{
    (void)d;
    info->gpaddr_bits = cpu_host.guest_address_bits;
}
