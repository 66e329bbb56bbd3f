/* CPU policies as data. */
#include <errno.h>
#include <string.h>
#include <lodge/cpu_policy.h>
#include "tests/unit.h"

#define F(name) XEN_X86_FEATURE_##name

struct listing {
    struct xen_cpuid_leaf leaves[CPU_POLICY_MAX_LEAVES];
    unsigned int n, room;
};

static int put(void *data, const struct xen_cpuid_leaf *leaf)
{
    struct listing *l = data;

    if (l->n == l->room) {
        return -ENOBUFS;
    }
    l->leaves[l->n++] = *leaf;
    return 0;
}

static struct cpu_policy full(void)
{
    struct cpu_policy p;

    memset(&p, 0x11, sizeof(p));
    p.basic[0].a = p.extended[0].a = ~0U;
    p.features[0].a = ~0U;
    for (unsigned int i = 0; i < 6; i++) {
        p.caches[i].a = 1;
    }
    p.topology[0].c = p.topology[1].c = 1 << 8;
    p.xstate[0] = (struct cpuid_regs){ .a = ~0U, .d = ~0U };
    return p;
}

TEST(a_full_policy_needs_the_room_that_tools_are_told_of)
{
    struct listing l = { .room = CPU_POLICY_MAX_LEAVES };
    struct cpu_policy p = full();

    assert_int_equal(cpu_policy_list(&p, put, &l), 0);
    assert_int_equal(l.n, CPU_POLICY_MAX_LEAVES);
    for (unsigned int i = 1; i < l.n; i++) {
        const struct xen_cpuid_leaf *a = &l.leaves[i - 1], *b = &l.leaves[i];

        assert_true(a->leaf < b->leaf || (a->leaf == b->leaf && a->subleaf + 1 == b->subleaf));
    }
    l.n = 0;
    l.room = CPU_POLICY_MAX_LEAVES - 1;
    assert_int_equal(cpu_policy_list(&p, put, &l), -ENOBUFS);
}

TEST(an_empty_policy_lists_its_limits)
{
    struct listing l = { .room = CPU_POLICY_MAX_LEAVES };
    struct cpu_policy p = { .xen_limit = 5 };

    assert_int_equal(cpu_policy_list(&p, put, &l), 0);
    assert_int_equal(l.n, 4);
    assert_int_equal(l.leaves[0].leaf, 0);
    assert_int_equal(l.leaves[0].subleaf, XEN_CPUID_NO_SUBLEAF);
    assert_int_equal(l.leaves[1].leaf, 0x40000000);
    assert_int_equal(l.leaves[1].a, 5);
    assert_int_equal(l.leaves[2].leaf, 0x40000100);
    assert_int_equal(l.leaves[3].leaf, 0x80000000);
}

TEST(what_was_listed_finds_its_place_again)
{
    struct listing l = { .room = CPU_POLICY_MAX_LEAVES };
    struct cpu_policy p = full(), again = { .xen_limit = p.xen_limit, .second_limit = p.second_limit,
                                            .platform_info = p.platform_info,
                                            .arch_caps = p.arch_caps };

    assert_int_equal(cpu_policy_list(&p, put, &l), 0);
    for (unsigned int i = 0; i < l.n; i++) {
        struct cpuid_regs *r = cpu_policy_leaf(&again, l.leaves[i].leaf, l.leaves[i].subleaf);

        if (r) {
            *r = (struct cpuid_regs){ l.leaves[i].a, l.leaves[i].b, l.leaves[i].c, l.leaves[i].d };
        }
    }
    /* Basic leaves that have sub-leaves are nowhere else. */
    p.basic[4] = p.basic[7] = p.basic[0xb] = p.basic[0xd] = (struct cpuid_regs){ 0 };
    assert_memory_equal(&p, &again, sizeof(p));
}

TEST(leaves_beyond_a_policy_are_nowhere)
{
    struct cpu_policy p = { 0 };

    assert_null(cpu_policy_leaf(&p, 0xe, XEN_CPUID_NO_SUBLEAF));
    assert_null(cpu_policy_leaf(&p, 0x80000022, XEN_CPUID_NO_SUBLEAF));
    assert_null(cpu_policy_leaf(&p, 0x7fffffff, XEN_CPUID_NO_SUBLEAF));
    assert_null(cpu_policy_leaf(&p, ~0U, XEN_CPUID_NO_SUBLEAF));
    assert_null(cpu_policy_leaf(&p, 1, 0));
    assert_null(cpu_policy_leaf(&p, 7, 3));
    assert_null(cpu_policy_leaf(&p, 7, XEN_CPUID_NO_SUBLEAF));
    assert_null(cpu_policy_leaf(&p, 0xd, 63));
    assert_ptr_equal(cpu_policy_leaf(&p, 0xd, 62), &p.xstate[62]);
}

