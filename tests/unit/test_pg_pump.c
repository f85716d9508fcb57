// The pump: that every row arrives as it was, that every failure on either side ends in one answer and in usable
// connections, and that it holds neither memory nor the loop.
//
// link: -Wl,--wrap=clock_monotonic_ms
#include "tests/unit/pg_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/journal.h"
#include "common/text.h"
#include "postgres/pump.h"

struct bench {
	struct event_base *base;
	struct rig_link source, target;
	struct rig_relay *relay; /* before the target, where a test wants one */
};

struct outcome {
	int count;
	int64_t rows, bytes;
	bool source_failed, target_failed;
	struct error error;
};

/* The pump looks at the clock for every row: here it can be made slower than any server. */
int64_t __real_clock_monotonic_ms(void);
int64_t __wrap_clock_monotonic_ms(void);
static bool slow;

int64_t __wrap_clock_monotonic_ms(void)
{
	if (slow)
		nanosleep(&(struct timespec){ .tv_nsec = 200 * 1000 }, NULL);
	return __real_clock_monotonic_ms();
}

static int make_bench(void **state)
{
	struct bench *bench = calloc(1, sizeof *bench);

	slow = false;

	journal_init(LOG_CRIT);
	bench->base = event_base_new();
	*state = bench;
	return 0;
}

static int free_bench(void **state)
{
	struct bench *bench = *state;

	pg_connection_close(bench->source.connection);
	pg_connection_close(bench->target.connection);
	if (bench->relay)
		rig_relay_free(bench->relay);
	rig_base_free(bench->base);
	free(bench);
	return 0;
}

static void open_both(struct bench *bench)
{
	const char *source = rig_server(RIG_SOURCE), *target = rig_server(RIG_TARGET);

	rig_open(&bench->source, bench->base, "source", source);
	rig_open(&bench->target, bench->base, "target", target);
}

static void open_by_relay(struct bench *bench)
{
	const char *source = rig_server(RIG_SOURCE), *target = rig_server(RIG_TARGET);

	bench->relay = rig_relay_new(bench->base, target);
	rig_open(&bench->source, bench->base, "source", source);
	rig_open(&bench->target, bench->base, "target", rig_relay_conninfo(bench->relay));
}

static void on_done(void *arg, const struct pump_result *result)
{
	struct outcome *outcome = arg;

	outcome->count++;
	outcome->rows = result->rows;
	outcome->bytes = result->bytes;
	outcome->source_failed = result->source_failed;
	outcome->target_failed = result->target_failed;
	if (result->error)
		outcome->error = *result->error;
}

static struct pump *start(struct bench *bench, const char *source_sql, const char *target_sql,
			  struct outcome *outcome)
{
	*outcome = (struct outcome){ 0 };
	return pump_start(bench->source.connection, source_sql, bench->target.connection,
			  target_sql, on_done, outcome);
}

static void run(struct bench *bench, const char *source_sql, const char *target_sql,
		struct outcome *outcome)
{
	start(bench, source_sql, target_sql, outcome);
	assert_int_equal(outcome->count, 0);
	rig_wait(bench->base, &outcome->count, 1);
}

/* Runs a statement that must succeed. */
static void must(struct rig_link *link, const char *sql)
{
	struct rig_answer answer;

	rig_query(link, sql, &answer);
	if (answer.error.kind != ERROR_NONE)
		fail_msg("%s: %s", sql, answer.error.message);
}

static void assert_value(struct rig_link *link, const char *sql, const char *expected)
{
	struct rig_answer answer;

	rig_query(link, sql, &answer);
	assert_string_equal(answer.error.message, "");
	assert_string_equal(answer.value, expected);
}

/* Both connections are READY, have no transaction open, and work. */
static void assert_usable(struct bench *bench)
{
	rig_wait(bench->base, &bench->source.entered[PG_READY], 1);
	assert_value(&bench->source, "SELECT 'usable'", "usable");
	assert_value(&bench->target, "SELECT 'usable'", "usable");
	assert_int_equal(pg_connection_transaction(bench->source.connection), PQTRANS_IDLE);
	assert_int_equal(pg_connection_transaction(bench->target.connection), PQTRANS_IDLE);
}

