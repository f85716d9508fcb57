/* Queries that wait together are sent together, and each is answered as if it had been alone. */
#include "tests/unit/pg_rig.h"

#include <string.h>

static void submit(struct rig_link *link, const char *sql, struct rig_answer *answer)
{
	*answer = (struct rig_answer){ 0 };
	pg_submit(link->connection, sql, 0, NULL, rig_on_answer, answer);
}

static void test_each_is_a_transaction_of_its_own_and_fails_alone(void **state)
{
	struct rig_link link;
	struct rig_answer first, bad, described = { 0 }, undescribed = { 0 }, valued = { 0 }, last;

	rig_open(&link, *state, "source", rig_server(RIG_SOURCE));
	rig_must(&link, "CREATE TEMP TABLE t (i integer)");
	submit(&link, "INSERT INTO t VALUES (1)", &first);
	submit(&link, "INSERT INTO t SELECT 1 / 0", &bad);
	pg_describe(link.connection, "SELECT i FROM t", rig_on_answer, &described);
	pg_describe(link.connection, "SELECT nothing FROM t", rig_on_answer, &undescribed);
	pg_submit(link.connection, "INSERT INTO t VALUES ($1)", 1, (const char *const[]){ "2" },
		  rig_on_answer, &valued);
	submit(&link, "SELECT count(*) || ' rows, ' || sum(i) FROM t", &last);
	rig_wait(*state, &last.count, 1);
	assert_int_equal(first.count + bad.count + described.count + undescribed.count +
				 valued.count,
			 5);
	assert_string_equal(bad.error.sqlstate, "22012");
	assert_string_equal(undescribed.error.sqlstate, "42703");
	assert_int_equal(described.results, 1);
	assert_int_equal(first.error.kind + described.error.kind + valued.error.kind, ERROR_NONE);
	assert_string_equal(last.value, "2 rows, 3");
	rig_assert_value(&link, "SELECT count(*) FROM t; SELECT 'several statements'",
			 "several statements");
	assert_int_equal(link.entered[PG_CONNECTING], 1);
	pg_connection_close(link.connection);
}

static void test_more_than_go_together_are_answered_in_order(void **state)
{
	struct rig_answer answers[200];
	struct rig_link link;
	char sql[80], expected[20];

	rig_open(&link, *state, "source", rig_server(RIG_SOURCE));
	for (int i = 0; i < 200; i++) {
		snprintf(sql, sizeof sql, "SELECT '%d' AS i, repeat('x', 100000)%s", i,
			 i % 67 == 66 ? "; SELECT 'more'" : "");
		submit(&link, sql, &answers[i]);
	}
	rig_wait(*state, &answers[199].count, 1);
	for (int i = 0; i < 200; i++) {
		snprintf(expected, sizeof expected, "%d", i);
		assert_int_equal(answers[i].count, 1);
		assert_string_equal(answers[i].value, i % 67 == 66 ? "more" : expected);
	}
	pg_connection_close(link.connection);
}

static void test_a_lost_link_is_told_to_all_of_them(void **state)
{
	struct rig_link link;
	struct rig_answer answers[4];

	rig_open(&link, *state, "source", rig_server(RIG_SOURCE));
	submit(&link, "SELECT 1", &answers[0]);
	submit(&link, "SELECT pg_terminate_backend(pg_backend_pid())", &answers[1]);
	submit(&link, "SELECT 2", &answers[2]);
	submit(&link, "SELECT 3; SELECT 4", &answers[3]);
	rig_wait(*state, &answers[3].count, 1);
	assert_string_equal(answers[0].value, "1");
	for (int i = 1; i < 4; i++) {
		assert_int_equal(answers[i].count, 1);
		assert_int_equal(answers[i].error.kind, ERROR_CONNECTION);
	}
	rig_wait(*state, &link.entered[PG_READY], 2);
	rig_assert_value(&link, "SELECT 'again'", "again");
	pg_connection_close(link.connection);
}

struct ending {
	struct pg_connection *connection;
	bool closes;
	int count;
};

static void on_ending(void *arg, const struct pg_answer *answer)
{
	struct ending *ending = arg;

	(void)answer;
	ending->count++;
	if (ending->closes)
		pg_connection_close(ending->connection);
	else
		pg_connection_reset(ending->connection, "a test wants it");
}

static void test_a_callback_may_end_the_connection_before_the_others_are_answered(void **state)
{
	for (int closes = 0; closes < 2; closes++) {
		struct rig_link link;
		struct rig_answer before, after, last;
		struct ending ending = { .closes = closes };

		rig_open(&link, *state, "source", rig_server(RIG_SOURCE));
		ending.connection = link.connection;
		submit(&link, "SELECT 1", &before);
		pg_submit(link.connection, "SELECT 2", 0, NULL, on_ending, &ending);
		submit(&link, "SELECT 3", &after);
		submit(&link, "SELECT 4", &last);
		rig_wait(*state, &last.count, 1);
		assert_string_equal(before.value, "1");
		assert_int_equal(ending.count, 1);
		assert_int_equal(after.error.kind, closes ? ERROR_CANCELLED : ERROR_CONNECTION);
		assert_int_equal(last.error.kind, after.error.kind);
		if (closes)
			continue;
		rig_assert_value(&link, "SELECT 'again'", "again");
		pg_connection_close(link.connection);
	}
}

#define WITH_BASE(test) cmocka_unit_test_setup_teardown(test, rig_make_base, rig_free_base)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_BASE(test_each_is_a_transaction_of_its_own_and_fails_alone),
		WITH_BASE(test_more_than_go_together_are_answered_in_order),
		WITH_BASE(test_a_lost_link_is_told_to_all_of_them),
		WITH_BASE(test_a_callback_may_end_the_connection_before_the_others_are_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
