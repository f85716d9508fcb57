// The pump's failures: that each of them, on either side and at any time, ends in one answer that
// names its cause, leaves no row behind, and leaves connections that work.
#include "tests/unit/pump_rig.h"

#include <string.h>

#include "common/text.h"

/* --- statements that fail --------------------------------------------------------------------- */

static void test_statements_that_cannot_work_are_told_by_side(void **state)
{
	static const struct {
		const char *source, *target;
		bool source_failed, target_failed;
		enum error_kind kind;
		const char *sqlstate;
	} cases[] = {
		{ "COPY nothing TO STDOUT", "COPY t FROM STDIN", true, false, ERROR_STRUCTURE,
		  "42P01" },
		{ "COPY (SELECT 1) TO STDOUT", "COPY nothing FROM STDIN", false, true,
		  ERROR_STRUCTURE, "42P01" },
		{ "COPY (SELECT 1) TO STDOUT", "SELECT 1/0; COPY t FROM STDIN", false, true,
		  ERROR_DATA, "22012" },
		{ "SELECT 1", "COPY t FROM STDIN", true, false, ERROR_INTERNAL, "" },
		{ "COPY (SELECT 1) TO STDOUT", "SELECT 1", false, true, ERROR_INTERNAL, "" },
		{ "COPY (SELECT 1) TO STDOUT", "COPY t FROM STDIN (FORMAT binary)", false, false,
		  ERROR_INTERNAL, "" },
		{ "COPY (SELECT 1, 2) TO STDOUT", "COPY t FROM STDIN", false, false, ERROR_INTERNAL,
		  "" },
		{ "COPY (SELECT 'x') TO STDOUT", "COPY t FROM STDIN", false, true, ERROR_DATA,
		  "22P02" },
		{ "", "COPY t FROM STDIN", true, false, ERROR_INTERNAL, "" },
	};
	struct pump_rig *bench = *state;

	pump_rig_open(bench);
	rig_must(&bench->target, "CREATE TEMP TABLE t (i int)");
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		pump_rig_run(bench, cases[i].source, cases[i].target);
		assert_int_equal(bench->outcome.error.kind, cases[i].kind);
		assert_string_equal(bench->outcome.error.sqlstate, cases[i].sqlstate);
		assert_int_equal(bench->outcome.source_failed, cases[i].source_failed);
		assert_int_equal(bench->outcome.target_failed, cases[i].target_failed);
		pump_rig_assert_usable(bench);
	}
	rig_assert_value(&bench->target, "SELECT count(*) FROM t", "0");
	assert_int_equal(bench->source.entered[PG_CONNECTING], 1);
	assert_int_equal(bench->target.entered[PG_CONNECTING], 1);
}

static void test_copy_in_the_wrong_direction_ends_with_new_connections(void **state)
{
	struct pump_rig *bench = *state;

	pump_rig_open(bench);
	rig_must(&bench->source, "CREATE TEMP TABLE t (i int)");
	pump_rig_run(bench, "COPY t FROM STDIN", "COPY (SELECT 1) TO STDOUT");
	assert_int_equal(bench->outcome.error.kind, ERROR_INTERNAL);
	rig_wait(bench->base, &bench->source.entered[PG_READY], 3);
	pump_rig_assert_usable(bench);
}

static void test_connection_that_is_not_idle_is_refused(void **state)
{
	struct pump_rig *bench = *state;
	struct rig_answer busy = { 0 };

	pump_rig_open(bench);
	pg_submit(bench->source.connection, "SELECT 1", 0, NULL, rig_on_answer, &busy);
	pump_rig_run(bench, "COPY (SELECT 1) TO STDOUT", "COPY t FROM STDIN");
	assert_int_equal(bench->outcome.error.kind, ERROR_CONNECTION);
	rig_wait(bench->base, &busy.count, 1);
	pump_rig_assert_usable(bench);
}

