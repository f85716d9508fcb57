// Whatever happens, in whatever order: each query is answered once and each pump is done once. The
// order comes from a seed, which is printed when it fails; MIGRATED_TEST_SEED repeats it.
#include "tests/unit/pump_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/journal.h"
#include "common/text.h"

#define STEPS 400
#define LINKS 2

struct chaos {
	struct event_base *base;
	struct rig_relay *relays[LINKS];
	struct rig_link links[LINKS];
	int submitted, answered;
	int pumps_started, pumps_done, pumps_succeeded;
	unsigned seed;
};

static unsigned pick(struct chaos *chaos, unsigned choices)
{
	return (unsigned)rand_r(&chaos->seed) % choices;
}

static void on_answer(void *arg, const struct pg_answer *answer)
{
	struct chaos *chaos = arg;

	chaos->answered++;
	if (answer->error)
		assert_true(answer->error->message[0] != '\0');
}

static void on_done(void *arg, const struct pump_result *result)
{
	struct chaos *chaos = arg;

	chaos->pumps_done++;
	if (!result->error) {
		chaos->pumps_succeeded++;
		assert_true(result->rows == 10 || result->rows == 50000);
	}
}

static void submit(struct chaos *chaos)
{
	static const char *const queries[] = {
		"SELECT 1",
		"SELECT 1; SELECT 1/0; SELECT 2",
		"SELECT pg_sleep(0.005)",
		"SELECT pg_terminate_backend(pg_backend_pid())",
		"BEGIN; SELECT 1; COMMIT",
		"COPY (SELECT generate_series(1, 1000)) TO STDOUT",
		"SELECT repeat('x', 1000000)",
	};
	const char *sql = queries[pick(chaos, sizeof queries / sizeof *queries)];
	struct pg_connection *connection = chaos->links[pick(chaos, LINKS)].connection;

	chaos->submitted++;
	if (pick(chaos, 5) == 0)
		pg_describe(connection, sql, on_answer, chaos);
	else
		pg_submit(connection, sql, 0, NULL, on_answer, chaos);
}

static void pump(struct chaos *chaos)
{
	static const char *const sources[] = {
		"COPY (SELECT generate_series(1, 10)) TO STDOUT",
		"COPY (SELECT generate_series(1, 50000)) TO STDOUT",
		"COPY (SELECT 1 / (40000 - i) FROM generate_series(1, 50000) i) TO STDOUT",
		"COPY nothing TO STDOUT",
	};
	static const char *const targets[] = {
		"CREATE TEMP TABLE IF NOT EXISTS t (i int); COPY t FROM STDIN",
		"CREATE TEMP TABLE IF NOT EXISTS t (i int); COPY t FROM STDIN",
		"CREATE TEMP TABLE IF NOT EXISTS u (i int CHECK (i <> 30000)); COPY u FROM STDIN",
		"SELECT 1",
	};

	chaos->pumps_started++;
	pump_start(chaos->links[0].connection, sources[pick(chaos, 4)], chaos->links[1].connection,
		   targets[pick(chaos, 4)], on_done, chaos);
}

static void break_something(struct chaos *chaos)
{
	unsigned which = pick(chaos, LINKS);

	switch (pick(chaos, 4)) {
	case 0:
		rig_relay_cut(chaos->relays[which]);
		break;
	case 1:
		rig_relay_refuse(chaos->relays[which], true);
		rig_relay_cut(chaos->relays[which]);
		rig_run(chaos->base, 30);
		rig_relay_refuse(chaos->relays[which], false);
		break;
	case 2:
		pg_connection_reset(chaos->links[which].connection, "chaos");
		break;
	case 3:
		rig_relay_stall(chaos->relays[which], true);
		rig_run(chaos->base, 2);
		rig_relay_stall(chaos->relays[which], false);
		break;
	}
}

static bool are_ready(const struct chaos *chaos)
{
	return pg_connection_state(chaos->links[0].connection) == PG_READY &&
	       pg_connection_state(chaos->links[1].connection) == PG_READY;
}

static void step(struct chaos *chaos)
{
	unsigned choice = pick(chaos, 100);

	if (choice < 4)
		break_something(chaos);
	else if (choice < 15)
		submit(chaos);
	else if (are_ready(chaos) ? choice < 50 : choice < 16)
		pump(chaos);
	else
		rig_run(chaos->base, (int)pick(chaos, 12));
}

/* When all is quiet again, all works again: at once, or when the last loss has been noticed. */
static void assert_recovery(struct chaos *chaos)
{
	chaos->pumps_succeeded = 0;
	for (int i = 0; i < 2000 && chaos->pumps_succeeded == 0; i++) {
		rig_run(chaos->base, 10);
		if (!are_ready(chaos) || chaos->pumps_done < chaos->pumps_started)
			continue;
		chaos->pumps_started++;
		pump_start(chaos->links[0].connection,
			   "COPY (SELECT generate_series(1, 10)) TO STDOUT",
			   chaos->links[1].connection,
			   "CREATE TEMP TABLE IF NOT EXISTS v (i int); COPY v FROM STDIN", on_done,
			   chaos);
	}
	assert_int_equal(chaos->pumps_succeeded, 1);
}

static unsigned choose_seed(void)
{
	const char *given = getenv("MIGRATED_TEST_SEED");

	return given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
}

static void test_everything_is_answered_once_whatever_happens(void **state)
{
	const char *servers[LINKS] = { rig_server(RIG_SOURCE), rig_server(RIG_TARGET) };
	struct chaos chaos = { .base = *state, .seed = choose_seed() };
	unsigned seed = chaos.seed;

	for (int i = 0; i < LINKS; i++) {
		chaos.relays[i] = rig_relay_new(chaos.base, servers[i]);
		rig_begin(&chaos.links[i], chaos.base, i ? "target" : "source",
			  rig_relay_conninfo(chaos.relays[i]), "SET client_min_messages = error",
			  1000);
	}
	for (int i = 0; i < STEPS; i++)
		step(&chaos);
	assert_recovery(&chaos);
	for (int i = 0; i < 5; i++) { /* and some that are closed upon */
		submit(&chaos);
		pump(&chaos);
	}
	rig_run(chaos.base, 1);
	for (int i = 0; i < LINKS; i++)
		pg_connection_close(chaos.links[i].connection);
	rig_run(chaos.base, 5); /* pumps that could not start answer from the loop */
	if (chaos.answered != chaos.submitted || chaos.pumps_done != chaos.pumps_started)
		fail_msg("MIGRATED_TEST_SEED=%u: %d of %d queries, %d of %d pumps", seed,
			 chaos.answered, chaos.submitted, chaos.pumps_done, chaos.pumps_started);
	for (int i = 0; i < LINKS; i++)
		rig_relay_free(chaos.relays[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_everything_is_answered_once_whatever_happens,
						rig_make_base, rig_free_base),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
