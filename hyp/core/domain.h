/*
 * Domains and vCPUs: their life from creation to the last reference. What a domain owns is created
 * here in one order and destroyed in the opposite one, from any intermediate state.
 */
#ifndef CORE_DOMAIN_H
#define CORE_DOMAIN_H

#include <lodge/list.h>
#include <lodge/range.h>
#include <lodge/types.h>
#include <xen/xen.h>
#include <xen/vcpu.h>
#include "core/arch.h"
#include "core/cpumap.h"
#include "core/lock.h"
#include "core/perfc.h"
#include "core/percpu.h"
#include "core/sched.h"
#include "core/softirq.h"
#include "core/timer.h"

struct evtchn;
struct evtchn_fifo;
struct grant_table;
struct hypercall_multi;

#define MAX_VCPUS 512U              /* of one domain */
#define DOMID_LIMIT 0x7ff0U         /* DOMID_FIRST_RESERVED */
#define NR_WATCHDOGS 2
#define SHUTDOWN_CODE_NONE (~0U)

enum vcpu_pause_flag {              /* bits of vcpu.pause_flags: not runnable while any is set */
    VCPU_BLOCKED,                   /* SCHEDOP_block/poll: waits for an event */
    VCPU_DOWN,                      /* not brought up, or VCPUOP_down */
    VCPU_MIGRATING,                 /* scheduler moves it to another CPU */
};

struct vcpu {
    /*
     * Hot: what the return path and the scheduler look at. Offsets are used by assembly
     * (asm_offsets.c).
     */
    struct domain *domain;
    struct vcpu_info *info;         /* mapped; &vcpu_dummy_info if the guest has none yet */
    unsigned int id;
    /* the pCPU it runs on or ran on last; changed by the scheduler */
    unsigned int cpu;
    uint32_t pause_flags;           /* enum vcpu_pause_flag bits, atomic */
    uint32_t pause_count;           /* atomic; vcpu_pause nests */
    /*
     * its context is on a CPU or not yet saved. Release in sched_context_saved, acquire before
     * reading state
     */
    bool is_running;
    bool initialised;               /* has a context (VCPUOP_initialise or builder) */
    bool initialising;              /* VCPUOP_initialise is at work; atomic */
    bool is_idle;
    bool paused_for_shutdown;       /* holds one pause_count; shutdown.c */
    /* >0: polls this one port; -1: several (see poll map in domain); 0: none */
    int32_t poll_evtchn;
    struct hypercall_multi *multi;  /* inside a multicall: the entry being run */
    struct vcpu_arch arch;

    struct sched_vcpu sched;        /* the scheduler's own */
    struct spinlock lock;           /* RANK_VCPU */

    /* Time */
    struct timer singleshot_timer;  /* VCPUOP_set_singleshot_timer */
    struct timer periodic_timer;
    struct timer poll_timer;
    uint64_t periodic_period_ns, periodic_last_ns; /* by v itself, or while it is paused */
    struct vcpu_runstate_info runstate;  /* times by state; updated by vcpu_runstate_change */
    uint64_t runstate_gva;          /* guest virtual address of its copy, 0 = none */
    uint64_t time_gva;              /* VCPUOP_register_vcpu_time_memory_area */

    /* Events (evtchn.c, evtchn_fifo.c) */
    /* frame registered with VCPUOP_register_vcpu_info, referenced */
    struct frame *info_frame;
    struct evtchn_fifo_vcpu *fifo;  /* control block and queues, NULL with the 2-level ABI */
    /* NR_VIRQS; 0 = unbound. Under the domain's evtchn_lock for writing */
    uint32_t virq_to_port[24];

    uint64_t perfc[NR_PERFC_VCPU];  /* perfc.h; by whoever is on its CPU */
};