static void test_source_error_in_the_middle_leaves_nothing(void **state)
{
	struct pump_rig *bench = *state;

	pump_rig_open(bench);
	rig_must(&bench->target, "CREATE TEMP TABLE t (i int)");
	pump_rig_run(bench,
		     "COPY (SELECT 1 / (150000 - i) FROM generate_series(1, 200000) i) TO STDOUT",
		     "COPY t FROM STDIN");
	assert_true(bench->outcome.source_failed);
	assert_false(bench->outcome.target_failed);
	assert_string_equal(bench->outcome.error.sqlstate, "22012");
	assert_true(bench->outcome.bytes > 0);
	rig_assert_value(&bench->target, "SELECT count(*) FROM t", "0");
	pump_rig_assert_usable(bench);
	assert_int_equal(bench->source.entered[PG_CONNECTING], 1);
}

static void test_target_error_in_the_middle_keeps_a_source_that_ends_soon(void **state)
{
	struct pump_rig *bench = *state;

	pump_rig_open(bench);
	rig_must(&bench->target, "CREATE TEMP TABLE t (i int CHECK (i <> 100000), "
				 "d int GENERATED ALWAYS AS (1 / (300000 - i)) STORED)");
	pump_rig_run(bench, "COPY (SELECT generate_series(1, 200000)) TO STDOUT",
		     "COPY t (i) FROM STDIN");
	assert_true(bench->outcome.target_failed);
	assert_false(bench->outcome.source_failed);
	assert_string_equal(bench->outcome.error.sqlstate, "23514");
	pump_rig_run(bench, "COPY (SELECT generate_series(200001, 400000)) TO STDOUT",
		     "COPY t (i) FROM STDIN");
	assert_true(bench->outcome.target_failed);
	assert_string_equal(bench->outcome.error.sqlstate, "22012");
	rig_assert_value(&bench->target, "SELECT count(*) FROM t", "0");
	pump_rig_assert_usable(bench);
	assert_int_equal(bench->source.entered[PG_CONNECTING], 1);
	assert_int_equal(bench->target.entered[PG_CONNECTING], 1);
}

static void test_target_error_at_the_first_row_is_heard_long_before_the_end(void **state)
{
	struct pump_rig *bench = *state;

	pump_rig_open(bench);
	rig_must(&bench->target, "CREATE TEMP TABLE t (i int CHECK (i <> 1), fill text)");
	pump_rig_run(bench,
		     "COPY (SELECT generate_series(1, 100000000), repeat('x', 200)) TO STDOUT",
		     "COPY t FROM STDIN");
	assert_true(bench->outcome.target_failed);
	assert_string_equal(bench->outcome.error.sqlstate, "23514");
	assert_true(bench->outcome.bytes < 64 * 1024 * 1024);
	rig_wait(bench->base, &bench->source.entered[PG_CONNECTING], 2); /* its rest was too long */
	rig_wait(bench->base, &bench->source.entered[PG_READY], 2);
	pump_rig_assert_usable(bench);
	assert_int_equal(bench->target.entered[PG_CONNECTING], 1);
}

static void test_target_error_while_the_source_thinks_is_answered_in_time(void **state)
{
	struct pump_rig *bench = *state;

	pump_rig_open(bench);
	pump_rig_run(bench, "COPY (SELECT pg_sleep(10)) TO STDOUT", "COPY nothing FROM STDIN");
	assert_string_equal(bench->outcome.error.sqlstate, "42P01");
	assert_true(bench->outcome.target_failed);
	assert_int_equal(bench->outcome.count, 1);
}

static void test_rows_that_a_trigger_drops_are_missed(void **state)
{
	struct pump_rig *bench = *state;

	pump_rig_open(bench);
	rig_must(&bench->target,
		 "CREATE TEMP TABLE t (i int); "
		 "CREATE FUNCTION pg_temp.drop_some() RETURNS trigger LANGUAGE plpgsql AS "
		 "$$ BEGIN IF NEW.i = 7 THEN RETURN NULL; END IF; RETURN NEW; END $$; "
		 "CREATE TRIGGER drop_some BEFORE INSERT ON t FOR EACH ROW "
		 "EXECUTE FUNCTION pg_temp.drop_some()");
	pump_rig_run(bench, "COPY (SELECT generate_series(1, 10)) TO STDOUT", "COPY t FROM STDIN");
	assert_int_equal(bench->outcome.error.kind, ERROR_INTERNAL);
	assert_string_equal(bench->outcome.error.message,
			    "the source sent 10 rows, the target took 9");
	pump_rig_assert_usable(bench);
}

