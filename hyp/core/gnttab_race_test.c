/*
 * Grants under fire: the granter rewrites its entries while several CPUs map, copy and unmap, also
 * the same handles.
 */
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <lodge/errno.h>
#include <lodge/string.h>
#include "core/gnttab_private.h"
#include "core/guest_frame.h"
#include "hyp/arch/host/domains.h"
#include "hyp/arch/host/grant.h"
#include "hyp/arch/host/host.h"
#include "tests/unit.h"

#define REFS    4U
#define THREADS 3U

static struct domain *d0, *du, *dt; /* dt grants to du, which may pass it on */
static struct grant_entry_v1 *entries;
static struct frame *pages[REFS], *behind;
static bool over;

struct mapper {
    pthread_t thread;
    unsigned int cpu;
    uint64_t *pte;
    struct gnttab_map_grant_ref *m;
    struct gnttab_unmap_grant_ref *u;
    struct gnttab_copy *c;
    unsigned long mapped, copied, wrong;
};

static int start(void **state)
{
    mfn_t mfn;

    (void)state;
    d0 = host_domain(0, 1);
    du = host_domain(1, 1);
    assert_int_equal(gnttab_shared_frame(du, 0, &mfn), 0);
    entries = arch_map_frame(mfn);
    for (unsigned int i = 0; i < REFS; i++) {
        pages[i] = host_domain_page(du);
    }
    dt = host_domain(2, 1);
    behind = host_domain_page(dt);
    *grant_entry_v1(dt->grant_table, 8) =
        (struct grant_entry_v1){ GTF_permit_access, 1, (uint32_t)frame_mfn(behind).n };
    return 0;
}

static void *rewrite(void *data)
{
    unsigned int seed = 1;

    (void)data;
    while (!__atomic_load_n(&over, __ATOMIC_RELAXED)) {
        unsigned int r = (unsigned int)rand_r(&seed);
        struct grant_entry_v1 *e = &entries[8 + r % REFS];

        shared_write(&e->frame, r & 64 ? (uint32_t)frame_mfn(pages[r / 8 % REFS]).n : r);
        shared_write(&e->domid, (domid_t)(r & 128 ? 0 : 5));
        shared_write(&e->flags, (uint16_t)(r & 256 ? GTF_permit_access : r >> 8));
        if (r % 4 == 0) {
            arch_cpu_relax();
        }
    }
    return NULL;
}

static void rewrite_v2_entry(union grant_entry_v2 *e, unsigned int r)
{
    switch (r / 16 % 4) {
    case 0:
        shared_write(&e->transitive.trans_domid, (domid_t)(r & 512 ? 2 : 1));
        shared_write(&e->transitive.gref, r & 1024 ? 8 : 9);
        break;
    case 1:
        shared_write(&e->sub_page.page_off, (uint16_t)r);
        shared_write(&e->sub_page.length, (uint16_t)(r & 1024 ? PAGE_SIZE : r >> 7));
        break;
    default:
        shared_write(&e->full_page.frame, r & 64 ? frame_mfn(pages[r / 8 % REFS]).n : r);
        break;
    }
    shared_write(&e->hdr.domid, (domid_t)(r & 0x8080 ? 0 : 5));
    shared_write(&e->hdr.flags, (uint16_t)(r & 256    ? GTF_permit_access
                                           : r & 2048 ? GTF_transitive
                                                      : r >> 8));
}

/* Now and then it changes the version too, which succeeds if nobody uses an entry just then. */
static void *rewrite_v2(void *data)
{
    struct gnttab_set_version *version = data;
    unsigned int seed = 2;

    host_set_cpu(THREADS + 1);
    host_set_current(du->vcpus[0]);
    while (!__atomic_load_n(&over, __ATOMIC_RELAXED)) {
        unsigned int r = (unsigned int)rand_r(&seed);

        rewrite_v2_entry(&((union grant_entry_v2 *)entries)[8 + r % REFS], r);
        if (r % 64 == 0) {
            version->version = r & 4096 ? 1 : 2;
            (void)hypercall_grant_table_op(GNTTABOP_set_version, host_gva(version), 1, 0, 0);
        }
        if (r % 4 == 0) {
            arch_cpu_relax();
        }
    }
    return NULL;
}

