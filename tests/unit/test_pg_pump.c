// The pump: that every row arrives as it was, and that it holds neither memory nor the loop.
//
// link: -Wl,--wrap=clock_monotonic_ms
#include "tests/unit/pump_rig.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/text.h"

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

/* --- rows arrive ------------------------------------------------------------------------------ */

static void test_odd_data_arrive_as_they_were(void **state)
{
	static const char *const formats[] = { "text", "binary" };
	struct pump_rig *bench = *state;
	struct rig_answer sent;

	pump_rig_open(bench);
	rig_must(
		&bench->source,
		"CREATE TEMP TABLE odd AS SELECT i, "
		"CASE i % 7 WHEN 0 THEN NULL WHEN 1 THEN '' WHEN 2 THEN E'\\\\N' WHEN 3 THEN E'\\\\.' "
		"WHEN 4 THEN E'a\\tb\\nc\\rd\\\\' ELSE repeat(chr(1 + i * 37 % 50000), i % 300) END AS t, "
		"CASE WHEN i % 3 = 0 THEN 'NaN' ELSE i / 7.0 END::float8 AS f, "
		"decode(md5(i::text), 'hex') AS b, ARRAY[i, NULL, -i] AS a, "
		"'2000-01-01'::timestamptz + i * '1 hour'::interval AS at "
		"FROM generate_series(1, 20000) i");
	rig_query(&bench->source, "SELECT md5(string_agg(md5(odd::text), '' ORDER BY i)) FROM odd",
		  &sent);
	rig_must(&bench->target,
		 "CREATE TEMP TABLE odd (i int, t text, f float8, b bytea, a int[], "
		 "at timestamptz)");
	for (size_t i = 0; i < 2; i++) {
		_cleanup_free_ char *out = text_format("COPY odd TO STDOUT (FORMAT %s)",
						       formats[i]);
		_cleanup_free_ char *in = text_format(
			"TRUNCATE odd; SET application_name = 'x'; COPY odd FROM STDIN (FORMAT %s)",
			formats[i]);

		pump_rig_run(bench, out, in);
		assert_string_equal(bench->outcome.error.message, "");
		assert_int_equal(bench->outcome.rows, 20000);
		assert_true(bench->outcome.bytes > 20000 * 50);
		rig_assert_value(&bench->target,
				 "SELECT md5(string_agg(md5(odd::text), '' ORDER BY i)) FROM odd",
				 sent.value);
	}
	assert_int_equal(bench->outcome.count, 1);
	pump_rig_assert_usable(bench);
}

static void test_no_rows_are_no_error(void **state)
{
	static const char *const formats[] = { "text", "binary" };
	struct pump_rig *bench = *state;

	pump_rig_open(bench);
	rig_must(&bench->target, "CREATE TEMP TABLE t (i int)");
	for (size_t i = 0; i < 2; i++) {
		_cleanup_free_ char *out = text_format(
			"COPY (SELECT 1 WHERE false) TO STDOUT (FORMAT %s)", formats[i]);
		_cleanup_free_ char *in = text_format("COPY t FROM STDIN (FORMAT %s)", formats[i]);

		pump_rig_run(bench, out, in);
		assert_string_equal(bench->outcome.error.message, "");
		assert_int_equal(bench->outcome.rows, 0);
	}
	pump_rig_assert_usable(bench);
}

static void test_wide_rows_arrive(void **state)
{
	struct pump_rig *bench = *state;

	pump_rig_open(bench);
	rig_must(&bench->target, "CREATE TEMP TABLE t (i int, wide text)");
	pump_rig_run(
		bench,
		"COPY (SELECT i, CASE WHEN i % 2 = 0 THEN repeat(chr(64 + i), 5000000) ELSE 'narrow' END "
		"FROM generate_series(1, 10) i) TO STDOUT",
		"COPY t FROM STDIN");
	assert_string_equal(bench->outcome.error.message, "");
	assert_int_equal(bench->outcome.rows, 10);
	rig_assert_value(&bench->target, "SELECT sum(length(wide)) FROM t", "25000030");
	rig_assert_value(
		&bench->target,
		"SELECT bool_and(wide = repeat(chr(64 + i), 5000000)) FROM t WHERE i % 2 = 0", "t");
	pump_rig_assert_usable(bench);
}

