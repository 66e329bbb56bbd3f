/* xen_version and vm_assist: small questions about the hypervisor and the domain. */
#include <errno.h>
#include <string.h>

#include "core/hypercall.h"
#include <xen/version.h>
#include "core/option.h"
#include "hyp/arch/host/host.h"
#include "tests/unit.h"

static struct domain domain = { .id = 7, .is_pv = true, .handle = "0123456789abcde" };
static struct vcpu vcpu = { .domain = &domain };

static long version(uint32_t cmd, const void *arg)
{
    return hypercall_xen_version(cmd, host_gva(arg), 0, 0, 0);
}

static int setup(void **state)
{
    (void)state;
    host_set_current(&vcpu);
    option_parse("some command line");
    return 0;
}

static int each(void **state)
{
    (void)state;
    host_guest_reset();
    domain.is_privileged = false;
    domain.is_pv = true;
    domain.vm_assist = 0;
    dom0 = NULL;
    return 0;
}

TEST(it_speaks_4_17)
{
    assert_int_equal(version(XENVER_version, NULL), 0x00040011);
}

TEST(texts_fill_their_field_with_zeros)
{
    char *p = host_guest_alloc(sizeof(xen_capabilities_info_t));
    struct xen_compile_info *info = host_guest_alloc(sizeof(*info));

    memset(p, 0xff, sizeof(xen_capabilities_info_t));
    assert_int_equal(version(XENVER_extraversion, p), 0);
    assert_non_null(strstr(p, "lodge"));
    assert_int_equal(p[15], 0);
    assert_int_equal((unsigned char)p[16], 0xff);
    assert_int_equal(version(XENVER_capabilities, p), 0);
    assert_string_equal(p, "xen-3.0-x86_64 ");
    assert_int_equal(p[1023], 0);
    assert_int_equal(version(XENVER_changeset, p), 0);
    assert_true(strlen(p) < 64);
    assert_int_equal(version(XENVER_compile_info, info), 0);
    assert_true(info->compiler[0] && !info->compiler[63]);
}

TEST(the_hypervisors_hole_is_told)
{
    struct xen_platform_parameters *p = host_guest_alloc(sizeof(*p));

    assert_int_equal(version(XENVER_platform_parameters, p), 0);
    assert_true(p->virt_start == 0xffff800000000000UL);
}

static uint32_t features(void)
{
    struct xen_feature_info *p = host_guest_alloc(sizeof(*p));

    p->submap = ~0U;
    assert_int_equal(version(XENVER_get_features, p), 0);
    return p->submap;
}

TEST(a_pv_guest_is_told_what_it_cannot_do_without)
{
    uint32_t f = features();

    assert_true(f & 1U << XENFEAT_mmu_pt_update_preserve_ad);
    assert_true(f & 1U << XENFEAT_gnttab_map_avail_bits);
    assert_true(f & 1U << XENFEAT_highmem_assist);
    assert_true(f & 1U << XENFEAT_memory_op_vnode_supported);
    assert_true(f & 1U << XENFEAT_direct_mapped);
    assert_false(f & 1U << XENFEAT_writable_page_tables);
    assert_false(f & 1U << XENFEAT_auto_translated_physmap);
    assert_false(f & 1U << XENFEAT_pae_pgdir_above_4gb);
    assert_false(f & 1U << XENFEAT_dom0);
    dom0 = &domain;
    domain.vm_assist = 1UL << VMASST_TYPE_pae_extended_cr3;
    assert_int_equal(features(), f | 1U << XENFEAT_dom0 | 1U << XENFEAT_pae_pgdir_above_4gb);
}

TEST(other_submaps_do_not_exist)
{
    struct xen_feature_info *p = host_guest_alloc(sizeof(*p));

    p->submap_idx = 1;
    p->submap = 0x1234;
    assert_int_equal(version(XENVER_get_features, p), -EINVAL);
    assert_int_equal(p->submap, 0x1234);
}

