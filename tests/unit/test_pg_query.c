// Queries: that each is answered once, in order, with all of its results and none of its values in
// a message.
#include "tests/unit/pg_rig.h"

#include <stdio.h>
#include <string.h>

#include "base/journal.h"
#include "common/text.h"

static void test_statements_of_one_query_answer_together(void **state)
{
	struct rig_link link;
	struct rig_answer answer;

	rig_open(&link, *state, "source", rig_server(RIG_SOURCE));
	rig_query(&link, "SELECT 1; SELECT 'two'; BEGIN; COMMIT", &answer);
	assert_int_equal(answer.results, 4);
	assert_string_equal(answer.value, "two");
	assert_int_equal(answer.error.kind, ERROR_NONE);
	assert_int_equal(pg_connection_state(link.connection), PG_READY);
	assert_true(pg_connection_server_version(link.connection) >= 90600);
	assert_true(pg_connection_backend_pid(link.connection) > 0);
	pg_connection_close(link.connection);
}

static void test_failed_statement_keeps_the_results_before_it(void **state)
{
	struct rig_link link;
	struct rig_answer answer;

	rig_open(&link, *state, "source", rig_server(RIG_SOURCE));
	rig_query(&link, "BEGIN; SELECT 'before'; SELECT 1/0; SELECT 'after'", &answer);
	assert_int_equal(answer.results, 2);
	assert_string_equal(answer.value, "before");
	assert_string_equal(answer.error.sqlstate, "22012");
	assert_int_equal(answer.error.kind, ERROR_DATA);
	assert_int_equal(pg_connection_transaction(link.connection), PQTRANS_INERROR);
	rig_query(&link, "ROLLBACK", &answer);
	assert_int_equal(pg_connection_transaction(link.connection), PQTRANS_IDLE);
	pg_connection_close(link.connection);
}

static void test_values_are_passed_as_parameters(void **state)
{
	static const char *const values[] = { "it's \\ 100% \"quoted\" ✓", NULL, "41" };
	struct rig_link link;
	struct rig_answer answer = { 0 };

	rig_open(&link, *state, "source", rig_server(RIG_SOURCE));
	pg_submit(link.connection,
		  "SELECT $1::text || coalesce($2::text, ' null ') || ($3::int + 1)", 3, values,
		  rig_on_answer, &answer);
	rig_wait(*state, &answer.count, 1);
	assert_string_equal(answer.value, "it's \\ 100% \"quoted\" ✓ null 42");
	pg_connection_close(link.connection);
}

struct description {
	int count;
	int fields;
	char name[64];
	Oid type;
	char sqlstate[6];
};

static void on_description(void *arg, const struct pg_answer *answer)
{
	struct description *description = arg;
	const PGresult *rows = pg_answer_rows(answer);

	description->count++;
	if (answer->error)
		memcpy(description->sqlstate, answer->error->sqlstate, 6);
	if (!rows)
		return;
	assert_int_equal(answer->count, 1);
	description->fields = PQnfields(rows);
	description->type = PQftype(rows, 1);
	snprintf(description->name, sizeof description->name, "%s", PQfname(rows, 1));
}

static void test_describing_names_columns_without_running(void **state)
{
	struct rig_link link;
	struct description good = { 0 }, bad = { 0 };

	rig_open(&link, *state, "source", rig_server(RIG_SOURCE));
	pg_describe(link.connection, "SELECT pg_sleep(10), 1.5::float8 AS amount", on_description,
		    &good);
	pg_describe(link.connection, "SELECT nothing_of_the_kind", on_description, &bad);
	rig_wait(*state, &bad.count, 1);
	assert_int_equal(good.count, 1);
	assert_int_equal(good.fields, 2);
	assert_string_equal(good.name, "amount");
	assert_int_equal(good.type, 701);
	assert_string_equal(bad.sqlstate, "42703");
	pg_connection_close(link.connection);
}

struct order {
	int *next;
	int place;
};

static void on_ordered(void *arg, const struct pg_answer *answer)
{
	struct order *order = arg;

	assert_null(answer->error);
	order->place = ++*order->next;
}

static void test_queries_are_answered_in_order_and_ready_is_told_at_the_end(void **state)
{
	struct rig_link link;
	struct order orders[20];
	int next = 0;

	rig_open(&link, *state, "source", rig_server(RIG_SOURCE));
	for (int i = 0; i < 20; i++) {
		orders[i] = (struct order){ .next = &next };
		pg_submit(link.connection, i % 2 ? "SELECT 1" : "SELECT 1; SELECT 2", 0, NULL,
			  on_ordered, &orders[i]);
	}
	assert_int_equal(next, 0); /* never from within pg_submit() */
	rig_wait(*state, &next, 20);
	for (int i = 0; i < 20; i++)
		assert_int_equal(orders[i].place, i + 1);
	assert_int_equal(link.entered[PG_BUSY], 1);
	assert_int_equal(link.entered[PG_READY], 2);
	pg_connection_close(link.connection);
}

static void test_long_statements_and_long_answers_pass(void **state)
{
	struct rig_link link;
	struct rig_answer answer;
	_cleanup_text_ struct text sql = TEXT_INIT;

	rig_open(&link, *state, "source", rig_server(RIG_SOURCE));
	text_append(&sql, "SELECT length('");
	for (int i = 0; i < 200000; i++)
		text_append(&sql, "0123456789012345678901234567890123456789012345678901234567890123"
				  "456789012345678901234567890123456789");
	text_append(&sql, "')");
	rig_query(&link, sql.data, &answer);
	assert_string_equal(answer.value, "20000000");
	rig_query(&link, "SELECT repeat('x', 20000000)", &answer);
	assert_int_equal(strlen(answer.value), sizeof answer.value - 1);
	pg_connection_close(link.connection);
}

