/*
 * CPU policies as the tools read and set them: lists of leaves and MSRs, and features as a set.
 * Sources: public/sysctl.h, public/domctl.h.
 */
#include <lodge/errno.h>
#include <lodge/range.h>
#include "core/domctl.h"
#include "core/guest.h"
#include "core/object.h"
#include "core/sysctl.h"
#include "cpu/policy.h"
#include "pv/policy.h"

#define MSR_PLATFORM_INFO     0xceU
#define MSR_ARCH_CAPABILITIES 0x10aU

/* By XEN_SYSCTL_cpu_policy_*; those of HVM guests are not there. */
static const struct cpu_policy *const policies[] = {
    [XEN_SYSCTL_cpu_policy_raw] = &policy_raw,
    [XEN_SYSCTL_cpu_policy_host] = &policy_host,
    [XEN_SYSCTL_cpu_policy_pv_max] = &policy_pv_max,
    [XEN_SYSCTL_cpu_policy_hvm_max] = NULL,
    [XEN_SYSCTL_cpu_policy_pv_default] = &policy_pv_default,
    [XEN_SYSCTL_cpu_policy_hvm_default] = NULL,
};

/* A list in the caller's memory. */
struct listing {
    uint64_t gva;
    uint32_t n, room;
};

static int listing_put(struct listing *l, const void *entry, size_t size)
{
    int rc;

    if (l->n == l->room) {
        return -ENOBUFS;
    }
    rc = guest_copy_to(l->gva + l->n * size, entry, size);
    l->n += !rc;
    return rc;
}

static int put_leaf(void *data, const struct xen_cpuid_leaf *leaf)
{
    return listing_put(data, leaf, sizeof(*leaf));
}

/* *nr: room; becomes how many were listed, or can be if there is no list. */
static int list_leaves(const struct cpu_policy *p, uint64_t gva, uint32_t *nr)
{
    struct listing l = { .gva = gva, .room = *nr };
    int rc = 0;

    if (gva) {
        rc = cpu_policy_list(p, put_leaf, &l);
    } else {
        l.n = CPU_POLICY_MAX_LEAVES;
    }
    if (!rc) {
        *nr = l.n;
    }
    return rc;
}

static int list_msrs(const struct cpu_policy *p, uint64_t gva, uint32_t *nr)
{
    const struct xen_msr_entry msrs[CPU_POLICY_MAX_MSRS] = {
        { .idx = MSR_PLATFORM_INFO, .val = p->platform_info },
        { .idx = MSR_ARCH_CAPABILITIES, .val = p->arch_caps },
    };
    struct listing l = { .gva = gva, .room = *nr };
    int rc = 0;

    if (!gva) {
        l.n = CPU_POLICY_MAX_MSRS;
    }
    for (unsigned int i = 0; gva && !rc && i < ARRAY_SIZE(msrs); i++) {
        rc = listing_put(&l, &msrs[i], sizeof(msrs[i]));
    }
    if (!rc) {
        *nr = l.n;
    }
    return rc;
}

long sysctl_get_cpu_policy(struct vcpu *caller, struct xen_sysctl *op)
{
    struct xen_sysctl_cpu_policy *req = &op->u.cpu_policy;
    const struct cpu_policy *p;
    int rc;

    (void)caller;
    if (req->_rsvd || req->index >= ARRAY_SIZE(policies)) {
        return -EINVAL;
    }
    p = policies[index_nospec(req->index, ARRAY_SIZE(policies))];
    if (!p) {
        return -EOPNOTSUPP;
    }
    rc = list_leaves(p, guest_addr(req->leaves, 0), &req->nr_leaves);
    return rc ? rc : list_msrs(p, guest_addr(req->msrs, 0), &req->nr_msrs);
}

static int put_features(const struct xen_sysctl_cpu_featureset *req, uint32_t nr)
{
    /* By XEN_SYSCTL_cpu_featureset_*, which has an order of its own. */
    static const struct cpu_policy *const of[] = { &policy_raw, &policy_host, &policy_pv_default,
                                                   NULL, &policy_pv_max, NULL };
    uint32_t words[CPU_FEATURE_WORDS];
    const struct cpu_policy *p;

    if (req->index >= ARRAY_SIZE(of)) {
        return -EINVAL;
    }
    p = of[index_nospec(req->index, ARRAY_SIZE(of))];
    if (!p) {
        return -EOPNOTSUPP;
    }
    cpu_policy_get_features(p, words);
    return guest_copy_to(guest_addr(req->features, 0), words, nr * sizeof(words[0]));
}

