/*
 * Cycles: migrating again and again, by the clock.
 */
#ifndef DAEMON_RUN_CYCLE_H
#define DAEMON_RUN_CYCLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/uuid.h"

/* So many cycles that are over are remembered. */
#define CYCLES_KEPT 10

enum cycle_result {
	CYCLE_QUIET,	/* nothing had changed */
	CYCLE_MIGRATED, /* a session has carried over what had */
	CYCLE_FAILED,
	CYCLE_SKIPPED, /* it could not begin; the reason says why */
};

/* quiet, migrated, failed, skipped */
const char *cycle_result_name(enum cycle_result result);

/* A cycle that is over. */
struct cycle {
	int64_t started_us; /* microseconds since the epoch */
	int64_t elapsed_ms;
	enum cycle_result result;
	bool sweep;
	int64_t changed;	      /* rows that were found new, modified or deleted */
	char session[UUID_TEXT_SIZE]; /* "": none was needed */
	char reason[512];	      /* "": none */
};

/* What there is to see of them. */
struct cycles {
	int64_t next_us; /* when the next begins; 0: none is scheduled */
	int64_t in_step_us; /* all that was committed in the source before is in the target; 0: not known */
	struct cycle last[CYCLES_KEPT]; /* the newest first */
	size_t count;
};

#endif
