/*
 * One entity's part of a session: what is planned, what is under way, what came of it.
 *
 *   PENDING ──▶ PLANNING ──▶ MOVING ──▶ MOVED ──▶ FILLING ──▶ FILLED ──▶ DELETING ──▶ COMPLETED
 *      parents moved   batches made   rows carried    references filled in     gone rows marked or deleted
 *
 * In bulk mode (bulk.h) it is PLANNING ──▶ SETTING_ASIDE ──▶ MOVING ──▶ REBUILDING ──▶ MOVED.
 *
 * Where that is asked for, it is checked before (PENDING ──▶ CHECKING_BEFORE ──▶ PENDING) and after its last batch
 * (CHECKING_AFTER ──▶ COMPLETED).
 *
 * any of them ──▶ FAILED or CANCELLED. A paused entity stays in its state and is given no lane.
 */
#ifndef DAEMON_RUN_ENTITY_RUN_H
#define DAEMON_RUN_ENTITY_RUN_H

#include "catalog/binding.h"
#include "run/batch.h"
#include "run/pace.h"
#include "run/rate.h"

enum entity_state {
	ENTITY_PENDING,
	ENTITY_CHECKING_BEFORE,
	ENTITY_PLANNING,
	ENTITY_SETTING_ASIDE,
	ENTITY_MOVING,
	ENTITY_REBUILDING,
	ENTITY_MOVED,
	ENTITY_FILLING,
	ENTITY_FILLED,
	ENTITY_DELETING,
	ENTITY_CHECKING_AFTER,
	ENTITY_COMPLETED,
	ENTITY_FAILED,
	ENTITY_CANCELLED,
};

/* What its time is counted as, for those who ask later where it went. */
enum stretch {
	STRETCH_WAITING, /* for others */
	STRETCH_PLANNING,
	STRETCH_MOVING,
	STRETCH_REBUILDING,
	STRETCH_FILLING,
	STRETCH_DELETING,
	STRETCH_COUNT,
};

struct session;
struct validation_step;

struct entity_run {
	struct session *session;
	const struct bound_entity *bound;
	enum entity_state state;
	size_t level; /* parents are below */
	bool whole;   /* ranges of the whole source relation, instead of the keys of a change set */
	bool first;   /* and it has never been carried to its end, with any mapping */
	bool paused;
	bool unkept;	  /* its state could not be kept in the store yet */
	char reason[512]; /* why it failed, or what it waits for */

	/* Planning (plan.c). */
	bool counted;	      /* its change set is complete, and counted in total */
	bool moves_planned;   /* every range, or slice of changes, stands in the store */
	bool deletes_planned; /* and of deletions */
	bool planning_more;   /* a query for further batches is under way */
	char **boundary;      /* the key the last planned range ends at; NULL: none yet */
	int batches_asked;    /* how many are being planned, at most */
	int64_t keys_to;      /* the last ordinal that is planned */
	int64_t deletes_to;
	bool followed; /* nobody waits for a row of the same entity that has come (kin only) */
	bool released; /* nor was a deletion refused that may be done now */
	int64_t deleted_before; /* when that was asked last: rows that had been deleted */
	/* Of a rollback (rollback.c). */
	int64_t imageless;	/* rows that lack their before-images */
	bool goes_alone;	/* its rows refer to each other: one batch at a time */
	bool retried;		/* what was refused is planned to be tried again */
	bool finished;		/* all else that the session has said of it is gone */
	int64_t written_before; /* when that was asked last: rows that had been written */
	struct pace move_pace;
	struct pace fill_pace;
	struct pace delete_pace;

	/* Batches that stand in the store and are to be done; taken from the front. */
	struct batch_spec *moves;
	size_t move_count;
	struct batch_spec *deletes;
	size_t delete_count;
	size_t active; /* batches under way */
	/* Batches in this life that were written as a first load, and that were refused as they were tried first. */
	size_t loaded;
	size_t refused;

	/* Bulk mode (bulk.c). */
	bool bulk_settled;	/* what was to be set aside is */
	int64_t aside;		/* things of its table that are to be put back */
	size_t rebuilding_most; /* lanes that can do so at once */

	/* The second pass: which reference is filled, by position. */
	size_t fill_column;
	size_t fill_alternative;
	bool fill_isolates; /* the last round was refused: the next finds the rows at fault */

	/* Checks before and after (validation_step.c). */
	bool checked_before;
	struct validation_step *step; /* under way */
	int64_t differences;	      /* that both have found */
	int64_t unchecked;	      /* checks that could not be made */

	/* Trouble (recovery.c). */
	struct retry retry; /* of all its work; a batch of it has its own */
	unsigned attempts;  /* of what has failed and is not done yet, the most */
	unsigned fruitless; /* failures since something of it succeeded */
	bool alone; /* its batches are split: one at a time, so that it does not keep every lane waiting */
	int64_t retries;  /* how often something was tried again, in all lives */
	int letters_told; /* rows set aside that the log names (letters.h) */

	/* Progress. */
	int64_t total;
	struct batch_counts counts;
	int64_t started_ms;
	int64_t finished_ms;
	int64_t moved_here; /* rows in this life of the daemon, for the rate */
	struct rate rate;   /* at which it goes now */
	int64_t went_on_ms; /* monotonic; something of it has succeeded last; 0: nothing in this life */
	int64_t went_on_us; /* the same, of the wall clock */
	int64_t busy_ms;    /* monotonic; since when it is busy without a break */
	/* Its last failure in this life, also when all is well again; "": none. */
	char last_error[512];
	char last_sqlstate[6];
	int64_t last_error_us;
	int64_t spent_ms[STRETCH_COUNT]; /* in all lives (record.c) */
	int64_t counted_to_ms;		 /* monotonic; 0: not counted yet */
};

/* The state as people see it: pending, running, paused, completed, failed, cancelled. */
const char *entity_run_status(const struct entity_run *run);

bool entity_run_is_over(const struct entity_run *run);

/* Is nothing of the rows to come carried yet? Most likely, also by how its batches fare. */
bool entity_run_is_first(const struct entity_run *run);

/* Has carried its rows, so children may go, also while indexes are put back. */
bool entity_run_has_moved(const struct entity_run *run);

/* Is being checked, before or after. */
bool entity_run_is_checked(const struct entity_run *run);

/* The most rows a batch may have. */
struct pace_limits entity_run_limits(const struct entity_run *run);

/* The pace of what it does now. */
const struct pace *entity_run_pace(const struct entity_run *run);

/* Is it to be left alone until a time that has not come yet? */
bool entity_run_waits(const struct entity_run *run);

/* Takes the next batch off the list whose time has come. False: there is none. */
bool entity_run_take(struct entity_run *run, bool deletes, struct batch_spec *ret_spec);
/* Likewise, of one kind only; is there one at all? */
bool entity_run_take_kind(struct entity_run *run, enum batch_kind kind,
			  struct batch_spec *ret_spec);
bool entity_run_has(const struct entity_run *run, enum batch_kind kind);
/* Adds one at the end; or at the front, to be done again soon. */
void entity_run_add(struct entity_run *run, const struct batch_spec *spec);
void entity_run_put_back(struct entity_run *run, const struct batch_spec *spec);
/* They stand in the store. */
void entity_run_forget(struct entity_run *run);

void entity_run_count(struct entity_run *run, const struct batch_counts *counts);
void entity_run_done(struct entity_run *run);

#endif