struct domain {
    domid_t id;
    /* domain 0's rights; asked through xsm-like hooks in privilege.h only */
    bool is_privileged;
    bool is_dying;                  /* set under lock by domain_kill */
    bool is_shut_down, is_shutting_down; /* atomic; shutdown.c */
    uint32_t shutdown_code;         /* SHUTDOWN_*, or SHUTDOWN_CODE_NONE; atomic, the first stays */
    bool is_pv, is_idle;
    bool is_xenstore;               /* XEN_DOMCTL_CDF_xs_domain: privilege.h */
    bool has_run;                   /* the tools have let it go once */
    uint8_t kill_stage;             /* domain_kill's progress */
    bool is_listed;                 /* complete: can be found. Under the list's lock */
    uint32_t refs;                  /* atomic; the last put leaves it to domain.c's reaper */
    struct domain *next_dead;
    struct work shutdown_work;      /* tells the tools */
    struct sched_domain sched;
    uint32_t pause_count;           /* atomic */
    uint64_t node_affinity;         /* as the tools set it, 0: never. Behind the gate */
    uint32_t control_pauses;        /* of which these are the tools'; behind the control gate */
    unsigned int max_vcpus;
    struct vcpu **vcpus;            /* max_vcpus entries, NULL until made */
    struct domain *next_in_list;    /* by rising domid; under RANK_DOMLIST */
    uint8_t handle[16];             /* xen_domain_handle_t */
    struct shared_info *shared;     /* hypervisor mapping of the shared info frame */
    struct spinlock lock;           /* RANK_DOMAIN */
    uint64_t vm_assist;             /* VMASST_TYPE_* bits, atomic */
    uint64_t created_ns;

    /* Memory. Under page_lock (RANK_PAGELIST) */
    struct spinlock page_lock;
    uint32_t page_list;             /* first frame number, FRAME_LINK_NONE if empty */
    uint32_t page_list_tail;
    uint64_t nr_pages;              /* in page_list */
    uint64_t max_pages;
    uint64_t nr_claimed;            /* frames kept for it in the heap; read without the lock too */
    uint64_t nr_extra_pages;        /* FRAME_EXTRA: keep a reference on the domain */

    /* Events: evtchn.c */
    struct spinlock evtchn_lock;    /* RANK_EVTCHN */
    /* port -> bucket of EVTCHNS_PER_BUCKET; grows, never shrinks while the domain lives */
    struct evtchn **evtchn_buckets;
    uint32_t nr_evtchns;            /* valid ports: 0 .. nr_evtchns-1; release when it grows */
    uint32_t max_evtchn_port;
    uint32_t nr_used_evtchns;
    struct evtchn_fifo *fifo;       /* event array, NULL with the 2-level ABI */
    DECLARE_BITMAP(poll_mask, MAX_VCPUS); /* vCPUs in SCHEDOP_poll; atomic */

    struct grant_table *grant_table; /* gnttab.c */
    uint32_t max_grant_frames, max_maptrack_frames;

    int64_t time_offset_s;
    struct timer watchdogs[NR_WATCHDOGS]; /* SCHEDOP_watchdog */
    uint32_t watchdog_map;          /* those in use; under lock */
    struct domain_arch arch;
};

extern struct domain *dom0;
/* where a vCPU without a vcpu_info points: events masked for ever */
extern struct vcpu_info vcpu_dummy_info;

/* A create request, checked by the caller. */
struct domain_config {
    domid_t id;
    bool is_privileged, is_pv, is_idle;
    unsigned int max_vcpus;
    uint64_t max_pages;
    uint32_t max_evtchn_port;       /* highest port allowed */
    uint32_t max_grant_frames, max_maptrack_frames;
    unsigned int max_grant_version; /* 1, 2, or GNTTAB_VERSION_DEFAULT */
    uint8_t handle[16];
};

/*
 * Creates it with no vCPUs, paused once by the tools, in the domain list, with one reference for the list
 * (domain_kill drops it). *out is that reference's pointer, not another one. 0, -EEXIST, -ENOMEM,
 * -EINVAL.
 */
int domain_create(const struct domain_config *config, struct domain **out) MUST_CHECK;
/* VCPU_DOWN set; -EEXIST, -ENOMEM, -EINVAL */
int vcpu_create(struct domain *d, unsigned int id, unsigned int cpu, struct vcpu **out) MUST_CHECK;
/*
 * Marks it dying and gives back its resources in steps: 0, or -ERESTART to be called again. The
 * caller holds a reference, is not of that domain, and is alone (one control operation at a time).
 * Afterwards it lives on, dying, until the last reference goes (frames of it that others have
 * mapped).
 */
int domain_kill(struct domain *d) MUST_CHECK;

