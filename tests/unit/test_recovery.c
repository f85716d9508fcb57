// From an error to what is done about it, how long is waited, and how large batches are.
#include "tests/unit/testing.h"

#include <string.h>

#include "postgres/errors.h"
#include "run/pace.h"
#include "run/recovery.h"

// The table of what each SQLSTATE asks for, of the design. Rows that are set aside one by one (22, 23) do not come so far, unless it
// is the source that refuses to read them.
static void test_each_sqlstate_has_its_action(void **state)
{
	static const struct {
		const char *sqlstate;
		enum recovery_action action;
	} cases[] = {
		{ "", RECOVERY_RECONNECT },	    { "08006", RECOVERY_RECONNECT },
		{ "57P01", RECOVERY_RECONNECT },    { "57P02", RECOVERY_RECONNECT },
		{ "25P03", RECOVERY_RECONNECT },    { "57P05", RECOVERY_RECONNECT },
		{ "57P03", RECOVERY_BACK_OFF },	    { "53300", RECOVERY_BACK_OFF },
		{ "40001", RECOVERY_RETRY },	    { "40P01", RECOVERY_RETRY },
		{ "55P03", RECOVERY_RETRY },	    { "55006", RECOVERY_RETRY },
		{ "57014", RECOVERY_HALVE },	    { "53100", RECOVERY_HOLD_SESSION },
		{ "53200", RECOVERY_HOLD_SESSION }, { "53400", RECOVERY_HOLD_SESSION },
		{ "58030", RECOVERY_HOLD_SESSION }, { "25006", RECOVERY_HOLD_SESSION },
		{ "28P01", RECOVERY_HOLD_SESSION }, { "28000", RECOVERY_HOLD_SESSION },
		{ "42501", RECOVERY_HOLD_SESSION }, { "42P01", RECOVERY_STOP_ENTITY },
		{ "42703", RECOVERY_STOP_ENTITY },  { "3D000", RECOVERY_STOP_ENTITY },
		{ "0A000", RECOVERY_STOP_ENTITY },  { "26000", RECOVERY_STOP_ENTITY },
		{ "22012", RECOVERY_STOP_ENTITY },  { "23505", RECOVERY_STOP_ENTITY },
		{ "25P02", RECOVERY_STOP_ENTITY },  { "ZZ999", RECOVERY_STOP_ENTITY },
		{ "XX000", RECOVERY_STOP_SESSION }, { "XX001", RECOVERY_STOP_SESSION },
		{ "XX002", RECOVERY_STOP_SESSION }, { "MG002", RECOVERY_STOP_SESSION },
		{ "MG004", RECOVERY_PUT_DOWN },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct error err = { .kind = pg_error_kind(cases[i].sqlstate) };

		strcpy(err.sqlstate, cases[i].sqlstate);
		if (recovery_action(&err) != cases[i].action)
			fail_msg("%s: %d", cases[i].sqlstate, recovery_action(&err));
	}
}

static void test_pauses_grow_at_random_within_bounds(void **state)
{
	int64_t longest = 0;

	(void)state;
	assert_int_equal(recovery_backoff_ms(0, 0), 100);
	assert_int_equal(recovery_backoff_ms(0, 200), 300);
	assert_int_equal(recovery_backoff_ms(300, 0), 100);
	assert_int_equal(recovery_backoff_ms(300, 800), 900);
	assert_int_equal(recovery_backoff_ms(30000, 89900), 30000);
	for (uint32_t random = 0; random < 100000; random += 7) {
		int64_t pause = recovery_backoff_ms(1000, random * 2654435761u);

		assert_in_range(pause, 100, 3000);
		longest = pause > longest ? pause : longest;
	}
	assert_in_range(longest, 2900, 3000);
}

// --- how large batches are -----------------------------------------------------------------------

static const struct pace_limits limits = { .batch_size = 20000,
					   .time_ms = 500,
					   .bytes = 64 * 1024 * 1024 };

// So many batches of the size that is asked for, at so many rows a second.
static int64_t size_after(struct pace *pace, int batches, int64_t rate, int64_t row_bytes)
{
	for (int i = 0; i < batches; i++) {
		int64_t size = pace_size(pace, &limits);

		pace_measured(pace, &limits, size, size * row_bytes, size * 1000 / rate);
	}
	return pace_size(pace, &limits);
}

static void test_a_batch_takes_the_time_it_should(void **state)
{
	struct pace pace = { 0 };

	(void)state;
	assert_int_equal(pace_size(&pace, &limits), 10000);
	assert_in_range(size_after(&pace, 20, 12000, 100), 5900, 6100);
	assert_in_range(size_after(&pace, 20, 4000, 100), 1950, 2050); /* it became slower */
	assert_int_equal(size_after(&pace, 20, 10, 100), 100); /* a transaction has its own costs */
	assert_int_equal(size_after(&pace, 40, 1000000, 100), 20000);
}

static void test_a_batch_at_most_doubles(void **state)
{
	struct pace pace = { 0 };

	(void)state;
	pace_measured(&pace, &limits, 6000, 0,
		      1); /* a table with fewer rows than the first may have */
	assert_int_equal(pace_size(&pace, &limits), 12000);
	assert_int_equal(size_after(&pace, 1, 1000000, 100), 20000);
	pace = (struct pace){ 0 };
	for (int i = 0; i < 8; i++) /* side by side: they were all planned alike */
		pace_measured(&pace, &limits, 7000, 0, 1);
	assert_int_equal(pace_size(&pace, &limits), 14000);
}

static void test_a_short_batch_shrinks_nothing(void **state)
{
	struct pace pace = { 0 };
	int64_t size = size_after(&pace, 20, 12000, 100);

	(void)state;
	pace_measured(&pace, &limits, 3, 300, 1);
	assert_in_range(pace_size(&pace, &limits), size - 100, size + 100);
}

static void test_a_batch_fits_into_its_memory(void **state)
{
	struct pace pace = { 0 };

	(void)state;
	assert_in_range(size_after(&pace, 20, 1000000, 1024 * 1024), 63, 64);
	assert_in_range(size_after(&pace, 20, 1000000, 256 * 1024 * 1024), 1, 1);
}

static void test_a_batch_that_was_too_large_halves_those_to_come(void **state)
{
	struct pace pace = { 0 };

	(void)state;
	size_after(&pace, 20, 16000, 100);
	pace_halve(&pace, &limits);
	assert_in_range(pace_size(&pace, &limits), 3950, 4050);
	for (int i = 0; i < 20; i++)
		pace_halve(&pace, &limits);
	assert_int_equal(pace_size(&pace, &limits), 1);
	assert_in_range(size_after(&pace, 30, 16000, 100), 7900, 8100); /* and it recovers */
}

static void test_without_a_time_every_batch_is_as_large_as_it_may_be(void **state)
{
	const struct pace_limits fixed = { .batch_size = 20000 };
	struct pace pace = { 0 };

	(void)state;
	pace_measured(&pace, &fixed, 20000, 1, 60000);
	assert_int_equal(pace_size(&pace, &fixed), 20000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_sqlstate_has_its_action),
		cmocka_unit_test(test_pauses_grow_at_random_within_bounds),
		cmocka_unit_test(test_a_batch_takes_the_time_it_should),
		cmocka_unit_test(test_a_batch_at_most_doubles),
		cmocka_unit_test(test_a_short_batch_shrinks_nothing),
		cmocka_unit_test(test_a_batch_fits_into_its_memory),
		cmocka_unit_test(test_a_batch_that_was_too_large_halves_those_to_come),
		cmocka_unit_test(test_without_a_time_every_batch_is_as_large_as_it_may_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