static void test_notices_in_the_middle_are_no_errors(void **state)
{
	struct pump_rig *bench = *state;

	pump_rig_open(bench);
	rig_must(&bench->target,
		 "CREATE TEMP TABLE t (i int); "
		 "CREATE FUNCTION pg_temp.chatter() RETURNS trigger LANGUAGE plpgsql AS "
		 "$$ BEGIN RAISE NOTICE '%', repeat('chatter ', 2000); PERFORM pg_sleep(0.002); "
		 "RETURN NEW; END $$; "
		 "CREATE TRIGGER chatter BEFORE INSERT ON t FOR EACH ROW WHEN (NEW.i % 100 = 0) "
		 "EXECUTE FUNCTION pg_temp.chatter()");
	pump_rig_run(bench, "COPY (SELECT generate_series(1, 20000)) TO STDOUT",
		     "COPY t FROM STDIN");
	assert_string_equal(bench->outcome.error.message, "");
	assert_int_equal(bench->outcome.rows, 20000);
}

/* --- connections that fail -------------------------------------------------------------------- */

static void terminate(struct pump_rig *bench, const char *server, struct rig_link *victim)
{
	_cleanup_free_ char *sql = text_format("SELECT pg_terminate_backend(%d)",
					       pg_connection_backend_pid(victim->connection));
	struct rig_link side;

	rig_open(&side, bench->base, "side", rig_server(server));
	rig_assert_value(&side, sql, "t");
	pg_connection_close(side.connection);
}

static void test_terminated_source_leaves_nothing(void **state)
{
	struct pump_rig *bench = *state;
	struct pump *pump;

	pump_rig_open(bench);
	rig_must(&bench->target, "CREATE TEMP TABLE t (i int, fill text)");
	pump = pump_rig_start(bench, PUMP_RIG_ENDLESS, "BEGIN; COPY t FROM STDIN");
	pump_rig_wait_for_bytes(bench, pump, 100000);
	terminate(bench, RIG_SOURCE, &bench->source);
	rig_wait(bench->base, &bench->outcome.count, 1);
	assert_true(bench->outcome.source_failed);
	assert_false(bench->outcome.target_failed);
	/* With its SQLSTATE or without: a backend that dies while it sends does not say why. */
	assert_int_equal(bench->outcome.error.kind, ERROR_CONNECTION);
	assert_int_equal(pg_connection_transaction(bench->target.connection), PQTRANS_INERROR);
	rig_must(&bench->target, "ROLLBACK");
	rig_wait(bench->base, &bench->source.entered[PG_READY], 2);
	pump_rig_assert_usable(bench);
	rig_assert_value(&bench->target, "SELECT count(*) FROM t", "0");
}

static void test_terminated_target_is_told_with_its_reason(void **state)
{
	struct pump_rig *bench = *state;
	struct pump *pump;

	pump_rig_open(bench);
	rig_must(&bench->target, "CREATE TEMP TABLE t (i int, fill text)");
	pump = pump_rig_start(bench, PUMP_RIG_ENDLESS, "COPY t FROM STDIN");
	pump_rig_wait_for_bytes(bench, pump, 100000);
	terminate(bench, RIG_TARGET, &bench->target);
	rig_wait(bench->base, &bench->outcome.count, 1);
	assert_true(bench->outcome.target_failed);
	assert_false(bench->outcome.source_failed);
	assert_int_equal(bench->outcome.error.kind, ERROR_CONNECTION);
	assert_string_equal(bench->outcome.error.sqlstate, "57P01");
	rig_wait(bench->base, &bench->target.entered[PG_READY], 2);
	rig_wait(bench->base, &bench->source.entered[PG_READY], 2);
	pump_rig_assert_usable(bench);
}

static void test_link_to_the_target_cut_is_told(void **state)
{
	struct pump_rig *bench = *state;
	struct pump *pump;

	pump_rig_open_by_relay(bench);
	rig_must(&bench->target, "CREATE TEMP TABLE t (i int, fill text)");
	pump = pump_rig_start(bench, PUMP_RIG_ENDLESS, "COPY t FROM STDIN");
	pump_rig_wait_for_bytes(bench, pump, 100000);
	rig_relay_cut(bench->relay);
	rig_wait(bench->base, &bench->outcome.count, 1);
	assert_true(bench->outcome.target_failed);
	assert_int_equal(bench->outcome.error.kind, ERROR_CONNECTION);
	rig_wait(bench->base, &bench->target.entered[PG_READY], 2);
	rig_wait(bench->base, &bench->source.entered[PG_READY], 2);
	pump_rig_assert_usable(bench);
}