/* --- rows arrive ---------------------------------------------------------------------------------- */

static void test_odd_data_arrive_as_they_were(void **state)
{
	static const char *const formats[] = { "text", "binary" };
	struct bench *bench = *state;
	struct outcome outcome;
	struct rig_answer sent;

	open_both(bench);
	must(&bench->source,
	     "CREATE TEMP TABLE odd AS SELECT i, "
	     "CASE i % 7 WHEN 0 THEN NULL WHEN 1 THEN '' WHEN 2 THEN E'\\\\N' WHEN 3 THEN E'\\\\.' "
	     "WHEN 4 THEN E'a\\tb\\nc\\rd\\\\' ELSE repeat(chr(1 + i * 37 % 50000), i % 300) END AS t, "
	     "CASE WHEN i % 3 = 0 THEN 'NaN' ELSE i / 7.0 END::float8 AS f, "
	     "decode(md5(i::text), 'hex') AS b, ARRAY[i, NULL, -i] AS a, "
	     "'2000-01-01'::timestamptz + i * '1 hour'::interval AS at "
	     "FROM generate_series(1, 20000) i");
	rig_query(&bench->source,
		  "SELECT md5(string_agg(md5(odd::text), '' ORDER BY i)) FROM odd", &sent);
	must(&bench->target, "CREATE TEMP TABLE odd (i int, t text, f float8, b bytea, a int[], "
			     "at timestamptz)");
	for (size_t i = 0; i < 2; i++) {
		_cleanup_free_ char *out =
			text_format("COPY odd TO STDOUT (FORMAT %s)", formats[i]);
		_cleanup_free_ char *in = text_format(
			"TRUNCATE odd; SET application_name = 'x'; COPY odd FROM STDIN (FORMAT %s)",
			formats[i]);

		run(bench, out, in, &outcome);
		assert_string_equal(outcome.error.message, "");
		assert_int_equal(outcome.rows, 20000);
		assert_true(outcome.bytes > 20000 * 50);
		assert_value(&bench->target,
			     "SELECT md5(string_agg(md5(odd::text), '' ORDER BY i)) FROM odd",
			     sent.value);
	}
	assert_int_equal(outcome.count, 1);
	assert_usable(bench);
}

static void test_no_rows_are_no_error(void **state)
{
	static const char *const formats[] = { "text", "binary" };
	struct bench *bench = *state;
	struct outcome outcome;

	open_both(bench);
	must(&bench->target, "CREATE TEMP TABLE t (i int)");
	for (size_t i = 0; i < 2; i++) {
		_cleanup_free_ char *out = text_format(
			"COPY (SELECT 1 WHERE false) TO STDOUT (FORMAT %s)", formats[i]);
		_cleanup_free_ char *in = text_format("COPY t FROM STDIN (FORMAT %s)", formats[i]);

		run(bench, out, in, &outcome);
		assert_string_equal(outcome.error.message, "");
		assert_int_equal(outcome.rows, 0);
	}
	assert_usable(bench);
}

static void test_wide_rows_arrive(void **state)
{
	struct bench *bench = *state;
	struct outcome outcome;

	open_both(bench);
	must(&bench->target, "CREATE TEMP TABLE t (i int, wide text)");
	run(bench,
	    "COPY (SELECT i, CASE WHEN i % 2 = 0 THEN repeat(chr(64 + i), 5000000) ELSE 'narrow' END "
	    "FROM generate_series(1, 10) i) TO STDOUT",
	    "COPY t FROM STDIN", &outcome);
	assert_string_equal(outcome.error.message, "");
	assert_int_equal(outcome.rows, 10);
	assert_value(&bench->target, "SELECT sum(length(wide)) FROM t", "25000030");
	assert_value(&bench->target,
		     "SELECT bool_and(wide = repeat(chr(64 + i), 5000000)) FROM t WHERE i % 2 = 0",
		     "t");
	assert_usable(bench);
}

