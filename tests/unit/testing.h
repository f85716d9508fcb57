// What every unit test includes first: cmocka with the headers it needs, and golden files.
#ifndef TESTS_UNIT_TESTING_H
#define TESTS_UNIT_TESTING_H

// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

/*
 * Fails the test unless text is what the file tests/unit/golden/NAME holds, showing the first line
 * that differs. With UPDATE_GOLDEN in the environment (make check-update) writes the file instead.
 */
void assert_golden(const char *name, const char *text);

#endif
