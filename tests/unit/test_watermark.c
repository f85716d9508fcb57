/*
 * Watermarks as they are kept, when they are trusted, and how they move on: what takes a server weeks to show.
 */
#include "tests/unit/testing.h"

#include <stdlib.h>
#include <string.h>

#include "detect/watermark.h"

#define SECOND INT64_C(1000000)
#define NOW (INT64_C(1767604364) * SECOND + 123456) /* 2026-01-05T09:12:44.123456Z */
#define MINUTE (60 * SECOND)

static const struct highest_id no_id = { 0 };

static struct watermark kept_watermark(void)
{
	return (struct watermark){
		.present = true,
		.identity = "7301/16384",
		.timeline = 3,
		.at_us = NOW,
		.sure = true,
		.xmin = 5000000000,
	};
}

static struct moment later_moment(void)
{
	return (struct moment){
		.identity = "7301/16384",
		.timeline = 3,
		.now_us = NOW + 2 * MINUTE,
		.oldest_us = NOW + MINUTE,
		.xmin = 5000000100,
		.xmax = 5000000200,
	};
}

static void assert_same(const struct watermark *a, const struct watermark *b)
{
	char first[WATERMARK_SIZE], second[WATERMARK_SIZE];

	assert_string_equal(watermark_format(first, a), watermark_format(second, b));
}

static void test_what_is_kept_is_read_back(void **state)
{
	struct watermark written = kept_watermark(), read;
	char text[WATERMARK_SIZE];

	(void)state;
	written.has_safe = written.has_pending = true;
	written.safe_id = -5;
	written.pending_id = INT64_MAX;
	written.pending_us = NOW - 1;
	watermark_format(text, &written);
	assert_non_null(strstr(text, "\"at\":\"2026-01-05T09:12:44.123456Z\""));
	watermark_parse(&read, text);
	assert_int_equal(read.at_us, NOW);
	assert_int_equal(read.pending_us, NOW - 1);
	assert_same(&written, &read);
}

static void test_what_cannot_be_read_is_no_watermark(void **state)
{
	static const char *const texts[] = { "", "null", "[]", "{}", "{\"source\":7}", "{\"sou" };
	struct watermark read;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		watermark_parse(&read, texts[i]);
		assert_false(read.present);
	}
}

static void test_another_source_another_timeline_and_lower_numbers_are_no_fit(void **state)
{
	struct watermark kept = kept_watermark();
	struct moment moment = later_moment();

	(void)state;
	assert_null(watermark_misfit(&kept, &moment));
	moment.timeline = 4;
	assert_non_null(watermark_misfit(&kept, &moment));
	moment = later_moment();
	strcpy(moment.identity, "7301/16385");
	assert_non_null(watermark_misfit(&kept, &moment));
	moment = later_moment();
	moment.xmax = kept.xmin - 1;
	assert_non_null(watermark_misfit(&kept, &moment));
	kept.present = false;
	assert_non_null(watermark_misfit(&kept, &moment));
}

static void test_numbers_that_may_have_gone_round_are_not_compared(void **state)
{
	struct watermark kept = kept_watermark();
	struct moment moment = later_moment();

	(void)state;
	moment.xmax = kept.xmin + (INT64_C(1) << 30);
	assert_null(watermark_xmin_misfit(&kept, &moment));
	moment.xmax = kept.xmin + (INT64_C(1) << 31) - 1;
	assert_non_null(watermark_xmin_misfit(&kept, &moment));
	moment.xmax = kept.xmin + (INT64_C(1) << 40);
	assert_non_null(watermark_xmin_misfit(&kept, &moment));
}

/* A row says only the lower half of its transaction's number. */
static void test_the_condition_names_the_number_as_rows_do(void **state)
{
	struct watermark kept = kept_watermark();
	char *condition = watermark_xmin_condition(&kept);

	(void)state;
	assert_string_equal(condition,
			    "pg_catalog.age(source.xmin) <= pg_catalog.age('705032704'::xid)");
	free(condition);
}

