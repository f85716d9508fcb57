// Making a connection: how it fails, what is then said and what is not, and how often it is tried.
//
// link: -Wl,--wrap=clock_monotonic_ms
#include "tests/unit/pg_rig.h"

#include <string.h>

#include "base/journal.h"

/* Time may be told to jump. */
int64_t __real_clock_monotonic_ms(void);
int64_t __wrap_clock_monotonic_ms(void);
static int64_t jumped_ms;

int64_t __wrap_clock_monotonic_ms(void)
{
	return __real_clock_monotonic_ms() + jumped_ms;
}

static void test_refused_connection_is_retried_and_fails_waiting_queries_once(void **state)
{
	struct event_base *base = *state;
	struct rig_relay *relay = rig_relay_new(base, "host=127.0.0.1 port=1 dbname=x user=x");
	struct rig_link link;
	struct rig_answer answer = { 0 };

	rig_relay_refuse(relay, true);
	rig_begin(&link, base, "source", rig_relay_conninfo(relay), NULL, 5000);
	pg_submit(link.connection, "SELECT 1", 0, NULL, rig_on_answer, &answer);
	rig_wait(base, &link.entered[PG_WAITING], 4);
	assert_int_equal(answer.count, 1);
	assert_int_equal(answer.error.kind, ERROR_CONNECTION);
	assert_non_null(strstr(answer.error.message, "cannot connect to the source"));
	assert_non_null(strstr(answer.error.message, "refused"));
	assert_int_equal(pg_connection_last_error(link.connection)->kind, ERROR_CONNECTION);
	pg_connection_close(link.connection);
	rig_relay_free(relay);
}

static void test_repeated_failures_are_logged_once_a_minute(void **state)
{
	struct event_base *base = *state;
	struct rig_relay *relay = rig_relay_new(base, "host=127.0.0.1 port=1 dbname=x user=x");
	struct rig_link link;
	uint64_t before = rig_begin_log(LOG_WARNING);

	rig_relay_refuse(relay, true);
	rig_begin(&link, base, "source", rig_relay_conninfo(relay), NULL, 5000);
	rig_wait(base, &link.entered[PG_WAITING], 5);
	assert_int_equal(journal_last_number(), before + 1);
	jumped_ms = 61000;
	rig_wait(base, &link.entered[PG_WAITING], 10);
	rig_end_log();
	jumped_ms = 0;
	assert_int_equal(journal_last_number(), before + 2);
	assert_non_null(strstr(journal_next(before)->message, "cannot connect to the source"));
	assert_non_null(strstr(journal_next(before + 1)->message, " attempts in 00:01:0"));
	pg_connection_close(link.connection);
	rig_relay_free(relay);
}

static void test_sqlstate_of_a_refused_login_is_known(void **state)
{
	static const struct {
		const char *sqlstate;
		enum error_kind kind;
	} cases[] = {
		{ "53300", ERROR_BUSY },       { "57P03", ERROR_BUSY },
		{ "28P01", ERROR_DENIED },     { "28000", ERROR_DENIED },
		{ "3D000", ERROR_STRUCTURE },  { "42501", ERROR_DENIED },
		{ "57P01", ERROR_CONNECTION },
	};
	struct event_base *base = *state;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct rig_relay *relay = rig_relay_new(
			base, "host=127.0.0.1 port=1 dbname=x user=x password=hunter2");
		struct rig_link link;

		rig_relay_answer(relay, true, cases[i].sqlstate, "login of user \"x\": no");
		rig_begin(&link, base, "target", rig_relay_conninfo(relay), NULL, 5000);
		rig_wait(base, &link.entered[PG_WAITING], 1);
		assert_string_equal(link.last.sqlstate, cases[i].sqlstate);
		assert_int_equal(link.last.kind, cases[i].kind);
		assert_string_equal(link.last.message,
				    "cannot connect to the target: login of user \"x\": no");
		pg_connection_close(link.connection);
		rig_relay_free(relay);
	}
}

static void test_refusals_that_time_does_not_cure_are_not_hurried(void **state)
{
	static const struct {
		const char *sqlstate;
		bool is_hurried;
	} cases[] = { { "28P01", false }, { "28000", false }, { "57P03", true } };
	struct event_base *base = *state;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct rig_relay *relay = rig_relay_new(base,
							"host=127.0.0.1 port=1 dbname=x user=x");
		struct rig_link link;

		rig_relay_answer(relay, true, cases[i].sqlstate, "no");
		rig_begin(&link, base, "target", rig_relay_conninfo(relay), NULL, 5000);
		if (cases[i].is_hurried)
			rig_wait(base, &link.entered[PG_WAITING], 10); /* 100 ms each, at most */
		else
			rig_run(base, 1000);
		if (!cases[i].is_hurried)
			assert_int_equal(link.entered[PG_WAITING], 1);
		pg_connection_close(link.connection);
		rig_relay_free(relay);
	}
}

