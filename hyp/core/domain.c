/*
 * Domains: the table of them, their making and unmaking, references, pausing. What a domain owns is
 * made here in one order and unmade in the opposite one, from any stage. Shutting down and crashing
 * are in shutdown.c.
 */
#include "core/domain.h"

#include <lodge/errno.h>
#include <lodge/range.h>
#include <lodge/string.h>
#include "core/evtchn.h"
#include "core/frame.h"
#include "core/gnttab.h"
#include "core/guest_timer.h"
#include "core/log.h"
#include "core/object.h"
#include "core/privilege.h"
#include "core/sched_op.h"
#include "core/trace.h"
#include "core/vcpu_private.h"

/* pause_count never overflows, however often the tools pause. Xen, common/domain.c. */
#define MAX_CONTROL_PAUSES 255U

struct domain *dom0;

/*
 * domid -> domain in two steps; the second tables are made when first needed and stay, so that
 * domain_by_id() needs no lock. Written under list_lock. The list has those that are complete.
 */
#define TABLE_BITS 8
#define TABLE_SIZE (1U << TABLE_BITS)
static struct domain **tables[DIV_ROUND_UP(DOMID_LIMIT, TABLE_SIZE)];
static struct domain *list_head;
static struct spinlock list_lock = SPINLOCK_INIT(RANK_DOMLIST);

/*
 * Domains without references, linked by next_dead, which the reaper frees: nothing of theirs may
 * run meanwhile.
 */
static struct domain *dead;
static struct work reaper;

enum kill_stage { KILL_START, KILL_EVENTS, KILL_GRANTS, KILL_MEMORY, KILL_DONE };

void domain_list_lock(void)
{
    spin_lock(&list_lock);
}

void domain_list_unlock(void)
{
    spin_unlock(&list_lock);
}

struct domain *domain_first(void)
{
    return list_head;
}

struct domain *domain_by_id(domid_t id)
{
    struct domain **table;

    if (id >= DOMID_LIMIT) {
        return NULL;
    }
    id = (domid_t)index_nospec(id, DOMID_LIMIT);
    table = __atomic_load_n(&tables[id >> TABLE_BITS], __ATOMIC_ACQUIRE);
    return table ? __atomic_load_n(&table[id & (TABLE_SIZE - 1)], __ATOMIC_ACQUIRE) : NULL;
}

/* Takes the domain's number. 0, -ENOMEM, -EEXIST. */
static int table_insert(struct domain *d)
{
    struct domain ***table = &tables[d->id >> TABLE_BITS];
    struct domain **fresh = *table ? NULL : object_alloc_array(TABLE_SIZE, sizeof(**table));
    int rc = 0;

    spin_lock(&list_lock);
    if (!*table) {
        __atomic_store_n(table, fresh, __ATOMIC_RELEASE);
        fresh = NULL;
    }
    if (!*table) {
        rc = -ENOMEM;
    } else if (domain_by_id(d->id)) {
        rc = -EEXIST;
    } else {
        __atomic_store_n(&(*table)[d->id & (TABLE_SIZE - 1)], d, __ATOMIC_RELEASE);
    }
    spin_unlock(&list_lock);
    object_free(fresh);
    return rc;
}

/* From now on it can be found. */
static void list_insert(struct domain *d)
{
    struct domain **link;

    spin_lock(&list_lock);
    for (link = &list_head; *link && (*link)->id < d->id; link = &(*link)->next_in_list) {
    }
    d->next_in_list = *link;
    *link = d;
    d->is_listed = true;
    spin_unlock(&list_lock);
}

static void list_and_table_remove(struct domain *d)
{
    struct domain **link;

    spin_lock(&list_lock);
    if (d->is_listed) {
        for (link = &list_head; *link != d; link = &(*link)->next_in_list) {
        }
        *link = d->next_in_list;
        perfc_retire(d);
    }
    __atomic_store_n(&tables[d->id >> TABLE_BITS][d->id & (TABLE_SIZE - 1)], NULL,
                     __ATOMIC_RELEASE);
    spin_unlock(&list_lock);
}

bool domain_try_ref(struct domain *d)
{
    uint32_t refs = __atomic_load_n(&d->refs, __ATOMIC_RELAXED);

    do {
        if (!refs) {
            return false;
        }
    } while (!__atomic_compare_exchange_n(&d->refs, &refs, refs + 1, true, __ATOMIC_ACQUIRE,
                                          __ATOMIC_RELAXED));
    return true;
}

struct domain *domain_get(domid_t id)
{
    struct domain *d;

    spin_lock(&list_lock);
    d = domain_by_id(id);
    if (d && (!d->is_listed || !domain_try_ref(d))) {
        d = NULL;
    }
    spin_unlock(&list_lock);
    return d;
}

