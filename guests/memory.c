/* memory.c: memory_op: queries, giving frames back, getting frames, exchanging them. */
#include "lib/guest.h"

#define UNMAPPED ((void *)0x7f0000000000)

static long reservation(unsigned int cmd, xen_pfn_t *list, unsigned long count, unsigned int order,
                        unsigned int flags, domid_t domid)
{
    struct xen_memory_reservation arg = {
        .nr_extents = count, .extent_order = order, .mem_flags = flags, .domid = domid
    };

    set_xen_guest_handle(arg.extent_start, list);
    return xen_memory_op(cmd, &arg);
}

static long query(unsigned int cmd, domid_t domid)
{
    struct xen_memory_domain arg = { .domid = domid };

    return xen_memory_op(cmd, &arg);
}

static void check_queries(void)
{
    struct xen_machphys_mapping m2p;

    check(query(XENMEM_current_reservation, DOMID_SELF), start_info->nr_pages, "current");
    result(query(XENMEM_maximum_reservation, DOMID_SELF), "maximum");
    check(query(XENMEM_maximum_gpfn, DOMID_SELF) >= 0, true, "maximum-gpfn");
    check(query(XENMEM_current_reservation, 0), start_info->nr_pages, "current-of-domain-0");
    result(query(XENMEM_current_reservation, 77), "current-no-domain");
    result(query(XENMEM_current_reservation, DOMID_XEN), "current-domid-xen");
    result(xen_memory_op(XENMEM_current_reservation, UNMAPPED), "current-unmapped");
    check(xen_memory_op(XENMEM_maximum_ram_page, NULL) > 0x10000, true, "maximum-ram-page");
    check(xen_memory_op(XENMEM_machphys_mapping, &m2p), 0, "machphys-mapping");
    check(m2p.v_start, MACH2PHYS_VIRT_START, "machphys-start");
    check(m2p.v_end, MACH2PHYS_VIRT_END, "machphys-end");
    result(m2p.max_mfn, "machphys-max-mfn");
    result(xen_memory_op(XENMEM_machphys_mapping, UNMAPPED), "machphys-mapping-unmapped");
}

/* public/memory.h: an entry is 20 bytes, as the BIOS gives them. */
struct e820 {
    uint64_t start, size;
    uint32_t type;
} __attribute__((packed));

static long memory_map(unsigned int cmd, struct e820 *map, unsigned int *count)
{
    struct xen_memory_map arg = { .nr_entries = *count };
    long rc;

    set_xen_guest_handle(arg.buffer, map);
    rc = xen_memory_op(cmd, &arg);
    *count = arg.nr_entries;
    return rc;
}

static void check_maps(void)
{
    static struct e820 map[128];
    unsigned int count = ARRAY_SIZE(map), needed, i, disordered = 0;
    uint64_t ram = 0;
    long rc;

    rc = memory_map(XENMEM_machine_memory_map, map, &count);
    check(rc, 0, "machine-map");
    if (rc) {
        return;
    }
    for (i = 0; i < count; i++) {
        disordered += i && map[i].start < map[i - 1].start + map[i - 1].size;
        ram += map[i].type == 1 ? map[i].size : 0;
    }
    check(disordered, 0, "machine-map-in-order");
    check(ram > 500UL << 20 && ram <= 512UL << 20, true, "machine-map-ram");
    check(map[0].start, 0, "machine-map-starts-at-0");
    for (i = 0; i < count; i++) {
        result_text("machine-map-%u %lx %lx type %u", i, map[i].start, map[i].size, map[i].type);
    }
    needed = count;
    count = 0;
    result(memory_map(XENMEM_machine_memory_map, NULL, &count), "machine-map-null");
    result((long)count - needed, "machine-map-null-count-difference");
    count = 2;
    result(memory_map(XENMEM_machine_memory_map, map, &count), "machine-map-short");
    result(count, "machine-map-short-count");
    count = 128;
    result(memory_map(XENMEM_machine_memory_map, UNMAPPED, &count), "machine-map-unmapped");
    count = 128;
    result(memory_map(XENMEM_memory_map, map, &count), "memory-map");
    result(xen_memory_op(XENMEM_machine_memory_map, UNMAPPED), "machine-map-argument-unmapped");
}