/* Room for fewer is used, and said to be too little. */
long sysctl_get_cpu_featureset(struct vcpu *caller, struct xen_sysctl *op)
{
    struct xen_sysctl_cpu_featureset *req = &op->u.cpu_featureset;
    uint32_t nr = MIN(req->nr_features, CPU_FEATURE_WORDS + 0U);
    int rc;

    (void)caller;
    if (guest_null(req->features)) {
        req->nr_features = CPU_FEATURE_WORDS;
        return 0;
    }
    rc = put_features(req, nr);
    if (rc) {
        return rc;
    }
    req->nr_features = nr;
    return nr < CPU_FEATURE_WORDS ? -ENOBUFS : 0;
}

/* CPUID of a guest that does not ask for ours is the machine's own: no means to change it is used. */
long sysctl_get_cpu_levelling_caps(struct vcpu *caller, struct xen_sysctl *op)
{
    (void)caller;
    op->u.cpu_levelling_caps.caps = 0;
    return 0;
}

long domctl_get_cpu_policy(struct vcpu *caller, struct domain *d, struct xen_domctl *op)
{
    struct xen_domctl_cpu_policy *req = &op->u.cpu_policy;
    int rc = list_leaves(d->arch.policy, guest_addr(req->leaves, 0), &req->nr_leaves);

    (void)caller;
    return rc ? rc : list_msrs(d->arch.policy, guest_addr(req->msrs, 0), &req->nr_msrs);
}

/* What the caller lists replaces what was there; what he does not list stays. */
static int read_leaves(struct cpu_policy *p, const struct xen_domctl_cpu_policy *req,
                       struct policy_fault *fault)
{
    struct xen_cpuid_leaf l;

    if (req->nr_leaves > CPU_POLICY_MAX_LEAVES) {
        return -E2BIG;
    }
    for (uint32_t i = 0; i < req->nr_leaves; i++) {
        struct cpuid_regs *r;

        if (guest_read_at(&l, req->leaves, i)) {
            return -EFAULT;
        }
        r = cpu_policy_leaf(p, l.leaf, l.subleaf);
        if (r) {
            *r = (struct cpuid_regs){ l.a, l.b, l.c, l.d };
        } else if (l.leaf == 0x40000000 && l.subleaf == XEN_CPUID_NO_SUBLEAF) {
            p->xen_limit = l.a;
        } else if (l.leaf == 0x40000100 && l.subleaf == XEN_CPUID_NO_SUBLEAF) {
            p->second_limit = l.a;
        } else {
            fault->leaf = l.leaf;
            fault->subleaf = l.subleaf;
            return -ERANGE;
        }
    }
    return 0;
}

static int put_msr(struct cpu_policy *p, const struct xen_msr_entry *msr)
{
    if (msr->flags) {
        return -EINVAL;
    }
    switch (msr->idx) {
    case MSR_PLATFORM_INFO:
        if (msr->val >> 32) {
            return -EOVERFLOW;
        }
        p->platform_info = msr->val;
        return 0;
    case MSR_ARCH_CAPABILITIES:
        p->arch_caps = msr->val;
        return 0;
    default:
        return -ERANGE;
    }
}

static int read_msrs(struct cpu_policy *p, const struct xen_domctl_cpu_policy *req,
                     struct policy_fault *fault)
{
    struct xen_msr_entry msr;
    int rc = 0;

    if (req->nr_msrs > CPU_POLICY_MAX_MSRS) {
        return -E2BIG;
    }
    for (uint32_t i = 0; !rc && i < req->nr_msrs; i++) {
        if (guest_read_at(&msr, req->msrs, i)) {
            return -EFAULT;
        }
        rc = put_msr(p, &msr);
        if (rc) {
            fault->msr = msr.idx;
        }
    }
    return rc;
}

long domctl_set_cpu_policy(struct vcpu *caller, struct domain *d, struct xen_domctl *op)
{
    struct xen_domctl_cpu_policy *req = &op->u.cpu_policy;
    struct policy_fault fault = { ~0U, ~0U, ~0U };
    struct cpu_policy *p;
    int rc;

    if (d == caller->domain) {
        return -EINVAL;
    }
    if (d->has_run) {
        return -EEXIST; /* it has looked */
    }
    p = object_alloc(sizeof(*p));
    if (!p) {
        return -ENOMEM;
    }
    *p = *d->arch.policy;
    rc = read_leaves(p, req, &fault);
    if (!rc) {
        rc = read_msrs(p, req, &fault);
    }
    if (!rc) {
        cpu_policy_trim(p);
        rc = pv_policy_set(d, p, &fault);
    }
    object_free(p);
    if (rc) {
        req->err_leaf = fault.leaf;
        req->err_subleaf = fault.subleaf;
        req->err_msr = fault.msr;
    }
    return rc;
}
