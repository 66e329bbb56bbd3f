/*
 * The layout of the public headers' structures, as every 64-bit guest and tool was compiled with
 * them.
 */
#include <stddef.h>
#include <stdint.h>
#include <xen/xen.h>
#include <xen/domctl.h>
#include <xen/event_channel.h>
#include <xen/grant_table.h>
#include <xen/hvm/dm_op.h>
#include <xen/hvm/ioreq.h>
#include <xen/arch-x86/hvm/start_info.h>
#include <xen/memory.h>
#include <xen/physdev.h>
#include <xen/platform.h>
#include <xen/sysctl.h>
#include <xen/vcpu.h>
#include <xen/version.h>
#include "tests/unit.h"

#define SIZE(type, bytes) assert_int_equal(sizeof(type), bytes)
#define OFFSET(type, member, bytes) assert_int_equal(offsetof(type, member), bytes)

TEST(pages_that_guests_share_with_us)
{
    SIZE(struct start_info, 1168);
    SIZE(struct shared_info, 3136);
    SIZE(struct vcpu_info, 64);
    SIZE(struct vcpu_time_info, 32);
    OFFSET(struct shared_info, evtchn_pending, 2048);
    OFFSET(struct shared_info, evtchn_mask, 2560);
    OFFSET(struct shared_info, wc_version, 3072);
    OFFSET(struct shared_info, wc_sec, 3076);
    OFFSET(struct shared_info, wc_nsec, 3080);
    OFFSET(struct shared_info, wc_sec_hi, 3084);
    OFFSET(struct shared_info, arch, 3088);
    OFFSET(struct vcpu_info, evtchn_upcall_pending, 0);
    OFFSET(struct vcpu_info, evtchn_upcall_mask, 1);
    OFFSET(struct vcpu_info, evtchn_pending_sel, 8);
    OFFSET(struct vcpu_info, arch.cr2, 16);
    OFFSET(struct vcpu_info, time, 32);
}

TEST(arguments_of_hypercalls)
{
    SIZE(struct vcpu_guest_context, 5168);
    SIZE(struct cpu_user_regs, 200);
    SIZE(struct trap_info, 16);
    SIZE(struct mmu_update, 16);
    SIZE(struct mmuext_op, 24);
    SIZE(struct multicall_entry, 64);
    SIZE(struct iret_context, 72);
    SIZE(struct xen_memory_reservation, 32);
    SIZE(struct xen_memory_exchange, 72);
    SIZE(struct xen_mem_acquire_resource, 32);
    SIZE(struct physdev_map_pirq, 40);
    SIZE(struct gnttab_map_grant_ref, 32);
    SIZE(struct gnttab_unmap_grant_ref, 24);
    SIZE(struct gnttab_copy, 40);
    SIZE(struct vcpu_runstate_info, 48);
    SIZE(xen_extraversion_t, 16);
    SIZE(xen_capabilities_info_t, 1024);
    SIZE(xen_changeset_info_t, 64);
    SIZE(xen_commandline_t, 1024);
}

TEST(the_control_interface)
{
    SIZE(struct xen_domctl, 144);
    SIZE(struct xen_sysctl, 136);
    SIZE(struct xen_platform_op, 136);
    SIZE(struct xen_domctl_createdomain, 64);
    SIZE(struct xen_domctl_getdomaininfo, 112);
    SIZE(struct xen_sysctl_physinfo, 112);
    SIZE(struct xen_dm_op, 32);
    SIZE(struct xen_dm_op_buf, 16);
    SIZE(struct ioreq, 32);
    SIZE(struct hvm_start_info, 56);
    assert_int_equal(XEN_DOMCTL_INTERFACE_VERSION, 0x15);
    assert_int_equal(XEN_SYSCTL_INTERFACE_VERSION, 0x15);
    assert_int_equal(XENPF_INTERFACE_VERSION, 0x03000001);
}

TEST_MAIN(T(pages_that_guests_share_with_us), T(arguments_of_hypercalls), T(the_control_interface))