/* Frames 0 to 255 lie below the image: ours, mapped, and not otherwise used. */
static void unmap(unsigned long pfn)
{
    guest_need(xen_update_va_mapping(pfn_to_va(pfn), 0, UVMF_INVLPG));
}

static void remap(unsigned long pfn, unsigned long mfn)
{
    struct mmu_update req = { .ptr = (mfn << PAGE_SHIFT) | MMU_MACHPHYS_UPDATE, .val = pfn };

    ((unsigned long *)start_info->mfn_list)[pfn] = mfn;
    guest_need(xen_mmu_update(&req, 1, NULL, DOMID_SELF));
    guest_need(xen_update_va_mapping(pfn_to_va(pfn), pte_make(mfn, PTE_DATA), UVMF_INVLPG));
}

static void check_decrease_and_populate(void)
{
    xen_pfn_t list[4];
    unsigned long before = query(XENMEM_current_reservation, DOMID_SELF);
    unsigned int i;

    for (i = 0; i < 2; i++) {
        list[i] = pfn_to_mfn(8 + i);
        unmap(8 + i);
    }
    check(reservation(XENMEM_decrease_reservation, list, 2, 0, 0, DOMID_SELF), 2, "decrease-two");
    check(query(XENMEM_current_reservation, DOMID_SELF), before - 2, "decrease-counted");
    result(reservation(XENMEM_decrease_reservation, list, 2, 0, 0, DOMID_SELF), "decrease-again");
    result(page_set(pfn_to_va(8), PTE_DATA), "map-given-back");
    list[0] = 8;
    list[1] = 9;
    check(reservation(XENMEM_populate_physmap, list, 2, 0, 0, DOMID_SELF), 2, "populate-two");
    check(query(XENMEM_current_reservation, DOMID_SELF), before, "populate-counted");
    check(mfn_to_pfn(list[0]), 8, "populate-sets-m2p");
    check(mfn_to_pfn(list[1]), 9, "populate-sets-m2p-second");
    remap(8, list[0]);
    remap(9, list[1]);
    for (i = 0; i < 512; i++) {
        if (((uint64_t *)pfn_to_va(8))[i]) {
            break;
        }
    }
    check(i, 512, "populated-frame-is-clean");
    ((uint8_t *)pfn_to_va(9))[0] = 1;

    /* A frame that is mapped leaves when its last mapping goes. */
    list[0] = pfn_to_mfn(10);
    result(reservation(XENMEM_decrease_reservation, list, 1, 0, 0, DOMID_SELF), "decrease-mapped");
    result((long)before - query(XENMEM_current_reservation, DOMID_SELF), "decrease-mapped-counted");
    unmap(10);
    result((long)before - query(XENMEM_current_reservation, DOMID_SELF),
           "decrease-mapped-then-unmapped");

    list[0] = 10;
    result(reservation(XENMEM_increase_reservation, list, 1, 0, 0, DOMID_SELF), "increase-one");
    remap(10, list[0]);
    result(reservation(XENMEM_increase_reservation, NULL, 1, 0, 0, DOMID_SELF),
           "increase-null-list");

    list[0] = 0x1000;
    result(reservation(XENMEM_decrease_reservation, list, 1, 0, 0, DOMID_SELF),
           "decrease-not-ours");
    list[0] = ~0UL;
    result(reservation(XENMEM_decrease_reservation, list, 1, 0, 0, DOMID_SELF), "decrease-minus-1");
    list[0] = va_to_mfn(pt_root());
    result(reservation(XENMEM_decrease_reservation, list, 1, 0, 0, DOMID_SELF),
           "decrease-page-table");
    list[0] = pfn_to_mfn(11);
    list[1] = ~0UL;
    unmap(11);
    result(reservation(XENMEM_decrease_reservation, list, 2, 0, 0, DOMID_SELF),
           "decrease-second-bad");
    list[0] = 11;
    check(reservation(XENMEM_populate_physmap, list, 1, 0, 0, DOMID_SELF), 1, "populate-one");
    remap(11, list[0]);
}

