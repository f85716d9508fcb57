// The connection machine: what is told of states, that every query is answered exactly once, and that
// every kind of loss is survived.
//
// link: -Wl,--wrap=clock_monotonic_ms
#include "tests/unit/pg_rig.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/journal.h"
#include "common/text.h"

/* Time may be told to jump. */
int64_t __real_clock_monotonic_ms(void);
int64_t __wrap_clock_monotonic_ms(void);
static int64_t jumped_ms;

int64_t __wrap_clock_monotonic_ms(void)
{
	return __real_clock_monotonic_ms() + jumped_ms;
}

/* Logs from here on, where nobody sees it but the journal's ring. Returns the number of the last event. */
static uint64_t begin_log(int *spare, int max_priority)
{
	*spare = dup(STDERR_FILENO);
	close(STDERR_FILENO);
	assert_int_equal(open("/dev/null", O_WRONLY), STDERR_FILENO);
	journal_init(max_priority);
	return journal_last_number();
}

static void end_log(int spare)
{
	journal_init(LOG_CRIT);
	dup2(spare, STDERR_FILENO);
	close(spare);
}

static int make_base(void **state)
{
	journal_init(LOG_CRIT);
	jumped_ms = 0;
	*state = event_base_new();
	return 0;
}

static int free_base(void **state)
{
	rig_base_free(*state);
	return 0;
}

/* --- connecting, without a server ------------------------------------------------------------------ */

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
	int spare;
	uint64_t before = begin_log(&spare, LOG_WARNING);

	rig_relay_refuse(relay, true);
	rig_begin(&link, base, "source", rig_relay_conninfo(relay), NULL, 5000);
	rig_wait(base, &link.entered[PG_WAITING], 5);
	assert_int_equal(journal_last_number(), before + 1);
	jumped_ms = 61000;
	rig_wait(base, &link.entered[PG_WAITING], 10);
	end_log(spare);
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
		{ "53300", ERROR_BUSY },      { "57P03", ERROR_BUSY },
		{ "28P01", ERROR_DENIED },    { "28000", ERROR_DENIED },
		{ "3D000", ERROR_STRUCTURE }, { "42501", ERROR_DENIED },
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

static const struct pg_connection_settings refused = {
	.name = "source",
	.conninfo = "host=127.0.0.1 port=1 dbname=x user=x",
	.application_name = "migrated-test",
	.reconnect = true,
};

static void close_when(void *arg, struct pg_connection *connection, enum pg_state state,
		       const struct error *err)
{
	enum pg_state *when = arg;

	(void)err;
	if (state == *when)
		pg_connection_close(connection);
	else
		assert_int_not_equal(pg_connection_state(connection), PG_CLOSED);
}

static void test_closing_while_connecting_answers_what_waits(void **state)
{
	static const enum pg_state states[] = { PG_CONNECTING, PG_WAITING };
	struct event_base *base = *state;

	for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
		enum pg_state when = states[i];
		struct rig_answer answer = { 0 };
		struct pg_connection *connection =
			pg_connection_new(base, &refused, close_when, &when);

		pg_connection_open(connection);
		pg_submit(connection, "SELECT 1", 0, NULL, rig_on_answer, &answer);
		rig_wait(base, &answer.count, 1);
		rig_run(base, 20);
		assert_int_equal(answer.count, 1);
	}
}

static void test_closing_before_opening_answers_with_cancelled(void **state)
{
	struct event_base *base = *state;
	enum pg_state never = PG_CLOSED;
	struct rig_answer answer = { 0 };
	struct pg_connection *connection = pg_connection_new(base, &refused, close_when, &never);

	pg_submit(connection, "SELECT 1", 0, NULL, rig_on_answer, &answer);
	pg_connection_close(connection);
	assert_int_equal(answer.count, 1);
	assert_int_equal(answer.error.kind, ERROR_CANCELLED);
	pg_connection_close(NULL);
}

/* --- queries -------------------------------------------------------------------------------------- */

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
	int notices = 0, spare;
	uint64_t number = begin_log(&spare, LOG_DEBUG);

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
	end_log(spare);
	while ((event = journal_next(number))) {
		assert_null(strstr(event->message, "hunter2"));
		notices += strstr(event->message, "notice") != NULL;
		number = event->number;
	}
	assert_int_equal(notices, 1);
	pg_connection_close(link.connection);
}

/* --- losing the link ------------------------------------------------------------------------------ */

