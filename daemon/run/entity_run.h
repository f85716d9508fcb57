/*
 * One entity's part of a session: what is planned, what is under way, what came of it.
 *
 *   PENDING ──▶ PLANNING ──▶ MOVING ──▶ MOVED ──▶ FILLING ──▶ FILLED ──▶ DELETING ──▶ COMPLETED
 *      parents moved   batches made   rows carried    references filled in     gone rows marked or deleted
 *
 * any of them ──▶ FAILED or CANCELLED. A paused entity stays in its state and is given no lane.
 */
#ifndef DAEMON_RUN_ENTITY_RUN_H
#define DAEMON_RUN_ENTITY_RUN_H

#include "catalog/binding.h"
#include "run/batch.h"

enum entity_state {
	ENTITY_PENDING,
	ENTITY_PLANNING,
	ENTITY_MOVING,
	ENTITY_MOVED,
	ENTITY_FILLING,
	ENTITY_FILLED,
	ENTITY_DELETING,
	ENTITY_COMPLETED,
	ENTITY_FAILED,
	ENTITY_CANCELLED,
};

struct session;

struct entity_run {
	struct session *session;
	const struct bound_entity *bound;
	enum entity_state state;
	bool whole; /* ranges of the whole source relation, instead of the keys of a change set */
	bool paused;
	bool unkept;	  /* its state could not be kept in the store yet */
	char reason[512]; /* why it failed, or what it waits for */

	/* Planning. */
	bool planned;	    /* every batch is in the store */
	bool planning_more; /* a query for further ranges is under way */
	int next_number;    /* of the next range */
	int stored_below; /* while planning more: ranges with smaller numbers stand in the store */
	int known_below;  /* batches with smaller numbers are on the lists, or were */
	char **boundary;  /* the key the last planned range ends at; NULL: none yet */

	/* Batches that are to be done; moved from the front. */
	struct batch_spec *moves;
	size_t move_count;
	struct batch_spec *deletes;
	size_t delete_count;
	size_t active; /* batches under way */

	/* The second pass: which reference is filled, by position. */
	size_t fill_column;
	size_t fill_alternative;
	bool fill_isolates; /* the last round was refused: the next finds the rows at fault */

	unsigned attempts;     /* of the batch that failed last */
	int64_t not_before_ms; /* no batch is started earlier (backoff) */

	/* Progress. */
	int64_t total;
	struct batch_counts counts;
	int64_t started_ms;
	int64_t finished_ms;
	int64_t moved_here; /* rows in this life of the daemon, for the rate */
	double rate;	    /* rows a second, smoothed; 0: not known */
	int64_t last_batch_ms;
};

/* The state as people see it: pending, running, paused, completed, failed, cancelled. */
const char *entity_run_status(const struct entity_run *run);

bool entity_run_is_over(const struct entity_run *run);

/* Has carried its rows, so children may go. */
bool entity_run_has_moved(const struct entity_run *run);

/* Loads the batches that are to be done, or plans them; calls the session back (session_entity_planned) when there is
   something to do, or with an error. */
void entity_run_plan(struct entity_run *run);

/* Makes sure that further ranges are planned before the known ones run out. */
void entity_run_plan_more(struct entity_run *run);

/* Takes the next batch off the list that stands in the store. False: there is none. */
bool entity_run_take(struct entity_run *run, bool deletes, struct batch_spec *ret_spec);
/* Puts it back, to be done again. */
void entity_run_put_back(struct entity_run *run, const struct batch_spec *spec);

void entity_run_count(struct entity_run *run, const struct batch_counts *counts);
void entity_run_done(struct entity_run *run);

#endif
