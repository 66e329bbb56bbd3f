/*
 * Time as guests see it: the numbers with which a vCPU scales the TSC itself, and the wall clock.
 * Source: public/xen.h.
 */
#include "platform/time.h"

#include <lodge/errno.h>
#include <lodge/shared.h>
#include <lodge/string.h>
#include "core/domain.h"
#include "core/guest.h"
#include "core/lock.h"
#include "platform/rtc.h"
#include "platform/time_private.h"

#define SECS_LIMIT (1ULL << 33) /* nanoseconds since 1970 fit 64 bits until the year 2242 */

static struct {
    struct spinlock lock;
    bool known;
    uint64_t epoch_ns; /* UTC at system time 0 */
} wall = { .lock = SPINLOCK_INIT(RANK_TIME) };

static void info_fill(struct vcpu_time_info *t, const struct time_record *r)
{
    memset(t, 0, sizeof(*t));
    t->tsc_timestamp = r->tsc;
    t->system_time = r->ns;
    t->tsc_to_system_mul = r->mul;
    t->tsc_shift = r->shift;
    t->flags = tsc_invariant && tsc_synced ? XEN_PVCLOCK_TSC_STABLE_BIT : 0;
}

/* The guest may scribble on its version; what follows is only ever its own loss. */
static void info_publish(struct vcpu_time_info *to, const struct vcpu_time_info *from)
{
    uint32_t version = (shared_read(&to->version) + 1) | 1;

    shared_write(&to->version, version);
    shared_wmb();
    shared_write(&to->tsc_timestamp, from->tsc_timestamp);
    shared_write(&to->system_time, from->system_time);
    shared_write(&to->tsc_to_system_mul, from->tsc_to_system_mul);
    shared_write(&to->tsc_shift, from->tsc_shift);
    shared_write(&to->flags, from->flags);
    shared_wmb();
    shared_write(&to->version, version + 1);
}

/* VCPUOP_register_vcpu_time_memory_area: through the guest's page tables, so that it can fail. */
static bool area_publish(uint64_t gva, const struct vcpu_time_info *from)
{
    struct vcpu_time_info copy = *from;
    const uint64_t version_gva = gva + offsetof(struct vcpu_time_info, version);

    if (guest_copy_from(&copy.version, version_gva, sizeof(copy.version))) {
        return false;
    }
    copy.version = (copy.version + 1) | 1;
    if (guest_copy_to(version_gva, &copy.version, sizeof(copy.version))) {
        return false;
    }
    shared_wmb();
    if (guest_copy_to(gva, &copy, sizeof(copy))) {
        return false;
    }
    shared_wmb();
    copy.version++;
    return guest_copy_to(version_gva, &copy.version, sizeof(copy.version)) == 0;
}

static void vcpu_publish(struct vcpu *v, const struct time_record *r)
{
    struct vcpu_time_info t;
    bool done = true;

    info_fill(&t, r);
    if (v->info != &vcpu_dummy_info) {
        info_publish(&v->info->time, &t);
    } else {
        done = false;
    }
    if (v->time_gva && v == current) {
        /* not mapped just now: the next switch tries again */
        done = area_publish(v->time_gva, &t) && done;
    }
    v->arch.time_version = done ? r->id : 0;
}

void time_update_guest(struct vcpu *v)
{
    const struct time_record *r = &this_cpu(time_records);

    if (likely(v->arch.time_version == r->id)) {
        return;
    }
    vcpu_publish(v, r);
}

void time_guest_moved(struct vcpu *v)
{
    v->arch.time_version = 0;
    if (v == current) {
        time_update_guest(v);
    }
}

static uint64_t wall_epoch(void)
{
    unsigned long flags = spin_lock_irqsave(&wall.lock);
    uint64_t epoch;

    if (!wall.known) {
        spin_unlock_irqrestore(&wall.lock, flags);
        epoch = rtc_read_seconds() * NS_PER_S - arch_time_ns();
        flags = spin_lock_irqsave(&wall.lock);
        if (!wall.known) {
            wall.epoch_ns = epoch;
            wall.known = true;
        }
    }
    epoch = wall.epoch_ns;
    spin_unlock_irqrestore(&wall.lock, flags);
    return epoch;
}

uint64_t time_wallclock_ns(uint64_t system_time_ns)
{
    return wall_epoch() + system_time_ns;
}

void time_update_wallclock(struct domain *d)
{
    struct shared_info *s = d->shared;
    uint64_t epoch = wall_epoch() + d->time_offset_s * NS_PER_S;
    uint64_t secs = epoch / NS_PER_S;
    uint32_t version;

    if (!s) {
        return;
    }
    version = (shared_read(&s->wc_version) + 1) | 1;
    shared_write(&s->wc_version, version);
    shared_wmb();
    shared_write(&s->wc_sec, (uint32_t)secs);
    shared_write(&s->wc_sec_hi, (uint32_t)(secs >> 32));
    shared_write(&s->wc_nsec, (uint32_t)(epoch % NS_PER_S));
    shared_wmb();
    shared_write(&s->wc_version, version + 1);
}

int time_set_wallclock(uint64_t secs, uint32_t nsecs, uint64_t system_time_ns)
{
    struct domain *d;
    unsigned long flags;

    if (secs >= SECS_LIMIT || nsecs >= NS_PER_S) {
        return -EINVAL;
    }
    flags = spin_lock_irqsave(&wall.lock);
    wall.epoch_ns = secs * NS_PER_S + nsecs - system_time_ns;
    wall.known = true;
    spin_unlock_irqrestore(&wall.lock, flags);

    domain_list_lock();
    for (d = domain_first(); d; d = d->next_in_list) {
        time_update_wallclock(d);
    }
    domain_list_unlock();
    return 0;
}
