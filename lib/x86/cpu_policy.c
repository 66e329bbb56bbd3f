/* CPU policies: where leaves are kept, in which order they are listed, what their limits mean. */
#include <lodge/cpu_policy.h>

#include <lodge/range.h>
#include <lodge/string.h>

#define LEAF_CACHES   4U
#define LEAF_FEATURES 7U
#define LEAF_TOPOLOGY 0xbU
#define LEAF_XSTATE   0xdU
#define EXTENDED      0x80000000U
#define XEN_LIMIT     0x40000000U
#define SECOND_LIMIT  0x40000100U

/* All there is, but for the four basic leaves that have sub-leaves; and two limits. */
BUILD_ASSERT(CPU_POLICY_MAX_LEAVES ==
             offsetof(struct cpu_policy, xen_limit) / sizeof(struct cpuid_regs) - 4 + 2);

static struct cpuid_regs *at(struct cpuid_regs *table, uint32_t i, uint32_t n)
{
    return i < n ? &table[index_nospec(i, n)] : NULL;
}
#define AT(table, i) at((table), (i), ARRAY_SIZE(table))

struct cpuid_regs *cpu_policy_leaf(struct cpu_policy *p, uint32_t leaf, uint32_t subleaf)
{
    switch (leaf) {
    case LEAF_CACHES:
        return AT(p->caches, subleaf);
    case LEAF_FEATURES:
        return AT(p->features, subleaf);
    case LEAF_TOPOLOGY:
        return AT(p->topology, subleaf);
    case LEAF_XSTATE:
        return AT(p->xstate, subleaf);
    default:
        if (subleaf != XEN_CPUID_NO_SUBLEAF) {
            return NULL;
        }
        return leaf < EXTENDED ? AT(p->basic, leaf) : AT(p->extended, leaf - EXTENDED);
    }
}

static bool has_subleaves(uint32_t leaf)
{
    return leaf == LEAF_CACHES || leaf == LEAF_FEATURES || leaf == LEAF_TOPOLOGY ||
           leaf == LEAF_XSTATE;
}

struct cpuid_regs cpu_policy_cpuid(const struct cpu_policy *p, uint32_t leaf, uint32_t subleaf)
{
    const struct cpuid_regs *found;
    bool reachable = leaf < EXTENDED ? leaf <= p->basic[0].a : leaf <= p->extended[0].a;

    if (leaf == LEAF_FEATURES && subleaf > p->features[0].a) {
        reachable = false;
    }
    found = cpu_policy_leaf((struct cpu_policy *)p, leaf,
                            has_subleaves(leaf) ? subleaf : XEN_CPUID_NO_SUBLEAF);
    return reachable && found ? *found : (struct cpuid_regs){ 0 };
}

static uint32_t cache_type(const struct cpuid_regs *r)
{
    return r->a & 0x1f;
}

static uint32_t level_type(const struct cpuid_regs *r)
{
    return r->c >> 8 & 0xff;
}

static uint64_t xstates(const struct cpu_policy *p)
{
    return cpu_policy_xcr0(p) | (uint64_t)p->xstate[1].d << 32 | p->xstate[1].c;
}

/* How many sub-leaves are listed, the one that ends a list of types included. */
static uint32_t nr_subleaves(const struct cpu_policy *p, uint32_t leaf)
{
    uint32_t n = 0;

    switch (leaf) {
    case LEAF_CACHES:
        while (n < ARRAY_SIZE(p->caches) && cache_type(&p->caches[n])) {
            n++;
        }
        return MIN(n + 1, (uint32_t)ARRAY_SIZE(p->caches));
    case LEAF_FEATURES:
        return MIN(p->features[0].a, CPU_POLICY_MAX_SUBLEAF_7) + 1;
    case LEAF_TOPOLOGY:
        while (n < ARRAY_SIZE(p->topology) && level_type(&p->topology[n])) {
            n++;
        }
        return MIN(n + 1, (uint32_t)ARRAY_SIZE(p->topology));
    default: /* XSAVE's: the first two speak of all */
        n = xstates(p) ? 64 - (uint32_t)__builtin_clzll(xstates(p)) : 0;
        return MIN(MAX(n, 2U), CPU_POLICY_XSTATES);
    }
}

struct list {
    int (*put)(void *data, const struct xen_cpuid_leaf *leaf);
    void *data;
};

static int list_put(const struct list *list, uint32_t leaf, uint32_t subleaf,
                    const struct cpuid_regs *r)
{
    const struct xen_cpuid_leaf listed = { leaf, subleaf, r->a, r->b, r->c, r->d };

    return list->put(list->data, &listed);
}

static int list_range(const struct list *list, const struct cpu_policy *p, uint32_t first,
                      uint32_t last)
{
    int rc = 0;

    for (uint32_t leaf = first; !rc && leaf <= last; leaf++) {
        uint32_t n = has_subleaves(leaf) ? nr_subleaves(p, leaf) : 1;

        for (uint32_t i = 0; !rc && i < n; i++) {
            uint32_t subleaf = has_subleaves(leaf) ? i : XEN_CPUID_NO_SUBLEAF;

            rc = list_put(list, leaf, subleaf, cpu_policy_leaf((struct cpu_policy *)p, leaf, subleaf));
        }
    }
    return rc;
}

int cpu_policy_list(const struct cpu_policy *p,
                    int (*put)(void *data, const struct xen_cpuid_leaf *leaf), void *data)
{
    const struct list list = { put, data };
    int rc = list_range(&list, p, 0, MIN(p->basic[0].a, CPU_POLICY_MAX_LEAF));

    if (!rc) {
        rc = list_put(&list, XEN_LIMIT, XEN_CPUID_NO_SUBLEAF,
                      &(struct cpuid_regs){ .a = p->xen_limit });
    }
    if (!rc) {
        rc = list_put(&list, SECOND_LIMIT, XEN_CPUID_NO_SUBLEAF,
                      &(struct cpuid_regs){ .a = p->second_limit });
    }
    if (!rc) {
        uint32_t last = EXTENDED | (p->extended[0].a & 0xffff);

        rc = list_range(&list, p, EXTENDED, MIN(last, CPU_POLICY_MAX_EXTENDED_LEAF));
    }
    return rc;
}

static void clear_from(struct cpuid_regs *table, uint32_t i, uint32_t n)
{
    for (; i < n; i++) {
        table[i] = (struct cpuid_regs){ 0 };
    }
}
#define CLEAR_FROM(table, i) clear_from((table), (i), ARRAY_SIZE(table))

/* Of a list of types, the end is as good as nothing. */
void cpu_policy_trim(struct cpu_policy *p)
{
    uint32_t last = p->basic[0].a;
    bool has_xstate = last >= LEAF_XSTATE && xstates(p);

    CLEAR_FROM(p->basic, MIN(last, CPU_POLICY_MAX_LEAF) + 1);
    CLEAR_FROM(p->caches, last >= LEAF_CACHES ? nr_subleaves(p, LEAF_CACHES) : 0);
    CLEAR_FROM(p->topology, last >= LEAF_TOPOLOGY ? nr_subleaves(p, LEAF_TOPOLOGY) : 0);
    CLEAR_FROM(p->xstate, has_xstate ? nr_subleaves(p, LEAF_XSTATE) : 0);
    CLEAR_FROM(p->features, last >= LEAF_FEATURES ? nr_subleaves(p, LEAF_FEATURES) : 0);
    CLEAR_FROM(p->extended, MIN(p->extended[0].a & 0xffff, CPU_POLICY_MAX_EXTENDED_LEAF & 0xffff) + 1);
}