static void check_reservation_arguments(void)
{
    xen_pfn_t list[2] = { 12, 13 };
    static const unsigned int cmds[] = { XENMEM_increase_reservation, XENMEM_decrease_reservation,
                                         XENMEM_populate_physmap };
    unsigned int i, cmd;

    for (i = 0; i < ARRAY_SIZE(cmds); i++) {
        cmd = cmds[i];
        result(reservation(cmd, list, 0, 0, 0, DOMID_SELF), "reservation-%u-none", cmd);
        result(reservation(cmd, UNMAPPED, 1, 0, 0, DOMID_SELF), "reservation-%u-unmapped", cmd);
        result(reservation(cmd, (void *)HYPERVISOR_VIRT_END - 64, 1, 0, 0, DOMID_SELF),
               "reservation-%u-in-hypervisor", cmd);
        result(reservation(cmd, list, 1, 63, 0, DOMID_SELF), "reservation-%u-order-63", cmd);
        result(reservation(cmd, list, 1, 21, 0, DOMID_SELF), "reservation-%u-order-21", cmd);
        result(reservation(cmd, list, ~0UL, 0, 0, DOMID_SELF), "reservation-%u-minus-1", cmd);
        result(reservation(cmd, list, 1UL << 40, 0, 0, DOMID_SELF), "reservation-%u-2-to-40", cmd);
        result(reservation(cmd, list, 1, 0, 0, 77), "reservation-%u-no-domain", cmd);
        result(reservation(cmd, list, 1, 0, 0, DOMID_XEN), "reservation-%u-domid-xen", cmd);
        result(xen_memory_op(cmd, UNMAPPED), "reservation-%u-argument-unmapped", cmd);
    }
    /* Below 64 KiB there is no free frame. */
    result(reservation(XENMEM_populate_physmap, list, 1, 0, XENMEMF_address_bits(16), DOMID_SELF),
           "populate-address-bits-16");
}

static long exchange(xen_pfn_t *in, unsigned long nr_in, unsigned int order_in, xen_pfn_t *out,
                     unsigned long nr_out, unsigned int order_out, unsigned int flags,
                     unsigned long *done)
{
    struct xen_memory_exchange arg = {
        .in = { .nr_extents = nr_in, .extent_order = order_in, .domid = DOMID_SELF },
        .out = { .nr_extents = nr_out,
                 .extent_order = order_out,
                 .mem_flags = flags,
                 .domid = DOMID_SELF },
        .nr_exchanged = *done,
    };
    long rc;

    set_xen_guest_handle(arg.in.extent_start, in);
    set_xen_guest_handle(arg.out.extent_start, out);
    rc = xen_memory_op(XENMEM_exchange, &arg);
    *done = arg.nr_exchanged;
    return rc;
}

