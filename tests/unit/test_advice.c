// What is said to each dead letter: something, and what is special before its class.
#include "tests/unit/testing.h"

#include <string.h>

#include "control/advice.h"

static void test_every_refusal_has_an_advice_of_its_class(void **state)
{
	static const struct {
		const char *phase;
		const char *sqlstate;
		const char *word;
	} cases[] = {
		{ "resolve", "23502", "must have a value" },
		{ "write", "23505", "the same value" },
		{ "write", "23514", "CHECK" },
		{ "rule", "23514", "business rule" },
		{ "write", "23000", "constraint" },
		{ "delete", "23503", "still refer" },
		{ "write", "23503", "parent" },
		{ "delete", "P0001", "delete it" },
		{ "write", "22001", "longer" },
		{ "resolve", "22032", "JSON" },
		{ "write", "22P02", "does not fit" },
		{ "write", "P0001", "trigger" },
		{ "write", "54000", "too large" },
		{ "write", "", "trigger" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		if (strstr(advice_for(cases[i].phase, cases[i].sqlstate), cases[i].word) == NULL)
			fail_msg("%s %s: %s", cases[i].phase, cases[i].sqlstate,
				 advice_for(cases[i].phase, cases[i].sqlstate));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_refusal_has_an_advice_of_its_class),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