TEST(cpuid_is_answered_within_limits)
{
    struct cpu_policy p = full();

    p.basic[0].a = 7;
    p.features[0].a = 1;
    p.extended[0].a = 0x80000008;
    assert_int_equal(cpu_policy_cpuid(&p, 6, 99).b, 0x11111111); /* has no sub-leaves */
    assert_int_equal(cpu_policy_cpuid(&p, 7, 1).b, 0x11111111);
    assert_int_equal(cpu_policy_cpuid(&p, 7, 2).b, 0);
    assert_int_equal(cpu_policy_cpuid(&p, 0xd, 0).a, 0);
    assert_int_equal(cpu_policy_cpuid(&p, 0x80000008, 0).b, 0x11111111);
    assert_int_equal(cpu_policy_cpuid(&p, 0x80000009, 0).b, 0);
    assert_int_equal(cpu_policy_cpuid(&p, 0x40000000, 0).b, 0);
    p.basic[0].a = ~0U;
    assert_int_equal(cpu_policy_cpuid(&p, 0x7fffffff, 0).b, 0);
}

TEST(what_limits_hide_is_trimmed)
{
    struct cpu_policy p = full();

    p.caches[2].a = 0x11111100; /* the end of the list */
    p.xstate[0] = (struct cpuid_regs){ .a = 7 };
    p.xstate[1].c = p.xstate[1].d = 0;
    p.extended[0].a = 0x80000001;
    cpu_policy_trim(&p);
    assert_int_equal(p.caches[1].b, 0x11111111);
    assert_int_equal(p.caches[3].b, 0);
    assert_int_equal(p.xstate[2].b, 0x11111111);
    assert_int_equal(p.xstate[3].b, 0);
    assert_int_equal(p.extended[1].b, 0x11111111);
    assert_int_equal(p.extended[2].b, 0);
    p.basic[0].a = 3;
    cpu_policy_trim(&p);
    assert_int_equal(p.basic[3].b, 0x11111111);
    assert_int_equal(p.basic[5].b, 0);
    assert_int_equal(p.caches[0].a | p.features[0].b | p.xstate[0].a | p.topology[0].c, 0);
}

TEST(features_go_into_a_policy_and_come_out_again)
{
    uint32_t words[CPU_FEATURE_WORDS], again[CPU_FEATURE_WORDS];
    struct cpu_policy p = { 0 };

    for (unsigned int i = 0; i < CPU_FEATURE_WORDS; i++) {
        words[i] = 0x01010101 * (i + 1);
    }
    cpu_policy_set_features(&p, words);
    cpu_policy_get_features(&p, again);
    assert_memory_equal(words, again, sizeof(words));
    assert_int_equal(p.basic[1].c, 0x02020202);
    assert_true(p.arch_caps == 0x1212121211111111ULL);
}

TEST(a_feature_goes_with_what_it_is_built_on)
{
    uint32_t words[CPU_FEATURE_WORDS];

    memset(words, 0xff, sizeof(words));
    cpu_features_complete(words);
    assert_true(cpu_feature_test(words, F(AVX512_FP16)));
    assert_true(cpu_feature_test(words, F(RDCL_NO)));
    assert_int_equal(words[14], 0); /* nobody knows of anything there */
    cpu_feature_put(words, F(XSAVE), false);
    cpu_feature_put(words, F(ARCH_CAPS), false);
    cpu_features_complete(words);
    assert_false(cpu_feature_test(words, F(AVX512_FP16)));
    assert_false(cpu_feature_test(words, F(VAES)));
    assert_false(cpu_feature_test(words, F(RDCL_NO)));
    assert_true(cpu_feature_test(words, F(AESNI)));
    cpu_feature_put(words, F(PAE), false);
    cpu_features_complete(words);
    assert_false(cpu_feature_test(words, F(CX16)));
    assert_true(cpu_feature_test(words, F(SSE2)));
}

TEST_MAIN(T(a_full_policy_needs_the_room_that_tools_are_told_of), T(an_empty_policy_lists_its_limits),
          T(what_was_listed_finds_its_place_again), T(leaves_beyond_a_policy_are_nowhere),
          T(cpuid_is_answered_within_limits), T(what_limits_hide_is_trimmed),
          T(features_go_into_a_policy_and_come_out_again), T(a_feature_goes_with_what_it_is_built_on))
