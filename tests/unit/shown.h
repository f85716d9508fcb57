// What views show of answers, for tests of them.
#ifndef TESTS_UNIT_SHOWN_H
#define TESTS_UNIT_SHOWN_H

#include "tests/unit/testing.h"

#include "ctl/view.h"

// JSON with ' for ", so that it can be read in C.
json_t *reply_of(const char *json);

// The view's text for this answer is that of the golden file. `given` may be NULL.
void assert_shown(const struct look *look, const char *verb, const char *json,
		  const struct arguments *given, const char *golden);

enum exit_status judged(const char *verb, const char *json);

#endif
