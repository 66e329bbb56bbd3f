/*
 * Unit tests: a test's name is the sentence it proves.
 *   TEST(refused_alloc_leaves_no_port_behind) { ... assert_int_equal(...); }
 *   TEST_MAIN(T(refused_alloc_leaves_no_port_behind), T(another_sentence))
 */
#ifndef TESTS_UNIT_H
#define TESTS_UNIT_H

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define TEST(name) static void name(void **state __attribute__((unused)))

#define TEST_RUN(setup, teardown, ...)                                                             \
    int main(void)                                                                                 \
    {                                                                                              \
        const struct CMUnitTest tests[] = { __VA_ARGS__ };                                         \
        return cmocka_run_group_tests(tests, setup, teardown);                                     \
    }
#define T(name) cmocka_unit_test(name)
#define TEST_MAIN(...) TEST_RUN(NULL, NULL, __VA_ARGS__)

#endif