static void test_rows_of_about_a_chunk_arrive(void **state)
{
	struct bench *bench = *state;
	struct outcome outcome;

	open_both(bench);
	must(&bench->target, "CREATE TEMP TABLE t (i int, wide text)");
	run(bench,
	    "COPY (SELECT i, repeat('x', i) FROM generate_series(65490, 65560) i) TO STDOUT",
	    "COPY t FROM STDIN", &outcome);
	assert_string_equal(outcome.error.message, "");
	assert_value(&bench->target, "SELECT count(*) FROM t WHERE length(wide) = i", "71");
}

struct chain {
	struct bench *bench;
	int count;
};

static void on_link_of_chain(void *arg, const struct pump_result *result)
{
	struct chain *chain = arg;

	assert_null(result->error);
	if (++chain->count < 100)
		pump_start(chain->bench->source.connection, "COPY (SELECT 1) TO STDOUT",
			   chain->bench->target.connection, "COPY t FROM STDIN", on_link_of_chain,
			   chain);
}

static void test_next_copy_may_start_when_one_is_done(void **state)
{
	struct bench *bench = *state;
	struct chain chain = { .bench = bench };

	open_both(bench);
	must(&bench->target, "CREATE TEMP TABLE t (i int)");
	pump_start(bench->source.connection, "COPY (SELECT 1) TO STDOUT", bench->target.connection,
		   "COPY t FROM STDIN", on_link_of_chain, &chain);
	rig_wait(bench->base, &chain.count, 100);
	assert_value(&bench->target, "SELECT count(*) FROM t", "100");
}

static void test_queries_submitted_meanwhile_run_afterwards(void **state)
{
	struct bench *bench = *state;
	struct outcome outcome;
	struct rig_answer behind = { 0 };

	open_both(bench);
	must(&bench->target, "CREATE TEMP TABLE t (i int)");
	start(bench, "COPY (SELECT generate_series(1, 10000)) TO STDOUT", "COPY t FROM STDIN",
	      &outcome);
	pg_submit(bench->target.connection, "SELECT count(*) FROM t", 0, NULL, rig_on_answer,
		  &behind);
	rig_wait(bench->base, &behind.count, 1);
	assert_int_equal(outcome.count, 1);
	assert_string_equal(behind.value, "10000");
}

/* --- statements that fail ------------------------------------------------------------------------- */

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
	struct bench *bench = *state;

	open_both(bench);
	must(&bench->target, "CREATE TEMP TABLE t (i int)");
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct outcome outcome;

		run(bench, cases[i].source, cases[i].target, &outcome);
		assert_int_equal(outcome.error.kind, cases[i].kind);
		assert_string_equal(outcome.error.sqlstate, cases[i].sqlstate);
		assert_int_equal(outcome.source_failed, cases[i].source_failed);
		assert_int_equal(outcome.target_failed, cases[i].target_failed);
		assert_usable(bench);
	}
	assert_value(&bench->target, "SELECT count(*) FROM t", "0");
	assert_int_equal(bench->source.entered[PG_CONNECTING], 1);
	assert_int_equal(bench->target.entered[PG_CONNECTING], 1);
}

static void test_copy_in_the_wrong_direction_ends_with_new_connections(void **state)
{
	struct bench *bench = *state;
	struct outcome outcome;

	open_both(bench);
	must(&bench->source, "CREATE TEMP TABLE t (i int)");
	run(bench, "COPY t FROM STDIN", "COPY (SELECT 1) TO STDOUT", &outcome);
	assert_int_equal(outcome.error.kind, ERROR_INTERNAL);
	rig_wait(bench->base, &bench->source.entered[PG_READY], 3);
	assert_usable(bench);
}

