// The rate that ETAs are told from: right at once, steady between batches, falling when nothing comes.
#include "tests/unit/testing.h"

#include "run/rate.h"

// Batches of so many rows, each so long after the one before.
static struct rate after(int batches, int64_t rows, int64_t every_ms, int64_t *ret_now_ms)
{
	struct rate rate = { 0 };
	int64_t now = 1000;

	rate_begin(&rate, now);
	for (int i = 0; i < batches; i++) {
		now += every_ms;
		rate_add(&rate, rows, now);
	}
	*ret_now_ms = now;
	return rate;
}

static void assert_about(double rate, double expected)
{
	if (rate < expected * 0.8 || rate > expected * 1.25)
		fail_msg("%g rows a second where about %g come", rate, expected);
}

static void test_an_even_flow_is_measured_as_what_it_is(void **state)
{
	static const struct {
		int batches;
		int64_t rows, every_ms;
	} flows[] = { { 2, 500, 500 },	 { 10, 500, 100 }, { 1000, 1000, 100 },
		      { 20, 100, 3000 }, { 3, 100, 1000 }, { 10000, 1, 1 } };

	(void)state;
	for (size_t i = 0; i < sizeof flows / sizeof flows[0]; i++) {
		int64_t now;
		struct rate rate = after(flows[i].batches, flows[i].rows, flows[i].every_ms, &now);

		assert_about(rate_per_second(&rate, now),
			     (double)flows[i].rows * 1000 / (double)flows[i].every_ms);
	}
}

static void test_between_two_batches_it_stays_as_it_is(void **state)
{
	int64_t now;
	struct rate rate = after(20, 1000, 2000, &now);
	double at_once = rate_per_second(&rate, now);

	(void)state;
	assert_true(rate_per_second(&rate, now + 1999) == at_once);
	assert_true(rate_usual_ms(&rate) >= 2000);
}

static void test_when_nothing_comes_it_falls(void **state)
{
	int64_t now;
	struct rate rate = after(100, 1000, 100, &now);
	double before = rate_per_second(&rate, now);

	(void)state;
	assert_true(rate_per_second(&rate, now + 10000) < before * 0.7);
	assert_true(rate_per_second(&rate, now + 60000) < before * 0.1);
	assert_true(rate_per_second(&rate, now + 3600000) >= 0);
}

static void test_a_lasting_change_of_pace_is_seen_within_half_a_minute(void **state)
{
	int64_t now;
	struct rate rate = after(100, 1000, 100, &now);

	(void)state;
	for (int i = 0; i < 30; i++) {
		now += 1000;
		rate_add(&rate, 100, now);
	}
	assert_true(rate_per_second(&rate, now) < 1500);
}

static void test_one_batch_foretells_nothing(void **state)
{
	int64_t now;
	struct rate none = { 0 };
	struct rate one = after(1, 100, 5000, &now);

	(void)state;
	assert_false(rate_foretells(&none, 5000));
	assert_true(rate_per_second(&none, 5000) == 0);
	assert_false(rate_foretells(&one, now));
	assert_true(rate_per_second(&one, now) > 0);

	struct rate soon = after(5, 100, 100, &now);

	assert_false(rate_foretells(&soon, now));
	rate_add(&soon, 100, now + 2000);
	assert_true(rate_foretells(&soon, now + 2000));
}

static void test_what_begins_anew_knows_nothing_of_before(void **state)
{
	int64_t now;
	struct rate rate = after(100, 1000, 100, &now);

	(void)state;
	rate_begin(&rate, now);
	assert_true(rate_per_second(&rate, now) == 0);
	assert_false(rate_foretells(&rate, now + 5000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_even_flow_is_measured_as_what_it_is),
		cmocka_unit_test(test_between_two_batches_it_stays_as_it_is),
		cmocka_unit_test(test_when_nothing_comes_it_falls),
		cmocka_unit_test(test_a_lasting_change_of_pace_is_seen_within_half_a_minute),
		cmocka_unit_test(test_one_batch_foretells_nothing),
		cmocka_unit_test(test_what_begins_anew_knows_nothing_of_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