static void test_rows_of_about_a_chunk_arrive(void **state)
{
	struct pump_rig *bench = *state;

	pump_rig_open(bench);
	rig_must(&bench->target, "CREATE TEMP TABLE t (i int, wide text)");
	pump_rig_run(
		bench,
		"COPY (SELECT i, repeat('x', i) FROM generate_series(65490, 65560) i) TO STDOUT",
		"COPY t FROM STDIN");
	assert_string_equal(bench->outcome.error.message, "");
	rig_assert_value(&bench->target, "SELECT count(*) FROM t WHERE length(wide) = i", "71");
}

struct chain {
	struct pump_rig *bench;
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
	struct pump_rig *bench = *state;
	struct chain chain = { .bench = bench };

	pump_rig_open(bench);
	rig_must(&bench->target, "CREATE TEMP TABLE t (i int)");
	pump_start(bench->source.connection, "COPY (SELECT 1) TO STDOUT", bench->target.connection,
		   "COPY t FROM STDIN", on_link_of_chain, &chain);
	rig_wait(bench->base, &chain.count, 100);
	rig_assert_value(&bench->target, "SELECT count(*) FROM t", "100");
}

static void test_queries_submitted_meanwhile_run_afterwards(void **state)
{
	struct pump_rig *bench = *state;
	struct rig_answer behind = { 0 };

	pump_rig_open(bench);
	rig_must(&bench->target, "CREATE TEMP TABLE t (i int)");
	pump_rig_start(bench, "COPY (SELECT generate_series(1, 10000)) TO STDOUT",
		       "COPY t FROM STDIN");
	pg_submit(bench->target.connection, "SELECT count(*) FROM t", 0, NULL, rig_on_answer,
		  &behind);
	rig_wait(bench->base, &behind.count, 1);
	assert_int_equal(bench->outcome.count, 1);
	assert_string_equal(behind.value, "10000");
}

/* --- bounds ----------------------------------------------------------------------------------- */

#ifdef __has_feature
#define HAS_SANITIZER __has_feature(address_sanitizer)
#elif defined(__SANITIZE_ADDRESS__)
#define HAS_SANITIZER 1
#else
#define HAS_SANITIZER 0
#endif