static void test_connection_that_is_not_idle_is_refused(void **state)
{
	struct bench *bench = *state;
	struct outcome outcome;
	struct rig_answer busy = { 0 };

	open_both(bench);
	pg_submit(bench->source.connection, "SELECT 1", 0, NULL, rig_on_answer, &busy);
	run(bench, "COPY (SELECT 1) TO STDOUT", "COPY t FROM STDIN", &outcome);
	assert_int_equal(outcome.error.kind, ERROR_CONNECTION);
	rig_wait(bench->base, &busy.count, 1);
	assert_usable(bench);
}

static void test_source_error_in_the_middle_leaves_nothing(void **state)
{
	struct bench *bench = *state;
	struct outcome outcome;

	open_both(bench);
	must(&bench->target, "CREATE TEMP TABLE t (i int)");
	run(bench, "COPY (SELECT 1 / (150000 - i) FROM generate_series(1, 200000) i) TO STDOUT",
	    "COPY t FROM STDIN", &outcome);
	assert_true(outcome.source_failed);
	assert_false(outcome.target_failed);
	assert_string_equal(outcome.error.sqlstate, "22012");
	assert_true(outcome.bytes > 0);
	assert_value(&bench->target, "SELECT count(*) FROM t", "0");
	assert_usable(bench);
	assert_int_equal(bench->source.entered[PG_CONNECTING], 1);
}

static void test_target_error_in_the_middle_keeps_a_source_that_ends_soon(void **state)
{
	struct bench *bench = *state;
	struct outcome outcome;

	open_both(bench);
	must(&bench->target, "CREATE TEMP TABLE t (i int CHECK (i <> 100000), "
			     "d int GENERATED ALWAYS AS (1 / (300000 - i)) STORED)");
	run(bench, "COPY (SELECT generate_series(1, 200000)) TO STDOUT", "COPY t (i) FROM STDIN",
	    &outcome);
	assert_true(outcome.target_failed);
	assert_false(outcome.source_failed);
	assert_string_equal(outcome.error.sqlstate, "23514");
	run(bench, "COPY (SELECT generate_series(200001, 400000)) TO STDOUT",
	    "COPY t (i) FROM STDIN", &outcome);
	assert_true(outcome.target_failed);
	assert_string_equal(outcome.error.sqlstate, "22012");
	assert_value(&bench->target, "SELECT count(*) FROM t", "0");
	assert_usable(bench);
	assert_int_equal(bench->source.entered[PG_CONNECTING], 1);
	assert_int_equal(bench->target.entered[PG_CONNECTING], 1);
}

static void test_target_error_at_the_first_row_is_heard_long_before_the_end(void **state)
{
	struct bench *bench = *state;
	struct outcome outcome;

	open_both(bench);
	must(&bench->target, "CREATE TEMP TABLE t (i int CHECK (i <> 1), fill text)");
	run(bench,
	    "COPY (SELECT generate_series(1, 100000000), repeat('x', 200)) TO STDOUT",
	    "COPY t FROM STDIN", &outcome);
	assert_true(outcome.target_failed);
	assert_string_equal(outcome.error.sqlstate, "23514");
	assert_true(outcome.bytes < 64 * 1024 * 1024);
	rig_wait(bench->base, &bench->source.entered[PG_CONNECTING], 2); /* its rest was too long */
	rig_wait(bench->base, &bench->source.entered[PG_READY], 2);
	assert_usable(bench);
	assert_int_equal(bench->target.entered[PG_CONNECTING], 1);
}

static void test_target_error_while_the_source_thinks_is_answered_in_time(void **state)
{
	struct bench *bench = *state;
	struct outcome outcome;

	open_both(bench);
	run(bench, "COPY (SELECT pg_sleep(10)) TO STDOUT", "COPY nothing FROM STDIN", &outcome);
	assert_string_equal(outcome.error.sqlstate, "42P01");
	assert_true(outcome.target_failed);
	assert_int_equal(outcome.count, 1);
}