TEST(the_page_size_has_no_argument)
{
    assert_int_equal(version(XENVER_pagesize, NULL), 4096);
    assert_int_equal(version(XENVER_pagesize, host_guest_alloc(4)), -EINVAL);
}

TEST(the_handle_is_the_domains)
{
    char *p = host_guest_alloc(16);

    assert_int_equal(version(XENVER_guest_handle, p), 0);
    assert_memory_equal(p, domain.handle, 16);
}

TEST(the_command_line_is_for_the_privileged)
{
    char *p = host_guest_alloc(1024);

    assert_int_equal(version(XENVER_commandline, p), 0);
    assert_string_equal(p, "<denied>");
    domain.is_privileged = true;
    assert_int_equal(version(XENVER_commandline, p), 0);
    assert_string_equal(p, "some command line");
}

TEST(there_is_no_build_id)
{
    struct xen_build_id *p = host_guest_alloc(64);

    assert_int_equal(version(XENVER_build_id, NULL), -EPERM);
    domain.is_privileged = true;
    assert_int_equal(version(XENVER_build_id, NULL), -ENODATA);
    assert_int_equal(version(XENVER_build_id, p), -EINVAL);
    p->len = 20;
    assert_int_equal(version(XENVER_build_id, p), -ENODATA);
}

TEST(bad_pointers_and_numbers_are_refused)
{
    static const uint32_t commands[] = {
        XENVER_extraversion, XENVER_compile_info, XENVER_capabilities, XENVER_changeset,
        XENVER_platform_parameters, XENVER_get_features, XENVER_guest_handle, XENVER_commandline,
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(commands); i++) {
        assert_int_equal(hypercall_xen_version(commands[i], 0x1000, 0, 0, 0), -EFAULT);
    }
    assert_int_equal(version(11, NULL), -ENOSYS);
    assert_int_equal(version(~0U, NULL), -ENOSYS);
}

static long assist(uint64_t cmd, uint64_t type)
{
    return hypercall_vm_assist(cmd, type, 0, 0, 0);
}

TEST(assists_are_switched_on_and_off)
{
    static const unsigned int types[] = { 0, 1, 2, 3, 4, 5, 32 };

    for (unsigned int i = 0; i < ARRAY_SIZE(types); i++) {
        assert_int_equal(assist(VMASST_CMD_enable, types[i]), 0);
        assert_true(domain.vm_assist == 1ULL << types[i]);
        assert_int_equal(assist(VMASST_CMD_disable, types[i]), 0);
        assert_true(domain.vm_assist == 0);
    }
}

TEST(unknown_assists_are_refused_and_change_nothing)
{
    static const uint64_t types[] = { 6, 31, 33, 63, 64, 0xffffffff };

    for (unsigned int i = 0; i < ARRAY_SIZE(types); i++) {
        assert_int_equal(assist(VMASST_CMD_enable, types[i]), -EINVAL);
    }
    assert_int_equal(assist(2, VMASST_TYPE_writable_pagetables), -ENOSYS);
    assert_int_equal(assist(2, 6), -EINVAL);
    domain.is_pv = false;
    assert_int_equal(assist(VMASST_CMD_enable, VMASST_TYPE_writable_pagetables), -EINVAL);
    assert_true(domain.vm_assist == 0);
    assert_int_equal(assist(VMASST_CMD_enable, VMASST_TYPE_runstate_update_flag), 0);
}

#define E(name) cmocka_unit_test_setup(name, each)
TEST_RUN(setup, NULL, E(it_speaks_4_17), E(texts_fill_their_field_with_zeros),
         E(the_hypervisors_hole_is_told), E(a_pv_guest_is_told_what_it_cannot_do_without),
         E(other_submaps_do_not_exist), E(the_page_size_has_no_argument),
         E(the_handle_is_the_domains), E(the_command_line_is_for_the_privileged),
         E(there_is_no_build_id), E(bad_pointers_and_numbers_are_refused),
         E(assists_are_switched_on_and_off), E(unknown_assists_are_refused_and_change_nothing))