struct domain *domain_get_next(domid_t id)
{
    struct domain *d;

    spin_lock(&list_lock);
    for (d = list_head; d && (d->id < id || !domain_try_ref(d)); d = d->next_in_list) {
    }
    spin_unlock(&list_lock);
    return d;
}

void domain_get_ref(struct domain *d)
{
    uint32_t old = __atomic_fetch_add(&d->refs, 1, __ATOMIC_RELAXED);

    assert(old > 0);
}

void domain_put(struct domain *d)
{
    uint32_t old;

    if (!d) {
        return;
    }
    /* Who frees sees what the others did. */
    old = __atomic_fetch_sub(&d->refs, 1, __ATOMIC_ACQ_REL);
    assert(old > 0);
    if (old == 1) {
        /* The caller may hold locks and be anywhere. */
        d->next_dead = __atomic_load_n(&dead, __ATOMIC_RELAXED);
        while (!__atomic_compare_exchange_n(&dead, &d->next_dead, d, true, __ATOMIC_RELEASE,
                                            __ATOMIC_RELAXED)) {
        }
        work_schedule(&reaper);
    }
}

int domain_get_target(struct vcpu *caller, domid_t id, struct domain **out)
{
    struct domain *d;
    int rc;

    if (domid_resolve(caller, id) == caller->domain->id) {
        domain_get_ref(caller->domain);
        *out = caller->domain;
        return 0;
    }
    rc = privilege_control(caller, NULL);
    if (rc) {
        return rc;
    }
    d = domain_get(id);
    if (!d) {
        return -ESRCH;
    }
    *out = d;
    return 0;
}

/* Frees a domain that nobody can find any more, made up to any stage. */
static void domain_free(struct domain *d)
{
    if (d->vcpus) {
        for (unsigned int i = 0; i < d->max_vcpus; i++) {
            vcpu_destroy(d->vcpus[i]);
        }
    }
    if (!d->is_idle) {
        domain_watchdogs_fini(d);
        work_kill(&d->shutdown_work);
        evtchn_destroy_final(d);
        gnttab_destroy(d);
        domain_arch_fini(d);
        heap_free_pages(d->shared, 0);
    }
    object_free(d->vcpus);
    object_free(d);
}

static void reap(void *data)
{
    struct domain *d = __atomic_exchange_n(&dead, NULL, __ATOMIC_ACQUIRE);

    (void)data;
    while (d) {
        struct domain *next = d->next_dead;

        TRACE(TRC_DOM0_DOM_REM, d->id);
        TRACE(TRC_SCHED_DOM_REM, d->id);
        list_and_table_remove(d);
        log_debug("domain %u is gone", d->id);
        domain_free(d);
        virq_send_global(VIRQ_DOM_EXC); /* tools that waited for the number to be free look again */
        d = next;
    }
}

/*
 * The shared info page is a page of the hypervisor's that the domain may map. It lives as long as
 * the domain does, which it keeps referenced while anybody maps it.
 */
static int shared_info_make(struct domain *d)
{
    d->shared = heap_alloc_pages(0);
    if (!d->shared) {
        return -ENOMEM;
    }
    frame_share_with(frame_of(arch_frame_of(d->shared)), d);
    return 0;
}

static void shared_info_release(struct domain *d)
{
    if (d->shared) {
        (void)frame_drop_allocation(frame_of(arch_frame_of(d->shared)));
    }
}

static int domain_make_parts(struct domain *d, const struct domain_config *config)
{
    int rc;

    d->vcpus = object_alloc_array(d->max_vcpus, sizeof(*d->vcpus));
    if (!d->vcpus) {
        return -ENOMEM;
    }
    if (d->is_idle) {
        return 0;
    }
    rc = domain_arch_init(d);
    if (!rc) {
        rc = gnttab_init(d, config->max_grant_frames, config->max_maptrack_frames,
                         config->max_grant_version);
    }
    if (!rc) {
        rc = evtchn_init(d, config->max_evtchn_port);
    }
    if (!rc) {
        rc = shared_info_make(d);
    }
    return rc;
}