static void test_rows_that_a_trigger_drops_are_missed(void **state)
{
	struct bench *bench = *state;
	struct outcome outcome;

	open_both(bench);
	must(&bench->target,
	     "CREATE TEMP TABLE t (i int); "
	     "CREATE FUNCTION pg_temp.drop_some() RETURNS trigger LANGUAGE plpgsql AS "
	     "$$ BEGIN IF NEW.i = 7 THEN RETURN NULL; END IF; RETURN NEW; END $$; "
	     "CREATE TRIGGER drop_some BEFORE INSERT ON t FOR EACH ROW "
	     "EXECUTE FUNCTION pg_temp.drop_some()");
	run(bench, "COPY (SELECT generate_series(1, 10)) TO STDOUT", "COPY t FROM STDIN", &outcome);
	assert_int_equal(outcome.error.kind, ERROR_INTERNAL);
	assert_string_equal(outcome.error.message, "the source sent 10 rows, the target took 9");
	assert_usable(bench);
}

static void test_notices_in_the_middle_are_no_errors(void **state)
{
	struct bench *bench = *state;
	struct outcome outcome;

	open_both(bench);
	must(&bench->target,
	     "CREATE TEMP TABLE t (i int); "
	     "CREATE FUNCTION pg_temp.chatter() RETURNS trigger LANGUAGE plpgsql AS "
	     "$$ BEGIN RAISE NOTICE '%', repeat('chatter ', 2000); PERFORM pg_sleep(0.002); "
	     "RETURN NEW; END $$; "
	     "CREATE TRIGGER chatter BEFORE INSERT ON t FOR EACH ROW WHEN (NEW.i % 100 = 0) "
	     "EXECUTE FUNCTION pg_temp.chatter()");
	run(bench, "COPY (SELECT generate_series(1, 20000)) TO STDOUT", "COPY t FROM STDIN",
	    &outcome);
	assert_string_equal(outcome.error.message, "");
	assert_int_equal(outcome.rows, 20000);
}

/* --- connections that fail ------------------------------------------------------------------------ */

static void terminate(struct bench *bench, const char *server, struct rig_link *victim)
{
	_cleanup_free_ char *sql = text_format("SELECT pg_terminate_backend(%d)",
					       pg_connection_backend_pid(victim->connection));
	struct rig_link side;

	rig_open(&side, bench->base, "side", rig_server(server));
	assert_value(&side, sql, "t");
	pg_connection_close(side.connection);
}

/* Not "FROM generate_series", which would be written to disk before the first row is sent. */
#define ENDLESS "COPY (SELECT generate_series(1, 1000000000), repeat('x', 100)) TO STDOUT"

static void wait_for_bytes(struct bench *bench, const struct pump *pump, int64_t bytes)
{
	for (int i = 0; i < 2000 && pump_bytes(pump) < bytes; i++)
		rig_run(bench->base, 5);
	assert_true(pump_bytes(pump) >= bytes);
}

static void test_terminated_source_leaves_nothing(void **state)
{
	struct bench *bench = *state;
	struct outcome outcome;
	struct pump *pump;

	open_both(bench);
	must(&bench->target, "CREATE TEMP TABLE t (i int, fill text)");
	pump = start(bench, ENDLESS, "BEGIN; COPY t FROM STDIN", &outcome);
	wait_for_bytes(bench, pump, 100000);
	terminate(bench, RIG_SOURCE, &bench->source);
	rig_wait(bench->base, &outcome.count, 1);
	assert_true(outcome.source_failed);
	assert_false(outcome.target_failed);
	/* With its SQLSTATE or without: a backend that dies while it sends does not say why. */
	assert_int_equal(outcome.error.kind, ERROR_CONNECTION);
	assert_int_equal(pg_connection_transaction(bench->target.connection), PQTRANS_INERROR);
	must(&bench->target, "ROLLBACK");
	rig_wait(bench->base, &bench->source.entered[PG_READY], 2);
	assert_usable(bench);
	assert_value(&bench->target, "SELECT count(*) FROM t", "0");
}