static void test_terminated_backend_answers_running_and_waiting_queries_once(void **state)
{
	struct rig_link link, side;
	struct rig_answer answers[5] = { 0 }, killed;
	_cleanup_free_ char *kill = NULL;

	rig_open(&link, *state, "source", rig_server(RIG_SOURCE));
	rig_open(&side, *state, "side", rig_server(RIG_SOURCE));
	pg_submit(link.connection, "SELECT 'done'; SELECT pg_sleep(10)", 0, NULL, rig_on_answer,
		  &answers[0]);
	for (int i = 1; i < 5; i++)
		pg_submit(link.connection, "SELECT 1", 0, NULL, rig_on_answer, &answers[i]);
	rig_wait(*state, &link.entered[PG_BUSY], 1);
	kill = text_format("SELECT pg_terminate_backend(%d)",
			   pg_connection_backend_pid(link.connection));
	rig_query(&side, kill, &killed);
	assert_string_equal(killed.value, "t");
	rig_wait(*state, &link.entered[PG_READY], 2);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(answers[i].count, 1);
		assert_int_equal(answers[i].error.kind, ERROR_CONNECTION);
		assert_string_equal(answers[i].error.sqlstate, "57P01");
		assert_non_null(strstr(answers[i].error.message, "connection to the source lost"));
	}
	rig_query(&link, "SELECT 'again'", &killed);
	assert_string_equal(killed.value, "again");
	pg_connection_close(link.connection);
	pg_connection_close(side.connection);
}