int domain_create(const struct domain_config *config, struct domain **out)
{
    struct domain *d;
    int rc;

    if (config->max_vcpus == 0 || config->max_vcpus > MAX_VCPUS ||
        (config->id >= DOMID_LIMIT && !config->is_idle)) {
        return -EINVAL;
    }
    if (!reaper.fn) {
        work_init(&reaper, reap, NULL); /* the idle domain, at boot */
    }
    d = object_alloc(sizeof(*d));
    if (!d) {
        return -ENOMEM;
    }
    d->id = config->id;
    d->is_privileged = config->is_privileged;
    d->is_pv = config->is_pv;
    d->is_idle = config->is_idle;
    d->max_vcpus = config->max_vcpus;
    d->max_pages = config->max_pages;
    d->max_grant_frames = config->max_grant_frames;
    d->max_maptrack_frames = config->max_maptrack_frames;
    memcpy(d->handle, config->handle, sizeof(d->handle));
    d->refs = 1;
    d->pause_count = d->control_pauses = 1;
    d->created_ns = arch_time_ns();
    d->page_list = d->page_list_tail = FRAME_LINK_NONE;
    d->sched.weight = SCHED_WEIGHT_DEFAULT;
    spin_init(&d->lock, RANK_DOMAIN);
    spin_init(&d->page_lock, RANK_PAGELIST);
    domain_shutdown_init(d);
    domain_watchdogs_init(d);

    rc = d->is_idle ? 0 : table_insert(d); /* first: a frame finds its owner by number */
    if (rc) {
        domain_free(d);
        return rc;
    }
    rc = domain_make_parts(d, config);
    if (rc) {
        shared_info_release(d);
        gnttab_destroy(d);
        domain_put(d); /* the last, for no frame refers to it any more */
        return rc;
    }
    if (!d->is_idle) {
        TRACE(TRC_DOM0_DOM_ADD, d->id);
        TRACE(TRC_SCHED_DOM_ADD, d->id);
        list_insert(d);
    }
    if (d->id == 0) {
        dom0 = d;
    }
    *out = d;
    return 0;
}

static int kill_start(struct domain *d)
{
    struct vcpu *v;
    unsigned int i;

    spin_lock(&d->lock);
    d->is_dying = true;
    spin_unlock(&d->lock);
    if (domain_claim(d, 0)) { /* from now on it makes none */
        return -EINVAL;
    }
    domain_pause(d); /* for good */
    domain_watchdogs_fini(d);
    domain_for_each_vcpu(d, v, i) {
        vcpu_timers_fini(v);
    }
    return 0;
}

static int kill_events(struct domain *d)
{
    int rc = evtchn_relinquish(d);

    virq_forget_handler(d);
    if (!rc) {
        evtchn_destroy(d);
    }
    return rc;
}

static int kill_memory(struct domain *d)
{
    struct vcpu *v;
    unsigned int i;
    int rc;

    domain_for_each_vcpu(d, v, i) {
        vcpu_info_reset(v);
    }
    rc = domain_arch_relinquish(d);
    if (!rc) {
        shared_info_release(d);
    }
    return rc;
}

int domain_kill(struct domain *d)
{
    static int (*const stages[])(struct domain *d) = {
        [KILL_START] = kill_start,
        [KILL_EVENTS] = kill_events,
        [KILL_GRANTS] = gnttab_relinquish,
        [KILL_MEMORY] = kill_memory,
    };

    assert(d != current->domain && !d->is_idle);
    if (d->kill_stage == KILL_DONE) {
        return 0;
    }
    while (d->kill_stage < KILL_DONE) {
        int rc = stages[d->kill_stage](d);

        if (rc) {
            return rc;
        }
        d->kill_stage++;
        if (d->kill_stage < KILL_DONE && preempt_requested()) {
            return -ERESTART;
        }
    }
    virq_send_global(VIRQ_DOM_EXC);
    domain_put(d); /* the list's reference */
    return 0;
}

bool domain_is_dead(const struct domain *d)
{
    return d->kill_stage == KILL_DONE;
}

void domain_pause_nosync(struct domain *d)
{
    struct vcpu *v;
    unsigned int i;

    __atomic_fetch_add(&d->pause_count, 1, __ATOMIC_SEQ_CST); /* before looking who runs */
    domain_for_each_vcpu(d, v, i) {
        vcpu_sleep_nosync(v);
    }
}

void domain_pause(struct domain *d)
{
    struct vcpu *v;
    unsigned int i;

    assert(d != current->domain);
    domain_pause_nosync(d);
    domain_for_each_vcpu(d, v, i) {
        vcpu_sleep_sync(v);
    }
}

void domain_unpause(struct domain *d)
{
    uint32_t old = __atomic_fetch_sub(&d->pause_count, 1, __ATOMIC_SEQ_CST);
    struct vcpu *v;
    unsigned int i;

    assert(old > 0);
    if (old == 1) {
        domain_for_each_vcpu(d, v, i) {
            vcpu_wake(v);
        }
    }
}

int domain_pause_by_control(struct domain *d)
{
    if (d->control_pauses == MAX_CONTROL_PAUSES) {
        return -EOVERFLOW;
    }
    d->control_pauses++;
    domain_pause(d);
    return 0;
}

int domain_unpause_by_control(struct domain *d)
{
    if (!d->control_pauses) {
        return -EINVAL;
    }
    d->control_pauses--;
    d->has_run = true;
    domain_unpause(d);
    return 0;
}