static void test_closing_both_connections_ends_the_pump_at_once(void **state)
{
	struct pump_rig *bench = *state;

	for (int source_first = 0; source_first < 2; source_first++) {
		struct rig_link *first, *second;
		struct pump *pump;

		pump_rig_open(bench);
		rig_must(&bench->target, "CREATE TEMP TABLE t (i int, fill text)");
		pump = pump_rig_start(bench, PUMP_RIG_ENDLESS, "COPY t FROM STDIN");
		pump_rig_wait_for_bytes(bench, pump, 100000);
		first = source_first ? &bench->source : &bench->target;
		second = source_first ? &bench->target : &bench->source;
		pg_connection_close(first->connection);
		assert_int_equal(bench->outcome.count, 0);
		pg_connection_close(second->connection);
		assert_int_equal(bench->outcome.count, 1);
		assert_int_equal(bench->outcome.error.kind, ERROR_CANCELLED);
	}
	bench->source.connection = bench->target.connection = NULL;
}

static void on_done_close(void *arg, const struct pump_result *result)
{
	struct pump_rig *bench = arg;

	(void)result;
	pg_connection_close(bench->source.connection);
	pg_connection_close(bench->target.connection);
	bench->source.connection = bench->target.connection = NULL;
}

static void test_closing_in_on_done_is_safe(void **state)
{
	struct pump_rig *bench = *state;

	pump_rig_open(bench);
	pump_start(bench->source.connection, "COPY (SELECT 1) TO STDOUT", bench->target.connection,
		   "CREATE TEMP TABLE t (i int); COPY t FROM STDIN", on_done_close, bench);
	for (int i = 0; i < 1000 && bench->source.connection; i++)
		rig_run(bench->base, 5);
	assert_null(bench->source.connection);
}

static void test_cancelled_copy_leaves_nothing(void **state)
{
	struct pump_rig *bench = *state;
	struct pump *pump;

	pump_rig_open(bench);
	rig_must(&bench->target, "CREATE TEMP TABLE t (i int, fill text)");
	pump = pump_rig_start(bench,
			      "COPY (SELECT i, 'x' FROM generate_series(1, 3000000) i) TO STDOUT",
			      "COPY t FROM STDIN");
	pump_rig_wait_for_bytes(bench, pump, 100000);
	pump_cancel(pump, "somebody said so");
	rig_wait(bench->base, &bench->outcome.count, 1);
	assert_int_equal(bench->outcome.error.kind, ERROR_CANCELLED);
	assert_string_equal(bench->outcome.error.message, "somebody said so");
	rig_assert_value(&bench->target, "SELECT count(*) FROM t", "0");
	pump_rig_assert_usable(bench);
}

#define WITH_RIG(test) cmocka_unit_test_setup_teardown(test, pump_rig_make, pump_rig_free)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_RIG(test_statements_that_cannot_work_are_told_by_side),
		WITH_RIG(test_copy_in_the_wrong_direction_ends_with_new_connections),
		WITH_RIG(test_connection_that_is_not_idle_is_refused),
		WITH_RIG(test_source_error_in_the_middle_leaves_nothing),
		WITH_RIG(test_target_error_in_the_middle_keeps_a_source_that_ends_soon),
		WITH_RIG(test_target_error_at_the_first_row_is_heard_long_before_the_end),
		WITH_RIG(test_target_error_while_the_source_thinks_is_answered_in_time),
		WITH_RIG(test_rows_that_a_trigger_drops_are_missed),
		WITH_RIG(test_notices_in_the_middle_are_no_errors),
		WITH_RIG(test_terminated_source_leaves_nothing),
		WITH_RIG(test_terminated_target_is_told_with_its_reason),
		WITH_RIG(test_link_to_the_target_cut_is_told),
		WITH_RIG(test_closing_both_connections_ends_the_pump_at_once),
		WITH_RIG(test_closing_in_on_done_is_safe),
		WITH_RIG(test_cancelled_copy_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