/* The memory we occupy; 0 under the sanitizer, which keeps what was freed. */
static long resident_kb(void)
{
	long size = 0, resident = 0;
	FILE *file = HAS_SANITIZER ? NULL : fopen("/proc/self/statm", "r");

	if (!file)
		return 0;
	assert_int_equal(fscanf(file, "%ld %ld", &size, &resident), 2);
	fclose(file);
	return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

static void wait_until_idle(struct pump_rig *bench, const struct pump *pump, int64_t ms)
{
	for (int i = 0; i < 1000 && pump_idle_ms(pump) < ms; i++)
		rig_run(bench->base, 20);
	assert_true(pump_idle_ms(pump) >= ms);
}

static void test_stalled_target_stops_the_source_and_costs_no_memory(void **state)
{
	struct pump_rig *bench = *state;
	struct pump *pump;
	int64_t before;
	long resident;

	pump_rig_open_by_relay(bench);
	rig_must(&bench->target, "CREATE TEMP TABLE t (i int, fill text)");
	pump = pump_rig_start(
		bench,
		"COPY (SELECT i, repeat('x', 100) FROM generate_series(1, 1000000) i) TO STDOUT",
		"COPY t FROM STDIN");
	pump_rig_wait_for_bytes(bench, pump, 1000000);
	resident = resident_kb();
	rig_relay_stall(bench->relay, true);
	wait_until_idle(bench, pump, 1000); /* longer than a busy machine keeps us waiting */
	before = pump_bytes(pump);
	rig_run(bench->base, 300);
	assert_int_equal(pump_bytes(pump), before);
	assert_true(before < 50 * 1000 * 1000);
	assert_true(resident_kb() - resident < 16 * 1024);
	rig_relay_stall(bench->relay, false);
	rig_wait(bench->base, &bench->outcome.count, 1);
	assert_string_equal(bench->outcome.error.message, "");
	assert_int_equal(bench->outcome.rows, 1000000);
}

static void test_stalled_target_can_be_given_up(void **state)
{
	struct pump_rig *bench = *state;
	struct pump *pump;

	pump_rig_open_by_relay(bench);
	rig_must(&bench->target, "CREATE TEMP TABLE t (i int, fill text)");
	pump = pump_rig_start(bench, PUMP_RIG_ENDLESS, "COPY t FROM STDIN");
	pump_rig_wait_for_bytes(bench, pump, 1000000);
	rig_relay_stall(bench->relay, true);
	wait_until_idle(bench, pump, 200);
	pg_connection_reset(bench->target.connection, "no progress for 200 ms");
	rig_wait(bench->base, &bench->outcome.count, 1);
	assert_true(bench->outcome.target_failed);
	assert_int_equal(bench->outcome.error.kind, ERROR_CONNECTION);
	assert_non_null(strstr(bench->outcome.error.message, "no progress for 200 ms"));
	rig_wait(bench->base, &bench->target.entered[PG_READY], 2);
	rig_wait(bench->base, &bench->source.entered[PG_READY], 2);
	pump_rig_assert_usable(bench);
}

static void test_source_is_not_read_before_the_target_is_ready_for_it(void **state)
{
	struct pump_rig *bench = *state;
	long resident;

	pump_rig_open(bench);
	rig_must(&bench->target, "CREATE TEMP TABLE t (i int, fill text)");
	resident = resident_kb();
	pump_rig_start(
		bench,
		"COPY (SELECT i, repeat('x', 100) FROM generate_series(1, 500000) i) TO STDOUT",
		"SELECT pg_sleep(0.5); COPY t FROM STDIN");
	rig_run(bench->base, 400);
	assert_true(resident_kb() - resident < 16 * 1024);
	rig_wait(bench->base, &bench->outcome.count, 1);
	assert_string_equal(bench->outcome.error.message, "");
	assert_int_equal(bench->outcome.rows, 500000);
	assert_true(resident_kb() - resident < 16 * 1024);
}

struct ticks {
	int64_t last_us;
	int64_t first_us;
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
	if (ticks->count == 0)
		ticks->first_us = now;
	if (ticks->count++ > 0 && now - ticks->last_us > ticks->longest_us)
		ticks->longest_us = now - ticks->last_us;
	ticks->last_us = now;
}

static void run_with_ticks(struct pump_rig *bench, int rows, struct ticks *ticks)
{
	struct timeval every = { .tv_usec = 1000 };
	struct event *tick;
	char sql[100];

	snprintf(sql, sizeof sql,
		 "COPY (SELECT i, repeat('x', 100) FROM generate_series(1, %d) i) TO STDOUT", rows);
	*ticks = (struct ticks){ 0 };
	pump_rig_open(bench);
	rig_must(&bench->target, "CREATE TEMP TABLE t (i int, fill text)");
	tick = event_new(bench->base, -1, EV_PERSIST, on_tick, ticks);
	event_add(tick, &every);
	pump_rig_run(bench, sql, "COPY t FROM STDIN");
	event_free(tick);
	slow = false;
	assert_string_equal(bench->outcome.error.message, "");
	assert_int_equal(bench->outcome.rows, rows);
}

static void test_loop_stays_responsive_at_full_speed(void **state)
{
	struct ticks ticks;

	run_with_ticks(*state, 500000, &ticks);
	assert_true(ticks.count > 20);
	assert_true(ticks.longest_us < (ticks.last_us - ticks.first_us) / 2);
}

static void test_loop_stays_responsive_when_rows_never_run_out(void **state)
{
	struct ticks ticks;

	slow = true; /* 5000 rows take a second or more, in turns of 5 ms */
	run_with_ticks(*state, 5000, &ticks);
	assert_true(ticks.count > 50);
}

#define WITH_RIG(test) cmocka_unit_test_setup_teardown(test, pump_rig_make, pump_rig_free)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_RIG(test_odd_data_arrive_as_they_were),
		WITH_RIG(test_no_rows_are_no_error),
		WITH_RIG(test_wide_rows_arrive),
		WITH_RIG(test_rows_of_about_a_chunk_arrive),
		WITH_RIG(test_next_copy_may_start_when_one_is_done),
		WITH_RIG(test_queries_submitted_meanwhile_run_afterwards),
		WITH_RIG(test_stalled_target_stops_the_source_and_costs_no_memory),
		WITH_RIG(test_stalled_target_can_be_given_up),
		WITH_RIG(test_source_is_not_read_before_the_target_is_ready_for_it),
		WITH_RIG(test_loop_stays_responsive_at_full_speed),
		WITH_RIG(test_loop_stays_responsive_when_rows_never_run_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