static void check_exchange(void)
{
    xen_pfn_t in[8], out[8];
    unsigned long done = 0, before = query(XENMEM_current_reservation, DOMID_SELF);
    unsigned int i, bad = 0;

    for (i = 0; i < 8; i++) {
        in[i] = pfn_to_mfn(16 + i);
        unmap(16 + i);
    }
    out[0] = 16;
    check(exchange(in, 8, 0, out, 1, 3, 0, &done), 0, "exchange-8-for-order-3");
    check(done, 8, "exchange-done");
    check(out[0] & 7, 0, "exchange-aligned");
    check(query(XENMEM_current_reservation, DOMID_SELF), before, "exchange-keeps-count");
    for (i = 0; i < 8; i++) {
        bad += mfn_to_pfn(out[0] + i) != 16 + i;
    }
    check(bad, 0, "exchange-sets-m2p");
    for (i = 0; i < 8; i++) {
        remap(16 + i, out[0] + i);
        unmap(16 + i);
    }
    in[0] = out[0];
    for (i = 0; i < 8; i++) {
        out[i] = 16 + i;
    }
    done = 0;
    check(exchange(in, 1, 3, out, 8, 0, 0, &done), 0, "exchange-order-3-for-8");
    check(done, 1, "exchange-back-done");
    for (i = 0; i < 8; i++) {
        remap(16 + i, out[i]);
    }

    in[0] = pfn_to_mfn(16);
    in[1] = pfn_to_mfn(17);
    out[0] = 16;
    done = 0;
    result(exchange(in, 2, 0, out, 1, 0, 0, &done), "exchange-sizes-differ");
    result(done, "exchange-sizes-differ-done");
    done = 5;
    result(exchange(in, 2, 0, out, 1, 1, 0, &done), "exchange-done-too-large");
    done = 0;
    result(exchange(in, 1, 0, out, 1, 0, XENMEMF_address_bits(13), &done), "exchange-bits-13");
    result(done, "exchange-bits-13-done");
    check(page_set(pfn_to_va(16), PTE_DATA), 0, "exchange-refused-keeps-frame");
    in[0] = 0x1000;
    done = 0;
    result(exchange(in, 1, 0, out, 1, 0, 0, &done), "exchange-not-ours");
    in[0] = ~0UL;
    result(exchange(in, 1, 0, out, 1, 0, 0, &done), "exchange-minus-1");
    result(exchange(UNMAPPED, 1, 0, out, 1, 0, 0, &done), "exchange-in-unmapped");
    in[0] = pfn_to_mfn(18);
    unmap(18);
    result(exchange(in, 1, 0, UNMAPPED, 1, 0, 0, &done), "exchange-out-unmapped");
    result((long)before - query(XENMEM_current_reservation, DOMID_SELF),
           "exchange-out-unmapped-counted");
    done = 0;
    result(exchange(in, 1, 40, out, 1, 40, 0, &done), "exchange-order-40");
    result(exchange(in, ~0UL, 0, out, ~0UL, 0, 0, &done), "exchange-minus-1-extents");
    result(xen_memory_op(XENMEM_exchange, UNMAPPED), "exchange-argument-unmapped");
}

static void check_translated_only(void)
{
    struct xen_add_to_physmap add = { .domid = DOMID_SELF, .space = XENMAPSPACE_shared_info };
    struct xen_remove_from_physmap remove = { .domid = DOMID_SELF, .gpfn = 5 };
    static const unsigned int cmds[] = { 8,  13, 16, 17, 18, 19, 20, 21, 22,
                                         24, 25, 26, 27, 28, 29, 40, 63 };
    unsigned int i;

    result(xen_memory_op(XENMEM_add_to_physmap, &add), "add-to-physmap");
    result(xen_memory_op(XENMEM_remove_from_physmap, &remove), "remove-from-physmap");
    for (i = 0; i < ARRAY_SIZE(cmds); i++) {
        result(xen_memory_op(cmds[i], UNMAPPED), "command-%u-unmapped", cmds[i]);
    }
}

/* There is no other domain here whose table could be had: what is refused before that. */
static void check_resources(void)
{
    static const domid_t whom[] = { 0, 77, DOMID_SELF, DOMID_IO, DOMID_XEN, DOMID_INVALID };
    struct xen_mem_acquire_resource req;

    for (unsigned int i = 0; i < sizeof(whom) / sizeof(whom[0]); i++) {
        req = (struct xen_mem_acquire_resource){ .domid = whom[i], .type = XENMEM_resource_grant_table };
        result(xen_memory_op(XENMEM_acquire_resource, &req), "resource-of-%x", whom[i]);
        req.pad = 1;
        result(xen_memory_op(XENMEM_acquire_resource, &req), "resource-of-%x-padded", whom[i]);
        req.pad = 0;
        req.frame = 1UL << 32;
        result(xen_memory_op(XENMEM_acquire_resource, &req), "resource-of-%x-far", whom[i]);
        req.frame = req.nr_frames = ~0U;
        result(xen_memory_op(XENMEM_acquire_resource, &req), "resource-of-%x-too-much", whom[i]);
    }
}

void guest_main(void)
{
    check_queries();
    check_maps();
    check_decrease_and_populate();
    check_reservation_arguments();
    check_exchange();
    check_translated_only();
    check_resources();
}