static void test_terminated_target_is_told_with_its_reason(void **state)
{
	struct bench *bench = *state;
	struct outcome outcome;
	struct pump *pump;

	open_both(bench);
	must(&bench->target, "CREATE TEMP TABLE t (i int, fill text)");
	pump = start(bench, ENDLESS, "COPY t FROM STDIN", &outcome);
	wait_for_bytes(bench, pump, 100000);
	terminate(bench, RIG_TARGET, &bench->target);
	rig_wait(bench->base, &outcome.count, 1);
	assert_true(outcome.target_failed);
	assert_false(outcome.source_failed);
	assert_int_equal(outcome.error.kind, ERROR_CONNECTION);
	assert_string_equal(outcome.error.sqlstate, "57P01");
	rig_wait(bench->base, &bench->target.entered[PG_READY], 2);
	rig_wait(bench->base, &bench->source.entered[PG_READY], 2);
	assert_usable(bench);
}

static void test_link_to_the_target_cut_is_told(void **state)
{
	struct bench *bench = *state;
	struct outcome outcome;
	struct pump *pump;

	open_by_relay(bench);
	must(&bench->target, "CREATE TEMP TABLE t (i int, fill text)");
	pump = start(bench, ENDLESS, "COPY t FROM STDIN", &outcome);
	wait_for_bytes(bench, pump, 100000);
	rig_relay_cut(bench->relay);
	rig_wait(bench->base, &outcome.count, 1);
	assert_true(outcome.target_failed);
	assert_int_equal(outcome.error.kind, ERROR_CONNECTION);
	rig_wait(bench->base, &bench->target.entered[PG_READY], 2);
	rig_wait(bench->base, &bench->source.entered[PG_READY], 2);
	assert_usable(bench);
}

static void test_closing_both_connections_ends_the_pump_at_once(void **state)
{
	struct bench *bench = *state;

	for (int source_first = 0; source_first < 2; source_first++) {
		struct rig_link *first, *second;
		struct outcome outcome;
		struct pump *pump;

		open_both(bench);
		must(&bench->target, "CREATE TEMP TABLE t (i int, fill text)");
		pump = start(bench, ENDLESS, "COPY t FROM STDIN", &outcome);
		wait_for_bytes(bench, pump, 100000);
		first = source_first ? &bench->source : &bench->target;
		second = source_first ? &bench->target : &bench->source;
		pg_connection_close(first->connection);
		assert_int_equal(outcome.count, 0);
		pg_connection_close(second->connection);
		assert_int_equal(outcome.count, 1);
		assert_int_equal(outcome.error.kind, ERROR_CANCELLED);
	}
	bench->source.connection = bench->target.connection = NULL;
}

static void on_done_close(void *arg, const struct pump_result *result)
{
	struct bench *bench = arg;

	(void)result;
	pg_connection_close(bench->source.connection);
	pg_connection_close(bench->target.connection);
	bench->source.connection = bench->target.connection = NULL;
}

static void test_closing_in_on_done_is_safe(void **state)
{
	struct bench *bench = *state;

	open_both(bench);
	pump_start(bench->source.connection, "COPY (SELECT 1) TO STDOUT", bench->target.connection,
		   "CREATE TEMP TABLE t (i int); COPY t FROM STDIN", on_done_close, bench);
	for (int i = 0; i < 1000 && bench->source.connection; i++)
		rig_run(bench->base, 5);
	assert_null(bench->source.connection);
}

