// See pump_rig.h.
#include "tests/unit/pump_rig.h"

#include <stdlib.h>

#include "base/journal.h"

int pump_rig_make(void **state)
{
	struct pump_rig *bench = calloc(1, sizeof *bench);

	journal_init(LOG_CRIT);
	bench->base = event_base_new();
	*state = bench;
	return 0;
}

int pump_rig_free(void **state)
{
	struct pump_rig *bench = *state;

	pg_connection_close(bench->source.connection);
	pg_connection_close(bench->target.connection);
	if (bench->relay)
		rig_relay_free(bench->relay);
	rig_base_free(bench->base);
	free(bench);
	return 0;
}

void pump_rig_open(struct pump_rig *bench)
{
	const char *source = rig_server(RIG_SOURCE), *target = rig_server(RIG_TARGET);

	rig_open(&bench->source, bench->base, "source", source);
	rig_open(&bench->target, bench->base, "target", target);
}

void pump_rig_open_by_relay(struct pump_rig *bench)
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

struct pump *pump_rig_start(struct pump_rig *bench, const char *source_sql, const char *target_sql)
{
	bench->outcome = (struct outcome){ 0 };
	return pump_start(bench->source.connection, source_sql, bench->target.connection,
			  target_sql, on_done, &bench->outcome);
}

void pump_rig_run(struct pump_rig *bench, const char *source_sql, const char *target_sql)
{
	pump_rig_start(bench, source_sql, target_sql);
	assert_int_equal(bench->outcome.count, 0);
	rig_wait(bench->base, &bench->outcome.count, 1);
}

void pump_rig_assert_usable(struct pump_rig *bench)
{
	rig_wait(bench->base, &bench->source.entered[PG_READY], 1);
	rig_assert_value(&bench->source, "SELECT 'usable'", "usable");
	rig_assert_value(&bench->target, "SELECT 'usable'", "usable");
	assert_int_equal(pg_connection_transaction(bench->source.connection), PQTRANS_IDLE);
	assert_int_equal(pg_connection_transaction(bench->target.connection), PQTRANS_IDLE);
}

void pump_rig_wait_for_bytes(struct pump_rig *bench, const struct pump *pump, int64_t bytes)
{
	for (int i = 0; i < 2000 && pump_bytes(pump) < bytes; i++)
		rig_run(bench->base, 5);
	assert_true(pump_bytes(pump) >= bytes);
}