static long op(uint64_t cmd, const void *arg)
{
    return hypercall_grant_table_op(cmd, host_gva(arg), 1, 0, 0);
}

static bool is_page(uint64_t mfn)
{
    for (unsigned int i = 0; i < REFS; i++) {
        if (frame_mfn(pages[i]).n == mfn) {
            return true;
        }
    }
    return false;
}

static void *use(void *data)
{
    struct mapper *p = data;
    unsigned int seed = p->cpu;

    host_set_cpu(p->cpu);
    host_set_current(d0->vcpus[0]);
    while (!__atomic_load_n(&over, __ATOMIC_RELAXED)) {
        unsigned int r = (unsigned int)rand_r(&seed);

        *p->m = (struct gnttab_map_grant_ref){ .host_addr = host_gva(p->pte),
                                               .dom = 1,
                                               .ref = 8 + r % REFS,
                                               .flags = GNTMAP_host_map |
                                                        (r & 16 ? GNTMAP_readonly : 0) |
                                                        (r & 32 ? GNTMAP_device_map : 0) };
        p->wrong += op(GNTTABOP_map_grant_ref, p->m) != 0;
        if (p->m->status == GNTST_okay) {
            p->mapped++;
            p->wrong += !is_page(p->m->dev_bus_addr >> PAGE_SHIFT);
            *p->u = (struct gnttab_unmap_grant_ref){ .host_addr = p->m->host_addr,
                                                     .handle = p->m->handle,
                                                     .dev_bus_addr = p->m->dev_bus_addr };
            p->wrong += op(GNTTABOP_unmap_grant_ref, p->u) != 0 || p->u->status != GNTST_okay;
        }
        *p->c = (struct gnttab_copy){ .source = { .u.ref = 8 + r % REFS, .domid = 1 },
                                      .dest = { .u.ref = 8 + r / 8 % REFS, .domid = 1 },
                                      .len = 512,
                                      .flags = GNTCOPY_source_gref | GNTCOPY_dest_gref };
        p->wrong += op(GNTTABOP_copy, p->c) != 0;
        p->copied += p->c->status == GNTST_okay;
    }
    return NULL;
}

static void under_fire(void *(*granting)(void *), void *data)
{
    struct timespec time = { .tv_nsec = 500000000L };
    struct mapper mappers[THREADS] = { 0 };
    unsigned long mapped = 0, copied = 0;
    uint64_t refs[REFS];
    pthread_t granter;

    for (unsigned int i = 0; i < REFS; i++) {
        refs[i] = pages[i]->count;
    }
    over = false;
    for (unsigned int i = 0; i < THREADS; i++) {
        struct mapper *p = &mappers[i];

        p->cpu = i + 1;
        p->pte = host_guest_alloc(sizeof(*p->pte));
        p->m = host_guest_alloc(sizeof(*p->m));
        p->u = host_guest_alloc(sizeof(*p->u));
        p->c = host_guest_alloc(sizeof(*p->c));
    }
    assert_int_equal(pthread_create(&granter, NULL, granting, data), 0);
    for (unsigned int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&mappers[i].thread, NULL, use, &mappers[i]), 0);
    }
    nanosleep(&time, NULL);
    __atomic_store_n(&over, true, __ATOMIC_RELAXED);
    pthread_join(granter, NULL);
    for (unsigned int i = 0; i < THREADS; i++) {
        pthread_join(mappers[i].thread, NULL);
        assert_int_equal(mappers[i].wrong, 0);
        mapped += mappers[i].mapped;
        copied += mappers[i].copied;
    }
    assert_true(mapped > 0);
    assert_true(copied > 0);
    for (unsigned int i = 0; i < REFS; i++) {
        assert_int_equal(grant_pins(du->grant_table, 8 + i)->any, 0);
        assert_int_equal(pages[i]->count, refs[i]);
        assert_int_equal(host_frame_writable_refs(pages[i]), 0);
    }
    assert_int_equal(d0->grant_table->nr_mapped, 0);
}

