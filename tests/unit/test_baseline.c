// The status of an entity follows from its numbers alone.
#include "tests/unit/testing.h"

#include "verify/baseline.h"

static void test_the_status_follows_from_the_numbers(void **state)
{
	static const struct {
		struct baseline baseline;
		const char *status;
	} cases[] = {
		{ { .target_known = true }, "synced" },
		{ { .target_known = true, .source = 5, .target = 5 }, "synced" },
		{ { .target_known = true, .source = 5, .target = 0, .unmapped = 5 }, "missing" },
		{ { .target_known = true, .source = 5, .target = 0, .orphaned = 5 }, "missing" },
		{ { .target_known = true, .source = 5, .target = 4 }, "behind" },
		{ { .target_known = true, .source = 5, .target = 5, .unmapped = 1 }, "behind" },
		{ { .target_known = true, .source = 5, .target = 6, .unmapped = 1 }, "behind" },
		{ { .target_known = true, .source = 5, .target = 5, .orphaned = 1 }, "behind" },
		{ { .target_known = true, .source = 5, .target = 6 }, "ahead" },
		{ { .target_known = true, .source = 0, .target = 6 }, "ahead" },
		{ { .target_known = false, .source = 5, .unmapped = 5 }, "behind" },
		{ { .target_known = false, .source = 0 }, "synced" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_string_equal(baseline_status(&cases[i].baseline), cases[i].status);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_status_follows_from_the_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
