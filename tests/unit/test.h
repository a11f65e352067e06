/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Unit tests: TEST(statement_in_words) { … } registers itself, TEST_MAIN() runs them all through cmocka, which prints
 * TAP for `make check`. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "basic/macro.h"

#define TESTS_MAX 256

extern struct CMUnitTest test_table[TESTS_MAX];
extern size_t test_count;

#define TEST(test_name)                                                                        \
        static void test_##test_name(void **state);                                            \
        __attribute__((constructor)) static void register_##test_name(void) {                  \
                assert(test_count < TESTS_MAX);                                                \
                test_table[test_count++] = (struct CMUnitTest) {                               \
                        .name = #test_name, .test_func = test_##test_name };                   \
        }                                                                                      \
        static void test_##test_name(_unused_ void **state)

#define TEST_MAIN()                                                                            \
        struct CMUnitTest test_table[TESTS_MAX];                                               \
        size_t test_count;                                                                     \
        int main(void) {                                                                       \
                return _cmocka_run_group_tests(__FILE__, test_table, test_count, NULL, NULL);  \
        }

/* A call that must succeed; shows the errno where it doesn't. */
#define ASSERT_OK(expr)                                                                        \
        do {                                                                                   \
                int _ok_r = (int) (expr);                                                      \
                if (_ok_r < 0)                                                                 \
                        fail_msg("%s: %s", #expr, strerror(-_ok_r));                           \
        } while (0)
#define ASSERT_ERROR(expr, code) assert_int_equal((int) (expr), -(code))
