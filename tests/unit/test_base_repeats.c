// What is logged again and again: which lines are alike, and when their number is told.
#include "tests/unit/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/journal.h"
#include "base/repeats.h"

static char told[4096];

static void on_tell(const struct journal_event *event)
{
	size_t length = strlen(told);

	snprintf(told + length, sizeof told - length, "%s\n", event->message);
}

static struct journal_event make(enum event_kind kind, int priority, const char *message)
{
	struct journal_event event = { .kind = kind, .priority = priority };

	snprintf(event.message, sizeof event.message, "%s", message);
	return event;
}

static struct repeats *begin(void)
{
	told[0] = '\0';
	return repeats_new(on_tell);
}

static bool count(struct repeats *repeats, enum event_kind kind, int priority, const char *message,
		  int64_t now_ms)
{
	struct journal_event event = make(kind, priority, message);

	return repeats_count(repeats, &event, now_ms);
}

static void test_the_same_again_is_counted_and_told_when_its_minute_is_over(void **state)
{
	struct repeats *repeats = begin();

	(void)state;
	assert_false(count(repeats, EVENT_NONE, LOG_WARNING, "deadlock detected", 1000));
	for (int i = 0; i < 41; i++)
		assert_true(count(repeats, EVENT_NONE, LOG_WARNING, "deadlock detected", 2000 + i));
	repeats_expire(repeats, 60999, false);
	assert_string_equal(told, "");
	repeats_expire(repeats, 61000, false);
	assert_string_equal(told, "deadlock detected (repeated 41 times in 60 s)\n");
	/* A new minute: it goes on being counted, and is forgotten when it has stopped. */
	assert_true(count(repeats, EVENT_NONE, LOG_WARNING, "deadlock detected", 62000));
	repeats_expire(repeats, 121000, false);
	assert_string_equal(told, "deadlock detected (repeated 41 times in 60 s)\n"
				  "deadlock detected (repeated 1 time in 60 s)\n");
	repeats_expire(repeats, 181000, false);
	assert_false(count(repeats, EVENT_NONE, LOG_WARNING, "deadlock detected", 181001));
	free(repeats);
}

static void test_what_differs_in_a_field_or_a_word_is_told(void **state)
{
	struct repeats *repeats = begin();
	struct journal_event event = make(EVENT_NONE, LOG_ERR, "it stops");

	(void)state;
	assert_false(repeats_count(repeats, &event, 1000));
	strcpy(event.entity, "orders");
	assert_false(repeats_count(repeats, &event, 1000));
	strcpy(event.legacy_key, "1");
	assert_false(repeats_count(repeats, &event, 1000));
	strcpy(event.sqlstate, "23514");
	assert_false(repeats_count(repeats, &event, 1000));
	strcpy(event.message, "it stops again");
	assert_false(repeats_count(repeats, &event, 1000));
	event.priority = LOG_WARNING;
	assert_false(repeats_count(repeats, &event, 1000));
	assert_true(repeats_count(repeats, &event, 1000));
	free(repeats);
}

static void test_words_of_some_events_may_vary(void **state)
{
	struct repeats *repeats = begin();

	(void)state;
	assert_false(count(repeats, EVENT_DATABASE_LOST, LOG_WARNING, "lost: one", 1000));
	assert_true(count(repeats, EVENT_DATABASE_LOST, LOG_WARNING, "lost: two", 1000));
	repeats_expire(repeats, 3000, true);
	assert_string_equal(told, "lost: two (repeated 1 time in 2 s)\n");
	assert_false(count(repeats, EVENT_ENTITY_STOPPED, LOG_ERR, "orders stops", 1000));
	assert_false(count(repeats, EVENT_ENTITY_STOPPED, LOG_ERR, "orders stops: why", 1000));
	free(repeats);
}

static void test_what_is_grave_or_says_how_things_stand_is_always_told(void **state)
{
	struct repeats *repeats = begin();

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_false(count(repeats, EVENT_NONE, LOG_CRIT, "grave", 1000));
		assert_false(count(repeats, EVENT_NONE, LOG_NOTICE, "notice", 1000));
		assert_false(count(repeats, EVENT_NONE, LOG_DEBUG, "debug", 1000));
		assert_false(count(repeats, EVENT_SESSION_PAUSED_BY_ENVIRONMENT, LOG_ERR, "paused",
				   1000));
	}
	free(repeats);
}

static void test_of_too_many_lines_the_oldest_is_told_early(void **state)
{
	struct repeats *repeats = begin();
	char message[32];

	(void)state;
	for (int i = 0; i < REPEATS_KEPT; i++) {
		snprintf(message, sizeof message, "line %d", i);
		assert_false(count(repeats, EVENT_NONE, LOG_INFO, message, 1000 + i));
	}
	assert_true(count(repeats, EVENT_NONE, LOG_INFO, "line 0", 2000));
	assert_false(count(repeats, EVENT_NONE, LOG_INFO, "another", 2000));
	assert_string_equal(told, "line 0 (repeated 1 time in 1 s)\n");
	free(repeats);
}

static void test_a_long_line_is_cut_before_its_number_is(void **state)
{
	struct repeats *repeats = begin();
	struct journal_event event = make(EVENT_NONE, LOG_INFO, "");

	(void)state;
	memset(event.message, 'x', sizeof event.message - 1);
	assert_false(repeats_count(repeats, &event, 1000));
	assert_true(repeats_count(repeats, &event, 1000));
	repeats_expire(repeats, 2000, true);
	assert_non_null(strstr(told, "x (repeated 1 time in 1 s)\n"));
	free(repeats);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_same_again_is_counted_and_told_when_its_minute_is_over),
		cmocka_unit_test(test_what_differs_in_a_field_or_a_word_is_told),
		cmocka_unit_test(test_words_of_some_events_may_vary),
		cmocka_unit_test(test_what_is_grave_or_says_how_things_stand_is_always_told),
		cmocka_unit_test(test_of_too_many_lines_the_oldest_is_told_early),
		cmocka_unit_test(test_a_long_line_is_cut_before_its_number_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