bool domain_is_dead(const struct domain *d); /* all has been given back that was its own to give */

bool domain_try_ref(struct domain *d);      /* one more, unless the last has gone */
/* a reference, or NULL; not for DOMID_SELF and other special ids */
struct domain *domain_get(domid_t id);
struct domain *domain_get_next(domid_t id); /* that one or the next higher; a reference, or NULL */
void domain_get_ref(struct domain *d);      /* one more on a domain already referenced */
void domain_put(struct domain *d);          /* NULL is fine */
/* no reference, no lock: frame owners (the frame's reference keeps it) */
struct domain *domain_by_id(domid_t id);
struct domain *domain_first(void);          /* iteration under domain_list_lock() */
void domain_list_lock(void);
void domain_list_unlock(void);

/*
 * DOMID_SELF and the caller's own id resolve to the caller's domain; another id needs privilege:
 * -EPERM, -ESRCH. Referenced.
 */
int domain_get_target(struct vcpu *caller, domid_t id, struct domain **out) MUST_CHECK;
static inline domid_t domid_resolve(const struct vcpu *caller, domid_t id)
{
    return id == DOMID_SELF ? caller->domain->id : id;
}

/* NULL if there is none */
static inline struct vcpu *domain_vcpu(const struct domain *d, uint64_t id)
{
    return id < d->max_vcpus ? d->vcpus[index_nospec(id, d->max_vcpus)] : NULL;
}

#define domain_for_each_vcpu(d, v, i)                                                              \
    for (i = 0; i < (d)->max_vcpus; i++)                                                           \
        if (((v) = (d)->vcpus[i]) != NULL)

/* waits until no vCPU of it runs; never on one's own domain */
void domain_pause(struct domain *d);
void domain_pause_nosync(struct domain *d);
void domain_unpause(struct domain *d);
/*
 * Pauses that the tools count, one of which each domain is made with. -EOVERFLOW: 255 of them;
 * -EINVAL: none to take back.
 */
int domain_pause_by_control(struct domain *d) MUST_CHECK;
int domain_unpause_by_control(struct domain *d) MUST_CHECK;
void vcpu_pause(struct vcpu *v);             /* waits until it does not run */
void vcpu_pause_nosync(struct vcpu *v);
void vcpu_unpause(struct vcpu *v);

/*
 * SCHEDOP_shutdown and friends; whatever locks are held. Domain 0: acts on the machine as the
 * reason says.
 */
void domain_shutdown(struct domain *d, uint32_t reason);
void domain_shutdown_init(struct domain *d);
/* SCHEDOP_shutdown_code; returns what holds */
uint32_t domain_latch_shutdown_code(struct domain *d, uint32_t reason);
/*
 * The guest did what cannot go on: logs registers and the message, then shuts down with
 * SHUTDOWN_crash. Does not stop the caller, which may hold any lock.
 */
void domain_crash(struct domain *d, const char *fmt, ...) PRINTF(2, 3);

/* Whether VMASST_TYPE_* of this set may be on in d: vm_assist.c. */
bool vm_assist_ok(const struct domain *d, uint64_t types);

/* The toolstack lets a domain go on that was shut down (suspend cancelled, or restored). */
void domain_resume(struct domain *d);

/* Runstate (runstate.c): _change is called by the scheduler, under its lock. */
void vcpu_runstate_init(struct vcpu *v, uint64_t now_ns);
void vcpu_runstate_change(struct vcpu *v, int state, uint64_t now_ns);
void vcpu_runstate_get(struct vcpu *v, struct vcpu_runstate_info *out);
/*
 * Write v's runstate where the guest asked for it. In v's address space, on the way back to it; v
 * is current. False: that address cannot be written now (a PV guest's user mode lacks it); to be
 * tried again when its kernel runs.
 */
bool vcpu_runstate_copy_to_guest(struct vcpu *v);

static inline bool vcpu_runnable(const struct vcpu *v)
{
    return !__atomic_load_n(&v->pause_flags, __ATOMIC_ACQUIRE) &&
           !__atomic_load_n(&v->pause_count, __ATOMIC_ACQUIRE) &&
           !__atomic_load_n(&v->domain->pause_count, __ATOMIC_ACQUIRE);
}

#define current arch_current()

#endif
