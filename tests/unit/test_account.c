// An account is balanced when every row has its place, and no row is where it cannot stay.
#include "tests/unit/testing.h"

#include "verify/account.h"

static void test_it_is_balanced_when_the_classes_add_up_and_nothing_is_lost(void **state)
{
	static const struct {
		struct account account;
		bool balanced;
	} cases[] = {
		{ { 0 }, true },
		{ { .source = 46,
		    .filtered = 1,
		    .equal = 2,
		    .waiting = 4,
		    .parked = 5,
		    .dead_letters = 7,
		    .discarded = 8,
		    .held = 9,
		    .kept = 10 },
		  true },
		{ { .source = 3,
		    .equal = 3,
		    .in_change_set = 5,
		    .gone = 5,
		    .deferred = 5,
		    .undeleted = 5 },
		  true },
		{ { .source = 3, .waiting = 3, .mapping = ACCOUNT_CHANGED }, true },
		{ { .source = 3, .equal = 2 }, false },
		{ { .source = 3, .equal = 4 }, false },
		{ { .source = 3, .equal = 2, .lost = 1 }, false },
		{ { .source = 3, .equal = 3, .duplicates = 1 }, false },
		{ { .source = 3, .equal = 2, .waiting = 1, .keyless = 1 }, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_int_equal(account_is_balanced(&cases[i].account), cases[i].balanced);
}

static void test_a_mapping_has_a_word(void **state)
{
	(void)state;
	assert_string_equal(account_mapping_name(ACCOUNT_NEVER), "never");
	assert_string_equal(account_mapping_name(ACCOUNT_CHANGED), "changed");
	assert_string_equal(account_mapping_name(ACCOUNT_SAME), "same");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_it_is_balanced_when_the_classes_add_up_and_nothing_is_lost),
		cmocka_unit_test(test_a_mapping_has_a_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