TEST(a_granter_that_rewrites_its_entries_breaks_no_count)
{
    under_fire(rewrite, NULL);
    host_guest_reset();
}

TEST(nor_one_that_passes_grants_on_and_changes_its_version)
{
    struct gnttab_set_version *version = host_guest_alloc(sizeof(*version));
    uint64_t refs = behind->count;

    under_fire(rewrite_v2, version);
    assert_int_equal(behind->count, refs);
    assert_int_equal(grant_pins(dt->grant_table, 8)->any, 0);
    assert_int_equal(grant_entry_v1(dt->grant_table, 8)->flags, GTF_permit_access);
    for (unsigned int i = 0; i < REFS && du->grant_table->version == 2; i++) {
        assert_int_equal(*grant_status(du->grant_table, 8 + i), 0);
    }
    host_set_current(du->vcpus[0]);
    version->version = 1;
    assert_int_equal(op(GNTTABOP_set_version, version), 0);
    host_guest_reset();
}

/* Two CPUs unmap one handle: exactly one of them does it. */
static void *unmap_once(void *data)
{
    struct mapper *p = data;

    host_set_cpu(p->cpu);
    host_set_current(d0->vcpus[0]);
    p->wrong += op(GNTTABOP_unmap_grant_ref, p->u) != 0;
    p->mapped += p->u->status == GNTST_okay;
    return NULL;
}

TEST(a_handle_is_unmapped_once)
{
    struct gnttab_map_grant_ref *m = host_guest_alloc(sizeof(*m));
    uint64_t *pte = host_guest_alloc(sizeof(*pte)), refs = pages[0]->count;
    struct mapper mappers[2];

    host_set_current(d0->vcpus[0]);
    for (unsigned int i = 0; i < 2; i++) {
        mappers[i] = (struct mapper){ .cpu = i + 1, .u = host_guest_alloc(sizeof(*mappers[i].u)) };
    }
    for (unsigned int round = 0; round < 300; round++) {
        entries[8] =
            (struct grant_entry_v1){ GTF_permit_access, 0, (uint32_t)frame_mfn(pages[0]).n };
        *m = (struct gnttab_map_grant_ref){
            .host_addr = host_gva(pte), .dom = 1, .ref = 8, .flags = GNTMAP_host_map
        };
        assert_int_equal(op(GNTTABOP_map_grant_ref, m), 0);
        assert_int_equal(m->status, GNTST_okay);
        for (unsigned int i = 0; i < 2; i++) {
            mappers[i].mapped = 0;
            *mappers[i].u =
                (struct gnttab_unmap_grant_ref){ .host_addr = host_gva(pte), .handle = m->handle };
            assert_int_equal(pthread_create(&mappers[i].thread, NULL, unmap_once, &mappers[i]), 0);
        }
        for (unsigned int i = 0; i < 2; i++) {
            pthread_join(mappers[i].thread, NULL);
            assert_int_equal(mappers[i].wrong, 0);
        }
        assert_int_equal(mappers[0].mapped + mappers[1].mapped, 1);
        assert_int_equal(pages[0]->count, refs);
        assert_int_equal(entries[8].flags, GTF_permit_access);
    }
}

TEST_RUN(start, NULL, T(a_granter_that_rewrites_its_entries_breaks_no_count),
         T(nor_one_that_passes_grants_on_and_changes_its_version), T(a_handle_is_unmapped_once))