static void test_the_time_is_that_of_the_oldest_transaction(void **state)
{
	struct watermark kept = kept_watermark();
	struct moment moment = later_moment();
	struct watermark next = watermark_next(&kept, &moment, &no_id);

	(void)state;
	assert_int_equal(next.at_us, NOW + MINUTE);
	assert_int_equal(next.xmin, 5000000100);
	assert_true(next.sure);
	moment.unseen = true;
	assert_false(watermark_next(&kept, &moment, &no_id).sure);
}

static void test_prepared_transactions_hold_the_time_where_it_was(void **state)
{
	struct watermark kept = kept_watermark();
	struct moment moment = later_moment();

	(void)state;
	moment.prepared = true;
	assert_int_equal(watermark_next(&kept, &moment, &no_id).at_us, NOW);
	moment.unseen = true;
	assert_true(watermark_next(&kept, &moment, &no_id).sure);
	kept.present = false; /* then nobody knows when it began */
	assert_int_equal(watermark_next(&kept, &moment, &no_id).at_us, 0);
	kept = kept_watermark();
	kept.at_us = moment.now_us + 1; /* the clock went back */
	assert_int_equal(watermark_next(&kept, &moment, &no_id).at_us, 0);
}

static void test_a_standby_gives_no_time(void **state)
{
	struct watermark kept = kept_watermark(), next;
	struct moment moment = later_moment();

	(void)state;
	moment.standby = true;
	next = watermark_next(&kept, &moment, &no_id);
	assert_int_equal(next.at_us, 0);
	assert_int_equal(next.xmin, 5000000100);
	assert_non_null(watermark_time_misfit(&next, &moment));
}

static void test_an_id_is_safe_when_all_who_could_have_a_lower_one_are_over(void **state)
{
	struct watermark kept = kept_watermark(), next;
	struct moment moment = later_moment();
	struct highest_id highest = { .known = true, .id = 70, .at_us = NOW + MINUTE + 1 };

	(void)state;
	kept = watermark_next(&kept, &moment, &highest); /* at NOW + MINUTE; 70 may have company */
	assert_false(kept.has_safe);
	highest = (struct highest_id){ .known = true, .id = 90, .at_us = NOW + 3 * MINUTE };
	next = watermark_next(&kept, &moment, &highest);
	assert_false(next.has_safe);
	assert_int_equal(next.pending_id, 70); /* not renewed, or it would never be safe */
	moment.oldest_us = NOW + MINUTE + 2;
	next = watermark_next(&next, &moment, &highest);
	assert_int_equal(next.safe_id, 70);
	assert_int_equal(next.pending_id, 90);
	moment.oldest_us = moment.now_us = NOW + 4 * MINUTE;
	moment.unseen = true; /* somebody may be longer under way than can be seen */
	assert_int_equal(watermark_next(&next, &moment, &highest).safe_id, 70);
	moment.unseen = false;
	assert_int_equal(watermark_next(&next, &moment, &highest).safe_id, 90);
}

static void test_ids_that_begin_anew_are_not_safe(void **state)
{
	struct watermark kept = kept_watermark(), next;
	struct moment moment = later_moment();
	struct highest_id highest = { .known = true, .id = 3, .at_us = NOW + MINUTE };

	(void)state;
	kept.has_safe = true;
	kept.safe_id = 70;
	assert_true(watermark_ids_went_back(&kept, &highest));
	next = watermark_next(&kept, &moment, &highest);
	assert_false(next.has_safe);
	assert_int_equal(next.pending_id, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_kept_is_read_back),
		cmocka_unit_test(test_what_cannot_be_read_is_no_watermark),
		cmocka_unit_test(test_another_source_another_timeline_and_lower_numbers_are_no_fit),
		cmocka_unit_test(test_numbers_that_may_have_gone_round_are_not_compared),
		cmocka_unit_test(test_the_condition_names_the_number_as_rows_do),
		cmocka_unit_test(test_the_time_is_that_of_the_oldest_transaction),
		cmocka_unit_test(test_prepared_transactions_hold_the_time_where_it_was),
		cmocka_unit_test(test_a_standby_gives_no_time),
		cmocka_unit_test(test_an_id_is_safe_when_all_who_could_have_a_lower_one_are_over),
		cmocka_unit_test(test_ids_that_begin_anew_are_not_safe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
