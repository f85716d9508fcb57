// The daemon's log: what is written to stderr, when the journal is taken instead, and what is kept.
#include "tests/unit/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/journal.h"

/* stderr is a pipe for the length of a test. */
struct capture {
	int spare;
	int reading;
	char text[4096];
};

static void begin_capture(struct capture *capture)
{
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	capture->spare = dup(STDERR_FILENO);
	dup2(ends[1], STDERR_FILENO);
	close(ends[1]);
	capture->reading = ends[0];
}

static void end_capture(struct capture *capture)
{
	ssize_t length;

	dup2(capture->spare, STDERR_FILENO);
	close(capture->spare);
	length = read(capture->reading, capture->text, sizeof capture->text - 1);
	capture->text[length > 0 ? length : 0] = '\0';
	close(capture->reading);
}

static int reset(void **state)
{
	(void)state;
	unsetenv("JOURNAL_STREAM");
	return 0;
}

static void test_events_are_lines_on_stderr(void **state)
{
	struct log_fields fields = {
		.entity = "orders",
		.sqlstate = "23514",
		.session = "",
	};
	struct capture capture;

	(void)state;
	begin_capture(&capture);
	journal_init(LOG_INFO);
	log_event(LOG_WARNING, &fields, "batch %d failed", 7);
	end_capture(&capture);
	/* "2026-01-05T09:12:44.123456Z " comes first */
	assert_string_equal(
		capture.text + 28,
		"warning batch 7 failed MIGRATED_ENTITY=orders MIGRATED_SQLSTATE=23514\n");
	assert_int_equal(capture.text[26], 'Z');
}

static void test_event_is_one_line_whatever_it_holds(void **state)
{
	struct capture capture;

	(void)state;
	begin_capture(&capture);
	journal_init(LOG_INFO);
	log_info("a\nb\033[31mc\177");
	end_capture(&capture);
	assert_string_equal(capture.text + 28, "info    a b [31mc \n");
}

static void test_less_urgent_events_are_dropped(void **state)
{
	uint64_t before = journal_last_number();
	struct capture capture;

	(void)state;
	begin_capture(&capture);
	journal_init(LOG_NOTICE);
	log_info("no");
	log_debug("no");
	end_capture(&capture);
	assert_string_equal(capture.text, "");
	assert_int_equal(journal_last_number(), before);
}

static void test_errors_are_logged_with_hint_and_fields(void **state)
{
	const struct journal_event *event;
	struct capture capture;
	struct error err;

	(void)state;
	begin_capture(&capture);
	journal_init(LOG_INFO);
	error_set(&err, ERROR_DATA, "a row does not fit");
	error_hint(&err, "see migratectl dead-letters");
	strcpy(err.entity, "orders");
	strcpy(err.legacy_key, "4711");
	strcpy(err.sqlstate, "22001");
	strcpy(err.phase, "stage");
	log_error(LOG_ERR, &err);
	end_capture(&capture);
	event = journal_next(journal_last_number() - 1);
	assert_string_equal(event->message, "a row does not fit (see migratectl dead-letters)");
	assert_string_equal(event->entity, "orders");
	assert_string_equal(event->legacy_key, "4711");
	assert_string_equal(event->sqlstate, "22001");
	assert_string_equal(event->phase, "stage");
	assert_string_equal(event->session, "");
	assert_int_equal(event->priority, LOG_ERR);
}

static void test_journal_is_taken_when_stderr_leads_to_it(void **state)
{
	struct capture capture;
	struct stat status;
	char stream[64];

	(void)state;
	begin_capture(&capture);
	fstat(STDERR_FILENO, &status);
	snprintf(stream, sizeof stream, "%ju:%ju", (uintmax_t)status.st_dev,
		 (uintmax_t)status.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	journal_init(LOG_DEBUG);
	log_debug("migrated's unit test: this is for the journal");
	snprintf(stream, sizeof stream, "%ju:%ju", (uintmax_t)status.st_dev,
		 (uintmax_t)status.st_ino + 1);
	setenv("JOURNAL_STREAM", stream, 1);
	journal_init(LOG_INFO);
	log_info("redirected since");
	setenv("JOURNAL_STREAM", "nonsense", 1);
	journal_init(LOG_INFO);
	log_info("nonsense");
	end_capture(&capture);
	assert_null(strstr(capture.text, "for the journal"));
	assert_non_null(strstr(capture.text, "redirected since\n"));
	assert_non_null(strstr(capture.text, "nonsense\n"));
}

static void test_last_events_are_kept_and_older_ones_forgotten(void **state)
{
	uint64_t before = journal_last_number();
	const struct journal_event *event;
	struct capture capture;
	uint64_t after = before;
	int count = 0;

	(void)state;
	begin_capture(&capture);
	close(STDERR_FILENO); /* the pipe would fill */
	journal_init(LOG_INFO);
	for (int i = 1; i <= JOURNAL_RECENT + 500; i++)
		log_info("event %d", i);
	end_capture(&capture);
	while ((event = journal_next(after))) {
		char expected[32];

		if (count++ == 0)
			assert_int_equal(event->number, before + 501);
		else
			assert_int_equal(event->number, after + 1);
		snprintf(expected, sizeof expected, "event %d", (int)(event->number - before));
		assert_string_equal(event->message, expected);
		after = event->number;
	}
	assert_int_equal(count, JOURNAL_RECENT);
	assert_int_equal(journal_last_number(), before + JOURNAL_RECENT + 500);
	assert_null(journal_next(UINT64_MAX));
}

static void on_event(void *arg, const struct journal_event *event)
{
	assert_memory_equal(event->message, "heard", strlen("heard"));
	++*(int *)arg;
}

static void test_watchers_hear_of_events_until_they_do_not_wish_to(void **state)
{
	struct capture capture;
	int heard = 0, heard_by_other = 0;
	struct journal_watcher one = { .on_event = on_event, .arg = &heard };
	struct journal_watcher other = { .on_event = on_event, .arg = &heard_by_other };

	(void)state;
	begin_capture(&capture);
	journal_init(LOG_INFO);
	journal_watch(&one);
	journal_watch(&other);
	log_info("heard");
	journal_unwatch(&one);
	journal_unwatch(&one);
	log_info("heard by the other");
	journal_unwatch(&other);
	log_info("not heard");
	end_capture(&capture);
	assert_int_equal(heard, 1);
	assert_int_equal(heard_by_other, 2);
}

static void test_priorities_have_names(void **state)
{
	(void)state;
	assert_string_equal(journal_priority_name(LOG_ERR), "err");
	assert_string_equal(journal_priority_name(LOG_DEBUG), "debug");
	assert_string_equal(journal_priority_name(-1), "unknown");
	assert_string_equal(journal_priority_name(8), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_events_are_lines_on_stderr, reset),
		cmocka_unit_test_setup(test_event_is_one_line_whatever_it_holds, reset),
		cmocka_unit_test_setup(test_less_urgent_events_are_dropped, reset),
		cmocka_unit_test_setup(test_errors_are_logged_with_hint_and_fields, reset),
		cmocka_unit_test_setup(test_journal_is_taken_when_stderr_leads_to_it, reset),
		cmocka_unit_test_setup(test_last_events_are_kept_and_older_ones_forgotten, reset),
		cmocka_unit_test_setup(test_watchers_hear_of_events_until_they_do_not_wish_to,
				       reset),
		cmocka_unit_test_setup(test_priorities_have_names, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
