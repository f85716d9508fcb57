// Transactions within another: that a query which fails takes nothing with it but itself, and that guests wait their turn.
#include "tests/unit/pg_rig.h"

#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "postgres/transaction.h"

/* One transaction is around all others, and there is a table in it. */
static void begin_around(struct rig_link *link)
{
	struct rig_answer answer = { 0 };

	pg_begin_around(link->connection, "BEGIN; CREATE TEMPORARY TABLE seen (what text)",
			rig_on_answer, &answer);
	rig_wait(link->base, &answer.count, 1);
	assert_int_equal(answer.error.kind, ERROR_NONE);
}

static void test_failed_query_takes_nothing_with_it_but_itself(void **state)
{
	struct rig_link link;
	struct rig_answer answer;

	rig_open(&link, *state, "target", rig_server(RIG_TARGET));
	begin_around(&link);
	rig_must(&link, "INSERT INTO seen VALUES ('before')");
	rig_query(&link, "INSERT INTO seen VALUES ('lost'); SELECT 1/0", &answer);
	assert_string_equal(answer.error.sqlstate, "22012");
	rig_assert_value(&link, "SELECT string_agg(what, ' ') FROM seen", "before");
	assert_int_equal(pg_connection_transaction(link.connection), PQTRANS_INTRANS);
	pg_connection_close(link.connection);
}

static void test_answers_hold_no_word_of_the_savepoints(void **state)
{
	struct rig_link link;
	struct rig_answer answer = { 0 };

	rig_open(&link, *state, "target", rig_server(RIG_TARGET));
	begin_around(&link);
	rig_query(&link, "SELECT 1; SELECT 'two'", &answer);
	assert_int_equal(answer.results, 2);
	assert_string_equal(answer.value, "two");
	answer = (struct rig_answer){ 0 };
	pg_submit(link.connection, "SELECT $1::text", 1, (const char *const[]){ "three" },
		  rig_on_answer, &answer);
	rig_wait(link.base, &answer.count, 1);
	assert_int_equal(answer.results, 1);
	assert_string_equal(answer.value, "three");
	answer = (struct rig_answer){ 0 };
	pg_describe(link.connection, "SELECT 1 AS one", rig_on_answer, &answer);
	rig_wait(link.base, &answer.count, 1);
	assert_int_equal(answer.results, 1);
	pg_connection_close(link.connection);
}

/* What a transaction says of itself, here or there, is what a batch says. */
static void say(struct rig_link *link, const char *sql)
{
	struct rig_answer answer = { 0 };

	pg_continue(link->connection, sql, rig_on_answer, &answer);
	rig_wait(link->base, &answer.count, 1);
}

static void test_transaction_is_said_alike_alone_and_within(void **state)
{
	struct rig_link link;
	const struct pg_transaction *words;

	rig_open(&link, *state, "target", rig_server(RIG_TARGET));
	assert_false(pg_transaction_on(link.connection)->within);
	begin_around(&link);
	words = pg_transaction_on(link.connection);
	assert_true(words->within);
	say(&link, words->begin);
	say(&link, "INSERT INTO seen VALUES ('kept')");
	say(&link, words->end);
	say(&link, words->begin);
	say(&link, "INSERT INTO seen VALUES ('undone')");
	say(&link, "SELECT 1/0");
	say(&link, words->undo);
	rig_assert_value(&link, "SELECT string_agg(what, ' ') FROM seen", "kept");
	pg_connection_close(link.connection);
}

static void test_guests_wait_while_it_is_reserved(void **state)
{
	struct rig_link link;
	struct rig_answer waits = { 0 };
	struct pg_connection *guest;

	rig_open(&link, *state, "target", rig_server(RIG_TARGET));
	begin_around(&link);
	guest = pg_guest_new(link.connection);
	pg_reserve(link.connection);
	pg_submit(guest, "SELECT string_agg(what, ' ') FROM seen", 0, NULL, rig_on_answer, &waits);
	assert_false(pg_connection_is_idle(guest));
	rig_must(&link, "INSERT INTO seen VALUES ('meanwhile')");
	assert_int_equal(waits.count, 0);
	pg_unreserve(link.connection);
	rig_wait(link.base, &waits.count, 1);
	assert_string_equal(waits.value, "meanwhile");
	assert_string_equal(pg_connection_name(guest), "target");
	assert_true(pg_connection_is_up(guest));
	pg_connection_close(guest);
	pg_connection_close(link.connection);
}

static void test_lost_link_answers_those_that_wait(void **state)
{
	struct rig_link link;
	struct rig_answer waits = { 0 }, forgotten = { 0 };
	struct pg_connection *guest;

	rig_open(&link, *state, "target", rig_server(RIG_TARGET));
	begin_around(&link);
	guest = pg_guest_new(link.connection);
	pg_reserve(link.connection);
	pg_submit(guest, "SELECT 1", 0, NULL, rig_on_answer, &waits);
	pg_submit(guest, "SELECT 1", 0, NULL, rig_on_answer, &forgotten);
	pg_forget(guest, &forgotten);
	pg_connection_reset(guest, "a test");
	rig_wait(link.base, &waits.count, 1);
	assert_int_equal(waits.error.kind, ERROR_CONNECTION);
	assert_int_equal(forgotten.count, 0);
	assert_false(pg_transaction_on(guest)->within);
	pg_connection_close(guest);
	pg_connection_close(link.connection);
}

#define WITH_BASE(test) cmocka_unit_test_setup_teardown(test, rig_make_base, rig_free_base)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_BASE(test_failed_query_takes_nothing_with_it_but_itself),
		WITH_BASE(test_answers_hold_no_word_of_the_savepoints),
		WITH_BASE(test_transaction_is_said_alike_alone_and_within),
		WITH_BASE(test_guests_wait_while_it_is_reserved),
		WITH_BASE(test_lost_link_answers_those_that_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