static void test_silent_server_is_given_up_at_the_deadline(void **state)
{
	struct event_base *base = *state;
	struct rig_relay *relay = rig_relay_new(base, "host=127.0.0.1 port=1 dbname=x user=x");
	struct rig_link link;

	rig_relay_answer(relay, true, NULL, NULL);
	rig_begin(&link, base, "source", rig_relay_conninfo(relay), NULL, 100);
	rig_wait(base, &link.entered[PG_WAITING], 2);
	assert_non_null(strstr(link.last.message, "no answer within 100 ms"));
	assert_int_equal(link.last.kind, ERROR_CONNECTION);
	pg_connection_close(link.connection);
	rig_relay_free(relay);
}

static void test_nonsense_in_the_connection_string_is_not_repeated(void **state)
{
	static const char *const strings[] = {
		"host=127.0.0.1 port=1 hunter2",
		"postgresql://user:hunter2/x@127.0.0.1:1/db",
		"postgresql://user:p@hunter2@127.0.0.1:1/db",
		"host=127.0.0.1 port=1 sslmode=hunter2",
		"host=127.0.0.1 port=hunter2",
	};
	struct event_base *base = *state;

	for (size_t i = 0; i < sizeof strings / sizeof *strings; i++) {
		struct rig_link link;

		rig_begin(&link, base, "source", strings[i], NULL, 5000);
		rig_wait(base, &link.entered[PG_WAITING], 1);
		assert_null(strstr(link.last.message, "hunter2"));
		assert_true(strlen(link.last.message) > 20);
		pg_connection_close(link.connection);
	}
}

static void test_link_cut_while_connecting_answers_once_and_tries_again(void **state)
{
	struct rig_relay *relay = rig_relay_new(*state, rig_server(RIG_SOURCE));
	struct rig_link link;
	struct rig_answer answer = { 0 };

	rig_relay_cut_at_startup(relay, true);
	rig_begin(&link, *state, "source", rig_relay_conninfo(relay), NULL, 5000);
	pg_submit(link.connection, "SELECT 1", 0, NULL, rig_on_answer, &answer);
	rig_wait(*state, &link.entered[PG_WAITING], 3);
	assert_int_equal(answer.count, 1);
	assert_int_equal(answer.error.kind, ERROR_CONNECTION);
	rig_relay_cut_at_startup(relay, false);
	rig_wait(*state, &link.entered[PG_READY], 1);
	assert_int_equal(answer.count, 1);
	pg_connection_close(link.connection);
	rig_relay_free(relay);
}

static void test_failed_setup_is_a_failed_connection(void **state)
{
	struct rig_link link;
	struct rig_answer answer = { 0 };

	rig_begin(&link, *state, "source", rig_server(RIG_SOURCE),
		  "SET TIME ZONE 'UTC'; SET no_such_setting = 1", 5000);
	pg_submit(link.connection, "SELECT 1", 0, NULL, rig_on_answer, &answer);
	rig_wait(*state, &link.entered[PG_WAITING], 2);
	assert_int_equal(link.entered[PG_READY], 0);
	assert_string_equal(link.last.sqlstate, "42704");
	assert_int_equal(link.last.kind, ERROR_STRUCTURE);
	assert_non_null(strstr(link.last.message, "cannot set up the connection to the source"));
	assert_int_equal(answer.count, 1);
	assert_string_equal(answer.error.sqlstate, "42704");
	pg_connection_close(link.connection);
}

static void test_setup_that_hangs_is_given_up_at_the_deadline(void **state)
{
	struct rig_link link;

	rig_begin(&link, *state, "source", rig_server(RIG_SOURCE), "SELECT pg_sleep(10)", 200);
	rig_wait(*state, &link.entered[PG_WAITING], 1);
	assert_int_equal(link.entered[PG_SETTING_UP], 1);
	assert_non_null(strstr(link.last.message, "no answer within 200 ms"));
	pg_connection_close(link.connection);
}

#define WITH_BASE(test) cmocka_unit_test_setup_teardown(test, rig_make_base, rig_free_base)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_BASE(test_refused_connection_is_retried_and_fails_waiting_queries_once),
		WITH_BASE(test_repeated_failures_are_logged_once_a_minute),
		WITH_BASE(test_sqlstate_of_a_refused_login_is_known),
		WITH_BASE(test_refusals_that_time_does_not_cure_are_not_hurried),
		WITH_BASE(test_silent_server_is_given_up_at_the_deadline),
		WITH_BASE(test_nonsense_in_the_connection_string_is_not_repeated),
		WITH_BASE(test_link_cut_while_connecting_answers_once_and_tries_again),
		WITH_BASE(test_failed_setup_is_a_failed_connection),
		WITH_BASE(test_setup_that_hangs_is_given_up_at_the_deadline),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