static void test_cancelled_copy_leaves_nothing(void **state)
{
	struct bench *bench = *state;
	struct outcome outcome;
	struct pump *pump;

	open_both(bench);
	must(&bench->target, "CREATE TEMP TABLE t (i int, fill text)");
	pump = start(bench, "COPY (SELECT i, 'x' FROM generate_series(1, 3000000) i) TO STDOUT",
		     "COPY t FROM STDIN", &outcome);
	wait_for_bytes(bench, pump, 100000);
	pump_cancel(pump, "somebody said so");
	rig_wait(bench->base, &outcome.count, 1);
	assert_int_equal(outcome.error.kind, ERROR_CANCELLED);
	assert_string_equal(outcome.error.message, "somebody said so");
	assert_value(&bench->target, "SELECT count(*) FROM t", "0");
	assert_usable(bench);
}

/* --- bounds --------------------------------------------------------------------------------------- */

static long resident_kb(void)
{
	long size = 0, resident = 0;
	FILE *file = fopen("/proc/self/statm", "r");

	assert_int_equal(fscanf(file, "%ld %ld", &size, &resident), 2);
	fclose(file);
	return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

static void test_stalled_target_stops_the_source_and_costs_no_memory(void **state)
{
	struct bench *bench = *state;
	struct outcome outcome;
	struct pump *pump;
	int64_t before;
	long resident;

	open_by_relay(bench);
	must(&bench->target, "CREATE TEMP TABLE t (i int, fill text)");
	pump = start(bench,
		     "COPY (SELECT i, repeat('x', 100) FROM generate_series(1, 1000000) i) TO STDOUT",
		     "COPY t FROM STDIN", &outcome);
	wait_for_bytes(bench, pump, 1000000);
	resident = resident_kb();
	rig_relay_stall(bench->relay, true);
	rig_run(bench->base, 300);
	before = pump_bytes(pump);
	rig_run(bench->base, 300);
	assert_int_equal(pump_bytes(pump), before);
	assert_true(pump_idle_ms(pump) >= 250);
	assert_true(before < 50 * 1000 * 1000);
	assert_true(resident_kb() - resident < 16 * 1024);
	rig_relay_stall(bench->relay, false);
	rig_wait(bench->base, &outcome.count, 1);
	assert_string_equal(outcome.error.message, "");
	assert_int_equal(outcome.rows, 1000000);
}

static void test_stalled_target_can_be_given_up(void **state)
{
	struct bench *bench = *state;
	struct outcome outcome;
	struct pump *pump;

	open_by_relay(bench);
	must(&bench->target, "CREATE TEMP TABLE t (i int, fill text)");
	pump = start(bench, ENDLESS, "COPY t FROM STDIN", &outcome);
	wait_for_bytes(bench, pump, 1000000);
	rig_relay_stall(bench->relay, true);
	while (pump_idle_ms(pump) < 200)
		rig_run(bench->base, 20);
	pg_connection_reset(bench->target.connection, "no progress for 200 ms");
	rig_wait(bench->base, &outcome.count, 1);
	assert_true(outcome.target_failed);
	assert_int_equal(outcome.error.kind, ERROR_CONNECTION);
	assert_non_null(strstr(outcome.error.message, "no progress for 200 ms"));
	rig_wait(bench->base, &bench->target.entered[PG_READY], 2);
	rig_wait(bench->base, &bench->source.entered[PG_READY], 2);
	assert_usable(bench);
}

static void test_source_is_not_read_before_the_target_is_ready_for_it(void **state)
{
	struct bench *bench = *state;
	struct outcome outcome;
	long resident;

	open_both(bench);
	must(&bench->target, "CREATE TEMP TABLE t (i int, fill text)");
	resident = resident_kb();
	start(bench, "COPY (SELECT i, repeat('x', 100) FROM generate_series(1, 500000) i) TO STDOUT",
	      "SELECT pg_sleep(0.5); COPY t FROM STDIN", &outcome);
	rig_run(bench->base, 400);
	assert_true(resident_kb() - resident < 16 * 1024);
	rig_wait(bench->base, &outcome.count, 1);
	assert_string_equal(outcome.error.message, "");
	assert_int_equal(outcome.rows, 500000);
	assert_true(resident_kb() - resident < 16 * 1024);
}

struct ticks {
	int64_t last_us;
	int64_t longest_us;
	int count;
};

/* Our own processor time, so that a busy machine does not fail the test. */
static int64_t cpu_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct ticks *ticks = arg;
	int64_t now = cpu_us();

	(void)fd;
	(void)what;
	if (ticks->count++ > 0 && now - ticks->last_us > ticks->longest_us)
		ticks->longest_us = now - ticks->last_us;
	ticks->last_us = now;
}

