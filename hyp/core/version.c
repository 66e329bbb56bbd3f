/* What the hypervisor says of itself. Source: public/version.h, public/features.h. */
#include "core/version.h"
#include "core/hypercall.h"
#include <lodge/string.h>
#include <xen/version.h>
#include "core/guest.h"
#include "core/option.h"
#include "core/privilege.h"

/* The interface spoken is Xen's of this version; the name says who speaks it. */
#define EXTRA_VERSION ".7-lodge"
#define CAPABILITIES  "xen-3.0-x86_64 " /* 64-bit PV guests; each entry ends in a space */
#define CHANGESET     "unavailable"
#define DENIED        "<denied>"
BUILD_ASSERT(sizeof(EXTRA_VERSION) <= sizeof(xen_extraversion_t));

union version_answer {
    xen_extraversion_t extraversion;
    struct xen_compile_info compile_info;
    xen_capabilities_info_t capabilities;
    xen_changeset_info_t changeset;
    struct xen_platform_parameters platform;
    struct xen_feature_info features;
    xen_domain_handle_t handle;
    xen_commandline_t commandline;
};

static void put_text(char *to, size_t room, const char *text)
{
    memcpy(to, text, MIN(strlen(text), room - 1)); /* the rest is zero */
}
#define PUT_TEXT(array, text) put_text((array), sizeof(array), (text))

static long answer(uint64_t gva, const void *what, size_t size)
{
    return guest_copy_to(gva, what, size) ? -EFAULT : 0;
}

static uint32_t features_of(const struct domain *d)
{
    uint32_t features = 1U << XENFEAT_memory_op_vnode_supported;

    if (d->is_pv) {
        features |= 1U << XENFEAT_mmu_pt_update_preserve_ad | 1U << XENFEAT_highmem_assist |
                    1U << XENFEAT_gnttab_map_avail_bits | 1U << XENFEAT_direct_mapped;
    } else {
        features |= 1U << XENFEAT_writable_page_tables | 1U << XENFEAT_auto_translated_physmap |
                    1U << XENFEAT_hvm_callback_vector | 1U << XENFEAT_hvm_safe_pvclock |
                    1U << XENFEAT_not_direct_mapped;
    }
    if (__atomic_load_n(&d->vm_assist, __ATOMIC_RELAXED) & 1UL << VMASST_TYPE_pae_extended_cr3) {
        features |= 1U << XENFEAT_pae_pgdir_above_4gb;
    }
    if (d == dom0) {
        features |= 1U << XENFEAT_dom0;
    }
    return features;
}

static long get_features(uint64_t gva)
{
    struct xen_feature_info info;

    if (guest_copy_from(&info, gva, sizeof(info))) {
        return -EFAULT;
    }
    if (info.submap_idx >= XENFEAT_NR_SUBMAPS) {
        return -EINVAL;
    }
    info.submap = features_of(current->domain);
    return answer(gva, &info, sizeof(info));
}

/* Who has no right to the command line gets the refusal as its text, and the call succeeds: Xen, common/kernel.c. */
static long get_commandline(uint64_t gva, union version_answer *a)
{
    if (privilege_machine(current)) {
        return answer(gva, DENIED, sizeof(DENIED));
    }
    PUT_TEXT(a->commandline, option_cmdline());
    return answer(gva, a->commandline, sizeof(a->commandline));
}

/* No build identifier is linked in, which is told after the buffer was looked at. */
static long get_build_id(uint64_t gva)
{
    uint32_t len;
    int rc = privilege_machine(current);

    if (rc) {
        return rc;
    }
    if (gva) {
        if (guest_copy_from(&len, gva + offsetof(struct xen_build_id, len), sizeof(len))) {
            return -EFAULT;
        }
        if (!len) {
            return -EINVAL;
        }
    }
    return -ENODATA;
}

/* public/version.h. a1: XENVER_*; a2: its argument, if it has one. */
long hypercall_xen_version(uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5)
{
    union version_answer a;

    (void)a3;
    (void)a4;
    (void)a5;
    switch ((uint32_t)a1) {
    case XENVER_version: /* the cheapest call: a guest makes it to have its events looked at */
        return XEN_MAJOR << 16 | XEN_MINOR;
    case XENVER_get_features:
        return get_features(a2);
    case XENVER_pagesize:
        return a2 ? -EINVAL : (long)PAGE_SIZE;
    case XENVER_build_id:
        return get_build_id(a2);
    default:
        break;
    }

    memset(&a, 0, sizeof(a));
    switch ((uint32_t)a1) {
    case XENVER_extraversion:
        PUT_TEXT(a.extraversion, EXTRA_VERSION);
        return answer(a2, a.extraversion, sizeof(a.extraversion));
    case XENVER_compile_info:
        PUT_TEXT(a.compile_info.compiler, __VERSION__);
        PUT_TEXT(a.compile_info.compile_by, "lodge");
        PUT_TEXT(a.compile_info.compile_domain, "unknown");
        PUT_TEXT(a.compile_info.compile_date, "unknown"); /* the same source gives the same image */
        return answer(a2, &a.compile_info, sizeof(a.compile_info));
    case XENVER_capabilities:
        PUT_TEXT(a.capabilities, CAPABILITIES);
        return answer(a2, a.capabilities, sizeof(a.capabilities));
    case XENVER_changeset:
        PUT_TEXT(a.changeset, CHANGESET);
        return answer(a2, a.changeset, sizeof(a.changeset));
    case XENVER_platform_parameters:
        a.platform.virt_start = HYPERVISOR_VIRT_START;
        return answer(a2, &a.platform, sizeof(a.platform));
    case XENVER_guest_handle:
        memcpy(a.handle, current->domain->handle, sizeof(a.handle));
        return answer(a2, a.handle, sizeof(a.handle));
    case XENVER_commandline:
        return get_commandline(a2, &a);
    default:
        return -ENOSYS;
    }
}