static void test_copy_as_a_query_is_an_error_that_leaves_the_connection_usable(void **state)
{
	static const char *const copies[] = {
		"COPY (SELECT generate_series(1, 300000)) TO STDOUT",
		"CREATE TEMP TABLE IF NOT EXISTS t (i int); COPY t FROM STDIN",
		"SELECT 1; COPY (SELECT 1) TO STDOUT; SELECT 2",
	};
	struct rig_link link;
	struct rig_answer answer;

	rig_open(&link, *state, "source", rig_server(RIG_SOURCE));
	for (size_t i = 0; i < sizeof copies / sizeof *copies; i++) {
		rig_query(&link, copies[i], &answer);
		assert_int_equal(answer.error.kind, ERROR_INTERNAL);
		rig_query(&link, "SELECT 'usable'", &answer);
		assert_string_equal(answer.value, "usable");
	}
	assert_int_equal(link.entered[PG_CONNECTING], 1);
	pg_connection_close(link.connection);
}

static void test_forgotten_callbacks_are_not_called(void **state)
{
	struct rig_link link;
	struct rig_answer forgotten = { 0 }, kept = { 0 };

	rig_open(&link, *state, "source", rig_server(RIG_SOURCE));
	pg_submit(link.connection, "SELECT 1", 0, NULL, rig_on_answer, &forgotten);
	pg_submit(link.connection, "SELECT 2", 0, NULL, rig_on_answer, &forgotten);
	pg_submit(link.connection, "SELECT 3", 0, NULL, rig_on_answer, &kept);
	rig_wait(*state, &link.entered[PG_BUSY], 1);
	pg_forget(link.connection, &forgotten);
	rig_wait(*state, &kept.count, 1);
	assert_int_equal(forgotten.count, 0);
	assert_string_equal(kept.value, "3");
	pg_connection_close(link.connection);
}

static void test_running_query_is_cancelled_by_another_connection(void **state)
{
	struct rig_link link, side;
	struct rig_answer answer = { 0 };

	rig_open(&link, *state, "source", rig_server(RIG_SOURCE));
	rig_open(&side, *state, "side", rig_server(RIG_SOURCE));
	pg_cancel_by(link.connection, side.connection); /* nothing runs: nothing happens */
	pg_submit(link.connection, "SELECT pg_sleep(10)", 0, NULL, rig_on_answer, &answer);
	rig_wait(*state, &link.entered[PG_BUSY], 1);
	while (answer.count == 0) { /* the first may arrive before the query does */
		pg_cancel_by(link.connection, side.connection);
		rig_run(*state, 20);
	}
	assert_int_equal(answer.count, 1);
	assert_int_equal(answer.error.kind, ERROR_CANCELLED);
	assert_string_equal(answer.error.sqlstate, "57014");
	assert_int_equal(pg_connection_state(link.connection), PG_READY);
	pg_connection_close(link.connection);
	pg_connection_close(side.connection);
}

static void test_values_in_notices_and_raised_errors_are_not_logged(void **state)
{
	const char *conninfo = rig_server(RIG_SOURCE);
	struct rig_link link;
	struct rig_answer answer;
	const struct journal_event *event;
	int notices = 0;
	uint64_t number = rig_begin_log(LOG_DEBUG);

	rig_open(&link, *state, "source", conninfo);
	rig_query(&link,
		  "DO $$ BEGIN RAISE NOTICE 'hunter2'; "
		  "RAISE EXCEPTION 'row hunter2 is bad' USING ERRCODE = '23505'; END $$",
		  &answer);
	assert_string_equal(answer.error.sqlstate, "23505");
	assert_int_equal(answer.error.kind, ERROR_DATA);
	assert_null(strstr(answer.error.message, "hunter2"));
	rig_query(&link, "SELECT 'hunter2'::int", &answer);
	assert_string_equal(answer.error.message, "invalid input syntax for type integer");
	rig_end_log();
	while ((event = journal_next(number))) {
		assert_null(strstr(event->message, "hunter2"));
		notices += strstr(event->message, "notice") != NULL;
		number = event->number;
	}
	assert_int_equal(notices, 1);
	pg_connection_close(link.connection);
}

#define WITH_BASE(test) cmocka_unit_test_setup_teardown(test, rig_make_base, rig_free_base)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_BASE(test_statements_of_one_query_answer_together),
		WITH_BASE(test_failed_statement_keeps_the_results_before_it),
		WITH_BASE(test_values_are_passed_as_parameters),
		WITH_BASE(test_describing_names_columns_without_running),
		WITH_BASE(test_queries_are_answered_in_order_and_ready_is_told_at_the_end),
		WITH_BASE(test_long_statements_and_long_answers_pass),
		WITH_BASE(test_copy_as_a_query_is_an_error_that_leaves_the_connection_usable),
		WITH_BASE(test_forgotten_callbacks_are_not_called),
		WITH_BASE(test_running_query_is_cancelled_by_another_connection),
		WITH_BASE(test_values_in_notices_and_raised_errors_are_not_logged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