static void run_with_ticks(struct bench *bench, int rows, struct ticks *ticks)
{
	_cleanup_free_ char *sql = text_format(
		"COPY (SELECT i, repeat('x', 100) FROM generate_series(1, %d) i) TO STDOUT", rows);
	struct timeval every = { .tv_usec = 1000 };
	struct outcome outcome;
	struct event *tick;

	*ticks = (struct ticks){ 0 };
	open_both(bench);
	must(&bench->target, "CREATE TEMP TABLE t (i int, fill text)");
	tick = event_new(bench->base, -1, EV_PERSIST, on_tick, ticks);
	event_add(tick, &every);
	run(bench, sql, "COPY t FROM STDIN", &outcome);
	event_free(tick);
	slow = false;
	assert_string_equal(outcome.error.message, "");
	assert_int_equal(outcome.rows, rows);
}

static void test_loop_stays_responsive_at_full_speed(void **state)
{
	struct ticks ticks;

	run_with_ticks(*state, 500000, &ticks);
	assert_true(ticks.count > 20);
	assert_true(ticks.longest_us < 25000);
}

static void test_loop_stays_responsive_when_rows_never_run_out(void **state)
{
	struct ticks ticks;

	slow = true; /* 5000 rows take a second or more, in turns of 5 ms */
	run_with_ticks(*state, 5000, &ticks);
	assert_true(ticks.count > 50);
}

#define WITH_BENCH(test) cmocka_unit_test_setup_teardown(test, make_bench, free_bench)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_BENCH(test_odd_data_arrive_as_they_were),
		WITH_BENCH(test_no_rows_are_no_error),
		WITH_BENCH(test_wide_rows_arrive),
		WITH_BENCH(test_rows_of_about_a_chunk_arrive),
		WITH_BENCH(test_next_copy_may_start_when_one_is_done),
		WITH_BENCH(test_queries_submitted_meanwhile_run_afterwards),
		WITH_BENCH(test_statements_that_cannot_work_are_told_by_side),
		WITH_BENCH(test_copy_in_the_wrong_direction_ends_with_new_connections),
		WITH_BENCH(test_connection_that_is_not_idle_is_refused),
		WITH_BENCH(test_source_error_in_the_middle_leaves_nothing),
		WITH_BENCH(test_target_error_in_the_middle_keeps_a_source_that_ends_soon),
		WITH_BENCH(test_target_error_at_the_first_row_is_heard_long_before_the_end),
		WITH_BENCH(test_target_error_while_the_source_thinks_is_answered_in_time),
		WITH_BENCH(test_rows_that_a_trigger_drops_are_missed),
		WITH_BENCH(test_notices_in_the_middle_are_no_errors),
		WITH_BENCH(test_terminated_source_leaves_nothing),
		WITH_BENCH(test_terminated_target_is_told_with_its_reason),
		WITH_BENCH(test_link_to_the_target_cut_is_told),
		WITH_BENCH(test_closing_both_connections_ends_the_pump_at_once),
		WITH_BENCH(test_closing_in_on_done_is_safe),
		WITH_BENCH(test_cancelled_copy_leaves_nothing),
		WITH_BENCH(test_stalled_target_stops_the_source_and_costs_no_memory),
		WITH_BENCH(test_stalled_target_can_be_given_up),
		WITH_BENCH(test_source_is_not_read_before_the_target_is_ready_for_it),
		WITH_BENCH(test_loop_stays_responsive_at_full_speed),
		WITH_BENCH(test_loop_stays_responsive_when_rows_never_run_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