static void test_loss_while_idle_is_noticed_with_its_reason(void **state)
{
	struct rig_link link, side;
	struct rig_answer killed;
	_cleanup_free_ char *kill = NULL;

	rig_open(&link, *state, "source", rig_server(RIG_SOURCE));
	rig_open(&side, *state, "side", rig_server(RIG_SOURCE));
	kill = text_format("SELECT pg_terminate_backend(%d)",
			   pg_connection_backend_pid(link.connection));
	rig_query(&side, kill, &killed);
	rig_wait(*state, &link.entered[PG_WAITING], 1);
	assert_string_equal(link.last.sqlstate, "57P01");
	assert_int_equal(link.last.kind, ERROR_CONNECTION);
	rig_wait(*state, &link.entered[PG_READY], 2);
	assert_int_equal(pg_connection_last_error(link.connection)->kind, ERROR_NONE);
	pg_connection_close(link.connection);
	pg_connection_close(side.connection);
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

static void test_server_that_goes_away_and_returns_is_found_again(void **state)
{
	struct rig_relay *relay = rig_relay_new(*state, rig_server(RIG_SOURCE));
	struct rig_link link;
	struct rig_answer lost = { 0 }, after;

	rig_open(&link, *state, "source", rig_relay_conninfo(relay));
	pg_submit(link.connection, "SELECT pg_sleep(10)", 0, NULL, rig_on_answer, &lost);
	rig_wait(*state, &link.entered[PG_BUSY], 1);
	rig_relay_refuse(relay, true);
	rig_relay_cut(relay);
	rig_wait(*state, &lost.count, 1);
	assert_string_equal(lost.error.sqlstate, "");
	assert_int_equal(lost.error.kind, ERROR_CONNECTION);
	rig_wait(*state, &link.entered[PG_CONNECTING], 4);
	rig_relay_refuse(relay, false);
	rig_wait(*state, &link.entered[PG_READY], 2);
	rig_query(&link, "SELECT 'back'", &after);
	assert_string_equal(after.value, "back");
	assert_int_equal(lost.count, 1);
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

static void test_reset_answers_with_its_reason_and_connects_at_once(void **state)
{
	struct rig_link link;
	struct rig_answer answers[2] = { 0 }, after;
	int before;

	rig_open(&link, *state, "target", rig_server(RIG_SOURCE));
	before = pg_connection_backend_pid(link.connection);
	pg_submit(link.connection, "SELECT pg_sleep(10)", 0, NULL, rig_on_answer, &answers[0]);
	pg_submit(link.connection, "SELECT 1", 0, NULL, rig_on_answer, &answers[1]);
	rig_wait(*state, &link.entered[PG_BUSY], 1);
	pg_connection_reset(link.connection, "the answer is overdue");
	for (int i = 0; i < 2; i++) {
		assert_int_equal(answers[i].count, 1);
		assert_int_equal(answers[i].error.kind, ERROR_CONNECTION);
		assert_string_equal(answers[i].error.message,
				    "connection to the target given up: the answer is overdue");
	}
	rig_query(&link, "SELECT 'after'", &after);
	assert_string_equal(after.value, "after");
	assert_int_not_equal(pg_connection_backend_pid(link.connection), before);
	pg_connection_close(link.connection);
}

/* --- from within callbacks ------------------------------------------------------------------------ */

struct closer {
	struct pg_connection *connection;
	int count;
	struct rig_answer behind;
	const char *submit; /* instead of closing */
};

static void on_answer_close(void *arg, const struct pg_answer *answer)
{
	struct closer *closer = arg;

	(void)answer;
	closer->count++;
	pg_submit(closer->connection, "SELECT 1", 0, NULL, rig_on_answer, &closer->behind);
	pg_connection_close(closer->connection);
	assert_int_equal(closer->behind.count, 1);
	assert_int_equal(closer->behind.error.kind, ERROR_CANCELLED);
}

static void test_closing_in_an_answer_answers_the_others(void **state)
{
	struct rig_link link;
	struct rig_answer waiting = { 0 };
	struct closer closer = { 0 };

	rig_open(&link, *state, "source", rig_server(RIG_SOURCE));
	closer.connection = link.connection;
	pg_submit(link.connection, "SELECT 1", 0, NULL, on_answer_close, &closer);
	pg_submit(link.connection, "SELECT 1", 0, NULL, rig_on_answer, &waiting);
	rig_wait(*state, &waiting.count, 1);
	rig_run(*state, 20);
	assert_int_equal(closer.count, 1);
	assert_int_equal(waiting.count, 1);
	assert_int_equal(waiting.error.kind, ERROR_CANCELLED);
	assert_int_equal(closer.behind.count, 1);
}

static void on_answer_reset(void *arg, const struct pg_answer *answer)
{
	struct closer *closer = arg;

	assert_null(answer->error);
	closer->count++;
	pg_connection_reset(closer->connection, "for the test");
	/* Submitted after the loss: it waits for the next connection. */
	pg_submit(closer->connection, "SELECT 'next'", 0, NULL, rig_on_answer, &closer->behind);
}

static void test_reset_in_an_answer_spares_what_is_submitted_after_it(void **state)
{
	struct rig_link link;
	struct rig_answer waiting = { 0 };
	struct closer closer = { 0 };

	rig_open(&link, *state, "source", rig_server(RIG_SOURCE));
	closer.connection = link.connection;
	pg_submit(link.connection, "SELECT 1", 0, NULL, on_answer_reset, &closer);
	pg_submit(link.connection, "SELECT 1", 0, NULL, rig_on_answer, &waiting);
	rig_wait(*state, &closer.behind.count, 1);
	assert_int_equal(waiting.count, 1);
	assert_int_equal(waiting.error.kind, ERROR_CONNECTION);
	assert_string_equal(closer.behind.value, "next");
	pg_connection_close(link.connection);
}

static void test_closing_in_any_state_told_is_safe(void **state)
{
	static const enum pg_state states[] = { PG_CONNECTING, PG_SETTING_UP, PG_READY, PG_BUSY };
	struct event_base *base = *state;
	struct pg_connection_settings settings = refused;

	settings.conninfo = rig_server(RIG_SOURCE);
	for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
		enum pg_state when = states[i];
		struct rig_answer answers[2] = { 0 };
		struct pg_connection *connection =
			pg_connection_new(base, &settings, close_when, &when);

		for (int j = 0; j < 2; j++)
			pg_submit(connection, "SELECT 1", 0, NULL, rig_on_answer, &answers[j]);
		pg_connection_open(connection);
		rig_wait(base, &answers[1].count, 1);
		rig_run(base, 20);
		for (int j = 0; j < 2; j++) {
			assert_int_equal(answers[j].count, 1);
			assert_int_equal(answers[j].error.kind, ERROR_CANCELLED);
		}
	}
}

#define WITH_BASE(test) cmocka_unit_test_setup_teardown(test, make_base, free_base)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_BASE(test_refused_connection_is_retried_and_fails_waiting_queries_once),
		WITH_BASE(test_repeated_failures_are_logged_once_a_minute),
		WITH_BASE(test_sqlstate_of_a_refused_login_is_known),
		WITH_BASE(test_silent_server_is_given_up_at_the_deadline),
		WITH_BASE(test_nonsense_in_the_connection_string_is_not_repeated),
		WITH_BASE(test_closing_while_connecting_answers_what_waits),
		WITH_BASE(test_closing_before_opening_answers_with_cancelled),
		WITH_BASE(test_statements_of_one_query_answer_together),
		WITH_BASE(test_failed_statement_keeps_the_results_before_it),
		WITH_BASE(test_values_are_passed_as_parameters),
		WITH_BASE(test_describing_names_columns_without_running),
		WITH_BASE(test_queries_are_answered_in_order_and_ready_is_told_at_the_end),
		WITH_BASE(test_long_statements_and_long_answers_pass),
		WITH_BASE(test_copy_as_a_query_is_an_error_that_leaves_the_connection_usable),
		WITH_BASE(test_forgotten_callbacks_are_not_called),
		WITH_BASE(test_running_query_is_cancelled_by_another_connection),
		WITH_BASE(test_terminated_backend_answers_running_and_waiting_queries_once),
		WITH_BASE(test_loss_while_idle_is_noticed_with_its_reason),
		WITH_BASE(test_link_cut_while_connecting_answers_once_and_tries_again),
		WITH_BASE(test_server_that_goes_away_and_returns_is_found_again),
		WITH_BASE(test_failed_setup_is_a_failed_connection),
		WITH_BASE(test_setup_that_hangs_is_given_up_at_the_deadline),
		WITH_BASE(test_reset_answers_with_its_reason_and_connects_at_once),
		WITH_BASE(test_closing_in_an_answer_answers_the_others),
		WITH_BASE(test_reset_in_an_answer_spares_what_is_submitted_after_it),
		WITH_BASE(test_closing_in_any_state_told_is_safe),
		WITH_BASE(test_values_in_notices_and_raised_errors_are_not_logged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
