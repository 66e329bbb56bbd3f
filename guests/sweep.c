/* sweep.c: every hypercall number with arguments that make no sense: nothing, pointers to nowhere,
 * an unknown sub-operation. What comes back is an errno, and the guest is as it was. */
#include "lib/guest.h"

#define NOWHERE       0x7f0000000000UL
#define NON_CANONICAL 0x8000000000000000UL
#define BAD_COMMAND   0x7fffffffUL

static bool is_dangerous(unsigned int nr)
{
    /* iret takes its frame from our stack; set_callbacks and set_trap_table would take our handlers
     * away for good, and are tried in version.c. */
    return nr == __HYPERVISOR_iret || nr == __HYPERVISOR_set_callbacks;
}

static void restore(void)
{
    static struct trap_info table[257];

    trap_table(table);
    guest_need(xen_set_trap_table(table));
    guest_need(xen_stack_switch(FLAT_KERNEL_SS, vcpu_entry_stack(vcpu_this())));
    guest_need(xen_fpu_taskswitch(0));
    guest_need(xen_set_timer_op(0));
}

void guest_main(void)
{
    unsigned int nr;
    long rc;

    guest_need(xen_vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL));
    for (nr = 0; nr < 64; nr++) {
        if (is_dangerous(nr)) {
            continue;
        }
        result(hypercall(nr, 0, 0, 0, 0, 0), "hypercall-%u-zeroes", nr);
        result(hypercall(nr, BAD_COMMAND, NOWHERE, NOWHERE, NOWHERE, NOWHERE),
               "hypercall-%u-bad-command", nr);
        result(hypercall(nr, BAD_COMMAND, 0, 0, 0, 0), "hypercall-%u-bad-command-zeroes", nr);
        rc = hypercall(nr, NOWHERE, 1, 0, DOMID_SELF, 0);
        result(rc, "hypercall-%u-nowhere", nr);
        rc = hypercall(nr, HYPERVISOR_VIRT_END - 8, 1, 0, DOMID_SELF, 0);
        result(rc, "hypercall-%u-hypervisor", nr);
        rc = hypercall(nr, NON_CANONICAL, 1, 0, DOMID_SELF, 0);
        result(rc, "hypercall-%u-non-canonical", nr);
        restore();
    }
    result(hypercall(64, 0, 0, 0, 0, 0), "hypercall-64");
    result(hypercall(1000, 0, 0, 0, 0, 0), "hypercall-1000");
    result(hypercall(1UL << 31, 0, 0, 0, 0, 0), "hypercall-2-to-31");
    result(hypercall(1UL << 32 | __HYPERVISOR_xen_version, 0, 0, 0, 0, 0), "hypercall-upper-bits");
    result(hypercall(~0UL, 0, 0, 0, 0, 0), "hypercall-minus-1");
}
