/*
 * The baseline: how many rows of an entity each database holds, and whether the id map agrees with both.
 *
 * Nothing is written but a temporary table in the target. What the rows hold is not looked at; that is validation.
 */
#ifndef DAEMON_VERIFY_BASELINE_H
#define DAEMON_VERIFY_BASELINE_H

#include <stdbool.h>
#include <stdint.h>

#include "catalog/binding.h"
#include "common/clock.h"
#include "postgres/connection.h"

struct baseline {
	bool source_known;
	bool target_known; /* false: another entity writes to the table too, and no id map tells whose its rows are */
	bool map_known;	    /* false: never migrated; then every source row counts as unmapped */
	int64_t source;	    /* rows under the mapping's filter */
	int64_t target;	    /* rows, without those whose source row is gone */
	int64_t unmapped;   /* source rows that the id map does not have */
	int64_t orphaned;   /* id map rows whose target row does not exist */
	const char *status; /* synced, behind, ahead or missing */
	char last_migrated[CLOCK_RFC3339_SIZE]; /* "": never */
};

typedef void baseline_on_done(void *arg, const struct baseline *baseline, const struct error *err);

struct baseline_request {
	const struct binding *binding;
	const struct bound_entity *bound;
	struct pg_connection *source; /* both READY, and the request's own until it is done */
	struct pg_connection *target;
	int64_t work_memory_kb;
};

/* Counts one entity. Calls on_done once, from the loop, with a baseline or an error (ERROR_STRUCTURE for an entity
   that does not fit the databases); no transaction is left open. */
void baseline_start(const struct baseline_request *request, baseline_on_done *on_done, void *arg);

/* The status that follows from the numbers:
   missing  the source has rows, the target none of them
   synced   as many on both sides, every source row mapped, every mapped row there
   behind   the target lacks rows
   ahead    the target lacks none and has more */
const char *baseline_status(const struct baseline *baseline);

#endif
