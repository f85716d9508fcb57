/*
 * What the tests of the pump stand on: two connections, an outcome that is recorded, and a relay
 * before the target for those that want to stall or cut it.
 */
#ifndef TESTS_UNIT_PUMP_RIG_H
#define TESTS_UNIT_PUMP_RIG_H

#include "tests/unit/pg_rig.h"

#include "postgres/pump.h"

struct outcome {
	int count;
	int64_t rows, bytes;
	bool source_failed, target_failed;
	struct error error;
};

struct pump_rig {
	struct event_base *base;
	struct rig_link source, target;
	struct rig_relay *relay;
	struct outcome outcome; /* of the last pump */
};

/* Setup and teardown of a test whose state is a struct pump_rig. */
int pump_rig_make(void **state);
int pump_rig_free(void **state);

/* Opens both connections, the target's by the relay or not; skips the test when there are no
   servers. */
void pump_rig_open(struct pump_rig *bench);
void pump_rig_open_by_relay(struct pump_rig *bench);

struct pump *pump_rig_start(struct pump_rig *bench, const char *source_sql, const char *target_sql);
/* The same, and waits until it is done. */
void pump_rig_run(struct pump_rig *bench, const char *source_sql, const char *target_sql);
void pump_rig_wait_for_bytes(struct pump_rig *bench, const struct pump *pump, int64_t bytes);

/* Both connections are READY, have no transaction open, and work. */
void pump_rig_assert_usable(struct pump_rig *bench);

/* Not "FROM generate_series", which would be written to disk before the first row is sent. */
#define PUMP_RIG_ENDLESS "COPY (SELECT generate_series(1, 1000000000), repeat('x', 100)) TO STDOUT"

#endif
