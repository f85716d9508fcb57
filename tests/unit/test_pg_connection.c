// Losing and closing a connection, at every moment and from within every callback: what was
// submitted is answered exactly once, and what comes later goes to the next link.
#include "tests/unit/pg_rig.h"

#include <string.h>

#include "common/text.h"

/* --- losing the link -------------------------------------------------------------------------- */

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

/* --- what a lost link leaves behind ----------------------------------------------------------- */

static void test_backend_of_a_lost_link_is_ended_before_the_next_is_ready(void **state)
{
	struct rig_link link, side;
	struct rig_answer lost = { 0 };
	_cleanup_free_ char *lives = NULL;

	rig_open(&link, *state, "target", rig_server(RIG_SOURCE));
	rig_open(&side, *state, "side", rig_server(RIG_SOURCE));
	lives = text_format("SELECT count(*) FROM pg_stat_activity WHERE pid = %d",
			    pg_connection_backend_pid(link.connection));
	pg_submit(link.connection, "SELECT pg_sleep(60)", 0, NULL, rig_on_answer, &lost);
	rig_wait(*state, &link.entered[PG_BUSY], 1);
	rig_assert_value(&side, lives, "1");
	pg_connection_reset(link.connection, "for the test");
	rig_wait(*state, &link.entered[PG_READY], 2);
	rig_assert_value(&side, lives, "0");
	pg_connection_close(link.connection);
	pg_connection_close(side.connection);
}

static void test_a_link_that_ended_its_predecessor_is_set_up_as_the_first_was(void **state)
{
	struct rig_link link;
	struct rig_answer lost = { 0 };

	rig_begin(&link, *state, "target", rig_server(RIG_SOURCE), "SET work_mem = '77kB'", 5000);
	rig_wait(*state, &link.entered[PG_READY], 1);
	rig_assert_value(&link, "SHOW work_mem", "77kB");
	pg_submit(link.connection, "SELECT pg_sleep(60)", 0, NULL, rig_on_answer, &lost);
	rig_wait(*state, &link.entered[PG_BUSY], 2);
	pg_connection_reset(link.connection, "for the test");
	rig_wait(*state, &link.entered[PG_SETTING_UP], 2);
	rig_assert_value(&link, "SHOW work_mem", "77kB");
	pg_connection_close(link.connection);
}

static void test_nobody_elses_backend_is_ended(void **state)
{
	struct rig_link link, other;

	rig_open(&link, *state, "target", rig_server(RIG_SOURCE));
	rig_open(&other, *state, "target", rig_server(RIG_SOURCE));
	pg_connection_reset(link.connection, "for the test");
	rig_wait(*state, &link.entered[PG_READY], 2);
	rig_assert_value(&other, "SELECT 'alive'", "alive");
	assert_int_equal(other.entered[PG_READY], 2); /* made, and after its query */
	pg_connection_close(link.connection);
	pg_connection_close(other.connection);
}

/* --- from within callbacks -------------------------------------------------------------------- */

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
		struct pg_connection *connection = pg_connection_new(base, &refused, close_when,
								     &when);

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
		struct pg_connection *connection = pg_connection_new(base, &settings, close_when,
								     &when);

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

#define WITH_BASE(test) cmocka_unit_test_setup_teardown(test, rig_make_base, rig_free_base)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_BASE(test_terminated_backend_answers_running_and_waiting_queries_once),
		WITH_BASE(test_loss_while_idle_is_noticed_with_its_reason),
		WITH_BASE(test_server_that_goes_away_and_returns_is_found_again),
		WITH_BASE(test_reset_answers_with_its_reason_and_connects_at_once),
		WITH_BASE(test_backend_of_a_lost_link_is_ended_before_the_next_is_ready),
		WITH_BASE(test_a_link_that_ended_its_predecessor_is_set_up_as_the_first_was),
		WITH_BASE(test_nobody_elses_backend_is_ended),
		WITH_BASE(test_closing_while_connecting_answers_what_waits),
		WITH_BASE(test_closing_before_opening_answers_with_cancelled),
		WITH_BASE(test_closing_in_an_answer_answers_the_others),
		WITH_BASE(test_reset_in_an_answer_spares_what_is_submitted_after_it),
		WITH_BASE(test_closing_in_any_state_told_is_safe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
